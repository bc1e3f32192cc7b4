# SPDX-License-Identifier: Apache-2.0
"""A wrong configuration stops the start, with one line that names the directive, the place and the remedy; what is
no error does not."""

import os
import re

import pytest
from harness.cmodule import build_module, compile_shared
from harness.keyfmt import insert_key, mint
from harness.process import SANITIZED, free_port

USE = '<Location "/x/">\nAuthType Bearer\nRequire apikey\n</Location>'
PARAMS = "host=localhost user=apikey pass=secret dbname=keys"
DBD = f'DBDriver mysql\nDBDParams "{PARAMS}"'

WHOLE = r"AK0100: (\S+):(\d+): "  # found when everything had been read
LINE = r"AH00526: Syntax error on line (\d+) of (\S+):\n"


@pytest.fixture(scope="module")
def httpd(make_module_httpd):
    """Never started: only its configuration is read."""
    return make_module_httpd(start=False)


def said(httpd, config):
    httpd.config = config
    status, output = httpd.configtest()
    return None if status == 0 else output.replace("AH00014: Configuration check failed\n", "")


def assert_refused(httpd, config, line, message):
    """`message` says the whole rest of the complaint, `line` is the one that it must be about."""
    output = said(httpd, config)
    assert output is not None, "the configuration was accepted"
    found = re.search(rf"^{WHOLE}{message}\n\Z", output) or re.search(rf"^{LINE}{message}\n\Z", output)
    assert found, output
    number = next(int(text) for text in found.groups()[:2] if text.isdigit())
    assert httpd.config_file.read_text().split("\n")[number - 1].strip() == line


def where_allowed(line):
    """Some of our directives stand in the server, the others in its sections."""
    sections = ("ApiKeyHeader", "ApiKeyUserKeys", "ApiKeyTeamKeys", "ApiKeyOptional", "ApiKeyForward", "ApiKeyExport",
                "ApiKeyManage", "ApiKeyScopes", "ApiKeyMaxKeys")  # fmt: skip
    return f'<Location "/x/">\n{line}\n</Location>' if line.split()[0] in sections else line


# -- the values of our own directives ----------------------------------------------------------------------------

