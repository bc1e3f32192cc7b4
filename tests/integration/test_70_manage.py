# SPDX-License-Identifier: Apache-2.0
"""The management API does what the product it is modelled on does: its routes, shapes, errors, and the thirteen
behaviours that are asserted of it."""

import re
import time

import pytest
from harness.keyfmt import check_digits, insert_key, mint, mistyped
from managed import SITE, Caller, error, rows, write_people

LAST_FOUR = re.compile(r"[0-9A-Za-z]{4}")
FORBIDDEN = (403, "FORBIDDEN")
NO_KEY = (404, "API_KEY_NOT_FOUND")
SCHEMA = (400, "SCHEMA_ERROR")
OFF = (400, "API_KEYS_DISABLED")


@pytest.fixture(scope="module")
def httpd(make_module_httpd, module_database):
    # Without the change feed: what takes effect at once is what this server knows by itself.
    httpd = make_module_httpd(f"{SITE}\nApiKeyRefresh Off", dbd=module_database.dbd_params(), start=False)
    write_people(httpd)
    return httpd.start()


@pytest.fixture
def db(module_database):
    """The database of this file, without keys and members."""
    module_database.sql("DELETE FROM api_keys; DELETE FROM api_key_team_members; DELETE FROM api_key_events; DELETE FROM api_key_denials;"
                        "INSERT INTO api_key_team_members VALUES ('blue', 'alice', TRUE), ('blue', 'bob', FALSE)")  # fmt: skip
    return module_database


@pytest.fixture
def alice(httpd, db):
    return Caller(httpd, user="alice")


@pytest.fixture
def bob(httpd, db):
    return Caller(httpd, user="bob")


@pytest.fixture
def root(httpd, db):
    return Caller(httpd, "/admin", user="root")


def now_ms():
    return int(time.time() * 1000)


# -- shapes ------------------------------------------------------------------------------------------------------


def test_created_key(alice, httpd):
    before = now_ms()
    expires = before + 90 * 86400 * 1000
    made = alice.created(description="for the till", expires=expires, scopes=["orders:read"], is_public=True)
    secret = made.pop("value")
    assert re.fullmatch(r"ak_u_[0-9A-Za-z]{38}", secret) and secret[-6:] == check_digits(secret[:-6])
    assert before - 1000 <= made.pop("created_at_millis") <= now_ms() + 1000
    number = made.pop("id")
    assert re.fullmatch(r"[1-9][0-9]*", number)
    assert made == {
        "type": "user", "user_id": "alice", "description": "for the till", "is_public": True,
        "scopes": ["orders:read"], "expires_at_millis": expires,
    }  # fmt: skip
    assert httpd.get("/api/", secret).text == "hello\n"


def test_team_key(alice, httpd):
    made = alice.teams().created("blue")
    assert made["value"].startswith("ak_t_") and (made["type"], made["team_id"]) == ("team", "blue")
    assert "user_id" not in made
    assert httpd.get("/api/", made["value"]).status == 200


def test_last_use_shows(alice, db):
    made = alice.created()
    assert "last_used_at_millis" not in made
    db.sql(f"INSERT INTO api_key_usage (key_id, last_used_at, use_count) VALUES ({made['id']}, '2026-01-02 03:04:05.678', 7)")
    assert alice.show(made["id"]).json()["last_used_at_millis"] == 1767323045678


def test_me(alice, root, httpd):
    told = alice.ask("/me").json()
    assert abs(told.pop("now_millis") - now_ms()) < 5000
    assert told == {
        "user_id": "alice", "manage": "self", "user_keys": True, "team_keys": True,
        "scopes": ["orders:read", "orders:write", "orders:*"],
        "limits": {"max_keys": 1000, "description_chars": 255, "max_grace_seconds": 2592000},
    }  # fmt: skip
    told = root.ask("/me").json()
    assert (told["manage"], told["user_id"], "max_keys" in told["limits"]) == ("admin", "root", False)


