# SPDX-License-Identifier: Apache-2.0
"""The module and the database: connections held no longer than a look-up, healed within the request, and read right
whatever the session is like and whatever the rows hold."""

import datetime
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.apikeyctl import ApikeyCtl
from harness.apps import HttpApp
from harness.keyfmt import digest, insert_key, mint
from harness.process import VALGRIND, wait_for
from judged import UNAVAILABLE, VALID, ask, basic, invalid

# The look-up itself is tested: nothing is remembered, nothing else asks the database, and who waits for it waits for
# as long as a test may take.
PLACE = """
ApiKeyCache Off
ApiKeyUsage Off
ApiKeyTimeout 20s
<Location "/">
    AuthType Bearer
    Require apikey
    Header always set X-Owner "%{APIKEY_OWNER}e"
    Header always set X-Scopes "%{APIKEY_SCOPES}e"
    Header always set X-Expires "%{APIKEY_EXPIRES}e"
</Location>
"""

# What mod_dbd says of connections that are gone or cannot be had.
DBD_GONE = r"AH00629|AH0063[0-9]|AH02655"
NO_DATABASE = [DBD_GONE, r"AK0020: the database cannot be asked about API keys: "]


@pytest.fixture(scope="module")
def server(make_module_mariadb):
    """A server of this file's own: it is stopped, killed and bent."""
    # What a fault of ours keeps locked makes a test fail, not wait.
    return make_module_mariadb("--lock-wait-timeout=20")


@pytest.fixture
def base(server):
    made = server.create_database()
    yield made
    made.drop()


@pytest.fixture
def key(base):
    return insert_key(base, "user", "alice")[1]


def clients(database):
    """Connections of programs to a database."""
    query = f"SELECT id, state FROM information_schema.PROCESSLIST WHERE db = '{database.name}' AND user = 'apikey'"
    return database.server.sql(query)


def get(httpd, path, key=None, headers=()):
    """One request, of which nothing is still to be logged when a later one looks for its own line."""
    mark = httpd.access_mark()
    answer = httpd.get(path, key, headers)
    httpd.access_lines(mark, count=1)
    return answer


def statuses(httpd, key, count=1):
    return [get(httpd, "/", key).status for _ in range(count)]


def statuses_after(httpd, key, count):
    """The same, once a database that could not be asked is known to be back."""
    wait_for(lambda: get(httpd, "/", key).status != 503, 2, "the database to be asked again")
    return statuses(httpd, key, count)


def at_once(httpd, database, count):
    """Requests that each need a connection of their own, held in the look-up until all have one."""
    keys = [insert_key(database, "user", "alice")[1] for _ in range(count)]
    mark = httpd.access_mark()
    with database.session() as lock, ThreadPoolExecutor(count) as pool:
        lock.sql("LOCK TABLES api_keys WRITE, api_key_secrets WRITE")
        answers = [pool.submit(httpd.get, "/", key) for key in keys]
        wait_for(lambda: sum("lock" in (row["state"] or "") for row in clients(database)) == count)
        lock.sql("UNLOCK TABLES")
    httpd.access_lines(mark, count=count)
    return [answer.result().status for answer in answers]


# -- a connection is held for the look-up alone ----------------------------------------------------------------


def test_a_slow_download_holds_up_nobody(make_httpd, make_app, base, key):
    app = make_app(HttpApp)
    httpd = make_httpd("DBDMin 1\nDBDKeep 1\nDBDMax 1\n" + PLACE, mounts={"/app": app}, dbd=base.dbd_params())
    with httpd.connect() as slow:
        slow.send("/app/slow", key)
        assert app.slow_started.wait(10)
        with httpd.connect(timeout=10) as second:
            assert second.request("/app/x", key).status == 200
        app.slow_release.set()
        assert slow.read_response().body == b"12"


def test_statements_are_prepared_when_needed_once_per_connection(make_httpd, server, base, key):
    def count(name):
        return server.status(f"Com_stmt_{name}")

    before = count("prepare"), count("execute")
    httpd = make_httpd("DBDMin 3\nDBDKeep 3\nDBDMax 3\n" + PLACE, dbd=base.dbd_params())
    wait_for(lambda: len(clients(base)) == 3)
    assert count("prepare") == before[0]
    assert statuses(httpd, key, 10) == [200] * 10
    assert (count("prepare"), count("execute")) == (before[0] + 1, before[1] + 10)
    assert at_once(httpd, base, 3) == [200] * 3
    assert count("prepare") == before[0] + 3


