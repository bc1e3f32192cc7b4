# SPDX-License-Identifier: Apache-2.0
"""AuthBasicProvider apikey: the key as password, alone and beside other providers."""

import base64
import hashlib
import re

import pytest
from harness.apps import Cgi, Fpm, HttpApp
from harness.keyfmt import insert_key, mint
from judged import MISSING, UNAVAILABLE, UNJUDGED, VALID, ask, basic, leaked

LIKE_A_KEY = mint()  # somebody's password in a file, and no key
FOREIGN = "ghp_0123456789abcdef"
OTHERS = (200, None, None)  # let in by another provider
PASS_AUTH = "CGIPassAuth On\n"


def refused(status=None):
    return (401, 'Basic realm="people"', status)


def location(path, providers="apikey", more="Require valid-user"):
    return (
        f'<Location "{path}">\nAuthType Basic\nAuthName people\nAuthBasicProvider {providers}\n'
        f'AuthUserFile "${{folder}}/people"\n{more}\n</Location>\n'
    )


ALIAS = """
<AuthnProviderAlias apikey keys-of-teams>
    ApiKeyUserKeys Off
</AuthnProviderAlias>
"""

LOCATIONS = [
    location("/alone/"),
    location("/first/", "apikey file"),
    location("/second/", "file apikey"),
    location("/alias/", "keys-of-teams"),
    location("/lenient/", "apikey", "AuthBasicAuthoritative Off\nRequire valid-user"),
    location("/optional/", "apikey file", "ApiKeyOptional On\nRequire all granted"),
    location("/optional-user/", "apikey file", "ApiKeyOptional On\nRequire valid-user"),
    location("/key/", "apikey file", "Require apikey"),
    location("/scope/", "apikey", "Require apikey-scope orders:write"),
    location("/scope-on/", "apikey", "AuthzSendForbiddenOnFailure On\nRequire apikey-scope orders:write"),
    location("/lan/", "apikey", "<RequireAny>\nRequire ip 127.0.0.1\nRequire valid-user\n</RequireAny>"),
    location("/cgi/env/both", "apikey file", PASS_AUTH + "Require valid-user"),
    location("/cgi/env/teams", "apikey", PASS_AUTH + "ApiKeyUserKeys Off\nRequire valid-user"),
    location("/cgi/env/copied", "apikey", PASS_AUTH + 'SetEnvIf Authorization "(.*)" HTTP_AUTHORIZATION=$1\n'
             "Require valid-user"),
    location("/cgi/env/forward", "apikey", PASS_AUTH + "ApiKeyForward On\nRequire valid-user"),
    location("/cgi/env/optional", "apikey", PASS_AUTH + "ApiKeyOptional On\nRequire all granted"),
    location("/fpm/", "apikey file", PASS_AUTH + "Require valid-user"),
    location("/app/", "apikey file"),
    location("/again/", "apikey"),
    '<Location "/cgi/env/bearer">\nAuthType Bearer\nRequire apikey\n</Location>\n',
]  # fmt: skip

CONFIG = """
AliasMatch "^/[a-z-]+/$" "${htdocs}/index.html"
<Directory "${htdocs}/again">
    RewriteEngine On
    RewriteRule "^to/(.+)" "/cgi/env/$1" [L]
    ErrorDocument 404 /cgi/env/both
</Directory>
<VirtualHost 127.0.0.1:${port}>
    ServerName localhost
</VirtualHost>
<VirtualHost 127.0.0.1:${port}>
    ServerName foreign
    ApiKeyForeign On
</VirtualHost>
<VirtualHost 127.0.0.1:${port}>
    ServerName dead
    DBDParams "${dead}"
</VirtualHost>
<VirtualHost 127.0.0.1:${port}>
    ServerName dead-foreign
    ApiKeyForeign On
    DBDParams "${dead}"
</VirtualHost>
"""


@pytest.fixture(scope="module")
def keys(module_database):
    return {
        "user": insert_key(module_database, "user", "alice", "orders:read")[1],
        "team": insert_key(module_database, "team", "blue")[1],
        "revoked": insert_key(module_database, "user", "alice", revoked_at="2024-01-01")[1],
        "expired": insert_key(module_database, "user", "alice", expires_at=-1)[1],
        "foreign": insert_key(module_database, "team", "legacy", key=FOREIGN)[1],
        "unknown": mint(),
        "like-a-key": LIKE_A_KEY,
        "file": "from the file",
        "wrong": "wrong",
        "empty": "",
    }


