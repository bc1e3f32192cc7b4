# SPDX-License-Identifier: Apache-2.0
"""The two instruments: instructions per request from callgrind, CPU time and throughput under load from wrk."""

import itertools
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.process import wait_for
from sites import FILE, MARK

CONNECTIONS = 16
TICKS = os.sysconf("SC_CLK_TCK")
_serials = itertools.count()
KEYS_LUA = Path(__file__).parent / "keys.lua"

# What takes a lock, and who is not httpd itself, in Segment.called().
LOCKS = r"^(pthread_mutex_\w*(?<!un)lock|pthread_rwlock_(rd|wr)lock|apr_\w+_(rd|wr)?lock|sem_\w*wait|semop)\b"
GUESTS = r"^(?!apache2|httpd|libapr-1|mod_mpm|libc\.|ld-)"


class Segment:
    """What httpd did between two marks: instructions, and how often which object's code called which function."""

    LINE = re.compile(r"^(ob|cob|cfn|fn)=\((\d+)\)(?: (.*))?$|^calls=(\d+)|^totals: (\d+)", re.MULTILINE)

    def __init__(self, text):
        self.instructions = 0
        self.calls = Counter()
        names = {"o": {}, "f": {}}  # both by number, given once: of objects and of functions
        caller = callee = ""
        for kind, number, name, calls, total in self.LINE.findall(text):
            if calls:
                self.calls[caller, callee] += int(calls)
            elif total:
                self.instructions = int(total)
            else:
                known = names["o" if "ob" in kind else "f"]
                if name:
                    known[number] = name
                if kind == "ob":
                    caller = known[number].rpartition("/")[2]
                elif kind == "cfn":
                    callee = known[number]

    def called(self, function, by=""):
        """Calls of all functions with such a name by code in objects with such a name."""
        calls = self.calls.items()
        return sum(n for (caller, callee), n in calls if re.search(function, callee) and re.search(by, caller))


@dataclass
class Slope:
    """The difference that more requests made, for each of them."""

    short: Segment
    long: Segment
    requests: int

    @property
    def instructions(self):
        return (self.long.instructions - self.short.instructions) / self.requests

    def called(self, function, by=""):
        return (self.long.called(function, by) - self.short.called(function, by)) / self.requests


def instructions(site, row, counts, keys=()):
    """The slope of a row between two request counts, over one connection; `keys` are taken in turn instead of the
    row's own."""
    in_turn = itertools.cycle([[("Authorization", f"Bearer {key}")] for key in keys] or [row.headers])
    serial = next(_serials)
    with site.connect_to(row) as connection:

        def ask(count):
            for _ in range(count):
                answer = connection.request(FILE, headers=next(in_turn))
                assert answer.status == row.status, f"{row.name}: {answer.status}"
                site.rest()

        def mark(name):
            connection.request(f"{MARK}?{name}")
            return name

        ask(30)
        mark("begin")
        ask(30)  # what happens once, after counting began
        mark(f"{serial}-start")
        names = []
        for count in counts:
            ask(count)
            names.append(mark(f"{serial}-{count}"))
        mark("end")
    short, long = (Segment(wait_for(lambda name=name: site.dump(name))) for name in names)
    return Slope(short, long, counts[1] - counts[0])


@dataclass
class Load:
    """What wrk saw and what httpd used meanwhile."""

    rate: float  # requests per second
    cpu: float  # seconds of httpd per request


def load(site, row, seconds, connections=CONNECTIONS, keys=None, also=()):
    """Requests as fast as they are answered; `keys` is a file of them to take in turn instead of the row's, `also`
    are processes whose time counts too."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += ["-s", KEYS_LUA] if keys else [f"-H{name}: {value}" for name, value in row.headers]
    pids = [*site.children(), *also]
    before = cpu_time(pids)
    said = _wrk([*command, f"http://127.0.0.1:{site.ports[row]}{FILE}", *(["--", keys] if keys else [])])
    used = cpu_time(pids) - before
    requests = int(re.search(r"(\d+) requests in", said)[1])
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    refused = int(failed[1]) if failed else 0
    assert refused == (0 if row.status == 200 else requests) and "Socket errors" not in said, f"{row.name}: {said}"
    return Load(float(re.search(r"Requests/sec: +([\d.]+)", said)[1]), used / requests)


def present_all(site, row, keys, connections=CONNECTIONS):
    """Every key of a file once; how many were refused. With as many connections as threads or more, httpd would close
    some of them and so lose keys."""
    url = f"http://127.0.0.1:{site.ports[row]}{FILE}"
    said = _wrk(["wrk", "-t1", f"-c{connections}", "-d24h", "-s", KEYS_LUA, url, "--", keys, "once"])
    return int(re.search(r"answers, (\d+) others", said)[1])


def _wrk(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def cpu_time(pids):
    """Seconds, user and system, that the processes have used."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / TICKS
