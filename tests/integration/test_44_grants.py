# SPDX-License-Identifier: Apache-2.0
"""conf/grants.sql: each account can do all it is for, and nothing else."""

import re

import pytest
from harness import ROOT, SCHEMA
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import insert_key
from harness.mariadb import SqlError
from harness.process import wait_for

GRANTS = (ROOT / "conf" / "grants.sql").read_text()
ACCOUNTS = ["apikey_check", "apikey_manage", "apikey_admin", "apikey_definer"]
DENIED = {1142, 1143, 1370}
ACCOUNT_LOCKED = {4151, 3118}


def password(name):
    return f"pw-{name}"


def of_definer(schema):
    """What grants.sql tells to do, done."""
    command = re.search(r"sed '(.*)' schema.sql", GRANTS)[1]
    _, what, by, _ = command.split("/")
    return re.sub(what, by, schema, flags=re.MULTILINE)


@pytest.fixture(params=["loader", "definer"])
def database(request, mariadb):
    """A database with the accounts of grants.sql, unlocked; its triggers are whose they are by default, or the
    definer's, and then whoever loaded the schema is gone."""
    made = mariadb.create_database(schema=False)
    mariadb.sql(f"CREATE USER loader@localhost IDENTIFIED BY 'pw-loader'; GRANT ALL ON {made.name}.* TO loader@localhost")
    made.sql(SCHEMA.read_bytes(), "loader", password("loader"))
    made.sql(GRANTS)
    if request.param == "definer":
        made.sql(of_definer(SCHEMA.read_text()))
        mariadb.sql("DROP USER loader@localhost")
    for name in ACCOUNTS[:3]:
        mariadb.sql(f"ALTER USER {name}@localhost IDENTIFIED BY '{password(name)}' ACCOUNT UNLOCK")
    yield made
    mariadb.sql("DROP USER IF EXISTS loader@localhost, " + ", ".join(f"{name}@localhost" for name in ACCOUNTS))


def test_accounts_are_made_locked_and_left_alone_afterwards(database):
    database.sql(GRANTS)
    assert database.sql("SELECT 1", user="apikey_check", password=password("apikey_check"))
    with pytest.raises(SqlError) as caught:
        database.sql("SELECT 1", user="apikey_definer")
    assert caught.value.code in ACCOUNT_LOCKED


def test_loading_the_schema_again_keeps_the_grants(database):
    def grants():
        return [database.sql(f"SHOW GRANTS FOR {name}@localhost") for name in ACCOUNTS]

    before = grants()
    database.sql(of_definer(SCHEMA.read_text()))
    assert grants() == before
    database.sql("CALL api_key_create('user', 'alice', '', '', NULL)", "apikey_manage", password("apikey_manage"))


CHECK_MAY_NOT = [
    "INSERT INTO api_keys (owner_type, owner_id) VALUES ('user', 'eve')",
    "UPDATE api_keys SET revoked_at = NULL",
    "DELETE FROM api_keys",
    "INSERT INTO api_key_secrets (digest, key_id) VALUES (REPEAT('x', 32), 1)",
    "UPDATE api_key_secrets SET key_id = 1",
    "DELETE FROM api_key_secrets",
    "UPDATE api_key_settings SET value = ''",
    "DELETE FROM api_key_usage",
    "DELETE FROM api_key_usage_writers",
    "INSERT INTO api_key_changes (key_id) VALUES (1)",
    "UPDATE api_key_changes SET key_id = 1",
    "SELECT * FROM api_key_team_members",
    "SELECT * FROM api_key_events",
    "SELECT * FROM api_key_denials",
    "INSERT INTO api_key_denials (actor, denied_at, what) VALUES ('a', NOW(), 'b')",
    "CALL api_key_create('user', 'eve', '', '', NULL)",
    "CALL api_key_revoke(1)",
    "CREATE TABLE mine (a INT)",
    "DROP TABLE api_keys",
]
MANAGE_MAY_NOT = [
    "DELETE FROM api_keys",
    "UPDATE api_keys SET owner_id = 'eve'",
    "UPDATE api_keys SET scopes = 'admin'",
    "UPDATE api_keys SET expires_at = NULL",
    "DELETE FROM api_key_secrets",
    "UPDATE api_key_secrets SET key_id = 1",
    "UPDATE api_key_secrets SET digest = REPEAT('x', 32)",
    "UPDATE api_key_settings SET value = ''",
    "DELETE FROM api_key_usage",
    "INSERT INTO api_key_changes (key_id) VALUES (1)",
    "INSERT INTO api_key_team_members (team_id, user_id) VALUES ('t', 'u')",
    "UPDATE api_key_team_members SET manage_api_keys = 1",
    "INSERT INTO api_key_events (event) VALUES ('denied')",
    "UPDATE api_key_events SET actor = 'somebody else'",
    "DELETE FROM api_key_events",
    "DELETE FROM api_key_denials",
    "DROP PROCEDURE api_key_create",
    "DROP TABLE api_keys",
]
ADMIN_MAY_NOT = [
    "INSERT INTO api_key_events (event) VALUES ('denied')",
    "UPDATE api_key_events SET actor = 'somebody else'",
    "INSERT INTO api_key_changes (key_id) VALUES (1)",
    "DELETE FROM api_key_changes",
    "UPDATE api_key_usage SET use_count = 0",
    "DROP TRIGGER api_keys_updated",
    "DROP PROCEDURE api_key_create",
    "ALTER TABLE api_keys ADD COLUMN x INT",
    "DROP TABLE api_keys",
]
FORBIDDEN = {"apikey_check": CHECK_MAY_NOT, "apikey_manage": MANAGE_MAY_NOT, "apikey_admin": ADMIN_MAY_NOT}


