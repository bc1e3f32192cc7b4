# SPDX-License-Identifier: Apache-2.0
"""The management API behind OpenID Connect (mod_auth_openidc): who acts is the claim that OIDCRemoteUserClaim chooses,
and neither module takes the other's places, cookies or bearer tokens for its own."""

import pytest
from harness.httpd import MODULES
from harness.keyfmt import insert_key
from harness.openid import CLIENT, SECRET, OpenIdProvider, Visitor
from managed import PATIENT, Caller, error, rows

CONFIG = """
OIDCProviderMetadataURL {metadata}
OIDCClientID {client}
OIDCClientSecret "{secret}"
OIDCRedirectURI /signed-in
OIDCCryptoPassphrase "a passphrase of this test"
OIDCRemoteUserClaim email
<Location "/signed-in">
    AuthType openid-connect
    Require valid-user
</Location>
<Location "/keys">
    SetHandler apikey-manage
    ApiKeyManage Self
    ApiKeyScopes orders:read
    AuthType openid-connect
    Require valid-user
</Location>
<Location "/admin">
    SetHandler apikey-manage
    ApiKeyManage Admin
    AuthType openid-connect
    Require claim role:keeper
</Location>
<Location "/api">
    AuthType Bearer
    Require apikey
    Header set X-User "expr=%{{REMOTE_USER}} %{{AUTH_TYPE}} %{{APIKEY_OWNER}}"
</Location>
<Location "/people">
    AuthType openid-connect
    Require valid-user
    Header set X-User "expr=%{{REMOTE_USER}} %{{AUTH_TYPE}} %{{APIKEY_OWNER}}"
</Location>
"""

ALICE, BOB = "alice@example.org", "bob@example.org"
SCRIPT = [("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty"), ("Sec-Fetch-Site", "same-origin")]
# It says so at each start; the provider is on this machine.
PLAIN_HTTP = r'OIDCProviderMetadataURL SHOULD be "https"'


@pytest.fixture(scope="module")
def provider(make_module_app):
    return make_module_app(OpenIdProvider)


@pytest.fixture(scope="module", params=["it is loaded first", "it is loaded last"])
def httpd(request, make_module_httpd, module_database, provider):
    config = PATIENT + CONFIG.format(metadata=provider.metadata_url, client=CLIENT, secret=SECRET)
    modules = provider.modules
    if request.param.endswith("last"):
        config, modules = f'LoadModule auth_openidc_module "{MODULES}/mod_auth_openidc.so"\n' + config, []
    httpd = make_module_httpd(config, modules=modules, dbd=module_database.dbd_params(), tolerated=[PLAIN_HTTP],
                              start=False)  # fmt: skip
    for name in ("api", "people"):
        (httpd.htdocs / name).mkdir()
        (httpd.htdocs / name / "index.html").write_text("hello\n")
    return httpd.start()


@pytest.fixture
def sign_in(httpd, provider):
    """sign_in(email, other claims) is a visitor who has come to the page by way of the provider."""

    def do(email, **claims):
        provider.claims = {"email": email} | claims
        visitor = Visitor(httpd)
        page = visitor.get("/keys/")
        assert page.status == 200 and page.header("Content-Type") == "text/html; charset=utf-8"
        return visitor

    return do


def caller(visitor, base="/keys"):
    """The scripts of the page, say."""
    return Caller(visitor.httpd, base, headers=[*visitor.headers, *SCRIPT])


def test_users_look_after_their_keys(httpd, sign_in, module_database):
    alice, bob = caller(sign_in(ALICE)), caller(sign_in(BOB))
    assert alice.ask("/me").json()["user_id"] == ALICE and bob.ask("/me").json()["user_id"] == BOB
    made = alice.created(scopes=["orders:read"])
    number, text = made["id"], made["value"]
    assert made["user_id"] == ALICE
    assert number in [key["id"] for key in alice.items()] and number not in [key["id"] for key in bob.items()]
    assert httpd.get("/api/", text).header("X-User") == f"{ALICE} Bearer {ALICE}"
    httpd.expect(r"AK0071: managing API keys \(update\)", r"AK0003: API key revoked")
    assert error(bob.revoke(number)) == (403, "FORBIDDEN")
    assert alice.rotate(number, grace_seconds=0).status == alice.revoke(number).status == 200
    assert httpd.get("/api/", text).status == 401
    acts = module_database.sql(f"SELECT event, actor FROM api_key_events WHERE key_id = {number} ORDER BY id")
    done = [(act["event"], act["actor"]) for act in acts if act["event"] != "denied"]  # one in a minute, whatever the key
    assert done == [("created", ALICE), ("rotated", ALICE), ("revoked", ALICE)]


