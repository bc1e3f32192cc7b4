# SPDX-License-Identifier: Apache-2.0
"""`AuthBearerProvider apikey`, for an httpd whose mod_auth_bearer answers AuthType Bearer. `make check-trunk` asks that
of httpd's trunk; `make check-autht` builds the module as for it, and a module that asks providers as trunk's does."""

import os

import pytest
from harness.keyfmt import insert_key, mint, mistyped

BEARER = os.environ.get("TEST_AUTHT")
TRUNK = BEARER == "trunk"
pytestmark = pytest.mark.skipif(not BEARER, reason="make check-autht, check-trunk")
MODULES = ["auth_bearer"] if TRUNK else []

SITE = f"""
{"" if TRUNK else f'LoadModule auth_bearer_module "{BEARER}"'}
<Location "/">
    AuthType Bearer
    AuthName theirs
    AuthBearerProvider apikey
    Require valid-user
    Header always set X-Who "expr=%{{REMOTE_USER}} %{{APIKEY_OWNER_TYPE}} %{{APIKEY_STATUS}}"
    Header always set X-Sent "expr=%{{HTTP:Authorization}}"
</Location>
<Location "/users">
    ApiKeyTeamKeys Off
</Location>
<Location "/scoped">
    Require apikey-scope orders:write
</Location>
<Location "/read">
    Require apikey-scope orders:read
</Location>
<Location "/blue">
    Require apikey-team blue
</Location>
<Location "/not-blue">
    <RequireAll>
        Require all granted
        Require not apikey-team blue
    </RequireAll>
</Location>
<Location "/ours">
    AuthType ApiKey
    AuthName ours
    Require apikey
</Location>
DirectoryIndex index.html
<Location "/elsewhere">
    AuthName elsewhere
    Require apikey-user alice
</Location>
RewriteEngine On
RewriteRule "^/redirected$" "/elsewhere" [PT]
AliasMatch "^/(users|scoped|read|blue|not-blue|ours|elsewhere)" "${{htdocs}}/index.html"
<Location "/missing">
    ErrorDocument 404 /elsewhere
</Location>
Alias "/folder/" "${{htdocs}}/"
<Location "/folder/index.html">
    AuthName file
    Require apikey
</Location>
"""
# What our provider answers, and by what line mod_auth_bearer lets that be known: none where it has nothing to say.
DENIED, GRANTED, GENERAL_ERROR, MISMATCH, EXPIRED, INVALID = "0", "1", "4", "5", "6", "7"
LOGGED = {DENIED: "AH10425", MISMATCH: "AH10428", EXPIRED: "AH10426", INVALID: "AH10427"}


def was_told(server, answer, mark):
    if not TRUNK:
        return answer.header("X-Autht")
    lines = "\n".join(server.log_lines(mark))
    return next((said for said, number in LOGGED.items() if number in lines), None)


@pytest.fixture(scope="module")
def server(make_module_httpd, module_database):
    return make_module_httpd(SITE, modules=MODULES, dbd=module_database.dbd_params())


@pytest.fixture(autouse=True)
def refusals_are_logged(server):
    server.expect(r"AK000[123]: API key |AH01630|AH01631|AH1042[5678]")


@pytest.fixture(scope="module")
def keys(module_database):
    return {
        "alice": insert_key(module_database, "user", "alice", "orders:read")[1],
        "blue": insert_key(module_database, "team", "blue")[1],
        "revoked": insert_key(module_database, "user", "alice", revoked_at="2020-01-01")[1],
        "expired": insert_key(module_database, "user", "alice", expires_at=-60)[1],
        "unknown": mint(),
        "mistyped": mistyped(mint()),
        "foreign": "eyJhbGciOiJub25lIn0.e30.",
    }