def test_teams(alice, bob, db):
    db.sql("INSERT INTO api_key_team_members VALUES ('green', 'alice', TRUE), ('red', 'alice', FALSE), ('x', 'bob', TRUE)")
    assert alice.ask("/teams").json() == {"items": [{"team_id": "blue"}, {"team_id": "green"}]}
    assert bob.ask("/teams").json() == {"items": [{"team_id": "x"}]}


def test_paging(alice, root):
    made = [alice.created(description=str(number))["id"] for number in range(5)]
    seen, cursor = [], None
    for _ in range(3):
        page = alice.list(limit=2, **({"cursor": cursor} if cursor else {})).json()
        assert page["is_paginated"] is True
        seen += [key["id"] for key in page["items"]]
        cursor = page.get("next_cursor")
    assert seen == made[::-1] and cursor is None
    assert alice.list(limit=5).json().keys() == {"items", "is_paginated"}
    assert alice.list().json()["is_paginated"] is False
    page = root.ask("/keys?limit=3").json()
    assert [key["id"] for key in page["items"]] == made[:1:-1] and page["next_cursor"] == made[2]


def test_list_of_all_keys(alice, root, db):
    mine = alice.created()["id"]
    teams = alice.teams().created()["id"]
    alice.revoke(mine)
    expired = root.created("carol", expires=1)["id"]

    def ids(query):
        return [key["id"] for key in root.ask("/keys" + query).json()["items"]]

    assert ids("") == [expired, teams, mine]
    assert ids("?user_id=alice") == [mine] and ids("?team_id=blue") == [teams] and ids("?user_id=nobody") == []
    assert ids("?status=revoked") == [mine] and ids("?status=expired") == [expired] and ids("?status=valid") == [teams]
    assert error(root.ask("/keys?status=good")) == SCHEMA
    assert error(root.ask("/keys?user_id=a&team_id=b")) == SCHEMA
    assert error(alice.ask("/keys")) == FORBIDDEN


def test_very_long_lists_are_paged_unasked(alice, db):
    alice.created()
    rows_ = ",".join("('user', 'alice')" for _ in range(1000))
    db.sql(f"INSERT INTO api_keys (owner_type, owner_id) VALUES {rows_}")
    page = alice.list().json()
    assert (len(page["items"]), page["is_paginated"]) == (1000, True)
    rest = alice.list(cursor=page["next_cursor"]).json()
    assert (len(rest["items"]), rest["is_paginated"]) == (1, True) and "next_cursor" not in rest


@pytest.mark.parametrize("method, path, allow", [
    ("DELETE", "/user-api-keys", "GET, HEAD, POST"), ("PUT", "/user-api-keys/", "GET, HEAD, POST"),
    ("DELETE", "/user-api-keys/1", "GET, HEAD, PATCH"), ("POST", "/team-api-keys/1", "GET, HEAD, PATCH"),
    ("GET", "/user-api-keys/check", "POST"), ("GET", "/user-api-keys/1/rotate", "POST"), ("POST", "/me", "GET, HEAD"),
    ("POST", "/teams", "GET, HEAD"), ("PATCH", "/keys", "GET, HEAD"), ("OPTIONS", "/user-api-keys", "GET, HEAD, POST"),
    ("BREW", "/me", "GET, HEAD"),
])  # fmt: skip
def test_other_methods(alice, method, path, allow):
    answer = alice.ask(path, method, {})
    assert (error(answer), answer.header("Allow")) == ((405, "METHOD_NOT_ALLOWED"), allow)


@pytest.mark.parametrize("path", [
    "/nothing", "/user-api-keysx", "/user-api-keys/1/2", "/user-api-keys/1/rotate/",
    "/me/", "/teams/blue", "/User-Api-Keys", "/keys/1",
])  # fmt: skip
def test_there_is_nothing_else(alice, path):
    assert error(alice.ask(path)) == (404, "NOT_FOUND")


def test_head(alice):
    number = alice.created()["id"]
    answer = alice.ask(f"/user-api-keys/{number}", "HEAD")
    assert (answer.status, answer.body) == (200, b"") and int(answer.header("Content-Length")) > 100