def test_no_look_up_for_what_cannot_be_a_key(make_httpd, server, base):
    httpd = make_httpd(PLACE, dbd=base.dbd_params())
    before = server.status("Com_stmt_execute")
    for junk in ("junk", "ak_u_junk", mint()[:-1] + "!"):
        assert httpd.get("/", junk).status in (400, 401)
    httpd.expect(r"AK0001: API key (not_found|malformed)")
    assert server.status("Com_stmt_execute") == before


# -- healing ---------------------------------------------------------------------------------------------------


def crash(database):
    database.server.kill9()
    database.server.start()


def restart(database):
    database.server.restart()


def kill(database):
    for row in clients(database):
        database.server.sql(f"KILL {row['id']}")
    wait_for(lambda: not clients(database))


def time_out(database):
    """The server closes what is idle; the sessions were told to be quick about it."""
    wait_for(lambda: not clients(database))


with_and_without_reconnect = pytest.mark.parametrize("reconnect", [0, 1])


@with_and_without_reconnect
@pytest.mark.parametrize("damage", [crash, restart, kill, time_out])
def test_lost_connections_fail_no_request(make_httpd, base, key, damage, reconnect):
    if VALGRIND and damage is time_out:
        pytest.skip("a second is short there")
    quick = 'DBDInitSQL "SET wait_timeout = 1"\n' if damage is time_out else ""
    httpd = make_httpd("DBDMin 3\nDBDKeep 3\nDBDMax 5\n" + quick + PLACE,
                       dbd=base.dbd_params(extra=f"reconnect={reconnect}"))  # fmt: skip
    assert at_once(httpd, base, 3) == [200] * 3
    damage(base)
    httpd.expect(DBD_GONE)
    assert statuses(httpd, key, 5) == [200] * 5
    assert at_once(httpd, base, 3) == [200] * 3


@with_and_without_reconnect
def test_refused_while_the_database_is_away_and_no_longer(make_httpd, server, base, key, reconnect):
    httpd = make_httpd("DBDMin 3\nDBDKeep 3\nDBDMax 5\n" + PLACE, dbd=base.dbd_params(extra=f"reconnect={reconnect}"))
    assert at_once(httpd, base, 3) == [200] * 3
    server.kill9()
    httpd.expect(*NO_DATABASE)
    for _ in range(5):
        away = ask(httpd, "/", key)
        assert away.answer == UNAVAILABLE
        assert int(away.response.header("Retry-After")) > 0
    assert statuses(httpd, mint()) == [503]  # not known to be unknown
    server.start()
    assert statuses_after(httpd, key, 5) == [200] * 5
    assert at_once(httpd, base, 3) == [200] * 3
    assert ask(httpd, "/", mint()).answer == invalid("not_found")
    logged = "\n".join(httpd.log_lines())
    assert (logged.count("AK0020"), logged.count("AK0021")) == (1, 1)


def test_a_database_that_comes_up_after_httpd(make_httpd, server, base, key):
    server.stop()
    httpd = make_httpd(PLACE, dbd=base.dbd_params())
    httpd.expect(*NO_DATABASE)
    assert ask(httpd, "/", key).answer == UNAVAILABLE
    server.start()
    assert statuses_after(httpd, key, 3) == [200] * 3


class Wire:
    """A loopback port in front of the database that can damage what passes.

    `forget` that many statements: the server is asked to execute one that it does not know. `cut` that many
    connections when they execute one. `executes` counts.
    """

    PREPARE, EXECUTE = 0x16, 0x17

    def __init__(self, target):
        self.target = str(target)
        self.forget = self.cut = self.executes = 0
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
            threading.Thread(target=self._copy, args=(server, client), daemon=True).start()
            packets = client.makefile("rb")
            while head := packets.read(4):
                body = packets.read(int.from_bytes(head[:3], "little"))
                # Commands alone have the sequence number 0.
                body = self._damage(body) if head[3] == 0 else body
                if body is None:
                    server.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(head + body)
            server.shutdown(socket.SHUT_RDWR)

    def _damage(self, body):
        if body[0] != self.EXECUTE:
            return body
        self.executes += 1
        if self.cut:
            self.cut -= 1
            return None
        if self.forget:
            self.forget -= 1
            return body[:1] + struct.pack("<I", 0x7FFFFFF0) + body[5:]
        return body

    @staticmethod
    def _copy(source, sink):
        try:
            while octets := source.recv(65536):
                sink.sendall(octets)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@pytest.fixture
