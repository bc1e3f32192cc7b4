# SPDX-License-Identifier: Apache-2.0
"""The directives that say where a credential is looked for, what is accepted, and what it is digested with."""

import re

import pytest
from harness.apps import Cgi, HttpApp
from harness.keyfmt import insert_key, mint
from judged import MALFORMED, MISSING, UNAVAILABLE, UNJUDGED, VALID, ask, basic, invalid, leaked

NOT_FOUND = invalid("not_found")

# The bytes count exactly as they are.
PEPPERS = {"current": b"current pepper, 32 bytes or more\n", "previous": b"\0" * 31 + b"\xff", "older": b"o" * 4096}

LOCATIONS = {
    "/app/default": "Require apikey",
    "/app/own": "ApiKeyHeader X-API-Key\nRequire apikey",
    "/app/lower": "ApiKeyHeader x-api-key authorization\nRequire apikey",
    "/app/three": "ApiKeyHeader X-One X-API-Key Authorization\nRequire apikey",
    "/app/own/default": "ApiKeyHeader Authorization\nRequire apikey",
    "/app/teams": "ApiKeyUserKeys Off\nRequire apikey",
    "/app/teams/all": "ApiKeyUserKeys On\nRequire apikey",
    "/app/users": "ApiKeyTeamKeys Off\nRequire apikey",
    "/app/users/all": "ApiKeyTeamKeys On\nRequire apikey",
    "/app/open": "Require all granted",
    "/app/optional": "ApiKeyOptional On\nRequire all granted",
    "/app/optional/off": "ApiKeyOptional Off\nRequire all granted",
    "/app/optional-teams": "ApiKeyOptional On\nApiKeyUserKeys Off\nRequire all granted",
    "/app/optional-own": "ApiKeyOptional On\nApiKeyHeader X-API-Key\nRequire all granted",
    "/app/optional-key": "ApiKeyOptional On\nRequire apikey",
    "/app/optional-user": "ApiKeyOptional On\nRequire valid-user",
    "/app/optional-lan": "ApiKeyOptional On\n<RequireAny>\nRequire ip 127.0.0.1\nRequire apikey\n</RequireAny>",
    "/cgi/env/default": "Require apikey",
    "/cgi/env/own": "ApiKeyHeader X-API-Key\nRequire apikey",
    "/cgi/env/optional": "ApiKeyOptional On\nRequire all granted",
}

TYPES = {"apikey": "ApiKey", "lower": "apikey", "bearer": "bearer", "expression": "%{tolower:BEARER}"}

HOSTS = {
    "localhost": "ApiKeyPepperFile none",
    "peppered": "",
    "next": 'ApiKeyPepperFile "${folder}/previous"',
    "rolling": 'ApiKeyPepperFile current "${folder}/previous" none',
    "all": "ApiKeyPepperFile current previous older none",
    "prefixes": "ApiKeyPepperFile none\nApiKeyPrefix acme ak 9z",
    "acme": "ApiKeyPepperFile none\nApiKeyPrefix acme",
    "longest": "ApiKeyPepperFile none\nApiKeyPrefix abcdefghij0123456789",
    "foreign": "ApiKeyForeign On",
    "dead": 'DBDParams "${dead}"\nApiKeyPepperFile none',
}


def configuration():
    yield "ApiKeyPepperFile current"
    for path, lines in LOCATIONS.items():
        yield f'<Location "{path}">\nAuthType Bearer\n{lines}\n</Location>'
    for name, value in TYPES.items():
        yield f'<Location "/cgi/env/type-{name}">\nAuthType "{value}"\nRequire apikey\n</Location>'
    for name, lines in HOSTS.items():
        yield f"<VirtualHost 127.0.0.1:${{port}}>\nServerName {name}\n{lines}\n</VirtualHost>"


@pytest.fixture(scope="module")
def keys(module_database):
    def made(*args, **options):
        return insert_key(module_database, *args, **options)[1]

    return {
        "user": made("user", "alice"),
        "team": made("team", "blue"),
        "expired": made("user", "alice", expires_at=-1),
        "unknown": mint(),
        **{pepper: made("user", pepper, pepper=octets) for pepper, octets in PEPPERS.items()},
        **{prefix: made("user", prefix, prefix=prefix) for prefix in ("acme", "9z", "zz", "abcdefghij0123456789")},
        "acme-team": made("team", "acme", prefix="acme"),
        "foreign": made("user", "legacy", key="legacy_0123456789"),
        "foreign-peppered": made("user", "legacy", key="legacy_9876543210", pepper=PEPPERS["current"]),
    }


