# SPDX-License-Identifier: Apache-2.0
"""The management API's rules that a site sets: whom it serves, what callers with API keys may do, limits, teams of the
site's own, and an account of its own for the database."""

import json
from urllib.parse import quote

import pytest
from harness import ROOT
from harness.keyfmt import fingerprint, insert_key
from judged import basic
from managed import LOGIN, PATIENT, SITE, Caller, error, rows, write_people

FORBIDDEN = (403, "FORBIDDEN")
SCHEMA = (400, "SCHEMA_ERROR")
NO_KEY = (404, "API_KEY_NOT_FOUND")
NO_TEAM = (404, "TEAM_NOT_FOUND")
YEAR = 86400000 * 365
FAR = 4102444800000  # 2100

KEY_LOGIN = "AuthType Bearer\nRequire apikey"

RULES = f"""
{SITE}
<Location "/without">
    SetHandler apikey-manage
    ApiKeyManage Self
    {KEY_LOGIN}
</Location>
<Location "/bykey">
    SetHandler apikey-manage
    ApiKeyManage Self ByKey
    ApiKeyScopes orders:read orders:write orders:* other
    {KEY_LOGIN}
</Location>
<Location "/adminbykey">
    SetHandler apikey-manage
    ApiKeyManage Admin ByKey
    {KEY_LOGIN}
</Location>
<Location "/basic">
    SetHandler apikey-manage
    ApiKeyManage Self
    AuthType Basic
    AuthName "People and keys"
    AuthBasicProvider apikey file
    AuthUserFile ${{folder}}/people
    Require valid-user
</Location>
<Location "/few">
    SetHandler apikey-manage
    ApiKeyManage Self
    ApiKeyMaxKeys 2
    {LOGIN}
</Location>
<Location "/fewadmin">
    SetHandler apikey-manage
    ApiKeyManage Admin
    ApiKeyMaxKeys 2
    {LOGIN}
</Location>
<Location "/nobody">
    SetHandler apikey-manage
    ApiKeyManage Self
</Location>
<Location "/unmanaged">
    SetHandler apikey-manage
    {LOGIN}
</Location>
<Location "/keys/none">
    ApiKeyManage None
</Location>
"""


@pytest.fixture(scope="module")
def httpd(make_module_httpd, module_database):
    httpd = make_module_httpd(RULES, dbd=module_database.dbd_params(), start=False)
    write_people(httpd)
    return httpd.start()


@pytest.fixture
def db(module_database):
    module_database.sql("DELETE FROM api_keys; DELETE FROM api_key_team_members; DELETE FROM api_key_events;"
                        "DELETE FROM api_key_denials;"
                        "INSERT INTO api_key_team_members VALUES ('blue', 'alice', TRUE)")  # fmt: skip
    return module_database


@pytest.fixture
def alice(httpd, db):
    return Caller(httpd, user="alice")


# -- whom it serves ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["/unmanaged", "/keys/none"])
def test_nobody_where_it_is_not_told_to(httpd, db, base):
    caller = Caller(httpd, base, user="alice")
    for path in ("", "/", "/user-api-keys?user_id=me", "/me", "/apikeys.js"):
        assert caller.ask(path).status == 404
    before = rows(db)
    assert caller.create().status == 404
    assert rows(db) == before


def test_nobody_who_is_not_logged_in(httpd, db):
    caller = Caller(httpd, "/nobody")
    for answer in (caller.ask("/me"), caller.create(), caller.list(), caller.show(1), caller.ask("/teams")):
        assert error(answer) == (401, "USER_AUTHENTICATION_REQUIRED")


def test_login_is_httpds_business(httpd, db):
    answer = Caller(httpd).ask("/me")
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="People"')


def test_what_is_for_administrators(alice, db):
    secret = alice.created()["value"]
    for answer in (alice.check(secret), alice.teams().check(secret), alice.ask("/keys")):
        assert error(answer) == FORBIDDEN


# -- a login by form ---------------------------------------------------------------------------------------------

