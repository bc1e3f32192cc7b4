# SPDX-License-Identifier: Apache-2.0
"""How often keys are used, when last and from where: every use is written down once, whatever happens meanwhile."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections import Counter

import pytest
from harness.keyfmt import insert_key, mint
from harness.process import VALGRIND, wait_for
from load import Load, written

under_load = pytest.mark.skipif(VALGRIND, reason="of load")

OFTEN = "ApiKeyUsage 1s\nMaxKeepAliveRequests 0\n"
PLACE = """
<Location "/">
    AuthType Bearer
    Require apikey
</Location>
"""
NO_DATABASE = [
    r"AH00629|AH0063[0-9]|AH02655",
    r"AK0020: the database cannot be asked about API keys",
    r"AK0041: the use of API keys cannot be written down",
    r"AK005[03]: ",
]


@pytest.fixture(scope="module")
def server(make_module_mariadb):
    """A server of this file's own: it is stopped, killed and bent."""
    return make_module_mariadb()


@pytest.fixture
def base(server):
    return server.create_database()  # never dropped: a server that is stopped later writes its counts


def owned(database, count, prefix="ak"):
    """{owner: key}, each owner with one key."""
    owners = [f"{prefix}{number}" for number in range(count)]
    keys = {owner: mint(prefix) for owner in owners}
    database.sql(
        "INSERT INTO api_keys (owner_type, owner_id) VALUES " + ",".join(f"('user', '{owner}')" for owner in owners)
        + ";CREATE TEMPORARY TABLE fresh (owner VARCHAR(99), secret VARCHAR(99));INSERT INTO fresh VALUES "
        + ",".join(f"('{owner}', '{key}')" for owner, key in keys.items())
        + ";INSERT INTO api_key_secrets (digest, key_id) SELECT UNHEX(SHA2(secret, 256)), id FROM fresh JOIN api_keys"
        " ON owner_id = owner"
    )  # fmt: skip
    return keys


def served(httpd):
    """What the access log says: {owner: requests let in}."""
    lines = [line.split(" ", 2) for line in httpd.access_lines()]
    return Counter(user for _, user, request in lines if user != "-" and " 200 " in request)


def settle(database, *httpds):
    """Waits until all that was served is written."""

    def agree():
        return written(database) == sum(map(served, httpds), Counter())

    try:
        wait_for(agree, 10)
    except TimeoutError:
        expected, found = sum(map(served, httpds), Counter()), written(database)
        raise AssertionError({key: (expected[key], found[key]) for key in expected | found
                              if expected[key] != found[key]}) from None  # fmt: skip


# -- everything counts, once -----------------------------------------------------------------------------------


def crash(server):
    server.kill9()
    time_goes_by(2)
    server.start()


def hang(server):
    server.sigstop()
    time_goes_by(5)
    server.sigcont()


def time_goes_by(seconds):
    """An outage has a length."""
    threading.Event().wait(seconds)


TROUBLES = {
    "calm": lambda httpd, server: time_goes_by(1),
    "graceful": lambda httpd, server: [httpd.graceful(drain=False) for _ in range(3)],
    "crash": lambda httpd, server: crash(server),
    "hang": lambda httpd, server: hang(server),
    "kill": lambda httpd, server: server.hang_up(server.user),
}


@under_load
@pytest.mark.parametrize("trouble", TROUBLES)
def test_every_use_is_written_down(make_httpd, server, base, scratch, trouble):
    keys = owned(base, 30)
    httpd = make_httpd(OFTEN + PLACE, dbd=base.dbd_params(), children=2)
    httpd.expect(*NO_DATABASE)
    with Load(httpd, scratch.folder("load"), [*keys.values()], connections=8, pause_ms=1) as load:
        wait_for(lambda: written(base))
        TROUBLES[trouble](httpd, server)
        before = sum(served(httpd).values())
        wait_for(lambda: sum(served(httpd).values()) > before + 500)
        load.stop()
    settle(base, httpd)
    assert len(written(base)) == 30
    httpd.get("/", keys["ak0"])
    httpd.stop()  # writes what the timer has not
    assert written(base) == served(httpd)