def wire(server):
    made = Wire(server.socket)
    yield made
    made.close()


def through(wire, database, reconnect):
    login = f"user={database.server.user} pass={database.server.password}"
    return f"host=127.0.0.1 port={wire.port} {login} dbname={database.name} reconnect={reconnect}"


@with_and_without_reconnect
def test_a_forgotten_statement_is_prepared_again(make_httpd, server, base, key, wire, reconnect):
    httpd = make_httpd(PLACE, dbd=through(wire, base, reconnect))
    assert statuses(httpd, key) == [200]
    prepared = server.status("Com_stmt_prepare")
    wire.forget = 1
    assert statuses(httpd, key, 3) == [200] * 3
    assert (wire.forget, wire.executes) == (0, 5)
    assert server.status("Com_stmt_prepare") == prepared + 1


@with_and_without_reconnect
def test_a_connection_cut_in_the_look_up_is_replaced(make_httpd, base, key, wire, reconnect):
    httpd = make_httpd(PLACE, dbd=through(wire, base, reconnect))
    assert statuses(httpd, key) == [200]
    wire.cut = 2
    httpd.expect(DBD_GONE)
    assert statuses(httpd, key, 3) == [200] * 3
    assert wire.cut == 0


@with_and_without_reconnect
def test_a_server_that_cuts_every_connection_is_not_asked_for_ever(make_httpd, base, key, wire, reconnect):
    httpd = make_httpd(PLACE, dbd=through(wire, base, reconnect))
    wire.cut = 1000
    httpd.expect(*NO_DATABASE)
    assert ask(httpd, "/", key).answer == UNAVAILABLE
    assert 1 <= wire.executes < 10
    wire.cut = 0
    assert statuses_after(httpd, key, 3) == [200] * 3


# -- databases that are not in order ---------------------------------------------------------------------------


def test_a_missing_table_is_named_and_breaks_nobody_else(make_httpd, server, scratch):
    bare = server.create_database(schema=False)
    bare.sql("CREATE TABLE people (name VARCHAR(9), password VARCHAR(99));"
             "INSERT INTO people VALUES ('alice', '{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=')")  # "test"
    others = """
    <Location "/people">
        AuthType Basic
        AuthName people
        AuthBasicProvider dbd
        AuthDBDUserPWQuery "SELECT password FROM people WHERE name = %s"
        Require valid-user
    </Location>
    Alias "/people" "${htdocs}/index.html"
    """
    httpd = make_httpd(PLACE + others, modules=["authn_dbd"], dbd=bare.dbd_params())
    for _ in range(2):
        missing = ask(httpd, "/", mint())
        assert missing.answer == UNAVAILABLE
        httpd.expect(r"AK00[25]0: .*api_key_\w+' doesn't exist \(error 1146\); .* run apikeyctl init")
        httpd.check_log()
        assert get(httpd, "/people", headers=[basic("alice", "test")]).status == 200
    ApikeyCtl(bare, scratch.folder("ctl")).ok("init")
    assert statuses_after(httpd, insert_key(bare, "user", "alice")[1], 3) == [200] * 3
    assert get(httpd, "/people", headers=[basic("alice", "test")]).status == 200
    httpd.stop()
    bare.drop()


