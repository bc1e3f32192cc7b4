# SPDX-License-Identifier: Apache-2.0
"""Each configuration in conf/examples does what it says: with the modules it names and nothing changed but the values
of its Define lines."""

import base64
import hashlib
import re

import pytest
from harness import ROOT
from harness.apps import Cgi, Fpm, HttpApp
from harness.keyfmt import insert_key, mint, mistyped
from harness.openid import CLIENT, SECRET, OpenIdProvider, Visitor
from judged import basic
from managed import Caller, error

FOLDER = ROOT / "conf" / "examples"
# What any httpd has that serves files, and what authn_apikey.load depends on.
STOCK = ["unixd", "log_config", "mime", "dir", "watchdog", "authn_core", "authz_core", "dbd"]


@pytest.fixture(scope="module")
def keys(module_database):
    return {
        "alice": insert_key(module_database, "user", "alice", "packages:read orders:read")[1],
        "blue": insert_key(module_database, "team", "blue", "orders:*")[1],
    }


@pytest.fixture
def make_example(make_httpd, module_database):
    """make_example("cgi.conf", API_URL="/x") starts a server with the example, and perhaps something before it."""

    def make(name, before="", **values):
        text = (FOLDER / name).read_text()
        httpd = make_httpd(start=False, dbd=module_database.dbd_params())
        named = re.search(r"(?m)^# Modules: authn_apikey (.*)$", text)[1].split()
        httpd.modules = [*STOCK, *named]
        for variable, value in values.items():
            text, found = re.subn(rf"(?m)^Define {variable} .*$", f'Define {variable} "{value}"', text)
            assert found == 1, f"{name} does not define {variable}"
        httpd.config = before + text
        return httpd.start()

    return make


@pytest.fixture
def pages(scratch):
    """A folder of files to serve."""
    folder = scratch.folder("pages")
    folder.chmod(0o755)
    (folder / "index.html").write_text("hello\n")
    return folder


def bearer(key):
    return [("Authorization", f"Bearer {key}")]


def assert_keys_are_asked_for(httpd, path):
    """No key and a bad one are refused as RFC 6750 has it."""
    assert httpd.get(path).status == 401
    assert httpd.get(path).header("WWW-Authenticate") == 'Bearer realm="API"'
    httpd.expect(r"AK0001: API key not_found")
    answer = httpd.get(path, mistyped(mint()))
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Bearer realm="API", error="invalid_token"')


def test_cgi(make_example, make_app, keys):
    httpd = make_example("cgi.conf", API_PROGRAMS=make_app(Cgi).folder)
    assert_keys_are_asked_for(httpd, "/api/env")
    told = httpd.get("/api/env", keys["alice"]).json()
    assert (told["REMOTE_USER"], told["APIKEY_OWNER_TYPE"], told["APIKEY_USER"]) == ("alice", "user", "alice")
    assert told["APIKEY_SCOPES"] == "packages:read orders:read" and told["APIKEY_ID"].isdigit()
    told = httpd.get("/api/env", keys["blue"]).json()
    assert (told["REMOTE_USER"], told["APIKEY_TEAM"]) == ("team:blue", "blue")
    assert "APIKEY_USER" not in told and keys["blue"] not in str(told)


def test_php_fpm(make_example, make_app, keys):
    fpm = make_app(Fpm)
    httpd = make_example("php-fpm.conf", API_SCRIPTS=fpm.folder, FPM_SOCKET=fpm.socket)
    assert_keys_are_asked_for(httpd, "/api/env.php")
    told = httpd.get("/api/env.php", keys["alice"]).json()["server"]
    assert (told["REMOTE_USER"], told["APIKEY_USER"], told["APIKEY_SCOPES"]) == (
        "alice", "alice", "packages:read orders:read",
    )  # fmt: skip
    told = httpd.get("/api/env.php", keys["blue"]).json()["server"]
    assert (told["REMOTE_USER"], told["APIKEY_TEAM"]) == ("team:blue", "blue") and keys["blue"] not in str(told)


