# SPDX-License-Identifier: Apache-2.0
"""What people do with their keys on the page, from the first look to the revoked key that is refused."""

import re
from datetime import date, datetime, timedelta

import pytest
from selenium.webdriver.common.keys import Keys

HOSTILE = '<img src=x onerror=alert(1)><script>document.title = "owned"</script>'


def create(browser, description, expires=None):
    """Fills the dialog in and sends it; the secret that is shown then."""
    browser.click("button", "New key")
    browser.get("dialog", "New API key")
    browser.type("textbox", "Description", description)
    if expires:
        browser.choose("Expires", expires)
    browser.click("button", "Create key")
    return secret_shown(browser)


def secret_shown(browser):
    browser.get("dialog", "Save your new key")
    return browser.get("textbox", "API key").get_attribute("value")


def save(browser):
    """Says that the secret is saved."""
    browser.click("checkbox", "I have saved this key")
    browser.click("button", "Done")
    browser.gone("dialog")


def row(browser, description):
    """What a row says."""
    cells = browser.driver.execute_script(
        "return [...document.querySelector('api-keys').shadowRoot.querySelectorAll('tbody tr')]"
        ".filter((row) => row.querySelector('.name').textContent === arguments[0])"
        ".map((row) => Object.fromEntries([...row.cells].map((cell) => [cell.className, cell.innerText])))",
        description,
    )
    assert len(cells) == 1, cells
    return cells[0]


def test_life_of_a_key(alice, site):
    """Created, copied, used, rotated, revoked, refused."""
    secret = create(alice, "Backup on db1")
    assert re.fullmatch(r"ak_u_[0-9A-Za-z]{38}", secret)
    alice.click("button", "Copy")
    alice.reads("Copied to the clipboard.")
    save(alice)
    alice.reads("Created “Backup on db1”.")
    assert site.lets_in(secret)

    alice.get("searchbox", "Search keys").send_keys(Keys.CONTROL, "v")  # what the clipboard holds
    assert alice.get("searchbox", "Search keys").get_attribute("value") == secret
    alice.click("button", "Clear search and filter")

    alice.click("button", "Rotate “Backup on db1”")
    alice.choose("The old secret keeps working for", "1 hour")
    alice.click("button", "Rotate key")
    second = secret_shown(alice)
    save(alice)
    assert second != secret and site.lets_in(second) and site.lets_in(secret)
    assert row(alice, "Backup on db1")["key"].endswith(second[-4:])

    alice.click("button", "Revoke “Backup on db1”")
    alice.click("checkbox", "Nothing I need still uses this key")
    alice.click("button", "Revoke key")
    alice.reads("Revoked “Backup on db1”.")
    assert row(alice, "Backup on db1")["status"] == "Revoked"
    assert not site.lets_in(second) and not site.lets_in(secret)
    assert not alice.seen("button", "Rotate “Backup on db1”")


def test_secret_is_nowhere_once_it_is_saved(alice, site):
    secret = create(alice, "Once")
    save(alice)
    alice.reads("Created “Once”.")
    everything = alice.run(
        "const root = document.querySelector('api-keys').shadowRoot;"
        "const fields = [...root.querySelectorAll('input, textarea')];"
        "return [document.documentElement.outerHTML, root.innerHTML, ...fields.map((field) => field.value),"
        " JSON.stringify(localStorage), JSON.stringify(sessionStorage), location.href].join('\\n')"
    )
    assert secret not in everything and secret[:-4] not in everything and secret[-4:] in everything
    alice.driver.refresh()
    alice.reads("Once")
    assert secret not in alice.driver.page_source


def test_secret_cannot_be_missed(alice):
    """Neither Escape, however often, nor Enter closes the dialog before the tick."""
    secret = create(alice, "Careful")
    for key in (Keys.ESCAPE, Keys.ESCAPE, Keys.ESCAPE, Keys.ENTER):
        alice.press(key)
        assert secret_shown(alice) == secret
    # Nor does a browser that closes dialogs on its own account.
    alice.driver.execute_script("document.querySelector('api-keys').shadowRoot.querySelector('dialog').close()")
    assert secret_shown(alice) == secret
    assert not alice.get("button", "Done").is_enabled()
    save(alice)


