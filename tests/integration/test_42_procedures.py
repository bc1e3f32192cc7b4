# SPDX-License-Identifier: Apache-2.0
"""Keys handled with nothing but a mysql prompt, and by the store: one set of rules for both."""

import collections
import concurrent.futures
import re
import subprocess

import pytest
from harness import SCHEMA, keyfmt
from harness.mariadb import SqlError
from harness.process import wait_for

SIGNAL = 1644


def call(database, procedure, *args, before=""):
    """CALLs a procedure with these values (None: NULL) and returns its row, or None where it has none."""
    return (database.sql(f"{before};CALL {procedure}({', '.join(map(quote, args))})") or [None])[0]


def quote(value):
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else f"_utf8mb4 X'{value.encode().hex()}'"


def create(database, kind="user", owner="alice", description="", scopes="", expires=None):
    """A new key by SQL: (id, secret)."""
    row = call(database, "api_key_create", kind, owner, description, scopes, expires)
    return int(row["id"]), row["api_key"]


def rotate(database, key_id, grace):
    row = call(database, "api_key_rotate", key_id, grace)
    assert int(row["id"]) == key_id
    return row["api_key"]


def refusal(database, procedure, *args, before=""):
    """The message of the SIGNAL that a call ends with."""
    with pytest.raises(SqlError) as caught:
        call(database, procedure, *args, before=before)
    assert caught.value.code == SIGNAL, caught.value
    message = re.search(r"\(45000\).*?: (.*)", str(caught.value))[1]
    assert len(message) <= 128
    return message


def contents(database):
    """What stands for all rows of what a refused call must not touch."""
    return database.sql("CHECKSUM TABLE api_keys, api_key_secrets, api_key_events, api_key_changes")


# -- minting ---------------------------------------------------------------------------------------------------


def test_a_thousand_keys_are_all_of_the_format(module_database, make_store):
    """Checked by the project's own code, by the book, and for characters that come more often than others."""
    made = module_database.results(
        "DELETE FROM api_keys;"
        + "".join(f"CALL api_key_create('{kind}', 'owner{i}', '', '', NULL);" for i in range(500) for kind in ("user", "team"))
    )
    rows = [row for result in made for row in result]
    keys = [row["api_key"] for row in rows]
    assert len(set(keys)) == 1000
    for key in keys:
        assert re.fullmatch(r"ak_[ut]_[0-9A-Za-z]{38}", key)
        assert key[-6:] == keyfmt.check_digits(key[:-6])
    found = make_store(module_database)("check", input="\n".join(keys) + "\n")
    assert found == [
        [row["id"], f"owner{i // 2}", "valid", row["api_key"][-4:]] for i, row in enumerate(rows)
    ]
    kinds = [("user", "team")[key[3] == "t"] for key in keys]
    assert kinds == ["user", "team"] * 500
    stored = module_database.sql("SELECT id, LOWER(HEX(digest)) AS d FROM api_keys k JOIN api_key_secrets s ON s.key_id = k.id")
    assert {row["id"]: row["d"] for row in stored} == {row["id"]: keyfmt.digest(row["api_key"]).hex() for row in rows}

    counts = collections.Counter("".join(key[5:37] for key in keys))
    expected = 32 * 1000 / 62
    chi_square = sum((counts[letter] - expected) ** 2 / expected for letter in keyfmt.ALPHABET)
    assert chi_square < 140  # 61 degrees of freedom: one run in a hundred million is above; bytes modulo 62 give 210


def test_what_is_stored(module_database):
    number, key = create(module_database, "team", "blüe \U0001f511", "for 'all'", "a b:*", "2031-02-03 04:05:06.789")
    [row] = module_database.sql(f"SELECT * FROM api_key_list WHERE id = {number}")
    assert row | {"created_at": 0} == {
        "id": str(number), "owner_type": "team", "owner_id": "blüe \U0001f511", "description": "for 'all'",
        "scopes": "a b:*", "last_four": key[-4:], "is_public": "0", "created_at": 0, "created_by": account(module_database),
        "expires_at": "2031-02-03 04:05:06.789", "revoked_at": None, "revoked_by": None, "status": "valid",
        "last_used_at": None, "last_used_ip": None, "use_count": "0",
    }  # fmt: skip
    [secret] = module_database.sql(f"SELECT * FROM api_key_secrets WHERE key_id = {number}")
    assert secret["pepper"] is None and secret["expires_at"] is None and secret["last_four"] == key[-4:]


