# SPDX-License-Identifier: Apache-2.0
"""Keys over TLS, and beside what mod_ssl says of clients that have a certificate: who calls is the key's owner."""

import json
import ssl

import pytest
from harness.apps import Cgi, HttpApp
from harness.certificates import make_certificate
from harness.client import Connection
from harness.http2 import Http2Connection
from harness.httpd import HAS_HTTP2
from harness.keyfmt import insert_key, mint
from harness.process import free_port, wait_for
from judged import basic
from managed import LOGIN, PATIENT, PEOPLE, Caller, error, write_people

CONFIG = """
Listen 127.0.0.1:%(port)d
SSLSessionCache none
<VirtualHost *:%(port)d>
    ServerName localhost
    Protocols h2 http/1.1
    MergeTrailers On
    SSLEngine On
    SSLCertificateFile "%(folder)s/localhost.pem"
    SSLVerifyClient optional
    SSLCACertificateFile "%(folder)s/mallory.pem"
    SSLOptions +StdEnvVars
    SSLProxyEngine On
    SSLProxyVerify require
    SSLProxyCACertificateFile "%(folder)s/localhost.pem"
</VirtualHost>
<Location "/">
    AuthType Bearer
    Require apikey
</Location>
<LocationMatch "/named$">
    SSLUserName SSL_CLIENT_S_DN_CN
</LocationMatch>
<LocationMatch "/named-optional$">
    SSLUserName SSL_CLIENT_S_DN_CN
    ApiKeyOptional On
    Require all granted
</LocationMatch>
<LocationMatch "/named-valid-user$">
    SSLUserName SSL_CLIENT_S_DN_CN
    Require valid-user
</LocationMatch>
<LocationMatch "/fake$">
    SSLOptions +FakeBasicAuth
</LocationMatch>
<LocationMatch "/fake-x-api-key$">
    SSLOptions +FakeBasicAuth
    ApiKeyHeader X-API-Key
</LocationMatch>
<LocationMatch "/basic$">
    AuthType Basic
    AuthName keys
    AuthBasicProvider apikey
</LocationMatch>
<LocationMatch "/x-api-key$">
    ApiKeyHeader X-API-Key
</LocationMatch>
<LocationMatch "/verified$">
    <RequireAll>
        Require apikey-user
        Require ssl-verify-client
    </RequireAll>
</LocationMatch>
<Location "/keys">
    SetHandler apikey-manage
    ApiKeyManage Self
%(login)s
</Location>
""" + PATIENT
PROTOCOLS = ["HTTP/1.1", pytest.param("HTTP/2", marks=pytest.mark.skipif(not HAS_HTTP2, reason="no HTTP/2 here"))]
APPS = ["/cgi/env", "/app/x", "/tls-app/x"]


@pytest.fixture(scope="module")
def certificates(scratch):
    """A folder with certificates that vouch for themselves, each with its private key: of the server and of a client."""
    folder = scratch.folder("tls")
    for name in ("localhost", "mallory"):
        make_certificate(folder, name)
    return folder


@pytest.fixture(scope="module")
def tls_app(make_module_app, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "localhost.pem")
    return make_module_app(HttpApp, tls=context)


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def server(make_module_httpd, make_module_app, module_database, certificates, tls_app, port):
    httpd = make_module_httpd(
        CONFIG % {"port": port, "folder": certificates, "login": LOGIN},
        mounts={"/cgi": make_module_app(Cgi), "/app": make_module_app(HttpApp), "/tls-app": tls_app},
        modules=["ssl", "http2"], dbd=module_database.dbd_params(), start=False,
    )  # fmt: skip
    write_people(httpd)
    httpd.expect(r"AH01882: Init: this version of mod_ssl was compiled against a newer library|AH01873: Init: Session Cache")
    return httpd.start()


@pytest.fixture(scope="module")
def keys(module_database):
    return {
        "alice": insert_key(module_database, "user", "alice", "orders:read")[1],
        "blue": insert_key(module_database, "team", "blue")[1],
        "revoked": insert_key(module_database, "user", "alice", revoked_at="2020-01-01")[1],
        "unknown": mint(),
        None: None,
    }


