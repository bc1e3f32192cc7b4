# SPDX-License-Identifier: Apache-2.0
"""The audit trail: what is done to keys, by whom, from where, by whichever way; and what triggers make of it."""

import concurrent.futures
import hashlib

import pytest
from harness.keyfmt import insert_key
from harness.mariadb import SqlError
from harness.process import wait_for

SIGNAL = 1644


def trail(database, where="TRUE"):
    """(event, key id, owner, detail) of every event, oldest first."""
    rows = database.sql(
        "SELECT event, key_id, CONCAT_WS(' ', owner_type, owner_id) AS owner, detail FROM api_key_events"
        f" WHERE {where} ORDER BY id"
    )
    return [(row["event"], row["key_id"] and int(row["key_id"]), row["owner"], row["detail"]) for row in rows]


def last(database):
    return trail(database)[-1]


# -- what is on record -------------------------------------------------------------------------------------------


def test_a_keys_life_by_plain_sql(database):
    number = insert_key(database, "user", "alice", key="ak_u_1111")[0]
    assert trail(database) == [("created", number, "user alice", "")]
    one = f"WHERE id = {number}"
    for statement, expected in (
        (f"UPDATE api_keys SET description = 'x' {one}", ("updated", "description")),
        (f"UPDATE api_keys SET description = 'x ' {one}", ("updated", "description")),
        (f"UPDATE api_keys SET scopes = 'a', is_public = 1 {one}", ("updated", "scopes, is_public")),
        (f"UPDATE api_keys SET expires_at = '2099-01-01' {one}", ("updated", "expires_at")),
        (f"UPDATE api_keys SET expires_at = NULL {one}", ("updated", "expires_at")),
        (f"UPDATE api_keys SET owner_id = 'bob' {one}", ("updated", "owner was user alice")),
        (f"UPDATE api_keys SET owner_type = 'team' {one}", ("updated", "owner was user bob")),
        (f"UPDATE api_key_secrets SET expires_at = '2099-01-01' WHERE key_id = {number}",
         ("updated", "secret ...1111 ends 2099-01-01 00:00:00.000")),
        (f"UPDATE api_key_secrets SET expires_at = NULL WHERE key_id = {number}",
         ("updated", "secret ...1111 does not end")),
        (f"INSERT INTO api_key_secrets (digest, key_id, last_four) VALUES (REPEAT('x', 32), {number}, '2222')",
         ("rotated", "secret ...2222")),
        ("UPDATE api_key_secrets SET digest = REPEAT('y', 32) WHERE last_four = '2222'",
         ("updated", "secret ...2222 is another one")),
        ("DELETE FROM api_key_secrets WHERE last_four = '2222'", ("updated", "secret ...2222 deleted")),
        (f"UPDATE api_keys SET revoked_at = NOW() {one}", ("revoked", "")),
        (f"DELETE FROM api_keys {one}", ("pruned", "")),
    ):  # fmt: skip
        before = len(trail(database))
        database.sql(statement)
        assert len(trail(database)) == before + 1, statement
        event, key, _, detail = last(database)
        assert (event, key, detail) == (expected[0], number, expected[1])
    assert trail(database)[-1][2] == "team bob"


def test_what_changes_nothing_is_not_on_record(database):
    number = insert_key(database, "user", "alice")[0]
    before = trail(database)
    database.sql(f"UPDATE api_keys SET description = '', last_four = 'zzzz' WHERE id = {number}")
    database.sql(f"UPDATE api_key_secrets SET last_four = 'zzzz' WHERE key_id = {number}")
    database.sql(f"START TRANSACTION; UPDATE api_keys SET revoked_at = NOW() WHERE id = {number}; ROLLBACK")
    database.sql(f"UPDATE api_keys SET revoked_at = NOW() WHERE id = {number + 1}")
    assert trail(database) == before


def test_a_deleted_key_that_was_alive_is_deleted_and_a_dead_one_pruned(database):
    alive, expired = insert_key(database, "user", "alice")[0], insert_key(database, "team", "t", expires_at=-5)[0]
    database.sql("DELETE FROM api_keys")
    assert trail(database, "event NOT IN ('created')") == [
        ("deleted", alive, "user alice", ""), ("pruned", expired, "team t", ""),
    ]  # fmt: skip