BAD_VALUES = [
    ("ApiKeyPrefix", "ApiKeyPrefix takes one or more prefixes, each once"),
    ("ApiKeyPrefix a", "ApiKeyPrefix: 'a' is not 2 to 20 of a-z and 0-9"),
    ("ApiKeyPrefix aaaaaaaaaaaaaaaaaaaaa", "ApiKeyPrefix: 'a{21}' is not 2 to 20 of a-z and 0-9"),
    ("ApiKeyPrefix AK", "ApiKeyPrefix: 'AK' is not 2 to 20 of a-z and 0-9"),
    ("ApiKeyPrefix ak ak_live", "ApiKeyPrefix: 'ak_live' is not 2 to 20 of a-z and 0-9"),
    ('ApiKeyPrefix "" ak', "ApiKeyPrefix: '' is not 2 to 20 of a-z and 0-9"),
    ("ApiKeyPrefix ak ak", "ApiKeyPrefix takes one or more prefixes, each once"),
    ("ApiKeyForeign", "ApiKeyForeign must be On or Off"),
    ("ApiKeyForeign yes", "ApiKeyForeign must be On or Off"),
    ("ApiKeyPepperFile", "ApiKeyPepperFile takes 1 to 4 files or 'none'"),
    ("ApiKeyPepperFile a b c d e", "ApiKeyPepperFile takes 1 to 4 files or 'none'"),
    ("ApiKeyPepperFile none pepper", "ApiKeyPepperFile: 'none' comes last"),
    ("ApiKeyPepperFile absent", "ApiKeyPepperFile: cannot open pepper file .*/absent: No such file or directory"),
    ("ApiKeyPepperFile open", "ApiKeyPepperFile: pepper file .*/open .*group or others have access .*chmod 600 it"),
    ("ApiKeyPepperFile group", "ApiKeyPepperFile: pepper file .*/group .*group or others have access .*chmod 600 it"),
    ("ApiKeyPepperFile short", "ApiKeyPepperFile: pepper file .*/short .*shorter than 32 bytes; make one of 32 .*"),
    ("ApiKeyPepperFile long", "ApiKeyPepperFile: pepper file .*/long .*longer than 4096 bytes"),
    ("ApiKeyPepperFile htdocs", "ApiKeyPepperFile: pepper file .*/htdocs .*not a plain file"),
    ("ApiKeyPepperFile pepper short", "ApiKeyPepperFile: pepper file .*/short .*shorter than 32 bytes; make one .*"),
    ("ApiKeyHeaderPrefix", "ApiKeyHeaderPrefix takes one argument, prefix of .*"),
    ("ApiKeyHeaderPrefix X-", "ApiKeyHeaderPrefix: 'X-' must have at least four characters and end in '-'"),
    ("ApiKeyHeaderPrefix X-Caller", "ApiKeyHeaderPrefix: 'X-Caller' must have at least four .* end in '-'"),
    ("ApiKeyHeaderPrefix X_Caller-", "ApiKeyHeaderPrefix: 'X_Caller-' may hold letters, digits and '-' only"),
    ("ApiKeyHeaderPrefix 'X Y-'", "ApiKeyHeaderPrefix: 'X Y-' may hold letters, digits and '-' only"),
    ("ApiKeyHeaderPrefix content-", "ApiKeyHeaderPrefix: 'content-' would remove headers .*take one of your own.*"),
    ("ApiKeyHeaderPrefix X-Forwarded-", "ApiKeyHeaderPrefix: 'X-Forwarded-' would remove headers .*take one of .*"),
    ("ApiKeyHeader", "ApiKeyHeader takes one or more header names, each once"),
    ("ApiKeyHeader X-Key x-key", "ApiKeyHeader takes one or more header names, each once"),
    ("ApiKeyHeader 'X Key'", "ApiKeyHeader: 'X Key' is not the name of a header"),
    ("ApiKeyHeader X-Key:", "ApiKeyHeader: 'X-Key:' is not the name of a header"),
    ('ApiKeyHeader "" X-Key', "ApiKeyHeader: '' is not the name of a header"),
    ("ApiKeyHeader Cookie", "ApiKeyHeader: Cookie has another meaning; take a header of your own, X-API-Key .*"),
    ("ApiKeyHeader X-API-Key host", "ApiKeyHeader: host has another meaning; take a header of your own, .*"),
    ("ApiKeyHeader Proxy-Authorization", "ApiKeyHeader: Proxy-Authorization has another meaning; take a .*"),
    ("ApiKeyUserKeys Maybe", "ApiKeyUserKeys must be On or Off"),
    ("ApiKeyTeamKeys Maybe", "ApiKeyTeamKeys must be On or Off"),
    ("ApiKeyOptional 1", "ApiKeyOptional must be On or Off"),
    ("ApiKeyForward Headers", "ApiKeyForward must be On or Off"),
    ("ApiKeyExport", "ApiKeyExport takes one argument, .*"),
    ("ApiKeyExport Environment", "ApiKeyExport takes None, Env, Headers or All, not 'Environment'"),
    ("ApiKeyExport Env Headers", "ApiKeyExport takes one argument, .*"),
    ("ApiKeyManage", "ApiKeyManage takes 1-2 arguments, .*"),
    ("ApiKeyManage Everybody", "ApiKeyManage takes Self or Admin, with ByKey behind it .*, not 'Everybody'"),
    ("ApiKeyManage Self Admin", "ApiKeyManage takes Self or Admin, .*, not 'Self Admin'"),
    ("ApiKeyManage ByKey", "ApiKeyManage takes Self or Admin, .*, not 'ByKey'"),
    ("ApiKeyManage None ByKey", "ApiKeyManage takes Self or Admin, .*, not 'None ByKey'"),
    ("ApiKeyManage Self ByKey ByKey", "ApiKeyManage takes 1-2 arguments, .*"),
    ("ApiKeyScopes", "ApiKeyScopes takes one or more scopes, or None"),
    ("ApiKeyScopes a a", "ApiKeyScopes: 'a' is given twice"),
    ("ApiKeyScopes *", r"ApiKeyScopes: '\*' is not a scope: printable ASCII .*"),
    ("ApiKeyScopes 'a b'", "ApiKeyScopes: 'a b' is not a scope: .*"),
    ('ApiKeyScopes "" a', "ApiKeyScopes: '' is not a scope: .*"),
    ("ApiKeyScopes caf\u00e9", "ApiKeyScopes: 'caf.*' is not a scope: .*"),
    ("ApiKeyMaxKeys", "ApiKeyMaxKeys takes one argument, .*"),
    ("ApiKeyMaxKeys 0", "ApiKeyMaxKeys takes a number from 1 to 1000000, not '0'"),
    ("ApiKeyMaxKeys -1", "ApiKeyMaxKeys takes a number from 1 to 1000000, not '-1'"),
    ("ApiKeyMaxKeys +1", r"ApiKeyMaxKeys takes a number from 1 to 1000000, not '\+1'"),
    ("ApiKeyMaxKeys 1000001", "ApiKeyMaxKeys takes a number from 1 to 1000000, not '1000001'"),
    ("ApiKeyMaxKeys 99999999999999999999", "ApiKeyMaxKeys takes a number from 1 to 1000000, not '9{20}'"),
    ("ApiKeyMaxKeys 10k", "ApiKeyMaxKeys takes a number from 1 to 1000000, not '10k'"),
    ("ApiKeyTeamsTable", "ApiKeyTeamsTable takes one argument, .*"),
    ('ApiKeyTeamsTable "teams; DROP TABLE x"', "ApiKeyTeamsTable takes the name of a table or view, .*"),
    ("ApiKeyTeamsTable a.b.c", "ApiKeyTeamsTable takes the name of a table or view, .*, not 'a.b.c'"),
    ("ApiKeyTeamsTable a.", "ApiKeyTeamsTable takes the name of a table or view, .*"),
    ("ApiKeyTeamsTable a`b", "ApiKeyTeamsTable takes the name of a table or view, .*"),
    ("ApiKeyCache", "ApiKeyCache takes one argument, .*"),
    ('ApiKeyCache ""', "ApiKeyCache takes one argument, .*"),
    ("ApiKeyCache 16M 32M", "ApiKeyCache takes one argument, .*"),
]  # fmt: skip