@pytest.fixture(params=PROTOCOLS)
def ask(request, server, certificates, port):
    """ask(path, key, headers, method, body): over either protocol; `certificate=True` shows the client's."""
    kind, alpn = (Http2Connection, "h2") if request.param == "HTTP/2" else (Connection, "http/1.1")

    def send(*asked, certificate=False, **options):
        context = ssl.create_default_context(cafile=certificates / "localhost.pem")
        context.set_alpn_protocols([alpn])
        if certificate:
            context.load_cert_chain(certificates / "mallory.pem")
        with kind(port, tls=context) as connection:
            return connection.request(*asked, **options)

    # AH02227: a place of SSLUserName is asked for without a certificate. AH01630: Require ssl-verify-client.
    server.expect(r"AK000[123]: API key |AH02227: Failed to set r->user|AH01630: client denied")
    send.protocol = request.param
    return send


def identity(answer):
    """What an application was told of who calls."""
    assert answer.status == 200, answer.text
    told = answer.json()
    if "headers" not in told:
        return {name: value for name, value in told.items() if name.startswith("APIKEY_") or name == "REMOTE_USER"}
    pairs = [(name.lower(), value) for name, value in told["headers"]]
    assert len(dict(pairs)) == len(pairs)
    return {name: value for name, value in pairs if name.startswith("x-apikey-")}


def is_alices(told):
    assert (told.get("APIKEY_USER") or told["x-apikey-user"]) == "alice", told
    assert told.get("REMOTE_USER", "alice") == "alice" and "mallory" not in json.dumps(told)
    return True


@pytest.mark.parametrize("certificate", [False, True])
@pytest.mark.parametrize("path", APPS)
def test_the_identity_reaches_the_application(ask, keys, path, certificate):
    assert is_alices(identity(ask(path, keys["alice"], certificate=certificate)))
    told = identity(ask(path, keys["blue"], certificate=certificate))
    assert (told.get("APIKEY_TEAM") or told["x-apikey-team"]) == "blue"
    assert told.get("REMOTE_USER", "team:blue") == "team:blue"


@pytest.mark.parametrize("path", APPS)
def test_what_the_client_says_and_the_key_do_not(ask, keys, path):
    forged = [("X-ApiKey-User", "root"), ("X_ApiKey_Owner", "root"), ("SSL_CLIENT_S_DN_CN", "root")]
    answer = ask(path, keys["alice"], forged)
    assert is_alices(identity(answer)) and keys["alice"] not in answer.text and "root" not in json.dumps(identity(answer))


@pytest.mark.parametrize("key, status, reason", [
    (None, 401, None), ("unknown", 401, "invalid_token"), ("revoked", 401, "invalid_token"),
])  # fmt: skip
@pytest.mark.parametrize("path", ["/app/x", "/app/named"])
def test_a_certificate_is_no_key(ask, keys, key, status, reason, path):
    for certificate in (False, True):
        answer = ask(path, keys[key], certificate=certificate)
        challenge = answer.header("WWW-Authenticate")
        assert answer.status == status and challenge.startswith('Bearer realm="API"')
        assert (f'error="{reason}"' in challenge) if reason else "error" not in challenge


def test_mod_ssl_tells_of_the_certificate_beside_the_key(ask, keys):
    told = ask("/cgi/env", keys["alice"], certificate=True).json()
    assert (told["SSL_CLIENT_S_DN_CN"], told["SSL_CLIENT_VERIFY"], told["HTTPS"]) == ("mallory", "SUCCESS", "on")
    assert (told["APIKEY_USER"], told["REMOTE_USER"], told["AUTH_TYPE"]) == ("alice", "alice", "Bearer")


def test_key_and_certificate_may_both_be_asked_for(ask, keys):
    """Over HTTP/1.1: mod_ssl's line looks at the connection of the stream, which in HTTP/2 has no TLS of its own."""
    if ask.protocol == "HTTP/2":
        assert ask("/app/verified", keys["alice"], certificate=True).status == 403
        return
    assert ask("/app/verified", keys["alice"], certificate=True).status == 200
    assert ask("/app/verified", keys["alice"]).status == 403
    assert ask("/app/verified", certificate=True).status == 401


# -- SSLUserName: mod_ssl sets the user before any key is looked at ---------------------------------------------


def test_sslusername_does_not_replace_the_owner(ask, keys):
    told = identity(ask("/cgi/env/named", keys["alice"], certificate=True))
    assert is_alices(told) and told["APIKEY_OWNER"] == "alice"
    assert is_alices(identity(ask("/app/named", keys["alice"], certificate=True)))