def test_a_digest_from_elsewhere_is_imported(database, store):
    store("import", 1, 3)
    database.sql("INSERT INTO api_keys (owner_type, owner_id) VALUES ('team', 't')")
    assert [(event, owner) for event, _, owner, _ in trail(database)] == [
        ("imported", "user u1"), ("imported", "user u2"), ("imported", "user u3"), ("imported", "team t"),
    ]  # fmt: skip


def life(number):
    """The same life as events, whoever led it."""
    return ["created", "updated description", "rotated 1 ends", "rotated 2 ends", "revoked"]


def short(events):
    """A rotation with how many secrets it ended."""
    return [
        f"{event} {detail.count(' ends ')} ends" if event == "rotated" else f"{event} {detail}".strip()
        for event, _, _, detail in events
    ]


def test_every_way_leaves_the_same_trail(database, store):
    by_store = int(store.create()[1])
    store("change", by_store, "new", "keep")
    store("rotate", by_store, 60)
    store("rotate", by_store, 0)
    store("change", by_store, "-", "revoke")

    by_call = int(database.sql("CALL api_key_create('user', 'alice', '', '', NULL)")[0]["id"])
    database.sql(
        f"UPDATE api_keys SET description = 'new' WHERE id = {by_call};"
        f"CALL api_key_rotate({by_call}, 60); CALL api_key_rotate({by_call}, 0); CALL api_key_revoke({by_call})"
    )

    by_hand = insert_key(database, "user", "alice")[0]
    add = f"INSERT INTO api_key_secrets (digest, key_id, last_four) VALUES (UNHEX(SHA2('%s', 256)), {by_hand}, '%s')"
    end = f"UPDATE api_key_secrets SET expires_at = '2030-01-01' + INTERVAL %d DAY WHERE key_id = {by_hand} AND last_four <> '%s'"
    database.sql(
        f"UPDATE api_keys SET description = 'new' WHERE id = {by_hand};"
        f"{add % ('a', 'aaaa')}; {end % (0, 'aaaa')}; {add % ('b', 'bbbb')}; {end % (1, 'bbbb')};"
        f"UPDATE api_keys SET revoked_at = NOW() WHERE id = {by_hand}"
    )
    for number in (by_store, by_call, by_hand):
        assert short(trail(database, f"key_id = {number}")) == life(number)


def test_one_rotation_is_one_event(database):
    """With what it does to the secrets before it; what others do, and what is done later, is an event of its own."""
    number = int(database.sql("CALL api_key_create('user', 'alice', '', '', NULL)")[0]["id"])

    def rotate(grace):
        return database.sql(f"CALL api_key_rotate({number}, {grace})")[0]["api_key"][-4:]

    def ends():
        rows = database.sql(f"SELECT last_four, expires_at FROM api_key_secrets WHERE key_id = {number} ORDER BY created_at")
        return {row["last_four"]: row["expires_at"] for row in rows}

    [first] = ends()
    second = rotate(60)
    assert trail(database)[1:] == [("rotated", number, "user alice", f"secret ...{second}; ...{first} ends {ends()[first]}")]
    third = rotate(0)
    event, _, _, detail = last(database)
    assert (len(trail(database)), event) == (3, "rotated") and detail.startswith(f"secret ...{third}; ")
    assert {f"...{old} ends {ends()[old]}" for old in (first, second)} == set(detail.split("; ")[1:])

    end = f"UPDATE api_key_secrets SET expires_at = '2099-01-01' WHERE key_id = {number} AND last_four = '{third}'"
    never = end.replace("'2099-01-01'", "NULL")
    alone = ("updated", number, "user alice", f"secret ...{third} ends 2099-01-01 00:00:00.000")
    for somebody in ("SET @apikey_actor = 'zoe'", "SET @apikey_client = '192.0.2.7'"):
        database.sql(f"{never}; DELETE FROM api_key_events WHERE event = 'updated'; {somebody}; {end}")
        assert (last(database), len(trail(database))) == (alone, 4)
    database.sql(f"{never}; DELETE FROM api_key_events WHERE event = 'updated';"
                 f"UPDATE api_key_events SET happened_at = happened_at - INTERVAL 11 SECOND; {end}")  # fmt: skip
    assert (last(database), len(trail(database))) == (alone, 4)


