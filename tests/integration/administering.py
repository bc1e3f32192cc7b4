# SPDX-License-Identifier: Apache-2.0
"""What the tests of apikeyctl share: exit statuses, the command without a connection, the command on a terminal."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios

from harness import APIKEYCTL
from harness.process import patience

DONE, NOT_DONE, USAGE, NO_DATABASE = range(4)
COMMANDS = [
    "init", "create", "list", "show", "update", "revoke", "rotate", "check", "import", "prune", "gen-pepper",
    "pepper use", "team add", "team remove", "team list", "events",
]  # fmt: skip
UTC = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def bare(*args, input="", home="/nonexistent", env=None, **options):
    """apikeyctl with no connection options but those given."""
    return subprocess.run(
        [APIKEYCTL, *map(str, args)], input=input, capture_output=True, text=True, timeout=patience(60),
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(home)} | (env or {}), start_new_session=True,
        **options,
    )  # fmt: skip


def rows(database, what="*", table="api_keys"):
    return database.sql(f"SELECT {what} FROM {table}")


def listed(ctl, *options):
    return [item["id"] for item in json.loads(ctl.ok("list", "--json", *options))["items"]]


# A process begins with the peak of the one that started it: a small one in between.
_PEAK = """
import os, sys
_, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], {}), 0)
print(status, used.ru_maxrss, file=sys.stderr)
"""


def peak_memory(args):
    """What apikeyctl, which must succeed, took of memory at most, in KiB."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _PEAK, APIKEYCTL, *map(str, args)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True, timeout=patience(120),
    )  # fmt: skip
    status, peak = map(int, done.stderr.splitlines()[-1].split())
    assert status == 0
    return peak


def on_terminal(args, answers=(), columns=80, env=None, home="/nonexistent", **streams):
    """apikeyctl on a terminal of its own: (exit status, what went to a pipe, the screen).

    `answers` are pairs of what the screen is waited for and what is typed then. Of stdin, stdout and stderr, those
    that are not named in `streams` are the terminal; stdin may be text, stdout=PIPE goes to the second of the three.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    def take_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    typed = streams.get("stdin")
    with subprocess.Popen(
        [APIKEYCTL, *map(str, args)], stdin=slave if typed is None else subprocess.PIPE,
        stdout=streams.get("stdout", slave), stderr=streams.get("stderr", slave), text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "TERM": "xterm"} | (env or {}), preexec_fn=take_terminal,
        pass_fds=[slave],
    ) as process:  # fmt: skip
        os.close(slave)
        if typed is not None:
            process.stdin.write(typed)
            process.stdin.close()
        screen = b""
        for wanted, answer in answers:
            while wanted.encode() not in screen:
                screen += os.read(master, 1000)
            os.write(master, answer.encode() + b"\n")
        try:
            while more := os.read(master, 65536):
                screen += more
        except OSError:  # nobody has the terminal open any more
            pass
        output = process.stdout.read() if process.stdout else ""
    os.close(master)
    return process.returncode, output, screen.decode().replace("\r\n", "\n")