def test_sslusername_with_an_optional_key(ask, keys):
    """Without one it is mod_ssl that says who calls, and nothing of ours does; a bad one is refused."""
    path = "/cgi/env/named-optional"
    assert is_alices(identity(ask(path, keys["alice"], certificate=True)))
    told = identity(ask(path, certificate=True))
    assert told.pop("REMOTE_USER") == "mallory" and set(told) <= {"APIKEY_STATUS"}
    assert ask(path, keys["revoked"], certificate=True).status == 401


def test_sslusername_is_a_user_of_its_own(ask):
    """Require valid-user is content with it, which mod_authz_core asks before authentication; Require apikey is not."""
    told = identity(ask("/cgi/env/named-valid-user", certificate=True))
    assert told.pop("REMOTE_USER") == "mallory" and set(told) <= {"APIKEY_STATUS"}
    assert ask("/cgi/env/named", certificate=True).status == 401


# -- FakeBasicAuth: mod_ssl writes an Authorization header of its own -------------------------------------------


def test_fakebasicauth(ask, keys):
    """A certificate takes the place of a key in Authorization, and lets nobody in; a key elsewhere is seen."""
    path = "/cgi/env/fake"
    assert is_alices(identity(ask(path, keys["alice"])))
    assert ask(path, keys["alice"], certificate=True).status == 401
    assert ask(path, certificate=True).status == 401
    answer = ask("/cgi/env/fake-x-api-key", headers=[("X-API-Key", keys["alice"])], certificate=True)
    assert is_alices(identity(answer))


# -- other ways of sending a key --------------------------------------------------------------------------------


@pytest.mark.parametrize("certificate", [False, True])
def test_other_ways_of_sending_a_key(ask, keys, certificate):
    answer = ask("/cgi/env/basic", headers=[basic("x", keys["alice"])], certificate=certificate)
    assert is_alices(identity(answer))
    answer = ask("/cgi/env/x-api-key", headers=[("X-API-Key", keys["alice"])], certificate=certificate)
    assert is_alices(identity(answer)) and keys["alice"] not in answer.text


@pytest.mark.skipif(not HAS_HTTP2, reason="no HTTP/2 here")
@pytest.mark.parametrize("path", ["/app/x", "/tls-app/x"])  # httpd's CGI does not end over trailers of HTTP/2
def test_trailers_of_http2(server, keys, certificates, port, path):
    """MergeTrailers On: they count as headers for whoever reads the body."""
    context = ssl.create_default_context(cafile=certificates / "localhost.pem")
    context.set_alpn_protocols(["h2"])
    forged = [("X-ApiKey-User", "root"), ("x-apikey-owner", "root"), ("X-ApiKey-Team", "root"), ("Authorization", "x")]

    def answer():
        """None: httpd breaks off about one in a hundred requests with trailers, on a busy machine, without this module too."""
        with Http2Connection(port, tls=context) as connection:
            try:
                return connection.request(path, keys["alice"], method="POST", body="data", trailers=forged)
            except ConnectionError:
                return None

    told = identity(wait_for(answer, what="an answer"))
    assert is_alices(told) and "root" not in json.dumps(told)


# -- the management API -----------------------------------------------------------------------------------------


def test_changes_come_from_the_same_origin(server, ask, port):
    alice = Caller(server, user="alice")

    def create(*headers):
        body = {"user_id": "me", "description": "d", "expires_at_millis": None}
        return alice.ask("/user-api-keys", "POST", body, headers, send=ask)

    assert PEOPLE[0] == "alice"
    assert create(("Origin", "https://localhost")).status == 200
    assert create(("Origin", "https://localhost"), ("Sec-Fetch-Site", "same-origin")).status == 200
    for origin in ("https://evil.example", f"https://localhost:{port}", "null"):
        assert create(("Origin", origin)).status == 403
    assert create(("Origin", "https://localhost"), ("Sec-Fetch-Site", "cross-site")).status == 403


def test_the_port_is_part_of_the_origin(server, certificates, port):
    context = ssl.create_default_context(cafile=certificates / "localhost.pem")
    alice = Caller(server, user="alice", headers=[("Host", f"localhost:{port}")])
    body = {"user_id": "me", "description": "d", "expires_at_millis": None}

    def send(*asked, **options):
        with Connection(port, tls=context) as connection:
            return connection.request(*asked, **options)

    for origin, status in ((f"https://localhost:{port}", 200), ("https://localhost", 403), ("https://localhost:443", 403)):
        assert alice.ask("/user-api-keys", "POST", body, [("Origin", origin)], send=send).status == status
