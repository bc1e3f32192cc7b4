# SPDX-License-Identifier: Apache-2.0
"""Experiments for what must hold and is no matter of a request's average cost. Each returns what it found."""

import re
import socket
import time
from pathlib import Path

from harness import keyfmt
from harness.process import wait_for
from instruments import instructions, load, present_all
from sites import BASIC, BEARER, FILE, PATIENT, THREADS, CallgrindSite, Row, bearer_row

# Nothing asks the database but requests.
QUIET = PATIENT + "ApiKeyRefresh Off\nApiKeyUsage Off\n"
BIG_CACHE = QUIET + "ApiKeyCache 256M\nApiKeyCacheTTL 1h\n"
MILLION = 1_000_000


def queries_of(lab, action):
    """How many statements the database ran because of an action."""

    def count():
        return lab.sql.status("Queries")

    first = count()
    before = count()
    action()
    return count() - before - (before - first)


def junk_queries(lab):
    """Queries that 200 junk credentials cause; a good one tells that they would be seen."""
    with lab.site([lab.rows.warm, lab.rows.junk], QUIET) as site, site.connect_to(lab.rows.junk) as connection:
        assert queries_of(lab, lambda: site.ask(lab.rows.warm)) > 0

        def junk():
            for _ in range(200):
                assert connection.request(FILE, headers=lab.rows.junk.headers).status == 401

        return queries_of(lab, junk)


def busy_workers(site):
    """Threads that have a request, this one's included, by mod_status."""
    return int(re.search(r"^BusyWorkers: (\d+)", site.get("/server-status?auto").text, re.MULTILINE)[1])


def crowd(lab, requests=1000, children=2):
    """Look-ups per child when many requests come at once with one key that nobody has asked about: they all wait
    while the table is locked."""
    row = bearer_row("crowd", lab.new_key()[1])
    site = lab.site([row], QUIET, children=children, threads=requests)
    with site, lab.db.session() as session:
        before = lab.sql.status("Com_stmt_execute")
        session.sql("LOCK TABLES api_key_secrets WRITE, api_keys WRITE")
        crowd = [site.connect_to(row) for _ in range(requests)]
        for connection in crowd:
            connection.send(FILE, headers=row.headers)
        wait_for(lambda: busy_workers(site) > requests, 30, "all of the crowd to be waiting")
        session.sql("UNLOCK TABLES")
        statuses = {connection.read_response().status for connection in crowd}
        for connection in crowd:
            connection.close()
        assert statuses == {200}, statuses
        return (lab.sql.status("Com_stmt_execute") - before) / children


def revocation(lab, keys=5):
    """The longest time after a revoking UPDATE at which one of two servers still let the key in; 10 s is for ever."""
    row = Row("any key", BEARER)
    longest = 0.0
    with lab.site([row], children=2) as one, lab.site([row], children=2) as two, lab.db.session() as session:
        connections = [site.connect_to(row) for site in (one, two) for _ in range(6)]
        for _ in range(keys):
            number, key = lab.new_key()
            assert all(connection.request(FILE, key).status == 200 for connection in connections * 2)
            begin = time.monotonic()
            session.sql(f"UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {number}")
            end = begin + 1.2
            while time.monotonic() < min(end, begin + 10):
                for connection in connections:
                    sent = time.monotonic()
                    if connection.request(FILE, key).status == 200:
                        longest, end = max(longest, sent - begin), max(end, sent + 0.2)
                time.sleep(0.002)
        for connection in connections:
            connection.close()
    return longest


def revocation_by_api(lab, keys=5):
    """How many requests were let in after the server's own API had answered that their key is revoked. The feed is
    read too seldom to have a part in it."""
    row = Row("any key", BEARER)
    manage = Row("the API", f"{BASIC}file\nSetHandler apikey-manage\nApiKeyManage Self", lab.rows.file.header)
    let_in = 0
    with lab.site([row, manage], PATIENT + "ApiKeyRefresh 1h\n", children=2) as site:
        connections = [site.connect_to(row) for _ in range(12)]
        with site.connect_to(manage) as api:
            for _ in range(keys):
                number, key = lab.new_key()
                assert all(connection.request(FILE, key).status == 200 for connection in connections * 2)
                headers = [*manage.headers, ("Content-Type", "application/json")]
                answer = api.request(f"/user-api-keys/{number}", headers=headers, method="PATCH", body='{"revoked": true}')
                assert answer.status == 200, answer.body
                let_in += sum(connection.request(FILE, key).status == 200 for connection in connections)
        for connection in connections:
            connection.close()
    return let_in


