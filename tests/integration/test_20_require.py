# SPDX-License-Identifier: Apache-2.0
"""Whom each Require line lets in: alone, combined, negated, through an alias, and beside other modules' lines."""

import re

import pytest
from harness.cmodule import build_module
from harness.keyfmt import insert_key, mint
from judged import FORBIDDEN, MISSING, UNJUDGED, VALID, ask, basic

WHO = {
    "alice": ("user", "alice", "orders:read profile"),
    "bob": ("user", "bob", ""),
    "blue": ("team", "blue", "orders:*"),
    "red": ("team", "red", "orders:"),
    "alice-team": ("team", "alice", ""),  # a team is never taken for the user of the same name
    "jose": ("team", "jos\u00e9 50%", ""),
}

# A server-wide alias of every line that can stand in one.
ALIASES = """
<AuthzProviderAlias apikey any-key>
</AuthzProviderAlias>
<AuthzProviderAlias apikey-team colours "blue red">
</AuthzProviderAlias>
<AuthzProviderAlias apikey-scope writers orders:write>
</AuthzProviderAlias>
<AuthzProviderAlias apikey-expr a-team "%{APIKEY_OWNER_TYPE} == 'team'">
</AuthzProviderAlias>
"""

# name: (lines of the location, the callers let in; None is the one without a key). All others with a key are refused
# with 403, for the scopes in LACKING or else just so; without a key the answer is 401.
PLACES = {
    # each line alone
    "any": ("Require apikey", set(WHO)),
    "user": ("Require apikey-user", {"alice", "bob"}),
    "user-alice": ("Require apikey-user alice", {"alice"}),
    "user-list": ("Require apikey-user nobody bob", {"bob"}),
    "user-two-lines": ("Require apikey-user alice\nRequire apikey-user bob", {"alice", "bob"}),
    "user-case": ("Require apikey-user Alice", set()),
    "user-prefix": ("Require apikey-user alic alice2 team:alice", set()),
    "team": ("Require apikey-team", {"blue", "red", "alice-team", "jose"}),
    "team-alice": ("Require apikey-team alice", {"alice-team"}),
    "team-list": ("Require apikey-team blue red", {"blue", "red"}),
    "team-stored": ("Require apikey-team \"jos\u00e9 50%\"", {"jose"}),
    "team-encoded": ("Require apikey-team \"jos%C3%A9 50%25\" jos%C3%A9%2050%25", set()),
    "team-quoted-list": ("Require apikey-team 'red' \"blue\"", {"blue", "red"}),
    "scope": ("Require apikey-scope profile", {"alice"}),
    "scope-either": ("Require apikey-scope admin profile orders:write", {"alice", "blue"}),
    "scope-wildcard": ("Require apikey-scope orders:read", {"alice", "blue"}),
    "scope-below-wildcard": ("Require apikey-scope orders:read:all", {"blue"}),
    "scope-itself": ("Require apikey-scope orders:*", {"blue"}),
    "scope-bare-prefix": ("Require apikey-scope orders:", {"red"}),
    "scope-case": ("Require apikey-scope Profile", set()),
    "scope-part": ("Require apikey-scope orders profil", set()),
    "id": ("Require apikey-id {alice}", {"alice"}),
    "id-list": ("Require apikey-id 999999 {bob} {red}", {"bob", "red"}),
    "expr": ("Require apikey-expr \"%{APIKEY_TEAM} == 'blue'\"", {"blue"}),
    "expr-unquoted": ("Require apikey-expr %{APIKEY_TEAM} == 'blue'", {"blue"}),
    "expr-begins-with-string": ("Require apikey-expr 'blue' == %{APIKEY_TEAM}", {"blue"}),
    "expr-double-quotes": ("Require apikey-expr \"blue\" == \"%{APIKEY_TEAM}\"", {"blue"}),
    "expr-remote-user": ("Require apikey-expr \"%{REMOTE_USER} == 'team:red' || %{REMOTE_USER} == 'bob'\"",
                         {"red", "bob"}),
    "expr-reqenv": ("Require apikey-expr \"reqenv('APIKEY_USER') == 'alice'\"", {"alice"}),
    "expr-scopes": ("Require apikey-expr \"%{APIKEY_SCOPES} =~ /profile/ && %{APIKEY_ID} -eq {alice}\"", {"alice"}),
    "expr-type": ("Require apikey-expr \"%{APIKEY_OWNER_TYPE} == 'user' && %{APIKEY_EXPIRES} == ''\"",
                  {"alice", "bob"}),
    "expr-encoded": ("Require apikey-expr \"%{APIKEY_TEAM} == 'jos%%C3%%A9 50%%25'\"".replace("%%", "%"), {"jose"}),
    "expr-status": ("Require apikey-expr \"%{APIKEY_STATUS} == 'valid'\"", set(WHO)),
    "expr-true": ("Require apikey-expr true", set(WHO)),
    # httpd's own lines
    "valid-user": ("Require valid-user", set(WHO)),
    "httpd-user": ("Require user alice team:blue", {"alice", "blue"}),
    "httpd-user-is-no-team": ("Require user blue", set()),
    "httpd-expr-user": ("Require expr \"%{REMOTE_USER} == 'alice' && %{APIKEY_USER} == 'alice'\"", {"alice"}),
    # inside RequireAny
    "any-of": ("<RequireAny>\nRequire apikey-user alice\nRequire apikey-team red\n</RequireAny>", {"alice", "red"}),
    "any-of-kinds": ("<RequireAny>\nRequire apikey-id {bob}\nRequire apikey-scope profile\nRequire apikey-expr "
                     "\"%{APIKEY_TEAM} == 'red'\"\n</RequireAny>", {"alice", "bob", "red"}),
    "any-with-env": ("<RequireAny>\nRequire env APIKEY_TEAM\nRequire apikey-user bob\n</RequireAny>",
                     {"bob", "blue", "red", "alice-team", "jose"}),
    # inside RequireAll
    "all-of": ("<RequireAll>\nRequire apikey-user\nRequire apikey-scope orders:read\n</RequireAll>", {"alice"}),
    "all-scopes": ("<RequireAll>\nRequire apikey-scope orders:read\nRequire apikey-scope profile\n</RequireAll>",
                   {"alice"}),
    "all-with-ip": ("<RequireAll>\nRequire ip 127.0.0.1\nRequire apikey-team blue\n</RequireAll>", {"blue"}),
    "all-with-valid-user": ("<RequireAll>\nRequire valid-user\nRequire apikey-team blue\n</RequireAll>", {"blue"}),
    "all-with-env": ("SetEnvIf Request_URI . open\n<RequireAll>\nRequire env open\nRequire apikey-user\n</RequireAll>",
                     {"alice", "bob"}),
    # negated
    "not-team": ("<RequireAll>\nRequire all granted\nRequire not apikey-team red\n</RequireAll>", set(WHO) - {"red"}),
    "not-first": ("<RequireAll>\nRequire not apikey-team red\nRequire all granted\n</RequireAll>", set(WHO) - {"red"}),
    "not-user": ("<RequireAll>\nRequire apikey\nRequire not apikey-user alice\n</RequireAll>", set(WHO) - {"alice"}),
    "not-any": ("<RequireAll>\nRequire all granted\nRequire not apikey\n</RequireAll>", set()),
    "not-id": ("<RequireAll>\nRequire all granted\nRequire not apikey-id {bob}\n</RequireAll>", set(WHO) - {"bob"}),
    "not-scope": ("<RequireAll>\nRequire all granted\nRequire not apikey-scope profile\n</RequireAll>",
                  set(WHO) - {"alice"}),
    "not-expr": ("<RequireAll>\nRequire all granted\nRequire not apikey-expr \"%{APIKEY_TEAM} != ''\"\n</RequireAll>",
                 {"alice", "bob"}),
    "none-of": ("<RequireAll>\nRequire all granted\n<RequireNone>\nRequire apikey-team red\nRequire apikey-user\n"
                "</RequireNone>\n</RequireAll>", {"blue", "alice-team", "jose"}),
    "none-nested": ("<RequireAll>\nRequire all granted\n<RequireNone>\n<RequireAll>\nRequire apikey-user\nRequire "
                    "apikey-scope profile\n</RequireAll>\n</RequireNone>\n</RequireAll>", set(WHO) - {"alice"}),
    "not-below-any": ("<RequireAny>\n<RequireAll>\nRequire all granted\nRequire not apikey-team red\n</RequireAll>\n"
                      "Require apikey-user nobody\n</RequireAny>", set(WHO) - {"red"}),
    # nested
    "nested": ("<RequireAny>\n<RequireAll>\nRequire apikey-team blue\nRequire apikey-scope orders:write\n"
               "</RequireAll>\n<RequireAll>\nRequire apikey-user\nRequire not apikey-user bob\n</RequireAll>\n"
               "</RequireAny>", {"blue", "alice"}),
    # through aliases
    "alias-any": ("Require any-key", set(WHO)),
    "alias-team": ("Require colours", {"blue", "red"}),
    "alias-scope": ("Require writers", {"blue"}),
    "alias-expr": ("Require a-team", {"blue", "red", "alice-team", "jose"}),
    "alias-not": ("<RequireAll>\nRequire all granted\nRequire not colours\n</RequireAll>", set(WHO) - {"blue", "red"}),
    "alias-not-any": ("<RequireAll>\nRequire all granted\nRequire not any-key\n</RequireAll>", set()),
    "alias-all": ("<RequireAll>\nRequire colours\nRequire writers\n</RequireAll>", {"blue"}),
    # addresses that are let in without a key
    "ip-or-key": ("<RequireAny>\nRequire ip 127.0.0.1\nRequire apikey\n</RequireAny>", {None, *WHO}),
    "key-or-ip": ("<RequireAny>\nRequire apikey\nRequire ip 127.0.0.1\n</RequireAny>", {None, *WHO}),
    "scope-or-ip": ("<RequireAny>\nRequire apikey-scope admin\nRequire ip 127.0.0.1\n</RequireAny>", {None, *WHO}),
    "not-or-ip": ("<RequireAny>\n<RequireAll>\nRequire apikey\nRequire not apikey-team red\n</RequireAll>\n"
                  "Require ip 127.0.0.1\n</RequireAny>", {None, *WHO}),
    "none-or-ip": ("<RequireAny>\n<RequireAll>\nRequire valid-user\n<RequireNone>\nRequire apikey-user\n"
                   "</RequireNone>\n</RequireAll>\nRequire ip 127.0.0.1\n</RequireAny>", {None, *WHO}),
    "ip-or-alias": ("<RequireAny>\nRequire ip 127.0.0.1\nRequire colours\n</RequireAny>", {None, *WHO}),
    "elsewhere-or-key": ("<RequireAny>\nRequire ip 192.0.2.1\nRequire apikey-user\n</RequireAny>", {"alice", "bob"}),
    "elsewhere-or-not": ("<RequireAny>\nRequire ip 192.0.2.1\n<RequireAll>\nRequire apikey\nRequire not apikey-user\n"
                         "</RequireAll>\n</RequireAny>", {"blue", "red", "alice-team", "jose"}),
    # mod_access_compat
    "satisfy-any-here": ("Order deny,allow\nDeny from all\nAllow from 127.0.0.1\nSatisfy Any\nRequire apikey",
                         {None, *WHO}),
    "satisfy-any-elsewhere": ("Order deny,allow\nDeny from all\nSatisfy Any\nRequire apikey-user", {"alice", "bob"}),
    "satisfy-all": ("Order deny,allow\nSatisfy All\nRequire apikey-user bob", {"bob"}),
    # sections inside each other
    "merged-off": ("Require apikey-user alice", {"alice"}),
    "merged-off/below": ("Require apikey-user bob", {"bob"}),
    "merged-and": ("Require apikey-scope orders:read", {"alice", "blue"}),
    "merged-and/below": ("AuthMerging And\nRequire apikey-team", {"blue"}),
    "merged-or": ("Require apikey-user alice", {"alice"}),
    "merged-or/below": ("AuthMerging Or\nRequire apikey-team blue", {"alice", "blue"}),
    "silent": ("Require apikey-user alice", {"alice"}),
    "silent/below": ("ApiKeyTeamKeys On", {"alice"}),
}  # fmt: skip

