# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent where a key should be: the answer, no query for what cannot be a key, and nothing of it in a log."""

import pytest
from harness.httpd import HAS_HTTP2
from harness.keyfmt import check_digits, insert_key, mint, mistyped
from judged import MALFORMED, MISSING, VALID, ask, basic, invalid, leaked

NOT_FOUND = invalid("not_found")
BY_HTTPD = (400, None, None)

CONFIG = """
AliasMatch "^/[a-z-]+/$" "${htdocs}/index.html"
<Location "/bearer/">
    AuthType Bearer
    Require apikey
</Location>
<Location "/either/">
    AuthType Bearer
    ApiKeyHeader Authorization X-API-Key
    Require apikey
</Location>
<Location "/own/">
    AuthType Bearer
    ApiKeyHeader X-API-Key
    Require apikey
</Location>
<Location "/basic/">
    AuthType Basic
    AuthName people
    AuthBasicProvider apikey
    Require valid-user
</Location>
<VirtualHost 127.0.0.1:${port}>
    ServerName localhost
</VirtualHost>
<VirtualHost 127.0.0.1:${port}>
    ServerName foreign
    ApiKeyForeign On
</VirtualHost>
"""

# So that statements of the database count look-ups and nothing else.
ASK_EACH_TIME = "ApiKeyCache Off\nApiKeyUsage Off\n"

FOREIGN = "sk-live-abc.DEF~123+/x=="
FOREIGN_HOST = [("Host", "foreign")]


@pytest.fixture(scope="module")
def key(module_database):
    return insert_key(module_database, "user", "alice")[1]


@pytest.fixture(scope="module")
def server(make_module_httpd, module_database, key):
    return make_module_httpd(ASK_EACH_TIME + CONFIG, dbd=module_database.dbd_params(), modules=["http2"])


@pytest.fixture(scope="module")
def roomy(make_module_httpd, module_database):
    """A server that takes headers of any size."""
    config = "LimitRequestFieldSize 200000\n" + ASK_EACH_TIME + CONFIG
    return make_module_httpd(config, dbd=module_database.dbd_params())


@pytest.fixture(autouse=True)
def no_key_in_any_log(server, key):
    yield
    assert leaked(server, [key, key.swapcase(), FOREIGN]) == []


@pytest.fixture
def queries(mariadb):
    """A function: how many look-ups there were since the test began."""
    before = mariadb.status("Com_stmt_execute")
    return lambda: mariadb.status("Com_stmt_execute") - before


def with_check(body):
    return (body + check_digits(body)).encode()


def fill(value, key):
    """The bytes to send: KEY stands for a good key, OTHER for another string of the same form."""
    return value.replace(b"KEY", key.encode()).replace(b"OTHER", mint().encode())


# -- the Authorization header ----------------------------------------------------------------------------------