def connection_returned(lab):
    """Whether the only connection to the database is free while an application runs."""
    slow = bearer_row("slow", lab.key, auth="SetHandler bench-slow")
    config = QUIET + "ApiKeyTimeout 5s\nApiKeyCache Off\nDBDMin 1\nDBDKeep 1\nDBDMax 1\n"
    with lab.site([lab.rows.cold, slow], config) as site:
        assert site.ask(lab.rows.cold) == 200
        with socket.create_connection(("127.0.0.1", site.ports[slow]), 10) as running:
            head = f"POST / HTTP/1.1\r\nHost: bench\r\nAuthorization: {slow.header}\r\nContent-Length: 1\r\n"
            running.sendall(f"{head}Connection: close\r\n\r\n".encode())
            said = running.makefile("rb")
            assert any(line == b"running\n" for line in iter(said.readline, b"")), "the application did not run"
            free = site.ask(lab.rows.cold) == 200
            running.sendall(b"x")
            assert b"done\n" in said.read(), "the application did not end"
        return free


# -- full mode -------------------------------------------------------------------------------------------------


def numbered_key(number):
    """The key that fill() puts under a number."""
    body = f"ak_u_{number:032}"
    return body + keyfmt.check_digits(body)


def fill(db, count):
    """A table of that many keys, made by the server itself."""
    crc = "CRC32(body)"
    digits = ", ".join(f"SUBSTR('{keyfmt.ALPHABET}', {crc} DIV {62 ** n} MOD 62 + 1, 1)" for n in range(5, -1, -1))
    batch = min(count, MILLION)
    for first in range(1, count + 1, batch):
        seq = f"seq_{first}_to_{first + batch - 1}"
        db.sql(
            "SET SESSION check_constraint_checks = 0, foreign_key_checks = 0, unique_checks = 0;"
            "INSERT INTO api_keys (id, owner_type, owner_id, scopes) SELECT seq, 'user',"
            f" CONCAT('user-', LPAD(seq, 8, '0')), 'orders:read orders:write' FROM {seq};"
            "INSERT INTO api_key_secrets (digest, key_id)"
            f" SELECT UNHEX(SHA2(CONCAT(body, {digits}), 256)), seq"
            f" FROM (SELECT seq, CONCAT('ak_u_', LPAD(seq, 32, '0')) AS body FROM {seq}) AS numbered"
        )
    db.sql("ANALYZE TABLE api_keys, api_key_secrets")


def key_file(path, numbers):
    Path(path).write_text("".join(f"{numbered_key(number)}\n" for number in numbers))
    return path


def spread_over(count, wanted):
    """As many numbers, in no order that an index knows, from all over 1 to count."""
    step = next(step for step in (7_368_787, 6_700_417, 999_983) if count % step)
    return [i * step % count + 1 for i in range(wanted)]


def table_size(lab, small=10_000, large=10_000_000, rounds=7):
    """Time of a cold check with a large table as a multiple of that with a small one, in each round."""
    row = Row("any key", BEARER)
    pairs = []
    databases = [lab.sql.create_database() for _ in range(2)]
    files = []
    for db, count in zip(databases, (small, large)):
        fill(db, count)
        files.append(key_file(lab.scratch.path / f"keys-{count}", spread_over(count, min(count, 200_000))))
    sites = [lab.site([row], QUIET + "ApiKeyCache Off", dbd=db.dbd_params()) for db in databases]
    with sites[0], sites[1]:
        for site, file in zip(sites, files):
            load(site, row, 20, keys=file)  # the pages come into memory
        for _ in range(rounds):
            few, many = (load(site, row, 3, connections=1, keys=file).rate for site, file in zip(sites, files))
            pairs.append(few / many)
    return pairs


def million_cached(lab, db):
    """How many of a million keys have to be asked about a second time, with ApiKeyCache 256M."""
    row = Row("any key", BEARER)
    keys = key_file(lab.scratch.path / "keys-million", range(1, MILLION + 1))
    with lab.site([row], BIG_CACHE, dbd=db.dbd_params()) as site:
        assert present_all(site, row, keys) == 0
        before = lab.sql.status("Com_stmt_execute")
        assert present_all(site, row, keys) == 0
        return lab.sql.status("Com_stmt_execute") - before


def million_instructions(lab, db, counts, none):
    """What a warm check adds with a million keys cached, as a multiple of that with one."""
    row = Row("any key", BEARER)
    keys = lab.scratch.path / "keys-million"
    with lab.site([row], BIG_CACHE, kind=CallgrindSite, dbd=db.dbd_params(), threads=THREADS) as site:
        one = instructions(site, row, counts, [numbered_key(MILLION)])
        assert present_all(site, row, keys, connections=THREADS // 2) == 0
        all_over = [numbered_key(number) for number in spread_over(MILLION, sum(counts) + 60)]
        many = instructions(site, row, counts, all_over)
    return (many.instructions - none) / (one.instructions - none)
