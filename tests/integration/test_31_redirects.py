# SPDX-License-Identifier: Apache-2.0
"""The identity on its way through redirects and subrequests: kept, or judged again where the policy is another, and
the database asked once."""

import contextlib

import pytest
from backends import Ssi, told
from harness.apps import CGI_SCRIPT, Cgi, Fpm, HttpApp
from harness.httpd import HAS_HTTP2
from harness.keyfmt import insert_key, mistyped
from judged import basic

ANY_KEY = "AuthType Bearer\nRequire apikey"
KEY_OR_ADDRESS = "<RequireAny>\nRequire ip 127.0.0.1\nRequire apikey\n</RequireAny>"
BY_BASIC = "AuthType Basic\nAuthName keys\nAuthBasicProvider apikey\nRequire valid-user"

# Where redirects lead to: /<place>/env is a CGI program.
PLACES = {
    "open": "Require all granted",
    "same": ANY_KEY,
    "silent": f"{ANY_KEY}\nApiKeyExport None",
    "users": f"{ANY_KEY}\nApiKeyTeamKeys Off",
    "admin": "AuthType Bearer\nRequire apikey-scope admin",
    "lan": f"AuthType Bearer\nApiKeyTeamKeys Off\n{KEY_OR_ADDRESS}",
    "header": f"{ANY_KEY}\nApiKeyHeader X-API-Key",
    "basic": BY_BASIC,
}

# How one gets there: from /<way>-<place>/, where any key is let in.
WAYS = {
    "index": 'DirectoryIndex "/{place}/env"',
    "fallback": 'FallbackResource "/{place}/env"',
    "action": 'SetHandler to-{place}\nAction to-{place} "/{place}/env" virtual',
    "rewrite": 'RewriteEngine On\nRewriteRule ".?" "/{place}/env"',
    "include": "DirectoryIndex page\nOptions +Includes\nSetOutputFilter INCLUDES",
    "script": "DirectoryIndex to-{place}\nOptions +ExecCGI\nSetHandler cgi-script",
}

# An open place that gives its program a credential of the site's own.
GIVEN = 'Require all granted\nRequestHeader set Authorization "Bearer of-the-site"'

# What a key from the Authorization header meets there; the user's has the scope, the team's has not.
MET = {
    ("users", "team"): 401, ("admin", "team"): 403, ("header", "user"): 401, ("header", "team"): 401,
    ("basic", "user"): 401, ("basic", "team"): 401,
}  # fmt: skip

# What a .htaccess says lives as long as the subrequest that has read it; these are as long as each other.
HTACCESS = {
    "ht-one": f"ApiKeyHeader X-API-Key\n{ANY_KEY}",
    "ht-two": "ApiKeyHeader X-Abc-Def\nRequire all granted",
}

# Files of another policy than their directory's: (directory, file).
FILES = {
    "file-alone": ("Require all granted", ANY_KEY),
    "file-x-api-key": ("Require all granted", f"{ANY_KEY}\nApiKeyHeader X-API-Key"),
    "file-users": (ANY_KEY, "ApiKeyTeamKeys Off"),
    "file-basic": ("Require all granted", BY_BASIC),
    "file-lan": ("Require all granted", f"AuthType Bearer\n{KEY_OR_ADDRESS}"),
    "file-other-key": (ANY_KEY, "ApiKeyHeader X-API-Key"),
}