BEARER = [
    # what, the header's value, answer
    ("empty", b"", MISSING),
    ("basic", b"Basic eDp5", MISSING),
    ("digest", b'Digest username="x", realm="API", nonce="n", uri="/", response="r"', MISSING),
    ("longer scheme", b"Bearertoken KEY", MISSING),
    ("hyphenated scheme", b"Bearer-x KEY", MISSING),
    ("shorter scheme", b"Beare KEY", MISSING),
    ("no scheme", b"KEY", MISSING),
    ("scheme alone", b"Bearer", MALFORMED),
    ("scheme and blanks", b"Bearer    ", MALFORMED),
    ("scheme and equals", b"Bearer=KEY", MALFORMED),
    ("scheme and comma", b"Bearer, KEY", MALFORMED),
    ("scheme and quote", b'Bearer"KEY"', MALFORMED),
    ("tab for space", b"Bearer\tKEY", MALFORMED),
    ("tab after space", b"Bearer \tKEY", MALFORMED),
    ("tab in the middle", b"Bearer KEY\tx", MALFORMED),
    ("trailing word", b"Bearer KEY x", MALFORMED),
    ("trailing comma", b"Bearer KEY,", MALFORMED),
    ("trailing semicolon", b"Bearer KEY;", MALFORMED),
    ("quoted", b'Bearer "KEY"', MALFORMED),
    ("in angles", b"Bearer <KEY>", MALFORMED),
    ("parameter", b"Bearer token=KEY", MALFORMED),
    ("equals first", b"Bearer =KEY", MALFORMED),
    ("nothing but equals", b"Bearer ==", MALFORMED),
    ("percent-encoded", b"Bearer ak%5Fu%5Fx", MALFORMED),
    ("high byte", b"Bearer KEY\x80", MALFORMED),
    ("bytes", bytes([*b"Bearer ", *range(0x80, 0x100)]), MALFORMED),
    ("utf-8", "Bearer schlüssel".encode(), MALFORMED),
    ("two in one", b"Bearer KEY, Bearer KEY", MALFORMED),
    ("two without a space", b"Bearer KEY,Bearer KEY", MALFORMED),
    ("bearer, then basic", b"Bearer KEY, Basic eDp5", MALFORMED),
    ("basic, then bearer", b"Basic eDp5, Bearer KEY", MALFORMED),
    ("two spaces", b"Bearer  KEY", VALID),
    ("many spaces", b"Bearer" + b" " * 99 + b"KEY", VALID),
    ("space at the end", b"Bearer KEY \t ", VALID),
    ("lower-case scheme", b"bearer KEY", VALID),
    ("upper-case scheme", b"BEARER KEY", VALID),
    ("mixed-case scheme", b"bEaReR KEY", VALID),
]  # fmt: skip


@pytest.mark.parametrize("value, answer", [row[1:] for row in BEARER], ids=[row[0] for row in BEARER])
def test_authorization(server, key, value, answer):
    assert ask(server, "/bearer/", headers=[("Authorization", fill(value, key))]).answer == answer


KEYS = [
    # what, what is made of a good key
    ("padding", lambda key: key + "="),
    ("one character less", lambda key: key[:-1]),
    ("one character more", lambda key: key + "0"),
    ("no random part", lambda key: key[:5]),
    ("half a key", lambda key: key[:22]),
    ("prefix alone", lambda key: "ak_"),
    ("twice", lambda key: key + key),
    ("other case", lambda key: key.swapcase()),
    ("lower case", lambda key: key.lower()),
    ("upper case", lambda key: key.upper()),
    ("a typing error", mistyped),
    ("check digits of zero", lambda key: key[:-6] + "000000"),
    ("check digits of another key", lambda key: key[:-6] + mint()[-6:]),
    ("check digits reversed", lambda key: key[:-6] + key[:-7:-1]),
    ("other kind", lambda key: key.replace("_u_", "_t_")),
    ("unknown kind", lambda key: with_check("ak_x_" + key[5:-6])),
    ("kind in capitals", lambda key: with_check("ak_U_" + key[5:-6])),
    ("other prefix", lambda key: mint("zz")),
    ("longer prefix", lambda key: mint("akk")),
    ("legal token bytes, not base62", lambda key: with_check(key[:20] + "-" + key[21:-6])),
    ("random part too long", lambda key: with_check(key[:-6] + "0")),
    ("random part too short", lambda key: with_check(key[:-7])),
    ("foreign token", lambda key: FOREIGN),
    ("8 KB of key", lambda key: key[:5] + "x" * 8000),
    ("8 KB with check digits", lambda key: with_check(key[:5] + "x" * 8000)),
    ("8 KB of anything", lambda key: "x" * 8000),
]


@pytest.mark.parametrize("make", [row[1] for row in KEYS], ids=[row[0] for row in KEYS])
def test_what_cannot_be_a_key_costs_no_query(server, key, queries, make):
    assert ask(server, "/bearer/", make(key)).answer == NOT_FOUND
    assert ask(server, "/own/", headers=[("X-API-Key", make(key))]).answer == NOT_FOUND
    assert queries() == 0


