# SPDX-License-Identifier: Apache-2.0
"""Every directive, set to something else than its default above and to its default below: the lower one wins, in every
context; and what says nothing below inherits."""

import re
from dataclasses import dataclass

import command_table
import pytest
from harness.apps import HttpApp
from harness.keyfmt import insert_key, mint, mistyped
from harness.process import patience, wait_for
from judged import ask
from managed import LOGIN, PATIENT, Caller, write_people

PEPPER = b"pepper-of-thirty-two-bytes-or-so"
PLACES = ("silent", "beside", "directory", "location", "files", "if", "htaccess", "htaccess/silent", "htaccess/again")

# -- server and virtual host -------------------------------------------------------------------------------------

MAIN = {
    "ApiKeyPrefix": "acme corp",
    "ApiKeyForeign": "On",
    "ApiKeyPepperFile": "pepper",
    "ApiKeyHeaderPrefix": "X-Caller-",
}
DEFAULTS = {
    "ApiKeyPrefix": "ak",
    "ApiKeyForeign": "Off",
    "ApiKeyPepperFile": "none",
    "ApiKeyHeaderPrefix": "X-ApiKey-",
}


@pytest.fixture(scope="module")
def secrets(module_database):
    """name -> secret, one for each way the servers below can be told apart."""
    made = {
        "acme": dict(prefix="acme", pepper=PEPPER),
        "corp": dict(prefix="corp", pepper=PEPPER),
        "ak": dict(prefix="ak", pepper=PEPPER),
        "plain": dict(prefix="acme"),
        "foreign": dict(key="imported-from-elsewhere-0123456789"),
    }
    return {name: insert_key(module_database, "user", "alice", **how)[1] for name, how in made.items()}


@pytest.fixture(scope="module")
def hosts(make_module_httpd, make_module_app, module_database):
    """The hosts "silent", which says nothing, and one for each directive that sets it to its default."""
    app = make_module_app(HttpApp)
    virtual = "".join(
        f"<VirtualHost *:${{port}}>\nServerName {name}\n{lines}\n</VirtualHost>\n"
        for name, lines in [("silent", "")] + [(name, f"{name} {value}") for name, value in DEFAULTS.items()]
    )
    main = "".join(f"{name} {value}\n" for name, value in MAIN.items())
    httpd = make_module_httpd(
        f'{main}<Location "/app">\nAuthType Bearer\nRequire apikey\n</Location>\n{virtual}',
        mounts={"/app": app}, dbd=module_database.dbd_params(), start=False, tolerated=[r"AK011[456]:"],
    )  # fmt: skip
    (httpd.folder / "pepper").write_bytes(PEPPER)
    (httpd.folder / "pepper").chmod(0o600)
    return httpd.start()


SEEN_BY = {
    # directive: (what to present, whether the main server takes it, whether the default does)
    "ApiKeyPrefix": [("acme", True, False), ("corp", True, False), ("ak", False, True)],
    "ApiKeyForeign": [("foreign", True, False), ("acme", True, True)],
    "ApiKeyPepperFile": [("acme", True, False), ("plain", False, True)],
    "ApiKeyHeaderPrefix": [("acme", True, True)],
}


def beside(directive):
    """A host that says something, only not about this: only then are the records of the two servers merged."""
    return "ApiKeyForeign" if directive != "ApiKeyForeign" else "ApiKeyHeaderPrefix"


@pytest.mark.parametrize("directive", SEEN_BY)
def test_virtual_host_wins_over_main_server(hosts, secrets, directive):
    for name, in_main, by_default in SEEN_BY[directive]:
        for host, taken in (("silent", in_main), (beside(directive), in_main), (directive, by_default)):
            answer = ask(hosts, "/app/x", secrets[name], headers=[("Host", host)]).answer
            assert (name, host, answer[0]) == (name, host, 200 if taken else 401)


def test_header_prefix_of_the_virtual_host(hosts, secrets):
    for host, prefix in (
        ("silent", "X-Caller-"), (beside("ApiKeyHeaderPrefix"), "X-Caller-"), ("ApiKeyHeaderPrefix", "X-ApiKey-"),
    ):  # fmt: skip
        told = hosts.get("/app/x", secrets["acme"], headers=[("Host", host)]).json()["headers"]
        assert [name for name, value in told if value == "alice"] == [f"{prefix}Owner", f"{prefix}User"]