CONFIG = """
<VirtualHost *:${port}>
    ServerName localhost
    SetEnvIf Authorization "(.*)" HTTP_AUTHORIZATION=$1
    RewriteEngine On
    RewriteRule "^/server-(\\w+)$" "/$1/env" [PT]
    RewriteRule "^/ahead-(\\w+)$" "-" [E=AHEAD:%{LA-U:REMOTE_USER}]
    RewriteRule "^/ahead-(\\w+)$" "/$1/env" [PT]
    RewriteRule "^/ht-ahead$" "/ht-one/env.cgi" [NS]
    RewriteRule "^/ht-one/" "-" [NS,E=ONE:%{LA-U:REMOTE_USER}]
    RewriteRule "^/ht-one/" "/ht-two/env.cgi" [NS]
    RewriteRule "^/ht-two/" "-" [NS,E=TWO:%{LA-U:REMOTE_USER}]
    RewriteRule "^/ht-two/" "-" [NS,PT]
</VirtualHost>
<Location "/">
    CGIPassAuth On
</Location>
<Location "/refused/">
    AuthType Bearer
    Require apikey-scope admin
    ApiKeyHeader Authorization X-API-Key
    ErrorDocument 400 /open/env
    ErrorDocument 401 /open/env
    ErrorDocument 403 /open/env
    ErrorDocument 404 /open/env
</Location>
<Location "/refused/app/">
    ErrorDocument 400 /app/open?status=400
    ErrorDocument 401 /app/open?status=401
    ErrorDocument 403 /app/open?status=403
    ErrorDocument 404 /app/open?status=404
</Location>
<Location "/refused/basic/">
    AuthType Basic
    AuthName keys
    AuthBasicProvider apikey
</Location>
<Location "/refused/strict/">
    ErrorDocument 401 /same/env
    ErrorDocument 403 /same/env
    ErrorDocument 404 /users/env
</Location>
<Location "/refused/nobody/">
    AuthType None
    Require all granted
</Location>
<Location "/app/error/">
    AuthType Bearer
    Require apikey
    ProxyErrorOverride On
    ErrorDocument 404 /open/env
</Location>
"""


def section(kind, path, *lines):
    return "\n".join([f'<{kind} "{path}">', *lines, f"</{kind}>\n"])


def config(cgi, fpm):
    yield CONFIG
    yield section("Directory", fpm.folder, "DirectoryIndex env.php", section("Files", "env.php", ANY_KEY))
    for place, policy in PLACES.items():
        yield f'ScriptAlias "/{place}/" "{cgi.folder}/"'
        yield section("Location", f"/{place}/", policy)
        for way, lines in WAYS.items():
            yield section("Directory", f"${{htdocs}}/{way}-{place}", ANY_KEY, lines.format(place=place))
    yield f'ScriptAlias "/given/" "{cgi.folder}/"'
    yield section("Location", "/given/", GIVEN)
    for way, lines in WAYS.items():
        yield section("Directory", f"${{htdocs}}/{way}-given", ANY_KEY, lines.format(place="given"))
    for name in HTACCESS:
        runs = "AllowOverride AuthConfig\nOptions +ExecCGI\nAddHandler cgi-script .cgi"
        yield section("Directory", f"${{htdocs}}/{name}", runs)
    for name, (directory, file) in FILES.items():
        runs = "Options +ExecCGI\nAddHandler cgi-script .cgi\nDirectoryIndex index.cgi"
        yield section("Directory", f"${{htdocs}}/{name}", runs, directory, section("Files", "index.cgi", file))


def lay_out(htdocs):
    for name, lines in HTACCESS.items():
        (htdocs / name).mkdir()
        (htdocs / name / ".htaccess").write_text(lines + "\n")
        script(htdocs / name / "env.cgi", CGI_SCRIPT)
    for place in [*PLACES, "given"]:
        for way in WAYS:
            (htdocs / f"{way}-{place}").mkdir()
        (htdocs / f"include-{place}" / "page").write_text(f'<!--#include virtual="/{place}/env" -->')
        script(htdocs / f"script-{place}" / f"to-{place}", f"#!/bin/sh\nprintf 'Location: /{place}/env\\n\\n'\n")
    for name in FILES:
        (htdocs / name).mkdir()
        script(htdocs / name / "index.cgi", CGI_SCRIPT)


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture(scope="module")
def server(make_module_httpd, make_module_app, module_database):
    cgi, fpm, ssi = (make_module_app(kind) for kind in (Cgi, Fpm, Ssi))
    ssi.add("twice", '[<!--#include virtual="/same/env" -->, <!--#include virtual="/users/env" -->]')
    httpd = make_module_httpd(
        "\n".join(["ApiKeyCache Off\nApiKeyUsage Off", *config(cgi, fpm)]), start=False, modules=["http2"], dbd=module_database.dbd_params(),
        mounts={"/cgi": cgi, "/fpm": fpm, "/ssi": ssi, "/app": make_module_app(HttpApp)},
    )  # fmt: skip
    lay_out(httpd.htdocs)
    return httpd.start()


