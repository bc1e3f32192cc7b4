# SPDX-License-Identifier: Apache-2.0
"""What is remembered of the database (ApiKeyCache), for how long, by whom, and what is asked again."""

import re
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from harness.httpd import MPM
from harness.keyfmt import digest, insert_key, mint, mistyped
from harness.process import VALGRIND, gone, wait_for

# Nothing but look-ups executes a statement then.
QUIET = "ApiKeyRefresh Off\nApiKeyUsage Off\n"
PLACES = """
MaxKeepAliveRequests 0
AliasMatch "^/(any|users|teams)/" "${htdocs}/index.html"
<Location "/">
    AuthType Bearer
    Require apikey
    Header always set X-Owner "%{APIKEY_OWNER}e"
    Header always set X-Scopes "%{APIKEY_SCOPES}e"
</Location>
<Location "/users/">
    ApiKeyTeamKeys Off
</Location>
<Location "/teams/">
    ApiKeyUserKeys Off
</Location>
"""
REFUSED = r"AK000[123]: API key (not_found|wrong_type|revoked|expired)"


def host(name, lines):
    return f"<VirtualHost 127.0.0.1:${{port}}>\nServerName {name}\n{lines}\n</VirtualHost>\n"


def at(name):
    """The header that asks for a virtual host."""
    return [("Host", name)]


@pytest.fixture(scope="module")
def server(make_module_httpd, module_database):
    config = QUIET + PLACES + "".join(
        host(name, lines)
        for name, lines in {
            "localhost": "",
            "brief": "ApiKeyCacheTTL 2s\nApiKeyNegativeTTL 2s",
            "foreign": "ApiKeyForeign On",
        }.items()
    )
    return make_module_httpd(config, dbd=module_database.dbd_params())


@pytest.fixture(autouse=True)
def refusals_are_logged(server):
    server.expect(REFUSED)


class Queries:
    """How many look-ups there were inside a with block."""

    def __init__(self, database):
        self._server = database.server

    def __enter__(self):
        self._before = self._server.status("Com_stmt_execute")
        return self

    def __exit__(self, *_):
        self.count = self._server.status("Com_stmt_execute") - self._before


def verdict(httpd, key, path="/any/", headers=()):
    return httpd.get(path, key, headers=list(headers)).status


def first_time(condition):
    """Asks until the condition holds; the moment before the question that it was answered to."""

    def ask():
        sent = time.monotonic()
        return sent if condition() else None

    return wait_for(ask, 20)


def insert_many(database, count):
    """Users' keys, in one statement each for keys and secrets."""
    keys = [mint() for _ in range(count)]
    database.sql(
        "INSERT INTO api_keys (owner_type, owner_id) VALUES " + ",".join(["('user', 'alice')"] * count)
        + "; SET @first = LAST_INSERT_ID(); INSERT INTO api_key_secrets (digest, key_id) VALUES "
        + ",".join(f"(X'{digest(key).hex()}', @first + {i})" for i, key in enumerate(keys))
    )  # fmt: skip
    return keys


def statuses(httpd, keys):
    """Statuses for many keys over one connection, a hundred requests in flight."""
    found = []
    with httpd.connect(timeout=120) as connection:
        for start in range(0, len(keys), 100):
            batch = keys[start : start + 100]
            connection.send_raw("".join(
                f"GET /any/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n" for key in batch
            ).encode())  # fmt: skip
            found += [connection.read_response().status for _ in batch]
    return found


# -- what is remembered, and for how long ----------------------------------------------------------------------


def test_a_warm_key_costs_no_query(server, module_database):
    key = insert_key(module_database, "user", "alice")[1]
    with Queries(module_database) as cold:
        assert verdict(server, key) == 200
    with Queries(module_database) as warm:
        assert {verdict(server, key) for _ in range(20)} == {200}
    assert (cold.count, warm.count) == (1, 0)


@pytest.mark.parametrize("before, change, after", [
    ("insert", "UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {id}", 401),
    ("insert", "DELETE FROM api_keys WHERE id = {id}", 401),
    ("mint", "insert", 200),
])  # fmt: skip
def test_without_the_feed_a_fact_is_good_for_its_ttl(server, module_database, before, change, after):
    key = mint()
    key_id = insert_key(module_database, "user", "alice", key=key)[0] if before == "insert" else None
    asked = time.monotonic()
    assert verdict(server, key, headers=at("brief")) == (200 if key_id else 401)
    if change == "insert":
        insert_key(module_database, "user", "alice", key=key)
    else:
        module_database.sql(change.format(id=key_id))
    changed = first_time(lambda: verdict(server, key, headers=at("brief")) == after)
    assert changed - asked > 1.9