FORM = """
AuthType Form
AuthName "People"
AuthFormProvider file anon
AuthUserFile ${folder}/people
Anonymous *
Anonymous_MustGiveEmail Off
Session On
SessionCookieName session path=/
SessionCryptoPassphrase something-long-and-secret
"""
BY_FORM = f"""
{PATIENT}
<Location "/keys">
    SetHandler apikey-manage
    ApiKeyManage Self
    {FORM}
    Require valid-user
</Location>
<Location "/admin">
    SetHandler apikey-manage
    ApiKeyManage Admin
    {FORM}
    Require valid-user
</Location>
<Location "/login">
    SetHandler form-login-handler
    {FORM}
    AuthFormLoginSuccessLocation /keys/me
    Require all granted
</Location>
"""


@pytest.fixture(scope="module")
def by_form(make_module_httpd, module_database):
    """Where people who are in no file are let in under any name."""
    modules = ["request", "session", "session_cookie", "session_crypto", "auth_form", "authn_anon"]
    httpd = make_module_httpd(BY_FORM, dbd=module_database.dbd_params(), modules=modules, start=False)
    write_people(httpd)
    return httpd.start()


def log_in(httpd, name, base="/keys"):
    answer = httpd.get("/login", method="POST", body=f"httpd_username={quote(name)}&httpd_password={quote(name)}",
                       headers=[("Content-Type", "application/x-www-form-urlencoded")])  # fmt: skip
    assert answer.status == 302
    return Caller(httpd, base, headers=[("Cookie", answer.all("Set-Cookie")[-1].split(";")[0])])


def test_login_by_form(by_form, db):
    by_form.expect(r"AH0180[0-9]|AH01616|AH018\d\d")
    assert Caller(by_form).ask("/me").status == 401
    alice = log_in(by_form, "alice")
    made = alice.created()
    assert made["user_id"] == "alice" and alice.items()[0]["id"] == made["id"]
    # The cookie comes along with what another site sends, too.
    assert error(alice.create(headers=[("Sec-Fetch-Site", "cross-site")])) == (403, "CROSS_ORIGIN_REQUEST")
    assert alice.revoke(made["id"]).status == 200


@pytest.mark.parametrize("name", ["team:blue", " carol", "carol ", "a\x01b", b"\xff", "x" * 256])
def test_users_whose_name_can_own_nothing(by_form, db, name):
    """Above all one that looks like a team."""
    insert_key(db, "team", "blue")
    before = rows(db)
    for base in ("/keys", "/admin"):
        caller = log_in(by_form, name, base)
        for answer in (caller.ask("/me"), caller.create(), caller.list(), caller.teams().list(), caller.teams().create()):
            assert error(answer) == FORBIDDEN
    assert rows(db) == before


def test_users_of_any_other_name(by_form, db):
    for name in ("Zo\u00eb", "a b", "<b>", "o'neil\\", "100%", "\U0001f511", "me", "x" * 255):
        caller = log_in(by_form, name)
        made = caller.created()
        assert made["user_id"] == name and caller.ask("/me").json()["user_id"] == name
        assert [key["id"] for key in caller.items()] == [made["id"]]
        assert caller.revoke(made["id"]).status == 200
    assert error(log_in(by_form, "zo\u00eb").list("Zo%C3%AB")) == FORBIDDEN


# -- callers with an API key -------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["/without", "/basic"])
def test_keys_do_not_manage_keys(httpd, db, base):
    number, secret = insert_key(db, "user", "alice")
    if base == "/basic":
        caller = Caller(httpd, base, headers=[basic("anything", secret)])
        assert Caller(httpd, base, user="alice").list().status == 200
    else:
        caller = Caller(httpd, base, key=secret)
    before = rows(db)
    for answer in (caller.ask("/me"), caller.list(), caller.create(), caller.show(number), caller.revoke(number),
                   caller.rotate(number), caller.ask("/teams")):  # fmt: skip
        assert error(answer) == FORBIDDEN
    assert rows(db) == before
    (row,) = db.sql("SELECT event, actor FROM api_key_events WHERE event = 'denied'")
    assert row["actor"] == "alice"


def test_by_key_for_the_same_owner_only(httpd, db):
    _, secret = insert_key(db, "user", "alice", "orders:*")
    bobs, _ = insert_key(db, "user", "bob")
    teams, _ = insert_key(db, "team", "blue")
    caller = Caller(httpd, "/bykey", key=secret)
    made = caller.created("me", scopes=["orders:read"])
    assert made["user_id"] == "alice" and caller.created("alice")["user_id"] == "alice"
    assert len(caller.items()) == 3 and caller.revoke(made["id"]).status == 200
    before = rows(db)
    for answer in (caller.create("bob"), caller.list("bob"), caller.show(bobs), caller.revoke(bobs)):
        assert error(answer) == FORBIDDEN
    # Not her teams' either: she may, her key may not.
    assert error(caller.teams().create()) == error(caller.teams().list()) == NO_TEAM
    assert error(caller.teams().revoke(teams)) == NO_KEY
    assert caller.ask("/teams").json() == {"items": []}
    assert rows(db) == before


