# SPDX-License-Identifier: Apache-2.0
"""The change feed (ApiKeyRefresh): what is changed in the database, by whomever, is obeyed by every server at once."""

import itertools
import os
import re
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from harness import ROOT, SCHEMA
from harness.apikeyctl import ApikeyCtl
from harness.httpd import MPM
from harness.keyfmt import insert_key, mint
from harness.mariadb import SqlError
from harness.process import VALGRIND, gone, wait_for
from judged import basic

PLACES = """
ApiKeyUsage Off
MaxKeepAliveRequests 0
<Location "/">
    AuthType Bearer
    Require apikey
    Header always set X-Owner "%{APIKEY_OWNER}e"
    Header always set X-Scopes "%{APIKEY_SCOPES}e"
</Location>
"""
REVOKED = (401, "(null)", "(null)")  # what ask() is told
REFUSED = r"AK000[123]: API key (not_found|revoked|expired)"
TRIGGERS = [name for name in re.findall(r"^CREATE TRIGGER (\w+)", SCHEMA.read_text(), re.MULTILINE) if "probe" not in name]
WITHOUT_TRIGGERS = SCHEMA.read_text().partition("CREATE TRIGGER")[0]

# Far more than the second of the contract, for a machine that does much else; and far less than what the facts are
# good for. That it takes a second is the matter of one test.
SOON = 6


@pytest.fixture(scope="module")
def server(make_module_mariadb):
    """A server of this file's own, which counts reads of every table."""
    made = make_module_mariadb()
    made.count()
    return made


@pytest.fixture(scope="module")
def shared(server):
    """The database of the servers that serve most of the tests."""
    return server.create_database()


@pytest.fixture
def base(server):
    """A database for this test alone."""
    return server.create_database()


@pytest.fixture(scope="module")
def servers(shared, make_module_httpd):
    """Two servers of two children each. Two hosts of the second one log in to the database as somebody else."""
    shared.server.sql(f"CREATE USER other@'%' IDENTIFIED BY 'pw'; GRANT ALL ON {shared.name}.* TO other@'%'")
    host = f"""
    <VirtualHost 127.0.0.1:${{port}}>
        ServerName localhost
    </VirtualHost>
    <VirtualHost 127.0.0.1:${{port}}>
        ServerName other
        DBDParams "{shared.dbd_params("other", "pw")}"
    </VirtualHost>
    """
    made = [make_module_httpd(PLACES + more, dbd=shared.dbd_params(), children=2) for more in ("", host)]
    yield made
    for httpd in made:  # before the database is
        httpd.stop()


@pytest.fixture(autouse=True)
def refusals_are_logged(request):
    if "servers" in request.fixturenames:
        for httpd in request.getfixturevalue("servers"):
            httpd.expect(REFUSED)


@pytest.fixture
def make(make_httpd):
    """make(database, config) starts a server of the test's own, which reads the feed as often as can be."""

    def made(database, config="", **options):
        httpd = make_httpd(PLACES + "ApiKeyRefresh 100ms\n" + config, dbd=own_account(database), **options)
        httpd.expect(REFUSED)
        return httpd

    return made


def own_account(database):
    """DBDParams with an account that has the name of the database: what it does is counted."""
    database.sql(f"CREATE USER {database.name}@'%' IDENTIFIED BY 'pw'; GRANT ALL ON *.* TO {database.name}@'%'")
    return database.dbd_params(database.name, "pw")


def wait_readings(database, count=2):
    """Until the feed has been read, or tried, so often; a reading may take a dozen statements, or a single one."""

    server, user = database.server, database.name
    before = server.selects_of(user)
    wait_for(lambda: server.selects_of(user) >= before + 12 * count, 20, "readings of the feed")


def places(servers):
    """Every host of every server."""
    return [(httpd, name) for httpd in servers for name in ("localhost", "other")[: 1 + (httpd is servers[1])]]


def ask(place, key):
    """What a caller is told: status, and who he is."""
    httpd, name = place
    response = httpd.get("/", key, headers=[("Host", name)])
    return response.status, response.header("X-Owner"), response.header("X-Scopes")


def warm(servers, *keys):
    for key in keys:
        for place in places(servers) * 2:
            assert ask(place, key)[0] == 200


