# SPDX-License-Identifier: Apache-2.0
"""Restarts and violence under load, and what is left of memory after it. `make check-soak` (TEST_SOAK=1) does for
minutes what `make test` does for seconds."""

import itertools
import os
import random
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from harness.httpd import MPM
from harness.keyfmt import insert_key, mint, mistyped
from harness.process import VALGRIND, gone, patience, wait_for
from load import Load

pytestmark = pytest.mark.skipif(VALGRIND, reason="of load")

SOAK = os.environ.get("TEST_SOAK") == "1"
RESTARTS = 50 if SOAK else 5
KILLS = 60 if SOAK else 6
REQUESTS = 100_000 if SOAK else 12_000
TERMS = 100 if SOAK else 10

CONFIG = """
MaxKeepAliveRequests 0
ApiKeyUsage 1s
ApiKeyRefresh 200ms
<Location "/">
    AuthType Bearer
    Require apikey
    Header always set X-Owner "expr=%{APIKEY_OWNER}"
</Location>
"""
REFUSED = r"AK000[13]: API key (not_found|revoked|expired|unavailable)\b"


class Churn:
    """Makes and revokes keys all the time, and knows of each whether it must be good, must not be, or may be either
    because it has just changed."""

    SETTLED = patience(2)  # seconds after which every server has heard of a change, on a busy machine

    def __init__(self, database):
        self.database = database
        self.good, self.bad = {}, {}  # key: (owner, since)
        self.wrong = []
        self._serials = itertools.count()
        self._lock = threading.Lock()

    def step(self):
        owner = f"user{next(self._serials)}"
        number, key = insert_key(self.database, "user", owner)
        with self._lock:
            self.good[key] = (owner, number)
            victim = next(iter(self.good)) if len(self.good) > 20 else None
            revoked = self.good.pop(victim) if victim else None
        if victim:
            self.database.sql(f"UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {revoked[1]}")
            with self._lock:
                self.bad[victim] = time.monotonic()

    def pick(self):
        """A key, with the owner that it must be told by or None where it must be refused."""
        with self._lock:
            if self.bad and random.random() < 0.3:
                key, since = random.choice(list(self.bad.items()))
                if time.monotonic() - since > self.SETTLED:
                    return key, None
            key = random.choice(list(self.good)[len(self.good) // 2 :] or [None])
            return (key, self.good[key][0]) if key else (None, None)


@contextmanager
def running(*works):
    """Runs each in a thread of its own, over and over, until the end; what one raises ends all and is raised here."""
    stop, failures = threading.Event(), []

    def over_and_over(work):
        while not stop.is_set() and not failures:
            try:
                work()
            except Exception as failure:
                failures.append(failure)

    threads = [threading.Thread(target=over_and_over, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def asker(httpd, churn, lost=()):
    """A client that asks with one key after the other and judges every answer. `lost` are kinds of failure that are
    not counted as one: of a connection whose process was killed."""
    asked = itertools.count()

    def ask():
        key, owner = churn.pick()
        if key is None:
            return
        try:
            answer = httpd.get("/", key)
        except lost:
            return
        next(asked)
        still = churn.good.get(key)
        if owner is None and answer.status != 401:
            churn.wrong.append(("revoked, but", answer.status))
        if owner and still and (answer.status, answer.header("X-Owner")) != (200, owner):
            churn.wrong.append((owner, answer.status, answer.header("X-Owner")))

    ask.asked = asked
    return ask


def test_graceful_restarts_under_load(make_httpd, scratch, database):
    """No request fails, no child dies of a signal, no answer is wrong, every use is counted."""
    httpd = make_httpd(CONFIG, dbd=database.dbd_params(), children=2)
    httpd.expect(REFUSED)
    steady = insert_key(database, "team", "steady")[0:2]
    churn = Churn(database)
    for _ in range(25):
        churn.step()
    ask = asker(httpd, churn)
    with Load(httpd, scratch.folder("load"), [steady[1]], pause_ms=10) as load, running(churn.step, ask, ask) as failures:
        for _ in range(RESTARTS):
            httpd.graceful(drain=False)
            assert not failures
        answers = load.stop()
    assert churn.wrong == []
    assert next(ask.asked) > 5 * RESTARTS and answers.statuses.keys() == {200} and answers[200] > 5 * RESTARTS
    # wrk asks anew where a keep-alive connection was closed under its hands, which RFC 9112 section 9.3.1 expects.
    httpd.stop()
    counted = int(database.value(f"SELECT use_count FROM api_key_usage WHERE key_id = {steady[0]}"))
    # What was under way when wrk was stopped was counted by httpd alone.
    assert answers[200] <= counted <= answers[200] + 4 * (RESTARTS + 1)
    assert not [line for line in httpd.log_lines() if "exit signal" in line]


def test_killed_children_under_load(make_httpd, database):
    """A child killed at random, again and again: only the requests that it held are lost."""
    httpd = make_httpd(CONFIG, dbd=database.dbd_params(), children=3)
    httpd.expect(REFUSED)
    churn = Churn(database)
    for _ in range(25):
        churn.step()
    ask = asker(httpd, churn, lost=(ConnectionError, TimeoutError, ValueError))
    killed = 0
    with running(churn.step, ask, ask) as failures:
        for _ in range(KILLS):
            begun = time.monotonic()
            children = httpd.children()
            if len(children) > 1 or MPM == "prefork":
                victim = random.choice(children)
                os.kill(victim, signal.SIGKILL)
                killed += 1
                httpd.expect(rf"AH00052: child pid {victim} exit signal Killed", crash=True)
                wait_for(lambda: gone(victim), what="the victim to die")
            wait_for(lambda: httpd.children(), 20, "a child")
            # Once a second: that is the experiment.
            wait_for(lambda: time.monotonic() - begun > 1.0 or failures)
            assert not failures
    assert killed >= KILLS // 2 and churn.wrong == [] and next(ask.asked) > 20 * KILLS
    httpd.expect(r"AH00052: child pid \d+ exit signal Killed", crash=True)
    httpd.check_log()
    # All is well at once: who is good is let in, who is revoked is not.
    for key, (owner, _) in list(churn.good.items())[-5:]:
        assert httpd.get("/", key).header("X-Owner") == owner
    httpd.expect(REFUSED)
    for key in list(churn.bad)[:5]:
        assert httpd.get("/", key).status == 401


def resident(pid):
    """KiB of memory of its own; what is shared was paid for at the start, and is touched bit by bit."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:"))


@pytest.mark.skipif(MPM == "prefork", reason="one child has to answer all")
def test_memory_stays_flat(make_httpd, make_mariadb):
    """Hits, misses, refusals, junk, and look-ups that fail, over and over, in one child."""
    mariadb = make_mariadb()
    database = mariadb.create_database()
    valid = [insert_key(database, "user", f"user{n}", "a b c")[1] for n in range(20)]
    revoked = insert_key(database, "user", "gone", revoked_at="2020-01-01")[1]
    httpd = make_httpd(
        CONFIG + "ApiKeyNegativeTTL 1ms\nApiKeyTimeout 200ms\nLogLevel warn\n",
        dbd=database.dbd_params(extra="reconnect=0"), threads=4,
    )  # fmt: skip
    httpd.expect(r"AK00[0245]|AH0063|AH00629|AH02655")
    (child,) = httpd.children()

    def mixture():
        return valid * 3 + [revoked] * 10 + [mistyped(valid[0])] * 10 + ["x"] * 10 + [mint() for _ in range(10)]

    def ask(count):
        with httpd.connect(timeout=60) as connection:
            for _ in range(count // 100):
                batch = mixture()
                connection.send_raw(b"".join(
                    f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode() for key in batch
                ))  # fmt: skip
                assert {connection.read_response().status for _ in batch} <= {200, 401}

    def all_kinds(count):
        ask(count)
        mariadb.stop()
        for _ in range(count // 400):  # httpd closes the connection behind every 503
            assert {httpd.get("/", key).status for key in mixture()} <= {200, 401, 503}
        mariadb.start()
        wait_for(lambda: httpd.get("/", mint()).status == 401)

    all_kinds(REQUESTS // 4)
    begun = resident(child)
    for _ in range(3):
        all_kinds(REQUESTS // 4)
    assert httpd.children() == [child]
    assert resident(child) - begun < 1536, f"{begun} KiB have become {resident(child)} KiB"


def test_memory_stays_flat_over_restarts(make_httpd, database):
    """The parent, which reads the configuration again and again and keeps the segment."""
    key = insert_key(database, "user", "alice")[1]
    httpd = make_httpd(CONFIG, dbd=database.dbd_params())
    sizes = []
    for _ in range(RESTARTS):
        httpd.graceful()
        assert httpd.get("/", key).status == 200
        sizes.append(resident(httpd.pid))
    # httpd's own pools settle within the first few.
    assert sizes[-1] - sizes[min(3, RESTARTS // 2)] < 512, sizes


@pytest.mark.skipif(MPM != "prefork", reason="only there a child ends inside a signal handler")
def test_children_of_prefork_end_when_they_are_told_to(make_httpd, module_database):
    """SIGTERM may come in the middle of anything: of asking the database, as here, or of making a thread for that."""
    config = "ApiKeyCache Off\n" + CONFIG
    httpd = make_httpd(config, dbd=module_database.dbd_params(), children=8, threads=8)
    key = insert_key(module_database, "user", "alice")[1]

    def ask():
        try:
            assert httpd.get("/", key).status in (200, 503)  # 503: of a child that is ending
        except OSError:
            pass  # the child that served this was ended

    with running(*[ask] * 8):
        for _ in range(TERMS):
            told = wait_for(httpd.children, what="children")
            for pid in told:
                time.sleep(random.uniform(0, 0.01))  # so that it meets them anywhere
                os.kill(pid, signal.SIGTERM)
            wait_for(lambda told=told: all(gone(pid) for pid in told), 5, "children to end")
