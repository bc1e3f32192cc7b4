# SPDX-License-Identifier: Apache-2.0
"""apikeyctl list, show, events, team: what they list, and what that looks like."""

import getpass
import json
import re
import socket

import pytest
from administering import DONE, NOT_DONE, USAGE, UTC, listed, on_terminal, peak_memory
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import insert_key


@pytest.fixture(scope="module")
def shared(module_database, scratch):
    """apikeyctl on the file's database, for tests that leave nothing behind."""
    return ApikeyCtl(module_database, scratch.folder("ctl"))


# -- list and show ----------------------------------------------------------------------------------------------


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
    assert ctl.run("list", "--limit", 2).stderr == "There may be more: --after 4\n"
    assert ctl.run("list", "--limit", 6).stderr == ctl.run("list").stderr == ""


def test_more_than_a_page_without_a_limit(ctl, database):
    database.sql("INSERT INTO api_keys (owner_type, owner_id)"
                 " SELECT 'user', IF(seq % 2, 'alice', 'bob') FROM seq_1_to_2500")
    assert listed(ctl) == [str(number) for number in range(2500, 0, -1)]
    assert listed(ctl, "--user", "alice", "--after", 2100) == [str(number) for number in range(2099, 0, -2)]
    assert listed(ctl, "--limit", 1500)[-1] == "1001"
    assert len(ctl.ok("list").splitlines()) == 1 + 2500
    database.sql("DELETE FROM api_keys WHERE id > 2000")  # a page that is just full
    assert len(listed(ctl)) == 2000


def test_a_million_keys_take_no_memory(ctl, database):
    """Resident memory is that of a page, not of the table."""

    def peak(*options):
        return peak_memory(["list", f"--defaults-file={ctl.defaults_file}", *options])

    database.sql("SET unique_checks = 0, foreign_key_checks = 0; INSERT INTO api_keys (owner_type, owner_id,"
                 " description) SELECT 'user', 'alice', REPEAT('x', 200) FROM seq_1_to_30000")
    assert peak() < peak("--limit", "1000") + 3000  # KiB; all of them are 6 MB of description alone
    assert peak("--json") < peak("--json", "--limit", "1000") + 3000


def test_list_and_show_as_json(ctl, database):
    number, key = ctl.create(user="jos\u00e9", scopes="a b", description="d", expires="2099-01-31")
    database.sql(f"INSERT INTO api_key_usage VALUES ({number}, '2038-02-03 04:05:06.789', '2001:db8::1', 7)")
    [item] = json.loads(ctl.ok("list", "--json"))["items"]
    shown = json.loads(ctl.ok("show", number, "--json"))
    [secret] = shown.pop("secrets")
    assert shown == item
    assert re.fullmatch(UTC, secret.pop("created_at"))
    assert secret == {"last_four": key[-4:], "expires_at": None, "pepper": None, "pepper_is_current": True}
    assert re.fullmatch(UTC, item.pop("created_at"))
    assert item.pop("created_by") == f"apikeyctl:{getpass.getuser()}@{socket.gethostname()}"
    assert item == {
        "id": number, "owner_type": "user", "owner_id": "jos\u00e9", "description": "d", "scopes": ["a", "b"],
        "last_four": key[-4:], "status": "valid", "is_public": False, "expires_at": "2099-01-31T00:00:00.000Z",
        "revoked_at": None, "revoked_by": None, "last_used_at": "2038-02-03T04:05:06.789Z",
        "last_used_ip": "2001:db8::1", "use_count": 7,
    }  # fmt: skip


def test_list_and_show_for_people(ctl):
    number, key = ctl.create(team="blue", description="nightly", expires="2099-01-31")
    titles, line = ctl.ok("list").splitlines()
    assert titles.split("\t") == ["ID", "STATUS", "TYPE", "OWNER", "LAST4", "EXPIRES", "LAST USED", "DESCRIPTION"]
    assert line.split("\t") == [
        number, "valid", "team", "blue", key[-4:], "2099-01-31T00:00:00.000Z", "never", "nightly",
    ]  # fmt: skip
    shown = ctl.ok("show", number)
    assert re.search(r"^expires +2099-01-31T00:00:00.000Z$", shown, re.M)
    assert re.search(rf"^created +{UTC} by apikeyctl:\S+@\S+$", shown, re.M)
    assert re.search(rf"^secret +\.\.\.{key[-4:]} made {UTC}, no pepper$", shown, re.M)
    assert re.search(r"^last used +never$", shown, re.M)
    assert key not in shown