def test_a_rotation_that_ends_five_secrets_is_told_whole(database):
    number = int(database.sql("CALL api_key_create('user', 'alice', '', '', NULL)")[0]["id"])
    database.sql("".join(f"CALL api_key_rotate({number}, {grace});" for grace in (60, 60, 60, 60, 0)))
    assert [event[0] for event in trail(database)] == ["created"] + ["rotated"] * 5
    new, *ended = last(database)[3].split("; ")
    secrets = database.sql(f"SELECT last_four, expires_at FROM api_key_secrets WHERE key_id = {number}")
    assert len(ended) == 5 and {new, *ended} == {
        f"...{row['last_four']} ends {row['expires_at']}" if row["expires_at"] else f"secret ...{row['last_four']}"
        for row in secrets
    }


def test_no_digest_and_no_secret_is_on_record(database, store):
    number, key = store.create()[1:]
    second = store("rotate", number, 60)[0][1]
    database.sql(f"UPDATE api_key_secrets SET digest = REPEAT('z', 32) WHERE key_id = {number} LIMIT 1")
    text = str(database.sql("SELECT *, HEX(detail) AS h FROM api_key_events")).lower()
    for secret in (key, second):
        digest = hashlib.sha256(secret.encode()).hexdigest()
        assert secret.lower() not in text and secret[5:37].lower() not in text and digest not in text


# -- who and from where --------------------------------------------------------------------------------------------


def signature(database):
    [row] = database.sql("SELECT actor, account, client FROM api_key_events ORDER BY id DESC LIMIT 1")
    return row["actor"], row["account"], row["client"]


def test_without_an_actor_it_is_the_account(database):
    me = database.value("SELECT USER()")
    insert_key(database, "user", "alice")
    assert signature(database) == (me, me, me.partition("@")[2])


SESSIONS = ["DO 1", "SET NAMES latin1", "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci"]
EVERYBODY = "zo\u00eb \U0001f511"


def acting(session):
    return f"{session}; SET @apikey_actor = _utf8mb4 X'{EVERYBODY.encode().hex()}', @apikey_client = '2001:db8::1';"


@pytest.mark.parametrize("how", ["UPDATE api_keys SET revoked_at = NOW() WHERE id = {}", "CALL api_key_revoke({})"])
@pytest.mark.parametrize("session", SESSIONS)
def test_a_session_can_act_for_somebody(database, session, how):
    number = insert_key(database, "user", "alice")[0]
    database.sql(acting(session) + how.format(number))
    assert signature(database) == (EVERYBODY, database.value("SELECT USER()"), "2001:db8::1")
    assert database.value(f"SELECT revoked_by FROM api_keys WHERE id = {number}") == EVERYBODY


@pytest.mark.parametrize("session", SESSIONS)
def test_a_session_can_create_for_somebody(database, session):
    database.sql(acting(session) + "CALL api_key_create('user', 'alice', '', '', NULL)")
    assert database.value("SELECT created_by FROM api_keys") == signature(database)[0] == EVERYBODY


def test_an_actor_of_any_length(database):
    number = insert_key(database, "user", "alice")[0]
    database.sql(
        "SET @apikey_actor = REPEAT('ä', 1000), @apikey_client = REPEAT('c', 1000);"
        f"UPDATE api_keys SET revoked_at = NOW() WHERE id = {number}"
    )
    assert signature(database)[0] == "ä" * 255 and signature(database)[2] == "c" * 255


def test_the_store_acts_for_somebody_and_forgets_it(database, store):
    number = store.create(actor="zoe", client="192.0.2.7")[1]
    assert signature(database)[::2] == ("zoe", "192.0.2.7")
    assert database.value(f"SELECT created_by FROM api_keys WHERE id = {number}") == "zoe"
    store("change", number, "-", "revoke", actor="max", client="192.0.2.8")
    assert signature(database)[::2] == ("max", "192.0.2.8")
    assert database.value(f"SELECT revoked_by FROM api_keys WHERE id = {number}") == "max"
    store.create()
    assert signature(database)[0] == signature(database)[1]


def test_a_session_that_was_replaced_does_not_act(database, store):
    """The client library reconnects by itself; the new session does not know for whom: nothing is changed."""
    process = store.start("late", "user", "alice", "", "", "never", 0, actor="zoe", client="192.0.2.7")
    assert process.stdout.readline() == "ready\n"
    [row] = database.sql(f"SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{database.name}' AND ID <> CONNECTION_ID()")
    database.server.sql(f"KILL {row['ID']}")
    wait_for(lambda: not database.sql(f"SELECT ID FROM information_schema.PROCESSLIST WHERE ID = {row['ID']}"))
    with pytest.raises(SqlError):
        store.finish(process, "\n")
    assert database.value("SELECT COUNT(*) FROM api_keys") == "0"


