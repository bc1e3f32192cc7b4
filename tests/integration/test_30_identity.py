# SPDX-License-Identifier: Apache-2.0
"""Who calls, as every kind of application is told it; and what none of them gets to see."""

import re
import secrets

import pytest
from backends import KINDS, told, told_by_echo, told_by_printenv
from harness.apps import Cgi
from harness.client import Connection
from harness.http2 import Http2Connection
from harness.httpd import HAS_HTTP2
from harness.keyfmt import insert_key
from harness.process import wait_for
from judged import basic

# A path of each; what follows the program's name is for the sections below to tell apart.
PROGRAMS = {
    "cgi": "/cgi/env", "fpm": "/fpm/env.php", "uwsgi": "/uwsgi/x", "app": "/app/x", "scgi": "/scgi/x",
    "ajp": "/ajp/x", "ajp-balanced": "/ajp-balanced/x",
}  # fmt: skip
WITH_ENV = [name for name in PROGRAMS if name != "app"]
PROXIED = [name for name in PROGRAMS if name != "cgi"]
PROTOCOLS = ["HTTP/1.1", pytest.param("HTTP/2", marks=pytest.mark.skipif(not HAS_HTTP2, reason="no HTTP/2 here"))]

# The common ways by which a credential finds its way back to programs.
CONFIG = """
MergeTrailers On
<VirtualHost *:${port}>
    ServerName localhost
    MergeTrailers On
    SetEnvIf Authorization "(.*)" HTTP_AUTHORIZATION=$1
    SetEnvIf X-API-Key "(.*)" HTTP_X_API_KEY=$1
    RewriteEngine On
    RewriteRule "/rewritten$" "-" [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
</VirtualHost>
<VirtualHost *:${port}>
    ServerName other.test
    ApiKeyHeaderPrefix X-Caller-
</VirtualHost>
<Location "/">
    AuthType Bearer
    CGIPassAuth On
    Require apikey
</Location>
<LocationMatch "/open$">
    AuthType None
    Require all granted
</LocationMatch>
<LocationMatch "/optional$">
    ApiKeyOptional On
    Require all granted
</LocationMatch>
<LocationMatch "/preflight$">
    <RequireAny>
        Require method OPTIONS
        Require apikey
    </RequireAny>
</LocationMatch>
<LocationMatch "/lan$">
    <RequireAny>
        Require ip 127.0.0.1
        Require apikey
    </RequireAny>
</LocationMatch>
<LocationMatch "/none$">
    ApiKeyExport None
</LocationMatch>
<LocationMatch "/env-only$">
    ApiKeyExport Env
</LocationMatch>
<LocationMatch "/headers-only$">
    ApiKeyExport Headers
</LocationMatch>
<LocationMatch "/forward$">
    ApiKeyForward On
</LocationMatch>
<LocationMatch "/x-api-key$">
    ApiKeyHeader X-API-Key
</LocationMatch>
<LocationMatch "/x-api-key-forward$">
    ApiKeyHeader X-API-Key
    ApiKeyForward On
</LocationMatch>
<LocationMatch "/basic$">
    AuthType Basic
    AuthName keys
    AuthBasicProvider apikey
</LocationMatch>
<LocationMatch "/expr$">
    Header set X-Team "expr=%{APIKEY_TEAM}"
    Header set X-Status "expr=%{APIKEY_STATUS}"
    RequestHeader set X-Owner "expr=<%{APIKEY_OWNER}>"
    <If "%{APIKEY_TEAM} == 'blue'">
        Header set X-If "too early to know"
    </If>
</LocationMatch>
<LocationMatch "/users$">
    ApiKeyTeamKeys Off
</LocationMatch>
LogFormat "%{X-Mark}i %{id}^AK|%{owner_type}^AK|%{owner}^AK|%{user}^AK|%{team}^AK|%{scopes}^AK|%{expires}^AK|%{status}^AK|%!200{owner}^AK|%{nonsense}^AK" ak
CustomLog "${folder}/logs/ak.log" ak
"""


@pytest.fixture(scope="module")
def apps(make_module_app):
    return {path: make_module_app(kind) for path, kind in KINDS.items()}


