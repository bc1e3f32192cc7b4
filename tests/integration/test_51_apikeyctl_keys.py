# SPDX-License-Identifier: Apache-2.0
"""apikeyctl init, create, update, revoke, rotate; prefix and pepper."""

import getpass
import json
import re
import socket
import subprocess

import pytest
from administering import DONE, NO_DATABASE, NOT_DONE, USAGE, UTC, bare, listed, rows
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


def test_public_keys(ctl):
    ctl.ok("create", "--user", "alice", "--public")
    assert json.loads(ctl.ok("show", 1, "--json"))["is_public"] is True
    assert re.search(r"^public +yes$", ctl.ok("show", 1), re.M)


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
    (["--user", "a", "--expires", "soon"], r"--expires 'soon': write 90d, 12h"),
    (["--user", "a", "--expires", "90"], r"--expires '90': .* no unit"),
    (["--user", "a", "--expires", "3m"], r"--expires '3m': .*minutes or months"),
    (["--user", "a", "--expires", "1/2/2099"], r"--expires '1/2/2099': day or month first"),
    (["--user", "a", "--expires", "2023-02-30"], r"--expires '2023-02-30': there is no such day"),
    (["--user", "a", "--prefix", "A"], r"prefix is 2 to 20 of a-z and 0-9"),
    (["--user", "a", "--prefix", "x" * 21], r"prefix is 2 to 20 of a-z and 0-9"),
    (["--user", "a", "--pepper", "/nowhere"], r"cannot open pepper file /nowhere: No such file"),
    (["--user", "a", "--pepper", "/etc/passwd"], r"pepper file /etc/passwd .* chmod 600"),
    (["alice"], r"usage: apikeyctl create"),
]


@pytest.mark.parametrize("args, message", BAD_CREATE, ids=[str(args)[:40] for args, _ in BAD_CREATE])
def test_create_refuses(shared, module_database, args, message):
    options = [f"--defaults-file={shared.defaults_file}", *args]
    done = subprocess.run([APIKEYCTL, "create", *options], capture_output=True, timeout=patience(60))
    assert (done.returncode, done.stdout) == (USAGE, b"")
    assert re.search(rf"^apikeyctl( create)?: .*{message}", done.stderr.decode(errors="replace"))
    assert rows(module_database) == rows(module_database, table="api_key_secrets") == []


def test_secrets_stay_out_of_every_log(ctl, database, mariadb, pepper):
    """The server's general log sees every statement with its arguments."""
    mariadb.sql("TRUNCATE mysql.general_log; SET GLOBAL log_output = 'TABLE', general_log = 1")
    try:
        ctl.ok("init", "--pepper", pepper())
        peppered = ctl.ok("create", "--user", "alice", "--quiet", "--pepper", pepper()).strip()
        rotated = ctl.ok("rotate", 1, "--quiet", "--pepper", pepper()).strip()
        ctl.run("check", "--pepper", pepper(), input=peppered)
    finally:
        mariadb.sql("SET GLOBAL general_log = 0, log_output = 'FILE'")
    logged = [row["argument"] or "" for row in mariadb.sql("SELECT argument FROM mysql.general_log")]
    assert any("INSERT INTO api_key_secrets" in text for text in logged)
    hidden = (peppered[5:-6], rotated[5:-6], "p" * 32)
    assert not any(secret in text for secret in hidden for text in logged)
    for table in ("api_keys", "api_key_secrets", "api_key_settings", "api_key_events"):
        assert not any(secret in str(rows(database, table=table)) for secret in hidden)


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
    assert refused.returncode == USAGE and "record a new one with apikeyctl pepper use" in refused.stderr
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
    assert shown["revoked_by"] == f"apikeyctl:{getpass.getuser()}@{socket.gethostname()}"
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


# -- update -----------------------------------------------------------------------------------------------------


def test_update(ctl, database):
    number, _ = ctl.create(user="alice", description="old", scopes="a b", expires="2099-01-31")
    before = rows(database)[0]
    assert ctl.ok("update", number, "--description", "n\u00e9w \U0001f511") == f"Key {number} is changed.\n"
    assert rows(database)[0] == before | {"description": "n\u00e9w \U0001f511"}
    assert ctl.ok("update", number, "--description", "") == f"Key {number} is changed.\n"
    assert ctl.ok("update", number, "--description", "") == f"Key {number} said so before.\n"
    whats = [event["what"] for event in json.loads(ctl.ok("events", "--json"))["items"]]
    assert whats == ["updated", "updated", "created"]