def account(database):
    return database.value("SELECT USER()")


def test_the_prefix_of_the_settings_is_minted_by(database):
    database.sql("UPDATE api_key_settings SET value = 'acme' WHERE name = 'prefix'")
    key = create(database)[1]
    assert key.startswith("acme_u_") and key[-6:] == keyfmt.check_digits(key[:-6])
    for bad in ("", "a", "A1", "a_b", "x" * 21, "ab\n"):
        database.sql(f"UPDATE api_key_settings SET value = {quote(bad)} WHERE name = 'prefix'")
        assert refusal(database, "api_key_create", "user", "alice", "", "", None).startswith("prefix of api_key_settings:")


def test_with_a_pepper_sql_does_not_mint(database):
    number = create(database)[0]
    database.sql("UPDATE api_key_settings SET value = '0123456789abcdef' WHERE name = 'pepper'")
    before = contents(database)
    for procedure, args in (("api_key_create", ("user", "alice", "", "", None)), ("api_key_rotate", (number, 60))):
        message = refusal(database, procedure, *args)
        assert "pepper" in message and "apikeyctl" in message
    assert contents(database) == before
    call(database, "api_key_revoke", number)


def test_without_random_bytes_sql_does_not_mint(mariadb):
    """A server that has no such function takes its name for that of one of ours."""
    made = mariadb.create_database(schema=False)
    made.sql(SCHEMA.read_text().replace("RANDOM_BYTES(64)", "NO_SUCH_FUNCTION(64)"))
    message = refusal(made, "api_key_create", "user", "alice", "", "", None)
    assert "RANDOM_BYTES" in message and "apikeyctl" in message
    assert made.value("SELECT COUNT(*) FROM api_keys") == "0"


# -- arguments: the same table for both ------------------------------------------------------------------------

ALICE = {"kind": "user", "owner": "alice", "description": "", "scopes": ""}
ARGUMENTS = [  # (what differs from ALICE, the argument at fault or None)
    ({}, None),
    ({"kind": "team", "owner": "team:blue"}, None),
    ({"owner": "josé <'\\\">%_ \U0001f511"}, None),
    ({"owner": "\U0001f511" * 255}, None),
    ({"owner": "Team:blue"}, None),
    ({"description": "\U0001f511" * 255}, None),
    ({"description": " line one\nline two "}, None),
    ({"scopes": "s" * 1000}, None),
    ({"scopes": "orders:read orders:* !#$%&'()+,-./:;<=>?@[]^_`{|}~"}, None),
    ({"kind": ""}, "owner_type"),
    ({"kind": "User"}, "owner_type"),
    ({"kind": "user "}, "owner_type"),
    ({"kind": "admin"}, "owner_type"),
    ({"owner": ""}, "owner_id"),
    ({"owner": " "}, "owner_id"),
    ({"owner": " alice"}, "owner_id"),
    ({"owner": "alice "}, "owner_id"),
    ({"owner": "alice\n"}, "owner_id"),
    ({"owner": "al\x1bice"}, "owner_id"),
    ({"owner": "alice\x7f"}, "owner_id"),
    ({"owner": "al\x9bice"}, "owner_id"),
    ({"owner": "x" * 256}, "owner_id"),
    ({"owner": "\U0001f511" * 256}, "owner_id"),
    ({"owner": "team:blue"}, "owner_id"),
    ({"description": "x" * 256}, "description"),
    ({"scopes": "s" * 1001}, "scopes"),
    ({"scopes": " a"}, "scopes"),
    ({"scopes": "a "}, "scopes"),
    ({"scopes": " "}, "scopes"),
    ({"scopes": "a  b"}, "scopes"),
    ({"scopes": "a\tb"}, "scopes"),
    ({"scopes": "a\n"}, "scopes"),
    ({"scopes": 'a"b'}, "scopes"),
    ({"scopes": "a\\b"}, "scopes"),
    ({"scopes": "é"}, "scopes"),
    ({"scopes": "*"}, "scopes"),
    ({"scopes": "a * b"}, "scopes"),
]
IN_THE_STORE = {"owner_type": "owner type", "owner_id": "owner|user id", "description": "description", "scopes": "scopes"}
SESSIONS = {
    "plain": "DO 1",
    "latin1": "SET NAMES latin1",
    "general collation": "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci",
    "careless": "SET sql_mode = ''",
    "ANSI": "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'",
}


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS.keys())
def test_arguments_of_create_in_sql(module_database, session):
    for differs, fault in ARGUMENTS:
        given = ALICE | differs
        values = (given["kind"], given["owner"], given["description"], given["scopes"], None)
        if fault:
            before = contents(module_database)
            assert refusal(module_database, "api_key_create", *values, before=session).startswith(f"{fault}: "), differs
            assert contents(module_database) == before
        else:
            number = call(module_database, "api_key_create", *values, before=session)["id"]
            stored = module_database.sql(
                f"SELECT owner_type AS kind, owner_id AS owner, description, scopes FROM api_keys WHERE id = {number}"
            )
            assert stored == [given]