@pytest.mark.parametrize("clipboard", ["undefined", "{ writeText: () => Promise.reject(new DOMException('no')) }"])
def test_copying_the_old_way(alice, clipboard):
    """Over plain http there is no clipboard API, and elsewhere it may be refused."""
    secret = create(alice, "Intranet")
    alice.driver.execute_script(f"Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard} }})")
    alice.click("button", "Copy")
    alice.reads("Copied to the clipboard.")
    save(alice)
    alice.get("searchbox", "Search keys").send_keys(Keys.CONTROL, "v")
    assert alice.get("searchbox", "Search keys").get_attribute("value") == secret


def test_copying_that_does_not_work(alice):
    secret = create(alice, "By hand")
    alice.driver.execute_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined }); document.execCommand = () => false"
    )
    alice.click("button", "Copy")
    alice.reads("Copying did not work.")
    assert alice.focused() == ("textbox", "API key")
    selected = alice.get("textbox", "API key").get_property("selectionEnd")
    assert selected == len(secret)
    save(alice)


def test_leaving_with_an_unsaved_secret_is_asked_about(alice):
    """WebDriver accepts the browser's question by itself, so the event is asked for instead."""
    asks = "return !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert not alice.run(asks)
    create(alice, "Careful")
    assert alice.run(asks)
    save(alice)
    assert not alice.run(asks)


def test_what_happens_is_announced(alice, site):
    """In regions that were there before, as screen readers want it."""
    regions = lambda: alice.run(
        "const root = document.querySelector('api-keys').shadowRoot;"
        "return [...root.querySelectorAll('[role=status]')].map((region) => region.textContent)"
    )
    site.add_key(description="Till")
    alice.driver.refresh()
    alice.reads("1 key")
    assert regions() == ["1 key", ""]
    alice.click("button", "Edit “Till”")
    alice.type("textbox", "Description", "Shop")
    alice.press(Keys.ENTER)
    alice.reads("Description saved.")
    assert regions() == ["1 key", "Description saved."]
    alice.type("searchbox", "Search keys", "nothing")
    alice.reads("0 of 1 key")
    assert regions()[0] == "0 of 1 key"


def test_rotation_without_grace(alice, site):
    _, old = site.add_key(description="Till")
    alice.driver.refresh()
    alice.click("button", "Rotate “Till”")
    assert alice.options("The old secret keeps working for") == [
        "No time: it stops now", "1 hour", "24 hours", "7 days", "30 days",
    ]  # fmt: skip
    alice.choose("The old secret keeps working for", "No time: it stops now")
    alice.click("button", "Rotate key")
    new = secret_shown(alice)
    save(alice)
    assert site.lets_in(new) and not site.lets_in(old)


DAY = 86400


@pytest.mark.parametrize(
    ("choice", "days"),
    [("In 1 day", 1), ("In 7 days", 7), (None, 30), ("In 90 days", 90), ("In 1 year", 365), ("Never", None)],
)
def test_expiry(alice, site, choice, days):
    create(alice, "d", choice)
    save(alice)
    [key] = site.rows()
    if days is None:
        assert key["lives"] is None and row(alice, "d")["expires"] == "Never"
    else:
        assert days * DAY - 120 < int(key["lives"]) <= days * DAY


def test_expiry_at_the_end_of_a_day(alice, site):
    alice.click("button", "New key")
    alice.type("textbox", "Description", "until then")
    alice.choose("Expires", "On a date…")
    alice.click("button", "Create key")
    alice.reads("Choose the last day the key works.")
    last = date.today() + timedelta(days=3)
    alice.driver.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))",
        alice.get("Date", "Last day"),
        last.isoformat(),
    )
    alice.click("button", "Create key")
    secret_shown(alice)
    save(alice)
    [key] = site.rows()
    offset = alice.run("return new Date(args[0]).getTimezoneOffset()", f"{last}T23:59:59.999")
    moment = datetime.fromisoformat(f"{last}T23:59:59.999") + timedelta(minutes=offset)
    assert datetime.fromisoformat(key["expires_at"]) == moment


