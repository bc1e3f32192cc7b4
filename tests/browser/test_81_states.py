# SPDX-License-Identifier: Apache-2.0
"""The page when there is nothing to show, or nothing works; and its looks: every state is examined for accessibility,
and photographed, light and dark, wide and narrow, into build/screenshots."""

import pytest
from harness import ROOT
from inspection import assert_accessible
from selenium.webdriver.common.keys import Keys

SHOTS = ROOT / "build" / "screenshots"
DAY = 86400


def some_keys(site):
    site.add_key(description="Backup on db1", scopes="orders:read", created=400 * DAY, used=7200)
    site.add_key(description="Old laptop", created=90 * DAY, revoked_at=-3 * DAY, used=40 * DAY)
    site.add_key(description="CI: deploy to staging", created=40 * DAY, expires_at=-10 * DAY)
    site.add_key(
        description="Nightly invoice export for accounting, looked after by the platform team",
        scopes="orders:read invoices:read reports:*", created=12 * DAY, expires_at=353 * DAY, used=60,
    )  # fmt: skip
    site.add_key(description="Dashboard in the hall", scopes="orders:read", created=DAY, expires_at=29 * DAY)


# -- each state, how to get there, and what it says ------------------------------------------------------------------


def keys(browser, site):
    some_keys(site)
    browser.open(site.url("/keys/"))
    browser.get("rowheader", "Backup on db1")


def empty(browser, site):
    browser.open(site.url("/keys/"))
    browser.reads("No keys yet")


def nothing_found(browser, site):
    keys(browser, site)
    browser.type("searchbox", "Search keys", "no such thing")
    browser.reads("Nothing found")


def create(browser, site):
    keys(browser, site)
    browser.click("button", "New key")
    browser.click("button", "Create key")
    browser.reads("Say what the key is for.")


def secret(browser, site):
    empty(browser, site)
    browser.click("button", "New key")
    browser.type("textbox", "Description", "Backup")
    browser.click("button", "Create key")
    browser.get("dialog", "Save your new key")


def revoke(browser, site):
    keys(browser, site)
    browser.click("button", "Revoke “Backup on db1”")
    browser.click("checkbox")


def rotate(browser, site):
    keys(browser, site)
    browser.click("button", "Rotate “Backup on db1”")


def loading(browser, site):
    """Answers that never come: the module waits for its keys."""
    browser.open(site.url("/keys/"))
    browser.reads("No keys yet")
    browser.driver.execute_script(
        "window.fetch = () => new Promise(() => {}); document.querySelector('api-keys').setAttribute('team', 'blue')"
    )
    browser.reads("Loading keys…")


def unreachable(browser, site):
    browser.open(site.url("/keys/"))
    browser.reads("No keys yet")
    browser.cdp("Network.setBlockedURLs", urls=["*/team-api-keys*"])
    browser.expect(r"team-api-keys.*ERR_BLOCKED_BY_CLIENT")
    browser.choose("Keys of", "Team blue")
    browser.reads("Keys cannot be shown right now")


def signed_out(browser, site):
    browser.open(site.url("/keys/"))
    browser.reads("No keys yet")
    browser.cdp("Network.clearBrowserCookies")
    browser.choose("Keys of", "Team blue")
    browser.reads("You are signed out")


def no_team(browser, site):
    browser.expect(r"team-api-keys.* 404")
    browser.open(site.url("/keys/#team=nobody"))
    browser.reads("No such team")


def switched_off(browser, site):
    browser.expect(r"user-api-keys.* 400")
    browser.open(site.url("/off/"))
    browser.reads("Keys of this kind are switched off")


def everybody(browser, site):
    some_keys(site)
    site.add_key("blue", "Of the team", kind="team")
    site.sign_in(browser, "root")
    browser.open(site.url("/admin/#all"))
    browser.get("rowheader", "Of the team")
    browser.choose("Owner", "User")
    browser.get("textbox", "User id")


def embedded(browser, site):
    some_keys(site)
    browser.open(site.url("/account.html"))
    browser.get("rowheader", "Backup on db1")


STATES = [
    keys, empty, nothing_found, create, secret, revoke, rotate, loading, unreachable, signed_out, no_team, switched_off,
    everybody, embedded,
]  # fmt: skip


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_looks(browser, site, state):
    site.sign_in(browser, "alice")
    state(browser, site)
    SHOTS.mkdir(parents=True, exist_ok=True)
    for width, height in ((1280, 860), (360, 740)):
        browser.resize(width, height)
        for scheme in ("light", "dark"):
            browser.prefer(color_scheme=scheme, reduced_motion="reduce")
            assert_accessible(browser, dark=scheme == "dark" and state is not embedded)
            browser.screenshot(SHOTS / f"{state.__name__}-{scheme}-{width}.png")


