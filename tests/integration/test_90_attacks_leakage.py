# SPDX-License-Identifier: Apache-2.0
"""Attacks on credentials: finding a key in what is left behind, or in how long an answer takes."""

import base64
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT
from harness.apps import Cgi, HttpApp
from harness.keyfmt import ALPHABET, check_digits, insert_key, mint, mistyped
from harness.process import VALGRIND, wait_for
from judged import basic

sys.path.append(str(ROOT / "tests" / "bench"))

CONFIG = """
<Location "/">
    AuthType Bearer
    Require apikey
</Location>
<Location "/own">
    ApiKeyHeader X-API-Key
</Location>
<Location "/basic">
    AuthType Basic
    AuthName keys
    AuthBasicProvider apikey
    Require valid-user
</Location>
<Location "/optional">
    ApiKeyOptional On
    Require all granted
</Location>
<Location "/scoped">
    Require apikey-scope never:given
</Location>
<Location "/slow-down">
    AuthType Bearer
    Require apikey
</Location>
"""


@pytest.fixture(scope="module")
def talkative(make_module_mariadb):
    """A database server that writes down every statement with its arguments."""
    return make_module_mariadb("--general-log=1", "--general-log-file=general.log", "--log-bin=bin")


def traces_of(secret):
    """Everything by which somebody could use it, or know it again: itself, its random part, its encodings."""
    body = secret[5:-6]
    yield from (secret, body, body[:20], body[12:])
    for user in ("", "x", "user"):
        encoded = base64.b64encode(f"{user}:{secret}".encode()).decode().rstrip("=")
        yield encoded[8:-4]
    yield secret.encode().hex()


def read_all(folder):
    """Every file below a folder."""
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()}


def assert_untraced(texts, secrets):
    looked_at = 0
    for place, octets in texts.items():
        looked_at += len(octets)
        for secret in secrets:
            for trace in traces_of(secret):
                assert trace.encode() not in octets, f"{place} has {trace[:8]}… of a key"
    assert looked_at > 1000


@pytest.fixture(scope="module")
def spied(talkative, make_module_app, make_module_httpd):
    """A server that has served every kind of key in every way, at trace8; with what it served."""
    database = talkative.create_database()
    talkative.sql("SET GLOBAL general_log = OFF")  # the test's own INSERTs hold digests, and nothing else
    secrets = {
        "valid": insert_key(database, "user", "alice")[1],
        "team": insert_key(database, "team", "blue")[1],
        "revoked": insert_key(database, "user", "alice", revoked_at="2020-01-01")[1],
        "expired": insert_key(database, "user", "alice", expires_at=-60)[1],
        "unknown": mint(),
        "mistyped": mistyped(mint()),
    }
    secrets["cut"] = mint()[:-3]
    talkative.sql("SET GLOBAL general_log = ON")
    apps = {"/cgi": make_module_app(Cgi), "/app": make_module_app(HttpApp)}
    httpd = make_module_httpd(
        CONFIG + 'LogLevel trace8\nCustomLog logs/full.log "%r %u %{APIKEY_OWNER}e %{id}^AK %q %U %f"\n',
        dbd=database.dbd_params(), mounts=apps, modules=["status", "info"],
    )  # fmt: skip
    httpd.expect(r"AK000[123]|AH0\d+")
    answers = []
    for secret in secrets.values():
        for path in ("/", "/optional/", "/scoped/", "/cgi/env", "/app/x"):
            answers.append(httpd.get(path, secret))
        for path in ("/", "/app/x"):
            answers.append(httpd.get(path, secret, method="POST", body="x=1"))
        answers.append(httpd.get("/own/", headers=[("X-API-Key", secret)]))
        answers.append(httpd.get("/basic/", headers=[basic("user", secret)]))
        answers.append(httpd.get("/basic/", headers=[basic(secret, "")]))
        answers.append(httpd.get("/basic/", headers=[basic(secret)]))
        answers.append(httpd.get("/", headers=[("Authorization", f"Bearer {secret}, Bearer {secret}")]))
        answers.append(httpd.get("/", headers=[("Authorization", f"bearer  {secret} x")]))
    log = httpd.folder / "logs" / "full.log"  # which is written behind the answer
    wait_for(lambda: log.read_bytes().count(b"\n") >= len(answers), what="all requests to be logged")
    httpd.secrets, httpd.answers, httpd.apps = secrets.values(), answers, apps
    return httpd


def test_leak_to_logs(spied):
    """Every file of the server: its logs at trace8 among them. Less what httpd itself says at http:trace4, where it
    writes down all headers of every request before any module could take one away (SECURITY.md)."""
    texts = {path: octets for path, octets in read_all(spied.folder).items() if path.name != "httpd.conf"}
    lines = texts[spied.error_log].splitlines(keepends=True)
    kept = [line for line in lines if b" [http:trace4] " not in line]
    texts[spied.error_log] = b"".join(kept)
    assert len(texts[spied.error_log]) > 100_000 and b" [authn_apikey:" in texts[spied.error_log]
    assert any(path.name == "full.log" and octets.count(b"\n") > 90 for path, octets in texts.items())
    assert_untraced(texts, spied.secrets)