@pytest.fixture(scope="module")
def keys(module_database):
    """name -> (id, secret)"""
    return {
        "user": insert_key(module_database, "user", "alice", "admin"),
        "team": insert_key(module_database, "team", "blue"),
        "other": insert_key(module_database, "user", "olga"),
        "revoked": insert_key(module_database, "user", "mallory", "admin", revoked_at="2024-01-01"),
    }


@pytest.fixture(scope="module")
def identity(keys):
    """The identity that CGI programs see of each key."""

    def of(key, owner_type, owner, scopes=""):
        return {
            "APIKEY_ID": str(keys[key][0]), "APIKEY_OWNER_TYPE": owner_type, "APIKEY_OWNER": owner,
            f"APIKEY_{owner_type.upper()}": owner, "APIKEY_SCOPES": scopes, "APIKEY_EXPIRES": "",
            "APIKEY_STATUS": "valid", "REMOTE_USER": f"team:{owner}" if owner_type == "team" else owner,
            "AUTH_TYPE": "Bearer",
        }  # fmt: skip

    return {"user": of("user", "user", "alice", "admin"), "team": of("team", "team", "blue"),
            "other": of("other", "user", "olga")}  # fmt: skip


@pytest.fixture
def asked(mariadb):
    """with asked(times): how often the database is asked about keys meanwhile."""

    @contextlib.contextmanager
    def counting(times):
        before = mariadb.status("Com_stmt_execute")
        yield
        assert mariadb.status("Com_stmt_execute") - before == times

    return counting


def expect_refusals(server):
    server.expect(
        r"AK0003: API key (wrong_type|revoked): ", r"AK0001: API key (malformed|not_found)\b",
        r"AH01631: user \S+: authorization failure", r'unable to include "/\w+/env" in parsed file', r"AH01618: user .* not found",
    )  # fmt: skip


# -- every way to every place ----------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", ["user", "team"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_redirected(server, keys, identity, asked, way, place, owner):
    expect_refusals(server)
    with asked(1):
        answer = server.get(f"/{way}-{place}/", keys[owner][1])
    status = MET.get((place, owner), 200)
    if status != 200:
        assert answer.status == (200 if way == "include" else status)
        assert "REMOTE_USER" not in answer.text
        return
    seen = told(answer)
    assert seen.env == expected_there(place, identity[owner])
    assert keys[owner][1] not in str(seen.all)


def expected_there(place, identity):
    """One who need not be let in by the key is judged all the same."""
    if place == "silent":
        return {name: identity[name] for name in ("REMOTE_USER", "AUTH_TYPE")}
    if place == "lan" and "APIKEY_TEAM" in identity:
        return {"APIKEY_STATUS": "wrong_type"}
    return identity


@pytest.mark.parametrize("way", WAYS)
def test_redirected_to_where_another_key_counts(server, keys, identity, asked, way):
    with asked(2):
        answer = server.get(f"/{way}-header/", keys["user"][1], headers=[("X-API-Key", keys["other"][1])])
    seen = told(answer)
    assert seen.env == identity["other"]
    assert keys["user"][1] not in str(seen.all) and keys["other"][1] not in str(seen.all)


@pytest.mark.parametrize("way", ["action", "rewrite", "include", "script"])
def test_redirected_to_where_a_credential_is_given(server, keys, identity, way):
    """What mod_headers sets is the administrator's, not the caller's."""
    seen = told(server.get(f"/{way}-given/", keys["user"][1]))
    assert (seen.env, seen.headers["authorization"]) == (identity["user"], "Bearer of-the-site")


