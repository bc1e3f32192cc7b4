# SPDX-License-Identifier: Apache-2.0
"""Restarts and violence under load, and what is left of memory after it. `make check-soak` (TEST_SOAK=1) does for
minutes what `make test` does for seconds."""

import math
import os
import random
import signal
import time
from collections import Counter

import pytest
from harness.httpd import MPM
from harness.keyfmt import insert_key, mint, mistyped
from harness.process import VALGRIND, gone, patience, wait_for
from load import Client, Load, running, written

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
# A busy machine is no outage. And children are as many as were wanted, whoever dies.
PATIENT = """
ApiKeyTimeout 20s
<IfModule !mpm_prefork_module>
    MinSpareThreads 51
</IfModule>
"""
# One in ten is of a size that is sent bit by bit: then there is a request under way, whatever happens. Not where httpd
# is restarted: on a busy machine it cuts such an answer off about once in a hundred times, also without this module.
PATHS = ["/"] * 9 + ["/large"]
REFUSED = r"AK0003: API key revoked\b"


class Churn:
    """Makes and revokes keys all the time, and knows afterwards what a request may have been answered."""

    SETTLED = patience(3)  # seconds after which every child has heard of a change, on a busy machine
    GOOD = 20

    def __init__(self, database):
        self._database = database
        self.owners = {}
        self.revoked = {}  # key: when its revocation began and when it was committed
        self._good, self._bad = [], []
        self.steady = insert_key(database, "team", "steady")[1]
        self.owners[self.steady] = "steady"
        while not self._bad:
            self.step()

    def step(self):
        owner = f"user{len(self.owners)}"
        number, key = insert_key(self._database, "user", owner)
        self.owners[key] = owner
        self._good.append((number, key))
        if len(self._good) > self.GOOD:
            number, victim = self._good.pop(0)
            begun = time.monotonic()
            self._database.sql(f"UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {number}")
            self.revoked[victim] = (begun, time.monotonic())
            self._bad.append(victim)

    def pick(self):
        return random.choice(self._bad) if random.random() < 0.3 else random.choice(self._good)[1]

    def clients(self, httpd, paths=("/",)):
        """Some that ask with what there is at the moment, and one that asks with the same key all the time."""
        picks = (self.pick, self.pick, self.pick, lambda: self.steady)
        return [Client(httpd, pick, paths) for pick in picks]

    def still_let_in(self, httpd):
        """Revoked keys that are accepted although every child has heard of that, each with when it was revoked."""
        wait_for(lambda: time.monotonic() - max(done for _, done in self.revoked.values()) > self.SETTLED)
        return [
            (self.owners[key], revoked) for key, revoked in self.revoked.items() if httpd.get("/", key).status != 401
        ]

    def wrong(self, asked):
        """Those that got an answer that they cannot have got, each with whose key it was, and when that was revoked."""
        return [
            (request, self.owners[request.key], self.revoked.get(request.key))
            for request in asked
            if request.answer and request.answer not in self._may(request)
        ]

    def _may(self, request):
        begun, committed = self.revoked.get(request.key, (math.inf, math.inf))
        if request.begun < committed + self.SETTLED:
            yield 200, self.owners[request.key]
        if request.ended > begun:
            yield 401, None

    def uses(self, asked):
        """{owner: requests that were let in}"""
        return Counter(self.owners[request.key] for request in asked if request.answer and request.answer[0] == 200)


def all_of(clients):
    return [request for client in clients for request in client.asked]


def differences(expected, found):
    return {owner: (expected[owner], found[owner]) for owner in expected | found if expected[owner] != found[owner]}