@pytest.fixture(scope="module")
def server(make_module_httpd, make_module_app, module_database):
    # Nothing is remembered, and nothing else asks the database: queries are counted.
    first = f'Define dead "{module_database.server.dbd_params("information_schema")}"\nApiKeyCache Off\nApiKeyUsage Off'
    httpd = make_module_httpd(
        "\n".join([first, *configuration()]),
        mounts={"/app": make_module_app(HttpApp), "/cgi": make_module_app(Cgi)},
        dbd=module_database.dbd_params(),
        start=False,
    )
    for name, octets in PEPPERS.items():
        write_secret(httpd.folder / name, octets)
    return httpd.start()


@pytest.fixture(autouse=True)
def no_key_in_any_log(request, keys):
    yield
    if "server" in request.fixturenames:
        assert leaked(request.getfixturevalue("server"), keys.values()) == []


def write_secret(path, octets, mode=0o600):
    path.touch(0o600)
    path.write_bytes(octets)
    path.chmod(mode)


def fill(headers, keys):
    """The headers with NAME of a key replaced by the key."""
    return [(name, value.format(**keys)) for name, value in headers]


# -- ApiKeyHeader ----------------------------------------------------------------------------------------------

BEARER, OWN = ("Authorization", "Bearer {user}"), ("X-API-Key", "{user}")
OTHERS = [("Authorization", "Basic eDp5"), ("X-Other-Key", "x")]

HEADERS = [
    # path, headers, answer, those of them that the application sees
    ("/app/default", [BEARER], VALID, []),
    ("/app/default", [OWN], MISSING, None),
    ("/app/default", [BEARER, ("X-API-Key", "x")], VALID, ["X-API-Key"]),
    ("/app/own", [OWN], VALID, []),
    ("/app/own", [("x-api-key", "{team}")], VALID, []),
    ("/app/own", [BEARER], MISSING, None),
    ("/app/own", [OWN, ("Authorization", "Bearer x"), ("X-One", "x")], VALID, ["Authorization", "X-One"]),
    ("/app/own", [OWN, *OTHERS], VALID, ["Authorization", "X-Other-Key"]),
    ("/app/lower", [OWN], VALID, []),
    ("/app/lower", [BEARER], VALID, []),
    ("/app/three", [("X-One", "{user}")], VALID, []),
    ("/app/three", [OWN], VALID, []),
    ("/app/three", [BEARER], VALID, []),
    ("/app/three", [OWN, *OTHERS], VALID, ["Authorization", "X-Other-Key"]),
    ("/app/three", [("X-One", "{user}"), OWN], MALFORMED, None),
    ("/app/three", [("X-One", "{user}"), BEARER], MALFORMED, None),
    ("/app/three", OTHERS, MISSING, None),
    ("/app/own/default", [BEARER], VALID, []),
    ("/app/own/default", [OWN], MISSING, None),
]


@pytest.mark.parametrize(
    "path, headers, answer, seen", HEADERS, ids=[f"{row[0]}-{'-'.join(name for name, _ in row[1])}" for row in HEADERS]
)
def test_header(server, keys, path, headers, answer, seen):
    judged = ask(server, path, headers=fill(headers, keys))
    assert judged.answer == answer
    if seen is not None:
        sent = {name.lower() for name, _ in headers}
        assert [name for name, _ in judged.response.json()["headers"] if name.lower() in sent] == seen


def test_own_header_is_no_variable_of_a_cgi_program(server, keys):
    environ = ask(server, "/cgi/env/own", headers=fill([OWN, ("X-Other-Key", "x")], keys)).response.json()
    assert (environ["REMOTE_USER"], environ["HTTP_X_OTHER_KEY"]) == ("alice", "x")
    assert "HTTP_X_API_KEY" not in environ
    assert keys["user"] not in environ.values()


# -- ApiKeyUserKeys, ApiKeyTeamKeys ----------------------------------------------------------------------------


@pytest.mark.parametrize("path, accepted", [
    ("/app/default", {"user", "team"}),
    ("/app/teams", {"team"}),
    ("/app/users", {"user"}),
    ("/app/teams/all", {"user", "team"}),
    ("/app/users/all", {"user", "team"}),
])  # fmt: skip
def test_kinds(server, keys, path, accepted):
    for kind in ("user", "team"):
        assert ask(server, path, keys[kind]).answer == (VALID if kind in accepted else invalid("wrong_type"))


