# SPDX-License-Identifier: Apache-2.0
"""The element in pages of others, under their own strict policy; and what other sites can not do."""

import re

from harness.process import wait_for


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


def test_two_elements(browser, site):
    site.sign_in(browser, "alice")
    site.add_key("blue", "Of the team", kind="team")
    site.add_key("alice", "Mine")
    browser.open(site.url("/account.html"))
    browser.driver.execute_script(
        "const other = document.createElement('api-keys'); other.setAttribute('team', 'blue'); document.body.append(other)"
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
    site.put("embed-de.html", (site.httpd.htdocs / "account.html").read_text().replace('src="/keys/apikeys.js"', 'src="embed-de.js"')
             .replace('lang="en"', 'lang="de"'))  # fmt: skip
    site.put("embed-de.js", 'import { setStrings } from "/keys/apikeys.js";\n'
             'setStrings({ language: "de", newKey: "Neuer Schlüssel", yourKeys: "Ihre Schlüssel", neverUsed: "Nie" });')  # fmt: skip
    site.add_key(description="d", created=3 * 86400)
    browser.open(site.url("/embed-de.html"))
    browser.get("button", "Neuer Schlüssel")
    browser.get("heading", "Ihre Schlüssel")
    browser.reads("vor 3 Tagen")


# -- other sites -------------------------------------------------------------------------------------------------------


def remembered(browser):
    """A browser that sends credentials with every request, as one does that remembers them for Basic."""
    browser.cdp("Network.setExtraHTTPHeaders", headers={"Authorization": "Basic YWxpY2U6YWxpY2U="})


def test_another_site_can_not_act(browser, site):
    """Forms and scripts of another origin reach the server with the visitor's credentials, and change nothing."""
    body = '{"user_id":"me","description":"stolen","expires_at_millis":null}'
    target = site.url("/basic/user-api-keys")
    site.put("attack-form.html", f"""<!doctype html><html lang="en"><title>Prizes</title><link rel="icon" href="data:,">
<form method="post" enctype="text/plain" action="{target}"><input name='{body[:-1]},"x":"' value='"}}'><button>Win</button></form></html>""")
    site.put("attack.html", '<!doctype html><html lang="en"><title>Prizes</title><link rel="icon" href="data:,"></html>')
    try:
        remembered(browser)
        # The same from the site itself works, so it is not the credentials that are missing.
        browser.open(site.url("/blank.html"))
        send = (
            "try { const answer = await fetch(args[0], { method: 'POST', body: args[1], credentials: 'include', mode: args[2],"
            " headers: args[3] ? { 'Content-Type': args[3] } : {} }); return answer.status; } catch (error) { return error.name; }"
        )
        assert browser.run(send, target, body, "same-origin", "application/json") == 200
        assert len(site.rows()) == 1

        browser.expect(r" 403 ", "CORS policy", "ERR_FAILED", "ERR_BLOCKED_BY_RESPONSE")
        site.httpd.expect(r"AK00\d\d: managing API keys")
        mark = site.httpd.access_mark()
        browser.open(site.url("/attack.html", host="localhost"))
        for mode, kind in (("no-cors", "text/plain"), ("no-cors", None), ("cors", "text/plain"), ("cors", "application/json")):
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
    site.put("frame.html", f"""<!doctype html><html lang="en"><title>Frame</title><link rel="icon" href="data:,">
<iframe title="keys" src="{site.url('/basic/')}"></iframe></html>""")
    browser.expect("frame-ancestors")
    try:
        remembered(browser)
        browser.open(site.url("/frame.html", host="localhost"))
        wait_for(lambda: any("frame-ancestors" in line["message"] for line in browser.driver.get_log("browser")), what="the refusal")
    finally:
        browser.cdp("Network.setExtraHTTPHeaders", headers={})