# place: who misses which scopes, as the challenge names them; anybody else who is refused is just forbidden.
LACKING = {
    "scope": {name: "profile" for name in set(WHO) - {"alice"}},
    "scope-either": {name: "admin profile orders:write" for name in set(WHO) - {"alice", "blue"}},
    "scope-wildcard": {name: "orders:read" for name in set(WHO) - {"alice", "blue"}},
    "scope-below-wildcard": {name: "orders:read:all" for name in set(WHO) - {"blue"}},
    "scope-itself": {name: "orders:*" for name in set(WHO) - {"blue"}},
    "scope-bare-prefix": {name: "orders:" for name in set(WHO) - {"red"}},
    "scope-case": {name: "Profile" for name in WHO},
    "scope-part": {name: "orders profil" for name in WHO},
    "any-of-kinds": {name: "profile" for name in ("blue", "alice-team", "jose")},
    "all-of": {"bob": "orders:read"},
    "all-scopes": {"blue": "profile"} | {name: "orders:read" for name in ("bob", "red", "alice-team", "jose")},
    "alias-scope": {name: "orders:write" for name in set(WHO) - {"blue"}},
    "alias-all": {"red": "orders:write"},
    "merged-and": {name: "orders:read" for name in set(WHO) - {"alice", "blue"}},
    "merged-and/below": {name: "orders:read" for name in set(WHO) - {"alice", "blue"}},
}  # fmt: skip

