# SPDX-License-Identifier: Apache-2.0
"""Attacks on resources: whoever has no key can keep no thread, no query, no memory and no log busy."""

import os
import time
from contextlib import ExitStack

import pytest
from harness.httpd import HAS_HTTP2
from harness.keyfmt import insert_key, mint, mistyped
from harness.process import SANITIZED, VALGRIND, patience

CONFIG = """
Timeout 60
MaxKeepAliveRequests 0
ApiKeyUsage Off
ApiKeyRefresh Off
<Location "/">
    AuthType Bearer
    Require apikey
</Location>
<Location "/scoped">
    Require apikey-scope never:given
</Location>
<Location "/basic">
    AuthType Basic
    AuthName keys
    AuthBasicProvider apikey
    Require valid-user
</Location>
"""
THREADS = 8


@pytest.fixture(scope="module")
def server(make_module_httpd, module_database):
    return make_module_httpd(CONFIG, dbd=module_database.dbd_params(), threads=THREADS, modules=["http2"])


@pytest.fixture(autouse=True)
def refusals_are_logged(server):
    server.expect(r"AK000[123]: API key |AH01631")


@pytest.fixture(scope="module")
def keys(module_database):
    return {
        "valid": insert_key(module_database, "user", "alice")[1],
        "revoked": insert_key(module_database, "user", "alice", revoked_at="2020-01-01")[1],
        "unknown": mint(),
        "mistyped": mistyped(mint()),
        None: None,
    }


BODIES = [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked", b"Content-Length: 10"]
REFUSED = [("/", None, 401), ("/", "unknown", 401), ("/", "mistyped", 401), ("/", "revoked", 401), ("/scoped/", "valid", 403)]


def head(path, key, *lines, method=b"POST"):
    credential = [b"Authorization: Bearer " + key.encode()] if key else []
    return b"\r\n".join([method + b" " + path.encode() + b" HTTP/1.1", b"Host: x", *credential, *lines, b"", b""])


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path, key, status", REFUSED)
def test_slow_bodies_are_not_waited_for(server, keys, path, key, status, body):
    """A refusal goes out before the body has come, and the connection is closed: no thread waits for it."""
    with server.connect(timeout=10) as connection:
        begun = time.monotonic()
        connection.send_raw(head(path, keys[key], body))
        answer = connection.read_response()
        assert (answer.status, answer.header("Connection")) == (status, "close")
        assert time.monotonic() - begun < patience(5)


@pytest.mark.skipif(VALGRIND, reason="of time")
def test_slow_bodies_of_many_leave_threads_for_others(server, keys):
    """More of them than there are threads."""
    with ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(4 * THREADS)]
        for connection in slow:
            connection.send_raw(head("/", keys["unknown"], b"Content-Length: 1000000000") + b"x")
        begun = time.monotonic()
        for _ in range(20):
            assert server.get("/", keys["valid"]).status == 200
        assert time.monotonic() - begun < 10
        assert [connection.read_response().status for connection in slow] == [401] * len(slow)


# Requests of one connection are sent at once here: one that waits for its next may be closed by httpd at any time, and
# is when all threads are busy.
def test_a_body_that_is_wanted_is_read(server, keys):
    """A valid key's request keeps its connection."""
    with server.connect() as connection:
        connection.send_raw(2 * (head("/", keys["valid"], b"Content-Length: 1000") + b"x" * 1000))
        for _ in range(2):
            answer = connection.read_response()
            assert answer.status in (200, 405) and answer.header("Connection") != "close"


def test_refusals_without_a_body_keep_the_connection(server, keys):
    with server.connect() as connection:
        refused = [None, "unknown", "mistyped"] * 3
        connection.send_raw(b"".join(head("/", keys[key], method=b"GET") for key in refused))
        assert [connection.read_response().status for _ in refused] == [401] * len(refused)


@pytest.mark.skipif(not HAS_HTTP2, reason="HTTP/2 needs a threaded MPM")
def test_refused_bodies_over_http2(server, keys):
    assert server.http2("/", keys["unknown"], method="POST", body="x" * 10000).status == 401


@pytest.mark.parametrize("value", [
    "Bearer " + "a" * 8000, "Bearer " + "=" * 8000, "Bearer" + " " * 8000 + "x", "Bearer " + "a," * 4000,
    "Basic x, " * 800 + "Bearer x", "," * 8000, "Bearer " + "ak_u_" * 1600, "bEaReR " * 1100, "Basic " + "A" * 8000,
])  # fmt: skip
def test_long_credentials_cost_no_more_than_reading_them(server, value):
    """Nothing is quadratic: a hundred of the longest that httpd takes, in a second or two."""
    begun = time.monotonic()
    for _ in range(100):
        assert server.get("/", headers=[("Authorization", value)]).status in (400, 401)
    assert time.monotonic() - begun < patience(10)


@pytest.mark.skipif(VALGRIND, reason="of size")
def test_a_hundred_thousand_distinct_bad_keys(server, module_database, keys):
    """A fifth of them unless this is check-soak. All well-formed, thus all asked about. A valid key stays in memory meanwhile, and the child does not grow."""

    def flood(count):
        with server.connect(timeout=120) as connection:
            for start in range(0, count, 250):
                batch = [mint() for _ in range(min(250, count - start))]
                connection.send_raw(b"".join(head("/", key, method=b"GET") for key in batch))
                assert {connection.read_response().status for _ in batch} == {401}

    assert server.get("/", keys["valid"]).status == 200
    share = 10_000 if os.environ.get("TEST_SOAK") == "1" else 2_000
    flood(2 * share)
    begun = resident(server)
    for _ in range(8):
        flood(share)
        before = module_database.server.status("Com_stmt_execute")
        assert server.get("/", keys["valid"]).status == 200
        assert module_database.server.status("Com_stmt_execute") == before
    assert SANITIZED or resident(server) - begun < 2048


def resident(httpd):
    """KiB that a child has of its own: what is shared was paid for at the start, and is touched bit by bit."""
    lines = open(f"/proc/{httpd.children()[0]}/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


@pytest.mark.skipif(VALGRIND, reason="of size")
def test_junk_fills_no_log_at_the_usual_level(make_httpd, database):
    httpd = make_httpd(CONFIG + "LogLevel warn authn_apikey:warn\n", dbd=database.dbd_params())
    mark = httpd.log_mark()
    for key in ("x", mint(), mistyped(mint()), "a b", None) * 40:
        assert httpd.get("/", key).status in (400, 401)
    assert httpd.log_mark() - mark < 1000
