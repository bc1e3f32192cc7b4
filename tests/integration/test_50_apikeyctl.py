# SPDX-License-Identifier: Apache-2.0
"""apikeyctl: every command, what it prints, its exit status, its connection, and what it never does."""

import fcntl
import json
import os
import pty
import re
import subprocess
import termios

import pytest
from harness import APIKEYCTL
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import check_digits, digest, fingerprint, insert_key, mint, mistyped
from harness.process import patience, wait_for

DONE, NOT_DONE, USAGE, NO_DATABASE = range(4)
COMMANDS = ["init", "create", "list", "show", "revoke", "check"]
UTC = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(scope="module")
def shared(module_database, scratch):
    """apikeyctl on the file's database, for tests that leave nothing behind."""
    return ApikeyCtl(module_database, scratch.folder("ctl"))


@pytest.fixture
def empty(mariadb, scratch):
    """apikeyctl on a database without tables, as (ctl, database)."""
    made = mariadb.create_database(schema=False)
    yield ApikeyCtl(made, scratch.folder("ctl")), made
    made.drop()


@pytest.fixture
def pepper(scratch):
    """pepper(octets, mode) writes a pepper file and returns its path."""
    folder = scratch.folder("pepper")

    def make(octets=b"p" * 32, mode=0o600):
        path = folder / f"pepper{len(list(folder.iterdir()))}"
        path.write_bytes(octets)
        path.chmod(mode)
        return path

    return make


def bare(*args, input="", home="/nonexistent", **options):
    """apikeyctl with no connection options but those given."""
    return subprocess.run(
        [APIKEYCTL, *map(str, args)], input=input, capture_output=True, text=True, timeout=patience(60),
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(home)}, start_new_session=True, **options,
    )  # fmt: skip


def rows(database, what="*", table="api_keys"):
    return database.sql(f"SELECT {what} FROM {table}")


# -- create ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, letter", [("user", "u"), ("team", "t")])
def test_create(ctl, database, kind, letter):
    what = ["--description", "nightly \U0001f511", "--scopes", "a orders:*"]
    done = ctl.run("create", f"--{kind}", "jos\u00e9 <x>", *what)
    assert (done.returncode, done.stderr) == (DONE, "")
    key = re.search(r"^\S+$", done.stdout, re.M).group()
    assert re.fullmatch(rf"ak_{letter}_[0-9A-Za-z]{{38}}", key) and check_digits(key[:-6]) == key[-6:]
    [row] = rows(database)
    assert [row[name] for name in ("owner_type", "owner_id", "description", "scopes", "last_four", "expires_at")] == [
        kind, "jos\u00e9 <x>", "nightly \U0001f511", "a orders:*", key[-4:], None,
    ]  # fmt: skip
    [secret] = rows(database, "LOWER(HEX(digest)) AS digest, key_id, pepper, last_four, expires_at", "api_key_secrets")
    assert list(secret.values()) == [digest(key).hex(), row["id"], None, key[-4:], None]


def test_quiet_prints_the_secret_alone(ctl, database):
    done = ctl.run("create", "--user", "alice", "--quiet")
    assert re.fullmatch(r"ak_u_[0-9A-Za-z]{38}\n", done.stdout) and done.stderr == ""
    assert rows(database, "last_four") == [{"last_four": done.stdout[-5:-1]}]


def test_create_as_json(ctl):
    made = json.loads(ctl.ok("create", "--team", "bl\u00fce", "--json"))
    assert made["api_key"].startswith("ak_t_")
    assert {name: made[name] for name in ("id", "owner_type", "owner_id")} == {
        "id": "1", "owner_type": "team", "owner_id": "bl\u00fce",
    }  # fmt: skip


def test_values_as_long_as_they_may_be(ctl, database):
    owner, description, scopes = "\U0001f511" * 255, "\u00e9" * 255, "s" * 1000
    number, key = ctl.create(user=owner, description=description, scopes=scopes)
    assert list(rows(database, "owner_id, description, scopes")[0].values()) == [owner, description, scopes]
    shown = json.loads(ctl.ok("show", number, "--json"))
    assert (shown["owner_id"], shown["description"], shown["scopes"]) == (owner, description, [scopes])
    assert json.loads(ctl.ok("check", "--json", input=key))["owner_id"] == owner


