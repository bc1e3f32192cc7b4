# SPDX-License-Identifier: Apache-2.0
"""conf/schema.sql and conf/grants.sql: what the tables hold, what they refuse, and who may do what with them."""

import concurrent.futures
import re
import threading

import pytest
from harness import ROOT, SCHEMA
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import insert_key
from harness.mariadb import SqlError
from harness.process import wait_for

VERSION_1 = ROOT / "tests" / "integration" / "data" / "schema-1.sql"
ACCOUNTS = ["apikey_check", "apikey_manage", "apikey_admin", "apikey_definer"]
TABLES = [
    "api_key_changes", "api_key_denials", "api_key_events", "api_key_list", "api_key_secrets", "api_key_settings", "api_key_team_members", "api_key_usage",
    "api_key_usage_writers", "api_keys",
]  # fmt: skip
TRIGGERS = [
    "api_key_denials_inserted", "api_key_denials_updated", "api_key_events_signed", "api_key_secrets_deleted",
    "api_key_secrets_inserted", "api_key_secrets_updated", "api_keys_deleted", "api_keys_inserted", "api_keys_revoking",
    "api_keys_updated",
]  # fmt: skip
PROCEDURES = ["api_key_create", "api_key_mint", "api_key_minting", "api_key_revoke", "api_key_rotate"]

# MariaDB's number and MySQL's.
CONSTRAINT_FAILED = {4025, 3819}
ACCOUNT_LOCKED = {4151, 3118}
TOO_LONG = 1406
DENIED = {1142, 1143, 1370}
NO_SUCH_TABLE = 1146

# Sessions in which the schema must mean the same.
SESSIONS = {
    "plain": "DO 1",
    "east of UTC": "SET time_zone = '+13:00'",
    "west of UTC": "SET time_zone = '-12:00'",
    "latin1": "SET NAMES latin1",
    "binary collation": "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "ANSI": "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'",
    "careless": "SET sql_mode = '', foreign_key_checks = 0",
}
in_every_session = pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS.keys())


def contents(database):
    """Everything there is in a database: definitions and settings."""
    definitions = {
        name: list(database.sql(f"SHOW CREATE TABLE {name}")[0].values())[1]
        for name in (row["TABLE_NAME"] for row in tables(database))
    } | {row["name"]: row["statement"] for row in triggers(database) + procedures(database)}
    return definitions, database.sql("SELECT * FROM api_key_settings ORDER BY name")


def definitions(database):
    """Without what differs from one database to another, and without comments, which the client leaves out."""
    unlike = re.compile(r"`[a-z]+_\w*\d+`\.|DEFINER=\S+|AUTO_INCREMENT=\d+ | *-- .*$|\s+", re.MULTILINE)
    return {name: unlike.sub("", text) for name, text in contents(database)[0].items()}


def tables(database):
    return database.sql(
        "SELECT TABLE_NAME, ENGINE, TABLE_COLLATION FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA = '{database.name}' ORDER BY BINARY TABLE_NAME"
    )


def triggers(database):
    return database.sql(
        "SELECT TRIGGER_NAME AS name, CONCAT_WS(' ', ACTION_TIMING, EVENT_MANIPULATION, EVENT_OBJECT_TABLE,"
        " ACTION_STATEMENT, CHARACTER_SET_CLIENT, SQL_MODE) AS statement"
        f" FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{database.name}' ORDER BY BINARY TRIGGER_NAME"
    )


def procedures(database):
    return database.sql(
        "SELECT ROUTINE_NAME AS name, CONCAT_WS(' ', ROUTINE_DEFINITION, SECURITY_TYPE, SQL_DATA_ACCESS, SQL_MODE) AS statement"
        f" FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{database.name}' ORDER BY BINARY ROUTINE_NAME"
    )


def insert(owner="alice", kind="user", **columns):
    """SQL text of a new key; values are SQL expressions, `owner` is text."""
    columns = {"owner_type": f"'{kind}'", "owner_id": utf8(owner)} | columns
    return f"INSERT INTO api_keys ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"