@pytest.mark.parametrize(
    "args, code, message",
    [
        (["99", "--description", "x"], NOT_DONE, "there is no key 99"),
        (["1"], USAGE, "say what to change: --description TEXT"),
        (["x", "--description", "x"], USAGE, "'x' is not the id of a key"),
        (["1", "--description", "x" * 256], USAGE, "longer than 255 characters"),
        (["1", "--scopes", "x"], USAGE, "update takes no --scopes"),
    ],
)
def test_update_refuses(shared, args, code, message):
    done = shared.run("update", *args)
    assert (done.returncode, done.stdout) == (code, "") and message in done.stderr


# -- rotate -----------------------------------------------------------------------------------------------------


def secrets_of(ctl, number):
    return json.loads(ctl.ok("show", number, "--json"))["secrets"]


def test_rotate(ctl, database):
    number, old = ctl.create(team="blue", scopes="a b", description="d", expires="2099-01-31")
    before = rows(database)[0]
    done = ctl.run("rotate", number, "--grace", "48h")
    assert (done.returncode, done.stderr) == (DONE, "")
    new = re.search(r"^ak_t_[0-9A-Za-z]{38}$", done.stdout, re.M).group()
    assert check_digits(new[:-6]) == new[-6:] and new != old
    assert rows(database)[0] == before | {"last_four": new[-4:]}
    first, second = secrets_of(ctl, number)
    assert (first["last_four"], second["last_four"], second["expires_at"]) == (old[-4:], new[-4:], None)
    ends = database.value("SELECT ABS(TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), MIN(expires_at)) - 172800) < 60"
                          " FROM api_key_secrets")
    assert ends == "1"
    assert all(ctl.run("check", input=key).returncode == DONE for key in (old, new))
    assert re.search(rf"^secret +\.\.\.{old[-4:]} made {UTC}, until {UTC}, no pepper$", ctl.ok("show", number), re.M)


def test_rotate_at_once(ctl):
    number, old = ctl.create(user="alice")
    new = ctl.ok("rotate", number, "--grace", "0", "--quiet").strip()
    assert ctl.run("check", input=old).returncode == NOT_DONE
    assert ctl.ok("check", input=new).startswith("valid")
    made = json.loads(ctl.ok("rotate", number, "--json"))
    assert made["id"] == number and ctl.ok("check", input=made["api_key"]).startswith("valid")


def test_the_grace_is_a_day_unless_told(ctl, database):
    number, _ = ctl.create(user="alice")
    ctl.ok("rotate", number)
    assert database.value("SELECT ABS(TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), MIN(expires_at)) - 86400) < 60"
                          " FROM api_key_secrets") == "1"


@pytest.mark.parametrize(
    "args, code, message",
    [
        (["99"], NOT_DONE, "there is no key 99"),
        (["x"], USAGE, "'x' is not the id of a key"),
        (["1", "--grace", "31d"], USAGE, "--grace '31d': 30d is the longest"),
        (["1", "--grace", "24"], USAGE, "--grace '24': a number alone has no unit"),
        (["1", "--grace", "never"], USAGE, "--grace 'never': write 90d"),
        (["1", "--pepper", "/nowhere"], USAGE, "cannot open pepper file"),
    ],
)
def test_rotate_refuses(ctl, args, code, message):
    ctl.create(user="alice")
    done = ctl.run("rotate", *args)
    assert (done.returncode, done.stdout) == (code, "") and message in done.stderr
    assert len(secrets_of(ctl, 1)) == 1


def test_dead_keys_are_not_rotated(ctl, database):
    dead = [(insert_key(database, "user", "a", revoked_at=0)[0], "is revoked"),
            (insert_key(database, "user", "a", expires_at=-1)[0], "has expired")]  # fmt: skip
    for number, message in dead:
        done = ctl.run("rotate", number)
        assert (done.returncode, done.stdout) == (NOT_DONE, "")
        assert f"key {number} {message}: make a new key" in done.stderr


def test_five_secrets_work_at_a_time(ctl):
    number, _ = ctl.create(user="alice")
    for _ in range(4):
        ctl.ok("rotate", number, "--quiet")
    done = ctl.run("rotate", number)
    assert (done.returncode, done.stdout) == (NOT_DONE, "") and "5 secrets that still work" in done.stderr
    ctl.ok("rotate", number, "--grace", "0")