@pytest.mark.parametrize(
    "text, stored",
    [
        ("never", None),
        ("2099-01-31", "2099-01-31 00:00:00.000"),
        ("2099-01-31T12:00:00Z", "2099-01-31 12:00:00.000"),
        ("2099-01-31 12:00:00.123", "2099-01-31 12:00:00.123"),
        ("2099-01-31T12:00:00+02:00", "2099-01-31 10:00:00.000"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31 23:59:59.999"),
    ],
)
def test_expiry(ctl, database, text, stored):
    number, _ = ctl.create(user="alice", expires=text)
    assert rows(database, "expires_at") == [{"expires_at": stored}]
    shown = json.loads(ctl.ok("show", number, "--json"))["expires_at"]
    assert shown == (stored and stored.replace(" ", "T") + "Z")


@pytest.mark.parametrize("text, hours", [("90d", 90 * 24), ("12h", 12), ("2w", 14 * 24)])
def test_expiry_from_now(ctl, database, text, hours):
    ctl.create(user="alice", expires=text)
    off = f"ABS(TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), expires_at) - {hours * 3600}) < 60 AS near"
    assert rows(database, off) == [{"near": "1"}]


def test_an_expiry_in_the_past_is_taken(ctl):
    _, key = ctl.create(user="alice", expires="2000-01-01")
    assert ctl.run("check", input=key).stdout.startswith("expired")


BAD_CREATE = [  # (arguments, what the message says)
    ([], r"--user U or --team T"),
    (["--user", "a", "--team", "b"], r"--user and --team"),
    (["--user", ""], r"owner id is empty"),
    (["--user", " alice"], r"owner id begins or ends with a space"),
    (["--user", "alice "], r"owner id begins or ends with a space"),
    (["--user", "alice\n"], r"owner id contains a control character"),
    (["--user", "al\x9bice"], r"owner id contains a control character"),
    (["--user", "team:blue"], r"user id must not begin with team:"),
    (["--user", "x" * 256], r"owner id is longer than 255 characters"),
    (["--user", "x" * 5000], r"owner id is longer than 255 characters"),
    (["--user", b"al\xffice"], r"owner id is not UTF-8"),
    (["--user", "a", "--description", "x" * 256], r"description is longer than 255 characters"),
    (["--user", "a", "--description", b"\xff"], r"description is not UTF-8"),
    (["--user", "a", "--scopes", "*"], r"no bare \*"),
    (["--user", "a", "--scopes", "a  b"], r"one space between"),
    (["--user", "a", "--scopes", 'a"b'], r"without quote"),
    (["--user", "a", "--scopes", "a\\b"], r"without quote and backslash"),
    (["--user", "a", "--scopes", "caf\u00e9"], r"printable ASCII"),
    (["--user", "a", "--scopes", "s" * 1001], r"scopes are longer than 1000 bytes"),
    (["--user", "a", "--expires", "soon"], r"--expires takes .* not 'soon'"),
    (["--user", "a", "--expires", "90"], r"--expires takes .* not '90'"),
    (["--user", "a", "--expires", "2023-02-30"], r"--expires takes"),
    (["--user", "a", "--prefix", "A"], r"prefix is 2 to 20 of a-z and 0-9"),
    (["--user", "a", "--prefix", "x" * 21], r"prefix is 2 to 20 of a-z and 0-9"),
    (["--user", "a", "--pepper", "/nowhere"], r"cannot open pepper file /nowhere: No such file"),
    (["--user", "a", "--pepper", "/etc/passwd"], r"pepper file /etc/passwd .* chmod 600"),
    (["--user", "a", "--status", "valid"], r"create takes no --status; see apikeyctl create --help"),
    (["--user", "a", "--nonsense"], r"invalid option: --nonsense\nsee apikeyctl create --help"),
    (["--user"], r"missing argument: --user"),
    (["alice"], r"usage: apikeyctl create"),
]


@pytest.mark.parametrize("args, message", BAD_CREATE, ids=[str(args)[:40] for args, _ in BAD_CREATE])
def test_create_refuses(shared, module_database, args, message):
    options = [f"--defaults-file={shared.defaults_file}", *args]
    done = subprocess.run([APIKEYCTL, "create", *options], capture_output=True, timeout=patience(60))
    assert (done.returncode, done.stdout) == (USAGE, b"")
    assert re.search(rf"^apikeyctl( create)?: .*{message}", done.stderr.decode(errors="replace"))
    assert rows(module_database) == rows(module_database, table="api_key_secrets") == []


def test_a_key_that_cannot_be_shown_is_not_reported_as_done(ctl):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [APIKEYCTL, "create", f"--defaults-file={ctl.defaults_file}", "--user", "alice", "--quiet"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=patience(60),
        )  # fmt: skip
    assert done.returncode == NOT_DONE and "standard output" in done.stderr


def test_secrets_stay_out_of_every_log(ctl, database, mariadb, pepper):
    """The server's general log sees every statement with its arguments."""
    mariadb.sql("TRUNCATE mysql.general_log; SET GLOBAL log_output = 'TABLE', general_log = 1")
    try:
        ctl.ok("init", "--pepper", pepper())
        peppered = ctl.ok("create", "--user", "alice", "--quiet", "--pepper", pepper()).strip()
        ctl.run("check", "--pepper", pepper(), input=peppered)
    finally:
        mariadb.sql("SET GLOBAL general_log = 0, log_output = 'FILE'")
    logged = [row["argument"] or "" for row in mariadb.sql("SELECT argument FROM mysql.general_log")]
    assert any("INSERT INTO api_key_secrets" in text for text in logged)
    assert not any(peppered[5:-6] in text or "p" * 32 in text for text in logged)
    for table in ("api_keys", "api_key_secrets", "api_key_settings"):
        assert peppered[5:-6] not in str(rows(database, table=table))


# -- prefix and pepper -----------------------------------------------------------------------------------------


def test_init_makes_the_tables_and_again_changes_nothing(empty):
    ctl, database = empty
    assert ctl.run("list").returncode == NO_DATABASE
    ctl.ok("init")
    settings = rows(database, table="api_key_settings ORDER BY name")
    number, _ = ctl.create(user="alice")
    ctl.ok("init")
    assert rows(database, table="api_key_settings ORDER BY name") == settings
    assert rows(database, "id") == [{"id": number}]


def test_the_recorded_prefix_mints(empty):
    ctl, _ = empty
    ctl.ok("init", "--prefix", "acme")
    assert ctl.create(user="alice")[1].startswith("acme_u_")
    assert ctl.ok("create", "--user", "alice", "--quiet", "--prefix", "other").startswith("other_u_")
    ctl.ok("init")
    assert ctl.create(user="alice")[1].startswith("acme_u_")
    refused = ctl.run("init", "--prefix", "A!")
    assert refused.returncode == USAGE and "--prefix takes 2 to 20" in refused.stderr


def test_only_the_recorded_pepper_mints(ctl, database, pepper):
    ours, other = pepper(b"a" * 32), pepper(b"b" * 32)
    refused = ctl.run("create", "--user", "alice", "--pepper", ours)
    assert refused.returncode == USAGE and "record a new one with apikeyctl init --pepper" in refused.stderr
    ctl.ok("init", "--pepper", ours)
    assert rows(database, "value", "api_key_settings WHERE name = 'pepper'") == [{"value": fingerprint(b"a" * 32)}]
    for options, message in [([], "give its file with --pepper"), (["--pepper", other], "the one recorded")]:
        refused = ctl.run("create", "--user", "alice", *options)
        assert refused.returncode == USAGE and message in refused.stderr
    assert rows(database) == []
    key = ctl.ok("create", "--user", "alice", "--quiet", "--pepper", ours).strip()
    [secret] = rows(database, "LOWER(HEX(digest)) AS digest, pepper", "api_key_secrets")
    assert list(secret.values()) == [digest(key, b"a" * 32).hex(), fingerprint(b"a" * 32)]


def test_tables_of_another_version_are_left_alone(ctl, database):
    database.sql("UPDATE api_key_settings SET value = '99' WHERE name = 'schema_version'; DROP VIEW api_key_list")
    refused = ctl.run("init", "--prefix", "acme")
    assert refused.returncode == NO_DATABASE and "schema version 99" in refused.stderr
    assert database.sql("SHOW TABLES LIKE 'api_key_list'") == []
    assert rows(database, "value", "api_key_settings WHERE name = 'prefix'") == [{"value": "ak"}]


# -- list and show ---------------------------------------------------------------------------------------------


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


# -- revoke ----------------------------------------------------------------------------------------------------


def test_revoke(ctl, database):
    (one, key), (two, _), (three, _) = (ctl.create(user="alice") for _ in range(3))
    assert ctl.ok("revoke", one, two).splitlines() == [f"Key {one} is revoked.", f"Key {two} is revoked."]
    assert ctl.run("check", input=key).returncode == NOT_DONE
    shown = json.loads(ctl.ok("show", one, "--json"))
    assert shown["status"] == "revoked" and re.fullmatch(UTC, shown["revoked_at"])
    assert shown["revoked_by"] == "apikey@localhost"
    assert listed(ctl, "--status", "valid") == [three]


def test_the_first_revocation_stays(ctl, database):
    number, _ = insert_key(database, "user", "alice", revoked_at="2024-01-02 03:04:05.678")
    assert ctl.ok("revoke", number) == f"Key {number} was revoked before.\n"
    assert rows(database, "revoked_at") == [{"revoked_at": "2024-01-02 03:04:05.678"}]


def test_revoking_goes_on_after_a_key_that_is_not_there(ctl):
    number, _ = ctl.create(user="alice")
    done = ctl.run("revoke", "99", number)
    assert done.returncode == NOT_DONE and "there is no key 99" in done.stderr
    assert listed(ctl, "--status", "revoked") == [number]


def test_revoking_does_not_begin_with_a_line_it_cannot_read(ctl):
    number, _ = ctl.create(user="alice")
    done = ctl.run("revoke", number, "x")
    assert done.returncode == USAGE and "nothing was revoked" in done.stderr
    assert listed(ctl, "--status", "valid") == [number]


# -- check -----------------------------------------------------------------------------------------------------


def test_check_says_what_a_key_is_worth(ctl, database):
    def insert(*args, **options):
        return insert_key(database, *args, **options)[1]

    good = insert("user", "alice", "a b", expires_at="2099-01-31")
    cases = [
        (good, DONE, {"status": "valid", "id": "1", "owner_type": "user", "owner_id": "alice", "scopes": "a b",
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
    assert ctl.run("check", *["--pepper", new] * 4, input=plain).returncode == USAGE


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


# -- help and the connection -----------------------------------------------------------------------------------


def test_help():
    for asked in (["--help"], ["help"]):
        done = bare(*asked)
        assert done.returncode == DONE and all(f"\n  {name} " in done.stdout for name in COMMANDS)
    for name in COMMANDS:
        done = bare(name, "--help")
        assert done.returncode == DONE and done.stdout.startswith(f"usage: apikeyctl {name}")
    assert bare().returncode == USAGE


def test_home_option_file(database, scratch):
    home = scratch.folder("home")
    database.server.write_defaults_file(home / ".my.cnf", database.name)
    assert bare("list", home=home).returncode == DONE


def test_own_group_of_the_option_file(database, scratch):
    file = scratch.folder("cnf") / "options.cnf"
    database.server.write_defaults_file(file, "nowhere")
    file.write_text(file.read_text() + f"[apikeyctl]\ndatabase={database.name}\n")
    assert bare("list", "--defaults-file", file).returncode == DONE


@pytest.mark.parametrize("way", ["sock={0.socket}", "host=127.0.0.1 port={0.port}", "host=127.0.0.1,port={0.port};"])
def test_dsn(database, scratch, way):
    """Host and all by --dsn, the password by option file."""
    server, home = database.server, scratch.folder("home")
    (home / ".my.cnf").write_text(f"[client]\npassword={server.password}\n")
    dsn = f"{way.format(server)} user={server.user} dbname={database.name}"
    assert bare("list", "--dsn", dsn, home=home).returncode == DONE


@pytest.mark.parametrize(
    "dsn, message",
    [
        ("sock=/x user=u pass=hunter2 dbname=d", "--dsn takes no password"),
        ("password=hunter2", "--dsn takes no password"),
        ("host", "'host' is not of the form name=value"),
        ("port=x", "'port' is not one of"),
        ("port=65536", "'port' is not one of"),
        ("nonsense=1", "'nonsense' is not one of host, port, sock, user"),
    ],
)
def test_bad_dsn(dsn, message):
    done = bare("list", "--dsn", dsn)
    assert done.returncode == USAGE and message in done.stderr
    assert "hunter2" not in done.stderr


def test_databases_that_cannot_be_used(database, empty, scratch):
    server, cnf = database.server, scratch.folder("cnf")
    login = f"[client]\nsocket={server.socket}\nuser={server.user}\npassword={server.password}\n"
    cases = [
        (login.replace(str(server.socket), "/nowhere/sql.sock"), r"cannot connect .*nowhere"),
        (login.replace(server.password, "wrong"), r"cannot connect .*denied.*; check user and password"),
        (login + "database=nowhere\n", r"Unknown database 'nowhere'.*; create the database"),
        (login, r"No database selected.*; name the database"),
        (login + f"database={empty[1].name}\n", r"doesn't exist.*run apikeyctl init"),
    ]
    for number, (text, message) in enumerate(cases):
        file = cnf / f"{number}.cnf"
        file.write_text(text)
        done = bare("list", "--defaults-file", file)
        assert done.returncode == NO_DATABASE, done.stderr
        assert re.match(f"apikeyctl: .*{message}", done.stderr)
        assert server.password not in done.stderr
    missing = bare("list", "--defaults-file", "/nowhere.cnf")
    assert missing.returncode == USAGE and "cannot read --defaults-file /nowhere.cnf" in missing.stderr


def on_terminal(args, typed, input, home):
    """apikeyctl on a terminal of its own, standard input and output elsewhere: (exit status, stdout, the screen)."""
    master, slave = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        [APIKEYCTL, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=slave, text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)}, preexec_fn=take_terminal, pass_fds=[slave],
    ) as process:  # fmt: skip
        os.close(slave)
        process.stdin.write(input)
        process.stdin.close()
        screen = b""
        while b"Password: " not in screen:
            screen += os.read(master, 1000)
        os.write(master, typed.encode() + b"\n")
        output = process.stdout.read()
        try:
            while more := os.read(master, 1000):
                screen += more
        except OSError:  # nobody has the terminal open any more
            pass
    os.close(master)
    return process.returncode, output, screen.decode()


def test_the_password_is_asked_on_the_terminal(database, scratch):
    """Not on standard input, from where `check` reads the key."""
    server = database.server
    dsn = f"sock={server.socket} user={server.user} dbname={database.name}"
    _, key = insert_key(database, "user", "alice")
    home = scratch.folder("home")
    code, output, screen = on_terminal(["check", "--dsn", dsn], server.password, key, home)
    assert (code, output[:5]) == (DONE, "valid")
    assert server.password not in screen
    code, output, screen = on_terminal(["check", "--dsn", dsn], "wrong", key, home)
    assert (code, output) == (NO_DATABASE, "") and "denied" in screen


def test_no_password_is_read_from_standard_input(database):
    server = database.server
    dsn = f"sock={server.socket} user={server.user} dbname={database.name}"
    done = bare("check", "--dsn", dsn, input=f"{server.password}\n{mint()}\n")
    assert (done.returncode, done.stdout) == (NO_DATABASE, "")
    assert "Password" not in done.stderr and "denied" in done.stderr