@pytest.mark.skipif(not HAS_HTTP2, reason="no HTTP/2 here")
def test_redirected_over_http2(server, keys, identity):
    for answer in server.http2([f"/{way}-open/" for way in WAYS], keys["team"][1]):
        assert told(answer).env == identity["team"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("owner", ["user", "team"])
def test_index_file_with_a_policy_of_its_own(server, keys, identity, asked, name, owner):
    """DirectoryIndex makes the file's subrequest the request itself, without its user and its headers."""
    key, other = keys[owner][1], keys["other"][1]
    headers = {
        "file-basic": [basic("whoever", key)],
        "file-x-api-key": [("X-API-Key", key)],
        "file-other-key": [("Authorization", f"Bearer {key}"), ("X-API-Key", other)],
    }.get(name, [("Authorization", f"Bearer {key}")])
    env = {"file-basic": identity[owner] | {"AUTH_TYPE": "Basic"}, "file-lan": {}, "file-other-key": identity["other"]}
    expect_refusals(server)
    with asked({"file-lan": 0, "file-other-key": 2}.get(name, 1)):
        answer = server.get(f"/{name}/", headers=headers)
    if (name, owner) == ("file-users", "team"):
        assert answer.status == 401
        return
    seen = told(answer)
    assert seen.env == env.get(name, identity[owner])
    assert all(value not in str(seen.all) for _, value in headers) and key not in str(seen.all)


def test_index_file_run_behind_a_proxy(server, keys, identity):
    seen = told(server.get("/fpm/", keys["team"][1]))
    assert seen.env == identity["team"]
    assert seen.identity_headers()["team"] == "blue"
    assert keys["team"][1] not in str(seen.all)


# -- rewriting before authentication ---------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["server", "ahead"])
@pytest.mark.parametrize("place, owner, status", [("same", "user", 200), ("users", "user", 200), ("users", "team", 401)])
def test_rewritten_by_the_server(server, keys, identity, asked, way, place, owner, status):
    """The policy is that of the rewritten path; %{LA-U:REMOTE_USER} asks beforehand what then is known already."""
    expect_refusals(server)
    with asked(1):
        answer = server.get(f"/{way}-{place}", keys[owner][1])
    assert answer.status == status
    if status == 200:
        seen = told(answer)
        assert seen.env == identity[owner]
        assert seen.all.get("AHEAD") == ("alice" if way == "ahead" else None)
        assert keys[owner][1] not in str(seen.all)


def test_withheld_where_the_htaccess_that_named_the_header_is_gone(server, keys):
    """With the subrequest of %{LA-U:REMOTE_USER}, whose memory the next one uses."""
    seen = told(server.get("/ht-ahead", headers=[("X-API-Key", keys["user"][1])]))
    assert (seen.all.get("ONE"), seen.all.get("TWO")) == ("alice", "")
    assert keys["user"][1] not in str(seen.all)


# -- subrequests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner, allowed", [("user", 2), ("team", 1)])
def test_includes_of_an_open_page_share_what_is_known(server, keys, identity, asked, owner, allowed):
    expect_refusals(server)
    with asked(1):
        answer = server.get("/ssi/twice", keys[owner][1])
    assert answer.status == 200
    assert answer.text.count(f'"REMOTE_USER": "{identity[owner]["REMOTE_USER"]}"') == allowed
    assert keys[owner][1] not in answer.text


# -- error documents -------------------------------------------------------------------------------------------

BAD = {
    "missing": (401, []),
    "malformed": (400, [("Authorization", "Bearer {user} and more")]),
    "malformed-twice": (400, [("Authorization", "Bearer {user}"), ("X-API-Key", "{other}")]),
    "not_found": (401, [("Authorization", "Bearer {mistyped}")]),
    "revoked": (401, [("X-API-Key", "{revoked}")]),
}
PROTOCOLS = ["HTTP/1.1", pytest.param("HTTP/2", marks=pytest.mark.skipif(not HAS_HTTP2, reason="no HTTP/2 here"))]


@pytest.fixture(scope="module")
def secrets(keys):
    """name -> secret, with one that nobody has."""
    return {name: secret for name, (_, secret) in keys.items()} | {"mistyped": mistyped(keys["user"][1])}


def send(server, protocol):
    return server.get if protocol == "HTTP/1.1" else server.http2


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("document", ["", "app/"])
@pytest.mark.parametrize("case", BAD)
def test_error_document_of_a_refused_key(server, secrets, case, document, protocol):
    """It is told the status and nothing else: neither whose key it was nor the credential."""
    status, headers = BAD[case]
    sent = [(name, value.format(**secrets)) for name, value in headers]
    expect_refusals(server)
    seen = told(send(server, protocol)(f"/refused/{document}", headers=sent), status)
    assert seen.env == ({} if document else {"APIKEY_STATUS": case.removesuffix("-twice")})
    assert seen.identity_headers() == {}
    assert "mallory" not in str(seen.all)
    assert all(value not in str(seen.all) for _, value in sent)


@pytest.mark.parametrize("case", ["revoked", "user-name"])
def test_error_document_of_a_refused_key_under_basic(server, secrets, case):
    sent = basic("me", secrets["revoked"]) if case == "revoked" else basic(secrets["user"], "")
    server.expect(r"AK0003: API key revoked", r"AK0001: API key malformed, sent as the user name")
    server.expect(r"AH01617: user me: authentication failure")
    seen = told(server.get("/refused/basic/", headers=[sent]), 401)
    assert seen.env == {"APIKEY_STATUS": "revoked" if case == "revoked" else "malformed"}
    assert sent[1] not in str(seen.all)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "owner, status, verdict", [("user", 404, "valid"), ("team", 403, "insufficient_scope")]
)
def test_error_document_of_a_known_caller(server, keys, identity, asked, owner, status, verdict, protocol):
    expect_refusals(server)
    with asked(1):
        answer = send(server, protocol)("/refused/none", keys[owner][1])
    seen = told(answer, status)
    assert seen.env == identity[owner] | {"APIKEY_STATUS": verdict}
    assert keys[owner][1] not in str(seen.all)