# -- times -------------------------------------------------------------------------------------------------------
# Each host has a database of its own: hosts that share one share what is read of its feed, too.

HOSTS = ("silent", "beside", "default")


@pytest.fixture(scope="module")
def bases(mariadb):
    """A database for each host; no id of a key comes in two of them."""
    made = {}
    for number, host in enumerate(HOSTS):
        made[host] = mariadb.create_database()
        made[host].sql(f"ALTER TABLE api_keys AUTO_INCREMENT = {1000 * number + 1}")
    return made


def insert_keys(bases, key=None):
    """host -> (id, secret)"""
    return {host: insert_key(base, "user", "alice", key=key) for host, base in bases.items()}


def status_at(httpd, host, key):
    return httpd.get("/", key, headers=[("Host", host)]).status


def statuses(httpd, keys):
    return {host: status_at(httpd, host, key) for host, (_, key) in keys.items()}


def revoke(base, number):
    base.sql(f"UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {number}")


def remembers(httpd, bases):
    """host -> the answer to a key that was revoked since it was last asked about"""
    httpd.expect(r"AK0003: API key revoked")
    keys = insert_keys(bases)
    assert set(statuses(httpd, keys).values()) == {200}
    for host, (number, _) in keys.items():
        revoke(bases[host], number)
    return statuses(httpd, keys)


def remembers_that_there_is_none(httpd, bases):
    httpd.expect(r"AK0001: API key not_found")
    key = mint()
    assert {status_at(httpd, host, key) for host in bases} == {401}
    return statuses(httpd, insert_keys(bases, key))


def goes_on_without_the_table(httpd, bases):
    httpd.expect(r"AK00[25]0: .*api_key\w+' doesn't exist")
    keys = insert_keys(bases)
    assert set(statuses(httpd, keys).values()) == {200}
    for base in bases.values():
        base.sql("RENAME TABLE api_keys TO elsewhere")
    seen = statuses(httpd, keys)
    for base in bases.values():
        base.sql("RENAME TABLE elsewhere TO api_keys")
    return seen


def waits(httpd, bases):
    """host -> how many milliseconds for a table that is locked"""
    seen = {}
    for host, base in bases.items():
        with base.session() as lock:
            lock.sql("LOCK TABLES api_keys WRITE, api_key_secrets WRITE")
            mark = httpd.log_mark()
            httpd.expect(r"AK0020: the database cannot be asked about API keys: no answer within \d+ ms")
            assert status_at(httpd, host, mint()) == 503
            line = httpd.wait_log("AK0020", mark)
        seen[host] = int(re.search(r"within (\d+) ms \(ApiKeyTimeout\)", line).group(1))
    return seen


def hears_of_a_revocation(httpd, bases):
    """host -> the answer, when the host that certainly reads the feed has done so, and the others have had as long"""

    def another():
        number, key = insert_key(bases["default"], "user", "alice")
        assert status_at(httpd, "default", key) == 200
        revoke(bases["default"], number)
        wait_for(lambda: status_at(httpd, "default", key) == 401)

    httpd.expect(r"AK0003: API key revoked")
    another()  # everything is forgotten when the feed is found not to be empty any more
    keys = insert_keys(bases)
    assert set(statuses(httpd, keys).values()) == {200}
    for host, (number, _) in keys.items():
        revoke(bases[host], number)
    another()
    another()
    return statuses(httpd, keys)


def counts(httpd, bases):
    """host -> whether it had counted, when it ended"""
    keys = insert_keys(bases)
    assert set(statuses(httpd, keys).values()) == {200}
    httpd.stop()
    return {
        host: bases[host].value(f"SELECT COUNT(*) FROM api_key_usage WHERE key_id = {number}") == "1"
        for host, (number, _) in keys.items()
    }


@dataclass
class Time:
    """How to tell from what hosts do which of two values a directive has there."""

    above: str
    default: str
    probe: object  # (httpd, bases) -> {host: what is seen of it}
    seen_above: object
    seen_default: object
    beside: str = "ApiKeyForeign Off"
    lines: str = "ApiKeyRefresh Off"


