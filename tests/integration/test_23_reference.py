# SPDX-License-Identifier: Apache-2.0
"""conf/reference.conf and the files that Debian's a2enmod reads: complete, loadable, and true."""

import json
import math
import re

import command_table
import pytest
from harness import MODULE, ROOT
from harness.apps import Cgi, HttpApp
from harness.httpd import MODULES
from harness.keyfmt import insert_key, mint, mistyped
from harness.process import wait_for
from managed import LOGIN, PATIENT, Caller, write_people

REFERENCE = (ROOT / "conf" / "reference.conf").read_text()
FIELDS = {
    "Directive": ["Directive", "Default", "Context", "Override", "Meaning"],
    "Line": ["Line", "Default", "Context", "Override", "Meaning"],
    "Variable": ["Variable", "Header", "Log item", "Meaning"],
}
LINES = ["AuthType", "AuthBasicProvider"] + [
    f"Require apikey{kind}" for kind in ("", "-user", "-team", "-scope", "-id", "-expr")
]
PEPPER = b"pepper-of-thirty-two-bytes-or-so"


def _entries():
    """Blocks of `# Field: text` lines, each as a dict, with the lines to uncomment under "Example"."""
    found = []
    for block in re.split(r"\n\s*\n", REFERENCE):
        if not re.match(rf"# ({'|'.join(FIELDS)}): ", block):
            continue
        entry = {"Example": "\n".join(re.findall(r"(?m)^#(\S.*)$", block))}
        for name, text in re.findall(r"(?m)^# ([A-Z][\w ]*):\s+(.*(?:\n#  +.*)*)", block):
            entry[name] = re.sub(r"\s*\n#\s+", " ", text)
        found.append(entry)
    return found


ENTRIES = _entries()
DIRECTIVES = {entry["Directive"].split()[0]: entry for entry in ENTRIES if "Directive" in entry}
VARIABLES = {entry["Variable"]: entry for entry in ENTRIES if "Variable" in entry}
TIMES = [name for name, entry in DIRECTIVES.items() if re.match(r"\w+ time\b", entry["Directive"])]
# Those of which a single answer tells what they are set to.
MANAGING = ["ApiKeyManage", "ApiKeyScopes", "ApiKeyMaxKeys", "ApiKeyTeamsTable"]
ANSWERED = [name for name in DIRECTIVES if name not in [*TIMES, *MANAGING, "ApiKeyCache"]]


# -- its shape ---------------------------------------------------------------------------------------------------


def test_every_line_is_a_comment():
    assert [line for line in REFERENCE.split("\n") if line and not line.startswith("#")] == []


def test_every_entry_has_its_fields():
    assert len(ENTRIES) >= 26
    for entry in ENTRIES:
        kind = next(iter(set(entry) & set(FIELDS)))
        assert [name for name in entry if name != "Example"] == FIELDS[kind], entry
        assert all(entry[name] for name in FIELDS[kind]), entry
        assert kind == "Variable" or entry["Example"].startswith(entry[kind].split()[0] + " "), entry


def test_no_entry_comes_twice():
    names = [entry[kind] for entry in ENTRIES for kind in FIELDS if kind in entry]
    assert sorted(names) == sorted(set(names))


def test_lines_are_those_there_are():
    found = [re.match(r"Require apikey[\w-]*|\w+", entry["Line"])[0] for entry in ENTRIES if "Line" in entry]
    assert sorted(found) == sorted(LINES)


def test_context_and_override_go_together():
    override = {"global": "none", "server": "none", "location": "none", "directory": "AuthConfig"}
    for entry in ENTRIES:
        if "Context" in entry:
            assert entry["Override"] == override[entry["Context"]], entry


# -- against the module ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unstarted(make_module_httpd):
    httpd = make_module_httpd(start=False, dbd="group=none")
    _write_pepper(httpd)
    return httpd


def _write_pepper(httpd):
    (httpd.folder / "apikey.pepper").write_bytes(PEPPER)
    (httpd.folder / "apikey.pepper").chmod(0o600)


def here(line):
    """An example, with the one path in it that a test has not got."""
    return line.replace("/etc/apache2/apikey.pepper", "apikey.pepper")


def test_directives_are_those_of_the_module(make_httpd):
    httpd = make_httpd(command_table.CONFIG, modules=command_table.MODULES)
    listed = command_table.directives(httpd)
    assert len(listed) >= 10
    assert sorted(DIRECTIVES) == sorted(listed)


