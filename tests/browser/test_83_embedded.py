# SPDX-License-Identifier: Apache-2.0
"""The element in pages of others, under their own strict policy; and what other sites can not do."""

import re

from harness.process import wait_for
from website import page


def test_element_in_a_page(browser, site):
    site.sign_in(browser, "alice")
    site.add_key(description="Backup on db1")
    browser.open(site.url("/account.html"))
    browser.get("rowheader", "Backup on db1")
    assert [node["name"] for node in browser.seen("heading")][:2] == ["My account", "Your API keys"]
    browser.click("button", "New key")
    browser.type("textbox", "Description", "From my account")
    browser.click("button", "Create key")
    secret = browser.get("textbox", "API key").get_attribute("value")
    assert site.lets_in(secret)
    browser.click("checkbox", "I have saved this key")
    browser.click("button", "Done")
    browser.get("rowheader", "From my account")


def test_base_defaults_to_where_the_module_is_from(browser, site):
    site.sign_in(browser, "alice")
    site.add_key("blue", "Of the team", kind="team")
    browser.open(site.url("/embed-team.html"))
    browser.get("rowheader", "Of the team")
    browser.get("heading", "API keys of team blue")


def test_attributes_can_change(browser, site):
    site.sign_in(browser, "alice")
    site.add_key("blue", "Of the team", kind="team")
    site.add_key("alice", "Mine")
    browser.open(site.url("/embed-team.html"))
    browser.get("rowheader", "Of the team")
    browser.driver.execute_script("document.querySelector('api-keys').removeAttribute('team')")
    browser.get("rowheader", "Mine")
    browser.gone("rowheader", "Of the team")
    browser.driver.execute_script(
        "const keys = document.querySelector('api-keys'); keys.remove(); keys.setAttribute('team', 'blue');"
        "document.body.append(keys)"
    )
    browser.get("rowheader", "Of the team")


def test_element_taken_away_while_it_shows_a_secret(browser, site):
    """The page it was in can be left without a question, and it can come back."""
    site.sign_in(browser, "alice")
    browser.open(site.url("/account.html"))
    browser.click("button", "New key")
    browser.type("textbox", "Description", "Forgotten")
    browser.click("button", "Create key")
    browser.get("dialog", "Save your new key")
    asks = "return !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert browser.run(asks)
    browser.driver.execute_script("window.keys = document.querySelector('api-keys'); keys.remove()")
    browser.gone("dialog")
    assert not browser.run(asks)
    browser.driver.execute_script("document.body.append(keys)")
    browser.get("rowheader", "Forgotten")


def test_two_elements(browser, site):
    site.sign_in(browser, "alice")
    site.add_key("blue", "Of the team", kind="team")
    site.add_key("alice", "Mine")
    browser.open(site.url("/account.html"))
    browser.driver.execute_script(
        "const other = document.createElement('api-keys'); other.setAttribute('team', 'blue');"
        "document.body.append(other)"
    )
    browser.get("rowheader", "Mine")
    browser.get("rowheader", "Of the team")


def test_colours_are_the_pages(browser, site):
    """An element in a page that is always light stays light; in one that says `light dark` it follows the visitor."""
    site.sign_in(browser, "alice")
    browser.open(site.url("/account.html"))
    browser.reads("No keys yet")
    browser.prefer(color_scheme="dark")
    color = "return getComputedStyle(document.querySelector('api-keys')).color"
    assert browser.driver.execute_script(color) == "rgb(26, 34, 48)"
    browser.driver.execute_script("document.documentElement.style.colorScheme = 'light dark'")
    assert browser.driver.execute_script(color) == "rgb(231, 235, 241)"


def test_texts_can_be_replaced(browser, site):
    site.sign_in(browser, "alice")
    site.put("embed-de.html", page("Konto", '<script type="module" src="embed-de.js"></script><api-keys></api-keys>', "de"))
    site.put("embed-de.js", """import { setStrings } from "/keys/apikeys.js";
setStrings({ language: "de", newKey: "Neuer Schlüssel", yourKeys: "Ihre Schlüssel", columns: { used: "Benutzt" } });""")
    site.add_key(description="d", created=3 * 86400)
    browser.open(site.url("/embed-de.html"))
    browser.get("button", "Neuer Schlüssel")
    browser.get("heading", "Ihre Schlüssel")
    browser.reads("vor 3 Tagen")
    headers = [node["name"] for node in browser.seen("columnheader")]
    assert "Benutzt" in headers and "Expires" in headers


# -- other sites -------------------------------------------------------------------------------------------------------


def remembered(browser):
    """A browser that sends credentials with every request, as one does that remembers them for Basic."""
    browser.cdp("Network.setExtraHTTPHeaders", headers={"Authorization": "Basic YWxpY2U6YWxpY2U="})


def test_another_site_can_not_act(browser, site):
    """Forms and scripts of another origin reach the server with the visitor's credentials, and change nothing."""
    body = '{"user_id":"me","description":"stolen","expires_at_millis":null}'
    target = site.url("/basic/user-api-keys")
    field = f"""<input name='{body[:-1]},"x":"' value='"}}'>"""
    form = f'<form method="post" enctype="text/plain" action="{target}">{field}<button>Win</button></form>'
    site.put("attack-form.html", page("Prizes", form))
    site.put("attack.html", page("Prizes"))
    try:
        remembered(browser)
        # The same from the site itself works, so it is not the credentials that are missing.
        browser.open(site.url("/blank.html"))
        send = (
            "const headers = args[3] ? { 'Content-Type': args[3] } : {};"
            "const request = { method: 'POST', body: args[1], credentials: 'include', mode: args[2], headers };"
            "try { return (await fetch(args[0], request)).status; } catch (error) { return error.name; }"
        )
        assert browser.run(send, target, body, "same-origin", "application/json") == 200
        assert len(site.rows()) == 1

        browser.expect(r" 403 ", "CORS policy", "ERR_FAILED", "ERR_BLOCKED_BY_RESPONSE")
        site.httpd.expect(r"AK00\d\d: managing API keys")
        mark = site.httpd.access_mark()
        browser.open(site.url("/attack.html", host="localhost"))
        simple, json = "text/plain", "application/json"
        for mode, kind in (("no-cors", simple), ("no-cors", None), ("cors", simple), ("cors", json)):
            assert browser.run(send, target, body, mode, kind) == "TypeError"
        browser.open(site.url("/attack-form.html", host="localhost"))
        browser.click("button", "Win")
        wait_for(lambda: "attack" not in browser.driver.current_url, what="the answer to the form")
        lines = site.httpd.access_lines(mark, count=7)
        answers = [re.search(r'"(POST|OPTIONS) /basic.*" (\d+)', line) for line in lines]
        assert [found.groups() for found in answers if found] == [
            ("POST", "403"), ("POST", "403"), ("OPTIONS", "401"), ("OPTIONS", "401"), ("POST", "403"),
        ]  # fmt: skip
        assert len(site.rows()) == 1
    finally:
        browser.cdp("Network.setExtraHTTPHeaders", headers={})


def test_another_site_can_not_frame_the_page(browser, site):
    site.put("frame.html", page("Frame", f'<iframe title="keys" src="{site.url("/basic/")}"></iframe>'))
    browser.expect("frame-ancestors")
    try:
        remembered(browser)
        browser.open(site.url("/frame.html", host="localhost"))
        wait_for(lambda: any("frame-ancestors" in line for line in browser.complaints()), what="the refusal")
    finally:
        browser.cdp("Network.setExtraHTTPHeaders", headers={})