def test_scopes(alice, site):
    alice.click("button", "New key")
    alice.type("textbox", "Description", "Reports")
    assert [node["name"] for node in alice.seen("checkbox")] == ["orders:read", "orders:write", "invoices:read", "reports:*"]
    alice.click("checkbox", "orders:read")
    alice.click("checkbox", "reports:*")
    alice.click("button", "Create key")
    secret_shown(alice)
    save(alice)
    assert site.rows()[0]["scopes"] == "orders:read reports:*"
    assert "orders:read" in row(alice, "Reports")["description"]


def test_description_is_needed_and_bounded(alice, site):
    alice.click("button", "New key")
    alice.click("button", "Create key")
    alice.reads("Say what the key is for.")
    assert alice.focused() == ("textbox", "Description")
    alice.get("textbox", "Description").send_keys("x" * 256)
    alice.click("button", "Create key")
    alice.reads("At most 255 characters.")
    alice.press(Keys.ESCAPE)
    alice.gone("dialog")
    assert not site.rows()


def test_description_is_edited(alice, site):
    site.add_key(description="Old name", expires_at=DAY)
    alice.driver.refresh()
    before = site.rows()
    alice.click("button", "Edit “Old name”")
    alice.type("textbox", "Description", "New name")
    alice.press(Keys.ENTER)
    alice.reads("Description saved.")
    assert alice.focused() == ("button", "Edit “New name”")
    [after] = site.rows()
    assert after["description"] == "New name" and after["expires_at"] == before[0]["expires_at"]


def test_markup_is_text(alice, site):
    """What somebody writes is shown as it was written, wherever it is shown."""
    create(alice, HOSTILE)
    save(alice)
    alice.reads(f"Created “{HOSTILE}”.")
    site.add_key(description="plain", scopes="<b>x</b>")
    alice.driver.refresh()
    alice.reads(HOSTILE)
    alice.reads("<b>x</b>")
    for action in ("Edit", "Rotate", "Revoke"):
        alice.click("button", f"{action} “{HOSTILE}”")
        alice.get("dialog")
        alice.press(Keys.ESCAPE)
        alice.gone("dialog")
    assert alice.driver.title == "API keys"
    found = "return document.querySelector('api-keys').shadowRoot.querySelectorAll('img, script, b').length"
    assert alice.driver.execute_script(found) == 0


def test_search_and_filter(alice, site):
    site.add_key(description="Backup on db1", scopes="orders:read")
    site.add_key(description="Backup on db2", expires_at=-DAY)
    number, _ = site.add_key(description="Till", revoked_at=-60, expires_at=-DAY)
    _, secret = site.add_key(description="", scopes="invoices:read")
    alice.driver.refresh()
    alice.reads("4 keys")
    names = lambda: [node["name"] for node in alice.seen("rowheader")]
    assert names() == ["No description", "Till", "Backup on db2", "Backup on db1"]

    for search, found in [
        ("backup", ["Backup on db2", "Backup on db1"]),
        ("db1 BACKUP", ["Backup on db1"]),
        ("invoices", ["No description"]),
        (secret[-4:], ["No description"]),
    ]:
        alice.type("searchbox", "Search keys", search)
        alice.reads(f"{len(found)} of 4 keys")
        assert names() == found
    alice.type("searchbox", "Search keys", "no such thing")
    alice.reads("No key matches your search and filter.")
    alice.click("button", "Clear search and filter")
    alice.reads("4 keys")
    assert alice.focused() == ("searchbox", "Search keys")

    for status, found in [
        ("Active", ["No description", "Backup on db1"]),
        ("Expired", ["Backup on db2"]),
        ("Revoked", ["Till"]),  # revoked before expired
    ]:
        alice.choose("Status", status)
        alice.reads(f"{len(found)} of 4 keys")
        assert names() == found
    assert row(alice, "Till")["status"] == "Revoked"