@pytest.fixture(scope="module")
def server(make_module_httpd, module_database, apps):
    return make_module_httpd(CONFIG, mounts=apps, modules=["http2"], dbd=module_database.dbd_params())


@pytest.fixture(scope="module")
def keys(module_database):
    """name -> (id, secret)"""
    return {
        "user": insert_key(module_database, "user", "alice", "orders:read orders:write"),
        "team": insert_key(module_database, "team", "blue", expires_at="2100-01-01"),
        "revoked": insert_key(module_database, "user", "mallory", revoked_at="2024-01-01"),
    }


@pytest.fixture(scope="module")
def identity(keys):
    """What is to be told about each key."""
    return {
        "user": {
            "APIKEY_ID": str(keys["user"][0]), "APIKEY_OWNER_TYPE": "user", "APIKEY_OWNER": "alice",
            "APIKEY_USER": "alice", "APIKEY_SCOPES": "orders:read orders:write", "APIKEY_EXPIRES": "",
            "APIKEY_STATUS": "valid", "REMOTE_USER": "alice", "AUTH_TYPE": "Bearer",
        },
        "team": {
            "APIKEY_ID": str(keys["team"][0]), "APIKEY_OWNER_TYPE": "team", "APIKEY_OWNER": "blue",
            "APIKEY_TEAM": "blue", "APIKEY_SCOPES": "", "APIKEY_EXPIRES": "4102444800",
            "APIKEY_STATUS": "valid", "REMOTE_USER": "team:blue", "AUTH_TYPE": "Bearer",
        },
    }  # fmt: skip


def as_headers(identity):
    """The same behind the prefix: there is none for the status."""
    names = [name for name in identity if name.startswith("APIKEY_") and name != "APIKEY_STATUS"]
    return {name.removeprefix("APIKEY_").lower().replace("_", "-"): identity[name] for name in names}


def send(server, protocol):
    return server.get if protocol == "HTTP/1.1" else server.http2


# -- telling who calls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("owner", ["user", "team"])
@pytest.mark.parametrize("program", WITH_ENV)
def test_environment(server, keys, identity, program, owner, protocol):
    assert told(send(server, protocol)(PROGRAMS[program], keys[owner][1])).env == identity[owner]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("owner", ["user", "team"])
@pytest.mark.parametrize("program", PROXIED)
def test_request_headers(server, keys, identity, program, owner, protocol):
    seen = told(send(server, protocol)(PROGRAMS[program], keys[owner][1]))
    assert seen.identity_headers() == as_headers(identity[owner])


def test_environment_of_mod_cgi(make_httpd, make_app, module_database, keys, identity):
    """The daemon-less one: httpd cannot have both."""
    httpd = make_httpd(
        '<Location "/cgi">\nAuthType Bearer\nRequire apikey\n</Location>',
        mounts={"/cgi": make_app(Cgi, daemon=False)}, dbd=module_database.dbd_params(),
    )  # fmt: skip
    for owner in ("user", "team"):
        seen = told(httpd.get("/cgi/env", keys[owner][1]))
        assert seen.env == identity[owner]
        assert keys[owner][1] not in str(seen.all)


@pytest.mark.parametrize("owner", ["user", "team"])
def test_server_side_includes(server, keys, identity, owner):
    assert told_by_echo(server.get("/ssi/env", keys[owner][1])) == identity[owner]


def test_programs_get_no_headers_that_nobody_proxies(server, keys):
    assert told(server.get("/cgi/env", keys["user"][1])).identity_headers() == {}


@pytest.mark.parametrize(
    "place, env, headers", [("none", False, False), ("env-only", True, False), ("headers-only", False, True)]
)
@pytest.mark.parametrize("program", PROGRAMS)
def test_export(server, keys, identity, program, place, env, headers):
    """REMOTE_USER and AUTH_TYPE are httpd's to tell and always there."""
    seen = told(server.get(f"{PROGRAMS[program]}/{place}", keys["user"][1]))
    everything = identity["user"]
    usual = {name: everything[name] for name in ("REMOTE_USER", "AUTH_TYPE")}
    assert seen.env == ({} if program == "app" else everything if env else usual)
    assert seen.identity_headers() == (as_headers(everything) if headers and program != "cgi" else {})


