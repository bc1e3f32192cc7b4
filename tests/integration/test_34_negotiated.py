# SPDX-License-Identifier: Apache-2.0
"""Files that mod_negotiation and mod_dir find: of several that were looked at, the verdict of the one that is served
counts, for the application, the log, caches and the count of uses; and that of no other."""

import json

import pytest
from backends import told
from harness.apps import CGI_SCRIPT
from harness.keyfmt import insert_key
from harness.process import wait_for
from load import written

LANGUAGES = ["de", "en", "fr"]  # of which none is looked at last each time

CONFIG = """
ApiKeyUsage 1s
AddLanguage de .de
AddLanguage en .en
AddLanguage fr .fr
LogFormat "%{X-Test}i owner=%{owner}^AK status=%{status}^AK user=%u" owners
CustomLog logs/owners.log owners
<Directory "${htdocs}">
    Options +MultiViews +ExecCGI
    MultiviewsMatch Handlers
    DirectoryIndex index
    AddHandler cgi-script .cgi
</Directory>
<FilesMatch "\\.(html|cgi)">
    AuthType Bearer
    ApiKeyHeader Authorization X-API-Key
    Require apikey
</FilesMatch>
<Directory "${htdocs}/bob">
    AuthType Bearer
    Require apikey
    <FilesMatch "\\.(html|cgi)">
        ApiKeyHeader X-API-Key
        Require apikey-user bob
    </FilesMatch>
</Directory>
"""
@pytest.fixture(scope="module")
def httpd(make_module_httpd, module_database):
    made = make_module_httpd(CONFIG, dbd=module_database.dbd_params(), modules=["negotiation", "cgid"], start=False)
    for place in ("files", "scripts", "bob"):
        (made.htdocs / place).mkdir()
        for name in ("page", "index"):
            for language in LANGUAGES:
                if place == "files":
                    (made.htdocs / place / f"{name}.html.{language}").write_text(f"{name} {language}\n")
                else:
                    script = made.htdocs / place / f"{name}.cgi.{language}"
                    script.write_text(CGI_SCRIPT)
                    script.chmod(0o755)
    return made.start()


@pytest.fixture(scope="module")
def alice(module_database):
    return insert_key(module_database, "user", "alice")[1]


@pytest.fixture(scope="module")
def bob(module_database):
    return insert_key(module_database, "user", "bob")[1]


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", ["/files/page", "/files/"])
def test_a_file_is_its_callers_alone(httpd, alice, path, language, header):
    test = f"{path}-{language}-{header}"
    value = f"Bearer {alice}" if header == "Authorization" else alice
    answer = httpd.get(path, headers=[(header, value), ("Accept-Language", language), ("X-Test", test)])
    assert (answer.status, answer.text.split()[-1]) == (200, language)
    assert "private" in (answer.header("Cache-Control") or "")
    log = httpd.folder / "logs" / "owners.log"
    [line] = wait_for(lambda: [line for line in log.read_text().splitlines() if line.startswith(f"{test} ")], what="the log")
    assert line == f"{test} owner=alice status=valid user=alice"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", ["/scripts/page", "/scripts/"])
def test_a_program_is_told_who_calls(httpd, alice, path, language):
    seen = told(httpd.get(path, alice, [("Accept-Language", language)]))
    assert {name: seen.all[name] for name in ("REMOTE_USER", "AUTH_TYPE", "APIKEY_USER")} == {
        "REMOTE_USER": "alice", "AUTH_TYPE": "Bearer", "APIKEY_USER": "alice",
    }  # fmt: skip
    assert alice not in str(seen.all)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", ["/bob/page", "/bob/"])
def test_whose_key_the_file_asked_for_not_the_folder(httpd, alice, bob, path, language):
    seen = told(httpd.get(path, alice, [("X-API-Key", bob), ("Accept-Language", language)]))
    assert (seen.all["REMOTE_USER"], seen.all["APIKEY_USER"]) == ("bob", "bob")


@pytest.mark.parametrize("path", ["/files/page", "/files/"])
def test_each_use_is_counted_once(httpd, module_database, path):
    owner = f"user of {path}"
    key = insert_key(module_database, "user", owner)[1]
    for language in LANGUAGES:
        assert httpd.get(path, key, [("Accept-Language", language)]).status == 200
    # Uses are written together: when a later one is there, all are.
    assert httpd.get("/files/page", insert_key(module_database, "user", f"after {path}")[1]).status == 200
    wait_for(lambda: written(module_database)[f"after {path}"], what="the uses to be written")
    assert written(module_database)[owner] == len(LANGUAGES)


