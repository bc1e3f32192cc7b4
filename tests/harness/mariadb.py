# SPDX-License-Identifier: Apache-2.0
"""A private MariaDB server, its databases, and open sessions on them."""

import getpass
import re
import secrets
import shutil
import signal
import socket
import subprocess

from . import SCHEMA
from .process import Process, free_port, wait_for
from .scratch import AM_ROOT

# Small and quick to start. A commit survives kill -9 of the server (value 2), though not a power cut.
QUICK = [
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-dump-at-shutdown=0",
    "--innodb-buffer-pool-load-at-startup=0",
    "--aria-pagecache-buffer-size=1M",
    "--key-buffer-size=1M",
]

_ROW = re.compile(r"<row>(.*?)</row>", re.DOTALL)
_FIELD = re.compile(r'<field name="(.*?)"(?: xsi:nil="true" />|>(.*?)</field>)', re.DOTALL)


class SqlError(Exception):
    """An error from the server; `code` is its number (1062 and so on) or None."""

    def __init__(self, text):
        super().__init__(text.strip())
        found = re.search(r"ERROR (\d+)", text)
        self.code = int(found.group(1)) if found else None


def _unescape(text):
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text


def _rows(xml):
    """Rows of the last result set as dicts of text, None for NULL. The client's XML is not always well-formed
    (control characters), and its tabular output cannot tell NULL from 'NULL': hence no parser of the library."""
    return _results(xml)[-1] if "<resultset" in xml else []


def _results(xml):
    """The rows of every result set."""
    return [
        [
            {_unescape(name): None if value is None else _unescape(value) for name, value in _fields(row)}
            for row in _ROW.findall(result)
        ]
        for result in xml.split("<resultset")[1:]
    ]


def _fields(row):
    return [(found.group(1), found.group(2)) for found in _FIELD.finditer(row)]


