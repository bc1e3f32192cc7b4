# SPDX-License-Identifier: Apache-2.0
"""`AuthBearerProvider apikey`, for an httpd whose mod_auth_bearer answers AuthType Bearer; `make check-autht` builds the
module as for httpd's trunk, and a module that asks providers as trunk's does."""

import os

import pytest
from harness.keyfmt import insert_key, mint, mistyped

BEARER = os.environ.get("TEST_AUTHT")
pytestmark = pytest.mark.skipif(not BEARER, reason="make check-autht")

SITE = f"""
LoadModule auth_bearer_module "{BEARER}"
<Location "/">
    AuthType Bearer
    AuthBearerProvider apikey
    Require valid-user
    Header always set X-Who "expr=%{{REMOTE_USER}} %{{APIKEY_OWNER_TYPE}} %{{APIKEY_STATUS}}"
</Location>
<Location "/users">
    ApiKeyTeamKeys Off
</Location>
<Location "/scoped">
    Require apikey-scope orders:write
</Location>
<Location "/ours">
    AuthType ApiKey
    Require apikey
</Location>
AliasMatch "^/(users|scoped|ours)" "${{htdocs}}/index.html"
"""
DENIED, GRANTED, GENERAL_ERROR, MISMATCH, EXPIRED, INVALID = "0", "1", "4", "5", "6", "7"


@pytest.fixture(scope="module")
def server(make_module_httpd, module_database):
    return make_module_httpd(SITE, dbd=module_database.dbd_params())


@pytest.fixture(autouse=True)
def refusals_are_logged(server):
    server.expect(r"AK000[123]: API key |AH01631")


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
        answer = server.get(path, keys[key])
        assert (answer.status, answer.header("X-Autht")) == (status, said)
        if who:
            assert answer.header("X-Who") == who


def test_our_own_hook_steps_aside(server):
    """Without a token it is mod_auth_bearer who answers, with its own challenge."""
    assert server.get("/").header("WWW-Authenticate") == 'Bearer realm="theirs"'


def test_authtype_apikey_is_ours_beside_it(server, keys):
    assert server.get("/ours").header("WWW-Authenticate") == 'Bearer realm="API"'
    assert server.get("/ours", keys["alice"]).status == 200
    assert server.get("/ours", keys["alice"]).header("X-Autht") is None


def test_require_lines_know_the_caller(server, keys):
    assert server.get("/scoped", keys["alice"]).status in (401, 403)


def test_a_database_that_is_away_is_no_401(make_httpd, make_mariadb):
    mariadb = make_mariadb()
    database = mariadb.create_database()
    key = insert_key(database, "user", "alice")[1]
    httpd = make_httpd(SITE, dbd=database.dbd_params())
    mariadb.stop()
    httpd.expect("AK00", "AH0")
    assert httpd.get("/", key).header("X-Autht") == GENERAL_ERROR


def test_bearer_without_our_provider_is_refused_at_start(make_httpd, database):
    httpd = make_httpd(SITE.replace("    AuthBearerProvider apikey\n", ""), dbd=database.dbd_params(), start=False)
    status, said = httpd.configtest()
    assert status == 1 and "write AuthType ApiKey" in said