def test_reverse_proxy(make_example, make_app, keys):
    app = make_app(HttpApp)
    httpd = make_example("reverse-proxy.conf", BACKEND=f"http://127.0.0.1:{app.port}")
    assert_keys_are_asked_for(httpd, "/api/x")
    told = httpd.get("/api/x", keys["alice"], headers=[("X-ApiKey-Team", "red"), ("x_apikey_user", "root")]).json()
    assert told["path"] == "/api/x"
    ours = {name: value for name, value in told["headers"] if "apikey" in name.lower()}
    assert ours.pop("X-ApiKey-Id").isdigit()
    assert ours == {
        "X-ApiKey-Owner-Type": "user", "X-ApiKey-Owner": "alice", "X-ApiKey-User": "alice",
        "X-ApiKey-Scopes": "packages:read orders:read", "X-ApiKey-Expires": "",
    }  # fmt: skip
    assert keys["alice"] not in str(told)


def test_reverse_proxy_with_scopes(make_example, make_app, keys, module_database):
    httpd = make_example("reverse-proxy.conf", BACKEND=f"http://127.0.0.1:{make_app(HttpApp).port}")
    none = insert_key(module_database, "user", "bob")[1]
    for method, key, status, scopes in (
        ("GET", None, 401, None),
        ("POST", None, 401, None),
        ("GET", keys["alice"], 200, None),
        ("POST", keys["alice"], 403, "orders:write"),
        ("DELETE", keys["alice"], 403, "orders:write"),
        ("GET", keys["blue"], 200, None),
        ("POST", keys["blue"], 200, None),
        ("GET", none, 403, "orders:write orders:read"),
    ):
        if status == 403:
            httpd.expect(r"AH01631: user \w+: authorization failure")
        response = httpd.get("/api/orders/1", key, method=method)
        assert (method, response.status) == (method, status)
        if scopes:
            assert response.header("WWW-Authenticate").endswith(f'error="insufficient_scope", scope="{scopes}"')


def test_basic(make_example, pages, keys):
    httpd = make_example("basic.conf", REPOSITORY_FOLDER=pages)
    assert httpd.get("/packages/").header("WWW-Authenticate") == 'Basic realm="Packages"'
    assert httpd.get("/packages/", headers=[basic("anything", keys["alice"])]).text == "hello\n"
    assert httpd.access_lines(count=2)[1].split()[1] == "alice"
    httpd.expect(r"AK0001: API key not_found", r"AH0161[78]: user anything", r"AH01631: user team:blue: authorization")
    assert httpd.get("/packages/", headers=[basic("anything", mistyped(mint()))]).status == 401
    assert httpd.get("/packages/", headers=[basic("anything", keys["blue"])]).status == 401
    assert httpd.get("/packages/", headers=[basic("anything", "a password")]).status == 401


def test_x_api_key(make_example, pages, keys):
    httpd = make_example("x-api-key.conf", API_FOLDER=pages)
    assert_keys_are_asked_for(httpd, "/api/")
    assert httpd.get("/api/", headers=[("X-API-Key", keys["alice"])]).text == "hello\n"
    assert httpd.get("/api/", keys["alice"]).text == "hello\n"
    httpd.expect(r"AK0001: API key malformed", r"AK0001: API key not_found")
    assert httpd.get("/api/", headers=[*bearer(keys["alice"]), ("X-API-Key", keys["alice"])]).status == 400
    assert httpd.get("/api/", headers=[("X-API-Key", mistyped(mint()))]).status == 401


PREFLIGHT = [("Origin", "https://www.example.org"), ("Access-Control-Request-Method", "POST")]


def test_cors_preflight(make_example, pages, keys):
    httpd = make_example("cors-preflight.conf", API_FOLDER=pages)
    answer = httpd.get("/api/", headers=PREFLIGHT, method="OPTIONS")
    assert answer.status == 204
    assert answer.header("Access-Control-Allow-Origin") == "https://www.example.org"
    assert answer.header("Access-Control-Allow-Headers") == "Authorization, Content-Type"
    assert "POST" in answer.header("Access-Control-Allow-Methods")
    assert answer.header("WWW-Authenticate") is None
    assert_keys_are_asked_for(httpd, "/api/")


def test_cors_lets_nothing_else_in_without_a_key(make_example, pages, keys):
    httpd = make_example("cors-preflight.conf", API_FOLDER=pages)
    for method, headers in (
        ("GET", PREFLIGHT), ("POST", PREFLIGHT), ("OPTIONS", []), ("OPTIONS", PREFLIGHT[:1]), ("OPTIONS", PREFLIGHT[1:])
    ):  # fmt: skip
        refused = httpd.get("/api/", headers=headers, method=method)
        assert (method, refused.status) == (method, 401)
        # A script of the page may read why.
        assert refused.header("Access-Control-Allow-Origin") == "https://www.example.org"
        assert refused.header("Access-Control-Expose-Headers") == "WWW-Authenticate"
        assert httpd.get("/api/", keys["alice"], headers=headers, method=method).status == 200