def test_access_denied(make_httpd, server, base, key):
    server.sql(f"CREATE USER late@localhost IDENTIFIED BY 'a'; GRANT SELECT ON {base.name}.* TO late@localhost")
    httpd = make_httpd(PLACE, dbd=base.dbd_params("late", "b"))
    httpd.expect(*NO_DATABASE)
    assert ask(httpd, "/", key).answer == UNAVAILABLE
    server.sql("ALTER USER late@localhost IDENTIFIED BY 'b'")
    assert statuses_after(httpd, key, 1) == [200]
    server.sql(f"REVOKE SELECT ON {base.name}.* FROM late@localhost; "
               f"GRANT INSERT ON {base.name}.api_key_usage TO late@localhost")  # fmt: skip
    for row in server.sql("SELECT id FROM information_schema.PROCESSLIST WHERE user = 'late'"):
        server.sql(f"KILL {row['id']}")
    assert ask(httpd, "/", key).answer == UNAVAILABLE
    httpd.expect(r"AK00[25]0: .*denied.* grant this account what conf/grants.sql grants", DBD_GONE)
    server.sql("DROP USER late@localhost")


def test_no_connection_left(make_httpd, make_mariadb):
    server = make_mariadb("--max-connections=10")
    full = server.create_database()
    key = insert_key(full, "user", "alice")[1]
    server.sql("CREATE USER plain@localhost IDENTIFIED BY 'p'; GRANT SELECT ON *.* TO plain@localhost")
    httpd = make_httpd("DBDPersist Off\n" + PLACE, dbd=full.dbd_params("plain", "p"))
    assert statuses(httpd, key) == [200]
    sessions = [full.session() for _ in range(10)]
    for session in sessions:
        session.sql("DO 1")
    httpd.expect(*NO_DATABASE)
    assert ask(httpd, "/", key).answer == UNAVAILABLE
    for session in sessions:
        session.close()
    wait_for(lambda: server.status("Threads_connected") == 1)
    assert statuses_after(httpd, key, 1) == [200]


def test_without_persistence_connections_end_with_the_look_up(make_httpd, base, key):
    httpd = make_httpd("DBDPersist Off\n" + PLACE, dbd=base.dbd_params())
    assert statuses(httpd, key, 5) == [200] * 5
    wait_for(lambda: not clients(base))


def test_two_virtual_hosts_two_databases(make_httpd, server):
    one, two = server.create_database(), server.create_database()
    key = insert_key(one, "user", "alice")[1]
    insert_key(two, "team", "blue", key=key)
    only_one = insert_key(one, "user", "carol")[1]
    hosts = "".join(
        f'<VirtualHost 127.0.0.1:${{port}}>\nServerName {name}\nDBDParams "{db.dbd_params()}"\n</VirtualHost>\n'
        for name, db in (("one", one), ("two", two))
    )
    httpd = make_httpd(hosts + PLACE, dbd=one.dbd_params())

    def owner(host):
        return get(httpd, "/", key, [("Host", host)]).header("X-Owner")

    assert [owner("one"), owner("two"), owner("one")] == ["alice", "blue", "alice"]
    assert ask(httpd, "/", only_one, [("Host", "one")]).answer == VALID
    assert ask(httpd, "/", only_one, [("Host", "two")]).answer == invalid("not_found")
    httpd.stop()
    one.drop()
    two.drop()


# -- sessions of every kind ------------------------------------------------------------------------------------

SESSIONS = {
    "plain": "DO 1",
    "east": "SET time_zone = '+13:00'",
    "west": "SET time_zone = '-12:00'",
    "summer": "SET time_zone = 'Test/Summer'",
    "latin1": "SET NAMES latin1",
    "binary": "SET NAMES binary",
    "bin": "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "ucs2": "SET collation_connection = ucs2_general_ci",
    "ansi": "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,TRADITIONAL'",
    "loose": "SET sql_mode = ''",
    "uncommitted": "SET autocommit = 0",
    "broken": "SET nothing = nowhere",
}
in_every_session = pytest.mark.parametrize("host", SESSIONS)

# A zone with summer time from 2030-03-31 01:00 to 2030-10-27 01:00 UTC.
SUMMER = """
INSERT INTO mysql.time_zone (Use_leap_seconds) VALUES ('N');
SET @zone = LAST_INSERT_ID();
INSERT INTO mysql.time_zone_name VALUES ('Test/Summer', @zone);
INSERT INTO mysql.time_zone_transition_type VALUES (@zone, 0, 3600, 0, 'CET'), (@zone, 1, 7200, 1, 'CEST');
INSERT INTO mysql.time_zone_transition VALUES (@zone, 0, 0), (@zone, 1901149200, 1), (@zone, 1919293200, 0)
"""