# What httpd itself says to those it refuses, beside AH01631.
NOISE = {
    "httpd-expr-user": r"AH01629: authorization failure \(no authenticated user\): /httpd-expr-user/",
    "satisfy-any-elsewhere": r"AH01797: client denied by server configuration",
}

# Which scopes are named where several sections have a say.
CHALLENGES = {
    "two-lines": ("Require apikey-scope a b\nRequire apikey-scope b c", "bob", "a b c"),
    "any-then-user": ("<RequireAny>\nRequire apikey-scope a\nRequire apikey-team blue\n</RequireAny>", "bob", "a"),
    "deep": ("<RequireAny>\nRequire apikey-scope a\n<RequireAll>\nRequire apikey\nRequire apikey-scope b\n"
             "</RequireAll>\n</RequireAny>", "bob", "a b"),
    # What was missed does not matter where another line of the same RequireAny granted.
    "granted-by-scope": ("<RequireAll>\n<RequireAny>\nRequire apikey-scope a\nRequire apikey-scope profile\n"
                         "</RequireAny>\nRequire apikey-scope z\n</RequireAll>", "alice", "z"),
    "granted-by-user": ("<RequireAll>\n<RequireAny>\nRequire apikey-scope a\nRequire apikey-user alice\n"
                        "</RequireAny>\nRequire apikey-id 999999\n</RequireAll>", "alice", None),
    "granted-above": ("<RequireAll>\n<RequireAny>\n<RequireAll>\nRequire all granted\nRequire apikey-scope a\n"
                      "</RequireAll>\nRequire apikey-user alice\n</RequireAny>\nRequire apikey-id 999999\n"
                      "</RequireAll>", "alice", None),
    "not-granted": ("<RequireAny>\nRequire apikey-scope a\n<RequireAll>\nRequire apikey-user alice\nRequire "
                    "apikey-id 999999\n</RequireAll>\n</RequireAny>", "alice", "a"),
    "through-alias": ("<RequireAny>\nRequire apikey-scope a\n<RequireAll>\nRequire any-key\nRequire apikey-id 999999\n"
                      "</RequireAll>\n</RequireAny>", "alice", "a"),
    # A scope that is not wanted is not one to ask for.
    "unwanted": ("<RequireAll>\nRequire all granted\nRequire not apikey-scope x\nRequire apikey-team\n</RequireAll>",
                 "alice", None),
    "unwanted-none": ("<RequireAll>\nRequire all granted\n<RequireNone>\nRequire apikey-scope x\nRequire apikey-user\n"
                      "</RequireNone>\n</RequireAll>", "alice", None),
    # RequireAll is not asked any further than its first refusal.
    "first-of-all": ("<RequireAll>\nRequire apikey-team\nRequire apikey-scope a\n</RequireAll>", "alice", None),
}  # fmt: skip

