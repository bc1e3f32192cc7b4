# SPDX-License-Identifier: Apache-2.0
"""Attacks on identity: being taken for somebody else. What test_30 to test_32 do not try yet."""

import json
from urllib.parse import unquote

import pytest
from harness.apps import Cgi, HttpApp, Uwsgi
from harness.httpd import HAS_HTTP2
from harness.keyfmt import insert_key

CONFIG = """
TraceEnable On
<Directory "${htdocs}">
    Require all granted
</Directory>
<Location "/private">
    AuthType Bearer
    Require apikey
</Location>
<Location "/private/cgi">
    AuthType Bearer
    Require apikey
</Location>
Alias "/files" "${htdocs}"
<Location "/files/private">
    AuthType Bearer
    Require apikey
</Location>
<Directory "${htdocs}/guarded">
    AuthType Bearer
    Require apikey
</Directory>
Alias "/one" "${htdocs}/guarded"
Alias "/two" "${htdocs}/guarded"
<LocationMatch "^/who/(?<place>[a-z-]+)">
    AuthType Bearer
</LocationMatch>
AliasMatch "^/who/" "${htdocs}/index.html"
"""
# Who is let in where, and who might be mistaken for it.
PLACES = {
    "user-blue": "Require user blue",
    "team-blue": "Require user team:blue",
    "apikey-user-blue": "Require apikey-user blue",
    "apikey-team-blue": "Require apikey-team blue",
    "expr-blue": "Require apikey-expr \"%{REMOTE_USER} == 'blue'\"",
    "expr-team-blue": "Require apikey-expr \"%{APIKEY_TEAM} == 'blue'\"",
    "any-of-both": "<RequireAny>\nRequire user blue\nRequire apikey-team blue\n</RequireAny>",
    "not-team": "<RequireAll>\nRequire apikey\nRequire not apikey-team blue\n</RequireAll>",
    "not-user": "<RequireAll>\nRequire apikey\nRequire not apikey-user blue\n</RequireAll>",
    "none": "<RequireAll>\nRequire apikey\n<RequireNone>\nRequire apikey-team blue\nRequire apikey-user blue\n"
            "</RequireNone>\n</RequireAll>",
    "only-get": "Require apikey-user blue\n<Limit GET>\nRequire apikey-user blue\n</Limit>",
}  # fmt: skip
OWNERS = {
    "user blue": ("user", "blue"),
    "team blue": ("team", "blue"),
    "user Blue": ("user", "Blue"),
    "team BLUE": ("team", "BLUE"),
    "user blué": ("user", "blué"),
    "team blue%": ("team", "blue%"),
    "user team%3Ablue": ("user", "team%3Ablue"),
    "user Team:blue": ("user", "Team:blue"),
    "team team:blue": ("team", "team:blue"),
}
LET_IN = {
    "user-blue": {"user blue"},
    "team-blue": {"team blue"},
    "apikey-user-blue": {"user blue"},
    "apikey-team-blue": {"team blue"},
    "expr-blue": {"user blue"},
    "expr-team-blue": {"team blue"},
    "any-of-both": {"user blue", "team blue"},
    "not-team": set(OWNERS) - {"team blue"},
    "not-user": set(OWNERS) - {"user blue"},
    "none": set(OWNERS) - {"user blue", "team blue"},
    "only-get": {"user blue"},
}


@pytest.fixture(scope="module")
def apps(make_module_app):
    return {"cgi": make_module_app(Cgi), "uwsgi": make_module_app(Uwsgi), "proxied": make_module_app(HttpApp)}


@pytest.fixture(scope="module")
def server(make_module_httpd, module_database, apps):
    who = "".join(
        f'<Location "/who/{name}">\nAuthMerging Off\n{lines}\n</Location>\n' for name, lines in PLACES.items()
    )
    mounts = {f"/{open_or_not}{name}": app for name, app in apps.items() for open_or_not in ("", "private/")}
    httpd = make_module_httpd(
        CONFIG + who, dbd=module_database.dbd_params(), mounts=mounts, modules=["http2"], start=False
    )
    for folder in ("private", "guarded"):
        (httpd.htdocs / folder).mkdir()
        (httpd.htdocs / folder / "index.html").write_text("SECRET PAGE\n")
    return httpd.start()


@pytest.fixture(autouse=True)
def refusals_are_logged(server):
    server.expect(r"AK000[123]: API key |AH01631|AH00127|AH01630|AH01071|AH00026|AH10244|AH00135|AH00136|AH02430")