TIMES = {
    "ApiKeyCacheTTL": Time("1ms", "300s", remembers, 401, 200),
    "ApiKeyNegativeTTL": Time("0", "10s", remembers_that_there_is_none, 200, 401),
    "ApiKeyStale": Time("1h", "0", goes_on_without_the_table, 200, 503, lines="ApiKeyCacheTTL 1ms\nApiKeyRefresh Off"),
    "ApiKeyTimeout": Time("200ms", "500ms", waits, 200, 500),
    "ApiKeyRefresh": Time("Off", "500ms", hears_of_a_revocation, 200, 401, lines=""),
    "ApiKeyUsage": Time("Off", "60s", counts, False, True),
}


def hosts_with(directive, bases, main, default):
    lines = {"silent": "", "beside": TIMES[directive].beside, "default": default}
    virtual = "".join(
        f'<VirtualHost *:${{port}}>\nServerName {host}\nDBDParams "{bases[host].dbd_params()}"\n{lines[host]}\n'
        "</VirtualHost>\n"
        for host in HOSTS
    )
    place = '<Location "/">\nAuthType Bearer\nRequire apikey\n</Location>\n'
    return f"{main}\n{TIMES[directive].lines}\n{virtual}{place}"


@pytest.mark.parametrize("directive", TIMES)
def test_time_of_the_virtual_host_wins(make_httpd, bases, directive):
    time = TIMES[directive]
    config = hosts_with(directive, bases, f"{directive} {time.above}", f"{directive} {time.default}")
    seen = time.probe(make_httpd(config, dbd=bases["silent"].dbd_params()), bases)
    assert seen == {"silent": time.seen_above, "beside": time.seen_above, "default": time.seen_default}


# The harness gives slow builds another ApiKeyTimeout.
@pytest.mark.parametrize("directive", [time for time in TIMES if time != "ApiKeyTimeout" or patience(1) == 1])
def test_default_time_is_what_holds_where_nothing_is_said(make_httpd, bases, directive):
    config = hosts_with(directive, bases, "", "")
    seen = TIMES[directive].probe(make_httpd(config, dbd=bases["silent"].dbd_params()), bases)
    assert set(seen.values()) == {TIMES[directive].seen_default}


def test_hosts_of_one_database_are_told_what_the_most_eager_one_hears(make_httpd, database):
    """The main server, which comes first, neither reads the feed nor counts."""
    httpd = make_httpd(
        """
        ApiKeyRefresh Off
        ApiKeyUsage Off
        <VirtualHost *:${port}>
            ServerName silent
        </VirtualHost>
        <VirtualHost *:${port}>
            ServerName eager
            ApiKeyRefresh 100ms
            ApiKeyUsage 1s
        </VirtualHost>
        <Location "/">
            AuthType Bearer
            Require apikey
        </Location>
        """,
        dbd=database.dbd_params(),
    )
    number, key = insert_key(database, "user", "alice")
    assert [status_at(httpd, host, key) for host in ("silent", "eager")] == [200, 200]
    wait_for(lambda: database.sql("SELECT use_count FROM api_key_usage") == [{"use_count": "1"}])
    revoke(database, number)
    httpd.expect(r"AK0003: API key revoked")
    wait_for(lambda: [status_at(httpd, host, key) for host in ("silent", "eager")] == [401, 401])


# -- the memory, which is one for all ----------------------------------------------------------------------------


def test_cache_is_one_for_all_hosts(make_httpd, bases):
    """And a graceful restart forgets what an earlier configuration said of it."""
    here = hosts_with("ApiKeyTimeout", bases, "", "")
    httpd = make_httpd(f"ApiKeyCache Off\n{here}", dbd=bases["silent"].dbd_params())
    assert set(remembers(httpd, bases).values()) == {401}
    for size, seen in (("ApiKeyCache 4M", 200), ("ApiKeyCache Off", 401), ("", 200)):
        httpd.config = f"{size}\n{here}"
        httpd.graceful()
        assert set(remembers(httpd, bases).values()) == {seen}, size


# -- directory, location, .htaccess ------------------------------------------------------------------------------


@dataclass
class Probe:
    """How to tell, by asking a place, which of two values a directive has there."""

    above: str
    default: str
    ask: object  # (httpd, path, keys) -> what is seen of it
    seen_above: object
    seen_default: object
    lines: str = "Require apikey"


def _status(who, header=None):
    def probe(httpd, path, keys):
        sent = [(header, keys[who])] if header else []
        return ask(httpd, path, None if header else keys[who], headers=sent).answer[0]

    return probe


def _told(name):
    return lambda httpd, path, keys: httpd.get(path, keys["alice"]).header(name)


