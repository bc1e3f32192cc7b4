# SPDX-License-Identifier: Apache-2.0
"""Connections as a my.cnf describes them: account and TLS, which DBDParams has no names for."""

import re
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress

import pytest
from harness import APIKEYCTL, ROOT
from harness.certificates import make_certificate
from harness.keyfmt import insert_key
from harness.scratch import AM_ROOT

PLACE = """
<Location "/">
    AuthType Bearer
    Require apikey
</Location>
"""
CLIENT_SSL = 0x0800  # of the capabilities in a server's greeting


@pytest.fixture(scope="module")
def certificates(scratch):
    folder = scratch.folder("tls")
    make_certificate(folder, "server")
    make_certificate(folder, "elsewhere", "DNS:elsewhere.example")
    return folder


@pytest.fixture(scope="module")
def server(make_module_mariadb, certificates):
    return make_module_mariadb(f"--ssl-cert={certificates}/server.crt", f"--ssl-key={certificates}/server.key")


@pytest.fixture(scope="module")
def base(server):
    """A database whose account must use TLS."""
    made = server.create_database()
    server.sql(f"CREATE USER wary@'%' IDENTIFIED BY 'secret' REQUIRE SSL; GRANT ALL ON {made.name}.* TO wary@'%'")
    return made


def from_readme():
    """The option file that README shows."""
    text = re.search(r"```ini\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    return re.sub(r"^#.*\n", "", text)


@pytest.fixture
def describe(base, certificates):
    """Writes that file, with the values of this place, for a program that is told of its folder."""

    def write(folder, port=None, trusted="server", mode=0o644, **other):
        given = {
            "host": f"127.0.0.1\nport={port or base.server.port}", "user": "wary", "password": "secret", "database": base.name,
            "ssl-ca": certificates / f"{trusted}.crt",
        } | other  # fmt: skip
        text = re.sub(r"^([\w-]+)=(.*)$", lambda line: f"{line[1]}={given.get(line[1], line[2])}", from_readme(), flags=re.MULTILINE)
        file = folder / "my.cnf"
        file.touch()
        file.chmod(mode)
        file.write_text(text)

    return write


@pytest.fixture
def httpd(make_httpd):
    made = make_httpd(PLACE, dbd="group=apikeys", start=False)
    made.env["MYSQL_HOME"] = str(made.folder)
    return made


@pytest.fixture
def key(base):
    return insert_key(base, "user", "alice")[1]


def by_command(folder):
    return subprocess.run(
        [APIKEYCTL, "list", "--defaults-file", folder / "my.cnf", "--dsn", "group=apikeys"], env={"HOME": "/nowhere"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True,
    )  # fmt: skip


def assert_reached(httpd, key):
    """Both module and command reach the database."""
    httpd.start()
    done = by_command(httpd.folder)
    assert done.returncode == 0 and "alice" in done.stdout, done.stderr
    assert httpd.get("/", key).status == 200


def assert_kept_out(httpd, key, why):
    """Neither does, and both say why."""
    httpd.expect(f"AH00629: Can't connect to mysql: {re.escape(why)}", r"AH02655|AH0063[0-9]",
                 "AK0020: the database cannot be asked about API keys: mod_dbd has no connection")  # fmt: skip
    httpd.start()
    assert httpd.get("/", key).status == 503
    httpd.wait_log("AH00629")
    done = by_command(httpd.folder)
    assert done.returncode == 3 and f"{why} (error 2026); correct ssl-ca=" in done.stderr, done.stderr
    httpd.stop()


@contextmanager
def stripper(port):
    """A proxy between client and server that hides that the server has TLS: its port, and what clients sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen = bytearray()

        def pass_on(source, target, note=None):
            with suppress(OSError):
                while data := source.recv(65536):
                    if note is not None:
                        note += data
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def serve(client):
            with client, socket.create_connection(("127.0.0.1", port)) as server:
                greeting = bytearray(server.recv(65536))
                flags = greeting.index(0, 5) + 1 + 4 + 8 + 1  # version, connection id, half a nonce, a zero
                greeting[flags + 1] &= ~(CLIENT_SSL >> 8) & 0xFF
                client.sendall(greeting)
                back = threading.Thread(target=pass_on, args=(server, client))
                back.start()
                pass_on(client, server, seen)
                back.join()

        def accept():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return  # it is closed
                threading.Thread(target=serve, args=(client,)).start()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1], seen
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_tls_to_the_database(httpd, describe, key):
    """The file is that of README; the account must use TLS."""
    describe(httpd.folder)
    assert_reached(httpd, key)


def test_no_tls_to_the_database(httpd, server, base, key):
    """Nothing says so: of MySQL this is the first login of an account whose password goes over the wire encrypted with
    a key that the server sends."""
    server.sql(f"CREATE USER careless@'%' IDENTIFIED BY 'secret'; GRANT ALL ON {base.name}.* TO careless@'%'")
    file = httpd.folder / "my.cnf"
    file.write_text("\n".join(["[apikeys]", "host=127.0.0.1", f"port={server.port}", "user=careless", "password=secret",
                               f"database={base.name}", ""]))  # fmt: skip
    assert_reached(httpd, key)


def test_the_certificate_must_be_trusted(httpd, describe, key):
    describe(httpd.folder, trusted="elsewhere")
    assert_kept_out(httpd, key, "TLS/SSL error: self-signed certificate")


def test_the_certificate_must_name_the_host(httpd, describe, make_mariadb, certificates, key):
    other = make_mariadb(f"--ssl-cert={certificates}/elsewhere.crt", f"--ssl-key={certificates}/elsewhere.key")
    describe(httpd.folder, trusted="elsewhere", port=other.port)
    assert_kept_out(httpd, key, "TLS/SSL error: Validation of SSL server certificate failed")


def test_tls_cannot_be_stripped(httpd, describe, base, key):
    with stripper(base.server.port) as (port, seen):
        describe(httpd.folder, port=port)
        assert_kept_out(httpd, key, "TLS/SSL error: SSL is required, but the server does not support it")
    assert not seen  # no name of an account, no answer to a nonce


@pytest.mark.skipif(not AM_ROOT, reason="children are of another user only where root starts them")
def test_the_file_is_read_by_httpds_user(httpd, describe, key):
    """That root can read it is not enough. (It then asks a server of this machine, where there may or may not be one.)"""
    describe(httpd.folder, mode=0o600)
    httpd.expect("AH00629: Can't connect to mysql: ", r"AH02655|AH0063[0-9]", "AK0020")
    httpd.start()
    assert httpd.get("/", key).status == 503 and by_command(httpd.folder).returncode == 0
