# SPDX-License-Identifier: Apache-2.0
"""What a client is told in every case, byte for byte, and what the logs say of it."""

import re

import pytest
from harness.apps import HttpApp
from harness.keyfmt import insert_key, mint, mistyped
from judged import FORBIDDEN, MISSING, UNAVAILABLE, UNJUDGED, VALID, ask, basic, invalid, leaked

PLACES = {
    "any": "Require apikey",
    "users": "Require apikey\nApiKeyTeamKeys Off",
    "teams": "Require apikey\nApiKeyUserKeys Off",
    "nobody": "Require apikey\nApiKeyUserKeys Off\nApiKeyTeamKeys Off",
    "scope": "Require apikey-scope orders:write",
    "scope-on": "Require apikey-scope orders:write\nAuthzSendForbiddenOnFailure On",
    "scope-off": "Require apikey-scope orders:write\nAuthzSendForbiddenOnFailure Off",
    "scopes": "<RequireAll>\nRequire apikey-scope orders:read\nRequire apikey-scope admin orders:write\n</RequireAll>",
    "bob": "Require apikey-user bob",
    "bob-on": "Require apikey-user bob\nAuthzSendForbiddenOnFailure On",
    "bob-off": "Require apikey-user bob\nAuthzSendForbiddenOnFailure Off",
    "id": "Require apikey-id 999999",
    "lan-or-key": "<RequireAny>\nRequire ip 127.0.0.1\nRequire apikey\n</RequireAny>",
    "elsewhere-or-key": "<RequireAny>\nRequire ip 192.0.2.1\nRequire apikey\n</RequireAny>",
    "valid-user": "Require valid-user",
    "realm-quotes": r'Require apikey' + "\n" + r'AuthName "the \"new\" API"',
    "realm-backslash": r'Require apikey' + "\n" + r'AuthName "C:\\\\api\\\\"',
    "realm-lines": r'Require apikey' + "\n" + r'AuthName "two\nlines"',
}  # fmt: skip

PAGE = 'AliasMatch "^/[a-z-]+/$" "${htdocs}/index.html"\n'
BASIC = """
<Location "/basic/">
    AuthType Basic
    AuthName people
    AuthBasicProvider apikey
    Require apikey-scope orders:write
</Location>
"""


def lacks(scopes):
    return (403, f'Bearer realm="API", error="insufficient_scope", scope="{scopes}"', "insufficient_scope")


def location(name, lines):
    return f'<Location "/{name}/">\nAuthType Bearer\n{lines}\n</Location>\n'


@pytest.fixture(scope="module")
def keys(module_database):
    """name -> (id, secret); two more that no table holds."""
    made = {
        "user": insert_key(module_database, "user", "alice", "orders:read"),
        "team": insert_key(module_database, "team", "blue"),
        "far": insert_key(module_database, "user", "alice", expires_at="2199-01-01"),
        "expired": insert_key(module_database, "user", "alice", expires_at=-1),
        "revoked": insert_key(module_database, "user", "alice", revoked_at="2024-01-01"),
        "revoked-tomorrow": insert_key(module_database, "user", "alice", revoked_at=86400),
        "both": insert_key(module_database, "user", "alice", expires_at=-1, revoked_at="2024-01-01"),
        "team-both": insert_key(module_database, "team", "blue", expires_at=-1, revoked_at="2024-01-01"),
        "team-expired": insert_key(module_database, "team", "blue", expires_at=-1),
        "secret-expired": insert_key(module_database, "user", "alice"),
    }
    secret_of = f"key_id = {made['secret-expired'][0]}"
    module_database.sql(f"UPDATE api_key_secrets SET expires_at = '2024-01-01' WHERE {secret_of}")
    return made | {"unknown": (None, mint()), "mistyped": (None, mistyped(mint())), None: (None, None)}


@pytest.fixture(scope="module")
def server(make_module_httpd, module_database):
    """The default host, and the host "dead", whose database has none of our tables."""
    config = f"""
    {PAGE}
    {"".join(location(name, lines) for name, lines in PLACES.items())}
    {BASIC}
    <VirtualHost 127.0.0.1:${{port}}>
        ServerName localhost
    </VirtualHost>
    <VirtualHost 127.0.0.1:${{port}}>
        ServerName dead
        DBDParams "{module_database.server.dbd_params("information_schema")}"
    </VirtualHost>
    """
    return make_module_httpd(config, dbd=module_database.dbd_params(), modules=["http2"])


@pytest.fixture(autouse=True)
def no_key_in_any_log(server, keys):
    yield
    assert leaked(server, [key for _, key in keys.values() if key]) == []


