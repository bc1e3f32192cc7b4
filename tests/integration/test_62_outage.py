# SPDX-License-Identifier: Apache-2.0
"""The database fails, in every way it can, under load: nobody gets in who should not, nobody waits for it, who is
remembered is let in, and when it is back all is well at once."""

import os
import signal
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager

import pytest
from harness.keyfmt import insert_key, mint, mistyped
from harness.process import VALGRIND, patience, wait_for
from load import Load

pytestmark = pytest.mark.skipif(VALGRIND, reason="of load and of time")

TIMEOUT = 0.5  # ApiKeyTimeout, by default
MARGIN = 2.0  # for a machine with other things to do; less than a database ever hangs here

PLACE = """
ApiKeyTimeout 500ms
MaxKeepAliveRequests 0
<IfModule mpm_prefork_module>
    StartServers 40
    MinSpareServers 40
    MaxSpareServers 60
</IfModule>
<Location "/">
    AuthType Bearer
    Require apikey
</Location>
"""
NO_DATABASE = [
    r"AH00629|AH0063[0-9]|AH02655",  # mod_dbd's own words, once for each time it is asked
    r"AK0020: the database cannot be asked about API keys",
    r"AK0041: the use of API keys cannot be written down",
    r"AK005[03]: ",
]
REFUSED = r"AK000[13]: API key (not_found|revoked|expired)\b"


@pytest.fixture(scope="module")
def server(make_module_mariadb):
    """A server of this file's own: it is stopped, killed and bent."""
    return make_module_mariadb()


class Site:
    """A database with an account for httpd alone, and a server that asks it."""

    def __init__(self, server, make_httpd, folder, reconnect=0, config=""):
        self.server, self.folder = server, folder
        self.database = server.create_database()
        self.user, self.password = f"web_{self.database.name}", "secret"
        server.sql(f"CREATE USER {self.user}@localhost IDENTIFIED BY '{self.password}';"
                   f"GRANT ALL ON {self.database.name}.* TO {self.user}@localhost")  # fmt: skip
        params = self.database.dbd_params(self.user, self.password, f"reconnect={reconnect}")
        self.httpd = make_httpd(config + PLACE, dbd=params, children=2, threads=64, start=False)

    def keys(self, count, **how):
        """Keys that are asked about for the first time."""
        return insert_keys(self.database, count, **how)

    def status(self, key):
        return self.httpd.get("/", key).status

    def cut(self):
        """KILL of every connection that httpd has."""
        self.server.hang_up(self.user)


def insert_keys(database, count, revoked=False, expired=False):
    first = insert_key(database, "user", "alice")[0]
    keys = [mint() for _ in range(count)]
    moment = "UTC_TIMESTAMP(3) - INTERVAL 1 DAY"
    row = f"('user', 'alice', {moment if expired else 'NULL'}, {moment if revoked else 'NULL'})"
    ids = range(first + 1, first + 1 + count)
    secrets = ",".join(f"(UNHEX(SHA2('{key}', 256)), {number})" for number, key in zip(ids, keys))
    rows = ",".join(row.replace("(", f"({number},", 1) for number in ids)
    database.sql(f"INSERT INTO api_keys (id, owner_type, owner_id, expires_at, revoked_at) VALUES {rows};"
                 f"INSERT INTO api_key_secrets (digest, key_id) VALUES {secrets}")  # fmt: skip
    return keys


# -- ways to fail ----------------------------------------------------------------------------------------------
#
# Each fails when it is entered and is over when it is left.


@contextmanager
def crash(site):
    site.server.kill9()
    try:
        yield
    finally:
        site.server.start()


@contextmanager
def hang(site):
    site.server.sigstop()
    try:
        yield
    finally:
        site.server.sigcont()


@contextmanager
def lost_table(site):
    site.database.sql("RENAME TABLE api_key_secrets TO away")
    try:
        yield
    finally:
        site.database.sql("RENAME TABLE away TO api_key_secrets")


@contextmanager
def changed_password(site):
    # As long as old connections work and new ones do not, the outage begins again and again.
    with stopped(site.httpd.children()):
        site.server.sql(f"ALTER USER {site.user}@localhost IDENTIFIED BY 'another'")
        site.server.hang_up(site.user)
    try:
        yield
    finally:
        site.server.sql(f"ALTER USER {site.user}@localhost IDENTIFIED BY '{site.password}'")