PROBES = {
    "ApiKeyHeader": Probe("X-API-Key X-Other", "Authorization", _status("alice", "X-Other"), 200, 401),
    "ApiKeyUserKeys": Probe("Off", "On", _status("alice"), 401, 200),
    "ApiKeyTeamKeys": Probe("Off", "On", _status("blue"), 401, 200),
    "ApiKeyOptional": Probe("On", "Off", _status("bad"), 401, 200, "Require all granted"),
    "ApiKeyForward": Probe("On", "Off", _told("X-Forwarded"), "yes", "no"),
    "ApiKeyExport": Probe("None", "All", _told("X-Owner"), "(null)", "alice"),
}

# Told with every answer: whether the credential is still there when it is made, and the exported owner.
TELL = """
Header set X-Owner "%{APIKEY_OWNER}e"
Header set X-Forwarded no
Header set X-Forwarded yes "expr=-n req('Authorization')"
"""


@pytest.fixture(scope="module")
def keys(module_database):
    owners = {"alice": ("user", "alice"), "blue": ("team", "blue")}
    return {name: insert_key(module_database, *owner)[1] for name, owner in owners.items()} | {"bad": mistyped(mint())}


def directories(directive, probe):
    """The directive in a folder of its own name, and below it once more in each context."""
    here = f"${{htdocs}}/{directive}"
    default = f"{directive} {probe.default}"
    beside = "ApiKeyForward Off" if directive != "ApiKeyForward" else "ApiKeyOptional Off"
    return f"""
    <Directory "{here}">
        AuthType Bearer
        {probe.lines}
        AllowOverride AuthConfig
        {directive} {probe.above}
        {TELL}
        <If "%{{REQUEST_URI}} =~ m#/if/#">
            {default}
        </If>
    </Directory>
    <Directory "{here}/beside">
        {beside}
    </Directory>
    <Directory "{here}/directory">
        {default}
    </Directory>
    <Location "/{directive}/location/">
        {default}
    </Location>
    <Directory "{here}/files">
        <Files "index.html">
            {default}
        </Files>
    </Directory>
    """


@pytest.fixture(scope="module")
def folders(make_module_httpd, module_database):
    httpd = make_module_httpd(
        "".join(directories(*item) for item in PROBES.items()), dbd=module_database.dbd_params(), start=False
    )
    for directive, probe in PROBES.items():
        for place in PLACES:
            folder = httpd.htdocs / directive / place
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "index.html").write_text("hello\n")
        (httpd.htdocs / directive / "htaccess" / ".htaccess").write_text(f"{directive} {probe.default}\n")
        (httpd.htdocs / directive / "htaccess" / "again" / ".htaccess").write_text(f"{directive} {probe.above}\n")
    return httpd.start()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("directive", PROBES)
def test_lower_directory_wins(folders, keys, directive, place):
    probe = PROBES[directive]
    above = place in ("silent", "beside", "htaccess/again")
    seen = probe.ask(folders, f"/{directive}/{place}/index.html", keys)
    assert seen == (probe.seen_above if above else probe.seen_default)


@pytest.mark.parametrize("directive", PROBES)
def test_default_is_what_holds_where_nothing_is_said(bare, keys, directive):
    place = "granted" if "granted" in PROBES[directive].lines else "apikey"
    assert PROBES[directive].ask(bare, f"/{place}/", keys) == PROBES[directive].seen_default


@pytest.fixture(scope="module")
def bare(make_module_httpd, module_database):
    return make_module_httpd(
        f"""
        AliasMatch ^ "${{htdocs}}/index.html"
        <Location "/apikey/">
            AuthType Bearer
            Require apikey
            {TELL}
        </Location>
        <Location "/granted/">
            AuthType Bearer
            Require all granted
        </Location>
        {command_table.CONFIG}
        """,
        dbd=module_database.dbd_params(), modules=command_table.MODULES,
    )  # fmt: skip


def test_every_directive_is_tested(bare):
    assert set(SEEN_BY) == set(MAIN) == set(DEFAULTS)
    assert sorted([*SERVER, *PROBES, *MANAGING]) == sorted(command_table.directives(bare))


# -- managing keys -----------------------------------------------------------------------------------------------