def test_by_key_of_a_team(httpd, db):
    number, secret = insert_key(db, "team", "blue", "orders:*")
    other, _ = insert_key(db, "team", "red")
    users, _ = insert_key(db, "user", "blue")
    caller = Caller(httpd, "/bykey", key=secret, kind="team")
    assert caller.created(scopes=["orders:*"])["team_id"] == "blue" and len(caller.items()) == 2
    assert caller.show(number).status == 200
    assert caller.ask("/me").json()["team_id"] == "blue" and caller.ask("/teams").json()["items"] == [{"team_id": "blue"}]
    before = rows(db)
    assert error(caller.create("red")) == NO_TEAM and error(caller.show(other)) == NO_KEY
    as_user = Caller(httpd, "/bykey", key=secret)
    for answer in (as_user.create("me"), as_user.list("me"), as_user.create("blue"), as_user.show(users)):
        assert error(answer) == FORBIDDEN
    assert rows(db) == before


@pytest.mark.parametrize("own, wanted, may", [
    ("orders:read", [], True), ("orders:read", ["orders:read"], True), ("orders:read", ["orders:write"], False),
    ("orders:read", ["orders:*"], False), ("orders:*", ["orders:read", "orders:write"], True),
    ("orders:*", ["orders:*"], True), ("orders:*", ["other"], False), ("", ["orders:read"], False), ("", [], True),
    ("orders:read other", ["other", "orders:read"], True), ("orders:read", ["orders:read", "other"], False),
])  # fmt: skip
def test_by_key_with_scopes_of_its_own(httpd, db, own, wanted, may):
    _, secret = insert_key(db, "user", "alice", own)
    before = rows(db)
    answer = Caller(httpd, "/bykey", key=secret).create(scopes=wanted)
    assert answer.status == 200 if may else (error(answer), rows(db)) == (FORBIDDEN, before)


def test_by_key_and_never_later(httpd, db):
    _, secret = insert_key(db, "user", "alice", expires_at="2100-01-01")
    caller = Caller(httpd, "/bykey", key=secret)
    assert caller.created(expires=FAR)["expires_at_millis"] == FAR and caller.create(expires=1).status == 200
    before = rows(db)
    assert error(caller.create(expires=FAR + 1)) == error(caller.create(expires=None)) == FORBIDDEN
    assert rows(db) == before


def test_by_key_rotating(httpd, db):
    """A new secret is as good as a new key: the same limits."""
    own, secret = insert_key(db, "user", "alice", "orders:read", expires_at="2100-01-01")
    less, _ = insert_key(db, "user", "alice", "", expires_at="2099-01-01")
    more, _ = insert_key(db, "user", "alice", "orders:read other", expires_at="2100-01-01")
    later, _ = insert_key(db, "user", "alice", "orders:read")
    caller = Caller(httpd, "/bykey", key=secret)
    assert caller.rotate(less).status == 200
    before = rows(db)
    assert error(caller.rotate(more)) == error(caller.rotate(later)) == FORBIDDEN
    assert rows(db) == before
    new = caller.rotate(own, grace_seconds=3600).json()["value"]
    # The old secret has an hour left; it cannot get itself a longer life.
    httpd.expect(r"AK000[13]: API key")
    assert error(caller.rotate(own)) == FORBIDDEN
    assert Caller(httpd, "/bykey", key=new).rotate(own).status == 200


def test_by_key_scopes_of_the_place_hold_too(httpd, db):
    _, secret = insert_key(db, "user", "alice", "elsewhere")
    assert error(Caller(httpd, "/bykey", key=secret).create(scopes=["elsewhere"])) == SCHEMA


