# SPDX-License-Identifier: Apache-2.0
"""A MySQL server: a private one, or one that somebody else runs."""

import os
import re
import subprocess

from .mariadb import MariaDB, SqlError
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


class MySQL(MariaDB):
    """The same as a MariaDB to the tests."""

    def __init__(self, folder, args=()):
        super().__init__(folder, args)
        self._admin = "root"

    def translate(self, text):
        """MariaDB's tables of numbers, seq_1_to_N, as sub-queries, its EXPLAIN, and its list of sessions: MySQL's own of
        that name fails where one of them runs a statement with octets in it (error 3854)."""
        if isinstance(text, bytes):
            return text
        text = re.sub(r"^EXPLAIN ", "EXPLAIN FORMAT=TRADITIONAL ", text)
        text = text.replace("information_schema.PROCESSLIST", "performance_schema.processlist")
        return re.sub(r"\bseq_1_to_(\d+)\b", lambda found: _numbers(found[1]), text)

    def count(self):
        """Its performance_schema always does."""

    def selects_of(self, user):
        return self._counter("SELECT SUM(COUNT_STAR) AS n FROM performance_schema.events_statements_summary_by_user_by_event_name"
                             f" WHERE USER = '{user}' AND EVENT_NAME IN ('statement/sql/select', 'statement/com/Execute')")  # fmt: skip

    def rows_read(self, db, table):
        return self._counter("SELECT COUNT_FETCH AS n FROM performance_schema.table_io_waits_summary_by_table"
                             f" WHERE OBJECT_SCHEMA = '{db}' AND OBJECT_NAME = '{table}'")  # fmt: skip

    def hang_up(self, user):
        found = self.sql(f"SELECT id FROM performance_schema.processlist WHERE user = '{user}'")
        done = subprocess.run(
            [*self._client(None, None), "--force"], input="".join(f"KILL {row['id']};" for row in found), text=True,
            stderr=subprocess.PIPE, check=True,
        )  # fmt: skip
        if set(re.findall(r"ERROR (\d+)", done.stderr)) - {"1094"}:  # which is gone by itself
            raise SqlError(done.stderr)

    def unchecked(self, db):
        """For all sessions, and for good: there is no other way."""
        checks = self.sql("SELECT table_name AS t, constraint_name AS c FROM information_schema.table_constraints"
                          f" WHERE table_schema = '{db}' AND constraint_type = 'CHECK' AND enforced = 'YES'")  # fmt: skip
        return "".join(f"ALTER TABLE `{check['t']}` ALTER CHECK `{check['c']}` NOT ENFORCED;" for check in checks)


def _numbers(last):
    """A sub-query of the numbers from 1, in their order."""
    digits = "(SELECT 0 AS d" + "".join(f" UNION ALL SELECT {d}" for d in range(1, 10)) + ")"
    places = range(len(last))
    number = " + ".join(f"{10**place} * d{place}.d" for place in places)
    tables = ", ".join(f"{digits} d{place}" for place in places)
    return f"(SELECT 1 + {number} AS seq FROM {tables} ORDER BY seq LIMIT {last}) numbers"


class UnpackedMySQL(MySQL):
    """One that tests/database.sh unpacked."""

    def __init__(self, folder, args=()):
        super().__init__(folder, args)
        self.mysqlbinlog = command("usr/bin/mysqlbinlog", "--no-defaults")

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


class GivenMySQL(MySQL):
    """A server that is there: neither started nor stopped, and left with our databases and account in it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.socket = SOCKET
        self.user += self.password[:6]

    def start(self):
        self._create_user()
        return self

    def stop(self):
        self.sql(f"DROP USER {self.user}@'%'")

    def create_database(self, name=None, schema=True):
        self._databases += 1
        return super().create_database(name or f"{self.user}_{self._databases}", schema)
