# SPDX-License-Identifier: Apache-2.0
"""The ten tasks of README.md, Administering: each by command and by SQL as it stands there, with the same result; and
that servers obey what is done at a mysql prompt."""

import os
import re
import subprocess
import time

from harness import APIKEYCTL, ROOT
from harness.apikeyctl import ApikeyCtl
from harness.process import wait_for

PAGE = re.search(r"(?s)\n## Administering\n(.*?)\n## ", (ROOT / "README.md").read_text())[1]
TASKS = re.findall(r"(?m)^\| (?!to \|)([^|]+?) \| ([^|]+?) \| ([^|]+?) \|$", PAGE)
CSV = "digest,owner_type,owner_id\n75bb493a25cdaf6de0a0069b5540f8af4cc2127f7de09a7ae02f0019b3552ff8,user,bob\n"


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


def test_every_server_takes_what_sql_makes_and_ends_it_to_the_millisecond(ctl, database, make_httpd):
    place = """
    ApiKeyTimeout 10s
    <Location "/">
        AuthType Bearer
        Require apikey-user alice
        Header always set X-Scopes "%{APIKEY_SCOPES}e"
    </Location>
    """
    servers = [make_httpd(place, dbd=database.dbd_params()) for _ in range(2)]
    for httpd in servers:
        httpd.expect("AK000[23]: API key (expired|revoked)")

    def answers(key):
        seen = [httpd.get("/", key) for httpd in servers]
        return [(answer.status, answer.header("X-Scopes")) for answer in seen]

    lets_in = [(200, "a b")] * 2
    made = database.sql("CALL api_key_create('user', 'alice', '', 'a b', '2099-01-31')")[0]
    number, first = made["id"], made["api_key"]
    assert answers(first) == lets_in and ctl.ok("check", input=first).startswith(f"valid: key {number} of user alice")

    second = database.sql(f"CALL api_key_rotate({number}, 3)")[0]["api_key"]
    assert answers(second) == lets_in and ctl.ok("check", input=second).startswith("valid")
    ends = float(database.value(
        "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', expires_at) / 1e6 FROM api_key_secrets WHERE expires_at IS NOT NULL"
    ))  # fmt: skip
    for httpd in servers:
        status = 200
        while status == 200:
            before = time.time()
            status = httpd.get("/", first).status
            after = time.time()
            assert before < ends + 0.001 if status == 200 else after > ends
        assert status == 401
    assert answers(second) == lets_in

    third = database.sql(f"CALL api_key_rotate({number}, 0)")[0]["api_key"]
    wait_for(lambda: [status for status, _ in answers(second)] == [401] * 2)
    assert answers(third) == lets_in
    database.sql(f"CALL api_key_revoke({number})")
    wait_for(lambda: [status for status, _ in answers(third)] == [401] * 2)
    assert ctl.run("check", input=third).stdout.startswith(f"revoked: key {number}")