def test_a_page_for_administrators_by_a_claim(httpd, sign_in):
    alice, root = sign_in(ALICE, role="guest"), sign_in("root@example.org", role="keeper")
    number = caller(alice).created()["id"]
    assert caller(root, "/admin").show(number).json()["user_id"] == ALICE
    httpd.expect("AH01631: user alice@example.org: authorization failure")
    assert caller(alice, "/admin").show(number).status == 401


@pytest.mark.parametrize("email", ["zoë", "o'brien\\", "a b", "%", "<b>"])
def test_any_claim_is_a_user(sign_in, email):
    visitor = caller(sign_in(email))
    assert visitor.ask("/me").json()["user_id"] == visitor.created()["user_id"] == email


@pytest.mark.parametrize("email", ["team:blue", " a", "a\tb"])
def test_a_claim_that_cannot_own_keys(httpd, sign_in, module_database, email):
    visitor, before = caller(sign_in(email)), rows(module_database)
    httpd.expect(r"AK0071: managing API keys \(create\)")
    assert error(visitor.create()) == (403, "FORBIDDEN")
    assert rows(module_database) == before


@pytest.mark.parametrize("cookie", [[], [("Cookie", "mod_auth_openidc_session=forged")]])
def test_who_has_not_signed_in_gets_the_answer_of_the_login(httpd, provider, module_database, cookie):
    before = rows(module_database)
    script, link = Caller(httpd, headers=[*SCRIPT, *cookie]), Caller(httpd, headers=[*Visitor.LINK, *cookie])
    for answer in (script.ask("/"), script.ask("/me"), script.create(), script.revoke(1), script.check("x")):
        assert answer.status == 401 and not answer.header("WWW-Authenticate") and answer.header("Content-Type") != "application/json"
    for answer in (link.ask("/"), link.ask("/me"), link.create()):
        assert answer.status == 302 and answer.header("Location").startswith(f"{provider.issuer}/authorize?")
    assert rows(module_database) == before


def test_a_session_that_has_ended(httpd, sign_in):
    visitor = sign_in(ALICE)
    alice = caller(visitor)
    assert alice.ask("/me").status == 200
    assert visitor.get(f"/signed-in?logout=http%3A%2F%2Flocalhost%3A{httpd.port}%2F").text == "hello\n"
    assert alice.ask("/me").status == caller(visitor).ask("/me").status == 401


@pytest.mark.parametrize("headers", [
    [("Sec-Fetch-Site", "cross-site")], [("Sec-Fetch-Site", "same-site")], [("Origin", "http://evil.example")],
    [("Origin", "null")], [("Content-Type", "text/plain")], [("Content-Type", "application/x-www-form-urlencoded")],
])  # fmt: skip
def test_other_sites_cannot_act_through_a_session(httpd, sign_in, module_database, headers):
    visitor = Caller(httpd, headers=sign_in(ALICE).headers)
    number = visitor.created()["id"]
    before = rows(module_database)
    for answer in (visitor.create(headers=headers), visitor.rotate(number, headers=headers),
                   visitor.update(number, headers=headers, revoked=True)):  # fmt: skip
        assert error(answer) in ((403, "CROSS_ORIGIN_REQUEST"), (403, "CONTENT_TYPE_NOT_JSON"))
    assert rows(module_database) == before
    assert visitor.update(number, headers=[("Origin", f"http://localhost:{httpd.port}")], revoked=True).status == 200


# -- two modules that know bearer tokens -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def key(module_database):
    return insert_key(module_database, "user", "carol", "orders:read")[1]


def test_a_key_is_no_login_here(httpd, key):
    for path in ("/keys/me", "/people/"):
        assert httpd.get(path, key, headers=SCRIPT).status == 401
        assert httpd.get(path, key, headers=Visitor.LINK).status == 302


def test_a_key_beside_a_session_does_not_act(httpd, sign_in, key):
    visitor = sign_in(ALICE)
    assert Caller(httpd, key=key, headers=visitor.headers).ask("/me").json()["user_id"] == ALICE
    assert httpd.get("/people/", key, headers=visitor.headers).header("X-User") == f"{ALICE} openid-connect"


def test_a_session_is_no_key(httpd, sign_in):
    visitor = sign_in(ALICE)
    answer = httpd.get("/api/", headers=visitor.headers)
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Bearer realm="API"')


def test_a_session_beside_a_key_does_not_act(httpd, sign_in, key):
    answer = httpd.get("/api/", key, headers=sign_in(ALICE).headers)
    assert answer.header("X-User") == "carol Bearer carol"
    httpd.expect("AK0001: API key not_found")
    refused = httpd.get("/api/", key[:-1] + ("0" if key[-1] != "0" else "1"), headers=sign_in(ALICE).headers)
    assert (refused.status, refused.header("WWW-Authenticate")) == (401, 'Bearer realm="API", error="invalid_token"')