@pytest.mark.parametrize("number", ["0", "01", "-1", "x", "1x", "1.0", "+1", "%31x", "9223372036854775807",
                                    "9223372036854775808", "18446744073709551617", "99999999999999999999999"])  # fmt: skip
def test_ids_that_are_nobodys(alice, number):
    for answer in (alice.show(number), alice.update(number, description="x"), alice.rotate(number)):
        assert error(answer) == NO_KEY


# -- the thirteen ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def switched(make_module_httpd, module_database):
    """Each switch off at a mount of its own, and at a place that checks."""
    sections = "".join(
        f"""
        <Location "/{name}">
            {switch} Off
        </Location>
        """
        for mount in ("keys", "admin", "api")
        for name, switch in ((mount + "/no-users", "ApiKeyUserKeys"), (mount + "/no-teams", "ApiKeyTeamKeys"))
    )
    site = SITE + sections
    for mount, whom in (("keys", "Self"), ("admin", "Admin")):
        for name in ("no-users", "no-teams"):
            site += f'<Location "/{mount}/{name}">\nApiKeyManage {whom}\n</Location>\n'
    httpd = make_module_httpd(site, dbd=module_database.dbd_params(), start=False)
    write_people(httpd)
    for name in ("no-users", "no-teams"):
        (httpd.htdocs / "api" / name).mkdir()
        (httpd.htdocs / "api" / name / "index.html").write_text("hello\n")
    return httpd.start()


def test_1_switches_gate_every_operation_and_are_independent(switched, db):
    alice = Caller(switched, user="alice")
    made = {"user": alice.created(), "team": alice.teams().created()}
    before = rows(db)
    for off, on in (("user", "team"), ("team", "user")):
        here = Caller(switched, f"/keys/no-{off}s", user="alice", kind=off)
        admin = Caller(switched, f"/admin/no-{off}s", user="root", kind=off)
        number = made[off]["id"]
        for caller in (here, admin):
            owner = "alice" if off == "user" else "blue"
            for answer in (caller.create(owner), caller.list(owner), caller.show(number), caller.revoke(number),
                           caller.rotate(number), caller.check(made[off]["value"])):  # fmt: skip
                assert error(answer) == OFF
        assert error(admin.ask(f"/keys?{off}_id=x")) == OFF and admin.ask(f"/keys?{on}_id=x").status == 200
        assert {key["type"] for key in admin.ask("/keys").json()["items"]} == {on}
        assert error(Caller(switched, "/keys/no-teams", user="alice").ask("/teams")) == OFF
        assert rows(db) == before
        other = Caller(switched, f"/keys/no-{off}s", user="alice", kind=on)
        assert other.create().status == 200 and other.list().status == 200
        assert here.ask("/me").json()[f"{off}_keys"] is False
        before = rows(db)


def test_1_pages_of_all_keys_without_a_kind(switched, db):
    alice, seen, cursor = Caller(switched, user="alice"), [], ""
    made = [(alice if number % 3 else alice.teams()).created()["id"] for number in range(7)]
    while cursor is not None:
        page = Caller(switched, "/admin/no-teams", user="root").ask(f"/keys?limit=2{cursor}").json()
        seen += [key["id"] for key in page["items"]]
        cursor = f"&cursor={page['next_cursor']}" if "next_cursor" in page else None
    assert seen == [number for place, number in enumerate(made) if place % 3][::-1]


def test_1_switched_off_after_issue_and_on_again(switched, db):
    alice = Caller(switched, user="alice")
    switched.expect(r"AK0003: API key wrong_type")
    for caller, off in ((alice, "users"), (alice.teams(), "teams")):
        secret = caller.created()["value"]
        assert switched.get("/api/", secret).status == 200
        assert switched.get(f"/api/no-{off}/", secret).status == 401
        assert switched.get("/api/", secret).status == 200


