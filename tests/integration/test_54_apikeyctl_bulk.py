# SPDX-License-Identifier: Apache-2.0
"""apikeyctl import and prune: many keys at once."""

import base64
import csv
import hashlib
import io
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from administering import DONE, NOT_DONE, USAGE, on_terminal, peak_memory, rows
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import insert_key, mint

HEADER = "digest,owner_type,owner_id,description,scopes,expires_at,is_public\n"


@pytest.fixture(scope="module")
def shared(module_database, scratch):
    """apikeyctl on the file's database, for tests that leave nothing behind."""
    return ApikeyCtl(module_database, scratch.folder("ctl"))


@pytest.fixture
def write(scratch):
    """write(text or bytes) writes a file and returns its path."""
    folder = scratch.folder("csv")

    def make(content, name="keys.csv"):
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def sha256(key):
    return hashlib.sha256(key.encode()).hexdigest()


def line(key, owner="alice", kind="user", *more):
    return ",".join([sha256(key), kind, owner, *(more or ("", "", "", ""))]) + "\n"


# -- import ----------------------------------------------------------------------------------------------------


def test_import(ctl, database, write, make_httpd):
    """What was exported from elsewhere is stored, on record, and works."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)  # quotes and ends its lines as RFC 4180 has it
    writer.writerow(["owner_id", "owner_type", "digest", "scopes", "description", "expires_at", "is_public"])
    writer.writerow(["jos\u00e9, the first", "user", sha256("old-key-1"), "a orders:*", 'says "hi"\nand bye', "", 1])
    in_base64 = base64.b64encode(hashlib.sha256(b"old-key-2").digest()).decode()
    writer.writerow(["blue", "team", "{SHA256}" + in_base64, "", "", "2099-01-31", 0])
    done = ctl.run("import", write("\ufeff" + out.getvalue()))
    assert (done.returncode, done.stderr) == (DONE, "")
    assert done.stdout == "2 good lines, 0 bad ones. 2 keys imported, 0 were there already.\n"
    one, two = rows(database, "*", "api_keys ORDER BY id")
    assert [one[name] for name in ("owner_type", "owner_id", "scopes", "is_public", "expires_at", "last_four")] == [
        "user", "jos\u00e9, the first", "a orders:*", "1", None, "",
    ]  # fmt: skip
    assert (two["owner_type"], two["owner_id"], two["expires_at"]) == ("team", "blue", "2099-01-31 00:00:00.000")
    assert [event["what"] for event in json.loads(ctl.ok("events", "--json"))["items"]] == ["imported", "imported"]
    httpd = make_httpd('ApiKeyForeign On\n<Location "/">\nAuthType Bearer\nRequire apikey\n</Location>',
                       dbd=database.dbd_params())  # fmt: skip
    assert [httpd.get("/", key).status for key in ("old-key-1", "old-key-2")] == [200, 200]


def test_importing_again_changes_nothing(ctl, database, write):
    path = write(HEADER + line("one") + line("two"))
    ctl.ok("import", path)
    before = rows(database), rows(database, table="api_key_events")
    assert json.loads(ctl.ok("import", "--json", path)) == {"good": 2, "bad": 0, "imported": 0, "present": 2}
    assert (rows(database), rows(database, table="api_key_events")) == before
    path = write(HEADER + line("one", "bob") + line("three") + line("three", "bob"))
    assert json.loads(ctl.ok("import", "--json", path)) == {"good": 3, "bad": 0, "imported": 1, "present": 2}
    assert [row["owner_id"] for row in rows(database)] == ["alice"] * 3


BAD = HEADER + line("one") + line("two", kind="group") + "\nx,user,alice,,,,\n" + line("three") + 'a"b\n'


def test_bad_lines_are_reported_and_good_ones_kept(ctl, database, write):
    path = write(BAD)
    done = ctl.run("import", path)
    assert done.returncode == NOT_DONE
    assert done.stderr.splitlines() == [
        f"apikeyctl: {path}, line 3: owner_type is user or team",
        f"apikeyctl: {path}, line 5: the digest is not SHA-256: 64 hexadecimal digits, or base64 of 32 bytes",
        f"apikeyctl: {path}, line 7: a quote inside a field that is not quoted",
    ]
    assert done.stdout == "2 good lines, 3 bad ones. 2 keys imported, 0 were there already.\n"
    assert {row["digest"] for row in rows(database, "LOWER(HEX(digest)) AS digest", "api_key_secrets")} == {
        sha256("one"), sha256("three"),
    }  # fmt: skip
    again = ctl.run("import", "--json", path)
    assert (again.returncode, json.loads(again.stdout)) == (NOT_DONE, {"good": 2, "bad": 3, "imported": 0, "present": 2})


@pytest.mark.parametrize("options", [[], ["--all-or-nothing"]])
def test_dry_run(shared, module_database, write, options):
    done = shared.run("import", "--dry-run", *options, write(BAD))
    assert done.returncode == NOT_DONE and len(done.stderr.splitlines()) == 3
    assert done.stdout == "2 good lines, 3 bad ones. Nothing was imported.\n"
    assert shared.ok("import", "--dry-run", *options, write(HEADER + line("x"))) == (
        "1 good lines, 0 bad ones. Nothing was imported.\n"
    )
    assert rows(module_database) == []


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "is empty: the first line names the columns"),
        ("\ufeff", "is empty"),
        ("digest;owner_type;owner_id\n", "line 1: the first line names the columns, with commas between"),
        ("digest,owner_type,owner_id,comment\n", "line 1: the first line names the columns"),
        ("digest,owner_type\n", "line 1: there is no column owner_id"),
        ("\n\nowner_id,owner_type\n", "line 3: there is no column digest"),
        ("digest,digest,owner_type,owner_id\n", "line 1: the column digest is there twice"),
        ('"digest', "line 1: a quoted field does not end"),
    ],
)
def test_files_without_columns(shared, write, content, message):
    done = shared.run("import", write(content))
    assert (done.returncode, done.stdout) == (USAGE, "") and message in done.stderr


def test_files_that_cannot_be_read(shared, scratch):
    for path, message in [("/nowhere", "cannot read /nowhere: No such file"), (scratch.folder("csv"), "cannot read")]:
        done = shared.run("import", path)
        assert done.returncode in (USAGE, NOT_DONE) and message in done.stderr and done.stdout == ""


def test_no_digest_is_repeated(shared, write):
    """What stands in the wrong place may be a key."""
    secrets = [mint() for _ in range(40)]  # some of them would do as base64
    lines = "".join(f"{text},user,alice,,,,\n" for text in [*secrets, "hunter2"])
    done = shared.run("import", write(HEADER + lines))
    assert done.stdout == "0 good lines, 41 bad ones. 0 keys imported, 0 were there already.\n"
    assert done.stderr.count("the digest is a key itself") == 40
    assert not any(text in done.stderr for text in [*secrets, "hunter2"])


def test_import_from_a_pipe(ctl, database, write):
    done = ctl.run("import", "-", input=HEADER + line("one") + "bad\n")
    assert done.returncode == NOT_DONE and "standard input, line 3: 1 fields instead of 7" in done.stderr
    assert done.stdout.endswith("1 keys imported, 0 were there already.\n") and len(rows(database)) == 1
    fifo = write("").with_name("fifo")
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", f"cat > {fifo}"], stdin=subprocess.PIPE, text=True) as writer:
        writer.stdin.write(HEADER + line("two"))
        writer.stdin.close()
        assert "1 keys imported" in ctl.ok("import", fifo)


def many(count, bad=()):
    return HEADER + "".join(line(f"key {n}", f"user{n % 7}") if n not in bad else "bad\n" for n in range(count))


def test_more_than_a_batch(ctl, database, write):
    assert ctl.ok("import", write(many(2500))).endswith("2500 keys imported, 0 were there already.\n")
    assert database.value("SELECT COUNT(*) FROM api_key_secrets") == "2500"
    done = ctl.run("import", write(many(3500, bad={5, 2600, 3499})))
    assert (done.returncode, done.stdout) == (
        NOT_DONE, "3497 good lines, 3 bad ones. 998 keys imported, 2499 were there already.\n",
    )  # fmt: skip
    assert [int(number) for number in re.findall(r"line (\d+): ", done.stderr)] == [7, 2602, 3501]
    assert database.value("SELECT COUNT(*) FROM api_key_secrets") == "3498"


def test_an_import_that_broke_off_is_gone_on_with(ctl, database, write):
    """Whole batches are kept; the same file brings the rest."""
    database.sql("DELIMITER //\nCREATE TRIGGER stop BEFORE INSERT ON api_keys FOR EACH ROW"
                 " IF NEW.owner_id = 'stop' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'stopped'; END IF//")
    path = write(many(1200) + line("stops", "stop"))
    done = ctl.run("import", path)
    assert (done.returncode, done.stdout) == (NOT_DONE, "") and "stopped" in done.stderr
    assert "1000 keys were imported. Import the file again to go on" in done.stderr
    assert database.value("SELECT COUNT(*) FROM api_keys") == "1000"
    done = ctl.run("import", "--all-or-nothing", path)
    assert done.returncode == NOT_DONE and "nothing was imported: stopped" in done.stderr
    assert database.value("SELECT COUNT(*) FROM api_keys") == "1000"
    database.sql("DROP TRIGGER stop")
    assert ctl.ok("import", path).endswith("201 keys imported, 1000 were there already.\n")


def test_all_or_nothing(ctl, database, write):
    assert ctl.ok("import", "--all-or-nothing", write(many(2500))).endswith("2500 keys imported, 0 were there already.\n")
    assert database.value("SELECT COUNT(*) FROM api_key_secrets") == "2500"
    before = rows(database, "COUNT(*), MAX(id)", "api_key_events")
    done = ctl.run("import", "--all-or-nothing", write(many(5000, bad={4001, 4600})))
    assert (done.returncode, done.stdout) == (NOT_DONE, "4998 good lines, 2 bad ones. Nothing was imported.\n")
    assert [int(number) for number in re.findall(r"line (\d+): ", done.stderr)] == [4003, 4602]
    assert database.value("SELECT COUNT(*) FROM api_keys") == "2500"
    assert rows(database, "COUNT(*), MAX(id)", "api_key_events") == before


def test_import_takes_no_memory(ctl, write):
    """Lines are kept a batch at a time."""

    def peak(path):
        return peak_memory(["import", f"--defaults-file={ctl.defaults_file}", "--dry-run", path])

    text = "".join(line(f"key {n}", "alice", "user", "x" * 200, "", "", "") for n in range(1000))
    small = peak(write(HEADER + text, "small"))
    assert peak(write(HEADER + text * 30, "large")) < small + 3000  # KiB, of 9 MB


def test_progress_is_for_terminals(ctl, write):
    path = write(many(3000))
    args = ["import", path, f"--defaults-file={ctl.defaults_file}"]
    code, out, screen = on_terminal([*args, "--dry-run"], stdout=subprocess.PIPE)
    assert (code, out) == (DONE, "3000 good lines, 0 bad ones. Nothing was imported.\n")
    assert screen.startswith("\rChecking ") and screen.endswith("\r\x1b[K")
    code, out, screen = on_terminal(args, stdout=subprocess.PIPE)
    assert code == DONE and "\rImporting " in screen and screen.endswith("\r\x1b[K")
    assert ctl.run("import", path).stderr == ""


# -- prune -----------------------------------------------------------------------------------------------------

DAY = 86400


def test_prune(ctl, database, scratch):
    ages = {"revoked_at": [-100, -91, -89, 0], "expires_at": [-100, -91, -89, 10]}
    numbers = {(what, days): insert_key(database, "user", "alice", **{what: days * DAY})[0]
               for what, list_of_days in ages.items() for days in list_of_days}  # fmt: skip
    insert_key(database, "user", "alice")
    database.sql("INSERT INTO api_key_usage SELECT id, UTC_TIMESTAMP(3), '', 1 FROM api_keys")
    assert ctl.ok("prune", "--dry-run") == "4 keys would be deleted.\n"
    assert json.loads(ctl.ok("prune", "--dry-run", "--older-than", "1d", "--json")) == {"keys": 6, "deleted": False}
    assert database.value("SELECT COUNT(*) FROM api_keys") == "9"
    assert ctl.ok("prune") == "4 keys were deleted.\n"
    gone = {str(numbers[what, days]) for what in ages for days in (-100, -91)}
    for table, column in [("api_keys", "id"), ("api_key_secrets", "key_id"), ("api_key_usage", "key_id")]:
        assert not gone & {row[column] for row in rows(database, column, table)}
        assert database.value(f"SELECT COUNT(*) FROM {table}") == "5"
    told = [(event["what"], event["key_id"]) for event in json.loads(ctl.ok("events", "--json", "--limit", 4))["items"]]
    assert sorted(told) == sorted(("pruned", number) for number in gone)
    assert json.loads(ctl.ok("prune", "--older-than", "30d", "--json")) == {"keys": 2, "deleted": True}
    assert ctl.ok("prune", "--older-than", "1w") == "0 keys were deleted.\n"


def test_prune_in_batches(ctl, database):
    database.sql("INSERT INTO api_keys (owner_type, owner_id, revoked_at)"
                 " SELECT 'user', 'alice', '2020-01-01' FROM seq_1_to_2500")
    insert_key(database, "user", "alice")
    before = database.server.status("Com_commit")
    assert ctl.ok("prune", "--dry-run") == "2500 keys would be deleted.\n"
    assert ctl.ok("prune") == "2500 keys were deleted.\n"
    assert database.server.status("Com_commit") - before >= 3
    assert database.value("SELECT COUNT(*) FROM api_keys") == "1"


@pytest.mark.parametrize("span, why", [("90", "no unit"), ("3m", "minutes or months"), ("never", "write 90d"), ("-1d", "write")])
def test_prune_refuses(shared, span, why):
    done = shared.run("prune", f"--older-than={span}")
    assert (done.returncode, done.stdout) == (USAGE, "") and f"--older-than '{span}': " in done.stderr and why in done.stderr


def test_prunes_at_once_count_each_key_once(ctl, database):
    database.sql("INSERT INTO api_keys (owner_type, owner_id, revoked_at)"
                 " SELECT 'user', 'alice', '2020-01-01' FROM seq_1_to_1500")  # fmt: skip
    with ThreadPoolExecutor(3) as pool:
        said = [json.loads(line.result()) for line in [pool.submit(ctl.ok, "prune", "--json") for _ in range(3)]]
    assert sum(one["keys"] for one in said) == 1500


@pytest.mark.parametrize("pad", [b"\0", b"x" * 17000], ids=["NUL", "long"])
def test_lines_inside_a_bad_field_are_no_keys(ctl, database, scratch, pad):
    """Whoever may write a description in the old system writes no record of his own, and hides none of others."""
    path = scratch.folder("import") / "keys.csv"
    owned = b"%s,user,%s,%s,%s\n"
    path.write_bytes(b"digest,owner_type,owner_id,description,scopes\n"
                     + owned % (b"1" * 64, b"mallory", b'"' + pad + b"\n" + owned % (b"2" * 64, b"admin", b"", b"orders:*") + b'"', b"")
                     + b"".join(owned % (b"%064d" % number, b"bob", b"", b"") for number in range(3, 503)))  # fmt: skip
    done = ctl.run("import", path)
    assert done.returncode == NOT_DONE and f"{path}, line 2: " in done.stderr
    assert database.value("SELECT GROUP_CONCAT(DISTINCT owner_id) FROM api_keys") == "bob"
    assert database.value("SELECT COUNT(*) FROM api_keys") == "500"


def test_imports_of_one_file_at_once(ctl, database, scratch):
    path = scratch.folder("import") / "keys.csv"
    path.write_text("digest,owner_type,owner_id\n" + "".join(f"{number:064d},user,bob\n" for number in range(3000)))
    with ThreadPoolExecutor(3) as pool:
        done = [line.result() for line in [pool.submit(ctl.run, "import", path, "--json") for _ in range(3)]]
    assert [(one.returncode, one.stderr) for one in done] == [(DONE, "")] * 3
    assert sum(json.loads(one.stdout)["imported"] for one in done) == 3000
    assert database.value("SELECT COUNT(*) FROM api_keys") == "3000"