@pytest.fixture(scope="module")
def sessions_base(server):
    server.sql(SUMMER)
    return server.create_database()


@pytest.fixture(scope="module")
def hosts(make_module_httpd, server, sessions_base):
    """A virtual host for each kind of session, with a pool of its own: pools are told apart by DBDExptime."""
    text = "".join(
        f'<VirtualHost 127.0.0.1:${{port}}>\nServerName {name}\nDBDExptime {1000 + number}\nDBDInitSQL "{sql}"\n'
        "</VirtualHost>\n"
        for number, (name, sql) in enumerate(SESSIONS.items())
    )
    return make_module_httpd("MaxKeepAliveRequests 0\n" + text + PLACE, dbd=sessions_base.dbd_params())


@in_every_session
def test_long_values_come_through_whole(hosts, sessions_base, host):
    owner, scopes = "\U0001f511" * 255, "s" * 498 + " " + "t" * 501
    key = insert_key(sessions_base, "team", owner, scopes)[1]
    answer = get(hosts, "/", key, [("Host", host)])
    assert (answer.status, answer.header("X-Scopes")) == (200, scopes)
    assert answer.header("X-Owner") == "%F0%9F%94%91" * 255


@in_every_session
def test_a_revocation_is_seen(hosts, sessions_base, host):
    number, key = insert_key(sessions_base, "user", "jos\u00e9")
    assert ask(hosts, "/", key, [("Host", host)]).answer == VALID
    sessions_base.sql(f"UPDATE api_keys SET revoked_at = NOW() WHERE id = {number}")
    assert ask(hosts, "/", key, [("Host", host)]).answer == invalid("revoked")


def test_a_revocation_is_seen_where_the_server_has_no_autocommit(make_httpd, server, base, key):
    server.sql("SET GLOBAL autocommit = 0")
    try:
        httpd = make_httpd(PLACE, dbd=base.dbd_params())
        assert statuses(httpd, key, 2) == [200] * 2
        base.sql("UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(); COMMIT")
        assert ask(httpd, "/", key).answer == invalid("revoked")
    finally:
        server.sql("SET GLOBAL autocommit = 1")


EXPIRIES = [
    "2030-03-31 02:30:00.000",  # a time that summer time leaves out
    "2030-10-27 02:30:00.000",  # one that comes twice
    "2038-01-19 03:14:07.999",
    "2038-01-19 03:14:08.000",
    "2106-02-07 06:28:16.000",
    "9999-12-31 23:59:59.999",
]


@in_every_session
def test_expiry_is_utc(hosts, sessions_base, host):
    for text in EXPIRIES:
        key = insert_key(sessions_base, "user", "alice", expires_at=text)[1]
        utc = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)
        answer = get(hosts, "/", key, [("Host", host)])
        assert (answer.status, answer.header("X-Expires")) == (200, str(int(utc.timestamp()))), text


@pytest.mark.parametrize("host", ["plain", "east", "west"])
def test_expiry_is_exact_to_the_millisecond(hosts, sessions_base, host):
    until = (int(time.time() * 1000) + 500) / 1000
    when = datetime.datetime.fromtimestamp(until, datetime.timezone.utc)
    key = insert_key(sessions_base, "user", "alice", expires_at=when)[1]
    hosts.expect(r"AK0003: API key expired: key \d+ of user alice")
    mark, count, status = hosts.access_mark(), 0, 200
    with hosts.connect() as connection:
        while status == 200:
            asked, count = time.time(), count + 1
            status = connection.request("/", key, headers=[("Host", host)]).status
            assert status == 401 or asked < until + 0.001
    assert time.time() > until
    hosts.access_lines(mark, count=count)


def test_the_earlier_expiry_of_key_and_secret_counts(hosts, sessions_base):
    for of_key, of_secret, answer in [
        (None, None, VALID), ("'2199-01-01'", None, VALID), (None, "'2199-01-01'", VALID),
        ("'2000-01-01'", "'2199-01-01'", invalid("expired")), ("'2199-01-01'", "'2000-01-01'", invalid("expired")),
        (None, "'2000-01-01'", invalid("expired")),
    ]:  # fmt: skip
        number, key = insert_key(sessions_base, "user", "alice")
        sessions_base.sql(f"UPDATE api_keys SET expires_at = {of_key or 'NULL'} WHERE id = {number};"
                          f"UPDATE api_key_secrets SET expires_at = {of_secret or 'NULL'} WHERE key_id = {number}")
        assert ask(hosts, "/", key, [("Host", "plain")]).answer == answer, (of_key, of_secret)