@pytest.fixture(scope="module")
def server(make_module_httpd, make_module_app, module_database, keys):
    dead = f'Define dead "{module_database.server.dbd_params("information_schema")}"\n'
    httpd = make_module_httpd(
        dead + ALIAS + "".join(LOCATIONS) + CONFIG,
        mounts={"/cgi": make_module_app(Cgi), "/fpm": make_module_app(Fpm), "/app": make_module_app(HttpApp)},
        dbd=module_database.dbd_params(),
        start=False,
    )
    people = {"dave": keys["file"], "erin": LIKE_A_KEY}
    (httpd.folder / "people").write_text("".join(f"{name}:{sha(text)}\n" for name, text in people.items()))
    (httpd.folder / "people").chmod(0o644)
    (httpd.htdocs / "again").mkdir()
    return httpd.start()


@pytest.fixture(autouse=True)
def no_key_in_any_log(server, keys):
    yield
    assert leaked(server, [keys[name] for name in ("user", "team", "revoked", "expired", "unknown")]) == []


def sha(password):
    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


def ask_as(server, path, user, password, host="localhost"):
    """Asks with Basic credentials, expecting what mod_auth_basic says of those it refuses."""
    name = re.escape(user or "")
    server.expect(rf"AH01617: user {name}: authentication failure", rf"AH01618: user {name} not found")
    given = [] if user is None else [basic(user, password)]
    return ask(server, path, headers=[("Host", host), *given])


ANSWERS = [
    # place, user, password, answer
    ("alone", "anybody", "user", VALID),
    ("alone", "", "user", VALID),
    ("alone", "dave", "team", VALID),
    ("alone", None, None, refused()),
    ("alone", "alice", "revoked", refused("revoked")),
    ("alone", "alice", "expired", refused("expired")),
    ("alone", "alice", "unknown", refused("not_found")),
    ("alone", "alice", "wrong", refused()),
    ("alone", "alice", "empty", refused()),
    ("alone", "dave", "file", refused()),
    ("first", "x", "user", VALID),
    ("first", "dave", "file", OTHERS),
    ("first", "dave", "wrong", refused()),
    ("first", "nobody", "wrong", refused()),
    ("first", "erin", "like-a-key", refused("not_found")),  # looks like ours, so nobody else is asked
    ("first", "dave", "revoked", refused("revoked")),
    ("second", "x", "user", VALID),
    ("second", "x", "revoked", refused("revoked")),
    ("second", "dave", "file", OTHERS),
    ("second", "erin", "like-a-key", OTHERS),
    ("second", "dave", "user", refused()),  # the file knows dave, and that this is not his password
    ("alias", "x", "team", VALID),
    ("alias", "x", "user", refused("wrong_type")),
    ("optional", None, None, UNJUDGED),
    ("optional", "x", "user", VALID),
    ("optional", "x", "revoked", refused("revoked")),
    ("optional", "x", "wrong", refused()),
    ("optional", "dave", "file", OTHERS),
    ("optional-user", None, None, refused()),
    ("optional-user", "x", "user", VALID),
    ("optional-user", "x", "revoked", refused("revoked")),
    ("key", "x", "user", VALID),
    ("key", "dave", "file", refused()),
    ("lan", None, None, UNJUDGED),
    ("lan", "x", "revoked", UNJUDGED),
    ("scope", "x", "user", refused("insufficient_scope")),
    ("scope-on", "x", "user", (403, None, "insufficient_scope")),
]


@pytest.mark.parametrize("place, user, password, answer", ANSWERS, ids=["-".join(map(str, row[:3])) for row in ANSWERS])
def test_answer(server, keys, place, user, password, answer):
    server.expect(r"AH01631: user \S+: authorization failure")
    assert ask_as(server, f"/{place}/", user, keys.get(password)).answer == answer