def test_1_defaults(alice):
    made = alice.created()
    assert made["is_public"] is False and made["scopes"] == [] and "expires_at_millis" not in made


def test_2_me_is_the_caller(alice, bob, root):
    assert [who.created("me")["user_id"] for who in (alice, bob, root)] == ["alice", "bob", "root"]
    assert [key["user_id"] for key in bob.items("me")] == ["bob"]


def test_3_an_expiry_in_the_past(alice, root, httpd):
    for moment in (0, 1, now_ms() - 1000):
        made = alice.created(expires=moment)
        assert made["expires_at_millis"] == moment
        assert error(root.check(made["value"])) == (401, "API_KEY_EXPIRED")
        assert alice.items()[0]["id"] == made["id"]
        httpd.expect(r"AK0003: API key expired")
        assert httpd.get("/api/", made["value"]).status == 401


def test_4_owners_read_their_own_keys_masked(alice, root):
    made = alice.created()
    secret = made.pop("value")
    assert alice.show(made["id"]).json() == made | {"value": {"last_four": secret[-4:]}}
    assert root.show(made["id"]).json() == alice.show(made["id"]).json()
    for path in ("?user_id=me", "?x", "?", "?a=1&b"):
        answer = alice.ask(f"/user-api-keys/{made['id']}{path}")
        assert answer.status == 200 if path == "?" else error(answer) == SCHEMA


def test_5_unknown_and_malformed_keys_are_not_told_apart(alice, root):
    secret = alice.created()["value"]
    answers = {root.check(text).body for text in (mint(), mistyped(secret), "", "x", "ak_u_", "é", secret + "x", secret[:-1])}
    assert len(answers) == 1 and error(root.check(mint())) == NO_KEY


def test_6_a_key_of_the_other_kind(alice, root):
    made = {"user": alice.created()["value"], "team": alice.teams().created()["value"]}
    for here, there in (("user", "team"), ("team", "user")):
        caller = Caller(root.httpd, "/admin", user="root", kind=here)
        answer = caller.check(made[there])
        assert error(answer) == (400, "WRONG_API_KEY_TYPE")
        assert answer.json()["details"] == {"expected_type": here, "actual_type": there}
        valid = caller.check(made[here])
        assert valid.status == 200 and valid.json()["value"] == {"last_four": made[here][-4:]}


def test_7_keys_of_another_user(alice, bob, db):
    number = alice.created()["id"]
    before = rows(db)
    for answer in (bob.create("alice"), bob.list("alice"), bob.show(number), bob.update(number, description="mine"),
                   bob.revoke(number), bob.rotate(number)):  # fmt: skip
        assert error(answer) == FORBIDDEN
    assert rows(db) == before


def test_8_keys_of_teams(alice, bob, httpd, db):
    manager, member, outsider = alice.teams(), bob.teams(), Caller(httpd, user="carol", kind="team")
    number = manager.created()["id"]
    assert [key["id"] for key in manager.items()] == [number]
    before = rows(db)
    for caller in (member, outsider):
        assert error(caller.create()) == error(caller.list()) == (404, "TEAM_NOT_FOUND")
        for answer in (caller.show(number), caller.update(number, description="x"), caller.rotate(number)):
            assert error(answer) == NO_KEY
        # As for a team and a key that there are none of.
        assert caller.list("nothing").body == caller.list().body and caller.show(999999).body == caller.show(number).body
    assert rows(db) == before
    db.sql("UPDATE api_key_team_members SET manage_api_keys = FALSE WHERE user_id = 'alice'")
    assert error(manager.list()) == (404, "TEAM_NOT_FOUND") and error(manager.revoke(number)) == NO_KEY
    db.sql("UPDATE api_key_team_members SET manage_api_keys = TRUE WHERE user_id = 'bob'")
    assert member.revoke(number).status == 200


