# SPDX-License-Identifier: Apache-2.0
"""The folder that everything private lives in, and the account that servers started by root drop to."""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

AM_ROOT = os.geteuid() == 0


def daemon_user():
    """The unprivileged account for servers when we are root; None for an ordinary user, who stays who he is."""
    if not AM_ROOT:
        return None
    for name in ("www-data", "apache", "httpd", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no unprivileged account (www-data, apache, httpd, nobody) to run servers as")


def give_to_daemon(path):
    """Lets the account the servers drop to write here."""
    user = daemon_user()
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


class Scratch:
    """A fresh folder under /tmp: short enough for unix sockets (108 bytes), traversable for www-data, not listable.

    KEEP_SCRATCH=1 in the environment leaves it behind for a look at the logs; TEST_SCRATCH names another parent.
    """

    def __init__(self, prefix="apikey-"):
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=os.environ.get("TEST_SCRATCH", "/tmp")))
        self._taken = 0
        if AM_ROOT:
            self.path.chmod(0o711)

    def folder(self, name):
        """A new folder of this name, numbered so that it never collides with an earlier one."""
        self._taken += 1
        path = self.path / f"{self._taken:02}-{name}"
        path.mkdir()
        path.chmod(0o711 if AM_ROOT else 0o700)
        return path

    def remove(self):
        if os.environ.get("KEEP_SCRATCH") != "1":
            shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()