def test_arguments_of_create_in_the_store(module_database, make_store):
    store = make_store(module_database)
    for differs, fault in ARGUMENTS:
        given = ALICE | differs
        answer = store.create(**given)
        assert answer[0] == ("refused" if fault else "done"), differs
        if fault:
            assert re.search(IN_THE_STORE[fault], answer[1]), differs
        else:
            stored = module_database.sql(
                f"SELECT owner_type AS kind, owner_id AS owner, description, scopes FROM api_keys WHERE id = {answer[1]}"
            )
            assert stored == [given]


def test_null_is_nothing_where_nothing_is_allowed(module_database):
    number, _ = create(module_database, description=None, scopes=None)
    [row] = module_database.sql(f"SELECT description, scopes, expires_at FROM api_keys WHERE id = {number}")
    assert row == {"description": "", "scopes": "", "expires_at": None}
    assert refusal(module_database, "api_key_create", None, "alice", "", "", None).startswith("owner_type: ")
    assert refusal(module_database, "api_key_create", "user", None, "", "", None).startswith("owner_id: ")


@pytest.mark.parametrize("session", [SESSIONS["plain"], SESSIONS["careless"], "SET time_zone = '+13:00'"])
def test_times_are_utc(module_database, session):
    for given, stored in (
        ("2031-02-03", "2031-02-03 00:00:00.000"),
        ("2031-02-03 04:05:06", "2031-02-03 04:05:06.000"),
        ("2031-02-03 04:05:06.7", "2031-02-03 04:05:06.700"),
        ("2031-02-03 04:05:06.789", "2031-02-03 04:05:06.789"),
        ("2020-01-01", "2020-01-01 00:00:00.000"),
        ("9999-12-31 23:59:59.999", "9999-12-31 23:59:59.999"),
    ):
        number = call(module_database, "api_key_create", "user", "alice", "", "", given, before=session)["id"]
        assert module_database.value(f"SELECT expires_at FROM api_keys WHERE id = {number}") == stored
    call(module_database, "api_key_create", "user", "alice", "", "", None, before=session)
    soon = "CALL api_key_create('user', 'soon', '', '', UTC_TIMESTAMP() + INTERVAL 90 DAY)"
    assert module_database.sql(f"{session}; {soon}")
    for bad in (
        "", "tomorrow", "90d", "2031-02-30", "2031-13-01", "2031-2-3", "31-02-03", "2031-02-03 24:00:00", "2031-02-03 04:05",
        "2031-02-03T04:05:06Z", "2031-02-03 04:05:06.7891", "2031-02-03\n", " 2031-02-03", "2031-02-03 04:05:06+01:00",
        "0000-00-00", "2031-00-01", "20310203", "2031-02-03; x", "２０３１-02-03",
    ):  # fmt: skip
        message = refusal(module_database, "api_key_create", "user", "alice", "", "", bad, before=session)
        assert message.startswith("expires_at: YYYY-MM-DD[ HH:MM:SS[.mmm]] in UTC"), bad