def utf8(text):
    return f"_utf8mb4 X'{text.encode().hex()}'"


# -- loading ---------------------------------------------------------------------------------------------------


def test_the_tables(module_database):
    found = tables(module_database)
    assert [row["TABLE_NAME"] for row in found] == TABLES
    assert {row["ENGINE"] for row in found} == {"InnoDB", None}  # None: the view
    assert {row["TABLE_COLLATION"] for row in found} == {"utf8mb4_bin", None}
    assert [row["name"] for row in triggers(module_database)] == TRIGGERS
    assert [row["name"] for row in procedures(module_database)] == PROCEDURES
    assert settings(module_database) == {"feed": "triggers", "events": "triggers", "schema_version": "2"}


def settings(database):
    """What the settings say of the schema."""
    rows = database.sql("SELECT * FROM api_key_settings WHERE name IN ('feed', 'events', 'schema_version')")
    return {row["name"]: row["value"] for row in rows}


@in_every_session
def test_loading_again_changes_nothing(database, session):
    database.sql("UPDATE api_key_settings SET value = 'acme' WHERE name = 'prefix'")
    database.sql(insert())
    before = contents(database), database.sql("SELECT * FROM api_keys")
    database.sql(f"{session}; {SCHEMA.read_text()}")
    assert (contents(database), database.sql("SELECT * FROM api_keys")) == before


@in_every_session
def test_what_is_made_does_not_depend_on_the_session(mariadb, module_database, session):
    made = mariadb.create_database(schema=False)
    try:
        made.sql(f"{session}; {SCHEMA.read_text()}")
        assert definitions(made) == definitions(module_database)
    finally:
        made.drop()


def test_every_instance_has_a_name_of_its_own(mariadb, module_database):
    other = mariadb.create_database()
    try:
        query = "SELECT value FROM api_key_settings WHERE name = 'instance'"
        assert len(other.value(query)) == 36 and other.value(query) != module_database.value(query)
    finally:
        other.drop()


# -- upgrading and reloading ---------------------------------------------------------------------------------------


def by_client(database, scratch):
    database.sql(SCHEMA.read_bytes())


def by_init(database, scratch):
    assert "The tables are ready." in ApikeyCtl(database, scratch.folder("ctl")).ok("init")


both_ways = pytest.mark.parametrize("load", [by_client, by_init])


@both_ways
def test_both_ways_of_loading_make_the_same(mariadb, module_database, scratch, load):
    made = mariadb.create_database(schema=False)
    load(made, scratch)
    load(made, scratch)
    assert definitions(made) == definitions(module_database) and settings(made) == settings(module_database)


@both_ways
def test_version_1_is_brought_up_to_date_in_place(mariadb, module_database, scratch, load):
    old = mariadb.create_database(schema=False)
    old.sql(VERSION_1.read_bytes())
    number, _ = insert_key(old, "user", "alice", scopes="a b", expires_at="2099-01-01")
    old.sql("UPDATE api_key_settings SET value = 'acme' WHERE name = 'prefix'")
    rows = {table: old.sql(f"SELECT * FROM {table}") for table in ("api_keys", "api_key_secrets", "api_key_changes")}
    instance = old.value("SELECT value FROM api_key_settings WHERE name = 'instance'")
    load(old, scratch)
    assert definitions(old) == definitions(module_database) and settings(old) == settings(module_database)
    for table, before in rows.items():
        assert [{name: row[name] for name in before[0]} for row in old.sql(f"SELECT * FROM {table}")] == before if before else True
    assert old.value("SELECT value FROM api_key_settings WHERE name = 'prefix'") == "acme"
    assert old.value("SELECT value FROM api_key_settings WHERE name = 'instance'") == instance
    key = old.sql(f"CALL api_key_rotate({number}, 60)")[0]["api_key"]
    assert key.startswith("acme_u_")
    old.drop()