def test_absence_is_remembered_too(server, module_database):
    unknown = mint()
    with Queries(module_database) as queries:
        assert {verdict(server, unknown) for _ in range(20)} == {401}
    assert queries.count == 1


def test_kind_is_judged_at_every_request(server, module_database):
    user, team = (insert_key(module_database, kind, "x")[1] for kind in ("user", "team"))
    assert (verdict(server, user), verdict(server, team)) == (200, 200)
    with Queries(module_database) as queries:
        answers = [[verdict(server, key, place) for key in (user, team)] for place in ("/users/", "/teams/", "/any/")]
    assert answers == [[200, 401], [401, 200], [200, 200]]
    assert queries.count == 0


@pytest.mark.parametrize("column", ["api_keys SET expires_at = '{}' WHERE id = {}",
                                    "api_key_secrets SET expires_at = '{}' WHERE key_id = {}"])  # fmt: skip
def test_expiry_is_judged_at_every_request_to_the_millisecond(server, module_database, column):
    key_id, key = insert_key(module_database, "user", "alice")
    expires = datetime.now(timezone.utc) + timedelta(seconds=3)
    expires = expires.replace(microsecond=expires.microsecond // 1000 * 1000)
    module_database.sql("UPDATE " + column.format(expires.strftime("%F %T.%f"), key_id))
    assert verdict(server, key) == 200
    status = 200
    with Queries(module_database) as queries, server.connect() as connection:
        while status == 200:
            sent = datetime.now(timezone.utc)
            status = connection.request("/any/", key).status
            assert status == 401 or sent < expires + timedelta(milliseconds=1)
    assert status == 401 and datetime.now(timezone.utc) > expires
    assert queries.count == 0


def test_what_cannot_be_a_key_is_neither_looked_up_nor_remembered(server, module_database):
    keys = insert_many(module_database, 50)
    statuses(server, keys)
    with Queries(module_database) as queries:
        assert set(statuses(server, [mistyped(mint()) for _ in range(2000)] + ["foreign-token"] * 100)) == {401}
        assert set(statuses(server, keys)) == {200}
    assert queries.count == 0


def test_foreign_tokens_are_remembered_where_they_are_looked_up(server, module_database):
    insert_key(module_database, "user", "carol", key="token-of-another-system")
    with Queries(module_database) as queries:
        for _ in range(5):
            response = server.get("/any/", "token-of-another-system", headers=at("foreign"))
            assert (response.status, response.header("X-Owner")) == (200, "carol")
            assert verdict(server, "no-such-token", headers=at("foreign")) == 401
            assert verdict(server, "token-of-another-system") == 401  # ApiKeyForeign is Off there
    assert queries.count == 2


LENGTHS = [  # bytes of owner and scopes; 78 together is the longest that goes into a small entry
    (1, 0), (7, 1), (8, 8), (38, 40), (38, 41), (77, 1), (78, 0), (79, 0), (1, 77), (1, 78),
    (255, 0), (1020, 0), (1, 1000), (1020, 1000),
]  # fmt: skip


@pytest.mark.parametrize("owner_len, scopes_len", LENGTHS)
def test_memory_gives_back_what_the_database_gave(server, module_database, owner_len, scopes_len):
    owner = ("\U0001f511" * 255 if owner_len > 255 else "o" * owner_len).encode()
    scopes = "s" * scopes_len if scopes_len < 100 else ("read " * 200)[: scopes_len - 1] + "z"
    assert (len(owner), len(scopes)) == (owner_len, scopes_len)
    key = insert_key(module_database, "user", owner, scopes)[1]

    def told():
        response = server.get("/any/", key)
        return response.status, response.header("X-Owner"), response.header("X-Scopes")

    from_database = told()
    with Queries(module_database) as queries:
        from_memory = [told() for _ in range(3)]
    assert from_database[0] == 200 and from_memory == [from_database] * 3
    assert queries.count == 0


def test_unknown_keys_cannot_push_out_real_ones(make_httpd, module_database):
    httpd = make_httpd(QUIET + "ApiKeyCache 4M\n" + PLACES, dbd=module_database.dbd_params(), log_level="crit")
    httpd.expect(REFUSED)
    keys = insert_many(module_database, 500)
    assert set(statuses(httpd, keys)) == {200}
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: statuses(httpd, [mint() for _ in range(5000)]), range(4)):
            assert set(found) == {401}
    with Queries(module_database) as queries:
        assert set(statuses(httpd, keys)) == {200}
    assert queries.count == 0