def test_numbers(module_database):
    number = create(module_database)[0]
    for bad in ("", "0", "-1", "2abc", "1.5", f"{number} ", f"0{number}", f"{number}\n", "99999999999999999999", None):
        for procedure, more in (("api_key_rotate", (60,)), ("api_key_revoke", ())):
            for session in (SESSIONS["plain"], SESSIONS["careless"]):
                assert refusal(module_database, procedure, bad, *more, before=session).startswith("id: "), bad
    for bad in ("", "-1", "1.5", "x", "60 ", "2592001", "60\n", "9999999999", None):
        assert refusal(module_database, "api_key_rotate", number, bad).startswith("grace_seconds: 0 to 2592000"), bad
    for procedure, more in (("api_key_rotate", (60,)), ("api_key_revoke", ())):
        assert refusal(module_database, procedure, 999999999, *more) == "id: there is no such key"
    assert module_database.value(f"SELECT COUNT(*) FROM api_key_secrets WHERE key_id = {number}") == "1"
    assert rotate(module_database, number, 2592000)


# -- rotation: the same rules by both ----------------------------------------------------------------------------


class Sql:
    """A key's life by the procedures."""

    def __init__(self, database, make_store):
        self.database = database

    def create(self, expires=None):
        return create(self.database, expires=expires)[0]

    def rotate(self, key_id, grace):
        """done, or the word for the refusal."""
        try:
            rotate(self.database, key_id, grace)
        except SqlError as refused:
            assert refused.code == SIGNAL, refused
            return next(
                word
                for word, said in (("revoked", "revoked"), ("expired", "expired"), ("too many", "5 secrets"), ("not found", "no such"))
                if said in str(refused)
            )
        return "done"

    def revoke(self, key_id):
        call(self.database, "api_key_revoke", key_id)


class C:
    """The same by the store."""

    def __init__(self, database, make_store):
        self.database = database
        self.store = make_store(database)

    def create(self, expires=None):
        ms = "never"
        if expires:
            ms = self.database.value(f"SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', '{expires}') DIV 1000")
        return int(self.store.create(expires=ms)[1])

    def rotate(self, key_id, grace):
        return self.store.outcome("rotate", key_id, grace)

    def revoke(self, key_id):
        self.store("change", key_id, "-", "revoke")


@pytest.fixture(params=[Sql, C], ids=["sql", "store"])
def hand(request, module_database, make_store):
    return request.param(module_database, make_store)


def secrets(database, key_id):
    """The secrets of a key, oldest first: when each ends, in seconds from now (None: it does not)."""
    rows = database.sql(
        "SELECT last_four, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), expires_at) / 1e6 AS ends"
        f" FROM api_key_secrets WHERE key_id = {key_id} ORDER BY created_at, expires_at IS NULL, expires_at"
    )
    return [None if row["ends"] is None else float(row["ends"]) for row in rows]


def about(seconds):
    return pytest.approx(seconds, abs=30)


def test_the_old_secret_works_until_its_grace_ends(hand):
    database = hand.database
    number = hand.create("2099-01-01")
    database.sql(f"UPDATE api_keys SET scopes = 'a b', description = 'd' WHERE id = {number}")
    columns = "id, owner_type, owner_id, description, scopes, is_public, created_at, created_by, expires_at, revoked_at"
    before = database.sql(f"SELECT {columns} FROM api_keys WHERE id = {number}")
    assert hand.rotate(number, 3600) == "done"
    assert secrets(database, number) == [about(3600), None]
    assert database.sql(f"SELECT {columns} FROM api_keys WHERE id = {number}") == before
    [row] = database.sql(
        "SELECT k.last_four AS shown, s.last_four AS new FROM api_keys k JOIN api_key_secrets s"
        f" ON s.key_id = k.id AND s.expires_at IS NULL WHERE k.id = {number}"
    )
    assert row["shown"] == row["new"]


def test_grace_0_ends_the_old_secret_at_once(hand):
    number = hand.create()
    assert hand.rotate(number, 0) == "done"
    old, new = secrets(hand.database, number)
    assert -30 < old < 0 and new is None


def test_grace_is_to_the_millisecond(hand):
    number = hand.create()
    hand.rotate(number, 1)
    left = hand.database.value(
        "SELECT TIMESTAMPDIFF(MICROSECOND, n.created_at, o.expires_at) DIV 1000 FROM api_key_secrets n, api_key_secrets o"
        f" WHERE n.key_id = {number} AND o.key_id = {number} AND n.expires_at IS NULL AND o.expires_at IS NOT NULL"
    )
    assert 1000 <= int(left) < 1500