@pytest.mark.parametrize("table", ["api_keys", "api_key_secrets"])
def test_a_zero_date_has_expired(hosts, sessions_base, table):
    number, key = insert_key(sessions_base, "user", "alice")
    column = "id" if table == "api_keys" else "key_id"
    sessions_base.sql(f"SET sql_mode = ''; UPDATE {table} SET expires_at = '0000-00-00' WHERE {column} = {number}")
    assert ask(hosts, "/", key, [("Host", "plain")]).answer == invalid("expired")


# -- rows of a site's own --------------------------------------------------------------------------------------

# Without any CHECK, and with types as they come.
LOOSE = """
CREATE TABLE api_keys (
    id BIGINT NULL, owner_type VARCHAR(99) NULL, owner_id LONGBLOB NULL, description LONGTEXT NULL,
    scopes LONGTEXT NULL, last_four VARCHAR(99) NULL, is_public INT NULL, created_at DATETIME NULL,
    created_by LONGTEXT NULL, expires_at DATETIME(6) NULL, revoked_at DATETIME NULL, revoked_by LONGTEXT NULL);
CREATE TABLE api_key_secrets (digest VARBINARY(99), key_id BIGINT, expires_at DATETIME NULL);
"""
ODD = """
CREATE TABLE api_keys (
    id VARCHAR(20), owner_type INT, owner_id INT, scopes TINYBLOB, expires_at VARCHAR(40), revoked_at VARCHAR(40));
CREATE TABLE api_key_secrets (digest VARBINARY(99), key_id VARCHAR(20), expires_at VARCHAR(40));
"""
GOOD_ROW = {"id": "7", "owner_type": "'user'", "owner_id": "'alice'", "scopes": "''"}
UNUSABLE, NOT_FOUND, EXPIRED, REVOKED = (
    invalid(status) for status in ("unusable", "not_found", "expired", "revoked")
)
ROWS = [  # (what differs from the good row, the answer)
    ({}, VALID),
    ({"id": "9223372036854775807"}, VALID),
    ({"id": "0"}, UNUSABLE),
    ({"id": "-1"}, UNUSABLE),
    ({"id": "NULL"}, NOT_FOUND),
    ({"owner_type": "'team'"}, VALID),
    ({"owner_type": "NULL"}, UNUSABLE),
    ({"owner_type": "''"}, UNUSABLE),
    ({"owner_type": "'USER'"}, UNUSABLE),
    ({"owner_type": "'user '"}, UNUSABLE),
    ({"owner_type": "'user\\0'"}, UNUSABLE),
    ({"owner_type": "'admin'"}, UNUSABLE),
    ({"owner_type": "REPEAT('user', 24)"}, UNUSABLE),
    ({"owner_id": "NULL"}, UNUSABLE),
    ({"owner_id": "''"}, UNUSABLE),
    ({"owner_id": "' alice'"}, UNUSABLE),
    ({"owner_id": "'alice '"}, UNUSABLE),
    ({"owner_id": "'alice\\n'"}, UNUSABLE),
    ({"owner_id": "'alice\\r\\nX-Admin: 1'"}, UNUSABLE),
    ({"owner_id": "'alice\\0bob'"}, UNUSABLE),
    ({"owner_id": "'team:blue'"}, UNUSABLE),
    ({"owner_id": "'team:blue'", "owner_type": "'team'"}, VALID),
    ({"owner_id": "REPEAT('x', 1020)"}, VALID),
    ({"owner_id": "REPEAT('x', 1021)"}, UNUSABLE),
    ({"owner_id": "REPEAT('x', 4096)"}, UNUSABLE),
    ({"owner_id": "REPEAT('x', 5000000)"}, UNUSABLE),
    ({"scopes": "NULL"}, UNUSABLE),
    ({"scopes": "REPEAT('s', 1000)"}, VALID),
    ({"scopes": "REPEAT('s', 1001)"}, UNUSABLE),
    ({"scopes": "REPEAT('s', 5000000)"}, UNUSABLE),
    ({"scopes": "'*'"}, UNUSABLE),
    ({"scopes": "'a  b'"}, UNUSABLE),
    ({"scopes": "'a\"b'"}, UNUSABLE),
    ({"scopes": "'a\\0b'"}, UNUSABLE),
    ({"scopes": "'caf\u00e9'"}, UNUSABLE),
    ({"expires_at": "'2199-01-01 00:00:00.999999'"}, VALID),
    ({"expires_at": "'1000-01-01'"}, EXPIRED),
    ({"expires_at": "'0000-00-00'"}, EXPIRED),
    ({"revoked_at": "'0000-00-00'"}, REVOKED),
    ({"revoked_at": "'9999-12-31'", "expires_at": "'1000-01-01'"}, REVOKED),
]
ODD_ROW = {"id": "'7'", "owner_type": "1", "owner_id": "42", "scopes": "''"}