def test_header_prefix_of_a_virtual_host(server, keys, identity):
    seen = told(server.get("/app/x", keys["team"][1], headers=[("Host", "other.test")]))
    assert seen.identity_headers("x-caller-") == as_headers(identity["team"])
    assert seen.identity_headers() == {}


def test_under_basic(server, keys, identity):
    seen = told(server.get("/cgi/env/basic", headers=[basic("whoever", keys["team"][1])]))
    assert seen.env == identity["team"] | {"AUTH_TYPE": "Basic"}


def test_optional_key(server, keys, identity):
    assert told(server.get("/cgi/env/optional", keys["user"][1])).env == identity["user"]
    assert told(server.get("/cgi/env/optional")).env == {}


def test_key_that_nobody_asked_about(server, keys):
    """The address was enough: the key was not judged, so it tells nothing, and is not passed on either."""
    seen = told(server.get("/cgi/env/lan", keys["user"][1]))
    assert seen.env == {}
    assert keys["user"][1] not in str(seen.all)


def test_expressions(server, keys):
    answer = server.get("/app/x/expr", keys["team"][1])
    assert (answer.header("X-Team"), answer.header("X-Status")) == ("blue", "valid")
    assert told(answer).headers["x-owner"] == "<blue>"
    assert answer.header("X-If") is None, "<If> is evaluated before authentication"
    assert server.get("/app/x/expr", keys["user"][1]).header("X-Team") == ""


@pytest.mark.parametrize(
    "key, path, items",
    [
        ("user", "/app/x", "{id}|user|alice|alice|-|orders:read orders:write|-|valid|-|-"),
        ("team", "/app/x", "{id}|team|blue|-|blue|-|4102444800|valid|-|-"),
        ("team", "/app/x?status=404", "{id}|team|blue|-|blue|-|4102444800|valid|blue|-"),
        ("team", "/app/x/users", "{id}|team|blue|-|blue|-|4102444800|wrong_type|blue|-"),
        ("revoked", "/app/x", "{id}|user|mallory|mallory|-|-|-|revoked|mallory|-"),
        (None, "/app/x", "-|-|-|-|-|-|-|missing|-|-"),
        (None, "/app/x/open", "-|-|-|-|-|-|-|-|-|-"),
    ],
)
def test_log_items(server, keys, key, path, items):
    """Logs also get to know whose key was refused."""
    number, secret = keys[key] if key else ("", None)
    mark = secrets.token_hex(8)
    server.expect(r"AK0003: API key (revoked|wrong_type)\b")
    server.get(path, secret, headers=[("X-Mark", mark)])
    log = server.folder / "logs" / "ak.log"
    line = wait_for(lambda: re.search(rf"^{mark} (.*)\n", log.read_text(), re.MULTILINE), what="a line in ak.log")
    assert line.group(1) == items.format(id=number)


def test_refused_keys_are_not_exported(server, keys):
    mark = server.access_mark()
    server.expect(r"AK0003: API key revoked")
    assert server.get("/cgi/env", keys["revoked"][1]).status == 401
    assert server.access_lines(mark, count=1)[0].endswith("status=revoked")
    assert " mallory " not in server.access_lines(mark)[0], "REMOTE_USER"


# -- several at once -------------------------------------------------------------------------------------------


def test_keys_take_turns_on_one_connection(server, keys, identity):
    with Connection(server.port) as connection:
        for owner in ("user", "team", None, "team", "user"):
            answer = connection.request("/cgi/env/optional", owner and keys[owner][1])
            assert told(answer).env == identity.get(owner, {})


@pytest.mark.skipif(not HAS_HTTP2, reason="no HTTP/2 here")
def test_keys_side_by_side_on_one_connection(server, keys, identity):
    with Http2Connection(server.port) as connection:
        owners = ["user", "team", None] * 8
        streams = [connection.send("/app/x/optional", owner and keys[owner][1]) for owner in owners]
        for owner, stream in zip(owners, streams, strict=True):
            expected = as_headers(identity[owner]) if owner else {}
            assert told(connection.read_response(stream)).identity_headers() == expected