AROUND = {
    "global": ["{}"],
    "host": ["<VirtualHost *:80>\n{}\n</VirtualHost>"],
    "location": ['<Directory "/x">\n{}\n</Directory>', '<Location "/x">\n{}\n</Location>',
                 '<Location "/x">\n<If "true">\n{}\n</If>\n</Location>'],
    "directory": ['<Files "x">\n{}\n</Files>', '<If "true">\n{}\n</If>'],
}  # fmt: skip
# The example and the default need a database that nobody asks.
DBD = 'DBDriver mysql\nDBDParams "group=none"\n'

MAY_STAND_IN = {
    "global": ("global",), "server": ("global", "host"), "location": ("location",),
    "directory": ("location", "directory"),
}  # fmt: skip


@pytest.mark.parametrize("name", DIRECTIVES)
def test_stated_context(unstarted, name):
    """Where the reference says so, the example and the default are accepted; elsewhere they are not."""
    entry = DIRECTIVES[name]
    refused = rf"{name} (not allowed (here|in <)|cannot occur within <VirtualHost> section|must stand in a <Loc)"
    for context, sections in AROUND.items():
        for around in sections:
            for line in (entry["Example"], f"{name} {entry['Default']}"):
                unstarted.config = around.format(here(line))
                status, said = unstarted.configtest()
                assert (status == 0) == (context in MAY_STAND_IN[entry["Context"]]), (line, around, said)
                assert status == 0 or re.search(refused, said), said


def test_all_examples_together(unstarted):
    """As somebody would have it who uncommented them all."""
    server, directory = [], []
    for entry in ENTRIES:
        if "Context" in entry:
            inside = entry["Context"] in ("directory", "location")
            (directory if inside else server).append(here(entry["Example"]))
    log = re.findall(r"(?m)^#(LogFormat .*)$", REFERENCE)
    assert len(server) >= 11 and len(directory) >= 14 and len(log) == 1
    unstarted.config = "\n".join([*server, *log, '<Directory "/x">', *directory, "</Directory>"])
    assert unstarted.configtest() == (0, "Syntax OK\n")


# -- defaults ----------------------------------------------------------------------------------------------------

UNITS = {"ms": 1, "s": 1000, "min": 60 * 1000, "h": 3600 * 1000}


def _milliseconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|min|h)?", text).groups()
    return int(number) * (UNITS[unit] if unit else 0 if number == "0" else None)


def test_default_times_are_as_stated():
    """No test waits for five minutes: this one reads them in the source."""
    directives, config = ((ROOT / "src" / "httpd" / name).read_text() for name in ("directives.c", "config.c"))
    members = dict(re.findall(r'INTERVAL\("(\w+)", ([\w.]+),', directives))
    defaults = dict(re.findall(r"conf->([\w.]+) = interval\(conf->\1, ([\d *]+)\)", config))
    inside = {name: math.prod(map(int, defaults[member].split("*"))) for name, member in members.items()}
    assert inside == {name: _milliseconds(DIRECTIVES[name]["Default"]) for name in TIMES}
    assert all(_milliseconds(DIRECTIVES[name]["Example"].split()[1]) != inside[name] for name in TIMES)


def test_default_size_is_as_stated(make_httpd):
    def capacity(line):
        return int(re.search(r"holds (\d+) keys", make_httpd(line).wait_log("AK0112: "))[1])

    entry = DIRECTIVES["ApiKeyCache"]
    assert capacity("") == capacity(f"ApiKeyCache {entry['Default']}")
    assert 75_000 < capacity("") < 85_000 and 1_000_000 < capacity(entry["Example"])  # as it says



