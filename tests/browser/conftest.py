# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one Chromium for all tests of a process, whose console is read after each, and a site with the page."""

import pytest
from harness.browser import Browser
from website import Site


@pytest.fixture(scope="session")
def chromium(scratch):
    browser = Browser(scratch.folder("chromium"))
    yield browser
    browser.stop()


@pytest.fixture
def browser(chromium):
    """Chromium as somebody has it who has never been here."""
    chromium.forget()
    yield chromium
    chromium.check_console()


@pytest.fixture(scope="module")
def module_site(make_module_httpd, module_database):
    return Site(make_module_httpd, module_database).start()


@pytest.fixture
def site(module_site):
    """A site whose people have no keys yet; alice manages those of team blue, bob is only a member."""
    module_site.clear()
    return module_site


@pytest.fixture
def alice(browser, site):
    """The browser with alice signed in, on her page."""
    site.sign_in(browser, "alice")
    browser.open(site.url("/keys/"))
    browser.get("heading", "Your API keys")
    return browser