@under_load
def test_more_keys_than_memory_holds(make_httpd, base, scratch):
    keys = owned(base, 6000)
    httpd = make_httpd("ApiKeyCache 4M\nApiKeyTimeout 10s\n" + OFTEN + PLACE, dbd=base.dbd_params(), children=2)
    with Load(httpd, scratch.folder("load"), [*keys.values()], connections=8, pause_ms=1) as load:
        wait_for(lambda: base.value("SELECT COUNT(*) FROM api_key_usage") == "6000", 60)
        load.stop()
    settle(base, httpd)


@under_load
def test_a_killed_child_takes_no_more_than_it_was_about_to_answer(make_httpd, base, scratch):
    keys = owned(base, 10)
    httpd = make_httpd(OFTEN + PLACE, dbd=base.dbd_params(), children=2)
    httpd.expect(r"exit signal Killed", crash=True)
    with Load(httpd, scratch.folder("load"), [*keys.values()], connections=8, pause_ms=1) as load:
        for _ in range(3):
            before = sum(served(httpd).values())
            wait_for(lambda: sum(served(httpd).values()) > before + 500)
            os.kill(httpd.children()[0], signal.SIGKILL)
        wait_for(lambda: len(httpd.children()) == 2)
        load.stop()
    httpd.stop()
    answered, counted = sum(served(httpd).values()), sum(written(base).values())
    assert answered <= counted <= answered + 3 * 8


def test_two_servers_add_up(make_httpd, base):
    keys = owned(base, 3)
    httpds = [make_httpd(OFTEN + PLACE, dbd=base.dbd_params()) for _ in range(2)]
    for number, httpd in enumerate(httpds, 1):
        for key in keys.values():
            for _ in range(number):
                assert httpd.get("/", key).status == 200
    settle(base, *httpds)
    assert written(base) == dict.fromkeys(keys, 3)


def test_two_ways_of_digesting_on_one_database_add_up(make_httpd, base):
    """The batches of either are told apart from the other's."""
    hosts = "".join(f"<VirtualHost 127.0.0.1:${{port}}>\nServerName {name}\nApiKeyPrefix {name}\n</VirtualHost>\n"
                    for name in ("one", "two"))  # fmt: skip
    httpd = make_httpd(OFTEN + hosts + PLACE, dbd=base.dbd_params(), tolerated=[r"AK011[456]:"])
    keys = {name: owned(base, 1, name)[f"{name}0"] for name in ("one", "two")}
    for name in ("one", "one", "one", "two", "one", "two"):
        assert httpd.get("/", keys[name], headers=[("Host", name)]).status == 200
        settle(base, httpd)


def test_the_host_that_counts_need_not_be_the_first(make_httpd, base):
    hosts = "".join(f"<VirtualHost 127.0.0.1:${{port}}>\nServerName {name}\nApiKeyUsage {usage}\n</VirtualHost>\n"
                    for name, usage in (("off", "Off"), ("on", "1s")))  # fmt: skip
    httpd = make_httpd("ApiKeyUsage Off\n" + hosts + PLACE, dbd=base.dbd_params(), tolerated=[r"AK011[456]:"])
    key = owned(base, 1)["ak0"]
    for host in ("off", "on", "off"):
        assert httpd.get("/", key, headers=[("Host", host)]).status == 200
    wait_for(lambda: written(base) == {"ak0": 1})
    httpd.stop()
    assert written(base) == {"ak0": 1}


def test_off_writes_nothing(make_httpd, base):
    httpd = make_httpd("ApiKeyUsage Off\n" + PLACE, dbd=base.dbd_params())
    assert httpd.get("/", owned(base, 1)["ak0"]).status == 200
    httpd.stop()
    assert base.sql("SELECT * FROM api_key_usage") == base.sql("SELECT * FROM api_key_usage_writers") == []