@pytest.mark.parametrize("path, key, status, said, who", [
    ("/", "alice", 200, GRANTED, "alice user valid"),
    ("/", "blue", 200, GRANTED, "team:blue team valid"),
    ("/users", "blue", 401, DENIED, None),
    ("/", "revoked", 401, DENIED, None),
    ("/", "expired", 401, EXPIRED, None),
    ("/", "unknown", 401, INVALID, None),
    ("/", "mistyped", 401, INVALID, None),
    ("/", "foreign", 401, MISMATCH, None),
])  # fmt: skip
def test_what_mod_auth_bearer_is_told(server, keys, path, key, status, said, who):
    for _ in range(2):  # from the database, from memory
        mark = server.log_mark()
        answer = server.get(path, keys[key])
        assert answer.status == status
        if said != GRANTED or not TRUNK:
            assert was_told(server, answer, mark) == said
        if who:
            assert answer.header("X-Who") == who


def test_our_own_hook_steps_aside(server):
    """Without a token it is mod_auth_bearer who answers, with its own challenge."""
    assert server.get("/").header("WWW-Authenticate") == 'Bearer realm="theirs"'


def test_authtype_apikey_is_ours_beside_it(server, keys):
    assert server.get("/ours").header("WWW-Authenticate") == 'Bearer realm="ours"'
    assert server.get("/ours", keys["alice"]).status == 200
    assert server.get("/ours", keys["alice"]).header("X-Autht") is None


@pytest.mark.parametrize("path, key, status, challenge", [
    ("/read", "alice", 200, None),
    ("/blue", "blue", 200, None),
    ("/not-blue", "alice", 200, None),
    ("/scoped", "alice", 403, 'Bearer realm="theirs", error="insufficient_scope", scope="orders:write"'),
    ("/blue", "alice", 403, None),
    ("/not-blue", "blue", 403, None),
])  # fmt: skip
def test_require_lines_know_the_caller(server, keys, path, key, status, challenge):
    mark = server.access_mark()
    answer = server.get(path, keys[key])
    assert (answer.status, answer.header("WWW-Authenticate")) == (status, challenge)
    expected = {200: "valid", 403: "insufficient_scope" if challenge else "forbidden"}[status]
    assert server.access_lines(mark, 1)[0].endswith(f"status={expected}")


@pytest.mark.parametrize("path", ["/folder/", "/elsewhere", "/redirected", "/missing"])
def test_it_knows_the_caller_after_a_redirect(server, keys, path):
    """Which leads to another place of its own, when the token was taken away for the application."""
    answer = server.get(path, keys["alice"])
    assert answer.body == b"hello\n"
    assert answer.header("X-Who") == "alice user valid"


@pytest.mark.parametrize("path", ["/", "/folder/", "/read", "/elsewhere", "/missing"])
def test_the_application_does_not_see_the_token(server, keys, path):
    assert server.get(path, keys["alice"]).header("X-Sent") == ""


def test_after_a_redirect_another_is_refused(server, keys):
    assert server.get("/missing", keys["blue"]).body != b"hello\n"


def test_no_provider_of_ours_was_asked_for_another_scheme(server):
    answer = server.get("/", headers=[("Authorization", "Basic YTpi")])
    server.expect("AH10448")
    assert answer.status == 401


def test_a_database_that_is_away_is_no_401(make_httpd, make_mariadb):
    mariadb = make_mariadb()
    database = mariadb.create_database()
    key = insert_key(database, "user", "alice")[1]
    httpd = make_httpd(SITE, modules=MODULES, dbd=database.dbd_params())
    mariadb.stop()
    httpd.expect("AK00", "AH0")
    assert httpd.get("/", key).status == 500


def test_bearer_without_our_provider_is_refused_at_start(make_httpd, database):
    site = SITE.replace("    AuthBearerProvider apikey\n", "")
    httpd = make_httpd(site, modules=MODULES, dbd=database.dbd_params(), start=False)
    status, said = httpd.configtest()
    assert status == 1 and "write AuthType ApiKey" in said
