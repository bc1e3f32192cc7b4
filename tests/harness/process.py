# SPDX-License-Identifier: Apache-2.0
"""A server process: started in a session of its own, waited for by condition, stopped for certain."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

VALGRIND = os.environ.get("TEST_VALGRIND") == "1"
SANITIZED = "TEST_LD_PRELOAD" in os.environ
_ports_given = set()


def patience(seconds):
    """A time-out for this machine today: valgrind is some twenty times slower, a sanitizer a few times."""
    return seconds * (20 if VALGRIND else 4 if SANITIZED else 1)


def wait_for(condition, seconds=10, what="condition"):
    """Asks until the condition holds and returns what it said; TimeoutError names what never came."""
    deadline = time.monotonic() + patience(seconds)
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience(seconds)} s for {what}")
        time.sleep(0.01)


def free_port():
    """A loopback port nobody listens on, outside the range that outgoing connections are given."""
    while True:
        port = random.SystemRandom().randrange(12000, 32000)
        if port in _ports_given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _ports_given.add(port)
        return port


def port_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def gone(pid):
    """True when the process has ended (a zombie nobody has reaped yet has ended too)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Process:
    """One server with its output in a file; `stop` fails loudly when it does not end by itself."""

    def __init__(self, name, argv, output, env=None, cwd=None):
        self.name = name
        self.output = Path(output)
        # The end of the test run, however violent, ends the server: no strays on the machine.
        leash = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        base = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        with open(self.output, "ab") as sink:
            # A session of its own: some servers signal their whole process group, and Ctrl-C is ours alone.
            self._popen = subprocess.Popen(
                leash + [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=base | (env or {}),
                cwd=cwd,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def alive(self):
        return self._popen.poll() is None

    def said(self):
        """What it printed so far."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def wait_until(self, ready, seconds=20):
        """Waits for the server to be ready; one that dies or never comes up raises with its last words."""

        def ready_or_dead():
            return not self.alive() or ready()

        try:
            wait_for(ready_or_dead, seconds, f"{self.name} to be ready")
        except TimeoutError as late:
            self.kill()
            raise RuntimeError(f"{late}\n{self.said()[-4000:]}") from None
        if not self.alive():
            raise RuntimeError(f"{self.name} ended with {self._popen.returncode}\n{self.said()[-4000:]}")

    def send(self, number):
        os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM, seconds=20):
        """Asks it to end and returns its exit status; AssertionError when it had to be killed."""
        if self.alive():
            self.send(signal.SIGCONT)
            self.send(number)
        try:
            return self._popen.wait(patience(seconds))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {patience(seconds)} s and was killed") from None
        finally:
            self.kill()

    def kill(self):
        """SIGKILL to it and to whatever it left behind in its process group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._popen.wait()