def test_who_and_where_cannot_be_forged(database):
    database.sql(
        "SET @apikey_actor = 'zoe', @apikey_client = 'here';"
        "INSERT INTO api_key_events (event, actor, account, client) VALUES ('denied', 'max', 'max', 'there')"
    )
    assert signature(database) == ("zoe", database.value("SELECT USER()"), "here")


# -- attempts that were refused --------------------------------------------------------------------------------


def test_one_denied_attempt_a_minute_for_each_actor(database, store):
    store("denied", "list keys", "user", "bob", 0, actor="eve", client="192.0.2.1")
    store("denied", "create a key", "user", "carl", 0, actor="eve", client="192.0.2.2")
    store("denied", "change a key", "team", "blue", 7, actor="mallory", client="192.0.2.3")
    store("denied", "what", "none", "", 0, actor="trent")
    assert trail(database) == [
        ("denied", None, "user bob", "list keys"),
        ("denied", 7, "team blue", "change a key"),
        ("denied", None, "", "what"),
    ]
    database.sql("UPDATE api_key_denials SET denied_at = denied_at - INTERVAL 59 SECOND WHERE actor = 'eve'")
    before = len(trail(database))
    store("denied", "once more", "user", "carl", 0, actor="eve", client="192.0.2.2")
    assert len(trail(database)) == before
    database.sql("UPDATE api_key_denials SET denied_at = denied_at - INTERVAL 2 SECOND WHERE actor = 'eve'")
    store("denied", "again", "user", "carl", 3, actor="eve", client="192.0.2.2")
    assert last(database) == ("denied", 3, "user carl", "again")
    assert signature(database)[::2] == ("eve", "192.0.2.2")


def test_many_attempts_at_once_are_one(database, store):
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: store("denied", f"attempt {i}", "user", "bob", 0, actor="eve"), range(8)))
    assert len(trail(database)) == 1


# -- reading -------------------------------------------------------------------------------------------------------


def test_events_of_the_store(database, store):
    first, second = int(store.create()[1]), int(store.create(owner="bob", actor="zoe", client="c")[1])
    store("change", first, "new", "revoke", actor="zoe", client="c")
    me = database.value("SELECT USER()").replace("root@", f"{database.server.user}@")
    by_zoe = ["zoe", me, "c"]
    expected = [
        ["revoked", str(first), "user", "alice", *by_zoe, ""],
        ["updated", str(first), "user", "alice", *by_zoe, "description"],
        ["created", str(second), "user", "bob", *by_zoe, ""],
        ["created", str(first), "user", "alice", me, me, "localhost", ""],
    ]
    assert store("events", 0, 0, 0, 100) == expected
    assert store("events", 0, 0, 0, 2) == expected[:2]
    assert store("events", first, 0, 0, 100) == [expected[0], expected[1], expected[3]]
    third = database.value("SELECT id FROM api_key_events ORDER BY id LIMIT 2, 1")
    assert store("events", 0, 0, third, 100) == expected[2:]
    database.sql("UPDATE api_key_events SET happened_at = '2020-01-01' ORDER BY id LIMIT 2")
    assert store("events", 0, 1577836800001, 0, 100) == expected[:2]
    assert store("events", 0, 1577836800000, 0, 100) == expected


# -- what a revocation is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["NOW()", "'2020-01-01'", "'2099-12-31'", "UTC_TIMESTAMP(6) + INTERVAL 13 HOUR"])
@pytest.mark.parametrize("session", ["SET time_zone = '+13:00'", "SET time_zone = '-12:00'", "SET sql_mode = ''"])
def test_the_time_of_a_revocation_is_utc_and_now(database, session, when):
    number = insert_key(database, "user", "alice")[0]
    database.sql(f"{session}; UPDATE api_keys SET revoked_at = {when} WHERE id = {number}")
    [row] = database.sql(
        f"SELECT TIMESTAMPDIFF(SECOND, revoked_at, UTC_TIMESTAMP(3)) AS age, revoked_by, USER() AS me FROM api_keys WHERE id = {number}"
    )
    assert 0 <= int(row["age"]) < 30 and row["revoked_by"] == row["me"]


def test_whoever_revokes_may_say_for_whom(database):
    number = insert_key(database, "user", "alice")[0]
    database.sql(f"UPDATE api_keys SET revoked_at = NOW(), revoked_by = 'the audit' WHERE id = {number}")
    assert database.value(f"SELECT revoked_by FROM api_keys WHERE id = {number}") == "the audit"