def test_the_row_decides_about_the_kind_and_not_the_letter(server, keys, module_database):
    _, mislabelled = insert_key(module_database, "team", "blue", key=mint(kind="u"))
    assert ask(server, "/app/teams", mislabelled).answer == VALID
    assert ask(server, "/app/users", mislabelled).answer == invalid("wrong_type")


# -- ApiKeyOptional --------------------------------------------------------------------------------------------

OPTIONAL = [
    # path, headers, answer, who the application is told
    ("/app/optional", [], UNJUDGED, None),
    ("/app/optional", [BEARER], VALID, "alice"),
    ("/app/optional", [("Authorization", "Bearer {expired}")], invalid("expired"), None),
    ("/app/optional", [("Authorization", "Bearer {unknown}")], NOT_FOUND, None),
    ("/app/optional", [("Authorization", "Bearer")], MALFORMED, None),
    ("/app/optional", [("Authorization", "Bearer {user}, Bearer {user}")], MALFORMED, None),
    ("/app/optional", [("Authorization", "Basic eDp5")], UNJUDGED, None),
    ("/app/optional", [("Authorization", "")], UNJUDGED, None),
    ("/app/optional", [OWN], UNJUDGED, None),
    ("/app/optional-own", [], UNJUDGED, None),
    ("/app/optional-own", [OWN], VALID, "alice"),
    ("/app/optional-own", [("X-API-Key", "{expired}")], invalid("expired"), None),
    ("/app/optional-own", [("X-API-Key", "")], MALFORMED, None),
    ("/app/optional-own", [BEARER], UNJUDGED, None),
    ("/app/optional-teams", [BEARER], invalid("wrong_type"), None),
    ("/app/optional-teams", [("Authorization", "Bearer {team}")], VALID, "blue"),
    ("/app/optional-lan", [], UNJUDGED, None),
    ("/app/optional-lan", [BEARER], VALID, "alice"),
    ("/app/optional-lan", [("Authorization", "Bearer {expired}")], invalid("expired"), None),
    # it grants nothing
    ("/app/optional-key", [], MISSING, None),
    ("/app/optional-key", [("Authorization", "Basic eDp5")], MISSING, None),
    ("/app/optional-key", [BEARER], VALID, "alice"),
    ("/app/optional-key", [("Authorization", "Bearer {expired}")], invalid("expired"), None),
    ("/app/optional-user", [], MISSING, None),
    ("/app/optional-user", [BEARER], VALID, "alice"),
    # and without it nobody looks
    ("/app/open", [("Authorization", "Bearer {expired}")], UNJUDGED, None),
    ("/app/optional/off", [("Authorization", "Bearer {expired}")], UNJUDGED, None),
]


@pytest.mark.parametrize(
    "path, headers, answer, owner", OPTIONAL, ids=[f"{row[0]}-{row[1][0][1] if row[1] else ''}" for row in OPTIONAL]
)
def test_optional(server, keys, path, headers, answer, owner):
    judged = ask(server, path, headers=fill(headers, keys))
    assert judged.answer == answer
    if judged.response.status == 200:
        assert dict(judged.response.json()["headers"]).get("X-ApiKey-Owner") == owner


def test_optional_goes_on_without_a_user(server, keys):
    anonymous = ask(server, "/cgi/env/optional").response.json()
    assert not {"REMOTE_USER", "AUTH_TYPE", "APIKEY_OWNER", "APIKEY_STATUS"} & set(anonymous)
    assert ask(server, "/cgi/env/optional", keys["user"]).response.json()["REMOTE_USER"] == "alice"


def test_optional_credential_that_cannot_be_checked_is_not_ignored(server, keys):
    server.expect(r"AK00[25]0: .*Unknown table")
    dead = [("Host", "dead")]
    assert ask(server, "/app/optional", keys["user"], dead).answer == UNAVAILABLE
    assert ask(server, "/app/optional", headers=dead).answer == UNJUDGED
    assert ask(server, "/app/optional", headers=[*dead, basic("x", "y")]).answer == UNJUDGED


# -- AuthType --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TYPES)
def test_auth_type(server, keys, name):
    path = f"/cgi/env/type-{name}"
    assert ask(server, path).answer == MISSING
    assert ask(server, path, keys["expired"]).answer == invalid("expired")
    environ = ask(server, path, keys["user"]).response.json()
    assert (environ["AUTH_TYPE"], environ["REMOTE_USER"]) == ("Bearer", "alice")


