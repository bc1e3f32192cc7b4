# SPDX-License-Identifier: Apache-2.0
"""The apikeyctl command on one database."""

import json
import subprocess

from . import APIKEYCTL
from .process import patience


class ApikeyCtl:
    """Runs apikeyctl with an option file of its own in `folder`."""

    def __init__(self, database, folder, user=None, password=None):
        self.folder = folder
        self.defaults_file = database.server.write_defaults_file(
            folder / f"{database.name}.cnf", database.name, user, password
        )

    def run(self, command, *args, input=None, env=None):
        """The finished command: returncode, stdout and stderr as text."""
        return subprocess.run(
            [APIKEYCTL, command, f"--defaults-file={self.defaults_file}", *map(str, args)],
            input=input or "",
            capture_output=True,
            text=True,
            timeout=patience(60),
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(self.folder)} | (env or {}),
        )

    def ok(self, command, *args, input=None):
        """The output of a command that must succeed."""
        done = self.run(command, *args, input=input)
        assert done.returncode == 0, f"apikeyctl {command}: {done.returncode}\n{done.stderr}"
        return done.stdout

    def create(self, user=None, team=None, scopes=None, expires=None, description=None):
        """A new key: (id, secret), both text."""
        given = {"user": user, "team": team, "scopes": scopes, "expires": expires, "description": description}
        options = [part for name, value in given.items() if value is not None for part in (f"--{name}", value)]
        made = json.loads(self.ok("create", "--json", *options))
        return made["id"], made["api_key"]

    def revoke(self, key_id):
        self.ok("revoke", key_id)