@pytest.mark.parametrize("team, user", [("blue", "Alice"), ("Blue", "alice"), ("blue ", "alice"), ("blue", "alice ")])
def test_8_names_are_compared_byte_for_byte(httpd, db, team, user):
    """Whatever the collation of the site's table says."""
    db.sql(f"DELETE FROM api_key_team_members; {db.unchecked()}"
           f"INSERT INTO api_key_team_members VALUES ('{team}', '{user}', TRUE)")  # fmt: skip
    assert error(Caller(httpd, user="alice", kind="team").list()) == (404, "TEAM_NOT_FOUND")


def test_9_revoking(alice, root, httpd, db):
    made, other = alice.created(), alice.created()
    for value in (made["value"], other["value"]):
        assert httpd.get("/api/", value).status == 200
    db.sql(f"UPDATE api_keys SET revoked_at = NOW() WHERE id = {other['id']}")
    assert httpd.get("/api/", other["value"]).status == 200  # is in memory, and nobody has told this server
    db.sql(f"DELETE FROM api_keys WHERE id = {other['id']}")
    answer = alice.revoke(made["id"])
    moment = answer.json()["manually_revoked_at_millis"]
    assert answer.status == 200 and abs(moment - now_ms()) < 5000
    httpd.expect(r"AK0003: API key revoked")
    assert httpd.get("/api/", made["value"]).status == 401  # at once
    assert error(root.check(made["value"])) == (401, "API_KEY_REVOKED")
    assert [key["id"] for key in alice.items()] == [made["id"]]
    again = root.revoke(made["id"])
    assert (again.status, again.json()["manually_revoked_at_millis"]) == (200, moment)
    assert error(alice.update(made["id"], revoked=False)) == SCHEMA
    assert alice.show(made["id"]).json()["manually_revoked_at_millis"] == moment


@pytest.mark.parametrize("fields", [
    {"user_id": "bob"}, {"team_id": "blue"}, {"expires_at_millis": None}, {"is_public": True}, {"scopes": []},
    {"id": "1"}, {"value": "x"}, {"type": "team"}, {"revoked": False}, {"revoked": None}, {"revoked": "true"},
    {"revoked": 1}, {"manually_revoked_at_millis": 1}, {"Description": "y"},
])  # fmt: skip
def test_10_nothing_else_can_be_changed(alice, db, fields):
    number = alice.created()["id"]
    before = rows(db)
    assert error(alice.update(number, **({"description": "changed"} | fields))) == SCHEMA
    assert rows(db) == before


def test_10_an_empty_change(alice):
    assert error(alice.update(alice.created()["id"])) == SCHEMA


def test_11_administrators(root, db):
    made = root.created("carol", scopes=["any:thing"])
    assert made["user_id"] == "carol" and root.teams().created("red")["team_id"] == "red"
    assert root.items("carol")[0]["id"] == made["id"]
    assert root.rotate(made["id"]).status == root.revoke(made["id"]).status == 200
    assert error(root.ask("/user-api-keys")) == error(root.ask("/team-api-keys")) == SCHEMA


def test_12_lists_are_newest_first_and_masked(alice):
    expires = now_ms() + 86400000
    made = [alice.created(description=str(number), expires=expires) for number in range(3)]
    assert alice.update(made[1]["id"], description="new").json()["description"] == "new"
    listed = alice.items()
    assert [key["id"] for key in listed] == [key["id"] for key in made[::-1]]
    assert [key["value"] for key in listed] == [{"last_four": key["value"][-4:]} for key in made[::-1]]
    assert [key["description"] for key in listed] == ["2", "new", "0"]
    assert {key["expires_at_millis"] for key in listed} == {expires}


def test_13_valid_before_and_not_after(alice, root, httpd):
    made = alice.created()
    assert root.check(made["value"]).status == 200 and httpd.get("/api/", made["value"]).status == 200
    alice.revoke(made["id"])
    (listed,) = alice.items()
    assert "manually_revoked_at_millis" in listed
    httpd.expect(r"AK0003: API key revoked")
    answer = httpd.get("/api/", made["value"])
    assert answer.status == 401 and "alice" not in answer.text


# -- and what goes wrong elsewhere -------------------------------------------------------------------------------