def test_an_upgrade_that_was_broken_off_goes_on(mariadb, module_database):
    """After every statement that changes something the next load makes all of it good."""
    text = SCHEMA.read_text()
    steps = ["CALL api_key_migrate();", "UPDATE api_key_settings SET value = '2'", "CREATE PROCEDURE IF NOT EXISTS api_key_rotate",
             "DROP TRIGGER api_key_settings_probe;", "DROP TRIGGER IF EXISTS api_keys_updated;", "CREATE TRIGGER api_keys_deleted"]  # fmt: skip
    for step in steps:
        old = mariadb.create_database(schema=False)
        old.sql(VERSION_1.read_bytes())
        until = text[: text.index(step)]
        old.sql(until if until.count("DELIMITER //") == until.count("DELIMITER ;") else until + "//")
        old.sql(text)
        assert [row["name"] for row in triggers(old)] == TRIGGERS, step
        assert settings(old) == settings(module_database), step
        old.drop()


@both_ways
def test_a_newer_version_is_left_alone(database, scratch, load):
    database.sql("UPDATE api_key_settings SET value = '3' WHERE name = 'schema_version'")
    before = contents(database)
    with pytest.raises((SqlError, AssertionError)) as caught:
        load(database, scratch)
    assert "newer version" in str(caught.value) if load is by_client else "use the apikeyctl that came with" in str(caught.value)
    database.sql("DROP PROCEDURE IF EXISTS api_key_migrate")  # that said so
    assert contents(database) == before


def change_until(done, database):
    """Changes a key again and again and says how often it was done. At the moment of a replacement a statement may
    fail, for MariaDB has locked the tables of the old triggers for it: then nothing was changed."""
    count = 0
    while not done.is_set():
        try:
            database.sql("".join(f"UPDATE api_keys SET description = '{count} {i}';" for i in range(20)))
            count += 20
        except SqlError as failed:
            assert failed.code == NO_SUCH_TABLE, failed
            count += int(re.search(r"description = '\d+ (\d+)'", str(failed))[1])
    return count


@pytest.mark.parametrize("version", [VERSION_1, SCHEMA], ids=["from version 1", "again"])
def test_no_change_is_missed_while_the_triggers_are_made_again(mariadb, version):
    made = mariadb.create_database(schema=False)
    made.sql(version.read_bytes())
    insert_key(made, "user", "alice")
    done = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        changes = [threads.submit(change_until, done, made) for _ in range(2)]
        for _ in range(3):
            made.sql(SCHEMA.read_bytes())
        done.set()
    made_changes = sum(each.result() for each in changes)
    assert made_changes > 50 and made.value("SELECT COUNT(*) FROM api_key_changes") == str(made_changes)
    made.drop()


# -- who may not create triggers, and whose they are ---------------------------------------------------------------


@pytest.fixture(scope="module")
def with_binlog(make_module_mariadb):
    return make_module_mariadb("--log-bin=binlog")


@pytest.fixture
def owner(with_binlog):
    """Somebody who may do anything in a database of their own, but is not SUPER; (database, user, password)."""
    made = with_binlog.create_database(schema=False)
    user = f"owner_{made.name}"
    with_binlog.sql(f"CREATE USER {user}@localhost IDENTIFIED BY 'pw-owner'; GRANT ALL ON {made.name}.* TO {user}@localhost")
    return made, user, "pw-owner"


NEED_SUPER = 1419