# -- who shares it ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hosts(make_module_httpd, mariadb, module_database, scratch):
    """Hosts that differ in database, pepper or prefix; "twice-…" are one file, included with two databases."""
    peppers = []
    for name in ("one", "two"):
        peppers.append(scratch.folder("pepper") / name)
        peppers[-1].write_text(name * 20)
        peppers[-1].chmod(0o600)
    other = mariadb.create_database()
    included = scratch.folder("include") / "host.conf"
    included.write_text(host("twice-${WHICH}", 'DBDriver mysql\nDBDParams "${PARAMS}"'))
    twice = "".join(
        f'Define WHICH {name}\nDefine PARAMS "{database.dbd_params()}"\nInclude "{included}"\n'
        for name, database in {"here": module_database, "there": other}.items()
    )
    config = QUIET + PLACES + twice + "".join(
        host(name, lines)
        for name, lines in {
            "here": "",
            "there": f'DBDriver mysql\nDBDParams "{other.dbd_params()}"',
            "pepper-one": f'ApiKeyPepperFile "{peppers[0]}"',
            "pepper-two": f'ApiKeyPepperFile "{peppers[1]}"',
            "acme": "ApiKeyPrefix acme",
        }.items()
    )
    httpd = make_module_httpd(config, dbd=module_database.dbd_params(), tolerated=[r"AK011[456]:"])
    return httpd, other, [path.read_bytes() for path in peppers]


@pytest.fixture(autouse=True)
def refusals_of_hosts_are_logged(request):
    if "hosts" in request.fixturenames:
        request.getfixturevalue("hosts")[0].expect(REFUSED)


def answers(httpd, key, names):
    """What every host says, asked until memory has had every chance to confuse them."""
    for _ in range(3):
        found = {name: verdict(httpd, key, headers=at(name)) for name in names}
    return found


@pytest.mark.parametrize("first, second", [
    ("here", "there"), ("there", "here"), ("twice-here", "twice-there"), ("twice-there", "twice-here"),
    ("twice-here", "there"), ("twice-there", "here"),
])  # fmt: skip
def test_hosts_with_different_databases_see_their_own_keys(hosts, module_database, first, second):
    httpd, other, _ = hosts
    databases = {"here": module_database, "there": other}
    of_first, of_second = (databases[name.removeprefix("twice-")] for name in (first, second))
    both = mint()
    only = insert_key(of_first, "user", "alice")[1]
    insert_key(of_first, "user", "first", key=both)
    insert_key(of_second, "user", "second", key=both)
    for _ in range(3):
        assert answers(httpd, only, [first, second]) == {first: 200, second: 401}
        owners = [httpd.get("/any/", both, headers=at(name)).header("X-Owner") for name in (first, second)]
        assert owners == ["first", "second"]


def test_hosts_with_different_peppers_see_their_own_keys(hosts, module_database):
    httpd, _, peppers = hosts
    names = ["pepper-one", "pepper-two", "here"]
    for mine, pepper in zip(names, [*peppers, None]):
        key = insert_key(module_database, "user", "alice", pepper=pepper)[1]
        for order in (names, names[::-1]):
            assert answers(httpd, key, order) == {name: 200 if name == mine else 401 for name in names}


def test_hosts_with_different_prefixes_see_their_own_keys(hosts, module_database):
    httpd = hosts[0]
    for mine, theirs, prefix in (("here", "acme", "ak"), ("acme", "here", "acme")):
        key = insert_key(module_database, "user", "alice", prefix=prefix)[1]
        assert answers(httpd, key, [mine, theirs]) == {mine: 200, theirs: 401}


@pytest.mark.skipif(VALGRIND, reason="one process there")
def test_all_children_share_what_one_has_learned(make_httpd, module_database):
    config = QUIET + PLACES + "CustomLog logs/pids.log %P\n"
    httpd = make_httpd(config, dbd=module_database.dbd_params(), children=3, threads=3)
    key = insert_key(module_database, "user", "alice")[1]
    pids = httpd.folder / "logs" / "pids.log"

    def ask_all():
        connections = [httpd.connect() for _ in range(9)]
        for connection in connections:
            connection.send("/any/", key)
        for connection in connections:
            with connection:
                assert connection.read_response().status == 200
        return len(set(pids.read_text().split()) & {str(pid) for pid in httpd.children()}) == 3

    assert verdict(httpd, key) == 200
    with Queries(module_database) as queries:
        wait_for(ask_all, 20, "all children to have answered")
    assert queries.count == 0