def test_grace_never_goes_past_the_end_of_the_key(hand):
    database = hand.database
    expires = database.value("SELECT UTC_TIMESTAMP(3) + INTERVAL 1 HOUR")
    number = hand.create(expires)
    hand.rotate(number, 86400)
    assert database.value(f"SELECT expires_at FROM api_key_secrets WHERE key_id = {number} AND expires_at IS NOT NULL") == expires


def test_a_rotation_keeps_earlier_promises(hand):
    number = hand.create()
    hand.rotate(number, 3600)
    hand.rotate(number, 60)  # does not shorten the first
    hand.rotate(number, 7200)  # does not lengthen either
    assert sorted(secrets(hand.database, number), key=lambda ends: ends or 9e9) == [
        about(60), about(3600), about(7200), None,
    ]  # fmt: skip


def test_but_grace_0_ends_all(hand):
    number = hand.create()
    hand.rotate(number, 3600)
    hand.rotate(number, 7200)
    assert hand.rotate(number, 0) == "done"
    ends = secrets(hand.database, number)
    assert ends.count(None) == 1 and all(-30 < each < 0 for each in ends if each is not None)


def test_what_has_ended_stays_as_it_was(hand):
    number = hand.create()
    hand.rotate(number, 60)
    hand.database.sql(f"UPDATE api_key_secrets SET expires_at = '2020-01-01' WHERE key_id = {number} AND expires_at IS NOT NULL")
    hand.rotate(number, 60)
    hand.rotate(number, 0)
    assert hand.database.value(f"SELECT MIN(expires_at) FROM api_key_secrets WHERE key_id = {number}") == "2020-01-01 00:00:00.000"


def test_at_most_five_live_secrets(hand):
    database = hand.database
    number = hand.create()
    assert [hand.rotate(number, 3600) for _ in range(4)] == ["done"] * 4
    before = contents(database)
    assert hand.rotate(number, 3600) == "too many"
    assert contents(database) == before
    database.sql(f"UPDATE api_key_secrets SET expires_at = '2020-01-01' WHERE key_id = {number} AND expires_at IS NOT NULL LIMIT 1")
    assert hand.rotate(number, 3600) == "done"
    assert hand.rotate(number, 3600) == "too many"
    assert hand.rotate(number, 0) == "done"
    assert secrets(database, number).count(None) == 1 and len(secrets(database, number)) == 7


def test_dead_keys_are_not_rotated(hand):
    database = hand.database
    revoked, expired, both = hand.create(), hand.create("2020-01-01"), hand.create("2020-01-01")
    hand.revoke(revoked)
    hand.revoke(both)
    before = contents(database)
    assert [hand.rotate(number, 0) for number in (revoked, expired, both)] == ["revoked", "expired", "revoked"]
    assert hand.rotate(987654321, 60) == "not found"
    assert contents(database) == before


def test_concurrent_rotations_of_one_key(hand):
    """Each is done after the others or refused; the limit holds and one secret is without an end."""
    number = hand.create()
    with concurrent.futures.ThreadPoolExecutor(12) as threads:
        done = list(threads.map(lambda _: hand.rotate(number, 3600), range(12)))
    assert sorted(done) == ["done"] * 4 + ["too many"] * 8
    assert len(secrets(hand.database, number)) == 5 and secrets(hand.database, number).count(None) == 1


def test_concurrent_rotations_of_neighbours(hand):
    """They have nothing to do with each other: none is refused, none is a victim of another."""
    numbers = [hand.create() for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda i: hand.rotate(numbers[i % 8], 3600), range(24)))
    assert done == ["done"] * 24


def test_an_idempotency_key_counts_once(database, store):
    number, other = store.create()[1], store.create()[1]
    assert store.outcome("rotate", number, 60, "req-1") == "done"
    assert store.outcome("rotate", number, 60, "req-1") == "repeated"
    assert store.outcome("rotate", number, 60, "REQ-1") == "done"
    assert store.outcome("rotate", other, 60, "req-1") == "done"
    assert database.value(f"SELECT COUNT(*) FROM api_key_secrets WHERE key_id = {number}") == "3"
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: store.outcome("rotate", other, 60, "req-2"), range(4)))
    assert sorted(done) == ["done"] + ["repeated"] * 3
    store("change", number, "-", "revoke")
    assert store.outcome("rotate", number, 60, "req-1") == "repeated"
    assert store.outcome("rotate", number, 60, "req-3") == "revoked"