@pytest.mark.parametrize("from_version_1", [False, True])
def test_with_binary_logging_an_ordinary_account_gets_all_but_the_triggers(owner, scratch, module_database, from_version_1):
    database, *login = owner
    if from_version_1:
        database.sql(VERSION_1.read_bytes())
    there = triggers(database)
    with pytest.raises(SqlError) as caught:
        database.sql(SCHEMA.read_bytes(), *login)
    assert caught.value.code == NEED_SUPER
    feed = "triggers" if from_version_1 else "none"
    assert settings(database) == {"feed": feed, "events": "none", "schema_version": "2"}
    assert triggers(database) == there  # what was there is there
    assert [row["name"] for row in procedures(database)] == PROCEDURES

    done = ApikeyCtl(database, scratch.folder("ctl"), *login).run("init")
    assert done.returncode == 0 and "log_bin_trust_function_creators" in done.stderr + ("log_bin_trust_function_creators" * from_version_1)
    assert "(error 1419)" in done.stderr and triggers(database) == there
    number = database.sql("CALL api_key_create('user', 'alice', '', '', NULL)", *login)[0]["id"]
    database.sql(f"CALL api_key_rotate({number}, 60); CALL api_key_revoke({number})", *login)
    assert database.sql(f"SELECT revoked_by LIKE 'owner%' AS so FROM api_keys WHERE id = {number}") == [{"so": "1"}]

    database.server.sql("SET GLOBAL log_bin_trust_function_creators = 1")
    database.sql(SCHEMA.read_bytes(), *login)
    database.server.sql("SET GLOBAL log_bin_trust_function_creators = 0")
    assert [row["name"] for row in triggers(database)] == TRIGGERS
    assert settings(database) == settings(module_database)


def test_an_account_without_the_privilege_changes_no_trigger(with_binlog, scratch):
    database = with_binlog.create_database()
    user = f"plain_{database.name}"
    with_binlog.sql(
        f"CREATE USER {user}@localhost IDENTIFIED BY 'pw-plain'; SET GLOBAL log_bin_trust_function_creators = 1;"
        "GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, DROP, REFERENCES, INDEX, CREATE VIEW, SHOW VIEW, CREATE ROUTINE,"
        f" ALTER ROUTINE, EXECUTE ON {database.name}.* TO {user}@localhost"
    )
    before = triggers(database)
    try:
        with pytest.raises(SqlError) as caught:
            database.sql(SCHEMA.read_bytes(), user, "pw-plain")
        assert caught.value.code in DENIED
        done = ApikeyCtl(database, scratch.folder("ctl"), user, "pw-plain").run("init")
        assert done.returncode == 0 and "They are there from an earlier time." in done.stderr
        assert triggers(database) == before
    finally:
        with_binlog.sql("SET GLOBAL log_bin_trust_function_creators = 0")


def test_when_the_definer_is_gone_another_one_loads_the_schema(mariadb, scratch):
    database = mariadb.create_database(schema=False)
    mariadb.sql(f"CREATE USER leaver@localhost IDENTIFIED BY 'pw'; GRANT ALL ON {database.name}.* TO leaver@localhost")
    database.sql(SCHEMA.read_bytes(), "leaver", "pw")
    number = database.sql("CALL api_key_create('user', 'alice', '', '', NULL)")[0]["id"]
    mariadb.sql("DROP USER leaver@localhost")
    ctl = ApikeyCtl(database, scratch.folder("ctl"))
    failed = ctl.run("revoke", number)
    assert failed.returncode == 1 and "run apikeyctl init" in failed.stderr and "account that made the triggers" in failed.stderr
    ctl.ok("init")
    ctl.ok("revoke", number)
    assert database.value("SELECT COUNT(*) FROM api_key_events WHERE event = 'revoked'") == "1"
    database.sql("CALL api_key_create('user', 'bob', '', '', NULL); SELECT * FROM api_key_list")  # run as their caller


# -- what the tables refuse ------------------------------------------------------------------------------------

OWNERS = [  # (kind, id, whether it is accepted)
    ("user", "alice", True),
    ("user", "a b", True),
    ("user", "josé \U0001f511 <'\\\">%_", True),
    ("user", "\U0001f511" * 255, True),
    ("user", "team", True),
    ("user", "Team:blue", True),
    ("user", "ateam:blue", True),
    ("team", "team:blue", True),
    ("user", "team:blue", False),
    ("user", "team:", False),
    ("user", "", False),
    ("team", "", False),
    ("user", " ", False),
    ("user", " alice", False),
    ("user", "alice ", False),
    ("user", "alice\n", False),
    ("user", "alice\r\nX-Admin: 1", False),
    ("user", "\talice", False),
    ("user", "al\0ice", False),
    ("user", "al\x1b[2Jice", False),
    ("user", "alice\x7f", False),
    ("user", "al\x9bice", False),
    ("team", "blue\n", False),
]


