# SPDX-License-Identifier: Apache-2.0
"""apikeyctl init, create, update, revoke, rotate; prefix and pepper."""

import json
import re
import subprocess

import pytest
from administering import DONE, NO_DATABASE, NOT_DONE, USAGE, UTC, rows
from harness import APIKEYCTL
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import check_digits, digest, fingerprint, insert_key
from harness.process import patience, wait_for


@pytest.fixture(scope="module")
def shared(module_database, scratch):
    """apikeyctl on the file's database, for tests that leave nothing behind."""
    return ApikeyCtl(module_database, scratch.folder("ctl"))


# -- create -----------------------------------------------------------------------------------------------------


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


# -- prefix and pepper ------------------------------------------------------------------------------------------


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


# -- revoke -----------------------------------------------------------------------------------------------------


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
