# SPDX-License-Identifier: Apache-2.0
"""apikeyctl check: what a key is worth, and why not more."""

import json
import re

import pytest
from administering import DONE, NOT_DONE, USAGE, UTC, on_terminal
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import insert_key, mint, mistyped
from harness.process import wait_for


@pytest.fixture(scope="module")
def shared(module_database, scratch):
    """apikeyctl on the file's database, for tests that leave nothing behind."""
    return ApikeyCtl(module_database, scratch.folder("ctl"))


def test_check_says_what_a_key_is_worth(ctl, database):
    def insert(*args, **options):
        return insert_key(database, *args, **options)[1]

    good = insert("user", "alice", "a b", expires_at="2099-01-31")
    cases = [
        (good, DONE, {"status": "valid", "id": "1", "owner_type": "user", "owner_id": "alice", "scopes": ["a", "b"],
                      "expires_at": "2099-01-31T00:00:00.000Z"}),
        (insert("team", "blue"), DONE, {"status": "valid", "owner_type": "team", "expires_at": None}),
        (insert("user", "alice", expires_at=-1), NOT_DONE, {"status": "expired", "id": "3"}),
        (insert("user", "alice", revoked_at=0), NOT_DONE, {"status": "revoked", "owner_id": "alice"}),
        (insert("user", "alice", expires_at=-1, revoked_at=0), NOT_DONE, {"status": "revoked"}),
        (insert("user", "team:x", unchecked=True), NOT_DONE,
         {"status": "unusable", "reason": "a user id must not begin with team:"}),
        (mint(), NOT_DONE, {"status": "not_found", "reason": "no such key is stored"}),
        (insert("user", "old", key="imported-from-elsewhere"), DONE, {"status": "valid", "owner_id": "old"}),
        ("something else", NOT_DONE, {"status": "not_found", "reason": "no such key is stored"}),
        (mistyped(good), NOT_DONE,
         {"status": "not_found", "reason": "wrong length or check digits, probably mistyped or cut"}),
        (good[:-1], NOT_DONE, {"status": "not_found"}),
        (good + "\0x", NOT_DONE, {"status": "not_found"}),
        (good + " ", NOT_DONE, {"status": "not_found"}),
        (good + "x" * 9000, NOT_DONE, {"status": "not_found"}),
        (good + "\r\nanother line", DONE, {"status": "valid"}),
    ]  # fmt: skip
    for key, code, told in cases:
        done = ctl.run("check", "--json", input=key)
        found = json.loads(done.stdout)
        assert (done.returncode, {name: found.get(name) for name in told}) == (code, told), key
        text = ctl.run("check", input=key)
        assert text.returncode == code and text.stdout.startswith(told["status"])
        assert good[5:-6] not in text.stdout + done.stdout + text.stderr + done.stderr


@pytest.mark.parametrize("input", ["", "\n", "\r\n"])
def test_check_without_a_key(shared, input):
    done = shared.run("check", input=input)
    assert done.returncode == USAGE and "standard input" in done.stderr


def test_check_with_peppers(ctl, pepper):
    old, new = pepper(b"a" * 32), pepper(b"b" * 32)
    _, plain = ctl.create(user="alice")
    ctl.ok("init", "--pepper", new)
    peppered = ctl.ok("create", "--user", "alice", "--quiet", "--pepper", new).strip()
    for options in (["--pepper", new], ["--pepper", old, "--pepper", new]):
        assert ctl.ok("check", *options, input=peppered).startswith("valid")
        assert ctl.ok("check", *options, input=plain).startswith("valid")
    without = ctl.run("check", input=peppered)
    assert without.returncode == NOT_DONE and "give the file of the one in use with --pepper" in without.stdout
    assert "with --pepper" not in ctl.run("check", "--pepper", new, input=mint()).stdout
    assert ctl.ok("check", *["--pepper", new] * 3, input=plain).startswith("valid")


def test_httpd_takes_the_keys(ctl, database, make_httpd, pepper):
    place = '<Location "/">\nAuthType Bearer\nRequire apikey-team blue\nRequire apikey-scope orders:read\n</Location>'
    secret = pepper()
    ctl.ok("init", "--prefix", "acme", "--pepper", secret)
    httpd = make_httpd(f"ApiKeyPrefix acme\nApiKeyPepperFile {secret}\n{place}", dbd=database.dbd_params())
    for owner in (["--team", "blue"], ["--user", "alice", "--scopes", "x orders:*"]):
        made = json.loads(ctl.ok("create", *owner, "--json", "--pepper", secret))
        assert httpd.get("/", made["api_key"]).status == 200
        ctl.revoke(made["id"])
        wait_for(lambda: httpd.get("/", made["api_key"]).status == 401)
    httpd.expect(r"AK0003: API key revoked: key \d+ of (team blue|user alice)")


def test_check_explains(ctl, database):
    """When and by whom; which secret of a rotation; whose prefix."""
    number, revoked = ctl.create(user="alice")
    ctl.revoke(number)
    assert re.fullmatch(
        rf"revoked: key {number} of user alice, revoked {UTC} by apikeyctl:\S+@\S+\n", ctl.run("check", input=revoked).stdout
    )
    _, expired = insert_key(database, "team", "blue", expires_at="2020-01-31")
    assert ctl.run("check", input=expired).stdout == "expired: key 2 of team blue, expired 2020-01-31T00:00:00.000Z\n"
    _, by_hand = insert_key(database, "user", "bob")
    assert ctl.ok("check", input=by_hand) == "valid: key 3 of user bob\n"
    database.sql("UPDATE api_keys SET revoked_at = NOW() WHERE id = 3")
    assert re.search(rf"revoked {UTC} by \S+@\S+\n", ctl.run("check", input=by_hand).stdout)
    other = mint("acme")
    assert "its prefix is acme, that of this database is ak" in ctl.run("check", input=other).stdout
    _, known = insert_key(database, "user", "bob", prefix="acme")
    assert "ApiKeyForeign" in ctl.ok("check", input=known)
    assert "white space before or behind" in ctl.run("check", input=mint() + " ").stdout


def test_check_in_a_rotation(ctl, database):
    number, first = ctl.create(user="alice")
    second = ctl.ok("rotate", number, "--quiet").strip()
    third = ctl.ok("rotate", number, "--quiet").strip()
    assert re.fullmatch(
        rf"valid: key {number} of user alice\nIt is secret 1 of 3 of this key, replaced by rotation; it works until {UTC}"
        r"\.\n", ctl.ok("check", input=first)
    )  # fmt: skip
    assert "secret 2 of 3" in ctl.ok("check", input=second)
    assert ctl.ok("check", input=third).endswith("It is secret 3 of 3 of this key, the newest.\n")
    told = json.loads(ctl.ok("check", "--json", input=first))
    assert (told["status"], told["secrets"], told["secret"]["newest"]) == ("valid", 3, False)
    assert told["expires_at"] == told["secret"]["expires_at"] and told["secret"]["last_four"] == first[-4:]
    ctl.ok("rotate", number, "--grace", 0)
    ended = ctl.run("check", input=third)
    assert ended.returncode == NOT_DONE
    assert re.match(rf"expired: key {number} of user alice, whose newer secret works; this one ended {UTC}\n", ended.stdout)


def test_check_on_a_terminal_does_not_show_the_key(ctl, database):
    _, key = insert_key(database, "user", "alice")
    code, _, screen = on_terminal(["check", f"--defaults-file={ctl.defaults_file}"], [("Key (not shown): ", key)])
    assert code == DONE and "\x1b[32mvalid\x1b[0m: key 1 of user alice" in screen
    assert key not in screen