METHODS = {
    "limit": "<Limit GET>\nRequire apikey-scope orders:read\n</Limit>\n"
             "<Limit POST>\nRequire apikey-scope orders:write\n</Limit>",
    "limit-except": "<LimitExcept OPTIONS>\nRequire apikey-user\n</LimitExcept>",
    "options": "<RequireAny>\nRequire method OPTIONS\nRequire apikey-user\n</RequireAny>",
}  # fmt: skip

TRAPS = {
    "env": "Require env APIKEY_TEAM",
    "expr": "Require expr \"%{APIKEY_TEAM} == 'blue'\"",
    "expr-env": "Require expr \"reqenv('APIKEY_TEAM') == 'blue'\"",
    "env-and-key": "<RequireAll>\nRequire env APIKEY_TEAM\nRequire apikey\n</RequireAll>",
    "ip-and-key": "<RequireAll>\nRequire ip 192.0.2.1\nRequire apikey\n</RequireAll>",
}

BASIC = {
    "basic-any": ("Require apikey", {"alice": 200, "blue": 200, "carol": 401}),
    "basic-team": ("Require apikey-team blue", {"alice": 401, "blue": 200, "carol": 401}),
    "basic-not-team": ("<RequireAll>\nRequire all granted\nRequire not apikey-team blue\n</RequireAll>",
                       {"alice": 200, "blue": 401, "carol": 200, None: 401}),
    "basic-valid-user": ("Require valid-user", {"alice": 200, "blue": 200, "carol": 200}),
}  # fmt: skip


