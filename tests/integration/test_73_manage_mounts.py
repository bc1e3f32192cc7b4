# SPDX-License-Identifier: Apache-2.0
"""Where the management API is mounted: in every kind of section, at /, over files, behind rewriting; and what belongs
to a mount and what does not."""

import re

import pytest
from harness import ROOT
from harness.apps import HttpApp
from managed import LOGIN, PATIENT, Caller, error, write_people

HANDLER = f"SetHandler apikey-manage\nApiKeyManage Self\n{LOGIN}"

MOUNTS = f"""
{PATIENT}
<Location "/plain">
    {HANDLER}
</Location>
<Location "/slash/">
    {HANDLER}
</Location>
<Location "/a/b-c/d%e f">
    {HANDLER}
</Location>
<LocationMatch "^/(staff|club)/keys(/|$)">
    {HANDLER}
</LocationMatch>
<LocationMatch "^/greedy/.*">
    {HANDLER}
</LocationMatch>
<Location ~ "^/tilde">
    {HANDLER}
</Location>
<LocationMatch "in-the-middle">
    {HANDLER}
</LocationMatch>
Alias "/aliased" "${{htdocs}}/folder"
<Directory "${{htdocs}}/folder">
    {HANDLER}
</Directory>
<DirectoryMatch "/match[0-9]">
    {HANDLER}
</DirectoryMatch>
<Location "/conditional">
    <If "true">
        {HANDLER}
    </If>
</Location>
<Location "/occupied">
    {HANDLER}
</Location>
<Location "/user-api-keys">
    {HANDLER}
</Location>
RewriteEngine On
RewriteRule "^/old/(.*)" "/plain/$1" [PT]
FallbackResource /index.html
DirectoryIndex index.html
"""

BASES = [
    "/plain", "/slash", "/a/b-c/d%25e%20f", "/staff/keys", "/club/keys", "/greedy",
    "/tilde", "/x/y-in-the-middle-z", "/in-the-middle", "/aliased", "/folder", "/match1", "/conditional", "/occupied",
    "/user-api-keys", "/old",
]  # fmt: skip


@pytest.fixture(scope="module")
def httpd(make_module_httpd, module_database):
    httpd = make_module_httpd(MOUNTS, dbd=module_database.dbd_params(), modules=["request"], start=False)
    write_people(httpd)
    (httpd.htdocs / "index.html").write_text("index\n")
    for name in ("folder", "match1", "occupied/user-api-keys/1", "occupied/me"):
        (httpd.htdocs / name).mkdir(parents=True)
    for name in ("folder", "match1", "occupied", "occupied/user-api-keys"):
        (httpd.htdocs / name / "index.html").write_text("index\n")
    return httpd.start()


@pytest.mark.parametrize("base", BASES)
def test_mount(httpd, base):
    alice = Caller(httpd, base, user="alice")
    made = alice.created()
    assert alice.items()[0]["id"] == made["id"] and alice.show(made["id"]).status == 200
    assert alice.revoke(made["id"]).status == 200
    assert alice.ask("/me").json()["user_id"] == "alice"
    assert error(alice.ask("/user-api-keys/7/7")) == error(alice.ask("/nothing")) == (404, "NOT_FOUND")
    assert error(alice.rotate(made["id"])) == (409, "API_KEY_REVOKED")


@pytest.mark.parametrize("base", [base for base in BASES if base not in ("/slash", "/greedy", "/old")])
def test_without_its_slash(httpd, base):
    """Told relatively: right behind any proxy, and leading to no other host."""
    answer = Caller(httpd, base, user="alice").ask("?x=1")
    assert (answer.status, answer.header("Location")) == (301, f"./{base.rpartition('/')[2]}/?x=1")


def test_a_redirect_leads_nowhere_else(httpd):
    for path in ("//evil.example/in-the-middle", "/evil.example%2f/in-the-middle", "/http://evil.example/in-the-middle"):
        answer = Caller(httpd, "", user="alice").ask(path)
        assert answer.status == 404 or answer.header("Location") == "./in-the-middle/"


@pytest.mark.parametrize("path", ["/plainx/me", "/slash", "/staff/keysx/me",
                                  "/PLAIN/me", "/me", "/user-api-keysx"])  # fmt: skip
def test_beside_a_mount(httpd, path):
    """FallbackResource answers."""
    assert Caller(httpd, "", user="alice").ask(path).text == "index\n"