MANAGING = {
    # directive: (above, default, what /me tells where it is above, and where it is the default)
    "ApiKeyManage": ("Admin", "None", "admin", 404),
    "ApiKeyScopes": ("a b", "None", ["a", "b"], []),
    "ApiKeyMaxKeys": ("7", "1000", 7, 1000),
}


def managed_places(directive):
    above, default, *_ = MANAGING[directive]
    manage = "" if directive == "ApiKeyManage" else "ApiKeyManage Self"
    return f"""
    <LocationMatch "^/{directive}/[a-z]+(/|$)">
        SetHandler apikey-manage
        {manage}
        {directive} {above}
        {LOGIN}
        <If "%{{REQUEST_URI}} =~ m#/if/#">
            {directive} {default}
        </If>
    </LocationMatch>
    <Location "/{directive}/beside">
        ApiKeyForward Off
    </Location>
    <Location "/{directive}/location">
        {directive} {default}
    </Location>
    <Location "/{directive}/again">
        {directive} {default}
    </Location>
    <Location "/{directive}/again/">
        {directive} {above}
    </Location>
    <Location "/{directive}/unsaid">
        SetHandler apikey-manage
        {manage}
        {LOGIN}
    </Location>
    """


@pytest.fixture(scope="module")
def managed(make_module_httpd, module_database):
    config = PATIENT + "".join(map(managed_places, MANAGING)).replace("/unsaid", "-unsaid")
    httpd = make_module_httpd(config, dbd=module_database.dbd_params(), start=False)
    write_people(httpd)
    return httpd.start()


def told_of_managing(httpd, directive, place):
    answer = Caller(httpd, place, user="alice").ask("/me")
    if answer.status != 200:
        return answer.status
    told = answer.json()
    return {
        "ApiKeyManage": told["manage"], "ApiKeyScopes": told["scopes"], "ApiKeyMaxKeys": told["limits"].get("max_keys"),
    }[directive]  # fmt: skip


@pytest.mark.parametrize("place", ["silent", "beside", "location", "again", "if"])
@pytest.mark.parametrize("directive", MANAGING)
def test_lower_place_of_managing_wins(managed, directive, place):
    *_, above, default = MANAGING[directive]
    seen = told_of_managing(managed, directive, f"/{directive}/{place}")
    assert seen == (above if place in ("silent", "beside", "again") else default)


@pytest.mark.parametrize("directive", MANAGING)
def test_default_of_managing(managed, directive):
    assert told_of_managing(managed, directive, f"/{directive}-unsaid") == MANAGING[directive][3]


def test_teams_table_of_the_virtual_host(make_httpd, database):
    database.sql("CREATE TABLE mine LIKE api_key_team_members;"
                 "INSERT INTO mine VALUES ('mine', 'alice', TRUE);"
                 "INSERT INTO api_key_team_members VALUES ('default', 'alice', TRUE)")  # fmt: skip
    place = f'<Location "/keys">\nSetHandler apikey-manage\nApiKeyManage Self\n{LOGIN}\n</Location>\n'
    lines = {"silent": "", "beside": "ApiKeyForeign Off", "default": "ApiKeyTeamsTable api_key_team_members"}
    hosts = "".join(
        f"<VirtualHost *:${{port}}>\nServerName {host}\n{line}\n</VirtualHost>\n" for host, line in lines.items()
    )
    httpd = make_httpd(f"{PATIENT}\n{place}\nApiKeyTeamsTable mine\n{hosts}", dbd=database.dbd_params(), start=False)
    write_people(httpd)
    httpd.expect(r"AK011[3-9]")  # the settings of the database say otherwise
    httpd.start()

    def teams(host):
        return Caller(httpd, user="alice", headers=[("Host", host)]).ask("/teams").json()["items"]

    assert [teams(host) for host in lines] == [[{"team_id": name}] for name in ("mine", "mine", "default")]
    httpd.config = f"{PATIENT}\n{place}"
    httpd.graceful()
    assert teams("any") == [{"team_id": "default"}]


# -- where a directive may stand ---------------------------------------------------------------------------------

SERVER = DEFAULTS | {name: time.default for name, time in TIMES.items()} | {
    "ApiKeyCache": "16M", "ApiKeyTeamsTable": "api_key_team_members",
}  # fmt: skip


@pytest.fixture(scope="module")
def refused(make_module_httpd):
    """Never started."""
    return make_module_httpd(start=False)