SIZE = r"ApiKeyCache takes Off or a size from 4M to 256G \(16M, 1G\), not '{}'"
BAD_SIZES = [
    "On", "None", "0", "-1", "-16M", "4194303", "4095K", "3M", "1", "16", "16MB", '"16 M"', "M", "1.5G",
    "0x1000000", "16T", "257G", "9223372036854775808", "8796093022208M", "17179869184G", "99999999999999999999999",
]  # fmt: skip

TIME = r"{} takes {}a time with its unit \(500ms, 10s, 5min\) of at least {}ms and at most a year, not '{}'"
LEAST = {
    "ApiKeyCacheTTL": 1, "ApiKeyNegativeTTL": 0, "ApiKeyStale": 0, "ApiKeyTimeout": 10, "ApiKeyRefresh": 100,
    "ApiKeyUsage": 1000,
}  # fmt: skip
OFF = ("ApiKeyRefresh", "ApiKeyUsage")
# No unit, no such unit, no number, more than a year, and more than fits into 64 bits of microseconds.
BAD_TIMES = [
    "300", "1", "300m", "5d", "5x", "s", "ms", "On", "-1s", "+1s", "1.5s", "1,5s", '" 5s"', '"5 s"', "0x10s",
    "8785h", "527041min", "31622401s", "31622400001ms", "9223372036854775807ms", "9223372036855s", "2562047789h",
    "5124095577h", "18446744073710s", "99999999999999999999s",
]  # fmt: skip