def test_malformed_credential_costs_no_query(server, key, queries):
    for _, value, answer in BEARER:
        if answer != VALID:
            ask(server, "/bearer/", headers=[("Authorization", fill(value, key))])
    assert queries() == 0


def test_right_form_but_unknown_costs_one_query(server, queries):
    other_case = mint()
    body = other_case[:5] + other_case[5:-6].swapcase()
    assert ask(server, "/bearer/", body + check_digits(body)).answer == NOT_FOUND
    assert queries() == 1


# -- several headers -------------------------------------------------------------------------------------------

SEVERAL = [
    # what, path, headers, answer
    ("the same twice", "/bearer/", [("Authorization", b"Bearer KEY")] * 2, MALFORMED),
    ("two keys", "/bearer/", [("Authorization", b"Bearer KEY"), ("Authorization", b"Bearer OTHER")], MALFORMED),
    ("bearer and basic", "/bearer/", [("Authorization", b"Bearer KEY"), ("Authorization", b"Basic eDp5")], MALFORMED),
    ("basic and bearer", "/bearer/", [("Authorization", b"Basic eDp5"), ("Authorization", b"bearer KEY")], MALFORMED),
    ("other case", "/bearer/", [("authorization", b"Bearer KEY"), ("AUTHORIZATION", b"Bearer KEY")], MALFORMED),
    ("a second that is empty", "/bearer/", [("Authorization", b"Bearer KEY"), ("Authorization", b"")], MALFORMED),
    ("own header twice", "/own/", [("X-API-Key", b"KEY")] * 2, MALFORMED),
    ("one key in both", "/either/", [("Authorization", b"Bearer KEY"), ("X-API-Key", b"KEY")], MALFORMED),
    ("two keys in both", "/either/", [("Authorization", b"Bearer KEY"), ("X-API-Key", b"OTHER")], MALFORMED),
    ("junk in one", "/either/", [("Authorization", b"Bearer KEY"), ("X-API-Key", b"?")], MALFORMED),
    ("one empty", "/either/", [("Authorization", b"Bearer KEY"), ("X-API-Key", b"")], MALFORMED),
    ("basic beside it", "/either/", [("Authorization", b"Basic eDp5"), ("X-API-Key", b"KEY")], VALID),
    ("the first alone", "/either/", [("Authorization", b"Bearer KEY")], VALID),
    ("the second alone", "/either/", [("X-API-Key", b"KEY")], VALID),
    ("neither", "/either/", [], MISSING),
    ("bearer where only the other counts", "/own/", [("Authorization", b"Bearer KEY")], MISSING),
    ("bearer beside the other", "/own/", [("Authorization", b"Bearer OTHER"), ("X-API-Key", b"KEY")], VALID),
    ("own header empty", "/own/", [("X-API-Key", b"")], MALFORMED),
    ("own header with a scheme", "/own/", [("X-API-Key", b"Bearer KEY")], MALFORMED),
    ("own header with junk", "/own/", [("X-API-Key", b"KEY x")], MALFORMED),
    ("own header with bytes", "/own/", [("X-API-Key", b"\xff\xfe")], MALFORMED),
    ("proxy's header", "/bearer/", [("Proxy-Authorization", b"Bearer KEY")], MISSING),
]  # fmt: skip


@pytest.mark.parametrize("path, headers, answer", [row[1:] for row in SEVERAL], ids=[row[0] for row in SEVERAL])
def test_headers(server, key, path, headers, answer):
    sent = [(name, fill(value, key)) for name, value in headers]
    assert ask(server, path, headers=sent).answer == answer


# -- sizes and bytes that httpd itself judges ------------------------------------------------------------------