def test_at_the_root_of_a_host(make_httpd, database):
    httpd = make_httpd(
        f"""
        {PATIENT}
        <VirtualHost *:${{port}}>
            ServerName www
        </VirtualHost>
        <VirtualHost *:${{port}}>
            ServerName keys
            <Location "/">
                {HANDLER}
            </Location>
        </VirtualHost>
        """,
        dbd=database.dbd_params(), start=False,
    )  # fmt: skip
    write_people(httpd)
    (httpd.htdocs / "index.html").write_text("index\n")
    httpd.start()
    alice = Caller(httpd, "", user="alice", headers=[("Host", "keys")])
    assert alice.created()["user_id"] == "alice" and len(alice.items()) == 1
    assert alice.ask("/me").status == 200 and error(alice.ask("/nothing")) == (404, "NOT_FOUND")
    assert alice.ask("/index.html").status == 404  # is a file, but not of this host's
    assert httpd.get("/", headers=[("Host", "www")]).text == "index\n"


def test_beside_a_proxied_application(make_httpd, make_app, database):
    """Which has all other paths."""
    app = make_app(HttpApp)
    httpd = make_httpd(
        f"""
        {PATIENT}
        ProxyPass "/" "http://127.0.0.1:{app.port}/"
        <Location "/keys">
            {HANDLER}
        </Location>
        """,
        dbd=database.dbd_params(), modules=app.modules, start=False,
    )  # fmt: skip
    write_people(httpd)
    httpd.start()
    alice = Caller(httpd, user="alice")
    assert alice.created()["user_id"] == "alice" and len(alice.items()) == 1
    assert alice.ask("?x").header("Location") == "./keys/?x"
    assert "headers" in httpd.get("/else").json()


def test_a_view_of_the_sites_own_tables(make_httpd, mariadb, database):
    """That of the README."""
    site = mariadb.create_database(schema=False)
    view = re.search(r"```sql\n( *CREATE VIEW site\..*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    mariadb.sql("CREATE USER IF NOT EXISTS apikey_manage@localhost ACCOUNT LOCK")
    site.sql(
        "CREATE TABLE teams (id INT PRIMARY KEY, slug VARCHAR(50)); INSERT INTO teams VALUES (1, 'blue'), (2, 'red');"
        "CREATE TABLE people (id INT PRIMARY KEY, login VARCHAR(50), left_at DATETIME);"
        "INSERT INTO people VALUES (1, 'alice', NULL), (2, 'bob', NULL), (3, 'carol', '2020-01-01');"
        "CREATE TABLE memberships (team_id INT, person_id INT, role VARCHAR(20));"
        "INSERT INTO memberships VALUES (1, 1, 'owner'), (1, 2, 'member'), (2, 2, 'maintainer'), (1, 3, 'owner')"
    )
    site.sql(view.replace("site.", f"{site.name}."))
    httpd = make_httpd(
        f'{PATIENT}\nApiKeyTeamsTable {site.name}.api_key_team_members\n<Location "/keys">\n{HANDLER}\n</Location>',
        dbd=database.dbd_params(), start=False,
    )  # fmt: skip
    write_people(httpd)
    httpd.start()
    alice, bob, carol = (Caller(httpd, user=name) for name in ("alice", "bob", "carol"))
    assert [alice.ask("/teams").json()["items"], bob.ask("/teams").json()["items"], carol.ask("/teams").json()["items"]] == [
        [{"team_id": "blue"}], [{"team_id": "red"}], []
    ]  # fmt: skip
    assert alice.teams().created("blue")["team_id"] == "blue" and bob.teams().created("red")["team_id"] == "red"
    httpd.expect(r"AK0071: managing API keys \(create\)")
    for caller, team in ((alice, "red"), (bob, "blue"), (carol, "blue")):
        assert error(caller.teams().create(team)) == (404, "TEAM_NOT_FOUND")
    site.sql("UPDATE memberships SET role = 'member' WHERE person_id = 1")
    assert error(alice.teams().create("blue")) == (404, "TEAM_NOT_FOUND")


def test_another_place_than_that_of_the_directive(make_httpd, database):
    """ApiKeyManage says where the API begins, SetHandler where it answers."""
    httpd = make_httpd(
        f"""
        {PATIENT}
        <Location "/app">
            ApiKeyManage Self
            {LOGIN}
        </Location>
        <Location "/app/user-api-keys">
            SetHandler apikey-manage
        </Location>
        """,
        dbd=database.dbd_params(), start=False,
    )  # fmt: skip
    write_people(httpd)
    httpd.start()
    alice = Caller(httpd, "/app", user="alice")
    assert alice.create().status == 200
    assert alice.ask("/me").status == 404 and "json" not in alice.ask("/me").header("Content-Type")