def test_by_key_of_an_administrator(httpd, db):
    """Sees and revokes everybody's, checks, and still makes keys only as above."""
    _, secret = insert_key(db, "user", "root", "a")
    number, theirs = insert_key(db, "user", "bob")
    caller = Caller(httpd, "/adminbykey", key=secret)
    assert caller.check(theirs).json()["id"] == str(number)
    assert caller.items("bob")[0]["id"] == str(number) and len(caller.ask("/keys").json()["items"]) == 2
    assert caller.created(scopes=["a"])["user_id"] == "root"
    before = rows(db)
    assert error(caller.create("bob")) == error(caller.rotate(number)) == FORBIDDEN
    assert error(caller.create(scopes=["b"])) == error(caller.teams().create("blue")) == FORBIDDEN
    assert rows(db) == before
    assert caller.revoke(number).status == 200


# -- scopes and limits -------------------------------------------------------------------------------------------


def test_scopes_are_those_of_the_place(alice, httpd, db):
    assert alice.created(scopes=["orders:*", "orders:read"])["scopes"] == ["orders:*", "orders:read"]
    before = rows(db)
    assert error(alice.create(scopes=["orders:delete"])) == SCHEMA  # though orders:* would cover it
    assert error(Caller(httpd, "/few", user="alice").create(scopes=["orders:read"])) == SCHEMA
    assert rows(db) == before
    root = Caller(httpd, "/admin", user="root")
    assert root.created("alice", scopes=["any", "thing:*"])["scopes"] == ["any", "thing:*"]
    assert error(root.create("alice", scopes=["*"])) == error(root.create("alice", scopes=["a b"])) == SCHEMA
    long = [f"s{number:0100}" for number in range(10)]
    assert error(root.create("alice", scopes=long)) == SCHEMA


def test_live_keys_are_counted(httpd, db):
    few = Caller(httpd, "/few", user="alice")
    first = few.created()["id"]
    few.created(expires=1)  # is none
    few.created()
    before = rows(db)
    assert error(few.create()) == (409, "TOO_MANY_API_KEYS")
    assert rows(db) == before
    assert few.teams().create().status == 200  # each owner's are counted by themselves
    assert few.revoke(first).status == 200 and few.create().status == 200
    assert Caller(httpd, "/fewadmin", user="root").create("alice").status == 200  # who is above that


# -- teams of the site's own -------------------------------------------------------------------------------------


def test_a_view_as_teams_table(make_httpd, mariadb):
    """With another collation, integers as ids, in another schema, and per virtual host."""
    keys, site = mariadb.create_database(), mariadb.create_database(schema=False)
    site.sql("CREATE TABLE staff (id INT, login VARCHAR(50) COLLATE utf8mb4_general_ci, role VARCHAR(20));"
             "INSERT INTO staff VALUES (7, 'alice', 'boss'), (7, 'bob', 'clerk'), (8, 'ALICE', 'boss');"
             "CREATE VIEW teams AS SELECT CAST(id AS CHAR) AS team_id, login AS user_id,"
             " role = 'boss' AS manage_api_keys FROM staff")  # fmt: skip
    keys.sql("INSERT INTO api_key_team_members VALUES ('blue', 'bob', TRUE)")
    httpd = make_httpd(
        f"""
        {SITE}
        <VirtualHost *:${{port}}>
            ServerName members
        </VirtualHost>
        <VirtualHost *:${{port}}>
            ServerName staff
            ApiKeyTeamsTable {site.name}.teams
        </VirtualHost>
        """,
        dbd=keys.dbd_params(), start=False,
    )  # fmt: skip
    write_people(httpd)
    httpd.start()

    def teams(host, user):
        return Caller(httpd, user=user, headers=[("Host", host)], kind="team")

    assert teams("staff", "alice").create("7").status == 200
    assert teams("staff", "alice").ask("/teams").json() == {"items": [{"team_id": "7"}]}
    for user, team in (("alice", "8"), ("bob", "7"), ("bob", "blue")):
        assert error(teams("staff", user).create(team)) == NO_TEAM
    assert teams("members", "bob").create("blue").status == 200
    assert error(teams("members", "alice").create("7")) == NO_TEAM
    site.sql("UPDATE staff SET role = 'clerk' WHERE login = 'alice'")
    assert error(teams("staff", "alice").list("7")) == NO_TEAM


# -- how it mints ------------------------------------------------------------------------------------------------

PEPPER = b"pepper-of-thirty-two-bytes-or-so"