# -- and out of it -----------------------------------------------------------------------------------------------------


def test_first_key(alice):
    alice.click("button", "New key")
    alice.get("dialog", "New API key")
    alice.type("textbox", "Description", "First")
    alice.press(Keys.ENTER)
    alice.click("checkbox", "I have saved this key")
    alice.click("button", "Done")
    alice.get("rowheader", "First")
    assert alice.focused() == ("button", "New key")


def test_try_again(alice, site):
    unreachable(alice, site)
    assert len(alice.seen("alert")) == 1
    site.add_key("blue", "Of the team", kind="team")
    alice.cdp("Network.setBlockedURLs", urls=[])
    alice.click("button", "Try again")
    alice.get("rowheader", "Of the team")


def test_sign_in_again(alice, site):
    signed_out(alice, site)
    assert not alice.seen("button", "New key")
    alice.click("button", "Sign in")
    alice.get("textbox", "Password")


def test_signed_out_while_a_dialog_is_open(alice, site):
    """What was typed is not lost: it can be sent after signing in elsewhere."""
    alice.click("button", "New key")
    alice.type("textbox", "Description", "Typed already")
    alice.cdp("Network.clearBrowserCookies")
    alice.click("button", "Create key")
    alice.reads("You are signed out.")
    assert not site.rows()
    site.sign_in(alice, "alice")
    alice.click("button", "Create key")
    alice.get("dialog", "Save your new key")
    assert [key["description"] for key in site.rows()] == ["Typed already"]
    alice.click("checkbox", "I have saved this key")
    alice.click("button", "Done")


def test_answer_that_got_lost(alice, site):
    """The key was made, but nobody heard of it: the page says that this can be, and shows it when the dialog is closed."""
    alice.driver.execute_script(
        "const real = window.fetch;"
        "window.fetch = async (url, request) => { const answer = await real(url, request);"
        " if (request.method === 'POST') throw new TypeError('Failed to fetch'); return answer; }"
    )
    alice.click("button", "New key")
    alice.type("textbox", "Description", "Lost")
    alice.click("button", "Create key")
    alice.reads("The server did not answer.")
    alice.click("button", "Cancel")
    alice.get("rowheader", "Lost")


def test_database_down(browser, make_module_httpd, scratch):
    """A page is served, and says that keys cannot be shown."""
    from website import Site

    class Nowhere:
        def dbd_params(self):
            return f"sock={scratch.path}/nowhere.sock dbname=none user=none"

    site = Site(make_module_httpd, Nowhere()).start()
    site.sign_in(browser, "alice")
    site.httpd.expect("AK0020", "AK0073", "AH02655", "AH00629")
    browser.expect(r" 503 ")
    browser.open(site.url("/keys/"))
    browser.reads("Keys cannot be shown right now")
    browser.reads("Your keys keep working as before.")
    site.httpd.stop()  # which else goes on asking for its database, and saying so


def test_too_many_keys(alice, site):
    """What only the server knows is told in its words."""
    rows = ",".join("('user', 'alice', 'd', '', 'abcd')" for _ in range(1000))
    site.database.sql(f"INSERT INTO api_keys (owner_type, owner_id, description, scopes, last_four) VALUES {rows}")
    alice.expect(r"user-api-keys .* 409")
    alice.click("button", "New key")
    alice.type("textbox", "Description", "One more")
    alice.click("button", "Create key")
    alice.reads("as many keys as are allowed")


def test_focus_is_visible(alice, site):
    """Every stop of the Tab key has an outline."""
    some_keys(site)
    alice.driver.refresh()
    alice.get("rowheader", "Backup on db1")
    stops = 0
    for _ in range(30):
        alice.press(Keys.TAB)
        outline = alice.run(
            "let at = document.activeElement; if (at.shadowRoot) at = at.shadowRoot.activeElement;"
            "if (!at || at === document.body) return null;"
            "const { outlineStyle, outlineWidth } = getComputedStyle(at); return [outlineStyle, outlineWidth, at.tagName]"
        )
        if outline:
            stops += 1
            assert outline[0] == "solid" and outline[1] == "2px", outline
    assert stops > 12
