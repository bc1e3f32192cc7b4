# SPDX-License-Identifier: Apache-2.0
"""Chromium, driven the way a person works: what is on a page is found by its role and name, as screen readers find it,
and used with mouse and keyboard. Whatever the browser complains about and nobody expected fails the test."""

import re
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import JavascriptException, StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains

from .process import wait_for

SWITCHES = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-GB",
]  # fmt: skip


class Browser:
    """One Chromium with a profile of its own in `folder`."""

    def __init__(self, folder):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for switch in [*SWITCHES, f"--user-data-dir={folder}/profile"]:
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.set_capability("unhandledPromptBehavior", "ignore")
        service = Service("/usr/bin/chromedriver", log_path=str(Path(folder) / "chromedriver.log"))
        self.driver = webdriver.Chrome(service=service, options=options)
        self.driver.set_script_timeout(20)
        self._expected = []
        self.cdp("Network.enable")
        self.resize(1280, 900)

    def stop(self):
        self.driver.quit()

    # -- the window ------------------------------------------------------------------------------------------

    def resize(self, width, height):
        """The size of the page itself; windows are never as narrow as a telephone."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, **features):
        """Media features: prefer(color_scheme="dark")."""
        listed = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        self.cdp("Emulation.setEmulatedMedia", features=listed)

    def open(self, url):
        self.driver.get(url)

    def forget(self):
        """A visitor who has never been here, with a window as it comes."""
        self.driver.get("about:blank")
        self.cdp("Network.clearBrowserCookies")
        self.cdp("Network.setBlockedURLs", urls=[])
        self.resize(1280, 900)
        self.prefer()
        self.complaints()

    def screenshot(self, path):
        self.driver.get_screenshot_as_file(str(path))

    def cdp(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def run(self, script, *args):
        """JavaScript in the page: the body of an async function. An exception becomes BrowserError."""
        answer = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1]; const args = Array.from(arguments).slice(0, -1);"
            f"(async (...args) => {{ {script} }})(...args).then((value) => done({{ value }}),"
            " (error) => done({ error: `${error.name}: ${error.message}` }));",
            *args,
        )
        if "error" in answer:
            raise BrowserError(answer["error"])
        return answer["value"]

    # -- finding ---------------------------------------------------------------------------------------------

    def nodes(self):
        """The accessibility tree, without what is not in it: dicts of role, name, description, properties, node."""
        found = []
        for node in self.cdp("Accessibility.getFullAXTree")["nodes"]:
            if node["ignored"]:
                continue
            properties = {item["name"]: item["value"].get("value") for item in node.get("properties", [])}
            found.append(
                {
                    "role": node["role"]["value"],
                    "name": node.get("name", {}).get("value", ""),
                    "description": node.get("description", {}).get("value", ""),
                    "value": node.get("value", {}).get("value"),
                    "properties": properties,
                    "node": node.get("backendDOMNodeId"),
                }
            )
        return found

    def seen(self, role, name=None):
        """What there is of a role and name (text, or a compiled pattern), in the order of the page."""
        return [
            node
            for node in self.nodes()
            if node["role"] == role
            and (name is None or (name.search(node["name"]) if isinstance(name, re.Pattern) else name == node["name"]))
        ]

    def get(self, role, name=None):
        """Waits for the one element of this role and name."""

        def the_one():
            found = self.seen(role, name)
            return self._element(found[0]["node"]) if len(found) == 1 else None

        try:
            return wait_for(the_one, what=f"one {role} {name!r}")
        except TimeoutError as late:
            raise AssertionError(f"{late}; there are {[(n['role'], n['name']) for n in self.nodes()][:80]}") from None

    def gone(self, role, name=None):
        """Waits until there is none."""
        wait_for(lambda: not self.seen(role, name), what=f"no {role} {name!r}")

    def text(self):
        """Everything that can be read, shadow trees included."""
        return "\n".join(node["name"] for node in self.nodes() if node["role"] == "StaticText")

    def reads(self, text):
        """Waits until the page says so somewhere."""
        try:
            wait_for(lambda: text in self.text(), what=f"{text!r} on the page")
        except TimeoutError as late:
            raise AssertionError(f"{late}, which says:\n{self.text()}") from None

    def _element(self, backend_node):
        """The WebElement of a node; None when it has just gone."""
        try:
            node = self.cdp("DOM.resolveNode", backendNodeId=backend_node)["object"]["objectId"]
            self.cdp(
                "Runtime.callFunctionOn",
                objectId=node,
                functionDeclaration="function() { globalThis.foundByTest = this; }",
            )
            return self.driver.execute_script(
                "const found = globalThis.foundByTest; delete globalThis.foundByTest; return found;"
            )
        except (JavascriptException, StaleElementReferenceException):
            return None
        except WebDriverException as error:
            if "No node with given id" in str(error) or "does not belong to the document" in str(error):
                return None
            raise

    # -- doing -----------------------------------------------------------------------------------------------

    def click(self, role, name=None):
        self.get(role, name).click()

    def type(self, role, name, text):
        """Replaces what a field holds."""
        field = self.get(role, name)
        field.clear()
        field.send_keys(text)

    def choose(self, name, option):
        """An option of a native choice, by its text."""
        field = self.get("combobox", name)
        self.driver.execute_script(
            "const [field, text] = arguments; field.focus();"
            "field.value = [...field.options].find((option) => option.text === text).value;"
            "for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, { bubbles: true }));",
            field,
            option,
        )

    def options(self, name):
        """The texts of a native choice."""
        return [option.text for option in self.get("combobox", name).find_elements("tag name", "option")]

    def press(self, *keys):
        """Keys to whatever has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        """Role and name of what has the focus."""
        found = [node for node in self.nodes() if node["properties"].get("focused") and node["role"] != "RootWebArea"]
        return (found[-1]["role"], found[-1]["name"]) if found else None

    # -- complaints ------------------------------------------------------------------------------------------

    def expect(self, *patterns):
        """Marks lines of the console as expected until the next check_console()."""
        self._expected += [re.compile(pattern) for pattern in patterns]

    def complaints(self):
        """Lines of the console since it was last asked for, from warnings on."""
        lines = self.driver.get_log("browser")
        return [f"{line['level']} {line['message']}" for line in lines if line["level"] in ("WARNING", "SEVERE")]

    def check_console(self):
        """AssertionError with every warning, error and violation of the Content-Security-Policy nobody expected."""
        expected, self._expected = self._expected, []
        bad = [line for line in self.complaints() if not any(pattern.search(line) for pattern in expected)]
        assert not bad, "unexpected in the browser's console:\n" + "\n".join(bad)


class BrowserError(Exception):
    """An exception in the page."""