def test_nothing_to_list(ctl):
    assert ctl.ok("list") == ""
    assert json.loads(ctl.ok("list", "--json")) == {"items": [], "next_after": None}


HOSTILE = ["a\tb", "\x1b]0;owned\x07", "\x1b[2J", "a\nb\rc", "\x9b2J", "\u202eevil", "\u2066x"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_would_drive_the_terminal_is_neutralised(ctl, text):
    number, _ = ctl.create(user="alice", description=text)
    for shown in (ctl.ok("list"), ctl.ok("show", number)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", shown)
        assert "a\nb" not in shown and "a\tb" not in shown
    assert json.loads(ctl.ok("show", number, "--json"))["description"] == text
    assert ctl.ok("list", "--json").isascii()


def test_rows_of_a_site_of_its_own_do_no_harm(empty):
    ctl, database = empty
    database.sql(
        "CREATE TABLE api_keys (id BIGINT, owner_type VARCHAR(99), owner_id LONGBLOB, description LONGTEXT,"
        " scopes TEXT, last_four VARCHAR(9), is_public INT, created_at DATETIME, created_by TEXT, expires_at DATETIME,"
        " revoked_at DATETIME, revoked_by TEXT); INSERT INTO api_keys (id) VALUES (1);"
        "INSERT INTO api_keys (id, owner_id, description) VALUES (2, X'FF0041', REPEAT('x', 100000));"
        "CREATE TABLE api_key_secrets (key_id BIGINT, digest BLOB, pepper TEXT, last_four TEXT, created_at DATETIME,"
        " expires_at DATETIME); INSERT INTO api_key_secrets (key_id) VALUES (2);"
        "CREATE TABLE api_key_usage (key_id BIGINT, last_used_at DATETIME, last_used_ip TEXT, use_count BIGINT)"
    )
    assert len(ctl.ok("list").splitlines()) == 3
    assert listed(ctl) == ["2", "1"]
    assert "?" in ctl.ok("show", 2)


@pytest.mark.parametrize(
    "args, code, message",
    [
        (["show", "x"], USAGE, "'x' is not the id of a key"),
        (["show", "0"], USAGE, "'0' is not the id of a key"),
        (["show", "1x"], USAGE, "'1x' is not the id of a key"),
        (["show", "9" * 19], USAGE, "is not the id of a key"),
        (["show", "99"], NOT_DONE, "there is no key 99"),
        (["revoke", "99"], NOT_DONE, "there is no key 99"),
        (["list", "--limit", "0"], USAGE, "--limit takes a number above 0"),
        (["list", "--limit", "x"], USAGE, "--limit takes"),
        (["list", "--after", "x"], USAGE, "--after takes an id"),
        (["events", "--key", "x"], USAGE, "--key takes the id of a key, not 'x'"),
        (["events", "--since", "3m"], USAGE, "--since '3m': m may stand for minutes or months"),
        (["events", "--since", "never"], USAGE, "--since 'never': leave it out"),
        (["events", "--limit", "0"], USAGE, "--limit takes"),
        (["team", "add", "", "bob"], USAGE, "the team '' cannot be: "),
        (["team", "add", "blue", "team:x"], USAGE, "the user 'team:x' cannot be: "),
        (["team", "add", "blue", "x" * 256], USAGE, "longer than 255 characters"),
        (["team", "list", " "], USAGE, "the team ' ' cannot be: "),
        (["team", "remove", "blue", "nobody"], NOT_DONE, "nobody is no member of team blue"),
        (["list", "--status", "gone"], USAGE, "--status takes valid, revoked or expired"),
        (["list", "--user", "a", "--team", "b"], USAGE, "exclude each other"),
        (["list", "--quiet"], USAGE, "list takes no --quiet"),
    ],
)
def test_bad_arguments(shared, args, code, message):
    done = shared.run(*args)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("apikeyctl: ") and message in done.stderr


# -- teams ------------------------------------------------------------------------------------------------------


def test_teams(ctl, database):
    assert ctl.ok("team", "list") == ""
    assert ctl.ok("team", "add", "blue", "jos\u00e9") == "jos\u00e9 is a member of team blue.\n"
    assert ctl.ok("team", "add", "blue", "alice", "--manage").endswith("team blue and may manage its keys.\n")
    ctl.ok("team", "add", "red", "alice")
    assert [tuple(row.values()) for row in database.sql("SELECT * FROM api_key_team_members ORDER BY 1, 2")] == [
        ("blue", "alice", "1"), ("blue", "jos\u00e9", "0"), ("red", "alice", "0"),
    ]  # fmt: skip
    assert ctl.ok("team", "list").splitlines() == [
        "TEAM\tUSER\tMANAGES KEYS", "blue\talice\tyes", "blue\tjos\u00e9\tno", "red\talice\tno",
    ]  # fmt: skip
    assert json.loads(ctl.ok("team", "list", "red", "--json")) == {
        "items": [{"team_id": "red", "user_id": "alice", "manage_api_keys": False}]
    }
    ctl.ok("team", "add", "blue", "alice")  # takes the right
    assert "\tyes" not in ctl.ok("team", "list")
    assert ctl.ok("team", "remove", "blue", "alice") == "alice is no longer a member of team blue.\n"
    assert json.loads(ctl.ok("team", "list", "blue", "--json"))["items"][0]["user_id"] == "jos\u00e9"
    assert len(ctl.ok("team", "list").splitlines()) == 3


def test_teams_of_the_sites_own(ctl, database):
    """Nothing is done in a table that nobody looks at."""
    database.sql("UPDATE api_key_settings SET value = 'our.groups' WHERE name = 'teams_table'")
    for args in (["add", "blue", "alice"], ["remove", "blue", "alice"], ["list"]):
        done = ctl.run("team", *args)
        assert done.returncode == NOT_DONE and "those in our.groups (setting teams_table)" in done.stderr
    assert database.sql("SELECT * FROM api_key_team_members") == []


# -- events -----------------------------------------------------------------------------------------------------


def events(ctl, *options):
    return json.loads(ctl.ok("events", "--json", *options))["items"]


def test_events(ctl, database):
    one, _ = ctl.create(user="alice")
    two, _ = ctl.create(team="blue")
    ctl.ok("rotate", one, "--quiet")
    ctl.ok("revoke", two)
    database.sql(f"DELETE FROM api_keys WHERE id = {one}")
    told = [(event["what"], event["key_id"], event["owner_type"], event["owner_id"]) for event in events(ctl)]
    assert told == [
        ("deleted", one, "user", "alice"), ("revoked", two, "team", "blue"), ("rotated", one, "user", "alice"),
        ("created", two, "team", "blue"), ("created", one, "user", "alice"),
    ]  # fmt: skip
    by_hand, by_us = events(ctl)[:2]
    assert by_us["actor"].startswith("apikeyctl:") and not by_hand["actor"].startswith("apikeyctl:")
    assert by_us["account"] == "apikey@localhost"
    assert all(re.fullmatch(UTC, event["at"]) for event in events(ctl))
    assert [event["what"] for event in events(ctl, "--key", two)] == ["revoked", "created"]
    assert events(ctl, "--key", 99) == []
    first = events(ctl)[2:4]
    page = json.loads(ctl.ok("events", "--json", "--limit", 2, "--after", events(ctl)[1]["id"]))
    assert (page["items"], page["next_after"]) == (first, first[-1]["id"])
    titles, *lines = ctl.ok("events").splitlines()
    assert titles.split("\t") == ["ID", "TIME (UTC)", "WHAT", "KEY", "OWNER", "BY", "FROM", "DETAIL"]
    assert len(lines) == 5 and lines[1].split("\t")[2:5] == ["revoked", two, "team blue"]


def test_events_since(ctl, database):
    ctl.create(user="alice")
    ctl.create(user="bob")
    database.sql("UPDATE api_key_events SET happened_at = UTC_TIMESTAMP(3) - INTERVAL 3 DAY ORDER BY id LIMIT 1")
    for since, count in [("2d", 1), ("12h", 1), ("4d", 2), ("1w", 2), ("2000-01-01", 2), ("2099-01-01", 0)]:
        assert len(events(ctl, "--since", since)) == count, since


# -- on a terminal ----------------------------------------------------------------------------------------------


@pytest.fixture
def seen(ctl):
    """seen(*args, columns=80) runs apikeyctl on a terminal and gives the lines of the screen."""

    def see(*args, **options):
        code, _, screen = on_terminal([*args, f"--defaults-file={ctl.defaults_file}"], **options)
        assert code == DONE
        return screen.splitlines()

    return see


def columns_of(line):
    """How many columns a line takes up, for the characters used here."""
    return sum(2 if ord(c) in range(0x3000, 0xA000) or ord(c) > 0x1F000 else c != "\u0301" for c in line)


def test_columns_are_aligned(ctl, seen):
    for owner in ("a", "\u7530\u4e2d\u592a\u90ce", "jose\u0301", "\U0001f511key"):
        ctl.create(user=owner, description="ends here")
    lines = seen("list", env={"NO_COLOR": "1"})
    assert len(lines) == 5 and lines[0].startswith("ID  STATUS  TYPE  OWNER     LAST4  EXPIRES")
    starts = {columns_of(line[: line.index("ends here")]) for line in lines[1:]}
    assert starts == {lines[0].index("DESCRIPTION")}


def test_narrow_terminals_cut_what_can_be_cut(ctl, seen):
    ctl.create(user="\u7530" * 100, description="x" * 200, expires="2099-01-31")
    ctl.create(user="bob", description="short")
    for width in (80, 100, 132):
        lines = seen("list", columns=width, env={"NO_COLOR": "1"})
        assert max(map(columns_of, lines)) <= width
        assert lines[2].count("\u2026") == 2 and "2099-01-31 " in lines[2] and "\u2026" not in lines[1]
    wide = seen("list", columns=1000)
    assert not any("\u2026" in line for line in wide)
    assert "x" * 200 in "".join(seen("show", 1, columns=20))


def test_long_lists_go_on_in_the_same_columns(database, seen):
    database.sql("INSERT INTO api_keys (owner_type, owner_id, description)"
                 " SELECT 'user', 'alice', IF(seq < 900, REPEAT('x', 250), 'y') FROM seq_1_to_1500")
    lines = seen("list", env={"NO_COLOR": "1"})
    assert len(lines) == 1501 and max(map(len, lines)) <= 80
    assert sum(line.startswith("ID") for line in lines) == 1


@pytest.mark.parametrize(
    "env, coloured", [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
)
def test_colours(ctl, database, seen, env, coloured):
    insert_key(database, "user", "alice", revoked_at=0)
    insert_key(database, "user", "alice", expires_at=-1)
    ctl.create(user="alice")
    text = "\n".join(seen("list", env=env))
    words = ["\x1b[32mvalid\x1b[0m", "\x1b[31mrevoked\x1b[0m", "\x1b[33mexpired\x1b[0m"]
    assert [word in text for word in words] == [coloured] * 3
    assert ("\x1b[31mrevoked\x1b[0m" in "\n".join(seen("show", 1, env=env))) == coloured


def test_no_colours_and_no_cutting_elsewhere(ctl):
    ctl.create(user="alice", description="x" * 255)
    for args in (["list"], ["show", 1], ["events"], ["list", "--json"]):
        text = ctl.ok(*args)
        assert "\x1b" not in text and "\u2026" not in text
        assert args[0] == "events" or "x" * 255 in text