ANSWERS = [
    # place, key, answer
    ("any", None, MISSING),
    ("any", "unknown", invalid("not_found")),
    ("any", "mistyped", invalid("not_found")),
    ("any", "revoked", invalid("revoked")),
    ("any", "revoked-tomorrow", invalid("revoked")),
    ("any", "expired", invalid("expired")),
    ("any", "secret-expired", invalid("expired")),
    ("any", "user", VALID),
    ("any", "team", VALID),
    ("any", "far", VALID),
    ("users", "user", VALID),
    ("users", "team", invalid("wrong_type")),
    ("teams", "user", invalid("wrong_type")),
    ("teams", "team", VALID),
    ("nobody", "user", invalid("wrong_type")),
    ("nobody", "team", invalid("wrong_type")),
    # several reasons: unknown, wrong kind, revoked, expired
    ("nobody", "unknown", invalid("not_found")),
    ("users", "team-both", invalid("wrong_type")),
    ("users", "team-expired", invalid("wrong_type")),
    ("any", "both", invalid("revoked")),
    ("scope", "expired", invalid("expired")),
    ("bob", "revoked", invalid("revoked")),
    # a valid key that is not let in
    ("scope", "user", lacks("orders:write")),
    ("scope", "team", lacks("orders:write")),
    ("scope-on", "user", lacks("orders:write")),
    ("scope-off", "user", lacks("orders:write")),
    ("scopes", "team", lacks("orders:read")),
    ("scopes", "user", lacks("admin orders:write")),
    ("bob", "user", FORBIDDEN),
    ("bob", "team", FORBIDDEN),
    ("bob-on", "user", FORBIDDEN),
    ("bob-off", "user", FORBIDDEN),
    ("id", "user", FORBIDDEN),
    ("scope", None, MISSING),
    ("scope-on", None, MISSING),
    ("scope-off", None, MISSING),
    ("bob", None, MISSING),
    ("bob-on", None, MISSING),
    ("valid-user", None, MISSING),
    ("valid-user", "user", VALID),
    # no challenge where an address is enough, one where it is not
    ("lan-or-key", None, UNJUDGED),
    ("lan-or-key", "unknown", UNJUDGED),
    ("elsewhere-or-key", None, MISSING),
    ("elsewhere-or-key", "unknown", invalid("not_found")),
    ("elsewhere-or-key", "user", VALID),
]  # fmt: skip


@pytest.mark.parametrize("place, key, answer", ANSWERS, ids=[f"{place}-{key}" for place, key, _ in ANSWERS])
def test_answer(server, keys, place, key, answer):
    assert ask(server, f"/{place}/", keys[key][1]).answer == answer


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "DELETE"])
def test_answer_does_not_depend_on_the_method(server, keys, method):
    assert ask(server, "/any/", method=method).answer == MISSING
    assert ask(server, "/any/", keys["revoked"][1], method=method).answer == invalid("revoked")


REALMS = [
    ("realm-quotes", r'"the \"new\" API"'),
    ("realm-backslash", r'"C:\\api\\"'),
    ("realm-lines", '"two lines"'),
]


@pytest.mark.parametrize("place, realm", REALMS, ids=[place for place, _ in REALMS])
def test_realm_is_the_name_as_a_quoted_string(server, place, realm):
    assert ask(server, f"/{place}/").answer == (401, f"Bearer realm={realm}", "missing")


LOGGED = [
    # key, the line but for where it was asked
    ("revoked", r"AK0003: API key revoked: key {id} of user alice: /any/"),
    ("expired", r"AK0003: API key expired: key {id} of user alice: /any/"),
    ("both", r"AK0003: API key revoked: key {id} of user alice: /any/"),
    ("team-expired", r"AK0003: API key expired: key {id} of team blue: /any/"),
    ("unknown", r"AK0001: API key not_found: /any/"),
    ("mistyped", r"AK0001: API key not_found, wrong length or check digits: /any/"),
    ("user", r"AK0003: API key valid: key {id} of user alice: /any/"),
    (None, r"AK0001: API key missing: /any/"),
]


@pytest.mark.parametrize("key, line", LOGGED, ids=[str(key) for key, _ in LOGGED])
def test_error_log_names_key_and_owner(server, keys, key, line):
    number, secret = keys[key]
    logged = ask(server, "/any/", secret).logged
    assert len(logged) == 1
    assert re.search(line.format(id=number) + "$", logged[0])


LEVELS = [("revoked", "warn"), ("unknown", "info"), (None, "info"), ("user", "debug")]