def test_the_endpoint_of_the_other_kind(alice, root, db):
    made = {"user": alice.created(), "team": alice.teams().created()}
    before = rows(db)
    for base, user in (("/keys", "alice"), ("/admin", "root")):
        for here, there in (("user", "team"), ("team", "user")):
            caller, number = Caller(alice.httpd, base, user=user, kind=here), made[there]["id"]
            for answer in (caller.show(number), caller.update(number, description="x", revoked=True),
                           caller.revoke(number), caller.rotate(number)):  # fmt: skip
                assert error(answer) == NO_KEY
    assert rows(db) == before


def test_revoked_comes_before_expired(alice, root, httpd, db):
    made = alice.created(expires=1)
    alice.revoke(made["id"])
    assert error(root.check(made["value"])) == (401, "API_KEY_REVOKED")
    assert error(alice.rotate(made["id"])) == (409, "API_KEY_REVOKED")
    assert [key["id"] for key in root.ask("/keys?status=revoked").json()["items"]] == [made["id"]]
    httpd.expect(r"AK0003: API key revoked")
    httpd.get("/api/", made["value"])


def test_at_the_instant_of_its_expiry_a_key_is_valid(alice, root):
    """Expired is strictly later: the first answer that says so comes when the instant is over."""
    instant = now_ms() + 1500
    secret = alice.created(expires=instant)["value"]
    while True:
        before = now_ms()
        answer = root.check(secret)
        after = now_ms()
        if answer.status == 200:
            assert before <= instant
        else:
            assert error(answer) == (401, "API_KEY_EXPIRED") and after > instant
            break


DESCRIPTIONS = ["", "x" * 255, "\U0001f511" * 255, "<script>alert('x')</script>&amp;\"", "a\tb\r\nc\x01\x7f\x1b[31m",
                "\u202eevil\u2066", " ends in spaces ", "% _ \\ ' --"]  # fmt: skip


@pytest.mark.parametrize("text", DESCRIPTIONS)
def test_descriptions(alice, text):
    made = alice.created(description=text)
    assert made["description"] == text
    assert alice.items()[0]["description"] == text
    other = alice.created(description="x")["id"]
    assert alice.update(other, description=text).json()["description"] == text
    assert alice.show(other).json()["description"] == text


@pytest.mark.parametrize("text", ["x" * 256, "\U0001f511" * 256, 7, None, ["x"], True, "a\0b"])
def test_descriptions_that_are_refused(alice, db, text):
    number = alice.created()["id"]
    before = rows(db)
    assert error(alice.create(description=text)) == error(alice.update(number, description=text)) == SCHEMA
    assert rows(db) == before


def test_rotating(alice, root, httpd):
    made = alice.created(scopes=["orders:read"], expires=now_ms() + 86400000 * 90)
    answer = alice.rotate(made["id"], grace_seconds=3600)
    new = answer.json()
    assert answer.status == 200 and new["value"] != made["value"]
    assert new == made | {"value": new["value"]} | {k: new[k] for k in ("last_used_at_millis",) if k in new}
    assert [httpd.get("/api/", secret).status for secret in (made["value"], new["value"])] == [200, 200]
    last = alice.rotate(made["id"], grace_seconds=0).json()["value"]
    httpd.expect(r"AK000[13]: API key (expired|not_found)")
    assert [httpd.get("/api/", s).status for s in (made["value"], new["value"], last)] == [401, 401, 200]
    assert error(root.check(made["value"]))[0] in (401, 404) and root.check(last).status == 200
    assert alice.show(made["id"]).json()["value"] == {"last_four": last[-4:]}


def test_rotating_without_a_body_has_a_day_of_grace(alice, db):
    number = alice.created()["id"]
    answer = alice.ask(f"/user-api-keys/{number}/rotate", "POST", "", [("Content-Type", "application/json")])
    assert answer.status == 200
    left = db.value("SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), MIN(expires_at)) FROM api_key_secrets")
    assert 86400 - 60 < int(left) <= 86400