BAD_VALUES += [(f"ApiKeyCache {size}", SIZE.format(re.escape(size.strip('"')))) for size in BAD_SIZES]
BAD_VALUES += [
    (f"{name} {time}", TIME.format(name, "Off or " if name in OFF else "", least, re.escape(time.strip('"'))))
    for name, least in LEAST.items()
    for time in (
        BAD_TIMES if name == "ApiKeyCacheTTL"
        else ["300", "-1s", "8785h", *([f"{least - 1}ms", "0"] if least else []), *([] if name in OFF else ["Off"])]
    )
]  # fmt: skip
BAD_VALUES += [
    (f"{name}{more}", f"{name} takes one argument, .*") for name in LEAST for more in ("", ' ""', " 1s 2s")
]


@pytest.fixture(scope="module")
def peppers(httpd):
    """Files of the same folder as the configuration."""
    for name, size, mode in (
        ("pepper", 32, 0o600), ("open", 32, 0o604), ("group", 32, 0o620), ("short", 31, 0o600), ("long", 4097, 0o600),
    ):  # fmt: skip
        (httpd.folder / name).write_bytes(os.urandom(size))
        (httpd.folder / name).chmod(mode)


@pytest.mark.parametrize("line, message", BAD_VALUES)
def test_bad_value(httpd, peppers, line, message):
    assert_refused(httpd, where_allowed(line), line, message)


@pytest.mark.parametrize(
    "line",
    ["ApiKeyPrefix ak", "ApiKeyPrefix 0a aaaaaaaaaaaaaaaaaaaa", "ApiKeyForeign on", "ApiKeyPepperFile none",
     "ApiKeyPepperFile pepper", "ApiKeyPepperFile pepper pepper none", "ApiKeyHeaderPrefix X-C-", "ApiKeyHeaderPrefix "
     "Caller-", "ApiKeyHeader X-API-Key Authorization apikey", "ApiKeyExport none", "ApiKeyExport HEADERS",
     "ApiKeyCache off", "ApiKeyCache 4M", "ApiKeyCache 4096k", "ApiKeyCache 4194304", "ApiKeyCache 1g",
     "ApiKeyCache 256G", "ApiKeyCacheTTL 1ms", "ApiKeyCacheTTL 8784h", "ApiKeyCacheTTL 5min", "ApiKeyNegativeTTL 0",
     "ApiKeyStale 0", "ApiKeyStale 0s", "ApiKeyStale 1h", "ApiKeyTimeout 10ms", "ApiKeyTimeout 2s", "ApiKeyRefresh OFF",
     "ApiKeyRefresh 100ms", "ApiKeyUsage off", "ApiKeyUsage 1s", "ApiKeyUsage 1000ms", "ApiKeyManage none", "ApiKeyMaxKeys 1",
     "ApiKeyMaxKeys 1000000", "ApiKeyScopes none", "ApiKeyScopes a none b:*", "ApiKeyTeamsTable teams",
     "ApiKeyTeamsTable my_site.team_members"],
)  # fmt: skip
def test_good_value(httpd, peppers, line):
    assert said(httpd, where_allowed(line)) is None


@pytest.mark.parametrize("line", ["ApiKeyManage Self", "ApiKeyScopes a", "ApiKeyMaxKeys 1"])
@pytest.mark.parametrize("around, message", [
    ('<Files "x">\n{}\n</Files>', "must stand in a <Location> or <Directory>, .*"),
    ('<If "true">\n{}\n</If>', "must stand in a <Location> or <Directory>, .*"),
    ('<Location "/x/*">\n{}\n</Location>', "stands in a section with wildcards, .* write <LocationMatch> .*"),
    ('<Directory "/x/*">\n{}\n</Directory>', "stands in a section with wildcards, .*"),
])  # fmt: skip
def test_managing_in_a_section_without_a_path(httpd, line, around, message):
    assert_refused(httpd, around.format(line), line, f"{line.split()[0]} {message}")