# -- ApiKeyPrefix, ApiKeyPepperFile, ApiKeyForeign by virtual host ---------------------------------------------

ACCEPTED = {
    # host: keys accepted of those below
    "localhost": {"user"},
    "prefixes": {"user", "acme", "acme-team", "9z"},
    "acme": {"acme", "acme-team"},
    "longest": {"abcdefghij0123456789"},
    "peppered": {"current"},
    "next": {"previous"},
    "rolling": {"user", "current", "previous"},
    "all": {"user", "current", "previous", "older"},
    # digests of other systems have no pepper of ours
    "foreign": {"current", "foreign", "acme", "acme-team", "9z", "zz", "abcdefghij0123456789"},
}

TRIED = ["user", "acme", "acme-team", "9z", "zz", "abcdefghij0123456789", "current", "previous", "older", "foreign",
         "foreign-peppered"]  # fmt: skip


@pytest.mark.parametrize("host", ACCEPTED)
def test_accepted_keys(server, keys, host):
    answers = {name: ask(server, "/app/default", keys[name], [("Host", host)]).answer for name in TRIED}
    assert answers == {name: VALID if name in ACCEPTED[host] else NOT_FOUND for name in TRIED}


@pytest.mark.parametrize("host, key, count", [
    ("localhost", "user", 1),
    ("rolling", "current", 1),
    ("rolling", "user", 1),
    ("all", "older", 1),
    ("all", "unknown", 1),
    ("acme", "user", 0),
    ("prefixes", "zz", 0),
])  # fmt: skip
def test_one_query_whatever_the_number_of_peppers_and_prefixes(server, keys, mariadb, host, key, count):
    before = mariadb.status("Com_stmt_execute")
    ask(server, "/app/default", keys[key], [("Host", host)])
    assert mariadb.status("Com_stmt_execute") - before == count


# -- a pepper file that cannot be used stops the start ---------------------------------------------------------

PEPPER_ERRORS = [
    # what, arguments, what is said
    ("missing", "none-there", "cannot open pepper file .*none-there: No such file"),
    ("a folder", "logs", "pepper file .*logs cannot be used: it is not a plain file"),
    ("readable by the group", "group", "file .*group cannot be used: group or others have access to it; chmod 600"),
    ("readable by others", "others", "file .*others cannot be used: group or others have access to it; chmod 600"),
    ("writable by the group", "group-writes", "group or others have access to it; chmod 600 it"),
    ("too short", "short", "shorter than 32 bytes; make one of 32 random bytes"),
    ("empty", "empty", "shorter than 32 bytes"),
    ("too long", "long", "longer than 4096 bytes"),
    ("a bad previous one", "good short", "pepper file .*short cannot be used"),
    ("nothing", "", "1 to 4 files or 'none'"),
    ("five of them", "good good good good none", "1 to 4 files or 'none'"),
    ("none before another", "none good", "'none' comes last"),
    ("a folder's section", None, "ApiKeyPepperFile not allowed"),
]


@pytest.fixture(scope="module")
def unstarted(make_module_httpd, module_database):
    httpd = make_module_httpd(dbd=module_database.dbd_params(), start=False)
    for name, size, mode in [
        ("good", 32, 0o600), ("group", 32, 0o640), ("others", 32, 0o604), ("group-writes", 32, 0o620),
        ("short", 31, 0o600), ("empty", 0, 0o600), ("long", 4097, 0o600),
    ]:  # fmt: skip
        write_secret(httpd.folder / name, b"x" * size, mode)
    return httpd


@pytest.mark.parametrize("arguments, said", [row[1:] for row in PEPPER_ERRORS], ids=[row[0] for row in PEPPER_ERRORS])
def test_pepper_error_is_named_at_start(unstarted, arguments, said):
    line = f"ApiKeyPepperFile {arguments}"
    unstarted.config = '<Location "/">\nApiKeyPepperFile good\n</Location>' if arguments is None else line
    status, text = unstarted.configtest()
    assert status != 0
    assert re.search(said, text)
    assert "xxxx" not in text


@pytest.mark.parametrize("arguments", ["good", "good none", "none", "good good none", "NONE"])
def test_pepper_file_that_is_right(unstarted, arguments):
    unstarted.config = f"ApiKeyPepperFile {arguments}"
    assert unstarted.configtest() == (0, "Syntax OK\n")