@contextmanager
def stopped(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def no_connection_left(site):
    with ExitStack() as sessions:
        held = [sessions.enter_context(site.database.session()) for _ in range(12)]
        for session in held:
            session.sql("SELECT 1")  # is connected
        ours = held[0]
        before = ours.sql("SELECT @@max_connections AS n")[0]["n"]
        ours.sql("SET GLOBAL max_connections = 10")

        # With those that are on their way in, which the server counts long before it lists them; nobody comes after.
        def alone():
            for row in ours.sql("SELECT id FROM information_schema.PROCESSLIST "
                                f"WHERE user IN ('{site.user}', 'unauthenticated user')"):  # fmt: skip
                ours.sql(f"KILL {row['id']}")
            return int(ours.sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'")[0]["Value"]) == len(held)

        with stopped(site.httpd.children()):
            wait_for(alone, what="all connections to be gone")
        try:
            yield
        finally:
            ours.sql(f"SET GLOBAL max_connections = {before}")


# -- everybody at once -----------------------------------------------------------------------------------------

# Who asks, with which keys, and what the answers may be: while all is well, and while it is not.
CALLERS = {
    "remembered": (dict(count=20), {200}, {200}),
    "new": (dict(count=4000), {200}, {503}),
    "revoked": (dict(count=1000, revoked=True), {401}, {503}),
    "expired": (dict(count=1000, expired=True), {401}, {503}),
    "unknown": (None, {401}, {503}),
    "mistyped": (None, {401}, set()),
}


def keys_of(site, caller):
    how = CALLERS[caller][0]
    if how:
        return site.keys(**how)
    return [mint() if caller == "unknown" else mistyped(mint()) for _ in range(1000)]


def calm(site, key):
    """Whether a key that has to be looked up is let in."""
    return site.status(key) == 200


def see_a_change(site):
    """The first reading of the change feed forgets what was remembered before it."""
    number, key = insert_key(site.database, "user", "bob")
    assert site.status(key) == 200
    site.database.sql(f"UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {number}")
    wait_for(lambda: site.status(key) == 401)


@contextmanager
def everybody(site):
    """Load of all callers; at its end their answers are judged."""
    site.httpd.expect(REFUSED)
    see_a_change(site)
    remembered = keys_of(site, "remembered")
    assert {site.status(key) for key in remembered} == {200}
    children, since = site.httpd.children(), site.httpd.log_mark()
    with ExitStack() as running:
        loads = {
            caller: running.enter_context(
                Load(site.httpd, site.folder, remembered if caller == "remembered" else keys_of(site, caller))
            )
            for caller in CALLERS
        }
        yield
        answers = {caller: load.stop() for caller, load in loads.items()}
    assert set(children) <= set(site.httpd.children())
    for caller, (_, well, ill) in CALLERS.items():
        seen = answers[caller]
        assert set(seen.statuses) <= well | ill, (caller, seen)
        assert well & set(seen.statuses), (caller, seen)
        assert (seen.lost, seen.unexplained) == (0, 0), (caller, seen)
        assert seen.slowest < TIMEOUT + MARGIN, (caller, seen)
    site.said = site.httpd.log_lines(since)


def count(lines, number):
    return sum(f" {number}: " in line for line in lines)


def hold(site, seconds, key):
    """The outage lasts, and who asks with an unknown key is told so."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        answer = site.httpd.get("/", key)
        assert answer.status == 503
        assert int(answer.header("Retry-After")) > 0
        assert time.monotonic() - began < TIMEOUT + MARGIN


WAYS = [
    (crash, 0, 1), (crash, 1, 1), (hang, 0, 20), (hang, 1, 3), (lost_table, 0, 1), (changed_password, 0, 1),
    (no_connection_left, 0, 1),
]  # fmt: skip


@pytest.mark.parametrize("fail, reconnect, seconds", WAYS, ids=lambda it: getattr(it, "__name__", str(it)))
def test_an_outage_under_load(server, make_httpd, scratch, fail, reconnect, seconds):
    site = Site(server, make_httpd, scratch.folder("load"), reconnect)
    fresh = site.keys(2000)
    site.httpd.start()
    site.httpd.expect(*NO_DATABASE)
    with everybody(site):
        wait_for(lambda: calm(site, fresh.pop()))
        with fail(site):
            wait_for(lambda: site.status(fresh.pop()) == 503, what="the outage to be noticed")
            hold(site, seconds, fresh.pop())
        wait_for(lambda: calm(site, fresh.pop()), 2, "the database to be asked again")
    # Once for each change of state, of which there is a second pair where it began or ended gradually.
    assert count(site.said, "AK0020") == count(site.said, "AK0021") >= 1
    assert count(site.said, "AK0020") <= 2


def test_who_has_a_known_key_does_not_wait_for_a_database_that_hangs(server, make_httpd, scratch):
    """Nor until that is noticed, however long those may wait whose keys are not known; of whom there are none here."""
    site = Site(server, make_httpd, scratch.folder("load"))
    site.httpd.config = site.httpd.config.replace("ApiKeyTimeout 500ms", "ApiKeyTimeout 25s")
    site.httpd.start()
    site.httpd.expect(*NO_DATABASE, REFUSED)
    see_a_change(site)
    (key,) = site.keys(1)
    assert site.status(key) == 200
    with hang(site):
        until = time.monotonic() + 12
        while time.monotonic() < until:
            began = time.monotonic()
            assert site.status(key) == 200
            assert time.monotonic() - began < MARGIN


@pytest.mark.parametrize("reconnect", [0, 1])
def test_kill_of_every_connection_under_load(server, make_httpd, scratch, reconnect):
    """Nobody notices."""
    site = Site(server, make_httpd, scratch.folder("load"), reconnect)
    fresh = site.keys(2000)
    site.httpd.start()
    site.httpd.expect(*NO_DATABASE)
    with everybody(site):
        for _ in range(10):
            site.cut()
            wait_for(lambda: calm(site, fresh.pop()), 2)


def test_a_database_started_after_httpd_under_load(server, make_httpd, scratch):
    site = Site(server, make_httpd, scratch.folder("load"))
    lists = [site.keys(500), site.keys(500, revoked=True), [mint() for _ in range(500)]]
    fresh = site.keys(2000)
    with ExitStack() as running:
        with crash(site):
            site.httpd.start()
            site.httpd.expect(*NO_DATABASE, REFUSED)
            loads = [running.enter_context(Load(site.httpd, site.folder, keys)) for keys in lists]
            hold(site, 1, fresh.pop())
        wait_for(lambda: calm(site, fresh.pop()), 2)
        answers = [load.stop() for load in loads]
    assert [set(seen.statuses) <= {503, allowed} for seen, allowed in zip(answers, (200, 401, 401))] == [True] * 3
    assert max(seen.slowest for seen in answers) < TIMEOUT + MARGIN


# -- ApiKeyStale -----------------------------------------------------------------------------------------------

HOSTS = {
    "strict": "ApiKeyCacheTTL 1s",
    "stale": "ApiKeyCacheTTL 1s\nApiKeyStale 1h",
    "short": "ApiKeyCacheTTL 1s\nApiKeyStale 2s",
}


def test_stale_facts_while_the_database_is_away(server, make_httpd, scratch):
    hosts = "".join(f"<VirtualHost 127.0.0.1:${{port}}>\nServerName {name}\n{terms}\n</VirtualHost>\n"
                    for name, terms in HOSTS.items())  # fmt: skip
    site = Site(server, make_httpd, scratch.folder("load"), config="ApiKeyRefresh Off\n" + hosts)
    site.httpd.start()
    site.httpd.expect(*NO_DATABASE, REFUSED)
    valid, forgotten = site.keys(2)
    (revoked,), (expired,) = site.keys(1, revoked=True), site.keys(1, expired=True)
    expiring = insert_key(site.database, "user", "alice", expires_at=6)[1]
    ends = time.monotonic() + 6

    def ask(host, key):
        return site.httpd.get("/", key, headers=[("Host", host)]).status

    def ask_all(key):
        return {host: ask(host, key) for host in HOSTS}

    # Nothing is stale while the database can be asked: the TTL alone counts.
    assert ask("stale", forgotten) == 200
    site.database.sql(f"UPDATE api_keys k JOIN api_key_secrets s ON s.key_id = k.id SET k.revoked_at = NOW()"
                      f" WHERE s.digest = UNHEX(SHA2('{forgotten}', 256))")  # fmt: skip
    wait_for(lambda: ask("stale", forgotten) == 401, 3, "the TTL to pass")
    for key, status in [(valid, 200), (expiring, 200), (revoked, 401), (expired, 401)]:
        assert ask("stale", key) == status
    with crash(site):
        wait_for(lambda: ask("strict", valid) == 503, 3, "the TTL to pass")
        assert ask("short", valid) == ask("stale", valid) == 200
        wait_for(lambda: ask("short", valid) == 503, 4, "ApiKeyStale to pass")
        # Known to be bad is not "cannot be told", and never let in.
        assert [ask("stale", key) for key in (valid, revoked, expired, mint())] == [200, 401, 401, 503]
        assert time.monotonic() > ends or ask("stale", expiring) == 200
        wait_for(lambda: ask("stale", expiring) == 401, 8, "the key to expire")
        assert time.monotonic() > ends - 0.1
        assert ask("stale", valid) == 200
    wait_for(lambda: ask_all(valid) == dict.fromkeys(HOSTS, 200), 2)


# -- the end of httpd ------------------------------------------------------------------------------------------


@pytest.fixture
def nobody_home():
    """A port where connections are taken by the kernel, and nobody says a word."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=512)) as listener:
        yield listener


def at_once(site, keys):
    """Requests that all wait for the database."""
    threads = [threading.Thread(target=site.status, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    return threads


def timed(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_restart_and_stop_while_the_database_hangs(server, make_httpd, scratch):
    site = Site(server, make_httpd, scratch.folder("load"))
    warm, *fresh = site.keys(60)
    site.httpd.start()
    site.httpd.expect(*NO_DATABASE)
    assert site.status(warm) == 200
    with hang(site):
        waiting = at_once(site, fresh[:20])
        assert timed(site.httpd.graceful) < 6
        assert site.status(warm) == 200  # new children remember, and do not wait for the database to start
        waiting += at_once(site, fresh[20:40])
        for thread in waiting:
            thread.join()
        assert timed(site.httpd.graceful) < 6
        waiting = at_once(site, fresh[40:])
        for thread in waiting:
            thread.join()
        assert timed(site.httpd.stop) < patience(4)
        site.httpd.start()  # and a server that starts anew does not wait either
        assert site.status(warm) == 503
        assert timed(site.httpd.stop) < patience(4)


def test_a_database_that_never_says_a_word(server, make_httpd, scratch, nobody_home):
    site = Site(server, make_httpd, scratch.folder("load"))
    site.httpd.dbd = f"host=127.0.0.1 port={nobody_home.getsockname()[1]} user=x pass=x dbname=x"
    site.httpd.start()
    site.httpd.expect(*NO_DATABASE)
    slowest = max(timed(lambda: site.status(mint())) for _ in range(5))
    assert TIMEOUT <= slowest < TIMEOUT + MARGIN
    for thread in at_once(site, [mint() for _ in range(40)]):
        thread.join(patience(TIMEOUT + MARGIN))
        assert not thread.is_alive()
    hold(site, 1, mint())
    assert timed(site.httpd.graceful) < 6
    hold(site, 1, mint())
    assert timed(site.httpd.stop) < patience(4)


def test_a_database_that_hangs_takes_no_other_with_it(server, make_httpd, scratch, nobody_home):
    site = Site(server, make_httpd, scratch.folder("load"))
    site.httpd.config = (
        "<VirtualHost 127.0.0.1:${port}>\nServerName well\n</VirtualHost>\n"
        "<VirtualHost 127.0.0.1:${port}>\nServerName ill\n"
        f'DBDParams "host=127.0.0.1 port={nobody_home.getsockname()[1]} user=x pass=x dbname=x"\n</VirtualHost>\n'
        + PLACE
    )
    site.httpd.start()
    site.httpd.expect(*NO_DATABASE)
    keys = site.keys(200)
    ask = [threading.Thread(target=site.httpd.get, args=("/", mint(), [("Host", "ill")])) for _ in range(30)]
    for thread in ask:
        thread.start()
    answers = [site.httpd.get("/", key, headers=[("Host", "well")]).status for key in keys]
    for thread in ask:
        thread.join()
    assert set(answers) == {200}