class MariaDB:
    """One server on a unix socket and a loopback port; `args` go to mariadbd as they are.

    The account running the tests logs in over the socket without a password; `self.user` with `self.password`
    is for httpd and apikeyctl and may do everything.
    """

    def __init__(self, folder, args=()):
        self.folder = folder
        self.args = list(args)
        self.data = folder / "data"
        self.tmp = folder / "tmp"
        self.socket = folder / "sql.sock"
        self.port = free_port()
        self.user = "apikey"
        self.password = secrets.token_hex(12)
        self._admin = getpass.getuser()
        self._process = None
        self._databases = 0

    # -- life ------------------------------------------------------------------------------------------------

    def start(self):
        first = not self.data.exists()
        if first:
            self._install()
        self._process = Process("mariadbd", self._command(), self.folder / "mariadbd.log", {"HOME": str(self.folder)})
        self._process.wait_until(self._greets, 60)
        if first:
            self._create_user()
        return self

    def stop(self):
        if self._process:
            self._process.stop(seconds=60)
            self._process = None

    def kill9(self):
        """The server vanishes without a word, as in a crash."""
        self._process.kill()
        self._process = None

    def restart(self):
        self.stop()
        self.start()

    def sigstop(self):
        """The server hangs: connections are accepted by the kernel, nobody answers."""
        self._process.send(signal.SIGSTOP)

    def sigcont(self):
        self._process.send(signal.SIGCONT)

    def log(self):
        """The server's own error log."""
        return (self.folder / "mariadbd.log").read_text(errors="replace")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # -- use -------------------------------------------------------------------------------------------------

    def sql(self, text, db=None, user=None, password=None):
        """Runs statements and returns the rows of the last result set: dicts of text, None for NULL."""
        return (self.results(text, db, user, password) or [[]])[-1]

    def results(self, text, db=None, user=None, password=None):
        """Runs statements and returns the rows of every result set."""
        done = subprocess.run(
            self._client(db, user), input=_bytes(self.translate(text)), capture_output=True, env=self._client_env(user, password)
        )
        if done.returncode:
            raise SqlError(done.stderr.decode(errors="replace"))
        return _results(done.stdout.decode(errors="surrogateescape"))

    def translate(self, text):
        """SQL as this server wants it."""
        return text

    def value(self, text, db=None):
        """The first column of the first row."""
        return next(iter(self.sql(text, db)[0].values()))

    def status(self, name):
        """One of the server's counters, Com_stmt_execute for instance."""
        return int(self.sql(f"SHOW GLOBAL STATUS LIKE '{name}'")[0]["Value"])

    def count(self):
        """From now on the two below are told."""
        self.sql("SET GLOBAL userstat = 1")

    def selects_of(self, user):
        """How many SELECTs an account has sent."""
        return self._counter(f"SELECT SELECT_COMMANDS AS n FROM information_schema.USER_STATISTICS WHERE USER = '{user}'")

    def rows_read(self, db, table):
        """How many rows of a table have been read."""
        return self._counter("SELECT ROWS_READ AS n FROM information_schema.TABLE_STATISTICS"
                             f" WHERE TABLE_SCHEMA = '{db}' AND TABLE_NAME = '{table}'")  # fmt: skip

    def deadlocks(self):
        """How many transactions were rolled back to end one."""
        return self._counter("SELECT count AS n FROM information_schema.INNODB_METRICS WHERE name = 'lock_deadlocks'")

    def hang_up(self, user):
        """Ends every connection of an account."""
        self.sql(f"KILL USER {user}")

    def unchecked(self, _db):
        """SQL after which the CHECKs of a database's tables hold nothing back."""
        return "SET SESSION check_constraint_checks = 0;"

    def create_database(self, name=None, schema=True):
        """A new database, with the tables of this project unless told otherwise."""
        if name is None:
            self._databases += 1
            name = f"apikey_{self._databases}"
        self.sql(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        if schema:
            self.sql(SCHEMA.read_bytes(), db=name)
        return Database(self, name)

    def dbd_params(self, db, user=None, password=None, extra=""):
        """The value of DBDParams for a database of this server."""
        login = f"user={user or self.user} pass={password or self.password}"
        return f"host=localhost sock={self.socket} {login} dbname={db} {extra}".rstrip()

    def write_defaults_file(self, path, db, user=None, password=None):
        """An option file, readable by nobody else, with which any client reaches the database."""
        path.touch(0o600)
        path.write_text(
            f"[client]\nsocket={self.socket}\nuser={user or self.user}\n"
            f"password={password or self.password}\ndatabase={db}\n"
        )
        return path

    # -- inside ----------------------------------------------------------------------------------------------

    def _counter(self, query):
        rows = self.sql(query)
        return int(rows[0]["n"] or 0) if rows else 0

    def _create_user(self):
        self.sql(
            f"CREATE USER {self.user}@'%' IDENTIFIED BY '{self.password}';"
            f"GRANT ALL ON *.* TO {self.user}@'%' WITH GRANT OPTION"
        )

    def _common(self):
        # A temporary folder of its own: at its start a server clears away what others have in a shared one.
        return [f"--datadir={self.data}", f"--tmpdir={self.tmp}", *(["--user=root"] if AM_ROOT else []), *QUICK]

    def _install(self):
        self.tmp.mkdir()
        done = subprocess.run(
            # --force: also on a machine that cannot look up its own name, which nothing here needs.
            ["mariadb-install-db", "--no-defaults", "--skip-test-db", "--skip-name-resolve", "--force",
             "--auth-root-authentication-method=socket", f"--auth-root-socket-user={self._admin}", *self._common()],
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"mariadb-install-db: {done.stdout}{done.stderr}")

    def _command(self):
        return [
            *self._server(), f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--pid-file={self.folder}/mariadbd.pid", "--skip-name-resolve", "--skip-log-bin",
            "--character-set-server=utf8mb4", *self._common(), *self.args,
        ]  # fmt: skip

    def _server(self):
        binary = shutil.which("mariadbd", path="/usr/sbin:/usr/libexec:/usr/local/sbin") or "mariadbd"
        return [binary, "--no-defaults"]

    def _greets(self):
        """A greeting on the socket: the kernel accepting the connection is not yet a server that answers."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            try:
                probe.connect(str(self.socket))
                return probe.recv(1)
            except OSError:
                return False

    def _client(self, db, user):
        return [
            "mariadb", "--no-defaults", f"--socket={self.socket}", f"--user={user or self._admin}", "--xml",
            "--default-character-set=utf8mb4", "--unbuffered", *([f"--database={db}"] if db else []),
        ]  # fmt: skip

    def _client_env(self, user, password):
        if user == self.user:
            password = password or self.password
        return {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"} | (
            {"MYSQL_PWD": password} if password else {}
        )


class Database:
    """One database of a server, for tests that need just one."""

    def __init__(self, server, name):
        self.server = server
        self.name = name

    def sql(self, text, user=None, password=None):
        return self.server.sql(text, self.name, user, password)

    def results(self, text, user=None, password=None):
        return self.server.results(text, self.name, user, password)

    def value(self, text):
        return self.server.value(text, self.name)

    def unchecked(self):
        return self.server.unchecked(self.name)

    def dbd_params(self, user=None, password=None, extra=""):
        return self.server.dbd_params(self.name, user, password, extra)

    def session(self, lenient=False):
        return Session(self.server, self.name, lenient)

    def drop(self):
        self.server.sql(f"DROP DATABASE `{self.name}`")


class Session:
    """A connection that stays open between statements: transactions, locks, user variables.

    An error ends it, as it ends the client program in batch mode, unless it is to be `lenient`.
    """

    def __init__(self, server, db, lenient=False):
        self._server = server
        self._client = subprocess.Popen(
            [*server._client(db, None), *(["--force"] if lenient else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=server._client_env(None, None),
        )  # fmt: skip
        self._marks = 0

    def sql(self, text):
        """Runs statements, waits for their end, returns the rows of the last result set."""
        self.send(text)
        return self.rows()

    def send(self, text):
        """Sends statements without waiting: for those that another session's lock holds up."""
        self._marks += 1
        self._mark = f"session-mark-{self._marks}"
        self._client.stdin.write(_bytes(self._server.translate(text)) + f";\nSELECT '{self._mark}' AS mark;\n".encode())
        self._client.stdin.flush()

    def rows(self):
        """Waits for the end of what was sent."""
        answer = ""
        end = f'<field name="mark">{self._mark}</field>'
        while end not in answer:
            line = self._client.stdout.readline()
            if not line:
                raise SqlError(self._client.stderr.read().decode(errors="replace"))
            answer += line.decode(errors="surrogateescape")
        while "</resultset>" not in line.decode(errors="surrogateescape"):
            line = self._client.stdout.readline()
        return _rows(answer.rpartition("<resultset")[0])

    def close(self):
        """Disconnects; an open transaction is rolled back."""
        self._client.stdin.close()
        wait_for(lambda: self._client.poll() is not None, 10, "the client to end")
        self._client.stdout.close()
        self._client.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
