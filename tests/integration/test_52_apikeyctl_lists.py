# SPDX-License-Identifier: Apache-2.0
"""apikeyctl list, show, events, team: what they list, and what that looks like."""

import json
import re
import subprocess

import pytest
from administering import DONE, NOT_DONE, USAGE, UTC, on_terminal
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import insert_key


@pytest.fixture(scope="module")
def shared(module_database, scratch):
    """apikeyctl on the file's database, for tests that leave nothing behind."""
    return ApikeyCtl(module_database, scratch.folder("ctl"))


# -- list and show ----------------------------------------------------------------------------------------------


def listed(ctl, *options):
    return [item["id"] for item in json.loads(ctl.ok("list", "--json", *options))["items"]]


def test_list_is_newest_first_and_can_be_filtered(ctl, database):
    for kind, owner, more in [
        ("user", "alice", {}), ("team", "alice", {}), ("user", "ALICE", {}), ("user", "alice", {"expires_at": -1}),
        ("user", "alice", {"revoked_at": -1}), ("user", "bob", {"expires_at": 3600}),
    ]:  # fmt: skip
        insert_key(database, kind, owner, **more)
    assert listed(ctl) == ["6", "5", "4", "3", "2", "1"]
    assert listed(ctl, "--user", "alice") == ["5", "4", "1"]
    assert listed(ctl, "--team", "alice") == ["2"]
    assert listed(ctl, "--user", "ALICE") == ["3"]
    assert listed(ctl, "--user", "nobody") == []
    assert listed(ctl, "--status", "valid") == ["6", "3", "2", "1"]
    assert listed(ctl, "--status", "expired") == ["4"]
    assert listed(ctl, "--user", "alice", "--status", "revoked") == ["5"]


def test_owners_that_a_collation_takes_for_one_stay_apart(ctl, database):
    database.sql("ALTER TABLE api_keys MODIFY owner_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    for owner in ("alice", "ALICE", "alic\u00e9"):
        insert_key(database, "user", owner)
    assert listed(ctl, "--user", "alice") == ["1"]


def test_list_in_pages(ctl, database):
    for _ in range(5):
        insert_key(database, "user", "alice")
    pages, options = [], []
    while options is not None:
        page = json.loads(ctl.ok("list", "--json", "--user", "alice", "--limit", 2, *options))
        pages.append([item["id"] for item in page["items"]])
        options = ["--after", page["next_after"]] if page["next_after"] else None
    assert pages == [["5", "4"], ["3", "2"], ["1"]]
    assert "--after 4" in ctl.ok("list", "--limit", 2)
    assert "--after" not in ctl.ok("list", "--limit", 6)


def test_list_and_show_as_json(ctl, database, mariadb):
    number, key = ctl.create(user="jos\u00e9", scopes="a b", description="d", expires="2099-01-31")
    database.sql(f"INSERT INTO api_key_usage VALUES ({number}, '2038-02-03 04:05:06.789', '2001:db8::1', 7)")
    [item] = json.loads(ctl.ok("list", "--json"))["items"]
    assert json.loads(ctl.ok("show", number, "--json")) == item
    assert re.fullmatch(UTC, item.pop("created_at"))
    assert item.pop("created_by") == f"{mariadb.user}@localhost"
    assert item == {
        "id": number, "owner_type": "user", "owner_id": "jos\u00e9", "description": "d", "scopes": ["a", "b"],
        "last_four": key[-4:], "status": "valid", "is_public": False, "expires_at": "2099-01-31T00:00:00.000Z",
        "revoked_at": None, "revoked_by": None, "last_used_at": "2038-02-03T04:05:06.789Z",
        "last_used_ip": "2001:db8::1", "use_count": 7,
    }  # fmt: skip


def test_list_and_show_for_people(ctl):
    number, key = ctl.create(team="blue", description="nightly", expires="2099-01-31")
    [line] = [line for line in ctl.ok("list").splitlines() if "nightly" in line]
    assert line.split() == [number, "valid", "team", "blue", key[-4:], "2099-01-31T00:00:00.000Z", "nightly"]
    shown = ctl.ok("show", number)
    assert re.search(r"^expires +2099-01-31T00:00:00.000Z$", shown, re.M)
    assert re.search(rf"^created +{UTC} by apikey@localhost$", shown, re.M)
    assert key not in shown


def test_nothing_to_list(ctl):
    assert ctl.ok("list") == ""
    assert json.loads(ctl.ok("list", "--json")) == {"items": [], "next_after": None}


HOSTILE = ["\x1b]0;owned\x07", "\x1b[2J", "a\nb\rc", "\x9b2J", "\u202eevil", "\u2066x"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_would_drive_the_terminal_is_neutralised(ctl, text):
    number, _ = ctl.create(user="alice", description=text)
    for shown in (ctl.ok("list"), ctl.ok("show", number)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
        assert "a\nb" not in shown
    assert json.loads(ctl.ok("show", number, "--json"))["description"] == text
    assert ctl.ok("list", "--json").isascii()


def test_rows_of_a_site_of_its_own_do_no_harm(empty):
    ctl, database = empty
    database.sql(
        "CREATE TABLE api_keys (id BIGINT, owner_type VARCHAR(99), owner_id LONGBLOB, description LONGTEXT,"
        " scopes TEXT, last_four VARCHAR(9), is_public INT, created_at DATETIME, created_by TEXT, expires_at DATETIME,"
        " revoked_at DATETIME, revoked_by TEXT); INSERT INTO api_keys (id) VALUES (1);"
        "INSERT INTO api_keys (id, owner_id, description) VALUES (2, X'FF0041', REPEAT('x', 100000));"
        "CREATE TABLE api_key_usage (key_id BIGINT, last_used_at DATETIME, last_used_ip TEXT, use_count BIGINT)"
    )
    assert len(ctl.ok("list").splitlines()) == 3
    assert listed(ctl) == ["2", "1"]
    assert "?" in ctl.ok("show", 2)


@pytest.mark.parametrize(
    "args, code, message",
    [
        (["show"], USAGE, "usage: apikeyctl show ID"),
        (["show", "1", "2"], USAGE, "usage: apikeyctl show ID"),
        (["show", "x"], USAGE, "'x' is not the id of a key"),
        (["show", "0"], USAGE, "'0' is not the id of a key"),
        (["show", "1x"], USAGE, "'1x' is not the id of a key"),
        (["show", "9" * 19], USAGE, "is not the id of a key"),
        (["show", "99"], NOT_DONE, "there is no key 99"),
        (["revoke"], USAGE, "usage: apikeyctl revoke ID"),
        (["revoke", "99"], NOT_DONE, "there is no key 99"),
        (["list", "--limit", "0"], USAGE, "--limit takes a number from 1 to 10000"),
        (["list", "--limit", "10001"], USAGE, "--limit takes"),
        (["list", "--limit", "x"], USAGE, "--limit takes"),
        (["list", "--after", "x"], USAGE, "--after takes the id of a key"),
        (["list", "--status", "gone"], USAGE, "--status takes valid, revoked or expired"),
        (["list", "--user", "a", "--team", "b"], USAGE, "exclude each other"),
        (["list", "--quiet"], USAGE, "list takes no --quiet"),
        (["check", "ak_u_key"], USAGE, "usage: apikeyctl check"),
        (["destroy"], USAGE, "no such command: destroy; see apikeyctl --help"),
    ],
)
def test_bad_arguments(shared, args, code, message):
    done = shared.run(*args)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("apikeyctl: ") and message in done.stderr