def waiting_requests(port):
    """Connections whose request httpd has read, and not answered yet."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] == "01" and line[4].endswith(":00000000") for line in lines)


@pytest.mark.skipif(VALGRIND, reason="one slow process there")
@pytest.mark.skipif(MPM == "prefork", reason="a child has one request at a time there")
def test_a_thousand_requests_with_one_unknown_key_are_one_query_per_child(make_httpd, module_database):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    config = QUIET + "ApiKeyTimeout 60s\nListenBacklog 2000\n" + PLACES
    httpd = make_httpd(config, dbd=module_database.dbd_params(), children=2, threads=100)
    key = insert_key(module_database, "user", "alice")[1]
    with Queries(module_database) as queries, module_database.session() as lock:
        lock.sql("LOCK TABLES api_keys WRITE, api_key_secrets WRITE")
        connections = [httpd.connect(timeout=120) for _ in range(1000)]
        for connection in connections:
            connection.send("/any/", key, headers=[("Connection", "close")])
        wait_for(lambda: waiting_requests(httpd.port) >= 200, 30, "all threads to have a request")
        lock.sql("UNLOCK TABLES")
        found = [connection.read_response().status for connection in connections]
        for connection in connections:
            connection.close()
    assert found == [200] * 1000
    assert queries.count == 2


# -- configurations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["4M", "16M", "256M"])
def test_the_start_up_log_says_how_many_keys_there_is_room_for(make_httpd, module_database, size):
    httpd = make_httpd(f"ApiKeyCache {size}\n" + PLACES, dbd=module_database.dbd_params())
    megabytes = int(size[:-1])
    line = httpd.wait_log(rf"AK0112: ApiKeyCache of {megabytes << 20} bytes holds \d+ keys")
    keys = int(re.search(r"holds (\d+) keys", line).group(1))
    assert {"4M": 8000, "16M": 40_000, "256M": 1_000_000}[size] < keys < (megabytes << 20) / 64


def test_cache_off_asks_every_time(make_httpd, database):
    httpd = make_httpd("ApiKeyCache Off\nApiKeyUsage Off\n" + PLACES, dbd=database.dbd_params())
    httpd.expect(REFUSED)
    key_id, key = insert_key(database, "user", "alice")
    with Queries(database) as queries:
        assert {verdict(httpd, key) for _ in range(10)} == {200}
        assert {verdict(httpd, mint()) for _ in range(10)} == {401}
    assert queries.count == 20  # and the change feed is not read
    database.sql(f"UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {key_id}")
    assert verdict(httpd, key) == 401


class Load:
    """Clients that ask with a key over and over, on connections that are made anew when httpd closes them."""

    def __init__(self, httpd, key, clients=4):
        self.statuses = []
        self._httpd, self._key, self._stop = httpd, key, threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self):
        while not self._stop.is_set():
            try:
                with self._httpd.connect() as connection:
                    while not self._stop.is_set():
                        self.statuses.append(connection.request("/any/", self._key).status)
            except OSError:
                pass  # an ending child closes what is idle

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.statuses)
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.skipif(VALGRIND, reason="no graceful restart there")
def test_a_graceful_restart_under_load_keeps_the_cache(make_httpd, module_database):
    httpd = make_httpd(QUIET + PLACES, dbd=module_database.dbd_params(), children=2)
    keys = insert_many(module_database, 20)
    assert set(statuses(httpd, keys)) == {200}
    with Queries(module_database) as queries, Load(httpd, keys[0]) as load:
        for _ in range(3):
            httpd.graceful()
            assert set(statuses(httpd, keys)) == {200}
    assert set(load.statuses) == {200}
    assert queries.count == 0


def many_hosts(prefixes):
    return "".join(host(prefix, f"ApiKeyPrefix {prefix}\n") for prefix in prefixes)


@pytest.mark.skipif(VALGRIND, reason="no graceful restart there")
def test_graceful_restarts_may_bring_any_number_of_realms_one_after_the_other(make_httpd, module_database):
    httpd = make_httpd(QUIET + PLACES, dbd=module_database.dbd_params())
    base = httpd.config
    for prefixes in [[f"{name}{number}" for number in range(9)] for name in ("one", "two", "three")]:
        keys = {prefix: insert_key(module_database, "user", prefix, prefix=prefix)[1] for prefix in prefixes}
        httpd.config = base + many_hosts(prefixes)
        httpd.graceful()
        for _ in range(2):
            owners = {prefix: httpd.get("/any/", key, at(prefix)).header("X-Owner") for prefix, key in keys.items()}
            assert owners == {prefix: prefix for prefix in prefixes}


@pytest.mark.parametrize("others, allowed", [(15, True), (16, False)])
def test_no_more_realms_than_there_are_places(make_httpd, module_database, others, allowed):
    """The main server has one too. httpd -t says so: a graceful restart that fails would end the server."""
    config = PLACES + many_hosts(f"many{number}" for number in range(others))
    status, output = make_httpd(config, start=False, dbd=module_database.dbd_params()).configtest()
    message = "AK0110: more than 16 different databases, peppers or prefixes; let virtual hosts share them"
    assert (status == 0, message in output) == (allowed, not allowed)


class Held:
    """A request of which the last line is not sent yet: the child that has it outlives a graceful restart."""

    def __init__(self, httpd, key):
        self.connection = httpd.connect()
        self.connection.send_raw(f"GET /any/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n".encode())
        wait_for(lambda: waiting_requests(httpd.port), what="httpd to read half of a request")

    def finish(self):
        self.connection.send_raw(b"\r\n")
        with self.connection:
            return self.connection.read_response().status


REVOKE = "UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {}"


def wait_feed(httpd, database):
    """Until the change feed is being read: with its first reading, which may be the first change, all is forgotten."""
    for _ in range(2):
        key_id, key = insert_key(database, "user", "nobody")
        assert verdict(httpd, key) == 200
        database.sql(REVOKE.format(key_id))
        first_time(lambda key=key: verdict(httpd, key) == 401)


@pytest.mark.skipif(VALGRIND, reason="no graceful restart there")
@pytest.mark.parametrize("case", ["same", "size", "database", "refresh off"])
def test_an_old_child_obeys_a_revocation_after_a_graceful_restart(make_httpd, mariadb, database, case):
    httpd = make_httpd("ApiKeyUsage Off\nApiKeyTimeout 10s\n" + PLACES, dbd=database.dbd_params())
    httpd.expect(REFUSED)
    wait_feed(httpd, database)
    key_id, key = insert_key(database, "user", "alice")
    assert verdict(httpd, key) == 200
    old = httpd.children()
    held, valid = Held(httpd, key), Held(httpd, insert_key(database, "user", "bob")[1])
    if case == "size":
        httpd.config += "ApiKeyCache 8M\n"
    elif case == "refresh off":
        httpd.config += "ApiKeyRefresh Off\n"
    elif case == "database":
        httpd.dbd = mariadb.create_database().dbd_params()
    httpd.graceful(drain=False)
    revoked = time.monotonic()
    database.sql(REVOKE.format(key_id))
    if case == "same":  # whoever is asked: memory is one
        first_time(lambda: verdict(httpd, key) == 401)
    elif case != "size":  # nobody reads the feed for it any more; the size needs no feed at all
        wait_for(lambda: time.monotonic() > revoked + 4)
    assert not any(map(gone, old))
    assert (held.finish(), valid.finish()) == (401, 200)
    wait_for(lambda: all(map(gone, old)), what="the old child to end")


@pytest.mark.skipif(VALGRIND, reason="no graceful restart there")
def test_a_graceful_restart_with_another_way_of_digesting_begins_anew(make_httpd, module_database, scratch):
    pepper = scratch.folder("pepper") / "pepper"
    pepper.write_text("pepper" * 10)
    pepper.chmod(0o600)
    httpd = make_httpd(QUIET + PLACES, dbd=module_database.dbd_params(), tolerated=[r"AK011[456]:"])
    httpd.expect(REFUSED)
    plain = insert_key(module_database, "user", "alice")[1]
    peppered = insert_key(module_database, "user", "alice", pepper=pepper.read_bytes())[1]
    acme = insert_key(module_database, "user", "alice", prefix="acme")[1]
    base = httpd.config
    for lines, expected in {
        "": (200, 401, 401),
        f'ApiKeyPepperFile "{pepper}" none\n': (200, 200, 401),
        f'ApiKeyPepperFile "{pepper}"\n': (401, 200, 401),
        "ApiKeyPrefix acme ak\n": (200, 401, 200),
        "ApiKeyPrefix acme\n": (401, 401, 200),
        "ApiKeyPrefix ak\n": (200, 401, 401),
    }.items():
        httpd.config = base + lines
        httpd.graceful()
        for _ in range(3):
            assert tuple(verdict(httpd, key) for key in (plain, peppered, acme)) == expected, lines
