# SPDX-License-Identifier: Apache-2.0
"""A private MySQL server, unpacked by tests/mysql.sh, or one that somebody else runs."""

import os
import re
import subprocess
from pathlib import Path

from .mariadb import MariaDB
from .scratch import AM_ROOT

ROOT = os.environ.get("TEST_MYSQL_ROOT")  # a folder with a MySQL's usr/ in it
SOCKET = os.environ.get("TEST_MYSQL_SOCKET")  # of a server on which root has no password

QUICK = [
    "--innodb-buffer-pool-size=32M",
    "--innodb-redo-log-capacity=16M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-dump-at-shutdown=0",
    "--innodb-buffer-pool-load-at-startup=0",
    "--key-buffer-size=1M",
]


def portable(text):
    """MariaDB's tables of numbers, seq_1_to_N, as sub-queries, and its EXPLAIN."""
    if isinstance(text, bytes):
        return text
    text = re.sub(r"^EXPLAIN ", "EXPLAIN FORMAT=TRADITIONAL ", text)
    digits = "(SELECT 0 AS d" + "".join(f" UNION ALL SELECT {d}" for d in range(1, 10)) + ")"
    places = ", ".join(f"{digits} d{place}" for place in range(4))
    number = " + ".join(f"{10**place} * d{place}.d" for place in range(4))
    return re.sub(
        r"\bseq_1_to_(\d+)\b",
        rf"(SELECT * FROM (SELECT 1 + {number} AS seq FROM {places}) n WHERE seq <= \1 ORDER BY seq) numbers",
        text,
    )


class MySQL(MariaDB):
    """The same as a MariaDB to the tests. It is run by the loader and the libraries that came with it, so that it
    need not fit the machine's."""

    def __init__(self, folder, args=()):
        super().__init__(folder, args)
        self._admin = "root"
        self._root = Path(ROOT)

    def run(self, program, *args):
        """The argv that runs a program of this MySQL."""
        loader = next(self._root.glob("usr/lib*/ld-linux*"))
        libraries = next(self._root.glob("usr/lib/*-linux-*"))
        return [loader, "--library-path", libraries, self._root / program, *args]

    def translate(self, text):
        return portable(text)

    def _common(self):
        return [
            "--no-defaults", f"--basedir={self._root}/usr", f"--lc-messages-dir={self._root}/usr/share/mysql",
            f"--datadir={self.data}", f"--tmpdir={self.tmp}", *(["--user=root"] if AM_ROOT else []), *QUICK,
        ]  # fmt: skip

    def _install(self):
        self.tmp.mkdir()
        done = subprocess.run(
            self.run("usr/sbin/mysqld", *self._common(), "--initialize-insecure"), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"mysqld --initialize-insecure: {done.stdout}{done.stderr}")

    def _command(self):
        return self.run(
            "usr/sbin/mysqld", *self._common(), f"--socket={self.socket}", f"--port={self.port}",
            "--bind-address=127.0.0.1", "--mysqlx=OFF", "--secure-file-priv=NULL", f"--pid-file={self.folder}/mysqld.pid", "--skip-log-bin",
            "--skip-name-resolve", "--character-set-server=utf8mb4", *self.args,
        )  # fmt: skip


class GivenMySQL(MariaDB):
    """A server that is there: neither started nor stopped, and left with our databases and account in it."""

    def __init__(self, folder):
        super().__init__(folder)
        self._admin = "root"
        self.socket = SOCKET
        self.user += self.password[:6]

    def start(self):
        self._create_user()
        return self

    def stop(self):
        self.sql(f"DROP USER {self.user}@'%'")

    def translate(self, text):
        return portable(text)

    def create_database(self, name=None, schema=True):
        self._databases += 1
        return super().create_database(name or f"{self.user}_{self._databases}", schema)