def _managing(make_httpd, database, line):
    """What a user is told where a line stands, by a server whose other lines are the examples."""
    name = line.lstrip("# ").split()[0]
    lines = {other: DIRECTIVES[other]["Example"] for other in MANAGING} | {name: line}
    database.sql("CREATE DATABASE IF NOT EXISTS site; DROP TABLE IF EXISTS site.team_members; CREATE TABLE site.team_members"
                 " (team_id TEXT, user_id TEXT, manage_api_keys BOOL);"
                 "INSERT INTO site.team_members VALUES ('theirs', 'alice', TRUE);"
                 "REPLACE INTO api_key_team_members VALUES ('ours', 'alice', TRUE)")  # fmt: skip
    place = "\n".join(text for other, text in lines.items() if other != "ApiKeyTeamsTable")
    httpd = make_httpd(
        f'{PATIENT}\n{lines["ApiKeyTeamsTable"]}\n<Location "/keys">\nSetHandler apikey-manage\n{LOGIN}\n{place}\n</Location>',
        dbd=database.dbd_params(), start=False,
    )  # fmt: skip
    write_people(httpd)
    httpd.expect(r"AK011[3-9]")
    httpd.start()
    alice = Caller(httpd, user="alice")
    me, teams = alice.ask("/me"), alice.ask("/teams")
    if me.status != 200:
        return me.status
    return {key: me.json()[key] for key in ("manage", "scopes", "limits")} | teams.json()


@pytest.mark.parametrize("name", MANAGING)
def test_defaults_of_managing(make_httpd, database, name):
    default = _managing(make_httpd, database, f"{name} {DIRECTIVES[name]['Default']}")
    assert default == _managing(make_httpd, database, f"# {name}")
    assert default != _managing(make_httpd, database, DIRECTIVES[name]["Example"])


@pytest.fixture(scope="module")
def hosts(make_module_httpd, make_module_app, module_database):
    """The host "bare" says nothing, "stated" the defaults, and one host for each directive its example."""
    app = make_module_app(HttpApp)

    def host(name, lines):
        server = [here(line) for line in lines if DIRECTIVES[line.split()[0]]["Context"] == "server"]
        directory = [line for line in lines if DIRECTIVES[line.split()[0]]["Context"] == "directory"]
        return "\n".join(
            ["<VirtualHost *:${port}>", f"ServerName {name}", *server, '<LocationMatch "^/(key|open)">', *directory,
             "AuthType Bearer", 'Header set X-Env "%{APIKEY_OWNER}e"', "</LocationMatch>",
             '<Location "/key">', "Require apikey", "</Location>",
             '<Location "/open">', "Require all granted", "</Location>",
             app.config("/key"), app.config("/open"), "</VirtualHost>", ""]
        )  # fmt: skip

    config = host("bare", []) + host("stated", [f"{name} {DIRECTIVES[name]['Default']}" for name in ANSWERED])
    config += "".join(host(name, [DIRECTIVES[name]["Example"]]) for name in ANSWERED)
    httpd = make_module_httpd(config, modules=app.modules, dbd=module_database.dbd_params(), start=False)
    _write_pepper(httpd)
    return httpd.start()


@pytest.fixture(scope="module")
def questions(module_database):
    """Requests that, together, tell every directive's default from its example."""

    def key(kind, owner, **how):
        return insert_key(module_database, kind, owner, **how)[1]

    alice = key("user", "alice")
    sent = {
        "user": ("/key", alice),
        "team": ("/key", key("team", "blue")),
        "other prefix": ("/key", key("user", "alice", prefix="acme")),
        "foreign": ("/key", key("user", "alice", key="imported-from-elsewhere-0123456789")),
        "peppered": ("/key", key("user", "alice", pepper=PEPPER)),
        "bad where anybody may": ("/open", mistyped(mint())),
        "none where anybody may": ("/open", None),
    }
    asked = {name: (path, [("Authorization", f"Bearer {text}")] if text else []) for name, (path, text) in sent.items()}
    return asked | {"other header": ("/key", [("X-API-Key", alice)])}


def _answers(httpd, questions, host):
    """What everybody is told: the client, and the application behind."""
    httpd.expect(r"AK000[123]: API key (not_found|wrong_type)")
    answers = {}
    for name, (path, headers) in questions.items():
        response = httpd.get(path, headers=[("Host", host), *headers])
        told = sorted(map(tuple, response.json()["headers"])) if response.status == 200 else []
        answers[name] = (response.status, response.header("WWW-Authenticate"), response.header("X-Env"), [
            pair for pair in told if not re.match(r"(?i)host|x-forwarded|via|connection", pair[0])
        ])  # fmt: skip
    return answers


def test_defaults_are_as_stated(hosts, questions):
    assert _answers(hosts, questions, "stated") == _answers(hosts, questions, "bare")