def test_graceful_restarts_under_load(make_httpd, scratch, database):
    """No request fails, no child dies of a signal, no answer is wrong, every use is counted once."""
    httpd = make_httpd(CONFIG + PATIENT, dbd=database.dbd_params(), children=2)
    httpd.expect(REFUSED)
    pressed = insert_key(database, "team", "pressed")[1]
    churn = Churn(database)
    clients = churn.clients(httpd)
    # wrk has a key of its own: what is under way when it is stopped, httpd alone counts.
    with Load(httpd, scratch.folder("load"), [pressed], pause_ms=10) as load, running(churn.step, *clients) as failures:
        for _ in range(RESTARTS):
            httpd.graceful(drain=False)
            assert not failures
        answers = load.stop()
    asked = all_of(clients)
    assert [request for request in asked if not request.answer] == [] and churn.wrong(asked) == []
    assert churn.still_let_in(httpd) == []
    # It asks anew where a kept connection was closed under its hands, which RFC 9112 section 9.3.1 expects.
    assert answers.statuses.keys() == {200} and answers[200] > 5 * RESTARTS
    expected = churn.uses(asked)
    assert expected["steady"] > 5 * RESTARTS

    def counted():
        return Counter({owner: uses for owner, uses in written(database).items() if owner != "pressed"})

    wait_for(lambda: counted() >= expected, 30, "the uses to be written down")
    httpd.stop()
    assert differences(expected, counted()) == {}
    assert answers[200] <= written(database)["pressed"] <= answers[200] + load.connections
    assert not [line for line in httpd.log_lines() if "exit signal" in line]
    print(f"{RESTARTS} restarts, {len(churn.revoked)} keys revoked, {len(asked)} and {answers[200]} requests")


def kill_one(httpd):
    """A child at random; httpd does not log a SIGKILL. Returns when that began and was over."""
    victim = random.choice(wait_for(httpd.children, 30, "a child"))
    begun = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: gone(victim), what="the victim to die")
    return begun, time.monotonic()


def test_killed_children_under_load(make_httpd, scratch, database):
    """A child killed at random, again and again: only the requests that it held fail, no answer is wrong, every use is
    counted once."""
    httpd = make_httpd(CONFIG + PATIENT, dbd=database.dbd_params(), children=3)
    httpd.expect(REFUSED)
    (httpd.htdocs / "large").write_bytes(b"x" * (4 << 20))
    pressed = insert_key(database, "team", "pressed")[1]
    churn = Churn(database)
    clients = churn.clients(httpd, PATHS)
    kills = []
    with Load(httpd, scratch.folder("load"), [pressed], pause_ms=2) as load, running(churn.step, *clients) as failures:
        for _ in range(KILLS):
            kills.append(kill_one(httpd))
            # Once a second: that is the experiment.
            wait_for(lambda: time.monotonic() - kills[-1][0] > 1.0 or failures)
            assert not failures
        answers = load.stop()
    asked = all_of(clients)
    failed = [request for request in asked if not request.answer]
    assert churn.wrong(asked) == []
    assert churn.still_let_in(httpd) == []
    # Those under way when a child died, of which each client has one, and none that had to wait for it.
    assert [request for request in failed if not any(request.held_at(*kill) for kill in kills)] == []
    assert len(failed) <= len(kills) * len(clients) and not [request for request in failed if "TimeoutError" in request.failure]
    answered = churn.uses(asked)
    perhaps = answered + Counter(churn.owners[request.key] for request in failed)
    assert answered["steady"] > 5 * KILLS
    wait_for(lambda: written(database) >= answered, 30, "the uses to be written down")
    httpd.stop()
    counted = written(database)
    # wrk's are judged by their number alone: of each connection one request can be lost to each kill, and to the end.
    assert answers.statuses.keys() == {200}
    assert answers[200] <= counted.pop("pressed") <= answers[200] + load.connections * (KILLS + 1)
    assert answered <= counted <= perhaps, (differences(answered, counted), differences(perhaps, counted))
    print(
        f"{KILLS} kills, {len(churn.revoked)} keys revoked, {len(asked)} and {answers[200]} requests: {len(failed)} of the"
        f" former failed, of which"
        f" {(counted - answered).total()} were counted"
    )


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