def test_without_a_key_there_is_no_file(httpd):
    httpd.expect("AH00687: Negotiation: discovered file.*None could be negotiated")
    for path in ("/files/page", "/files/"):
        assert httpd.get(path).status in (401, 404)


# -- and no other ------------------------------------------------------------------------------------------------

SIBLINGS = """
ApiKeyUsage Off
<Directory "${htdocs}">
    Options +Includes +ExecCGI
    AddHandler cgi-script .cgi
    AddOutputFilter INCLUDES .shtml
    DirectoryIndex index.cgi
</Directory>
<Directory "${htdocs}/pages">
    AuthType Bearer
    <RequireAny>
        Require expr "%{REQUEST_URI} =~ m#/free#"
        Require apikey
    </RequireAny>
    <FilesMatch "[.]shtml$">
        AuthMerging Off
        Require all granted
    </FilesMatch>
</Directory>
<Directory "${htdocs}/outer">
    DirectoryIndex inner/
    <Files "index.cgi">
        AuthType Bearer
        Require apikey
    </Files>
</Directory>
<Directory "${htdocs}/outer/inner">
    DirectoryIndex index.cgi
</Directory>
<Directory "${htdocs}/teams">
    AuthType Bearer
    ApiKeyUserKeys Off
    <RequireAny>
        Require ip 127.0.0.1
        Require apikey
    </RequireAny>
    <Files "index.cgi">
        ApiKeyUserKeys On
        AuthMerging Off
        Require apikey
    </Files>
</Directory>
<Directory "${htdocs}/way">
    AuthType Bearer
    Require apikey
    RewriteEngine On
    RewriteRule ".?" "/teams/" [L]
</Directory>
<Directory "${htdocs}/site">
    AuthType Bearer
    Require all granted
    CGIPassAuth On
    RequestHeader set Authorization "Bearer of-the-site"
</Directory>
"""
PAGES = {"asks-first": ["asks", "free"], "free-first": ["free", "asks"]}


@pytest.fixture(scope="module")
def siblings(make_module_httpd, module_database):
    made = make_module_httpd(SIBLINGS, dbd=module_database.dbd_params(), modules=["include", "cgid"], start=False)
    for script in ("pages/asks", "pages/free", "outer/inner/index", "teams/index", "site/index"):
        file = made.htdocs / f"{script}.cgi"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(CGI_SCRIPT)
        file.chmod(0o755)
    (made.htdocs / "way").mkdir()
    for page, names in PAGES.items():
        includes = ",".join(f'<!--#include virtual="{name}.cgi" -->' for name in names)
        (made.htdocs / "pages" / f"{page}.shtml").write_text(f"[{includes}]")
    return made.start()


@pytest.mark.parametrize("page, names", PAGES.items())
def test_what_is_included_beside_it_is_not_judged_with_it(siblings, alice, page, names):
    """They have their configuration in common, and one asked for no key."""
    seen = dict(zip(names, json.loads(siblings.get(f"/pages/{page}.shtml", alice).text)))
    assert (seen["asks"]["REMOTE_USER"], seen["asks"]["APIKEY_USER"]) == ("alice", "alice")
    assert not {"REMOTE_USER", "APIKEY_USER", "AUTH_TYPE"} & seen["free"].keys()


def test_the_index_of_an_index(siblings, alice):
    assert told(siblings.get("/outer/", alice)).all["REMOTE_USER"] == "alice"


def test_an_index_with_another_verdict_than_its_folder(siblings, alice):
    siblings.expect("AK0003: API key wrong_type")
    seen = told(siblings.get("/way/", alice)).all
    assert (seen["REMOTE_USER"], seen["APIKEY_USER"], seen["APIKEY_STATUS"]) == ("alice", "alice", "valid")


@pytest.mark.parametrize("path", ["/site/", "/site/index.cgi"])
def test_an_authorization_of_the_sites_own_stays(siblings, alice, path):
    assert told(siblings.get(path, alice)).all["HTTP_AUTHORIZATION"] == "Bearer of-the-site"
