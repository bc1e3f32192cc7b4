# SPDX-License-Identifier: Apache-2.0
"""A private MySQL server, unpacked by tests/database.sh, or one that somebody else runs."""

import os
import re
import subprocess

from .mariadb import MariaDB
from .scratch import AM_ROOT
from .unpacked import ROOT, command

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
    """The same as a MariaDB to the tests."""

    def __init__(self, folder, args=()):
        super().__init__(folder, args)
        self._admin = "root"
        self.mysqlbinlog = command("usr/bin/mysqlbinlog", "--no-defaults")

    def translate(self, text):
        return portable(text)

    def count(self):
        """Its performance_schema always does."""

    def selects_of(self, user):
        return self._counter("SELECT SUM(COUNT_STAR) AS n FROM performance_schema.events_statements_summary_by_user_by_event_name"
                             f" WHERE USER = '{user}' AND EVENT_NAME IN ('statement/sql/select', 'statement/com/Execute')")  # fmt: skip

    def rows_read(self, db, table):
        return self._counter("SELECT COUNT_FETCH AS n FROM performance_schema.table_io_waits_summary_by_table"
                             f" WHERE OBJECT_SCHEMA = '{db}' AND OBJECT_NAME = '{table}'")  # fmt: skip

    def _common(self):
        return [
            "--no-defaults", f"--basedir={ROOT}/usr", f"--lc-messages-dir={ROOT}/usr/share/mysql",
            f"--datadir={self.data}", f"--tmpdir={self.tmp}", *(["--user=root"] if AM_ROOT else []), *QUICK,
        ]  # fmt: skip

    def _install(self):
        self.tmp.mkdir()
        done = subprocess.run(
            command("usr/sbin/mysqld", *self._common(), "--initialize-insecure"), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"mysqld --initialize-insecure: {done.stdout}{done.stderr}")

    def _command(self):
        return command(
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
