# SPDX-License-Identifier: Apache-2.0
"""Attacks on SQL: no value that anybody sends, stores or configures is ever read as SQL."""

import json
from urllib.parse import quote

import pytest
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import insert_key, mint
from judged import basic
from managed import SITE, Caller, rows, write_people

PAYLOADS = [
    "' OR '1'='1", "' OR 1=1 -- ", "\\' OR 1=1 -- ", '" OR ""="', "'; DELETE FROM api_keys; -- ", "') OR ('1'='1",
    "x' UNION SELECT 1,2,3,4,5,6,7,8 -- ", "%' OR '%'='", "`; DROP TABLE api_keys; --", "1; SELECT SLEEP(5)", "0x27",
    "?", "%s", "%n%n%s", "\u02bc OR 1=1", "\u00bf\u0027 OR 1=1 -- ", "alice\\", "/*!50000 OR 1=1 */", "a' AND SLEEP(5) -- ",
    "{{7*7}}", "${jndi:x}", "@@version", "';SET @apikey_actor='root';-- ",
]  # fmt: skip


def creep(text):
    """As a name that Basic can carry."""
    return text.replace(":", ";")


@pytest.fixture(scope="module")
def httpd(make_module_httpd, module_database):
    httpd = make_module_httpd(
        SITE + '<Location "/foreign">\nAuthType Bearer\nRequire apikey\n</Location>\nApiKeyForeign On\n',
        dbd=module_database.dbd_params(), start=False,
    )  # fmt: skip
    write_people(httpd, ["alice", "root", *{creep(payload) for payload in PAYLOADS}])
    return httpd.start()


@pytest.fixture(autouse=True)
def refusals_are_logged(httpd):
    httpd.expect(r"AK000[123]: |AK007\d: |AH01617|AH01618|AH01631")


@pytest.fixture
def db(module_database):
    module_database.sql("DELETE FROM api_keys; DELETE FROM api_key_team_members; INSERT INTO api_key_team_members VALUES "
                        "('blue', 'alice', TRUE)")  # fmt: skip
    for owner in (("user", "bob"), ("team", "red")):
        insert_key(module_database, *owner)
    return module_database


def tables(database):
    return [row for row in database.sql("SHOW TABLES")]


@pytest.fixture
def untouched(db):
    """What is somebody else's is as it was."""
    before = rows(db), tables(db)
    yield
    assert (rows(db), tables(db)) == before


def test_injection_by_a_credential(httpd, db, untouched):
    for payload in PAYLOADS:
        for headers in ([("Authorization", b"Bearer " + payload.strip().encode())], [basic("alice", payload.encode())]):
            assert httpd.get("/foreign/", headers=headers).status in (400, 401)
        token = "".join(c for c in payload if c.isascii() and c.isalnum() or c in "-._~+/") or "x"
        assert httpd.get("/foreign/", token).status == 401


def test_injection_by_the_name_of_who_logs_in(httpd, db, untouched):
    """It sees its own keys, of which there are none."""
    for payload in PAYLOADS:
        caller = Caller(httpd, user=None, headers=[basic(creep(payload).encode(), creep(payload).encode())])
        listed = caller.ask("/user-api-keys?user_id=me")
        assert listed.status in (200, 400, 401, 403)
        if listed.status == 200:
            assert listed.json()["items"] == []
            assert caller.ask("/teams").json()["items"] == []


def test_injection_by_what_a_query_says(httpd, db, untouched):
    for payload in PAYLOADS:
        for caller in (Caller(httpd, user="alice"), Caller(httpd, user="alice").teams()):
            own = "me" if caller.kind == "user" else "blue"
            for name in ("status", "cursor", "limit", "user_id", "team_id"):
                query = {f"{caller.kind}_id": own} | {name: payload}
                text = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
                answer = caller.ask(f"{caller.keys}?{text}")
                assert answer.status != 500
                if answer.status == 200:
                    assert answer.json()["items"] == []
            for number in (payload, "1" + payload):
                assert caller.ask(f"{caller.keys}/{quote(number, safe='')}").status in (400, 404)


def test_injection_by_what_is_stored(httpd, db):
    """A description is stored as it is; whatever else takes it does so literally or refuses it."""
    alice = Caller(httpd, user="alice")
    others = rows(db)[0]
    for payload in PAYLOADS:
        made = alice.create(description=payload)
        assert made.status == 200 and made.json()["description"] == payload
        number = made.json()["id"]
        assert alice.update(number, description=payload + payload).json()["description"] == payload + payload
        assert alice.create(scopes=[payload]).status == 400
        header = [("Idempotency-Key", creep(payload).encode())]
        assert alice.rotate(number, headers=header, grace_seconds=10).status in (200, 400)
        assert Caller(httpd, "/admin", user="root").check(payload).status in (400, 401, 404)
        assert alice.teams().create(payload).status in (400, 403, 404)
        assert [row for row in rows(db)[0] if row in others] == others
        assert db.value(f"SELECT COUNT(*) FROM api_keys WHERE owner_id = 'alice' AND id = {number}") == "1"


def test_injection_by_the_command_line(db, scratch):
    ctl = ApikeyCtl(db, scratch.folder("ctl"))
    others = rows(db)[0]
    for payload in PAYLOADS:
        made = ctl.run("create", "--json", "--user", payload, "--description", payload)
        assert made.returncode in (0, 2)
        if made.returncode == 0:
            number = json.loads(made.stdout)["id"]
            shown = json.loads(ctl.ok("show", "--json", number))
            assert (shown["owner_id"], shown["description"]) == (payload, payload)
            found = json.loads(ctl.ok("list", "--json", "--user", payload))
            assert [str(key["id"]) for key in found["items"]] == [str(number)]
        assert ctl.run("list", "--status", payload).returncode != 0
        for command in ("show", "revoke"):
            assert ctl.run(command, payload).returncode != 0
        assert ctl.run("check", input=payload).returncode != 0
        assert [row for row in rows(db)[0] if row in others] == others


def test_injection_by_what_a_row_holds(httpd, db):
    """An owner's name goes from the database to applications, logs and back into statements."""
    for done, payload in enumerate(PAYLOADS):
        number, key = insert_key(db, "user", payload.strip())  # the table takes no name with spaces around it
        assert httpd.get("/api/", key).status in (200, 401)
        db.sql(f"UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {number}")
        assert db.value(f"SELECT COUNT(*) FROM api_keys WHERE revoked_at IS NOT NULL AND id <> {number}") == str(done)


def test_injection_by_the_configuration(make_httpd, module_database):
    httpd = make_httpd(dbd=module_database.dbd_params(), start=False)
    for name in ("members; DROP TABLE api_keys", "members WHERE 1=1", "`members`", "a.b.c", "members--", "(SELECT 1)", "m'",
                 "members x", "members/**/", "", "1=1"):  # fmt: skip
        httpd.config = f'ApiKeyTeamsTable "{name}"\n'
        status, said = httpd.configtest()
        assert status == 1 and "ApiKeyTeamsTable" in said, name


def test_a_key_is_still_a_key(httpd, db):
    assert httpd.get("/api/", insert_key(db, "user", "alice")[1]).status == 200
    assert httpd.get("/foreign/", mint()).status == 401