def lacks(scopes):
    return (403, f'Bearer realm="API", error="insufficient_scope", scope="{scopes}"', "insufficient_scope")


@pytest.fixture(scope="module")
def keys(module_database):
    """name -> (id, secret)"""
    return {name: insert_key(module_database, *owner) for name, owner in WHO.items()}


def location(path, lines, auth="AuthType Bearer"):
    return f'<Location "/{path}/">\n{auth}\n{lines}\n</Location>\n'


@pytest.fixture(scope="module")
def server(make_module_httpd, module_database, keys, scratch):
    passwords = scratch.folder("passwords")
    passwords.chmod(0o755)
    (passwords / "file").write_text("carol:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n")  # "test"
    with_basic = f'AuthType Basic\nAuthName people\nAuthBasicProvider apikey file\nAuthUserFile "{passwords}/file"'
    sections = [
        location(name, re.sub(r"\{(\w+)\}", lambda found: str(keys[found[1]][0]) if found[1] in keys else found[0],
                              lines)) for name, (lines, _) in PLACES.items()
    ]  # fmt: skip
    sections += [location(f"challenge/{name}", lines) for name, (lines, *_) in CHALLENGES.items()]
    sections += [location(f"method/{name}", lines) for name, lines in METHODS.items()]
    sections += [location(f"trap/{name}", lines) for name, lines in TRAPS.items()]
    sections += [location(name, lines, with_basic) for name, (lines, _) in BASIC.items()]
    sections += ['<Directory "${htdocs}/ht">\nAllowOverride AuthConfig\nAuthType Bearer\n</Directory>']
    alias = 'AliasMatch "^/(?!ht/).*/$" "${htdocs}/index.html"\n'
    httpd = make_module_httpd(
        ALIASES + alias + "".join(sections), dbd=module_database.dbd_params(), start=False
    )
    (httpd.htdocs / "ht").mkdir()
    (httpd.htdocs / "ht" / "index.html").write_text("hello\n")
    return httpd.start()


# What mod_ssl's SSLUserName does: a user, from a certificate, before anybody is asked.
CERTIFICATE_MODULE = """
#include <httpd.h>
#include <http_config.h>
#include <http_request.h>
#include <apr_strings.h>
static int name_user(request_rec *r) { r->user = apr_pstrdup(r->pool, "certificate"); return OK; }
static void hooks(apr_pool_t *p) {
    (void)p;
    ap_hook_check_access(name_user, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
}
AP_DECLARE_MODULE(certificate) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks, AP_MODULE_FLAG_NONE};
"""


CERTIFIED = {
    "any": "Require apikey",
    "user": "Require apikey-user alice",
    "not": "<RequireAll>\nRequire all granted\nRequire not apikey-team blue\n</RequireAll>",
    "both": "<RequireAll>\nRequire valid-user\nRequire apikey-user alice\n</RequireAll>",
}


@pytest.fixture(scope="module")
def certified(make_module_httpd, module_database, scratch):
    module = build_module(scratch.folder("certificate"), "certificate", CERTIFICATE_MODULE)
    sections = "".join(location(name, lines) for name, lines in CERTIFIED.items())
    return make_module_httpd(f'{module}AliasMatch "/$" "${{htdocs}}/index.html"\n{sections}', dbd=module_database.dbd_params())