def test_no_statement_in_a_request(make_httpd, server, base):
    key = owned(base, 1)["ak0"]
    httpd = make_httpd("ApiKeyUsage 1h\nApiKeyRefresh Off\nMaxKeepAliveRequests 0\n" + PLACE, dbd=base.dbd_params())
    assert httpd.get("/", key).status == 200
    before = server.status("Questions")
    with httpd.connect() as connection:
        assert {connection.request("/", key).status for _ in range(200)} == {200}
    # One batch may be written meanwhile, the first.
    assert server.status("Questions") - before < 20
    httpd.stop()
    assert written(base) == {"ak0": 201}


# -- what counts -----------------------------------------------------------------------------------------------

SITE = """
<Directory "${htdocs}">
    Options +Includes +FollowSymLinks
    DirectoryIndex missing.html index.html
</Directory>
<Location "/">
    AuthType Bearer
    Require apikey
</Location>
<Location "/team">
    Require apikey-team
</Location>
<Location "/self">
    AuthType ApiKey
    Require valid-user
</Location>
<Location "/open">
    AuthType None
    Require all granted
</Location>
ErrorDocument 404 /error.html
RewriteEngine On
RewriteRule "^/moved$" "/index.html" [PT]
<Directory "${htdocs}/rules">
    RewriteEngine On
    RewriteRule "^x$" "/self/page.html" [L]
</Directory>
AddOutputFilter INCLUDES .shtml
"""
PATHS = [  # (path, status, uses)
    ("/index.html", 200, 1),
    ("/", 200, 1),  # DirectoryIndex
    ("/page.shtml", 200, 1),  # includes two others
    ("/moved", 200, 1),
    ("/rules/x", 200, 1),  # redirected to where another policy judges
    ("/nowhere", 404, 1),  # let in, and ErrorDocument
    ("/team", 403, 0),
    ("/open/page.html", 200, 0),
]


@pytest.fixture(scope="module")
def paths(make_module_httpd, server):
    base = server.create_database()
    httpd = make_module_httpd(OFTEN + SITE, modules=["include"], dbd=base.dbd_params(), start=False)
    for folder in ("rules", "self", "open"):
        (httpd.htdocs / folder).mkdir()
        (httpd.htdocs / folder / "page.html").write_text("page\n")
    (httpd.htdocs / "error.html").write_text("no such page\n")
    (httpd.htdocs / "page.shtml").write_text('<!--#include virtual="/index.html" --><!--#include file="index.html" -->')
    yield httpd.start(), base
    httpd.stop()  # before the database does


@pytest.mark.parametrize("path, status, uses", PATHS, ids=[path for path, _, _ in PATHS])
def test_a_request_counts_once(paths, path, status, uses):
    httpd, base = paths
    number, key = insert_key(base, "user", "alice")
    marker = insert_key(base, "user", "bob")
    httpd.expect(r"AH01631: user \S+ authorization failure")
    for _ in range(3):
        assert httpd.get(path, key).status == status
    assert httpd.get("/index.html", marker[1]).status == 200  # a later use: when it is written, all before it are
    wait_for(lambda: base.sql(f"SELECT * FROM api_key_usage WHERE key_id = {marker[0]}"))
    rows = base.sql(f"SELECT use_count FROM api_key_usage WHERE key_id = {number}")
    assert [int(row["use_count"]) for row in rows] == ([3 * uses] if uses else [])


def test_bad_keys_do_not_count(paths):
    httpd, base = paths
    httpd.expect(r"AK000[13]: API key (revoked|expired|not_found)\b")
    bad = [insert_key(base, "user", "eve", revoked_at=-1), insert_key(base, "user", "eve", expires_at=-1)]
    marker = insert_key(base, "user", "bob")
    for key in (bad[0][1], bad[1][1], mint()):
        assert httpd.get("/index.html", key).status == 401
    assert httpd.get("/index.html", marker[1]).status == 200
    wait_for(lambda: base.sql(f"SELECT * FROM api_key_usage WHERE key_id = {marker[0]}"))
    assert base.sql(f"SELECT * FROM api_key_usage WHERE key_id IN ({bad[0][0]}, {bad[1][0]})") == []