FOREIGNERS = [
    ("alone", "x", "foreign", VALID),
    ("alone", "x", "wrong", refused()),
    ("first", "dave", "file", OTHERS),
    ("first", "dave", "foreign", VALID),
    ("first", "erin", "like-a-key", refused("not_found")),
]


@pytest.mark.parametrize("place, user, password, answer", FOREIGNERS, ids=["-".join(row[:3]) for row in FOREIGNERS])
def test_foreign_keys(server, keys, place, user, password, answer):
    assert ask_as(server, f"/{place}/", user, keys[password], "foreign").answer == answer


def test_foreign_key_where_they_are_off(server, keys):
    assert ask_as(server, "/alone/", "x", keys["foreign"]).answer == refused()


def test_optional_ignores_another_scheme(server, keys):
    assert ask(server, "/optional/", keys["user"]).answer == UNJUDGED


def test_access_log_names_the_owner_of_the_key(server, keys):
    def logged(user, password):
        mark = server.access_mark()
        ask_as(server, "/first/", user, keys[password])
        return server.access_lines(mark, count=1)[0].split()[1]

    assert logged("x", "user") == "alice"
    assert logged("x", "team") == "team:blue"
    assert logged("dave", "file") == "dave"


# -- the database cannot be asked ------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["alone", "first", "lenient", "optional", "key", "scope"])
def test_without_a_database(server, keys, place):
    server.expect(r"AK00[25]0: .*Unknown table")
    judged = ask_as(server, f"/{place}/", "erin", LIKE_A_KEY, "dead")
    assert judged.answer == UNAVAILABLE
    assert int(judged.response.header("Retry-After")) > 0
    assert judged.response.header("Proxy-Authenticate") is None


def test_other_providers_work_without_a_database(server, keys):
    assert ask_as(server, "/first/", "dave", keys["file"], "dead").answer == OTHERS
    assert ask_as(server, "/second/", "erin", LIKE_A_KEY, "dead").answer == OTHERS


def test_what_may_be_a_foreign_key_is_unavailable_too(server, keys):
    server.expect(r"AK00[25]0: .*Unknown table")
    judged = ask_as(server, "/first/", "dave", keys["file"], "dead-foreign")
    assert judged.answer == UNAVAILABLE
    assert sum("AK0020" in line for line in judged.logged) == 1


# -- what the application sees ---------------------------------------------------------------------------------


def told(server, path, user, password):
    """The environment of the CGI program, and the names in it that carry a password."""
    judged = ask_as(server, path, user, password)
    assert judged.response.status == 200
    environ = judged.response.json()
    carriers = [name for name, value in environ.items() if "AUTHORIZATION" in name or (password and password in value)]
    return environ, carriers


@pytest.mark.parametrize(
    "key, owner", [("user", ("alice", "APIKEY_USER", "alice")), ("team", ("team:blue", "APIKEY_TEAM", "blue"))]
)
def test_owner_becomes_the_user(server, keys, key, owner):
    environ, carriers = told(server, "/cgi/env/both", "somebody", keys[key])
    remote_user, name, value = owner
    assert (environ["REMOTE_USER"], environ["AUTH_TYPE"], environ[name]) == (remote_user, "Basic", value)
    assert environ["APIKEY_STATUS"] == "valid"
    assert "somebody" not in environ.values()
    assert carriers == []


def test_people_of_other_providers_have_no_key(server, keys):
    environ, carriers = told(server, "/cgi/env/both", "dave", keys["file"])
    assert environ["REMOTE_USER"] == "dave"
    assert [name for name in environ if name.startswith("APIKEY_")] == []
    assert carriers == ["HTTP_AUTHORIZATION"]  # CGIPassAuth On, and no business of ours


@pytest.mark.parametrize("path, carriers", [
    ("/cgi/env/copied", []),
    ("/cgi/env/optional", []),
    ("/cgi/env/forward", ["HTTP_AUTHORIZATION"]),
])  # fmt: skip
def test_credential_is_removed_unless_forwarded(server, keys, path, carriers):
    assert told(server, path, "x", keys["user"])[1] == carriers


def test_optional_goes_on_without_a_user(server):
    environ, _ = told(server, "/cgi/env/optional", None, None)
    assert "REMOTE_USER" not in environ