# -- odd owners ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "owner, scopes, told_owner, told_scopes",
    [
        ("jos\u00e9", "", "jos%C3%A9", ""),
        ("100%", "a%b c", "100%25", "a%25b c"),
        ("%0d%0aX: 1", "", "%250d%250aX: 1", ""),
        ("\U0001f511" * 3, "", "%F0%9F%94%91" * 3, ""),
        ("a, b; \"c\" <d>:' \\", "", "a, b; \"c\" <d>:' \\", ""),
    ],
)
def test_values_are_encoded(server, module_database, owner, scopes, told_owner, told_scopes):
    _, key = insert_key(module_database, "team", owner, scopes)
    expected = {"APIKEY_OWNER": told_owner, "APIKEY_TEAM": told_owner, "REMOTE_USER": f"team:{told_owner}",
                "APIKEY_SCOPES": told_scopes}  # fmt: skip
    assert told(server.get("/cgi/env", key)).env.items() >= expected.items()
    assert told(server.get("/app/x", key)).identity_headers().items() >= as_headers(expected).items() - {("scopes", "")}
    mark = server.access_mark()
    assert server.get("/none", key).status == 404
    assert f" team:{told_owner} ".replace('"', r"\"") in server.access_lines(mark, count=1)[0].replace("\\\\", "\\")


@pytest.mark.parametrize(
    "owner_type, owner",
    [
        ("user", b"x\r\nX-ApiKey-Owner-Type: team"), ("user", b"x\ny"), ("user", b"x\0y"), ("user", b"\x7f"),
        ("user", b""), ("user", b" x"), ("user", b"x "), ("user", b"team:blue"), ("team", b"x\r"),
    ],
)  # fmt: skip
def test_unusable_owners_reach_nobody(server, apps, module_database, owner_type, owner):
    _, key = insert_key(module_database, owner_type, owner, unchecked=True)
    before = len(apps["/app"].requests)
    server.expect(r"AK0002: API key unusable: key \d+, (the owner id|a user id) ")
    mark = server.log_mark()
    assert server.get("/app/x", key).status == 401
    assert len(apps["/app"].requests) == before
    assert len([line for line in server.log_lines(mark) if "AK0002" in line]) == 1


# -- what nobody but us may say --------------------------------------------------------------------------------

