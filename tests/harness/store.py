# SPDX-License-Identifier: Apache-2.0
"""The project's store of keys (src/core/store.h), called by a small program (tests/store/store.c)."""

import os
import subprocess

from . import ROOT
from .mariadb import SqlError
from .process import patience

PROGRAM = ROOT / "build" / "store"


class Store:
    """Runs one command on one database; a command's answer is a list of rows of text."""

    def __init__(self, database, folder, user=None, password=None):
        self.defaults_file = database.server.write_defaults_file(
            folder / f"{database.name}-{user}.cnf", database.name, user, password
        )

    def __call__(self, command, *args, actor=None, client=None, input=""):
        process = self.start(command, *args, actor=actor, client=client)
        return self.finish(process, input)

    def start(self, command, *args, actor=None, client=None):
        acting = {"STORE_ACTOR": actor, "STORE_CLIENT": client}
        return subprocess.Popen(
            [PROGRAM, self.defaults_file, command, *map(str, args)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": "/usr/bin:/bin"} | {name: value for name, value in acting.items() if value is not None},
        )  # fmt: skip

    def finish(self, process, input=""):
        out, err = process.communicate(input, timeout=patience(60))
        if process.returncode:
            raise SqlError(err)
        return [line.split("\t") for line in out.splitlines()]

    def create(self, kind="user", owner="alice", description="", scopes="", expires="never", max_live=0, **acting):
        [row] = self("create", kind, owner, description, scopes, expires, max_live, **acting)
        return row

    def outcome(self, command, *args, **acting):
        [row] = self(command, *args, **acting)
        return row[0]


def build():
    """Makes the program, which takes no time where it is up to date."""
    subprocess.run(
        ["make", "-s", "-f", "Makefile.apxs", "build/store"],
        cwd=ROOT, check=True, env=os.environ | {"MAKEFLAGS": "", "MAKEOVERRIDES": ""}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
