# SPDX-License-Identifier: Apache-2.0
"""The ten tasks of README.md, Administering: each by command and by SQL as it stands there, with the same result."""

import os
import re
import subprocess

from harness import APIKEYCTL, ROOT
from harness.apikeyctl import ApikeyCtl

PAGE = re.search(r"(?s)\n## Administering\n(.*?)\n## ", (ROOT / "README.md").read_text())[1]
TASKS = re.findall(r"(?m)^\| (?!to \|)([^|]+?) \| ([^|]+?) \| ([^|]+?) \|$", PAGE)
CSV = "digest,owner_type,owner_id\n9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08,user,bob\n"


def code(cell):
    return re.findall(r"`([^`]+)`", cell)


def commands():
    return [text for _, cell, _ in TASKS for text in code(cell) if text.startswith("apikeyctl ")]


def statements():
    return [text for _, _, cell in TASKS for text in code(cell) if re.match(r"[A-Z]{4}", text)]


def by_command(database, folder):
    """What each command prints; `check` gets the key that the first one made."""
    ctl = ApikeyCtl(database, folder)
    (folder / "keys.csv").write_text(CSV)
    shell = f'apikeyctl() {{ "{APIKEYCTL}" "$@" --defaults-file="{ctl.defaults_file}"; }}\n'
    said, key = [], ""
    for command in commands():
        done = subprocess.run(["bash", "--norc", "-c", shell + command], input=key, capture_output=True, text=True, cwd=folder,
                              env={"PATH": os.environ["PATH"], "HOME": str(folder)})  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), (command, done)
        said.append(done.stdout)
        key = key or done.stdout.split()[-1]
    return said


def by_sql(database):
    return [database.sql(statement) for statement in statements()]


def outcome(database):
    """All that both ways must have in common."""
    return {
        "keys": database.sql("SELECT id, owner_type, owner_id, description, scopes, status FROM api_key_list ORDER BY id"),
        "secrets": database.sql("SELECT key_id, COUNT(*) AS n, COUNT(expires_at) AS ending FROM api_key_secrets GROUP BY key_id"),
        "members": database.sql("SELECT * FROM api_key_team_members"),
        "events": {(row["event"], row["key_id"], row["owner_id"])
                   for row in database.sql("SELECT event, key_id, owner_id FROM api_key_events")},
    }  # fmt: skip


def test_there_are_ten():
    assert len(TASKS) == 10
    assert all(code(command) and code(sql) for _, command, sql in TASKS)


def test_both_ways_do_the_same(mariadb, scratch):
    both = []
    for way in (lambda database: by_command(database, scratch.folder("tasks")), by_sql):
        database = mariadb.create_database()
        database.sql("ALTER TABLE api_keys AUTO_INCREMENT = 7")
        way(database)
        both.append(outcome(database))
    command, sql = both
    assert command == sql
    [alice, bob] = command["keys"]
    assert (alice["id"], alice["status"], alice["description"]) == ("7", "revoked", "for both shops")
    assert (bob["owner_id"], bob["status"]) == ("bob", "valid")
    assert {event for event, _, _ in sql["events"]} == {"created", "updated", "rotated", "revoked", "imported"}