# -- revocation ------------------------------------------------------------------------------------------------


def test_the_first_revocation_stays(hand):
    database = hand.database
    number = hand.create()
    hand.revoke(number)
    query = f"SELECT revoked_at, revoked_by FROM api_keys WHERE id = {number}"
    [first] = database.sql(query)
    assert first["revoked_by"].startswith(("root@", "apikey"))
    age = database.value(f"SELECT TIMESTAMPDIFF(SECOND, revoked_at, UTC_TIMESTAMP(3)) FROM api_keys WHERE id = {number}")
    assert 0 <= int(age) < 30
    hand.revoke(number)
    assert database.sql(query) == [first]


# -- transactions ----------------------------------------------------------------------------------------------

CALLS = [
    "CALL api_key_create('user', 'inside', '', '', NULL)",
    "CALL api_key_rotate({number}, 60)",
    "CALL api_key_rotate({number}, 0)",
    "CALL api_key_revoke({number})",
]


@pytest.mark.parametrize("statement", CALLS)
@pytest.mark.parametrize("begin", ["START TRANSACTION", "SET autocommit = 0; DELETE FROM api_key_usage"])
def test_an_open_transaction_is_left_open(database, statement, begin):
    number = create(database)[0]
    before = contents(database)
    with database.session() as session:
        session.sql(f"{begin}; INSERT INTO api_key_team_members VALUES ('t', 'u', 1)")
        session.sql(statement.format(number=number))
        assert contents(database) == before  # nobody else sees any of it
        assert database.value("SELECT COUNT(*) FROM api_key_team_members") == "0"
        session.sql("ROLLBACK")
    assert contents(database) == before
    assert database.value("SELECT COUNT(*) FROM api_key_team_members") == "0"


def test_a_refusal_leaves_an_open_transaction_open(database):
    number = create(database)[0]
    for _ in range(4):
        rotate(database, number, 60)
    database.sql("CREATE TABLE seen (what VARCHAR(128))")
    before = contents(database)
    database.sql(
        "DELIMITER //\n"
        "CREATE PROCEDURE attempt() BEGIN"
        " DECLARE CONTINUE HANDLER FOR SQLSTATE '45000' INSERT INTO seen VALUES ('refused');"
        f" CALL api_key_rotate({number}, 60);"
        " CALL api_key_create('user', '', '', '', NULL); END//\nDELIMITER ;\n"
        "START TRANSACTION; INSERT INTO api_key_team_members VALUES ('open', 'u', 1); CALL attempt(); COMMIT"
    )
    assert database.value("SELECT COUNT(*) FROM seen") == "2"
    assert database.value("SELECT COUNT(*) FROM api_key_team_members WHERE team_id = 'open'") == "1"
    assert contents(database) == before


def test_without_a_transaction_the_call_is_one(database):
    """A secret that cannot be stored takes its key along."""
    database.sql("ALTER TABLE api_key_secrets ADD CONSTRAINT full CHECK (key_id < 2)")
    number = create(database)[0]
    before = contents(database)
    with pytest.raises(SqlError) as caught:
        create(database)
    assert caught.value.code in (4025, 3819)
    assert contents(database) == before
    assert database.sql("SELECT @api_key_secret IS NULL AS gone") == [{"gone": "1"}]
    assert number == 1


# -- the plaintext is nowhere ------------------------------------------------------------------------------------