@pytest.mark.parametrize("section", ['<Directory "/x">', '<Location "/x">', '<Files "x">', '<If "true">'])
@pytest.mark.parametrize("directive", SERVER)
def test_server_directives_stand_in_no_section(refused, directive, section):
    refused.config = f"{section}\n{directive} {SERVER[directive]}\n</{section[1:].split()[0]}>"
    status, said = refused.configtest()
    assert status != 0 and re.search(rf"{directive} not allowed in <\w+> context", said), said


@pytest.mark.parametrize("value", ["Off", "16M"])
def test_cache_stands_in_no_virtual_host(refused, value):
    refused.config = f"<VirtualHost *:80>\nApiKeyCache {value}\n</VirtualHost>"
    status, said = refused.configtest()
    assert status != 0 and "ApiKeyCache cannot occur within <VirtualHost> section" in said, said


@pytest.fixture(scope="module")
def overrides(make_module_httpd, module_database):
    """Folders named after what their .htaccess may hold."""
    allowed = {
        "none": "AllowOverride None",
        "all": "AllowOverride All",
        "fileinfo": "AllowOverride FileInfo Indexes Limit Options",
        "listed": "AllowOverride None\nAllowOverrideList ApiKeyHeader",
    }
    sections = "".join(
        f'<Directory "${{htdocs}}/{name}">\nAuthType Bearer\nRequire apikey\n{lines}\n</Directory>\n'
        for name, lines in allowed.items()
    )
    httpd = make_module_httpd(sections, dbd=module_database.dbd_params(), start=False)
    for name in allowed:
        (httpd.htdocs / name).mkdir()
        (httpd.htdocs / name / "index.html").write_text("hello\n")
    return httpd.start()


@pytest.mark.parametrize("directive", SERVER)
def test_server_directives_are_refused_in_htaccess(overrides, keys, directive):
    (overrides.htdocs / "all" / ".htaccess").write_text(f"{directive} {SERVER[directive]}\n")
    overrides.expect(rf"\.htaccess: {directive} not allowed here")
    assert overrides.get("/all/", keys["alice"]).status == 500


@pytest.mark.parametrize("around", ["{}", '<Files "*">\n{}\n</Files>', '<If "true">\n{}\n</If>'])
@pytest.mark.parametrize("directive", MANAGING)
def test_managing_is_refused_in_htaccess(overrides, keys, directive, around):
    """Whoever may write there must not make keys for all the server."""
    (overrides.htdocs / "all" / ".htaccess").write_text(around.format(f"{directive} {MANAGING[directive][0]}") + "\n")
    overrides.expect(rf"\.htaccess: {directive} not allowed (here|in <\w+> context)")
    assert overrides.get("/all/", keys["alice"]).status == 500


@pytest.mark.parametrize("directive", PROBES)
def test_htaccess_needs_allowoverride_authconfig(overrides, keys, directive):
    (overrides.htdocs / "fileinfo" / ".htaccess").write_text(f"{directive} {PROBES[directive].default}\n")
    overrides.expect(rf"\.htaccess: {directive} not allowed here")
    assert overrides.get("/fileinfo/", keys["alice"]).status == 500


def test_htaccess_may_be_given_single_directives(overrides, keys):
    for name, status in (("none", 401), ("listed", 200)):
        (overrides.htdocs / name / ".htaccess").write_text("ApiKeyHeader X-API-Key\n")
        assert overrides.get(f"/{name}/", headers=[("X-API-Key", keys["alice"])]).status == status


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("ApiKeyHeader X-ApiKey-Mine", "ApiKeyHeader: X-ApiKey-Mine begins like the headers"),
        ("ApiKeyHeader x_apikey_mine", "ApiKeyHeader: x_apikey_mine begins like the headers"),
        ("ApiKeyHeader", "ApiKeyHeader takes one or more header names"),
        ("ApiKeyExport Everything", "ApiKeyExport takes None, Env, Headers or All, not 'Everything'"),
        ("ApiKeyForward maybe", "ApiKeyForward must be On or Off"),
    ],
)
def test_bad_values_are_refused_in_htaccess(overrides, keys, line, complaint):
    (overrides.htdocs / "all" / ".htaccess").write_text(line + "\n")
    overrides.expect(rf"\.htaccess: {complaint}")
    mark = overrides.log_mark()
    assert overrides.get("/all/", keys["alice"]).status == 500
    overrides.wait_log(complaint, mark)