@pytest.mark.skipif(SANITIZED, reason="sanitizers want terabytes of addresses")
def test_more_memory_than_can_be_had(make_httpd):
    """Only the start itself finds out."""
    httpd = make_httpd("ApiKeyCache 256G", start=False)
    httpd.fails_to_start(addresses=4_000_000_000)
    line = r"AK0111: ApiKeyCache: \d+ bytes of shared memory cannot be had; choose another size"
    httpd.expect(line, r"AH00020: Configuration Failed")
    httpd.wait_log(line)


# -- a header that would be removed before it is read ------------------------------------------------------------


@pytest.mark.parametrize(
    "before, line, after",
    [
        ("", "ApiKeyHeader X-ApiKey-Secret", ""),
        ("", "ApiKeyHeader Authorization x_apikey_secret", ""),
        ("ApiKeyHeaderPrefix X-Caller-", "ApiKeyHeader X-Caller-Key", ""),
        ("", "ApiKeyHeader X-Caller-Key", "<VirtualHost *:80>\nApiKeyHeaderPrefix x-caller-\n</VirtualHost>"),
    ],
)
def test_header_under_a_header_prefix(httpd, before, line, after):
    config = f'{before}\n<VirtualHost *:81>\n<Location "/x/">\n{line}\n</Location>\n</VirtualHost>\n{after}'
    name = line.split()[-1]
    message = f"ApiKeyHeader: {name} begins like an ApiKeyHeaderPrefix, .*take another name or another prefix"
    assert_refused(httpd, config, line, message)


def test_header_under_the_default_prefix_where_another_is_set(httpd):
    assert said(httpd, f"ApiKeyHeaderPrefix X-Caller-\n{where_allowed('ApiKeyHeader X-ApiKey-Secret')}") is None


# -- mod_dbd's settings ------------------------------------------------------------------------------------------

IGNORED = "DBDParams: {0}= is ignored by the MySQL driver; write {1}="
NO_LIST = "DBDParams: not a list of name=value; .*group=\\)"

BAD_PARAMS = [
    ("host=x password=secret", IGNORED.format("password", "pass")),
    ("host=x passwd=secret", IGNORED.format("passwd", "pass")),
    ("host=x,Pass=secret", IGNORED.format("Pass", "pass")),
    ("socket=/run/x.sock", IGNORED.format("socket", "sock")),
    ("unix_socket=/run/x.sock", IGNORED.format("unix_socket", "sock")),
    ("database=keys", IGNORED.format("database", "dbname")),
    ("username=x", IGNORED.format("username", "user")),
    ("HOST=x", IGNORED.format("HOST", "host")),
    ("host=x opt1=y", "DBDParams: the MySQL driver takes opt1= for host=; .*group=\\)"),
    ("host", NO_LIST),
    ("host=x pass= dbname=keys", NO_LIST),
    ("host = x", NO_LIST),
    ("host=x pass=verysecret;morsel", NO_LIST),
]
POOL = "DBDMin {}, DBDKeep {} and DBDMax {} do not go together; .*DBDMin <= DBDKeep <= DBDMax .*"
BAD_POOLS = [
    ("DBDMax 1", "DBDMax 1", (0, 2, 1)),
    ("DBDMin 3", "DBDMin 3", (3, 2, 10)),
    ("DBDKeep 11", "DBDKeep 11", (0, 11, 10)),
    ("DBDMin 2\nDBDKeep 1", "DBDKeep 1", (2, 1, 10)),
    ("DBDMin 5\nDBDKeep 6\nDBDMax 5", "DBDMax 5", (5, 6, 5)),
    ("DBDMax 4\nDBDKeep 4\nDBDMax 3", "DBDMax 3", (0, 4, 3)),
    ('DBDMax "1"', 'DBDMax "1"', (0, 2, 1)),
]