# -- when and from where ---------------------------------------------------------------------------------------


def last_use(base, number, uses):
    """(milliseconds since 1970, address) once that many uses are written."""
    row = wait_for(lambda: base.sql(
        "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', last_used_at) DIV 1000 AS ms, last_used_ip AS ip"
        f" FROM api_key_usage WHERE key_id = {number} AND use_count = {uses}"))[0]  # fmt: skip
    return int(row["ms"]), row["ip"]


def test_the_time_is_exact(paths):
    httpd, base = paths
    number, key = insert_key(base, "user", "alice")
    for uses in (1, 2, 3):
        before = int(time.time() * 1000)
        assert httpd.get("/index.html", key).status == 200
        after = int(time.time() * 1000)
        when, where = last_use(base, number, uses)
        assert before <= when <= after
        assert where == "127.0.0.1"


def test_an_older_use_does_not_move_the_time_back(paths):
    """One that another server wrote meanwhile is newer."""
    httpd, base = paths
    number, key = insert_key(base, "user", "alice")
    base.sql(f"INSERT INTO api_key_usage VALUES ({number}, '2100-01-01', '192.0.2.1', 5)")
    assert httpd.get("/index.html", key).status == 200
    assert last_use(base, number, 6) == (4102444800000, "192.0.2.1")


CLIENTS = ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.8"]


def test_the_address_is_the_client_s(make_httpd, base):
    httpd = make_httpd(
        OFTEN + "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\n" + PLACE, modules=["remoteip"],
        dbd=base.dbd_params(),
    )  # fmt: skip
    for client in CLIENTS:
        number, key = insert_key(base, "user", "alice")
        assert httpd.get("/", key, headers=[("X-Forwarded-For", client)]).status == 200
        assert last_use(base, number, 1)[1] == client.removeprefix("::ffff:")


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_an_ipv6_address(make_httpd, base):
    number, key = insert_key(base, "user", "alice")
    httpd = make_httpd("Listen [::1]:${port}\n" + OFTEN + PLACE, dbd=base.dbd_params())
    with socket.create_connection(("::1", httpd.port)) as connection:
        connection.sendall(f"GET / HTTP/1.0\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        assert b" 200 " in connection.recv(100)
    assert last_use(base, number, 1)[1] == "::1"


# -- writing ---------------------------------------------------------------------------------------------------


class Wire:
    """A loopback port in front of the database that cuts the connection at a COMMIT: "before" it gets there, or
    "after" it was executed and before the answer is back."""

    QUERY = 3

    def __init__(self, target):
        self.target = str(target)
        self.cut = None
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self.target)
            mute = threading.Event()
            threading.Thread(target=self._copy, args=(server, client, mute), daemon=True).start()
            packets = client.makefile("rb")
            while head := packets.read(4):
                body = packets.read(int.from_bytes(head[:3], "little"))
                if self.cut and body[:1] == bytes([self.QUERY]) and body[1:].upper().startswith(b"COMMIT"):
                    how, self.cut = self.cut, None
                    self.cuts += 1
                    if how == "after":
                        mute.answered = threading.Event()
                        mute.set()
                        server.sendall(head + body)
                        mute.answered.wait(10)
                    break
                server.sendall(head + body)
            for end in (server, client):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _copy(source, sink, mute):
        try:
            while octets := source.recv(65536):
                if mute.is_set():
                    mute.answered.set()
                    return
                sink.sendall(octets)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@pytest.mark.parametrize("reconnect", [0, 1])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_lost_in_the_commit(make_httpd, server, base, when, reconnect):
    wire = Wire(server.socket)
    keys = owned(base, 3)
    login = f"user={server.user} pass={server.password}"
    httpd = make_httpd(OFTEN + PLACE, dbd=f"host=127.0.0.1 port={wire.port} {login} dbname={base.name} "
                       f"reconnect={reconnect}")  # fmt: skip
    httpd.expect(*NO_DATABASE)
    for round in range(3):
        wire.cut = when
        for key in keys.values():
            assert httpd.get("/", key).status == 200
        wait_for(lambda: wire.cuts == round + 1)
        settle(base, httpd)
    httpd.stop()
    assert written(base) == dict.fromkeys(keys, 3)
    wire.close()


