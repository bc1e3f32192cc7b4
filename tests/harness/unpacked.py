# SPDX-License-Identifier: Apache-2.0
"""Servers that tests/database.sh unpacked: run by the loader and the libraries that came with them, so that they need
not fit the machine's."""

import os
import subprocess
from pathlib import Path

from .mariadb import MariaDB

ROOT = os.environ.get("TEST_SERVER_ROOT")  # a folder with a server's usr/ in it


def command(program, *args):
    """The argv that runs an unpacked program."""
    root = Path(ROOT)
    loader = next(root.glob("usr/lib*/ld-linux*"))
    libraries = next(root.glob("usr/lib/*-linux-*"))
    return [loader, "--library-path", libraries, root / program, *args]


class UnpackedMariaDB(MariaDB):
    """A MariaDB of another version than the machine's, spoken to by the machine's clients."""

    def _install(self):
        self.tmp.mkdir()
        self.data.mkdir()
        tables = [f"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = '{self._admin}';\n"]
        for name in ("system_tables", "performance_tables", "system_tables_data", "sys_schema"):
            tables.append((Path(ROOT) / f"usr/share/mariadb/mariadb_{name}.sql").read_text())
        done = subprocess.run(
            [*self._server(), "--bootstrap", *self._common()], input="".join(tables), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"mariadbd --bootstrap: {done.stdout}{done.stderr}")

    def _server(self):
        return command("usr/sbin/mariadbd", "--no-defaults", f"--basedir={ROOT}/usr", f"--lc-messages-dir={ROOT}/usr/share/mariadb")