@pytest.mark.parametrize("kind, owner, accepted", OWNERS, ids=[f"{kind}-{owner[:30]!r}" for kind, owner, _ in OWNERS])
@pytest.mark.parametrize("session", [SESSIONS[name] for name in ("plain", "latin1", "careless")])
def test_owner_ids(module_database, session, kind, owner, accepted):
    statement = f"{session}; {insert(owner, kind)}"
    if accepted:
        module_database.sql(statement)
    else:
        assert refused(module_database, statement) in CONSTRAINT_FAILED


SCOPES = [
    ("", True),
    ("a", True),
    ("orders:read orders:*", True),
    ("!#$%&'()*+,-./:;<=>?@[]^_`{|}~", True),
    ("** *a a*", True),
    ("s" * 1000, True),
    ("*", False),
    ("a *", False),
    ("* a", False),
    ("a * b", False),
    (" a", False),
    ("a ", False),
    (" ", False),
    ("a  b", False),
    ('a"b', False),
    ("a\\b", False),
    ("a\tb", False),
    ("a\n", False),
    ("a\x7f", False),
]


@pytest.mark.parametrize("scopes, accepted", SCOPES, ids=[repr(scopes[:30]) for scopes, _ in SCOPES])
@pytest.mark.parametrize("session", [SESSIONS[name] for name in ("plain", "ANSI")])
def test_scopes(module_database, session, scopes, accepted):
    statement = f"{session}; {insert(scopes=f'''_ascii X'{scopes.encode().hex()}' ''')}"
    if accepted:
        module_database.sql(statement)
    else:
        assert refused(module_database, statement) in CONSTRAINT_FAILED


@pytest.mark.parametrize(
    "column, value",
    [
        ("owner_id", "REPEAT('x', 256)"),
        ("description", "REPEAT('x', 256)"),
        ("scopes", "REPEAT('s', 1001)"),
        ("last_four", "'12345'"),
    ],
)
def test_what_is_too_long_is_refused(module_database, column, value):
    assert refused(module_database, insert(**{column: value})) == TOO_LONG


@pytest.mark.parametrize(
    "column, value",
    [
        ("owner_type", "'admin'"), ("owner_type", "NULL"), ("owner_id", "NULL"), ("scopes", "NULL"),
        ("expires_at", "'soon'"),
    ],
)
def test_what_is_no_value_is_refused(module_database, column, value):
    assert refused(module_database, insert(**{column: value}))


def test_an_update_is_held_to_the_same(database):
    database.sql(insert())
    for change in ("owner_id = 'team:blue'", "owner_id = ''", "scopes = '*'"):
        assert refused(database, f"UPDATE api_keys SET {change}") in CONSTRAINT_FAILED
    database.sql("DELETE FROM api_keys; " + insert("team:blue", "team"))
    assert refused(database, "UPDATE api_keys SET owner_type = 'user'") in CONSTRAINT_FAILED


@pytest.mark.parametrize("team, user", [("", "u"), ("t", ""), (" t", "u"), ("t", "u "), ("t\n", "u"), ("t", "team:x")])
def test_members_of_teams(database, team, user):
    database.sql("INSERT INTO api_key_team_members (team_id, user_id) VALUES ('t', 'u')")
    statement = f"INSERT INTO api_key_team_members (team_id, user_id) VALUES ({utf8(team)}, {utf8(user)})"
    assert refused(database, statement) in CONSTRAINT_FAILED
    assert database.value("SELECT manage_api_keys FROM api_key_team_members") == "0"


def test_a_digest_is_stored_once(database):
    number, key = insert_key(database, "user", "alice")
    with pytest.raises(SqlError) as caught:
        insert_key(database, "user", "bob", key=key)
    assert caught.value.code == 1062
    assert database.value("SELECT GROUP_CONCAT(owner_id) FROM api_keys") == "alice"


def refused(database, statement):
    """The number of the error that a statement must end with."""
    with pytest.raises(SqlError) as caught:
        database.sql(statement)
    return caught.value.code