def wait_status(httpd, key, status, seconds=SOON):
    wait_for(lambda: httpd.get("/", key).status == status, seconds, f"status {status}")


def wait_everywhere(servers, key, told):
    """Until all hosts say so, and go on saying so."""
    for place in places(servers):
        wait_for(lambda place=place: ask(place, key) == told, SOON, f"{told} from {place[1]}")
    for place in places(servers) * 3:
        assert ask(place, key) == told


def revoke(*key_ids):
    return f"UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id IN ({', '.join(map(str, key_ids))})"


def look_ups(database):
    """How many rows of secrets have been read so far."""
    return database.server.rows_read(database.name, "api_key_secrets")


def messages(httpd, number):
    return [line for line in httpd.log_lines() if f"{number}: " in line]


# -- plain SQL is obeyed ---------------------------------------------------------------------------------------

CHANGES = {
    "revoked": ("UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {id}", REVOKED),
    "revoked in local time": ("UPDATE api_keys SET revoked_at = NOW() + INTERVAL 1 DAY WHERE id = {id}", REVOKED),
    "deleted": ("DELETE FROM api_keys WHERE id = {id}", REVOKED),
    "expired": ("UPDATE api_keys SET expires_at = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE id = {id}", REVOKED),
    "secret deleted": ("DELETE FROM api_key_secrets WHERE key_id = {id}", REVOKED),
    "secret expired": ("UPDATE api_key_secrets SET expires_at = '2024-01-01' WHERE key_id = {id}", REVOKED),
    "secret replaced": ("UPDATE api_key_secrets SET digest = RANDOM_BYTES(32) WHERE key_id = {id}", REVOKED),
    "scopes": ("UPDATE api_keys SET scopes = 'read' WHERE id = {id}", (200, "alice", "read")),
    "owner": ("UPDATE api_keys SET owner_id = 'bob' WHERE id = {id}", (200, "bob", "read write")),
    "owner type": ("UPDATE api_keys SET owner_type = 'team' WHERE id = {id}", (200, "alice", "read write")),
    "REPLACE": (
        "REPLACE INTO api_keys (id, owner_type, owner_id, revoked_at) VALUES ({id}, 'user', 'alice', '2024-01-01')",
        REVOKED,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_server_obeys_plain_sql(servers, shared, change):
    statement, told = CHANGES[change]
    key_id, key = insert_key(shared, "user", "alice", "read write")
    warm(servers, key)
    shared.sql(statement.format(id=key_id))
    wait_everywhere(servers, key, told)


def test_a_revocation_takes_less_than_a_second(servers, shared):
    took = []
    for _ in range(9):
        key_id, key = insert_key(shared, "user", "alice")
        warm(servers, key)
        with shared.session() as session:  # to connect takes time too
            session.sql(revoke(key_id))
            committed = time.monotonic()
            for place in places(servers):
                wait_for(lambda place=place: ask(place, key)[0] == 401, SOON)
            took.append(time.monotonic() - committed)
    # The machine may do something else, now and then.
    assert sorted(took)[len(took) // 2] < 1.0, took


def test_a_change_asks_again_about_that_key_alone(servers, shared):
    keys = [insert_key(shared, "user", "alice") for _ in range(20)]
    warm(servers, *(key for _, key in keys))
    shared.sql(revoke(keys[0][0]))
    wait_everywhere(servers, keys[0][1], REVOKED)
    before = look_ups(shared)
    warm(servers, *(key for _, key in keys[1:]))
    assert look_ups(shared) == before


@pytest.fixture(scope="module")
def old_rows(shared, servers):
    """Rows that should long be gone, for the last test; made early, for that takes its time."""
    shared.sql(
        "INSERT INTO api_key_changes (key_id, changed_at)"
        " SELECT 1, UTC_TIMESTAMP(3) - INTERVAL 2 DAY FROM seq_1_to_2500"
    )


def test_a_transaction_that_commits_late_is_not_missed(servers, shared, old_rows):
    early, late = insert_key(shared, "user", "early"), insert_key(shared, "user", "late")
    with shared.session() as first, shared.session() as second:
        first.sql(f"START TRANSACTION; {revoke(early[0])}")
        second.sql(f"START TRANSACTION; {revoke(late[0])}")
        began = time.monotonic()
        for count in itertools.count():  # others commit behind it, for longer than the feed waits for what is missing
            key_id, key = insert_key(shared, "user", "other")
            warm(servers, key, late[1], *([early[1]] if count < 2 else []))
            shared.sql(revoke(key_id))
            wait_everywhere(servers, key, REVOKED)
            if count == 1:
                first.sql("COMMIT")
                wait_everywhere(servers, early[1], REVOKED)
            if count > 1 and time.monotonic() - began > 13:
                break
        second.sql("COMMIT")
        wait_everywhere(servers, late[1], REVOKED)


def test_a_transaction_that_is_rolled_back_changes_nothing(make, base):
    httpd = make(base)
    (key_id, key), *others = [insert_key(base, "user", "alice") for _ in range(10)]
    base.sql(f"UPDATE api_keys SET description = 'x' WHERE id = {insert_key(base, 'user', 'bob')[0]}")
    assert httpd.get("/", key).status == 200
    wait_readings(base)
    for _, other in others:
        assert httpd.get("/", other).status == 200
    before = look_ups(base)
    with base.session() as session:
        session.sql(f"START TRANSACTION; {revoke(key_id)}")
        wait_readings(base)
        session.sql("ROLLBACK")
    wait_readings(base)
    assert {httpd.get("/", other).status for _, other in others} == {200}
    assert look_ups(base) == before  # nothing else was forgotten
    assert httpd.get("/", key).status == 200
    base.sql(revoke(key_id))
    wait_status(httpd, key, 401)


def test_a_mass_update_in_one_transaction(servers, shared):
    keys = []
    for _ in range(10):
        shared.sql("INSERT INTO api_keys (owner_type, owner_id) SELECT 'user', 'mass' FROM seq_1_to_2000")
        keys.append(insert_key(shared, "user", "mass"))
    shared.sql("INSERT INTO api_key_secrets (digest, key_id) SELECT RANDOM_BYTES(32), id FROM api_keys"
               " WHERE owner_id = 'mass'")
    kept = insert_key(shared, "user", "alice")[1]
    warm(servers, kept, *(key for _, key in keys))
    with shared.session() as session:
        session.sql("START TRANSACTION; UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE owner_id = 'mass'")
        warm(servers, kept, *(key for _, key in keys))
        session.sql("COMMIT")
    for _, key in keys:
        wait_everywhere(servers, key, REVOKED)
    warm(servers, kept)


class Clients:
    """Many that ask, each request on a connection of its own, with whatever key is theirs to ask with."""

    def __init__(self, servers, count):
        self.keys = []
        self.accepted = {}  # the last moment at which a request was sent that was accepted
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(httpd, number))
            for number, httpd in zip(range(count), itertools.cycle(servers))
        ]

    def _run(self, httpd, number):
        while not self._stop.is_set():
            for key in self.keys[-8:]:
                sent = time.monotonic()
                if httpd.get("/", key).status == 200:
                    self.accepted[key, number] = sent

    def last_accepted(self, key):
        return max((when for (accepted, _), when in self.accepted.items() if accepted == key), default=0)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_a_look_up_that_races_a_revocation_cannot_bring_the_old_fact_back(servers, shared):
    revoked = {}
    with Clients(servers, 50) as clients, shared.session() as session:
        for _ in range(15):
            key_id, key = insert_key(shared, "user", "alice")
            clients.keys.append(key)
            wait_for(lambda key=key: clients.last_accepted(key))
            # Each of the first three has everybody ask the database again, just before it is too late.
            for text in ("a", "b", "c"):
                session.sql(f"UPDATE api_keys SET description = '{text}' WHERE id = {key_id}")
            session.sql(revoke(key_id))
            revoked[key] = time.monotonic()
        clients.keys = [*revoked][-8:]
        wait_for(lambda: time.monotonic() > revoked[key] + SOON + 1, SOON + 5)
    # What was put back would be good for minutes.
    for key in revoked:
        for place in places(servers):
            assert ask(place, key)[0] == 401
        assert clients.last_accepted(key) < revoked[key] + SOON


# -- a feed that is not what it was ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untriggered(server):
    """A database that was told to have triggers and has none: whatever gets into the feed, a test has put there."""
    made = server.create_database()
    made.sql("".join(f"DROP TRIGGER {name};" for name in TRIGGERS))
    made.sql("INSERT INTO api_key_changes (key_id) SELECT 999999 FROM seq_1_to_100")
    return made


@pytest.fixture(scope="module")
def watcher(untriggered, make_module_httpd):
    """A server on it."""
    made = make_module_httpd(PLACES + "ApiKeyRefresh 100ms\n", dbd=own_account(untriggered))
    yield made
    made.stop()  # before the database is


REPLACED = {
    "emptied": "TRUNCATE api_key_changes",
    "all rows deleted": "DELETE FROM api_key_changes",
    "restored from an older dump": "SET @top = (SELECT MAX(id) FROM api_key_changes);"
    "DELETE FROM api_key_changes WHERE id > @top - 5",
    "restored, and grown again": "SET @top = (SELECT MAX(id) FROM api_key_changes);"
    "START TRANSACTION; DELETE FROM api_key_changes WHERE id > @top - 5;"
    "INSERT INTO api_key_changes (id, key_id) SELECT @top + seq - 5, 999998 FROM seq_1_to_10; COMMIT",
    "pruned beyond what was read": "SET @top = (SELECT MAX(id) FROM api_key_changes);"
    "START TRANSACTION; DELETE FROM api_key_changes;"
    "INSERT INTO api_key_changes (id, key_id) SELECT @top + 1000 + seq, 999998 FROM seq_1_to_10; COMMIT",
    "the first rows ever": "INSERT INTO api_key_changes (key_id) VALUES (999998)",
}


@pytest.mark.parametrize("what", REPLACED)
def test_when_the_feed_is_another_one_everything_is_forgotten(watcher, untriggered, what):
    watcher.expect(REFUSED)
    empty = what == "the first rows ever"
    untriggered.sql("TRUNCATE api_key_changes" if empty
                    else "INSERT INTO api_key_changes (key_id) SELECT 999997 FROM seq_1_to_10")  # fmt: skip
    key_id, key = insert_key(untriggered, "user", "alice")
    wait_status(watcher, key, 200)
    wait_readings(untriggered)
    assert watcher.get("/", key).status == 200
    untriggered.sql(revoke(key_id))
    wait_readings(untriggered)
    assert watcher.get("/", key).status == 200  # nobody has told
    untriggered.sql(REPLACED[what])
    wait_status(watcher, key, 401)


def test_a_feed_that_cannot_be_read_is_noticed_once_and_facts_age(make, base):
    httpd = make(base, "ApiKeyCacheTTL 3s")
    base.sql("".join(f"DROP TRIGGER {name};" for name in TRIGGERS))
    key_id, key = insert_key(base, "user", "alice")
    other_id, other = insert_key(base, "user", "alice")
    wait_status(httpd, key, 200)
    wait_readings(base)
    base.sql("RENAME TABLE api_key_changes TO elsewhere")
    httpd.expect(r"AK005[03]: .*doesn't exist")
    httpd.wait_log("AK0050")
    asked = time.monotonic()
    assert httpd.get("/", other).status == 200
    base.sql(revoke(key_id, other_id))
    wait_readings(base, 1)
    wait_status(httpd, key, 401)
    wait_status(httpd, other, 401)
    assert time.monotonic() - asked > 2.9  # by the TTL
    assert len(messages(httpd, "AK0050")) == 1 and not messages(httpd, "AK0051")

    last_id, last = insert_key(base, "user", "alice")
    wait_status(httpd, last, 200)
    base.sql(f"{revoke(last_id)}; RENAME TABLE elsewhere TO api_key_changes")
    httpd.wait_log("AK0051: the change feed is read again")
    wait_status(httpd, last, 401)
    wait_readings(base)
    assert (len(messages(httpd, "AK0050")), len(messages(httpd, "AK0051"))) == (1, 1)


def test_a_short_reading_interval_under_steady_change_forgets_no_more_than_it_must(make, base):
    """Many stretches of the feed are watched at a time, none of them too long."""
    httpd = make(base)
    keys = [insert_key(base, "user", "alice")[1] for _ in range(5)]
    base.sql("INSERT INTO api_keys (owner_type, owner_id) SELECT 'user', 'many' FROM seq_1_to_400")
    with base.session() as session:
        for count in range(70):
            began = time.monotonic()
            session.sql(f"UPDATE api_keys SET description = '{count}' WHERE owner_id = 'many'")
            assert {httpd.get("/", key).status for key in keys} == {200}
            if count == 10:
                before = look_ups(base)
            wait_for(lambda began=began: time.monotonic() > began + 0.1)  # 4,000 changes in a second
        assert look_ups(base) == before


# -- what may be missing ---------------------------------------------------------------------------------------


def without_super(server, base):
    """An account that may do everything in the database and nothing else."""
    server.sql(f"CREATE USER IF NOT EXISTS limited@'%' IDENTIFIED BY 'pw'; GRANT ALL ON `{base.name}`.* TO limited@'%'")
    return "limited", "pw"


def test_without_triggers_a_revocation_takes_the_ttl_and_that_is_said_once(server, make):
    base = server.create_database(schema=False)
    base.sql(WITHOUT_TRIGGERS)
    httpd = make(base, "ApiKeyCacheTTL 2s\n")
    httpd.expect(r"AK0052: the triggers of the change feed are not installed; .*ApiKeyCacheTTL", r"AK0118")
    assert httpd.get("/", mint()).status == 401
    httpd.wait_log("AK0052")
    wait_readings(base)
    key_id, key = insert_key(base, "user", "alice")
    asked = time.monotonic()
    assert httpd.get("/", key).status == 200
    base.sql(revoke(key_id))
    wait_status(httpd, key, 401)
    assert time.monotonic() - asked > 1.9
    assert len(messages(httpd, "AK0052")) == 1


def test_an_account_that_may_not_prune_is_noticed_once(server, base, make_httpd):
    base.sql((ROOT / "conf" / "grants.sql").read_text())
    base.sql("ALTER USER apikey_check@localhost IDENTIFIED BY 'pw' ACCOUNT UNLOCK;"
             "REVOKE DELETE ON api_key_changes FROM apikey_check@localhost")
    httpd = make_httpd(PLACES + "ApiKeyRefresh 100ms", dbd=base.dbd_params("apikey_check", "pw"))
    httpd.expect(REFUSED, r"AK0053: old rows of api_key_changes cannot be deleted; .*grants\.sql")
    key_id, key = insert_key(base, "user", "alice")
    assert httpd.get("/", key).status == 200
    httpd.wait_log("AK0053")
    base.sql(revoke(key_id))
    wait_status(httpd, key, 401)
    assert len(messages(httpd, "AK0053")) == 1


@pytest.mark.parametrize("log_format", ["ROW", "MIXED", "STATEMENT"])
def test_everything_works_with_binary_logging(logging, make, log_format):
    logging.sql(f"SET GLOBAL binlog_format = '{log_format}'")
    base = logging.create_database()
    httpd = make(base, "ApiKeyUsage 1s")
    base.sql("INSERT INTO api_key_changes (key_id, changed_at) SELECT 1, '2024-01-01' FROM seq_1_to_10")
    key_id, key = insert_key(base, "user", "alice")
    assert httpd.get("/", key).status == 200
    base.sql(revoke(key_id))
    wait_status(httpd, key, 401)
    # Written by the sessions that also read the feed: were those left to see what is uncommitted, the server refused.
    wait_for(lambda: base.sql(f"SELECT * FROM api_key_usage WHERE key_id = {key_id} AND use_count > 0"))


@pytest.fixture(scope="module")
def logging(make_module_mariadb):
    return make_module_mariadb("--log-bin=log", "--server-id=1")


def test_init_says_what_could_not_be_installed_and_what_that_costs(logging, make_httpd, scratch):
    base = logging.create_database(schema=False)
    user = without_super(logging, base)
    with pytest.raises(SqlError) as refused:
        base.sql(SCHEMA.read_text(), *user)
    assert refused.value.code == 1419
    assert base.value("SELECT value FROM api_key_settings WHERE name = 'feed'") == "none"

    limited = ApikeyCtl(base, scratch.folder("ctl"), *user)
    done = limited.run("init")
    assert done.returncode == 0 and "The tables are ready." in done.stdout
    assert "the triggers cannot be created" in done.stderr and "1419" in done.stderr
    assert "ApiKeyCacheTTL" in done.stderr and "log_bin_trust_function_creators" in done.stderr
    limited.create(user="alice")

    httpd = make_httpd(PLACES, dbd=base.dbd_params(*user))
    httpd.expect(r"AK0052", r"AK0118", REFUSED)
    assert httpd.get("/", mint()).status == 401
    httpd.wait_log("AK0052")

    everything = ApikeyCtl(base, scratch.folder("ctl"))
    assert everything.run("init").stderr == ""
    assert base.value("SELECT value FROM api_key_settings WHERE name = 'feed'") == "triggers"
    again = limited.run("init")
    assert again.returncode == 0 and "There" not in again.stderr.partition("They are there")[0]
    assert "ApiKeyCacheTTL" not in again.stderr
    assert base.value("SELECT value FROM api_key_settings WHERE name = 'feed'") == "triggers"


def test_init_without_the_trigger_privilege_or_without_any(server, scratch):
    base = server.create_database(schema=False)
    server.sql(f"CREATE USER few@'%' IDENTIFIED BY 'pw'; GRANT SELECT ON `{base.name}`.* TO few@'%'")
    limited = ApikeyCtl(base, scratch.folder("ctl"), "few", "pw")
    refused = limited.run("init")
    assert refused.returncode == 1 and "cannot create the tables" in refused.stderr
    server.sql(f"GRANT ALL ON `{base.name}`.* TO few@'%'; REVOKE TRIGGER ON `{base.name}`.* FROM few@'%'")
    done = limited.run("init")
    assert done.returncode == 0 and "TRIGGER command denied" in done.stderr and "ApiKeyCacheTTL" in done.stderr


def test_a_server_that_starts_sessions_without_autocommit(server, make):
    server.sql("SET GLOBAL autocommit = 0")
    try:
        base = server.create_database()
        assert base.value("SELECT value FROM api_key_settings WHERE name = 'feed'") == "triggers"
        httpd = make(base)
        key_id, key = insert_key(base, "user", "alice")
        assert httpd.get("/", key).status == 200
        base.sql(revoke(key_id) + "; COMMIT")
        wait_status(httpd, key, 401)
    finally:
        server.sql("SET GLOBAL autocommit = 1")


def test_other_users_of_the_connection_do_not_see_what_is_uncommitted(base, make):
    """mod_authn_dbd, on the one connection that also reads the feed, while that can be read and while it cannot."""
    httpd = make(base, """
    DBDMin 1\nDBDKeep 1\nDBDMax 1
    <Location "/people/">
        AuthType Basic
        AuthName people
        AuthBasicProvider dbd
        AuthDBDUserPWQuery "SELECT password FROM people WHERE name = %s"
        Require valid-user
    </Location>
    """, modules=["authn_dbd"])  # fmt: skip
    httpd.expect(r"AH00632|AH00633|AH00636|AH01656|AH01658|AH01618", r"AK005[03]", r"AK0020")

    base.sql("CREATE TABLE people (name VARCHAR(20) PRIMARY KEY, password VARCHAR(80)) ENGINE = InnoDB")
    key = insert_key(base, "user", "alice")[1]
    wait_status(httpd, key, 200)

    def alice():
        return httpd.get("/people/", headers=[basic("alice", "secret")]).status

    def asked_often():
        seen = set()
        for _ in range(3):
            wait_readings(base, 1)
            seen |= {alice() for _ in range(20)}
        return seen

    with base.session() as session:
        session.sql("START TRANSACTION; INSERT INTO people VALUES ('alice', '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=')")
        assert asked_often() == {401}
        base.sql("RENAME TABLE api_key_changes TO elsewhere")
        httpd.wait_log("AK0050")
        assert asked_often() == {401}
        session.sql("COMMIT")
        assert alice() == 404


# -- who reads it ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(VALGRIND, reason="one process there")
def test_a_child_that_is_killed_while_it_reads_the_feed_is_replaced_at_once(make, base):
    httpd = make(base, children=2)
    httpd.expect(r"AH00052: child pid \d+ exit signal Killed", crash=True)
    key_id, key = insert_key(base, "user", "alice")
    assert httpd.get("/", key).status == 200
    reading = f"SELECT id FROM information_schema.PROCESSLIST WHERE db = '{base.name}' AND state LIKE '%lock%'"
    with base.session() as lock:
        lock.sql("LOCK TABLES api_key_changes WRITE")
        wait_for(lambda: base.sql(reading), what="a child to read the feed")
        for pid in httpd.children():
            os.kill(pid, signal.SIGKILL)
        lock.sql("UNLOCK TABLES")
    base.sql(revoke(key_id))
    wait_status(httpd, key, 401)


@contextmanager
def unreadable(database, *key_ids):
    """Keys are revoked, and until the end the feed cannot be read; look-ups are answered."""
    waiting = f"SELECT id FROM information_schema.PROCESSLIST WHERE db = '{database.name}' AND state LIKE '%lock%'"
    with database.session() as revocation, database.session() as holder, database.session() as locker:
        revocation.sql("BEGIN;" + revoke(*key_ids))
        holder.sql("BEGIN; SELECT COUNT(*) FROM api_key_changes")
        # Behind both of them; and whoever comes next, behind this.
        locker.send("LOCK TABLES api_key_changes WRITE")
        wait_for(lambda: len(database.sql(waiting)) > 1, what="a reading of the feed to be held up")
        revocation.sql("COMMIT")
        yield
        holder.sql("COMMIT")
        locker.rows()
        locker.sql("UNLOCK TABLES")


def from_memory(httpd, database, key):
    before = look_ups(database)
    return httpd.get("/", key).status == 200 and look_ups(database) == before


def test_while_nobody_comes_to_read_the_feed_the_database_is_asked(make, base):
    """A reading that hangs; children that hang or that are restarted all the time leave the same behind."""
    httpd = make(base)
    key_id, key = insert_key(base, "user", "alice")
    valid = insert_key(base, "user", "bob")[1]
    for _ in range(2):
        assert [httpd.get("/", asked).status for asked in (key, valid)] == [200, 200]
        wait_readings(base)  # with the first one all is forgotten
    with unreadable(base, key_id):
        wait_status(httpd, key, 401)
        assert [httpd.get("/", asked).status for asked in (key, valid)] == [401, 200]
    wait_for(lambda: from_memory(httpd, base, valid), what="memory to be used again")


@pytest.mark.parametrize("reconnect", [0, 1])
def test_a_reading_that_is_given_up_says_nothing_of_look_ups(make_httpd, base, reconnect):
    """Nobody asks while it hangs: the breaker stays closed, and facts do not become fresh again. And each time somebody
    reads, that is given up, on whichever connection."""
    # MySQL does not notice that somebody who waits for a lock was hung up: the latest counts.
    stuck = ("SELECT MIN(time) FROM information_schema.PROCESSLIST"
             f" WHERE user = '{base.name}' AND state LIKE '%lock%' HAVING MIN(time) > 4")  # fmt: skip
    httpd = make_httpd(PLACES + "ApiKeyRefresh 100ms\n", dbd=f"{own_account(base)} reconnect={reconnect}")
    httpd.expect(REFUSED, r"AH00639: DBD \[mysql\] Error: ")  # mod_dbd's word for what is hung up
    key_id, key = insert_key(base, "user", "alice")
    for _ in range(2):
        assert httpd.get("/", key).status == 200
        wait_readings(base)
    with unreadable(base, key_id):
        begun = time.monotonic()
        # Three times two seconds, and as long as the breaker and what follows it would last.
        wait_for(lambda: time.monotonic() > begun + 7.5)
        assert base.sql(stuck) == []
        assert httpd.get("/", key).status == 401


def test_how_often_a_host_wants_the_feed_read_is_its_own_affair(make_httpd, base):
    hosts = "".join(
        f"<VirtualHost 127.0.0.1:${{port}}>\nServerName {name}\nApiKeyRefresh {interval}\n</VirtualHost>\n"
        for name, interval in (("localhost", "100ms"), ("lazy", "60s"))
    )
    httpd = make_httpd(PLACES + hosts, dbd=own_account(base))
    httpd.expect(REFUSED)
    key_id, key = insert_key(base, "user", "alice")
    for host in ("lazy", "localhost"):
        assert ask((httpd, host), key)[0] == 200
    with unreadable(base, key_id):
        wait_status(httpd, key, 401)


def test_the_first_question_begins_the_reading_of_the_feed(make, base):
    """Not the first turn, which may be a long way off."""
    key_id, key = insert_key(base, "user", "alice")
    base.sql(f"UPDATE api_keys SET description = 'there is a row to read' WHERE id = {key_id}")
    httpd = make(base, "ApiKeyRefresh 60s\n")
    started = time.monotonic()
    wait_for(lambda: time.monotonic() > started + 0.5)  # several ticks, in which nothing was asked

    def rows_read():
        return base.server.rows_read(base.name, "api_key_changes")

    before = rows_read()
    assert httpd.get("/", key).status == 200
    wait_for(lambda: rows_read() > before, SOON, "the first reading")


def test_rows_that_somebody_has_locked_keep_nobody_from_reading(make, base):
    """As mysqldump does without --single-transaction."""
    httpd = make(base)
    base.sql("INSERT INTO api_key_changes (key_id, changed_at) VALUES (1, UTC_TIMESTAMP(3) - INTERVAL 2 DAY)")
    valid = insert_key(base, "user", "bob")[1]
    waiting = f"SELECT id FROM information_schema.PROCESSLIST WHERE db = '{base.name}' AND info LIKE 'DELETE%'"
    with base.session() as dump:
        dump.sql("LOCK TABLES api_keys READ LOCAL, api_key_secrets READ LOCAL, api_key_changes READ LOCAL")
        assert httpd.get("/", valid).status == 200
        wait_for(lambda: base.sql(waiting), what="a row to be about to be deleted")
        wait_for(lambda: from_memory(httpd, base, valid), what="memory to be used")
        begun = time.monotonic()
        while time.monotonic() < begun + 5:
            assert from_memory(httpd, base, valid)
        dump.sql("UNLOCK TABLES")


@pytest.mark.skipif(VALGRIND, reason="one process there")
def test_whichever_child_is_killed_the_feed_is_read_on(make, base):
    httpd = make(base, children=2)
    httpd.expect(r"AH00052: child pid \d+ exit signal Killed", crash=True)
    for _ in range(3):
        key_id, key = insert_key(base, "user", "alice")
        wait_status(httpd, key, 200)
        # prefork replaces one only where MinSpareServers would not be left
        victim = min(wait_for(lambda: len(httpd.children()) >= (1 if MPM == "prefork" else 2) and httpd.children()))
        os.kill(victim, signal.SIGKILL)
        base.sql(revoke(key_id))
        wait_status(httpd, key, 401)
        wait_for(lambda victim=victim: gone(victim))


@pytest.mark.skipif(VALGRIND, reason="no graceful restart there")
def test_twenty_graceful_restarts_under_load(make, base):
    httpd = make(base, "ApiKeyUsage 1s", children=2)
    valid = insert_key(base, "user", "alice")[1]
    statuses, stop = set(), threading.Event()

    def client():
        while not stop.is_set():
            try:
                with httpd.connect() as connection:
                    while not stop.is_set():
                        statuses.add(connection.request("/", valid).status)
            except OSError:
                pass  # an ending child closes what is idle

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for count in range(20):
            key_id, key = insert_key(base, "user", "bob")
            wait_status(httpd, key, 200)
            httpd.graceful(drain=False)
            base.sql(revoke(key_id))
            if count % 4 == 0:
                wait_status(httpd, key, 401)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert statuses == {200}


def test_rows_that_are_of_no_use_any_more_are_deleted(servers, shared, old_rows):
    """Two thousand of them take three rounds; one of the old ones may be left, and the young ones must be."""
    shared.sql("INSERT INTO api_key_changes (key_id) VALUES (1)")
    count = "SELECT COUNT(*) FROM api_key_changes WHERE changed_at {} UTC_TIMESTAMP() - INTERVAL 1 DAY"
    young = int(shared.value(count.format(">")))
    assert young > 0
    wait_for(lambda: int(shared.value(count.format("<"))) <= 1, 60, "old rows to go")
    assert int(shared.value(count.format(">"))) == young