LOGGING = [
    "--log-bin=binlog", "--general-log=1", "--slow-query-log=1", "--long-query-time=0", "--performance-schema=ON",
    "--log-output=FILE,TABLE", "--log-bin-trust-function-creators=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def logging_server(make_module_mariadb):
    """A server that logs all it can."""
    server = make_module_mariadb(*LOGGING)
    server.sql(
        "UPDATE performance_schema.setup_instruments SET ENABLED = 'YES', TIMED = 'YES' WHERE NAME LIKE 'statement/%';"
        "UPDATE performance_schema.setup_consumers SET ENABLED = 'YES'"
    )
    if "MariaDB" in server.value("SELECT VERSION()"):  # which can be told to log more
        server.sql("SET GLOBAL log_disabled_statements = '', log_slow_disabled_statements = ''")
    return server


def mentions(server, texts):
    """Where any of these can be read: files of the server, its log tables and performance_schema."""
    server.sql("FLUSH LOGS")
    places = {path.name: path.read_bytes() for path in server.data.rglob("*") if path.is_file()}
    tables = server.sql(
        "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) AS name FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = 'performance_schema' AND (TABLE_NAME LIKE 'events_statements%'"
        " OR TABLE_NAME LIKE '%variables%' OR TABLE_NAME LIKE 'prepared%')"
    )
    assert len(tables) > 10
    for name in [row["name"] for row in tables] + ["mysql.general_log", "mysql.slow_log"]:
        places[name] = str(server.results(f"SELECT * FROM {name}")).encode(errors="replace")
    return [(name, text) for name, content in places.items() for text in texts if text.encode() in content]


def binlog_text(server):
    """What the binary logs say, by the server and (where there is one) by mysqlbinlog."""
    text = ""
    for row in server.sql("SHOW BINARY LOGS"):
        text += str(server.sql(f"SHOW BINLOG EVENTS IN '{row['Log_name']}'"))
    if hasattr(server, "mysqlbinlog"):
        logs = sorted(server.data.glob("binlog.0*"))
        done = subprocess.run([*server.mysqlbinlog, "-vvv", *logs], capture_output=True, check=True)
        text += done.stdout.decode(errors="replace")
    return text


@pytest.mark.parametrize("binlog_format", ["ROW", "MIXED", "STATEMENT"])
def test_the_plaintext_is_in_no_log(logging_server, binlog_format):
    database = logging_server.create_database()
    with database.session() as session:
        session.sql(f"SET SESSION binlog_format = '{binlog_format}'")
        first = session.sql("CALL api_key_create('user', 'alice', 'the description', 'a', NULL)")[0]
        second = session.sql(f"CALL api_key_rotate({first['id']}, 60)")[0]["api_key"]
        third = session.sql(
            "START TRANSACTION; CALL api_key_create('team', 'blue', '', '', NULL)"
        )[0]["api_key"]
        fourth = session.sql(f"CALL api_key_rotate({first['id']}, 0)")[0]["api_key"]
        session.sql("COMMIT")
        keys = [first["api_key"], second, third, fourth]
        # While the session is there: its variables are to be seen too.
        assert mentions(logging_server, keys) == []
        assert session.sql("SELECT @api_key_secret AS left_over") == [{"left_over": None}]
    # The logs were looked into, and in the right place: what is no secret is there.
    assert {name for name, _ in mentions(logging_server, ["the description"])} >= {"mysql.general_log", "mysql.slow_log"}
    logged = binlog_text(logging_server)
    assert binlog_format == "ROW" or "the description" in logged
    assert not any(part in logged for key in keys for part in (key, key[5:37]))


def test_an_interrupted_rotation_leaves_no_transaction_open(database):
    """What its session does afterwards is done."""
    number, _ = keyfmt.insert_key(database, "user", "alice")
    at_work = ("SELECT id FROM information_schema.PROCESSLIST"
               f" WHERE db = '{database.name}' AND command <> 'Sleep' AND id <> CONNECTION_ID()")  # fmt: skip
    with database.session() as other, database.session(lenient=True) as session:
        other.sql(f"START TRANSACTION; SELECT id FROM api_keys WHERE id = {number} FOR UPDATE")
        session.send(f"CALL api_key_rotate({number}, 0)")
        wait_for(lambda: database.server.status("Innodb_row_lock_current_waits"), what="it to wait")
        [row] = database.sql(at_work)
        database.sql(f"KILL QUERY {row['id']}")
        session.rows()
        other.sql("ROLLBACK")
        session.sql(f"UPDATE api_keys SET revoked_at = NOW() WHERE id = {number}")
    assert database.value("SELECT status FROM api_key_list") == "revoked"
    assert database.value("SELECT COUNT(*) FROM api_key_secrets") == "1"