@pytest.mark.parametrize("params, message", BAD_PARAMS)
def test_bad_dbdparams(httpd, params, message):
    line = f'DBDParams "{params}"'
    assert_refused(httpd, f"DBDriver mysql\n{line}\n{USE}", line, message)
    assert "secret" not in said(httpd, httpd.config) and "morsel" not in said(httpd, httpd.config)


@pytest.mark.parametrize(
    "params",
    [PARAMS, "host=x,port=1;sock=/x|flags=CLIENT_FOUND_ROWS fldsz=9 reconnect=0", "group=keys", "pass=a=b", "db=keys",
     "connecttimeout=1 readtimeout=1 writetimeout=1", " host=x\t user=y "],
)  # fmt: skip
def test_good_dbdparams(httpd, params):
    httpd.config = f'DBDriver mysql\nDBDParams "{params}"\n{USE}'
    assert httpd.configtest() == (0, "Syntax OK\n")


def test_unknown_dbdparams_are_warned_of(httpd):
    httpd.config = f'DBDriver mysql\nDBDParams "host=x ssl_ca=/etc/ca.pem"\n{USE}'
    status, output = httpd.configtest()
    assert status == 0
    assert re.search(r"AK0101: \S+:\d+: DBDParams: ssl_ca= is unknown to the MySQL driver, .*group of my.cnf", output)


@pytest.mark.parametrize("lines, blamed, numbers", BAD_POOLS)
def test_bad_size_of_the_pool(httpd, lines, blamed, numbers):
    assert_refused(httpd, f"{DBD}\n{lines}\n{USE}", blamed, f"{blamed.split()[0]}: {POOL.format(*numbers)}")


@pytest.mark.parametrize("lines", ["DBDMin 0", "DBDKeep 1\nDBDMax 1", "DBDMax 2", "DBDMax 1\nDBDPersist Off"])
def test_good_size_of_the_pool(httpd, lines):
    assert said(httpd, f"{DBD}\n{lines}\n{USE}") is None


# -- no database -------------------------------------------------------------------------------------------------

NO_DRIVER = "{}: API keys are looked up in MySQL or MariaDB; add DBDriver mysql and DBDParams to this server"
USES = {
    "AuthType Bearer": USE,
    "authtype apikey": '<Location "/x/">\nauthtype apikey\n</Location>',
    'AuthType "Bearer"': '<Directory "/">\nAuthType "Bearer"\n</Directory>',
    "AuthBasicProvider file apikey": '<Directory "/">\nAuthType Basic\nAuthBasicProvider file apikey\n</Directory>',
    "ApiKeyManage Self": '<Location "/x/">\nApiKeyManage Self\n</Location>',
    "AuthType ApiKey": '<Directory "/">\n<Files "x">\n<If "true">\nAuthType ApiKey\n</If>\n</Files>\n</Directory>',
}
# As httpd spells them.
DIRECTIVE = {"authtype": "AuthType", "authbasicprovider": "AuthBasicProvider", "apikeymanage": "ApiKeyManage"}
HOST = "<VirtualHost *:80>\n{}\n</VirtualHost>\n"


@pytest.mark.parametrize("line", USES)
@pytest.mark.parametrize(
    "around",
    ["{}", "DBDMax 5\n{}", HOST, HOST.format("") + "{}", HOST.format(DBD) + HOST,
     "<IfModule authn_apikey_module>\n<IfModule dbd_module>\n{}\n</IfModule>\n</IfModule>"],
    ids=["main", "main-with-sizes", "host", "main-with-hosts", "other-host", "IfModule"],
)  # fmt: skip
def test_no_dbdriver(httpd, line, around):
    assert_refused(httpd, around.format(USES[line]), line, NO_DRIVER.format(DIRECTIVE[line.split()[0].lower()]))