# -- what the tables hold --------------------------------------------------------------------------------------


def test_owner_ids_are_compared_byte_for_byte(database):
    owners = ("alice", "ALICE", "alic\u00e9", "alice\u0301")
    for owner in owners:
        insert_key(database, "user", owner)
    insert_key(database, "team", "alice")
    for owner in owners:
        where = f"owner_type = 'user' AND owner_id = {utf8(owner)}"
        assert database.value(f"SELECT COUNT(*) FROM api_keys WHERE {where}") == "1"


@in_every_session
def test_defaults_are_in_utc(database, session):
    database.sql(f"{session}; {insert()}; INSERT INTO api_key_secrets (digest, key_id) VALUES (REPEAT('x', 32), 1)")
    for table in ("api_keys", "api_key_secrets"):
        late = f"SELECT ABS(TIMESTAMPDIFF(SECOND, created_at, UTC_TIMESTAMP())) < 60 FROM {table}"
        assert database.value(late) == "1"
    assert database.value("SELECT created_by FROM api_keys").endswith("@localhost")
    columns = "description, scopes, last_four, is_public, expires_at, revoked_at, revoked_by"
    [row] = database.sql(f"SELECT {columns} FROM api_keys")
    assert list(row.values()) == ["", "", "", "0", None, None, None]


@pytest.mark.parametrize("when", ["2038-01-19 03:14:08.001", "2106-02-07 06:28:16.999", "9999-12-31 23:59:59.999"])
def test_times_past_2038(database, when):
    insert_key(database, "user", "alice", expires_at=when)
    assert database.sql("SELECT expires_at, status FROM api_key_list") == [{"expires_at": when, "status": "valid"}]


@in_every_session
def test_status_in_the_view(database, session):
    """Compared with literals in any session, too."""
    for owner, expires, revoked in [
        ("forever", None, None), ("later", 3600, None), ("over", -0.001, None), ("revoked", None, -3600),
        ("revoked tomorrow", None, 86400), ("revoked and over", -60, -3600),
    ]:  # fmt: skip
        insert_key(database, "user", owner, expires_at=expires, revoked_at=revoked)
    expected = {"valid": "forever,later", "expired": "over", "revoked": "revoked,revoked tomorrow,revoked and over"}
    for status, owners in expected.items():
        query = f"SELECT GROUP_CONCAT(owner_id ORDER BY id) AS owners FROM api_key_list WHERE status = '{status}'"
        assert database.sql(f"{session}; {query}") == [{"owners": owners}]


def test_use_in_the_view(database):
    used, unused = insert_key(database, "user", "alice")[0], insert_key(database, "user", "bob")[0]
    database.sql(f"INSERT INTO api_key_usage VALUES ({used}, '2025-01-02 03:04:05.678', '::1', 7)")
    query = "SELECT last_used_at, last_used_ip, use_count FROM api_key_list WHERE id = "
    assert list(database.sql(f"{query}{used}")[0].values()) == ["2025-01-02 03:04:05.678", "::1", "7"]
    assert list(database.sql(f"{query}{unused}")[0].values()) == [None, None, "0"]


def test_a_deleted_key_takes_its_secrets_along(database):
    keep, gone = insert_key(database, "user", "alice")[0], insert_key(database, "user", "bob")[0]
    database.sql(f"DELETE FROM api_keys WHERE id = {gone}")
    assert database.sql("SELECT key_id FROM api_key_secrets") == [{"key_id": str(keep)}]
    orphan = f"INSERT INTO api_key_secrets (digest, key_id) VALUES (REPEAT('x', 32), {gone})"
    assert refused(database, orphan) == 1452