@pytest.mark.parametrize("place", CERTIFIED)
def test_a_user_of_a_certificate_is_no_owner_of_a_key(certified, keys, place):
    """Neither does it stand for a key nor in the way of one, and the key's owner is who is told."""
    assert ask(certified, f"/{place}/").answer == MISSING
    assert ask(certified, f"/{place}/", mint()).answer[0] == 401
    mark = certified.access_mark()
    assert ask(certified, f"/{place}/", keys["alice"][1]).answer == VALID
    assert certified.access_lines(mark, count=1)[0].split()[1] == "alice"


@pytest.mark.parametrize("place", PLACES)
def test_who_is_let_in(server, keys, place):
    let_in = PLACES[place][1]
    if place in NOISE:
        server.expect(NOISE[place])
    for name in [None, *WHO]:
        expected = UNJUDGED if None in let_in else MISSING
        if name in WHO and None not in let_in:
            scopes = LACKING.get(place, {}).get(name)
            expected = VALID if name in let_in else lacks(scopes) if scopes else FORBIDDEN
        assert (name, ask(server, f"/{place}/", name and keys[name][1]).answer) == (name, expected)


def test_every_expected_challenge_is_of_a_place():
    assert set(LACKING) <= set(PLACES)


@pytest.mark.parametrize("place", CHALLENGES)
def test_scopes_in_the_challenge(server, keys, place):
    _, who, scopes = CHALLENGES[place]
    expected = lacks(scopes) if scopes else FORBIDDEN
    assert ask(server, f"/challenge/{place}/", keys[who][1]).answer == expected


@pytest.mark.parametrize(
    "place, method, who, expected",
    [
        ("limit", "GET", None, MISSING),
        ("limit", "GET", "alice", VALID),
        ("limit", "GET", "bob", lacks("orders:read")),
        ("limit", "HEAD", "bob", lacks("orders:read")),
        ("limit", "POST", "alice", lacks("orders:write")),
        ("limit-except", "OPTIONS", None, UNJUDGED),
        ("limit-except", "GET", None, MISSING),
        ("limit-except", "PUT", "blue", FORBIDDEN),
        ("limit-except", "GET", "bob", VALID),
        ("options", "OPTIONS", None, UNJUDGED),
        ("options", "OPTIONS", "blue", UNJUDGED),
        ("options", "GET", None, MISSING),
        ("options", "GET", "blue", FORBIDDEN),
        ("options", "POST", "blue", FORBIDDEN),
        ("options", "GET", "bob", VALID),
    ],
)
def test_methods(server, keys, place, method, who, expected):
    assert ask(server, f"/method/{place}/", who and keys[who][1], method=method).answer == expected


@pytest.mark.parametrize("place", TRAPS)
def test_lines_that_are_asked_before_the_key_refuse_a_valid_one(server, keys, place):
    """They know nobody yet, and refuse for good: Require apikey-expr is the line to use."""
    server.expect(r"AH01630: client denied by server configuration")
    assert server.get(f"/trap/{place}/", keys["blue"][1]).status == 403


@pytest.mark.parametrize("place", BASIC)
def test_with_basic_and_another_provider(server, keys, place):
    """Somebody who logged in with a password has no key."""
    for who, status in BASIC[place][1].items():
        if status == 401:
            server.expect(r"AH01631: user \S+: authorization failure")
        password = "test" if who == "carol" else who and keys[who][1]
        response = server.get(f"/{place}/", headers=[basic("carol", password)] if who else [])
        assert (who, response.status) == (who, status)