@pytest.mark.parametrize("key, level", LEVELS, ids=[str(key) for key, _ in LEVELS])
def test_only_a_key_of_somebody_is_reason_for_a_warning(server, keys, key, level):
    assert f"[authn_apikey:{level}]" in ask(server, "/any/", keys[key][1]).logged[0]


def test_access_log_names_the_caller_who_is_known(server, keys):
    def user(key):
        mark = server.access_mark()
        ask(server, "/bob/", keys[key][1])
        return server.access_lines(mark, count=1)[0].split()[1]

    assert [user(key) for key in ("user", "team", "revoked", None)] == ["alice", "team:blue", "-", "-"]


def test_basic_answers_with_its_own_challenge(server, keys):
    def answer(key):
        return ask(server, "/basic/", headers=[basic("x", keys[key][1])]).answer

    server.expect(r"AH01617: user x: authentication failure")
    assert answer("revoked") == (401, 'Basic realm="people"', "revoked")
    assert ask(server, "/basic/").answer[:2] == (401, 'Basic realm="people"')


# -- the database cannot be asked ------------------------------------------------------------------------------

DEAD = [("Host", "dead")]


@pytest.mark.parametrize("place", ["any", "scope", "bob", "scope-on", "elsewhere-or-key"])
def test_without_a_database_nobody_is_refused_for_good(server, keys, place):
    server.expect(r"AK00[25]0: .*Unknown table")
    judged = ask(server, f"/{place}/", keys["user"][1], DEAD)
    assert judged.answer == UNAVAILABLE
    assert re.fullmatch(r"[1-9]\d*", judged.response.header("Retry-After"))


def test_without_a_database_the_form_still_refuses(server, keys):
    assert ask(server, "/any/", keys["mistyped"][1], DEAD).answer == invalid("not_found")
    assert ask(server, "/any/", headers=DEAD).answer == MISSING
    assert ask(server, "/lan-or-key/", keys["user"][1], DEAD).answer == UNJUDGED


def test_only_unavailable_says_when_to_come_back(server, keys):
    for key in (None, "unknown", "revoked", "user"):
        assert ask(server, "/any/", keys[key][1]).response.header("Retry-After") is None


# -- rows that identify nobody ---------------------------------------------------------------------------------

UNUSABLE = [
    # what, columns of a key of the user alice, reason in the log
    ("user-like-a-team", "owner_id = 'team:blue'", "must not begin with team:"),
    ("null-owner", "owner_id = NULL", "owner id is NULL"),
    ("empty-owner", "owner_id = ''", "owner id is empty"),
    ("long-owner", "owner_id = REPEAT('x', 1021)", "longer than 255 characters"),
    ("very-long-owner", "owner_id = REPEAT('x', 60000)", "too long"),
    ("newline-in-owner", r"owner_id = 'a\r\nX-Evil: 1'", "control character"),
    ("nul-in-owner", r"owner_id = 'alice\0'", "NUL byte"),
    ("delete-in-owner", "owner_id = 'al\x7fice'", "control character"),
    ("space-before-owner", "owner_id = ' alice'", "begins or ends with a space"),
    ("space-after-owner", "owner_id = 'alice '", "begins or ends with a space"),
    ("null-type", "owner_type = NULL", "neither user nor team"),
    ("other-type", "owner_type = 'robot'", "neither user nor team"),
    ("type-in-capitals", "owner_type = 'USER'", "neither user nor team"),
    ("null-scopes", "scopes = NULL", "scope-tokens"),
    ("long-scopes", "scopes = REPEAT('x', 1001)", "scope-tokens"),
    ("quote-in-scopes", """scopes = 'a"b'""", "scope-tokens"),
    ("bare-star", "scopes = 'a *'", "scope-tokens"),
    ("newline-in-scopes", r"scopes = 'a\nb'", "scope-tokens"),
    ("revoked-too", "owner_id = '', revoked_at = '2024-01-01', expires_at = '2024-01-01'", "owner id is empty"),
]


@pytest.fixture(scope="module")
def loose_database(mariadb):
    """A site's own tables, which hold whatever other programs write."""
    made = mariadb.create_database()
    made.sql(
        "ALTER TABLE api_keys DROP CONSTRAINT api_keys_owner_id, DROP CONSTRAINT api_keys_user_is_no_team,"
        " DROP CONSTRAINT api_keys_scopes, DROP KEY api_keys_owner, MODIFY owner_type VARCHAR(20) NULL,"
        " MODIFY owner_id TEXT NULL, MODIFY scopes TEXT NULL;"
        "ALTER TABLE api_key_events MODIFY owner_type VARCHAR(20) NULL, MODIFY owner_id TEXT NULL"
    )
    return made  # never dropped: its server is stopped later


