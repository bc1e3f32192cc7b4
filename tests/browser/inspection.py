# SPDX-License-Identifier: Apache-2.0
"""What makes a page usable for everybody, as far as a program can tell: names and roles from the browser's
accessibility tree, contrast, sizes and widths from what is painted."""

from pathlib import Path

LOOK = (Path(__file__).parent / "inspection.js").read_text()

NEED_A_NAME = {
    "button", "link", "textbox", "searchbox", "combobox", "checkbox", "dialog", "table", "region", "image", "Date",
    "columnheader", "rowheader", "heading", "group",
}  # fmt: skip


def assert_accessible(browser, dark):
    nodes = browser.nodes()
    bad = [f"{n['role']} without a name" for n in nodes if n["role"] in NEED_A_NAME and not n["name"].strip()]
    for role in ("button", "textbox", "searchbox", "combobox", "checkbox"):
        names = [n["name"] for n in nodes if n["role"] == role]
        bad += [f"two of {role} {name!r}" for name in set(names) if names.count(name) > 1]
    told = browser.run(LOOK)
    assert told["looked"] > 4, told  # at this many pieces of text
    bad += told["bad"]
    bad += [] if told["dark"] == dark else [f"dark is {told['dark']}"]
    assert not bad, "\n".join(bad)