def test_new_secrets_are_as_the_server_takes_them(make_httpd, database):
    httpd = make_httpd(f"ApiKeyPrefix acme ak\nApiKeyPepperFile pepper none\n{SITE}", dbd=database.dbd_params(), start=False)
    (httpd.folder / "pepper").write_bytes(PEPPER)
    (httpd.folder / "pepper").chmod(0o600)
    write_people(httpd)
    httpd.expect(r"AK011[3-9]")  # the settings of the database say otherwise
    httpd.start()
    alice, root = Caller(httpd, user="alice"), Caller(httpd, "/admin", user="root")
    made = alice.created()
    new = alice.rotate(made["id"]).json()["value"]
    for secret in (made["value"], new):
        assert secret.startswith("acme_u_") and httpd.get("/api/", secret).status == 200
        assert root.check(secret).status == 200
    assert {row["pepper"] for row in database.sql("SELECT pepper FROM api_key_secrets")} == {fingerprint(PEPPER)}
    _, old = insert_key(database, "user", "alice")
    assert root.check(old).json()["user_id"] == "alice"  # made without


# -- a host and an account of its own ----------------------------------------------------------------------------


def test_an_account_of_its_own(make_httpd, mariadb):
    """Keys are checked by an account that cannot change any, and managed by one that can."""
    database = mariadb.create_database()
    accounts = ("apikey_check", "apikey_manage", "apikey_admin", "apikey_definer")
    mariadb.sql("".join(f"DROP USER IF EXISTS {name}@localhost;" for name in accounts))
    database.sql((ROOT / "conf" / "grants.sql").read_text())
    database.sql("INSERT INTO api_key_team_members VALUES ('blue', 'alice', TRUE)")
    for name in accounts[:2]:
        mariadb.sql(f"ALTER USER {name}@localhost IDENTIFIED BY 'secret' ACCOUNT UNLOCK")
    httpd = make_httpd(
        f"""
        {PATIENT}
        <Location "/api">
            AuthType Bearer
            Require apikey
        </Location>
        <VirtualHost *:${{port}}>
            ServerName www
        </VirtualHost>
        <VirtualHost *:${{port}}>
            ServerName keys
            DBDParams "{database.dbd_params('apikey_manage', 'secret')}"
            <Location "/">
                SetHandler apikey-manage
                ApiKeyManage Self
                {LOGIN}
            </Location>
            <Location "/admin">
                ApiKeyManage Admin
            </Location>
        </VirtualHost>
        """,
        dbd=database.dbd_params("apikey_check", "secret"), start=False,
    )  # fmt: skip
    write_people(httpd)
    httpd.start()
    host = [("Host", "keys")]
    alice, root = Caller(httpd, "", user="alice", headers=host), Caller(httpd, "/admin", user="root", headers=host)
    for caller in (alice, alice.teams()):
        made = caller.created()
        assert httpd.get("/api/", made["value"]).status == 200
        new = caller.rotate(made["id"]).json()["value"]
        assert httpd.get("/api/", new).status == 200 and len(caller.items()) == 1
        assert Caller(httpd, "/admin", user="root", headers=host, kind=caller.kind).check(new).status == 200
        assert caller.update(made["id"], description="new").status == 200
        assert caller.revoke(made["id"]).status == 200
        httpd.expect(r"AK0003: API key revoked")
        assert httpd.get("/api/", new).status == 401  # at once, in the other host
    assert alice.ask("/teams").json()["items"] == [{"team_id": "blue"}]
    assert len(root.ask("/keys").json()["items"]) == 2
    assert error(Caller(httpd, "", user="bob", headers=host).list("alice")) == FORBIDDEN
    assert "denied" in {row["event"] for row in database.sql("SELECT event FROM api_key_events")}
    assert {row["actor"] for row in database.sql("SELECT actor FROM api_key_events")} == {"alice", "bob"}


# -- callers whose key has changed -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forgetful(make_module_httpd, module_database):
    """A server that learns of changes late, as every one does for the moment until it has read the feed."""
    httpd = make_module_httpd(f"ApiKeyRefresh Off\n{RULES}", dbd=module_database.dbd_params(), start=False)
    write_people(httpd)
    return httpd.start()