def test_a_revocation_is_for_good(database):
    number = insert_key(database, "user", "alice")[0]
    database.sql(f"UPDATE api_keys SET revoked_at = NOW() WHERE id = {number}")
    before = database.sql("SELECT * FROM api_keys")
    database.sql("UPDATE api_keys SET revoked_at = '2099-01-01', revoked_by = 'somebody else'")
    database.sql("UPDATE api_keys SET revoked_by = NULL")
    assert database.sql("SELECT * FROM api_keys") == before
    with pytest.raises(SqlError) as caught:
        database.sql("UPDATE api_keys SET revoked_at = NULL, description = 'x'")
    assert caught.value.code == SIGNAL and "revoked_at: a key that is revoked stays so" in str(caught.value)
    assert database.sql("SELECT * FROM api_keys") == before


def test_who_revoked_is_not_said_of_a_key_that_is_not(database):
    insert_key(database, "user", "alice")
    database.sql("UPDATE api_keys SET revoked_by = 'nobody'")
    assert database.sql("SELECT revoked_by FROM api_keys") == [{"revoked_by": None}]


# -- many keys -------------------------------------------------------------------------------------------------------


def test_importing_again_adds_what_is_new(database, store):
    assert store("import", 1, 100) == [["100"]]
    assert store("import", 1, 100) == [["0"]]
    assert store("import", 51, 150) == [["50"]]
    [row] = database.sql("SELECT COUNT(*) AS n, COUNT(DISTINCT owner_id) AS owners FROM api_keys")
    assert row == {"n": "150", "owners": "150"}
    assert database.value(
        "SELECT COUNT(*) FROM api_keys k JOIN api_key_secrets s ON s.key_id = k.id"
        " WHERE s.digest = UNHEX(SHA2(SUBSTRING(k.owner_id, 2), 256))"
    ) == "150"  # fmt: skip


def test_pruning(database, store):
    numbers = {
        name: insert_key(database, "user", name, **columns)[0]
        for name, columns in {
            "alive": {}, "later": {"expires_at": 3600}, "just expired": {"expires_at": -60}, "expired": {"expires_at": -7200},
            "revoked": {"revoked_at": "2020-01-01"}, "both": {"revoked_at": "2020-01-01", "expires_at": -7200},
            "just revoked": {"revoked_at": -60, "expires_at": 60}, "also expired": {"expires_at": -7200},
        }.items()
    }  # fmt: skip
    for number in numbers.values():
        database.sql(f"INSERT INTO api_key_usage (key_id, last_used_at) VALUES ({number}, '2020-01-01')")
    everything = database.sql("CHECKSUM TABLE api_keys, api_key_secrets, api_key_usage, api_key_events, api_key_changes")
    assert store("prune", 3600, 3, "dry") == [["3"], ["1"]]
    assert database.sql("CHECKSUM TABLE api_keys, api_key_secrets, api_key_usage, api_key_events, api_key_changes") == everything
    assert store("prune", 3600, 3, "wet") == [["3"], ["1"]]
    left = {"alive", "later", "just expired", "just revoked"}
    for query in (
        "SELECT id FROM api_keys", "SELECT key_id FROM api_key_secrets", "SELECT key_id FROM api_key_usage",
    ):  # fmt: skip
        assert {int(next(iter(row.values()))) for row in database.sql(query)} == {numbers[name] for name in left}
    assert {owner for _, _, owner, _ in trail(database, "event = 'pruned'")} == {
        f"user {name}" for name in numbers.keys() - left
    }
    assert store("prune", 3600, 3, "wet") == [["0"]]


def test_a_limit_of_live_keys_holds_for_many_at_once(database, store):
    insert_key(database, "user", "alice", expires_at=-60)
    insert_key(database, "user", "alice", revoked_at="2020-01-01")
    insert_key(database, "team", "alice")
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda _: store.create(max_live=5)[0], range(10)))
    assert sorted(done) == ["done"] * 5 + ["too many"] * 5
    assert database.value("SELECT COUNT(*) FROM api_keys WHERE owner_type = 'user'") == "7"
    assert store.create(owner="bob", max_live=1)[0] == "done"


def test_first_keys_of_many_owners_at_once(database, store):
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda i: store.create(owner=f"u{i}", max_live=1)[0], range(24)))
    assert done == ["done"] * 24