@pytest.mark.parametrize("name", ANSWERED)
def test_examples_make_a_difference(hosts, questions, name):
    """Or the test above would not notice a wrong default."""
    assert _answers(hosts, questions, name) != _answers(hosts, questions, "bare")


# -- variables ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def telling(make_module_httpd, make_module_app, module_database):
    """Applications told in each way, and a log of every item stated."""
    items = " ".join(entry["Log item"] for entry in VARIABLES.values())
    return make_module_httpd(
        f"""
        CustomLog logs/items.log "{items}"
        <LocationMatch "^/(cgi|app)">
            AuthType Bearer
            Require apikey
        </LocationMatch>
        """,
        mounts={"/cgi": make_module_app(Cgi), "/app": make_module_app(HttpApp)}, dbd=module_database.dbd_params(),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["user", "team"])
def test_variables_headers_and_log_items(telling, module_database, kind):
    number, key = insert_key(module_database, kind, "blue", "a b", expires_at="2099-01-01")
    expected = {
        "APIKEY_ID": str(number), "APIKEY_OWNER_TYPE": kind, "APIKEY_OWNER": "blue", f"APIKEY_{kind.upper()}": "blue",
        "APIKEY_SCOPES": "a b", "APIKEY_EXPIRES": "4070908800", "APIKEY_STATUS": "valid",
    }  # fmt: skip
    assert set(expected) < set(VARIABLES)
    told = json.loads(telling.get("/cgi/env", key).body)
    assert {name: value for name, value in told.items() if name.startswith("APIKEY_")} == expected

    told = dict(telling.get("/app/x", key).json()["headers"])
    headers = {VARIABLES[name]["Header"]: value for name, value in expected.items()}
    headers.pop("none")
    assert {name: value for name, value in told.items() if name.startswith("X-ApiKey-")} == headers

    items = telling.folder / "logs" / "items.log"
    line = " ".join(expected.get(name, "-") for name in VARIABLES)
    wait_for(lambda: line in items.read_text().split("\n"), what=f"{line!r} in {items}")


def test_statuses_are_all_named():
    text = (ROOT / "src" / "core" / "verdict.c").read_text()
    statuses = re.findall(r'\] = \{"(\w+)",', text)
    assert len(statuses) >= 11
    assert [name for name in statuses if not re.search(rf"\b{name}\b", VARIABLES["APIKEY_STATUS"]["Meaning"])] == []


# -- Debian's files ----------------------------------------------------------------------------------------------

LOAD = (ROOT / "conf" / "authn_apikey.load").read_text()
CONF = (ROOT / "conf" / "authn_apikey.conf").read_text()


def _enabled(httpd, conf):
    """The server as after `a2enmod authn_apikey`: what the .load file depends on, itself, and the .conf."""
    httpd.apikey = False
    needed = re.search(r"(?m)^# Depends: (.*)$", LOAD)[1].split()
    httpd.modules = ["unixd", "log_config", "mime", "dir", "watchdog", *needed]
    (line,) = [line for line in LOAD.split("\n") if line and not line.startswith("#")]
    assert line == "LoadModule authn_apikey_module /usr/lib/apache2/modules/mod_authn_apikey.so"
    httpd.config = f"{line.replace('/usr/lib/apache2/modules/mod_authn_apikey.so', str(MODULE))}\n{conf}"
    return httpd.configtest()


def test_enabling_it_untouched_changes_nothing(make_httpd):
    httpd = make_httpd(start=False)
    assert _enabled(httpd, CONF) == (0, "Syntax OK\n")
    assert httpd.start().get("/").text == "hello\n"


def test_uncommented_it_is_enough_for_a_location(make_httpd):
    httpd = make_httpd(start=False)
    lines = re.sub(r"(?m)^(\s*)#(?=\S)", r"\1", CONF)
    assert lines.count("DBDParams") > 1 and "ApiKeyPrefix ak" in lines and "\n    ApiKeyCache " in lines
    use = '<Location "/x">\nAuthType Bearer\nRequire apikey\n</Location>'
    assert _enabled(httpd, lines + use) == (0, "Syntax OK\n")
    assert _enabled(httpd, CONF + use)[0] != 0


def test_a2enmod_finds_the_modules_it_depends_on():
    names = re.search(r"(?m)^# Depends: (.*)$", LOAD)[1].split()
    assert "dbd" in names
    assert [name for name in names if not (MODULES / f"mod_{name}.so").exists()] == []