@pytest.mark.parametrize("size", [8190, 100_000])
def test_too_much_for_httpd(server, key, queries, size):
    assert ask(server, "/bearer/", key + "x" * size).answer == BY_HTTPD
    assert queries() == 0


@pytest.mark.parametrize("octet", [0x00, 0x01, 0x0B, 0x0C, 0x7F])
def test_control_characters(server, octet):
    assert ask(server, "/bearer/", b"x" + bytes([octet]) + b"x").answer == BY_HTTPD


HUGE = [
    ("key", lambda key: key[:5] + "x" * 100_000, NOT_FOUND),
    ("with check digits", lambda key: with_check(key[:5] + "x" * 100_000), NOT_FOUND),
    ("anything", lambda key: "x" * 100_000, NOT_FOUND),
    ("equals", lambda key: "x" + "=" * 100_000, NOT_FOUND),
    ("spaces", lambda key: " " * 100_000 + key, VALID),
    ("commas", lambda key: "," * 100_000, MALFORMED),
    ("bytes", lambda key: b"\xff" * 100_000, MALFORMED),
]


@pytest.mark.parametrize("make, answer", [row[1:] for row in HUGE], ids=[row[0] for row in HUGE])
def test_100_kb(roomy, key, make, answer):
    assert ask(roomy, "/bearer/", make(key)).answer == answer
    assert leaked(roomy, [key]) == []


def test_100_kb_elsewhere(roomy, key, queries):
    roomy.expect(r"AH01618: user x+ not found")
    assert ask(roomy, "/own/", headers=[("X-API-Key", "x" * 100_000)]).answer == NOT_FOUND
    assert ask(roomy, "/basic/", headers=[basic("x", "x" * 100_000)]).response.status == 401
    assert ask(roomy, "/basic/", headers=[basic("x" * 90_000 + key, "x")]).answer[2] == "malformed"
    assert ask(roomy, "/bearer/", headers=[("Authorization", "Basic " + "," * 100_000)]).answer == MISSING
    assert queries() == 0
    assert leaked(roomy, [key]) == []


# -- foreign formats -------------------------------------------------------------------------------------------


def test_foreign_token(server, module_database, queries):
    insert_key(module_database, "team", "legacy", key=FOREIGN)
    assert ask(server, "/bearer/", FOREIGN).answer == NOT_FOUND
    assert queries() == 0
    assert ask(server, "/bearer/", FOREIGN, FOREIGN_HOST).answer == VALID
    assert queries() == 1


FOREIGN_TOKENS = [
    # what, token, answer, look-ups
    ("unknown", "xyz", NOT_FOUND, 1),
    ("8 KB", "x" * 8000, NOT_FOUND, 1),
    ("of an unknown kind", "ak_x_" + "x" * 38, NOT_FOUND, 1),
    ("ours, mistyped", mistyped(mint()), NOT_FOUND, 0),
    ("ours, cut", mint()[:20], NOT_FOUND, 0),
    ("malformed", "a b", MALFORMED, 0),
    ("cut at its padding", FOREIGN.rstrip("="), NOT_FOUND, 1),
    ("in another case", FOREIGN.swapcase(), NOT_FOUND, 1),
]


@pytest.mark.parametrize(
    "token, answer, count", [row[1:] for row in FOREIGN_TOKENS], ids=[row[0] for row in FOREIGN_TOKENS]
)
def test_bad_foreign_token(server, queries, token, answer, count):
    assert ask(server, "/bearer/", token, FOREIGN_HOST).answer == answer
    assert queries() == count


# -- Basic -----------------------------------------------------------------------------------------------------


def refused_by_basic(status):
    return (401, 'Basic realm="people"', status)