def test_leak_to_answers(spied):
    """No answer says the key again: neither a page, nor a header, nor what an application was told."""
    heard = [name for answer in spied.answers for name, _ in answer.headers]
    assert "WWW-Authenticate" in heard
    texts = {f"answer {i}": repr((a.headers, a.body)).encode() for i, a in enumerate(spied.answers)}
    assert_untraced(texts, spied.secrets)


def test_leak_to_applications(spied):
    told = spied.apps["/app"].requests
    assert len(told) >= 4
    assert_untraced({"what the application saw": repr(told).encode()}, spied.secrets)


def test_leak_to_the_database(spied, talkative):
    """Its log of all statements, its binary log and its tables hold no key."""
    log = (talkative.data / "general.log").read_bytes()
    assert log.count(b"Execute") >= len(spied.secrets) - 2  # the mistyped and the cut one were not asked about
    talkative.sql("FLUSH LOGS")
    texts = {path: octets for path, octets in read_all(talkative.folder).items()}
    assert any(path.name.startswith("bin.") for path in texts)
    assert_untraced(texts, spied.secrets)


def shared_memory(pid):
    """What the children share, read from one of them."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    spans = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw-s .*/dev/zero", maps, re.MULTILINE)
    with open(f"/proc/{pid}/mem", "rb") as memory:
        for begin, end in ((int(b, 16), int(e, 16)) for b, e in spans):
            memory.seek(begin)
            yield hex(begin), memory.read(end - begin)


@pytest.mark.skipif(VALGRIND, reason="the process is valgrind's")
def test_leak_to_shared_memory(spied):
    """Neither keys nor digests of theirs: owners are known there, by a number that is worth nothing elsewhere."""
    texts = {(pid, begin): octets for pid in spied.children() for begin, octets in shared_memory(pid)}
    assert any(b"alice" in octets for octets in texts.values())
    assert_untraced(texts, spied.secrets)
    for secret in spied.secrets:
        digest = hashlib.sha256(secret.encode()).digest()
        assert not any(digest in octets for octets in texts.values())


def test_leak_to_status_pages(make_httpd, database):
    """mod_status shows what is being asked; mod_info shows the configuration."""
    secret = insert_key(database, "user", "alice")[1]
    config = CONFIG + (
        '<Location "/status">\nAuthType None\nRequire all granted\nSetHandler server-status\n</Location>\n'
        '<Location "/info">\nAuthType None\nRequire all granted\nSetHandler server-info\n</Location>\nExtendedStatus On\n'
    )
    httpd = make_httpd(config, dbd=database.dbd_params(), modules=["status", "info"])
    for _ in range(3):
        assert httpd.get("/", secret).status == 200
    assert_untraced({path: httpd.get(path).body for path in ("/status", "/info?config")}, [secret])


# -- timing ------------------------------------------------------------------------------------------------------


def neighbour(key):
    """Another well-formed key that is the same but for the last random character and the check digits."""
    body = key[:-7] + ALPHABET[(ALPHABET.index(key[-7]) + 1) % 62]
    return body + check_digits(body)


@pytest.mark.skipif(VALGRIND, reason="runs valgrind itself")
def test_timing(scratch, database):
    """How nearly right a guess is makes no difference, counted in instructions, which do not depend on what else the
    machine does: a key nobody has, and one that differs from a valid or a revoked key in one character. (Whether a
    whole key is right, an attacker sees in the answer.)"""
    subprocess.run(["make", "-s", "-f", "Makefile.apxs", "build/mod_bench.so"], cwd=ROOT, check=True)
    from instruments import instructions
    from sites import PATIENT, CallgrindSite, bearer_row

    valid = insert_key(database, "user", "alice")[1]
    revoked = insert_key(database, "user", "alice", revoked_at="2020-01-01")[1]
    guesses = {
        "unknown": bearer_row("unknown", mint(), 401),
        "near a valid one": bearer_row("near a valid one", neighbour(valid), 401),
        "near a revoked one": bearer_row("near a revoked one", neighbour(revoked), 401),
    }
    counts = dict.fromkeys(guesses, float("inf"))

    def alike():
        return max(counts.values()) - min(counts.values()) < 0.01 * min(counts.values())

    quiet = PATIENT + "ApiKeyNegativeTTL 1h\nApiKeyRefresh Off\nApiKeyUsage Off\n"
    with CallgrindSite(scratch.folder("timing"), list(guesses.values()), quiet, dbd=database.dbd_params()) as site:
        for _ in range(3):  # the least of each counts: what httpd does beside only ever adds
            for name, row in guesses.items():
                counts[name] = min(counts[name], instructions(site, row, (100, 300)).instructions)
            if alike():
                break
    assert alike(), counts