@pytest.fixture(scope="module")
def loose_server(make_module_httpd, loose_database):
    config = PAGE + location("any", PLACES["any"]) + location("users", PLACES["users"])
    return make_module_httpd(config, dbd=loose_database.dbd_params())


@pytest.mark.parametrize("columns, reason", [row[1:] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
def test_unusable_row(loose_server, loose_database, columns, reason):
    number, key = insert_key(loose_database, "user", "alice")
    loose_database.sql(f"UPDATE api_keys SET {columns} WHERE id = {number}")
    judged = ask(loose_server, "/any/", key)
    assert judged.answer == invalid("unusable")
    assert re.search(rf"authn_apikey:error.* AK0002: API key unusable: key {number}, .*{reason}", judged.logged[0])


def test_loose_tables_are_no_reason_to_refuse(loose_server, loose_database):
    longest = "\N{GRINNING FACE}" * 255
    number, key = insert_key(loose_database, "user", longest, " ".join(["s" * 9] * 100))
    judged = ask(loose_server, "/users/", key)
    assert judged.answer == VALID
    assert f"key {number} of user " + "%F0%9F%98%80" * 255 in judged.logged[0]


def test_team_may_be_called_like_one(loose_server, loose_database):
    _, key = insert_key(loose_database, "team", "team:blue")
    assert ask(loose_server, "/any/", key).answer == VALID
    assert loose_server.access_lines()[-1].split()[1] == "team:team:blue"


# -- a forward proxy -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(make_module_app):
    """A site out there."""
    return make_module_app(HttpApp)


@pytest.fixture(scope="module")
def proxy(make_module_httpd, module_database, site):
    config = f"""
    ProxyRequests On
    ProxyVia Off
    AllowCONNECT {site.port}
    <Proxy "*">
        AuthType Bearer
        Require apikey-user alice
    </Proxy>
    """
    return make_module_httpd(config, dbd=module_database.dbd_params(), modules=["proxy", "proxy_http", "proxy_connect"])


def proxied(proxy, site, key, headers=(), path="/x"):
    sent = [*headers, *([("Proxy-Authorization", f"Bearer {key}")] if key else [])]
    return ask(proxy, f"http://127.0.0.1:{site.port}{path}", headers=sent, challenge="Proxy-Authenticate")


PROXIED = [
    ("none", None, (407, MISSING[1], "missing")),
    ("unknown", "unknown", (407, invalid("")[1], "not_found")),
    ("revoked", "revoked", (407, invalid("")[1], "revoked")),
    ("team", "team", FORBIDDEN),
    ("good", "user", VALID),
]


@pytest.mark.parametrize("key, answer", [row[1:] for row in PROXIED], ids=[row[0] for row in PROXIED])
def test_forward_proxy(proxy, site, keys, key, answer):
    judged = proxied(proxy, site, keys.get(key, (None, None))[1])
    assert judged.answer == answer
    assert judged.response.header("WWW-Authenticate") is None


def test_forward_proxy_keeps_what_it_knows_to_itself(proxy, site, keys):
    told = proxied(proxy, site, keys["user"][1], [("Authorization", "Bearer for-the-site")]).response.json()["headers"]
    names = {name.lower() for name, _ in told}
    assert ["Authorization", "Bearer for-the-site"] in told
    assert "proxy-authorization" not in names
    assert not [name for name in names if name.startswith("x-apikey-")]


def test_forward_proxy_does_not_take_the_key_for_the_site(proxy, site, keys):
    sent = [("Authorization", f"Bearer {keys['user'][1]}")]
    assert proxied(proxy, site, None, sent).answer == (407, MISSING[1], "missing")


def test_challenge_of_a_site_passes_a_forward_proxy(proxy, site, keys):
    judged = proxied(proxy, site, keys["user"][1], path='/x?status=401&header=WWW-Authenticate:Basic')
    assert (judged.response.status, judged.response.header("WWW-Authenticate")) == (401, "Basic")
    assert judged.response.header("Proxy-Authenticate") is None


def test_tunnel(proxy, site, keys):
    target = f"127.0.0.1:{site.port}"
    with proxy.connect() as connection:
        connection.send(target, method="CONNECT")
        refused = connection.read_response()
        assert (refused.status, refused.header("Proxy-Authenticate")) == (407, MISSING[1])
    with proxy.connect() as connection:
        connection.send(target, method="CONNECT", headers=[("Proxy-Authorization", f"Bearer {keys['user'][1]}")])
        assert connection.read_response("HEAD").status == 200
        told = connection.request("/through").json()
        assert told["path"] == "/through"
        assert [name for name, _ in told["headers"]] == ["Host"]