@pytest.fixture(scope="module")
def keys(module_database):
    return {name: insert_key(module_database, *owner)[1] for name, owner in OWNERS.items()}


def told(answer):
    """All that an application was told, names folded."""
    body = json.loads(answer.body)
    pairs = body["headers"] if "headers" in body else body.items()
    return {(name.upper().replace("-", "_"), value) for name, value in map(tuple, pairs)}


# -- spoofed identity in every channel ---------------------------------------------------------------------------

CHANNELS = [
    # CGI makes HTTP_<name> of each: none may become one of ours, or httpd's own.
    ("APIKEY_USER", "mallory"), ("APIKEY-USER", "mallory"), ("Remote-User", "mallory"), ("REMOTE_USER", "mallory"),
    ("Auth-Type", "Bearer"), ("Proxy", "http://mallory/"), ("HTTP_X_APIKEY_USER", "mallory"),
    ("Redirect-APIKEY-USER", "mallory"), ("AJP_APIKEY_USER", "mallory"), ("X_APIKEY_USER", "mallory"),
    ("X-APIKEY_User", "mallory"), ("x-apikey-user", "mallory"), ("X-ApiKey-User-", "mallory"),
    ("X-ApiKey-", "mallory"), ("Script-Name", "/mallory"), ("Content-Apikey-User", "mallory"),
]  # fmt: skip


@pytest.mark.parametrize("program", ["cgi", "uwsgi", "proxied"])
@pytest.mark.parametrize("private", ["", "/private"])
def test_identity_spoofed_by_headers_becomes_no_identity(server, keys, program, private):
    path = f"{private}/{program}/env"
    clean = told(server.get(path, keys["user blue"]))
    spoofed = told(server.get(path, keys["user blue"], headers=CHANNELS))
    if program == "proxied":  # it sees headers, and ours among them are these, also where it folds underscores
        spoofed, clean = ({pair for pair in pairs if pair[0].startswith("X_APIKEY")} for pairs in (spoofed, clean))
    identity = ("APIKEY_", "X_APIKEY", "HTTP_X_APIKEY", "REMOTE_USER", "AUTH_TYPE", "HTTP_PROXY", "REDIRECT_APIKEY")
    only_ours = {(name, value) for name, value in spoofed if name.startswith(identity)}
    assert {value for _, value in only_ours} & {"mallory", "http://mallory/"} == set()
    assert {pair for pair in clean if pair[0].startswith(identity)} - only_ours == set()


@pytest.mark.skipif(not HAS_HTTP2, reason="HTTP/2 needs a threaded MPM")
@pytest.mark.parametrize("name", [":x-apikey-user", ":apikey_user", ":remote-user", ":authorization", ":protocol"])
def test_identity_spoofed_by_pseudo_headers_is_a_protocol_error(server, name):
    with pytest.raises(ConnectionError):
        server.http2("/cgi/env", headers=[(name, "mallory")])


@pytest.mark.skipif(not HAS_HTTP2, reason="HTTP/2 needs a threaded MPM")
def test_identity_spoofed_by_http2_headers(server, keys):
    headers = [(name.lower(), value) for name, value in CHANNELS]
    answer = server.http2("/private/cgi/env", keys["user blue"], headers=headers)
    assert answer.json()["APIKEY_USER"] == answer.json()["REMOTE_USER"] == "blue"
    assert "HTTP_PROXY" not in answer.json()