BASICS = [
    # what, header, APIKEY_STATUS, what mod_auth_basic logs
    ("no base64", ("Authorization", "Basic !!!!"), None, r"AH01618: user  not found"),
    ("nothing", ("Authorization", "Basic"), None, r"AH01618: user  not found|AH01614"),
    ("cut base64", ("Authorization", "Basic eD"), None, r"AH01618: user x not found"),
    ("no colon", basic("someone"), None, r"AH01618: user someone not found"),
    ("colon alone", basic("", ""), None, r"AH01618: user  not found"),
    ("no password", basic("someone", ""), None, r"AH01618: user someone not found"),
    ("foreign password", basic("someone", "hunter2"), None, r"AH01618: user someone not found"),
    ("bytes", basic(b"\xff", b"\xfe\x00\x01"), None, r"AH01618: user \\xff not found"),
    ("another scheme", ("Authorization", "Bearer x"), None, r"AH01614"),
    ("mistyped key", basic("someone", mistyped(mint())), "not_found", r"AH01617: user someone: auth"),
    ("unknown key", basic("someone", mint()), "not_found", r"AH01617: user someone: auth"),
]


@pytest.mark.parametrize("header, status, logged", [row[1:] for row in BASICS], ids=[row[0] for row in BASICS])
def test_basic(server, header, status, logged):
    server.expect(logged)
    assert ask(server, "/basic/", headers=[header]).answer == refused_by_basic(status)


AS_USER_NAME = [
    ("alone", lambda key: basic(key)),
    ("without a password", lambda key: basic(key, "")),
    ("with a password", lambda key: basic(key, "x")),
    ("and as the password", lambda key: basic(key, key)),
    ("after a space", lambda key: basic(" " + key, "")),
    ("with more around it", lambda key: basic("key=" + key + ";", "")),
    ("mistyped", lambda key: basic(key[:9] + "-" + key[10:], "")),
    ("in a lower-case scheme", lambda key: ("authorization", basic(key)[1].replace("Basic ", "basic   "))),
]


@pytest.mark.parametrize("make", [row[1] for row in AS_USER_NAME], ids=[row[0] for row in AS_USER_NAME])
def test_key_as_user_name_is_refused_before_it_is_logged(server, key, queries, make):
    judged = ask(server, "/basic/", headers=[make(key)])
    assert judged.answer == refused_by_basic("malformed")
    assert "user name" in judged.logged[0]
    assert queries() == 0


def test_user_name_that_is_just_long(server):
    name = "dept_t_firstname.lastname@mail.example.com"
    server.expect(rf"AH01618: user {name} not found")
    assert ask(server, "/basic/", headers=[basic(name, "x")]).answer == refused_by_basic(None)


def test_key_as_user_name_where_bearer_is_asked(server, key):
    assert ask(server, "/bearer/", headers=[basic(key)]).answer == MISSING


# -- HTTP/2 ----------------------------------------------------------------------------------------------------

HTTP2 = [
    ("none", [], MISSING),
    ("good", [("authorization", b"Bearer KEY")], VALID),
    ("lower-case scheme", [("authorization", b"bearer KEY")], VALID),
    ("two", [("authorization", b"Bearer KEY")] * 2, MALFORMED),
    ("basic and bearer", [("authorization", b"Basic eDp5"), ("authorization", b"Bearer KEY")], MALFORMED),
    ("tab", [("authorization", b"Bearer\tKEY")], MALFORMED),
    ("empty", [("authorization", b"Bearer ")], MALFORMED),
    ("high byte", [("authorization", b"Bearer KEY\xff")], MALFORMED),
    ("unknown", [("authorization", b"Bearer OTHER")], NOT_FOUND),
    ("8 KB", [("authorization", b"Bearer KEY" + b"x" * 8000)], NOT_FOUND),
]


@pytest.mark.skipif(not HAS_HTTP2, reason="mod_http2 does not work in this MPM")
@pytest.mark.parametrize("headers, answer", [row[1:] for row in HTTP2], ids=[row[0] for row in HTTP2])
def test_http2(server, key, headers, answer):
    sent = [(name, fill(value, key)) for name, value in headers]
    assert ask(server, "/bearer/", headers=sent, http2=True).answer == answer