@pytest.mark.parametrize(
    "config",
    ["", "ApiKeyPrefix acme", HOST.format(""),
     '<Location "/x/">\nAuthType Basic\nAuthBasicProvider file\n</Location>', "DBDMax 1",
     '<AuthnProviderAlias file apikey-like>\n</AuthnProviderAlias>\n<Location "/x/">\nAuthBasicProvider apikey-like\n'
     "</Location>", '<Location "/x/">\nAuthName "Bearer of apikey"\n</Location>',
     '<Location "/x/">\nSetHandler apikey-manage\nApiKeyManage None\n</Location>'],
    ids=["nothing", "directives", "host", "Basic", "pool", "alias", "AuthName", "manage"],
)  # fmt: skip
def test_unused_it_asks_for_nothing(httpd, config):
    assert said(httpd, config) is None


@pytest.mark.parametrize(
    "config",
    [f"{DBD}\n{USE}", f"{DBD}\n{HOST.format(USE)}", HOST.format(f"{DBD}\n{USE}"), f"{USE}\n{HOST.format(DBD)}",
     f"{USE}\n{HOST.format(DBD)}{HOST.format('')}", f"<IfModule dbd_module>\n{DBD}\n</IfModule>\n{USE}"],
    ids=["main", "inherited", "host", "main-for-host", "main-for-one-host", "IfModule"],
)  # fmt: skip
def test_enough_of_a_database(httpd, config):
    assert said(httpd, config) is None


def test_no_dbdriver_for_a_provider_alias(httpd):
    line = "<AuthnProviderAlias apikey keys>"
    assert_refused(httpd, f"{line}\n</AuthnProviderAlias>", line, NO_DRIVER.format("<AuthnProviderAlias"))


def test_no_mod_dbd(make_httpd):
    httpd = make_httpd(start=False)
    httpd.modules.remove("dbd")
    message = "AuthType: API keys .* mod_dbd, which is not loaded; add LoadModule dbd_module \\(a2enmod dbd\\)"
    assert_refused(httpd, USE, "AuthType Bearer", message)
    assert said(httpd, "ApiKeyPrefix acme") is None


def test_another_driver(make_httpd, scratch):
    """A driver of another database, as far as loading it goes."""
    folder = scratch.folder("driver")
    driver = 'const struct { const char *name; void *none[64]; } apr_dbd_other_driver = {"other"};\n'
    (folder / "driver.c").write_text(driver)
    compile_shared(folder, "driver.c", "apr_dbd_other-1.so")
    (folder / "apr_dbd_other.so").symlink_to("apr_dbd_other-1.so")
    httpd = make_httpd(start=False, env={"LD_LIBRARY_PATH": str(folder)})
    assert_refused(httpd, f"DBDriver other\n{USE}", "DBDriver other", NO_DRIVER.format("DBDriver"))


# -- where the wrong line stands ---------------------------------------------------------------------------------

WRONG = {
    "ApiKeyPrefix X": ("ApiKeyPrefix X", "ApiKeyPrefix: 'X' is not 2 to 20 of a-z and 0-9"),
    "DBDMax 1": (f"{DBD}\nDBDMax 1\n{USE}", f"DBDMax: {POOL.format(0, 2, 1)}"),
    'DBDParams "password=x"': (f'DBDriver mysql\nDBDParams "password=x"\n{USE}', IGNORED.format("password", "pass")),
}


@pytest.mark.parametrize("line", WRONG)
@pytest.mark.parametrize(
    "around",
    [HOST, "<IfModule dbd_module>\n{}\n</IfModule>", DBD + "\n" + HOST, HOST.format(f"{DBD}\n{USE}") + HOST,
     "<VirtualHost *:80>\n<IfModule dbd_module>\n<IfVersion >= 2.4>\n{}\n</IfVersion>\n</IfModule>\n</VirtualHost>"],
    ids=["host", "IfModule", "host-below-main", "second-host", "nested"],
)  # fmt: skip
def test_in_sections(httpd, line, around):
    lines, message = WRONG[line]
    assert_refused(httpd, around.format(lines), line, message)


