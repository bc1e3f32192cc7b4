# SPDX-License-Identifier: Apache-2.0
"""Load: from wrk, of which every answer is counted by status, and from clients that remember every request."""

import random
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass
class Answers:
    """What one wrk saw until it was told to stop."""

    statuses: dict = field(default_factory=dict)  # status: how many
    slowest: float = 0.0  # seconds
    unexplained: int = 0  # 503 without Retry-After
    lost: int = 0  # no answer: refused, cut off, timed out

    def __getitem__(self, status):
        return self.statuses.get(status, 0)


class Load:
    """While open, asks for a path with the keys of a list, over and over, on some connections."""

    def __init__(self, httpd, folder, keys, path="/", connections=4, pause_ms=4):
        self.connections = connections
        file = folder / f"{id(self)}.keys"
        file.write_text("\n".join(keys) + "\n")
        self._wrk = subprocess.Popen(
            ["wrk", "-t1", f"-c{connections}", "-d600s", "--timeout=30s", f"-s{SCRIPT}", httpd.url("/"), "--", file, path,
             str(pause_ms)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def stop(self):
        """Ends it and returns what it saw. What is under way is not waited for."""
        self._wrk.send_signal(signal.SIGINT)
        answers = Answers()
        for name, *rest in map(str.split, self._wrk.communicate(timeout=30)[0].splitlines()):
            if name == "answer":
                answers.statuses[int(rest[0])] = int(rest[1])
            elif name == "slowest":
                answers.slowest = float(rest[0]) / 1000
            elif name in ("unexplained", "lost"):
                setattr(answers, name, int(rest[0]))
        return answers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._wrk.poll() is None:
            self._wrk.kill()
            self._wrk.communicate()


@dataclass
class Asked:
    """A request, and what became of it."""

    key: str = field(repr=False)
    begun: float
    ended: float = 0.0
    answer: tuple = None  # status and X-Owner
    failure: str = ""  # where there was none

    def held_at(self, begun, ended):
        """Whether it was under way at some time between the two."""
        return self.begun <= ended and begun <= self.ended


class Client:
    """Asks for one of some paths with a key that `pick` says, each time it is called and each time on a connection of its own: of one
    that is kept, nobody knows whether httpd closes it before the next request arrives."""

    ENDS = [[], [("Connection", "close")]]  # by the client, by httpd

    def __init__(self, httpd, pick, paths):
        self._httpd, self._pick, self._paths = httpd, pick, paths
        self.asked = []

    def __call__(self):
        request = Asked(self._pick(), time.monotonic())
        try:
            answer = self._httpd.get(random.choice(self._paths), request.key, random.choice(self.ENDS))
            request.answer = (answer.status, answer.header("X-Owner") or None)
        except (OSError, ValueError) as failure:
            request.failure = repr(failure)
        request.ended = time.monotonic()
        self.asked.append(request)


@contextmanager
def running(*works):
    """Runs each in a thread of its own, over and over, until the end, when nothing is under way any more; what one
    raises ends all and is raised here."""
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


def written(database):
    """Uses that are written down: {owner: uses}."""
    rows = database.sql("SELECT owner_id, use_count FROM api_key_usage JOIN api_keys ON id = key_id")
    return Counter({row["owner_id"]: int(row["use_count"]) for row in rows})