def test_php_gets_no_password(server, keys):
    given = ask_as(server, "/fpm/env.php", "x", keys["user"]).response.json()["server"]
    assert given["REMOTE_USER"] == "alice"
    assert {"PHP_AUTH_USER", "PHP_AUTH_PW", "HTTP_AUTHORIZATION"} & set(given) == set()
    assert keys["user"] not in str(given)
    of_others = ask_as(server, "/fpm/env.php", "dave", keys["file"]).response.json()["server"]
    assert of_others["PHP_AUTH_PW"] == keys["file"]


def test_proxied_application_gets_no_password(server, keys):
    headers = dict(ask_as(server, "/app/x", "x", keys["user"]).response.json()["headers"])
    assert headers["X-ApiKey-User"] == "alice"
    assert "Authorization" not in headers
    assert "Authorization" in dict(ask_as(server, "/app/x", "dave", keys["file"]).response.json()["headers"])


# -- redirects -------------------------------------------------------------------------------------------------


def test_redirect_is_judged_again_without_the_removed_header(server, keys):
    for key, owner in (("team", "team:blue"), ("user", "alice")):
        environ, carriers = told(server, "/again/to/both", "x", keys[key])
        assert (environ["REMOTE_USER"], environ["REDIRECT_URL"]) == (owner, "/again/to/both")
        assert carriers == []


def test_redirect_into_a_stricter_place_is_refused(server, keys):
    assert ask_as(server, "/again/to/teams", "x", keys["user"]).answer == refused("wrong_type")
    assert ask_as(server, "/again/to/teams", "x", keys["team"]).answer == VALID


def test_redirect_into_a_bearer_place_needs_a_bearer(server, keys):
    status, challenge, _ = ask_as(server, "/again/to/bearer", "x", keys["user"]).answer
    assert (status, challenge) == MISSING[:2]


def test_redirect_into_an_open_place_keeps_the_user(server, keys):
    environ, carriers = told(server, "/again/to/open", "x", keys["user"])
    assert (environ["REMOTE_USER"], environ["APIKEY_USER"]) == ("alice", "alice")
    assert carriers == []


def test_error_document_gets_no_password(server, keys):
    judged = ask_as(server, "/again/none", "x", keys["user"])
    environ = judged.response.json()
    assert (judged.response.status, environ["REMOTE_USER"]) == (404, "alice")
    assert keys["user"] not in str(environ)
    assert not [name for name in environ if "AUTHORIZATION" in name]


# -- a login by form, which has a name of its own ----------------------------------------------------------------

FORM = """
<AuthnProviderAlias apikey keys>
</AuthnProviderAlias>
<LocationMatch "^/(login|app)">
    AuthType Form
    AuthName people
    AuthFormProvider keys
    Session On
    SessionCookieName session path=/
    %s
    Require valid-user
</LocationMatch>
<Location "/login">
    AuthType %s
    SetHandler form-login-handler
    AuthFormLoginSuccessLocation "/app"
    Require all granted
</Location>
"""


@pytest.mark.parametrize("passphrase", ["", "AuthFormSitePassphrase secret"])
@pytest.mark.parametrize("auth_type", ["Form", "Basic"])
def test_a_key_does_not_log_in_by_form(make_httpd, database, auth_type, passphrase):
    """mod_auth_form would keep the name that was typed beside it, after the key's end too."""
    httpd = make_httpd(FORM % (passphrase, auth_type), dbd=database.dbd_params(),
                       modules=["request", "session", "session_cookie", "auth_form"])  # fmt: skip
    key = insert_key(database, "user", "mallory")[1]
    httpd.expect("AK0011: the provider apikey is for AuthBasicProvider alone; .*: /login", "AH018[01]")
    answer = httpd.get("/login", method="POST", body=f"httpd_username=carol&httpd_password={key}",
                       headers=[("Content-Type", "application/x-www-form-urlencoded")])  # fmt: skip
    assert answer.status == 401
    httpd.wait_log("AK0011")
    for cookie in [cookie.split(";")[0] for cookie in answer.all("Set-Cookie")]:
        assert httpd.get("/app", headers=[("Cookie", cookie)]).status == 401