def test_revoked_key_leaves_the_filter_and_the_focus_stays(alice, site):
    site.add_key(description="Going")
    alice.driver.refresh()
    alice.choose("Status", "Active")
    alice.click("button", "Revoke “Going”")
    alice.click("checkbox")
    alice.click("button", "Revoke key")
    alice.reads("No key matches your search and filter.")
    assert alice.focused() == ("heading", "Your API keys")


def test_dates_are_relative_and_exact_on_hover(alice, site):
    site.add_key(description="Dates", created=3 * DAY, expires_at=29.6 * DAY, used=5 * 3600)
    alice.driver.refresh()
    alice.reads("Dates")
    shown = row(alice, "Dates")
    assert (shown["created"], shown["expires"], shown["used"]) == ("3 days ago", "in 30 days", "5 hours ago")
    titles = alice.run(
        "return [...document.querySelector('api-keys').shadowRoot.querySelectorAll('time')]"
        ".map((time) => [time.title, new Intl.DateTimeFormat(navigator.language, { dateStyle: 'long', timeStyle: 'short' })"
        ".format(new Date(time.dateTime))])"
    )
    assert len(titles) == 3 and all(title == wanted for title, wanted in titles), titles


def test_several_hundred_keys(alice, site):
    """All are searched, few are laid out."""
    values = ",".join(f"('user', 'alice', 'Key ({n})', '', 'abcd')" for n in range(700))
    site.database.sql(f"INSERT INTO api_keys (owner_type, owner_id, description, scopes, last_four) VALUES {values}")
    alice.driver.refresh()
    alice.reads("700 keys")
    rows = lambda: len(alice.seen("rowheader"))
    assert rows() == 50
    alice.click("button", "Show more")
    assert rows() == 150
    alice.type("searchbox", "Search keys", "key (7")
    alice.reads("11 of 700 keys")  # 7, and 70 to 79
    assert rows() == 11 and alice.seen("rowheader", "Key (7)")
    assert not alice.seen("button", "Show more")


def test_teams(alice, site):
    site.add_key("blue", "Of the team", kind="team")
    assert alice.options("Keys of") == ["alice (you)", "Team blue", "Team red"]
    alice.choose("Keys of", "Team blue")
    alice.get("heading", "API keys of team blue")
    alice.get("rowheader", "Of the team")
    secret = create(alice, "Deploy")
    save(alice)
    assert secret.startswith("ak_t_") and site.lets_in(secret)
    assert [(key["owner_type"], key["owner_id"]) for key in site.rows("description = 'Deploy'")] == [("team", "blue")]
    alice.click("button", "Revoke “Of the team”")
    alice.click("checkbox")
    alice.click("button", "Revoke key")
    alice.reads("Revoked “Of the team”.")
    alice.driver.refresh()  # the address says which team
    alice.get("heading", "API keys of team blue")
    assert alice.seen("rowheader", "Deploy")


def test_permission_lost_while_the_page_is_open(alice, site):
    site.add_key("blue", "Of the team", kind="team")
    alice.choose("Keys of", "Team blue")
    alice.get("rowheader", "Of the team")
    site.database.sql("UPDATE api_key_team_members SET manage_api_keys = FALSE")
    alice.expect(r"team-api-keys/\d+ .* 404", r"team-api-keys\?.* 404")
    alice.click("button", "Revoke “Of the team”")
    alice.click("checkbox")
    alice.click("button", "Revoke key")
    alice.reads("This key no longer exists.")
    alice.press(Keys.ESCAPE)
    alice.reads("No such team")
    assert site.rows()[0]["revoked_at"] is None