LOOK_ALIKES = [
    "X-ApiKey-User", "x-apikey-owner", "X-APIKEY-OWNER-TYPE", "X_ApiKey_Team", "x-apikey_scopes", "X_APIKEY-ID",
    "X-ApiKey-", "X-ApiKey-Anything", "X-ApiKey-User", "X-Caller-User", "x_caller_team",
]  # fmt: skip
FORGED = [(name, "forged") for name in LOOK_ALIKES]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
@pytest.mark.parametrize("place", ["open", "optional", "preflight", "lan", "none"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_look_alikes_reach_nobody(server, keys, program, place, method, protocol):
    let_in_without = place in ("open", "optional", "lan") or (place == "preflight" and method == "OPTIONS")
    key = None if let_in_without else keys["user"][1]
    seen = told(send(server, protocol)(f"{PROGRAMS[program]}/{place}", key, headers=FORGED, method=method))
    assert "forged" not in str(seen.all)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("program", PROXIED)
def test_look_alikes_do_not_mix_with_the_truth(server, keys, identity, program, protocol):
    seen = told(send(server, protocol)(PROGRAMS[program], keys["team"][1], headers=FORGED))
    assert seen.identity_headers() == as_headers(identity["team"])
    assert "forged" not in str(seen.all)


@pytest.mark.parametrize("host", ["localhost", "other.test"])
def test_every_prefix_is_reserved_on_every_host(server, host):
    assert "forged" not in server.get("/app/x/open", headers=[("Host", host), *FORGED]).text


@pytest.mark.parametrize("path", ["/ssi/printenv/open", "/ssi/printenv/optional"])
def test_look_alikes_and_server_side_includes(server, path):
    assert "forged" not in str(told_by_printenv(server.get(path, headers=FORGED)))


def test_other_headers_are_left_alone(server, keys):
    """Names that only resemble ours; a credential header that is not listed here."""
    others = {"X-ApiKe": "1", "X-ApiKeys-User": "2", "ApiKey-User": "3", "X-Caller": "4", "X-API-Key": "5"}
    seen = told(server.get("/app/x", keys["user"][1], headers=list(others.items())))
    assert seen.headers.items() >= {name.lower(): value for name, value in others.items()}.items()


@pytest.mark.parametrize(
    "options",
    ["X-ApiKey-Owner-Type", "close, x-apikey-owner-type", "keep-alive,X-ApiKey-Owner-Type,X-ApiKey-Scopes;X-Other"],
)
def test_nothing_we_say_is_dropped_as_a_connection_option(server, keys, identity, options):
    """mod_proxy does not forward the headers that the client's Connection header names."""
    sent = [("Connection", options), ("X-Other", "1")]
    seen = told(server.get("/app/x", keys["team"][1], headers=sent))
    assert seen.identity_headers() == as_headers(identity["team"])
    assert ("x-other" in seen.headers) == ("X-Other" not in options)


@pytest.mark.parametrize("place", ["", "/open"])
@pytest.mark.parametrize("program", ["fpm", "app"])
def test_look_alikes_behind_the_body_reach_nobody(server, keys, identity, program, place):
    """MergeTrailers On: what follows a chunked body counts as headers, and some wait for it."""
    with Connection(server.port) as connection:
        chunked = [("Transfer-Encoding", "chunked"), ("Trailer", "X-ApiKey-User")]
        trailers = "".join(f"{name}: forged\r\n" for name in LOOK_ALIKES)
        body = f"4\r\ndata\r\n0\r\n{trailers}\r\n"
        key = None if place else keys["team"][1]
        seen = told(connection.request(PROGRAMS[program] + place, key, chunked, "POST", body))
    assert "forged" not in str(seen.all)
    assert seen.identity_headers() == ({} if place else as_headers(identity["team"]))


# -- the credential --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("place", ["", "/rewritten", "/x-api-key", "/basic", "/optional", "/lan"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_applications_do_not_see_the_credential(server, keys, program, place, protocol):
    sent = presented(place, keys["user"][1])
    seen = told(send(server, protocol)(PROGRAMS[program] + place, headers=[sent]))
    assert sent[1] not in str(seen.all) and keys["user"][1] not in str(seen.all)


@pytest.mark.parametrize("place", ["/x-api-key", "/basic", "/rewritten"])
def test_includes_do_not_see_the_credential(server, keys, place):
    sent = presented(place, keys["user"][1])
    seen = told_by_printenv(server.get("/ssi/printenv" + place, headers=[sent]))
    assert seen["APIKEY_USER"] == "alice"
    assert sent[1] not in str(seen) and keys["user"][1] not in str(seen)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("place, header", [("/forward", "authorization"), ("/x-api-key-forward", "x-api-key")])
def test_forward_lets_applications_see_it(server, keys, program, place, header):
    sent = presented(place, keys["user"][1])
    assert told(server.get(PROGRAMS[program] + place, headers=[sent])).headers[header] == sent[1]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("place", ["lan", "open", "x-api-key"])
def test_what_is_no_credential_here_passes(server, keys, program, place):
    """Another scheme's, which the application may ask for itself; any at all where we are not asked."""
    sent = ("Authorization", "Bearer of.another-kind") if place == "open" else basic("bob", "secret")
    key = [("X-API-Key", keys["user"][1])] if place == "x-api-key" else []
    seen = told(server.get(f"{PROGRAMS[program]}/{place}", headers=[sent, *key]))
    assert seen.headers["authorization"] == sent[1]


def presented(place, key):
    """The header that carries a key there."""
    if place.startswith("/x-api-key"):
        return ("X-API-Key", key)
    return basic("whoever", key) if place == "/basic" else ("Authorization", f"Bearer {key}")