def test_change_takes_both_or_neither(database, store):
    number = store.create(description="old")[1]
    assert store.outcome("change", number, "old", "keep") == "unchanged"
    assert store.outcome("change", number, "new", "keep") == "done"
    assert store.outcome("change", number, "newer", "revoke") == "done"
    assert store.outcome("change", number, "-", "revoke") == "unchanged"
    assert store.outcome("change", 4711, "x", "revoke") == "not found"
    before = database.sql("SELECT * FROM api_keys")
    database.sql("ALTER TABLE api_keys ADD CONSTRAINT no_x CHECK (description <> 'x' OR revoked_at IS NULL)")
    number = store.create(description="old")[1]
    with pytest.raises(SqlError):
        store("change", number, "x", "revoke")
    assert database.value(f"SELECT description FROM api_keys WHERE id = {number}") == "old"
    assert len(before) == 1


# -- teams -----------------------------------------------------------------------------------------------------------


def test_members_of_teams(database, store):
    store("team-set", "blue", "alice", 1)
    store("team-set", "blue", "bob", 0)
    store("team-set", "red", "alice", 0)
    assert store("team-list") == [["blue", "alice", "1"], ["blue", "bob", "0"], ["red", "alice", "0"]]
    store("team-set", "red", "alice", 1)
    assert store("team-list", "red") == [["red", "alice", "1"]]
    assert store("team-remove", "red", "alice") == [["done"]] and store("team-remove", "red", "alice") == [["not found"]]
    with pytest.raises(SqlError):
        store("team-set", "red", "team:x", 1)


def test_the_sites_own_table_is_not_relied_on(database, store):
    """Names of another case, with blanks, numbers for text: rows that the database finds, but not this user's."""
    elsewhere = f"{database.name}_site"
    database.server.sql(f"CREATE DATABASE {elsewhere}")
    database.sql(
        f"CREATE TABLE {elsewhere}.members (team_id INT, user_id VARCHAR(50) COLLATE utf8mb4_general_ci, manage_api_keys INT NULL);"
        f"INSERT INTO {elsewhere}.members VALUES (0, 'ALICE', 1), (12, 'alice', 1), (13, 'alice', 0), (14, 'alice', NULL),"
        " (15, 'alice', -1), (16, 'jose', 1), (16, NULL, 1);"
        "CREATE TABLE mine (team_id VARBINARY(50), user_id VARBINARY(50), manage_api_keys BOOLEAN);"
        "INSERT INTO mine VALUES ('blue', 'alice', 1), ('blue ', 'alice', 1), ('', 'alice', 1), (X'ff', 'alice', 1);"
        f"CREATE VIEW view_of AS SELECT team_id, user_id, TRUE AS manage_api_keys FROM mine"
    )
    site = f"{elsewhere}.members"
    questions = [
        (site, "12", "alice", "yes"), (site, "12abc", "alice", "no"), (site, "012", "alice", "no"), (site, "blue", "alice", "no"),
        (site, "0", "ALICE", "yes"), (site, "0", "alice", "no"), (site, "12", "alice ", "no"), (site, "13", "alice", "no"),
        (site, "14", "alice", "no"), (site, "15", "alice", "yes"), (site, "16", "josé", "no"),
        ("mine", "blue", "alice", "yes"), ("mine", "blue", "bob", "no"), ("view_of", "blue", "alice", "yes"),
        (site, "12", "alice", "yes"), ("api_key_team_members", "blue", "alice", "no"),
    ]  # fmt: skip
    answers = store("may", *(part for question in questions for part in question[:3]))
    assert [row[0] for row in answers] == [question[3] for question in questions]
    assert store("teams", site, "alice", "mine", "alice", site, "ALICE") == [
        ["12", "alice", "1"], ["15", "alice", "1"], ["blue", "alice", "1"], ["0", "ALICE", "1"],
    ]  # fmt: skip
    database.server.sql(f"DROP DATABASE {elsewhere}")


@pytest.mark.parametrize("name", ["", "a b", "a;b", "`a`", "a.b.c", ".a", "a.", "1", "a-b", "x" * 65, "mine WHERE 1", "é"])
def test_a_table_is_an_identifier_and_nothing_else(module_database, make_store, name):
    with pytest.raises(SqlError) as caught:
        make_store(module_database)("may", name, "blue", "alice")
    assert caught.value.code == 1103