REVOKED = "UPDATE api_keys k SET revoked_at = UTC_TIMESTAMP(3)"
CHANGES = [
    (REVOKED, 401), ("UPDATE api_keys k SET expires_at = '2001-01-01'", 401), ("DELETE k FROM api_keys k", 401),
    ("UPDATE api_keys k SET expires_at = '2099-01-01'", 403), ("UPDATE api_keys k SET scopes = ''", 403),
    ("UPDATE api_key_secrets s JOIN api_keys k ON k.id = s.key_id SET s.expires_at = '2001-01-01'", 401),
]  # fmt: skip


@pytest.mark.parametrize("change, status", [*CHANGES, ("UPDATE api_keys k SET owner_id = 'bob'", 403)])
def test_by_key_as_the_key_is_now(forgetful, db, change, status):
    """A key that is revoked leaves no other behind, also where it is still remembered as it was."""
    own, secret = insert_key(db, "user", "alice", "orders:read")
    less, _ = insert_key(db, "user", "alice", "orders:read")
    assert forgetful.get("/api/", secret).status == 200
    caller = Caller(forgetful, "/bykey", key=secret)
    assert caller.create(scopes=["orders:read"]).status == caller.rotate(less).status == 200
    db.sql(f"{change} WHERE k.id = {own}")
    assert forgetful.get("/api/", secret).status == 200
    before = rows(db)
    forgetful.expect(r"AK000[13]: API key")
    assert caller.create("alice", scopes=["orders:read"]).status == caller.rotate(less).status == status
    assert rows(db) == before


@pytest.mark.parametrize("what", ["create", "rotate"])
@pytest.mark.parametrize("change, status", [*CHANGES, ("UPDATE api_keys k SET owner_id = 'bob'", 401)])
def test_by_key_as_the_key_is_when_all_of_the_request_has_come(forgetful, db, change, status, what):
    """Who holds the body back has been let in before."""
    own, secret = insert_key(db, "user", "alice", "orders:read")
    less, _ = insert_key(db, "user", "alice", "orders:read")
    path, fields = {
        "create": ("", {"user_id": "alice", "description": "", "expires_at_millis": None, "scopes": ["orders:read"]}),
        "rotate": (f"/{less}/rotate", {}),
    }[what]
    body = json.dumps(fields).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Expect", "100-continue")]
    with forgetful.connect() as connection:
        connection.send(f"/bykey/user-api-keys{path}", secret, headers, "POST")
        assert b"100 Continue" in connection.read_some(len(b"HTTP/1.1 100 Continue\r\n\r\n"))
        db.sql(f"{change} WHERE k.id = {own}")
        before = db.sql("SELECT * FROM api_keys"), db.sql("SELECT * FROM api_key_secrets")
        connection.send_raw(body)
        answer = connection.read_response()
    assert answer.status == status
    assert (answer.header("WWW-Authenticate") or "").endswith('error="invalid_token"') == (status == 401)
    forgetful.expect(r"AK0071: .* user alice is not allowed to")
    assert (db.sql("SELECT * FROM api_keys"), db.sql("SELECT * FROM api_key_secrets")) == before
    [row] = db.sql("SELECT event, actor, key_id FROM api_key_events ORDER BY id DESC LIMIT 1")
    assert (row["event"], row["actor"]) == ("denied", "alice")
    assert status != 401 or row["key_id"] == str(own)


def test_by_key_not_by_way_of_another_place(make_httpd, database):
    """That one let it in by what it remembered; the key's text is gone."""
    httpd = make_httpd(
        f"""
        ApiKeyRefresh Off
        {RULES}
        <Location "/front">
            {KEY_LOGIN}
        </Location>
        <Directory "${{htdocs}}/front">
            RewriteEngine On
            RewriteRule "^(.*)$" "/bykey/$1" [L]
        </Directory>
        """,
        dbd=database.dbd_params(), modules=["rewrite"], start=False,
    )  # fmt: skip
    write_people(httpd)
    (httpd.htdocs / "front").mkdir()
    httpd.start()
    _, secret = insert_key(database, "user", "alice", "orders:read")
    for _ in range(2):  # of which the first was not in memory
        answer = Caller(httpd, "/front", key=secret).create()
        assert error(answer) == FORBIDDEN and "by another place" in answer.json()["error"]
    assert database.value("SELECT COUNT(*) FROM api_keys") == "1"
    assert Caller(httpd, "/bykey", key=secret).create().status == 200