def test_administrators_see_and_revoke_all(browser, site):
    site.add_key("alice", "Hers")
    site.add_key("blue", "Theirs", kind="team", expires_at=-DAY)
    site.sign_in(browser, "root")
    browser.open(site.url("/admin/#all"))
    browser.get("heading", "All API keys")
    names = lambda: [node["name"] for node in browser.seen("rowheader")]
    browser.reads("2 keys")
    assert names() == ["Theirs", "Hers"]

    browser.choose("Status", "Expired")
    browser.gone("rowheader", "Hers")
    browser.choose("Status", "All statuses")
    browser.get("rowheader", "Hers")
    browser.choose("Owner", "User")
    browser.type("textbox", "User id", "alice")
    browser.click("button", "Show")
    browser.gone("rowheader", "Theirs")
    browser.get("rowheader", "Hers")
    browser.click("button", "Revoke “Hers”")
    browser.click("checkbox")
    browser.click("button", "Revoke key")
    browser.reads("Revoked “Hers”.")
    assert site.rows("description = 'Hers'")[0]["revoked_by"] == "root"


def test_administrators_create_for_anybody(browser, site):
    site.sign_in(browser, "root")
    browser.open(site.url("/admin/#all"))
    browser.click("button", "New key")
    browser.type("textbox", "Description", "For Carol")
    browser.click("button", "Create key")
    browser.reads("Say whose key it is.")
    browser.type("textbox", "User id", "carol")
    browser.type("textbox", "Scopes, with spaces between", "any:thing other")
    browser.click("button", "Create key")
    assert site.lets_in(secret_shown(browser))
    save(browser)
    [key] = site.rows()
    assert (key["owner_id"], key["scopes"], key["created_by"]) == ("carol", "any:thing other", "root")


def test_signing_in_by_the_form(browser, site):
    """From the address of the page, over the login, to the page."""
    browser.open(site.url("/keys/"))
    browser.type("textbox", "Name", "alice")
    browser.type("textbox", "Password", "alice")
    browser.click("button", "Sign in")
    browser.get("heading", "Your API keys")
    browser.reads("Signed in as alice")


def test_by_keyboard_alone(alice, site):
    """Tab, Enter, space and arrows are enough, and the focus is always somewhere sensible."""

    def tab_to(role, name):
        for _ in range(40):
            if alice.focused() == (role, name):
                return
            alice.press(Keys.TAB)
        raise AssertionError(f"Tab does not lead to {role} {name}, but is at {alice.focused()}")

    tab_to("button", "New key")
    alice.press(Keys.ENTER)
    alice.get("dialog", "New API key")
    assert alice.focused() == ("textbox", "Description")
    alice.press("By hand")
    tab_to("combobox", "Expires")
    alice.press(Keys.ARROW_DOWN)
    tab_to("checkbox", "orders:write")
    alice.press(Keys.SPACE)
    tab_to("button", "Create key")
    alice.press(Keys.ENTER)
    secret = secret_shown(alice)
    assert alice.focused() == ("button", "Copy")
    alice.press(Keys.ENTER)
    alice.reads("Copied to the clipboard.")
    tab_to("checkbox", "I have saved this key")
    alice.press(Keys.SPACE)
    tab_to("button", "Done")
    alice.press(Keys.ENTER)
    alice.gone("dialog")
    assert alice.focused() == ("button", "New key")
    [key] = site.rows()
    assert key["scopes"] == "orders:write" and int(key["lives"]) > 80 * DAY and site.lets_in(secret)

    tab_to("button", "Edit “By hand”")
    alice.press(Keys.ENTER)
    alice.get("dialog", "Edit description")
    alice.press(Keys.ESCAPE)
    alice.gone("dialog")
    assert alice.focused() == ("button", "Edit “By hand”")
    tab_to("button", "Revoke “By hand”")
    alice.press(Keys.ENTER)
    tab_to("checkbox", "Nothing I need still uses this key")
    alice.press(Keys.SPACE)
    tab_to("button", "Revoke key")
    alice.press(Keys.ENTER)
    alice.reads("Revoked “By hand”.")
    assert alice.focused() == ("button", "Edit “By hand”")
    assert not site.lets_in(secret)