@pytest.mark.parametrize("account", ACCOUNTS[:3])
def test_accounts_can_do_no_more_than_they_must(database, account):
    insert_key(database, "user", "alice")
    for statement in FORBIDDEN[account]:
        with pytest.raises(SqlError) as caught:
            database.sql(statement, user=account, password=password(account))
        assert caught.value.code in DENIED, f"{statement}: {caught.value}"


@pytest.mark.parametrize("account", ["apikey_check", "apikey_manage"])
def test_a_server_can_do_all_that_checking_needs(database, make_httpd, account):
    """Check, read the feed, prune it, and write down what was used: a complaint of httpd's would fail the test."""
    number, key = insert_key(database, "user", "alice")
    httpd = make_httpd('<Location "/">\nAuthType Bearer\nRequire apikey\n</Location>',
                       dbd=database.dbd_params(account, password(account)))  # fmt: skip
    assert httpd.get("/", key=key).status == 200
    database.sql(f"UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {number}")
    httpd.expect("AK0003: API key revoked")
    wait_for(lambda: httpd.get("/", key=key).status == 401)
    httpd.stop()
    assert int(database.value(f"SELECT use_count FROM api_key_usage WHERE key_id = {number}")) > 0


@pytest.mark.parametrize("account", ["apikey_manage", "apikey_admin"])
def test_a_manager_can_manage(database, make_store, scratch, account):
    """All the management API asks of the store, the procedures, and apikeyctl."""
    store = make_store(database, account, password(account))
    acting = {"actor": "zoe", "client": "192.0.2.7"}
    number, key = store.create(max_live=3, **acting)[1:]
    assert store.outcome("rotate", number, 60, "request", **acting) == "done"
    assert store.outcome("rotate", number, 0, **acting) == "done"
    assert store.outcome("change", number, "new", "revoke", **acting) == "done"
    assert len(store("secrets", number)) == 3 and len(store("events", number, 0, 0, 9)) == 5
    assert store("check", input=key + "\n")[0][0] == number
    assert store("may", "api_key_team_members", "blue", "alice") == [["no"]]
    assert store("teams", "api_key_team_members", "alice") == []

    login = account, password(account)
    number = database.sql("CALL api_key_create('user', 'alice', '', '', NULL)", *login)[0]["id"]
    database.sql(f"CALL api_key_rotate({number}, 60)", *login)
    database.sql(f"CALL api_key_revoke({number}); SELECT * FROM api_key_list", *login)

    ctl = ApikeyCtl(database, scratch.folder("ctl"), *login)
    number, key = ctl.create(user="alice", scopes="a b", description="d", expires="1d")
    assert "alice" in ctl.ok("list") and "alice" in ctl.ok("show", number)
    ctl.ok("check", input=key)
    ctl.revoke(number)
    assert ctl.run("check", input=key).stdout.startswith("revoked")


def test_a_refused_attempt_is_put_on_record_by_the_manager(database, make_store):
    store = make_store(database, "apikey_manage", password("apikey_manage"))
    for _ in range(2):
        store("denied", "list keys", "user", "bob", 7, actor="eve", client="192.0.2.1")
    assert [row[0] for row in store("events", 7, 0, 0, 9)] == ["denied"]


def test_an_administrator_can_administer(database, make_store):
    login = "apikey_admin", password("apikey_admin")
    store = make_store(database, *login)
    assert store("import", 1, 20) == [["20"]]
    database.sql("UPDATE api_keys SET expires_at = '2020-01-01' WHERE id > 10", *login)
    assert store("prune", 60, 100, "wet") == [["10"]]
    store("team-set", "blue", "alice", 1)
    assert store("may", "api_key_team_members", "blue", "alice") == [["yes"]]
    assert store.outcome("team-remove", "blue", "alice") == "done"
    database.sql(
        "UPDATE api_key_settings SET value = 'acme' WHERE name = 'prefix';"
        "UPDATE api_keys SET owner_id = 'bob', scopes = 'a'; UPDATE api_key_secrets SET expires_at = '2099-01-01';"
        "DELETE FROM api_key_secrets LIMIT 1; DELETE FROM api_keys; DELETE FROM api_key_events WHERE happened_at < NOW()",
        *login,
    )