def test_a_batch_that_was_committed_is_not_written_again(make_httpd, base):
    """As where a child died between the commit and noting it: the batch's sequence is taken already."""
    key = owned(base, 1)["ak0"]
    httpd = make_httpd(OFTEN + PLACE, dbd=base.dbd_params())
    assert httpd.get("/", key).status == 200
    settle(base, httpd)
    base.sql("UPDATE api_key_usage_writers SET sequence = sequence + 1")
    assert httpd.get("/", key).status == 200
    httpd.stop()
    assert written(base) == {"ak0": 1}


def test_a_deleted_key_fails_nothing(make_httpd, base):
    keys = owned(base, 5)
    httpd = make_httpd("ApiKeyRefresh Off\n" + OFTEN + PLACE, dbd=base.dbd_params())
    for key in keys.values():
        assert httpd.get("/", key).status == 200
    base.sql("DELETE FROM api_keys WHERE owner_id = 'ak2'")
    for key in keys.values():
        assert httpd.get("/", key).status == 200
    wait_for(lambda: written(base) == {owner: 2 for owner in keys if owner != "ak2"})


def test_a_deadlock_is_tried_again(make_httpd, server, base):
    keys = owned(base, 2)
    httpd = make_httpd(OFTEN + PLACE, dbd=base.dbd_params())
    for key in keys.values():
        assert httpd.get("/", key).status == 200
    settle(base, httpd)
    low, high = (int(row["key_id"]) for row in base.sql("SELECT key_id FROM api_key_usage ORDER BY key_id"))
    deadlocks = server.deadlocks()
    with base.session() as other:
        # Heavier than a batch, which InnoDB then takes as the victim.
        other.sql("START TRANSACTION; INSERT INTO api_key_usage SELECT 1000000 + seq, NOW(), '', 0 FROM seq_1_to_500;"
                  f"UPDATE api_key_usage SET last_used_ip = '' WHERE key_id = {high}")  # fmt: skip
        for key in keys.values():
            assert httpd.get("/", key).status == 200
        wait_for(lambda: server.status("Innodb_row_lock_current_waits"), what="the writer to wait")
        other.sql(f"UPDATE api_key_usage SET last_used_ip = '' WHERE key_id = {low}; COMMIT")
    settle(base, httpd)
    assert server.deadlocks() > deadlocks


def test_trouble_is_logged_once(make_httpd, server, base):
    keys = owned(base, 1)
    httpd = make_httpd(OFTEN + PLACE, dbd=base.dbd_params())
    assert httpd.get("/", keys["ak0"]).status == 200
    settle(base, httpd)
    httpd.expect(r"AK0041: the use of API keys cannot be written down.*api_key_usage' doesn't exist \(error 1146\)")
    base.sql("RENAME TABLE api_key_usage TO away")
    assert httpd.get("/", keys["ak0"]).status == 200
    httpd.wait_log("AK0041")
    tries = server.status("Com_rollback")
    wait_for(lambda: server.status("Com_rollback") > tries + 1)
    base.sql("RENAME TABLE away TO api_key_usage")
    httpd.wait_log("AK0042: the use of API keys is written down again")
    settle(base, httpd)
    lines = httpd.log_lines()
    assert [sum(f" {number}: " in line for line in lines) for number in ("AK0041", "AK0042")] == [1, 1]