def test_metrics(make_example):
    httpd = make_example("metrics.conf")
    answer = httpd.get("/apikey-metrics")
    assert answer.status == 200 and 'apikey_requests_total{status="valid"} 0\n' in answer.text


@pytest.fixture
def accounts(mariadb, module_database):
    """Those of grants.sql, to log in with."""
    mariadb.sql("".join(f"DROP USER IF EXISTS apikey_{name}@localhost;" for name in ("check", "manage", "admin", "definer")))
    module_database.sql((ROOT / "conf" / "grants.sql").read_text())
    mariadb.sql("ALTER USER apikey_manage@localhost IDENTIFIED BY 'secret' ACCOUNT UNLOCK")
    return module_database.dbd_params("apikey_manage", "secret")


def test_manage(make_example, scratch, accounts):
    folder = scratch.folder("people")
    folder.chmod(0o755)
    passwords = {name: base64.b64encode(hashlib.sha1(name.encode()).digest()).decode() for name in ("alice", "root")}
    (folder / "people").write_text("".join(f"{name}:{{SHA}}{text}\n" for name, text in passwords.items()))
    www = '<VirtualHost *:${port}>\nServerName www\n<Location "/">\nAuthType Bearer\nRequire apikey\n</Location>\n</VirtualHost>\n'
    httpd = make_example("manage.conf", www, KEYS_HOST="keys", KEYS_PORT="${port}", KEYS_PEOPLE=folder / "people",
                         KEYS_DBD=accounts)  # fmt: skip
    host = [("Host", "keys")]
    alice, root = Caller(httpd, "", user="alice", headers=host), Caller(httpd, "/admin", user="root", headers=host)
    assert Caller(httpd, "", headers=host).ask("/me").status == 401
    made = alice.created(scopes=["orders:read"])
    assert httpd.get("/", made["value"], headers=[("Host", "www")]).text == "hello\n"
    assert alice.ask("/me").json()["limits"]["max_keys"] == 20
    assert error(alice.create(scopes=["else"])) == (400, "SCHEMA_ERROR")
    httpd.expect(r"AH01631: user alice: authorization failure")
    assert Caller(httpd, "/admin", user="alice", headers=host).ask("/me").status in (401, 403)
    assert root.revoke(made["id"]).status == 200
    httpd.expect(r"AK0003: API key revoked")
    assert httpd.get("/", made["value"], headers=[("Host", "www")]).status == 401


def test_manage_openidc(make_example, make_app, keys):
    provider = make_app(OpenIdProvider)
    api = '<Location "/api">\nAuthType Bearer\nRequire apikey\n</Location>\n'
    httpd = make_example("manage-openidc.conf", api, OPENID_METADATA=provider.metadata_url, OPENID_CLIENT=CLIENT,
                         OPENID_SECRET=SECRET)  # fmt: skip
    httpd.expect('OIDCProviderMetadataURL SHOULD be "https"', "AH01631: user dora: authorization failure")
    (httpd.htdocs / "api").mkdir()
    (httpd.htdocs / "api" / "index.html").write_text("hello\n")

    def come(**claims):
        provider.claims, visitor = claims, Visitor(httpd)
        assert visitor.get("/keys/").header("Content-Type") == "text/html; charset=utf-8"
        return Caller(httpd, headers=visitor.headers), Caller(httpd, "/keys/admin", headers=visitor.headers)

    dora, dora_as_admin = come(sub="dora", email="d@example.org", groups=["people"])
    made = dora.created(scopes=["orders:read"])
    assert made["user_id"] == "dora" and [key["id"] for key in dora.items()] == [made["id"]]
    assert httpd.get("/api/", made["value"]).text == "hello\n"
    assert httpd.get("/api/", headers=dora.headers).status == 401
    assert httpd.get("/keys/me", keys["alice"], headers=Visitor.LINK).status == 302
    assert dora_as_admin.ask("/keys").status == 401
    _, root = come(sub="root", groups=["people", "key-keepers"])
    assert root.revoke(made["id"]).status == 200
    httpd.expect(r"AK0003: API key revoked")
    assert httpd.get("/api/", made["value"]).status == 401


def test_every_example_is_tested():
    tests = [f"test_{path.stem.replace('-', '_')}" for path in FOLDER.glob("*.conf")]
    assert len(tests) >= 7
    assert [name for name in tests if name not in globals()] == []
