# SPDX-License-Identifier: Apache-2.0
"""The files of the page: what is served, under which headers, and to whom. What they do is tests/browser."""

import hashlib
import re

import pytest
from harness import ROOT
from judged import basic
from managed import SITE, write_people

WEB = sorted(path for path in (ROOT / "src" / "web").iterdir() if path.suffix != ".sh")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
ALICE = [basic("alice", "alice")]


@pytest.fixture(scope="module")
def httpd(make_module_httpd, module_database):
    config = SITE + '<Location "/not-mounted">\nSetHandler apikey-manage\n</Location>'
    httpd = make_module_httpd(config, dbd=module_database.dbd_params(), start=False)
    write_people(httpd)
    return httpd.start()


@pytest.mark.parametrize("file", WEB, ids=lambda file: file.name)
def test_file(httpd, file):
    """Its bytes, its type, and headers that let nothing else in."""
    assert len(WEB) > 10
    answer = httpd.get(f"/keys/{file.name}", headers=ALICE)
    assert (answer.status, answer.body) == (200, file.read_bytes())
    assert answer.header("Content-Type") == TYPES[file.suffix]
    assert answer.header("ETag") == f'"{hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"'
    assert answer.header("Cache-Control") == "private, no-cache"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "no-referrer"
    rules = dict(rule.split(" ", 1) for rule in answer.header("Content-Security-Policy").split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["require-trusted-types-for"] == "'script'" and rules["trusted-types"] == "'none'"


def test_page(httpd):
    page = httpd.get("/keys/", headers=ALICE)
    assert page.body == (ROOT / "src" / "web" / "page.html").read_bytes()
    assert page.header("Content-Type") == TYPES[".html"]


def test_page_has_no_inline_code():
    page = (ROOT / "src" / "web" / "page.html").read_text()
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)", page)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_unchanged_file_is_not_sent_again(httpd, method):
    first = httpd.get("/keys/apikeys.js", headers=ALICE, method=method)
    tag = first.header("ETag")
    assert int(first.header("Content-Length")) == (ROOT / "src" / "web" / "apikeys.js").stat().st_size
    for condition in (tag, f'"other", {tag}', "*"):
        again = httpd.get("/keys/apikeys.js", headers=[*ALICE, ("If-None-Match", condition)], method=method)
        assert (again.status, again.body, again.header("ETag")) == (304, b"", tag)
        assert again.header("Cache-Control") == "private, no-cache"
    assert httpd.get("/keys/apikeys.js", headers=[*ALICE, ("If-None-Match", '"other"')], method=method).status == 200


def test_part_of_a_file(httpd):
    part = httpd.get("/keys/icon.svg", headers=[*ALICE, ("Range", "bytes=0-3")])
    assert (part.status, part.body) == (206, b"<svg")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/keys/", "/keys/apikeys.js"])
def test_only_get_and_head(httpd, path, method):
    answer = httpd.get(path, headers=ALICE, method=method, body="")
    assert answer.status == 405
    assert {"GET", "HEAD"} <= set(answer.header("Allow").replace(" ", "").split(","))


@pytest.mark.parametrize(
    "name", ["embed.sh", "page", "apikeys.js/", "apikeys.js/x", "APIKEYS.JS", "..%2fpage.c", "page.html%00", "nothing.js"]
)
def test_nothing_else(httpd, name):
    assert httpd.get(f"/keys/{name}", headers=ALICE).status in (400, 404)


def test_page_is_behind_the_login_and_needs_the_directive(httpd):
    for path in ("/keys/", "/keys/apikeys.js"):
        assert httpd.get(path).status == 401
    for path in ("/not-mounted/", "/not-mounted/apikeys.js"):
        assert httpd.get(path, headers=ALICE).status == 404
