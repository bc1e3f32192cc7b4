# SPDX-License-Identifier: Apache-2.0
"""What README.md says to write, as it stands there: the section that mounts the page, the lines that embed it, and the
program."""

import re

import pytest
from harness import ROOT
from website import Site, page

README = (ROOT / "README.md").read_text()
MOUNT = re.search(r"(?s)## Users look after their own keys\n+```apache\n(.*?)```", README)[1]
EMBED = re.search(r"(?s)```html\n(.*?)```", README)[1]
PROGRAM = re.search(r"(?s)```js\n(.*?)```", README)[1]
PEOPLE_FILE = "/etc/apache2/people"


@pytest.fixture(scope="module")
def module_site(make_module_httpd, module_database):
    """A server with nothing but that section and a strict policy for the pages, which README.md allows."""
    site = Site(make_module_httpd, module_database)
    assert MOUNT.count(PEOPLE_FILE) == 1
    policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
    site.httpd.config = (
        MOUNT.replace(PEOPLE_FILE, "${folder}/people")
        + f'AddType text/javascript js\n<Location "/embed">\nHeader set Content-Security-Policy "{policy}"\n</Location>\n'
    )
    return site.start()


@pytest.fixture
def visitor(browser, site):
    """Who has signed in by Basic, as alice."""
    browser.cdp("Network.setExtraHTTPHeaders", headers={"Authorization": "Basic YWxpY2U6YWxpY2U="})
    yield browser
    browser.cdp("Network.setExtraHTTPHeaders", headers={})


def test_mounted_as_written(visitor, site):
    site.add_key(description="Backup on db1")
    visitor.open(site.url("/keys/"))
    visitor.get("rowheader", "Backup on db1")


def test_embedded_as_written(visitor, site):
    site.add_key(description="Backup on db1")
    site.add_key("blue", "Of the team", kind="team")
    site.put("embed/index.html", page("Account", EMBED))
    visitor.open(site.url("/embed/index.html"))
    visitor.get("rowheader", "Backup on db1")
    visitor.get("rowheader", "Of the team")


def test_program_as_written(visitor, site):
    number, _ = site.add_key("blue", "Never used", kind="team")
    site.put("embed/index.html", page("Program", '<script type="module" src="program.js"></script>'))
    site.put("embed/program.js", f"const show = (value) => (document.title = value);\n{PROGRAM}\ndocument.body.append('Done');")
    visitor.open(site.url("/embed/index.html"))
    visitor.reads("Done")
    assert re.fullmatch(r"ak_u_[0-9A-Za-z]{38}", visitor.driver.title)
    assert [row["description"] for row in site.rows("revoked_at IS NULL")] == ["Backup"]
    assert [row["id"] for row in site.rows("revoked_at IS NOT NULL")] == [str(number)]