@pytest.mark.parametrize("line", WRONG)
def test_in_an_included_file(httpd, line):
    lines, message = WRONG[line]
    included = httpd.folder / "included.conf"
    included.write_text(f"# one line before\n{lines}\n")
    output = said(httpd, f'<VirtualHost *:80>\nInclude "{included}"\n</VirtualHost>')
    number = included.read_text().split("\n").index(line) + 1
    assert re.search(rf"(AK0100: {included}:{number}: |on line {number} of {included}:\n){message}\n", output), output


def test_a_wrong_line_stops_a_real_start(make_httpd):
    """-t is no other way than the start itself."""
    httpd = make_httpd(f"{DBD}\nDBDMax 1\n{USE}", start=False)
    assert "AK0100" in httpd.fails_to_start()


# -- a module that answers Bearer itself -------------------------------------------------------------------------

BEARER_MODULE = """
#include <httpd.h>
#include <http_config.h>
AP_DECLARE_MODULE(auth_bearer) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, NULL, AP_MODULE_FLAG_NONE};
"""


@pytest.fixture(scope="module")
def mod_auth_bearer(scratch):
    """The LoadModule line of a module by the name of trunk's."""
    return build_module(scratch.folder("bearer"), "auth_bearer", BEARER_MODULE)


@pytest.mark.parametrize(
    "around", ["{}", HOST, HOST.format('<Directory "/">\n<Files "x">\n{}\n</Files>\n</Directory>')]
)
@pytest.mark.parametrize("line", ["AuthType Bearer", "authtype bearer", 'AuthType "Bearer"'])
def test_bearer_beside_mod_auth_bearer(httpd, mod_auth_bearer, line, around):
    use = line if "<Files" in around else f'<Location "/x/">\n{line}\n</Location>'
    message = "AuthType: mod_auth_bearer is loaded too .*write AuthType ApiKey, .*"
    assert_refused(httpd, f"{mod_auth_bearer}{DBD}\n{around.format(use)}", line, message)


def test_apikey_beside_mod_auth_bearer(make_httpd, mod_auth_bearer, database):
    httpd = make_httpd(
        f'{mod_auth_bearer}<Location "/">\nAuthType ApiKey\nRequire apikey\nHeader set X-Type "expr=%{{AUTH_TYPE}}"\n'
        "</Location>", dbd=database.dbd_params(),
    )  # fmt: skip
    _, key = insert_key(database, "user", "alice")
    assert httpd.get("/").header("WWW-Authenticate") == 'Bearer realm="API"'
    response = httpd.get("/", key)
    assert (response.status, response.header("X-Type")) == (200, "Bearer")


@pytest.mark.parametrize("around", ["{}", HOST])
def test_a_form_is_no_place_for_keys(make_httpd, around):
    httpd = make_httpd(modules=["request", "session", "session_cookie", "auth_form"], start=False)
    line = "AuthFormProvider file apikey"
    use = f'<Location "/login">\n{line}\n</Location>'
    assert_refused(httpd, around.format(use), line, "AuthFormProvider: API keys do not log in by a form, .*take another provider")


# -- no error ----------------------------------------------------------------------------------------------------


def test_unused_without_a_database_it_serves(make_httpd):
    assert make_httpd().get("/").status == 200


def test_an_unreachable_database_does_not_stop_the_start(make_httpd):
    httpd = make_httpd(
        '<Location "/x/">\nAuthType Bearer\nRequire apikey\n</Location>\nAlias "/x/" "${htdocs}/"',
        dbd=f"host=127.0.0.1 port={free_port()} user=nobody pass=x dbname=none",
    )
    httpd.expect(r"AH006(29|33|36): |AH02655: ", r"AK0020: the database cannot be asked about API keys: ")
    assert httpd.get("/").status == 200
    assert httpd.get("/x/").status == 401
    assert httpd.get("/x/", mint()).status == 503