def test_a_change_of_a_key_is_written_to_the_feed(database):
    def changes(statement):
        last = database.value("SELECT COALESCE(MAX(id), 0) FROM api_key_changes")
        added = f"SELECT key_id FROM api_key_changes WHERE id > {last} ORDER BY id"
        return [row["key_id"] for row in database.sql(f"{statement}; {added}")]

    first, second = (str(insert_key(database, "user", name)[0]) for name in ("alice", "bob"))
    assert database.value("SELECT COUNT(*) FROM api_key_changes") == "0"  # nobody knows a new key
    assert changes("UPDATE api_keys SET revoked_at = NOW() WHERE owner_id = 'alice'") == [first]
    assert changes("UPDATE api_keys SET expires_at = NOW()") == [first, second]
    assert changes(f"UPDATE api_key_secrets SET expires_at = NOW() WHERE key_id = {second}") == [second]
    assert changes(f"DELETE FROM api_key_secrets WHERE key_id = {second}") == [second]
    assert changes(f"UPDATE api_keys SET id = 77 WHERE id = {second}") == [second]
    assert changes(f"DELETE FROM api_keys WHERE id = {first}") == [first]  # and nothing of its secrets
    assert changes("START TRANSACTION; UPDATE api_keys SET revoked_at = NOW(); ROLLBACK") == []


# -- indexes ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowded(mariadb):
    """A database with 5,000 keys of 50 owners."""
    made = mariadb.create_database()
    made.sql(
        "INSERT INTO api_keys (owner_type, owner_id) SELECT 'user', CONCAT('user', seq % 50) FROM seq_1_to_5000;"
        "INSERT INTO api_key_secrets (digest, key_id) SELECT UNHEX(SHA2(id, 256)), id FROM api_keys;"
        "ANALYZE TABLE api_keys, api_key_secrets"
    )
    yield made
    made.drop()


@pytest.fixture
def statements(mariadb, crowded, scratch):
    """statements(command, …) runs apikeyctl and returns what the server was asked to prepare."""
    ctl = ApikeyCtl(crowded, scratch.folder("ctl"))

    def run(command, *args, input=None):
        mariadb.sql("TRUNCATE mysql.general_log; SET GLOBAL log_output = 'TABLE', general_log = 1")
        ctl.run(command, *args, input=input)
        mariadb.sql("SET GLOBAL general_log = 0, log_output = 'FILE'")
        logged = mariadb.sql("SELECT argument FROM mysql.general_log WHERE command_type = 'Prepare'")
        return [row["argument"] for row in logged]

    return run


def explain(database, statement, values):
    """The plan of a prepared statement, with these values for its question marks."""
    for value in values:
        statement = statement.replace("?", value, 1)
    return database.sql(f"EXPLAIN {statement}")


def test_look_up_by_digest_reads_one_row(crowded, statements):
    asked = [text for text in statements("check", input="whatever") if "s.digest = ?" in text]
    plan = explain(crowded, asked[0], [f"X'{'00' * 32}'"])
    assert "const" in plan[0]["Extra"]  # Impossible WHERE noticed after reading const tables
    digest = crowded.value("SELECT HEX(digest) FROM api_key_secrets WHERE key_id = 7")
    plan = explain(crowded, asked[0], [f"X'{digest}'"])
    assert [(row["table"], row["type"], row["key"]) for row in plan] == [
        ("s", "const", "PRIMARY"), ("k", "const", "PRIMARY"),
    ]  # fmt: skip


OWNER, LAST_ID = ["'user'", "'user7'", "'user7'"], str(2**63 - 1)


@pytest.mark.parametrize(
    "args, values, index",
    [
        (["--user", "user7"], [*OWNER, LAST_ID, "''", "''", "10"], "api_keys_owner"),
        (["--user", "user7", "--after", "900"], [*OWNER, "900", "''", "''", "10"], "api_keys_owner"),
        ([], [LAST_ID, "''", "''", "10"], "PRIMARY"),
    ],
)
def test_newest_first_needs_no_sorting(crowded, statements, args, values, index):
    asked = [text for text in statements("list", *args, "--limit", "10") if "ORDER BY" in text]
    [plan] = [row for row in explain(crowded, asked[0], values) if row["table"] in ("k", "api_keys")]
    assert plan["key"] == index
    assert "filesort" not in plan["Extra"] and "temporary" not in plan["Extra"]