def put(database, good, changes):
    """One row instead of all others; its key."""
    row, key = good | changes, mint()
    database.sql(
        f"SET sql_mode = ''; DELETE FROM api_keys; DELETE FROM api_key_secrets;"
        f"INSERT INTO api_keys ({', '.join(row)}) VALUES ({', '.join(row.values())});"
        f"INSERT INTO api_key_secrets (digest, key_id) VALUES (X'{digest(key).hex()}', {row['id']})"
    )
    return key


@pytest.fixture(scope="module")
def loose(server):
    made = server.create_database(schema=False)
    made.sql(LOOSE)
    return made


@pytest.fixture(scope="module")
def loose_httpd(make_module_httpd, loose):
    return make_module_httpd(PLACE, dbd=loose.dbd_params())


@pytest.mark.parametrize("changes, answer", ROWS, ids=[str(changes)[:60] for changes, _ in ROWS])
def test_rows_without_checks(loose_httpd, loose, changes, answer):
    assert ask(loose_httpd, "/", put(loose, GOOD_ROW, changes)).answer == answer


def test_bytes_that_are_no_text_stay_apart(loose_httpd, loose):
    for owner, told in [("FF41", "%FFA"), ("FE41", "%FEA"), ("C3A9", "%C3%A9")]:
        key = put(loose, GOOD_ROW, {"owner_id": f"X'{owner}'"})
        assert get(loose_httpd, "/", key).header("X-Owner") == told


def test_text_of_another_character_set_becomes_utf8(loose_httpd, loose):
    loose.sql("ALTER TABLE api_keys MODIFY owner_id VARCHAR(99) CHARACTER SET latin1")
    key = put(loose, GOOD_ROW, {"owner_id": "_latin1 X'E9'"})
    answer = get(loose_httpd, "/", key)
    loose.sql("ALTER TABLE api_keys MODIFY owner_id LONGBLOB")
    assert answer.header("X-Owner") == "%C3%A9"


def test_two_rows_for_a_digest_are_one_answer(loose_httpd, loose):
    key = put(loose, GOOD_ROW, {})
    loose.sql("INSERT INTO api_keys (id, owner_type, owner_id, scopes) VALUES (7, 'user', 'alice', '')")
    assert ask(loose_httpd, "/", key).answer == VALID


def test_a_longer_digest_is_not_ours(loose_httpd, loose):
    key = put(loose, GOOD_ROW, {})
    loose.sql("UPDATE api_key_secrets SET digest = CONCAT(digest, '\\0')")
    assert ask(loose_httpd, "/", key).answer == NOT_FOUND


@pytest.mark.parametrize(
    "changes, answer",
    [({}, UNUSABLE), ({"id": "'x'"}, UNUSABLE), ({"expires_at": "'soon'"}, UNUSABLE), ({"scopes": "NULL"}, UNUSABLE)],
)
def test_columns_of_another_type(make_httpd, server, changes, answer):
    odd = server.create_database(schema=False)
    odd.sql(ODD)
    httpd = make_httpd(PLACE, dbd=odd.dbd_params())
    assert ask(httpd, "/", put(odd, ODD_ROW, changes)).answer == answer
    httpd.stop()
    odd.drop()