def test_rotating_is_repeated_once(alice, db):
    number = alice.created()["id"]
    mark = [("Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324")]
    assert alice.rotate(number, mark).status == 200
    before = rows(db)
    assert error(alice.rotate(number, mark)) == (409, "IDEMPOTENCY_KEY_REPEATED")
    assert rows(db) == before
    assert alice.rotate(number, [("Idempotency-Key", "another")]).status == 200


@pytest.mark.parametrize("mark", ["", "x" * 256, "a b", "h\u00e9"])
def test_idempotency_keys_that_are_refused(alice, mark):
    number = alice.created()["id"]
    assert error(alice.rotate(number, [("Idempotency-Key", mark)])) == SCHEMA


def test_rotating_has_an_end(alice):
    number = alice.created()["id"]
    for _ in range(4):
        assert alice.rotate(number).status == 200
    assert error(alice.rotate(number)) == (409, "TOO_MANY_SECRETS")
    assert alice.rotate(number, grace_seconds=0).status == 200


def test_rotating_an_expired_key(alice):
    assert error(alice.rotate(alice.created(expires=1)["id"])) == (409, "API_KEY_EXPIRED")


@pytest.mark.parametrize("fields", [{"grace_seconds": -1}, {"grace_seconds": 2592001}, {"grace_seconds": 1.5},
                                    {"grace_seconds": "60"}, {"grace_seconds": None}, {"grace": 1}])  # fmt: skip
def test_rotations_that_are_refused(alice, db, fields):
    number = alice.created()["id"]
    before = rows(db)
    assert error(alice.rotate(number, **fields)) == SCHEMA
    assert rows(db) == before


def test_keys_made_by_others_are_checked_alike(root, db):
    """Imported by their digests, with no last four known."""
    number, secret = insert_key(db, "user", "alice")
    db.sql(f"UPDATE api_keys SET last_four = '' WHERE id = {number}")
    assert root.check(secret).json()["value"] == {"last_four": ""}


def test_who_did_it_is_in_the_audit_trail(alice, root, db):
    number = alice.created()["id"]
    root.update(number, description="x")
    alice.rotate(number)
    root.revoke(number)
    seen = db.sql("SELECT event, actor, client, key_id FROM api_key_events ORDER BY id")
    told = [(row["event"], row["actor"]) for row in seen]
    assert told == [("created", "alice"), ("updated", "root"), ("rotated", "alice"), ("revoked", "root")]
    assert {(row["client"], row["key_id"]) for row in seen} == {("127.0.0.1", number)}
    kept = db.sql(f"SELECT created_by, revoked_by FROM api_keys WHERE id = {number}")
    assert kept == [{"created_by": "alice", "revoked_by": "root"}]


def test_denied_attempts_are_in_the_audit_trail(alice, bob, db):
    number = alice.created()["id"]
    db.sql("DELETE FROM api_key_events")
    for _ in range(3):
        assert error(bob.revoke(number)) == FORBIDDEN
    (row,) = db.sql("SELECT event, actor, client, key_id, owner_id, detail FROM api_key_events")
    assert (row["event"], row["actor"], row["client"], row["key_id"], row["owner_id"]) == (
        "denied", "bob", "127.0.0.1", number, "alice",
    )  # fmt: skip
    assert "update" in row["detail"]


def test_outsiders_of_a_team_are_too(alice, bob, db):
    number = alice.teams().created()["id"]
    db.sql("DELETE FROM api_key_events")
    assert error(bob.teams().list()) == (404, "TEAM_NOT_FOUND")
    db.sql("DELETE FROM api_key_denials")
    assert error(bob.teams().show(number)) == NO_KEY
    seen = db.sql("SELECT event, actor, owner_type, owner_id, key_id FROM api_key_events ORDER BY id")
    common = {"event": "denied", "actor": "bob", "owner_type": "team", "owner_id": "blue"}
    assert seen == [common | {"key_id": None}, common | {"key_id": number}]