def test_error_document_of_a_known_caller_by_an_application(server, keys):
    seen = told(server.get("/refused/app/none", keys["user"][1]), 404)
    assert seen.identity_headers()["user"] == "alice"
    assert "authorization" not in seen.headers


def test_error_document_under_basic_keeps_the_type(server, keys, identity):
    seen = told(server.get("/refused/basic/none", headers=[basic("me", keys["user"][1])]), 404)
    assert seen.env == identity["user"] | {"AUTH_TYPE": "Basic"}


def test_error_document_instead_of_an_application(server, keys, identity):
    """What the application was told in headers does not stay behind."""
    seen = told(server.get("/app/error/?status=404", keys["team"][1]), 404)
    assert seen.env == identity["team"]
    assert seen.identity_headers() == {}


def test_error_document_behind_a_policy(server, keys):
    """It is judged too: httpd's own text where it lets nobody in, as everywhere in httpd."""
    expect_refusals(server)
    assert told(server.get("/refused/strict/none", keys["user"][1]), 404).env["REMOTE_USER"] == "alice"
    assert told(server.get("/refused/strict/none", keys["team"][1]), 403).env["REMOTE_USER"] == "team:blue"
    assert "mallory" not in server.get("/refused/strict/", keys["revoked"][1]).text


def test_look_alikes_do_not_reach_error_documents(server):
    forged = [("X-ApiKey-User", "forged"), ("x_apikey_team", "forged")]
    for path in ("/refused/nobody/none", "/refused/"):
        answer = server.get(path, headers=forged)
        assert answer.status in (401, 404)
        assert answer.header("Content-Type") == "application/json" and "forged" not in answer.text