@pytest.mark.parametrize(
    "lines, who, expected",
    [
        ("Require apikey-team blue", None, MISSING),
        ("Require apikey-team blue", "blue", VALID),
        ("Require apikey-team blue", "red", FORBIDDEN),
        ("Require apikey-scope profile\nRequire apikey-scope z", "bob", lacks("profile z")),
        ("<RequireAll>\nRequire all granted\nRequire not apikey-team red\n</RequireAll>", None, MISSING),
        ("<RequireAll>\nRequire all granted\nRequire not apikey-team red\n</RequireAll>", "red", FORBIDDEN),
        ("<RequireAny>\nRequire apikey\nRequire ip 127.0.0.1\n</RequireAny>", None, UNJUDGED),
        ("Require colours", "red", VALID),
        ("Require apikey-expr \"%{APIKEY_TEAM} == 'blue'\"", "blue", VALID),
        ("Require apikey-expr \"%{APIKEY_TEAM} == 'blue'\"", "red", FORBIDDEN),
    ],
)
def test_in_htaccess(server, keys, lines, who, expected):
    (server.htdocs / "ht" / ".htaccess").write_text(lines + "\n")
    assert ask(server, "/ht/", who and keys[who][1]).answer == expected


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("Require apikey-expr \"file('/etc/passwd') =~ /root/\"", r"Require apikey-expr: file not available"),
        ("Require apikey-expr \"filesize('/etc/passwd') -gt 0\"", r"Require apikey-expr: filesize not available"),
        ("Require apikey-team ''", r"an empty name"),
    ],
)
def test_refused_in_htaccess(server, keys, line, complaint):
    (server.htdocs / "ht" / ".htaccess").write_text(line + "\n")
    server.expect(rf"\.htaccess: {complaint}")
    mark = server.log_mark()
    assert server.get("/ht/", keys["blue"][1]).status == 500
    server.wait_log(complaint, mark)


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("apikey alice", "Require apikey takes no arguments.*apikey-user"),
        ('apikey-user ""', "empty name in a Require apikey line"),
        ("apikey-user alice '' bob", "empty name in a Require apikey line"),
        ('apikey-team ""', "empty name in a Require apikey line"),
        ("apikey-scope", "Require apikey-scope takes one or more scopes"),
        ('apikey-scope ""', "empty name in a Require apikey line"),
        ("apikey-scope *", r"Require apikey-scope: '\*' is not a scope-token"),
        ('apikey-scope "a b"', "Require apikey-scope: 'a b' is not a scope-token"),
        ("apikey-scope b\u00e9", "Require apikey-scope: .* is not a scope-token"),
        ("apikey-id", "Require apikey-id takes one or more ids"),
        ("apikey-id alice", "Require apikey-id: 'alice' is not the id of a key"),
        ("apikey-id 0", "Require apikey-id: '0' is not the id of a key"),
        ("apikey-id 1 -2", "Require apikey-id: '-2' is not the id of a key"),
        ("apikey-id 1x", "Require apikey-id: '1x' is not the id of a key"),
        ("apikey-expr", "Require apikey-expr takes an expression"),
        ('apikey-expr ""', "Require apikey-expr takes an expression"),
        ("apikey-expr \"%{APIKEY_TEAM} = \"", "Require apikey-expr: syntax error"),
        ("apikey-expr \"%{APIKEY_TEAM} == 'x'\" || true", "Require apikey-expr: syntax error"),
        ("apikey-expr \"%{APIKEY_TEEM} == 'x'\"", "Require apikey-expr: .*APIKEY_TEEM"),
        ("apikey-users alice", "Unknown Authz provider: apikey-users"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("word", ["Require", "Require not"])
def test_bad_arguments_are_refused_at_start(bare_server, word, line, complaint):
    lines = f"<RequireAll>\nRequire all granted\n{word} {line}\n</RequireAll>"
    bare_server.config = f'<Location "/x/">\n{lines}\n</Location>'
    status, said = bare_server.configtest()
    number = 1 + bare_server.config_file.read_text().split("\n").index(f"{word} {line}")
    assert status != 0
    assert re.search(rf"Syntax error on line {number} of {bare_server.config_file}", said), said
    assert re.search(complaint, said), said


@pytest.fixture(scope="module")
def bare_server(make_module_httpd):
    """Never started."""
    return make_module_httpd(start=False)


@pytest.mark.parametrize("line", ["apikey-scope *", "apikey-scope", "apikey-id x", "apikey-expr ="])
def test_bad_arguments_of_an_alias_are_refused_at_start(bare_server, line):
    provider, _, argument = line.partition(" ")
    bare_server.config = f"<AuthzProviderAlias {provider} mine '{argument}'>\n</AuthzProviderAlias>"
    status, said = bare_server.configtest()
    assert status != 0 and f"Require {provider}" in said, said


def test_negation_outside_require_all_is_no_way_in(bare_server):
    bare_server.config = '<Location "/x/">\nAuthType Bearer\nRequire not apikey-team red\n</Location>'
    assert bare_server.configtest()[0] != 0
