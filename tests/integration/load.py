# SPDX-License-Identifier: Apache-2.0
"""Load from wrk, of which every answer is counted by status."""

import signal
import subprocess
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