@pytest.mark.parametrize("line", [
    b"X-ApiKey-User : mallory", b" X-ApiKey-User: mallory", b"X-ApiKey-User\t: mallory", b"X-Api\x00Key-User: mallory",
    b"X-Other: a\r\n X-ApiKey-User: mallory", b"X-ApiKey-User;: mallory", b"\xe2\x80\x8bX-ApiKey-User: mallory",
])  # fmt: skip
def test_identity_spoofed_by_malformed_lines(server, keys, line):
    """httpd refuses most of them; what it lets pass tells an application nothing."""
    with server.connect() as connection:
        connection.send_raw(b"GET /private/proxied/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                            + keys["user blue"].encode() + b"\r\n" + line + b"\r\n\r\n")  # fmt: skip
        answer = connection.read_response()
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert {value for name, value in told(answer) if name == "X_APIKEY_USER"} == {"blue"}


def test_identity_spoofed_by_the_url_is_none(server):
    for url in ("http://mallory:secret@localhost/private/", "/private/?APIKEY_USER=mallory", "/private/;user=blue"):
        assert server.get(url).status in (400, 401)


def test_trace_says_no_more_than_was_sent(server, keys):
    answer = server.get("/private/", method="TRACE")
    assert answer.status == 401 or "apikey" not in answer.text.lower()


# -- confusion between team and user -----------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_confusion_of_owners(server, keys, place):
    let_in = {name for name, key in keys.items() if server.get(f"/who/{place}", key).status == 200}
    assert let_in == LET_IN[place]


def test_no_two_owners_are_told_alike(server, keys):
    """Percent-encoding is not undone by anybody on the way, so names stay different."""
    seen = {}
    for name, key in keys.items():
        env = server.get("/private/cgi/env", key).json()
        seen[name] = env["REMOTE_USER"]
        kind, owner = OWNERS[name]
        assert unquote(env["APIKEY_OWNER"]) == owner and env["APIKEY_OWNER_TYPE"] == kind
        assert env["REMOTE_USER"].startswith("team:") == (kind == "team")
    assert len(set(seen.values())) == len(seen)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "FOO", "get", "PROPFIND", "TRACE", "OPTIONS", "CONNECTX"])
def test_a_method_is_no_way_around(server, keys, method):
    """Not even where <Limit GET> misled whoever wrote the configuration."""
    for place in ("only-get", "apikey-user-blue"):
        for key, refused in ((None, 401), (keys["user Blue"], 403)):
            answer = server.get(f"/who/{place}", key, method=method)
            # httpd answers TRACE itself before it asks anybody, with what was sent.
            assert answer.header("Content-Type") == "message/http" or answer.status in (refused, 400, 405, 501)
            assert "hello" not in answer.text


# -- confusion of paths ------------------------------------------------------------------------------------------

SPELLINGS = [
    "/private/", "//private/", "/./private/", "/x/../private/", "/%70rivate/", "/private/%2e/", "/private//", "/private/.",
    "/private/index.html", "/private/%69ndex.html", "/private/x/../index.html", "/files/private/index.html",
    "/files//private/index.html", "/files/./private/index.html", "/files/x/../private/index.html",
    "/files/%70rivate/index.html", "/one/index.html", "/two/index.html", "/two//index.html", "/two/%69ndex.html",
    "/files/guarded/index.html", "/files/guarded/", "/guarded/", "/guarded", "/PRIVATE/", "/private;x/", "/private%00/",
    "/private%2f", "/private%2findex.html", "/.%2e/private/", "/private\\", "/private?/../../public", "/private/#x",
]  # fmt: skip


@pytest.mark.parametrize("path", SPELLINGS)
def test_a_spelling_is_no_way_around(server, keys, path):
    answer = server.get(path)
    assert answer.status != 200 and "SECRET" not in answer.text
    if answer.status not in (301, 400, 403, 404):
        assert answer.status == 401


def test_absolute_urls_and_other_hosts_are_no_way_around(server):
    for path, host in (("http://localhost/private/", "localhost"), ("http://other/private/", "localhost"),
                       ("/private/", "other"), ("/private/", "localhost:1"), ("/private/", "")):  # fmt: skip
        assert server.get(path, headers=[("Host", host)]).status in (400, 401)


def test_old_http_is_no_way_around(server):
    with server.connect() as connection:
        connection.send_raw(b"GET /private/\r\n\r\n")
        assert b"SECRET" not in connection.read_some(4096)
    assert server.get("/private/", version="HTTP/1.0").status == 401


def test_a_range_or_condition_is_no_way_around(server):
    for header in (("Range", "bytes=0-"), ("If-None-Match", "*"), ("If-Modified-Since", "Thu, 01 Jan 2037 00:00:00 GMT"),
                   ("X-HTTP-Method-Override", "OPTIONS"), ("X-Original-URL", "/"), ("X-Rewrite-URL", "/")):  # fmt: skip
        assert server.get("/private/", headers=[header]).status == 401


def test_a_key_of_one_request_is_not_the_next_ones(server, keys):
    """Pipelined on one connection: none of the second's business is done with the first's key."""
    with server.connect() as connection:
        connection.send_raw(
            f"GET /private/cgi/env HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {keys['user blue']}\r\n\r\n"
            "GET /private/cgi/env HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        assert [connection.read_response().status for _ in range(2)] == [200, 401]
