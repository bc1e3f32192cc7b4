# SPDX-License-Identifier: Apache-2.0
"""A private httpd around the module, strict about its error log: a line nobody expected fails the test."""

import os
import re
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

from . import MODULE, client
from .http2 import http2
from .process import VALGRIND, Process, free_port, gone, patience, wait_for
from .scratch import daemon_user, give_to_daemon

MPM = os.environ.get("TEST_MPM", "event")
RUN = os.environ.get("TEST_RUN", "").split()  # put before httpd's command: setarch -R
HAS_HTTP2 = MPM != "prefork"  # mod_http2 refuses its service there; tests of it are skipped
BASICS = [
    "authn_core", "authz_core", "authz_host", "authz_user", "authn_file", "auth_basic", "access_compat", "dbd", "dir",
    "mime", "alias", "env", "headers", "setenvif", "rewrite", "actions", "log_config", "unixd", "version", "watchdog",
]  # fmt: skip

PROBE = "/.harness-probe"
LEVEL = re.compile(r"^\[[^]]*\] \[[^]:]*:(\w+)\]")
CALM = {"notice", "info", "debug"} | {f"trace{number}" for number in range(1, 9)}
CRASH = re.compile(r"exit signal|child pid \d+ exit|child process \d+ still did not exit")
# What says nothing about the module: that a test fills the small fixed capacity here, and that a child of the event
# MPM, ending, had closed its pollset when a connection was to go there.
HTTPD_ITSELF = re.compile(
    r"MaxRequestWorkers setting|MinSpareThreads of MaxRequestWorkers|scoreboard is full"
    r"|\[mpm_event:error\] .*\(9\)Bad file descriptor: \w+: [^:]*: apr_pollset_add failure"
)
OURS = re.compile(r"mod_authn_apikey|authn_apikey|/src/(core|httpd)/")
# What the libraries we call allocate once for the whole process, whoever comes first.
ONCE = re.compile(r"lib(?:mariadb|crypto)[^\n]*\n[^\n]*pthread_once")


def _ask_apxs(variable):
    apxs = shutil.which("apxs") or shutil.which("apxs2") or shutil.which("apxs", path="/usr/sbin:/usr/local/bin")
    if not apxs:
        return ""
    return subprocess.run([apxs, "-q", variable], capture_output=True, text=True).stdout.strip()


BINARY = Path(_ask_apxs("SBINDIR") or "/usr/sbin", _ask_apxs("PROGNAME") or _ask_apxs("progname") or "apache2")
MODULES = Path(_ask_apxs("LIBEXECDIR") or "/usr/lib/apache2/modules")


def compiled_in():
    """Names of the modules that are part of the binary and must not be loaded again."""
    listed = subprocess.run([BINARY, "-l"], capture_output=True, text=True, check=True).stdout
    return {name.removeprefix("mod_") for name in re.findall(r"(\w+)\.c\b", listed)}


class Httpd:
    """One httpd on a loopback port.

    `config` is the test's own configuration; it may use ${folder}, ${htdocs} and ${port}. `modules` are loaded
    beside the basic ones ("proxy_http", "cache_disk"). `mounts` puts applications of apps.py on paths, with their
    modules and configuration. `dbd` is a DBDParams string. `apikey=False` leaves our own module out.
    `tolerated` are lines of the error log that any of its tests may come upon.
    `children` processes of `threads` threads each serve, and never more, so that tests can count per child.
    """

    def __init__(
        self, folder, config="", *, modules=(), mounts=None, dbd=None, apikey=True, children=1, threads=25,
        log_level="info", env=None, tolerated=(),
    ):  # fmt: skip
        self.folder = Path(folder)
        self.htdocs = self.folder / "htdocs"
        self.config = config
        self.mounts = dict(mounts or {})
        self.modules = [*BASICS, *modules, *(name for app in self.mounts.values() for name in app.modules)]
        if not HAS_HTTP2:
            self.modules = [name for name in self.modules if name != "http2"]
        self.dbd = dbd
        self.apikey = apikey
        self.children_wanted = children
        self.threads = threads
        self.log_level = log_level
        self.env = dict(env or {})
        self.port = free_port()
        self._process = None
        self._expected = []
        self._tolerated = [(re.compile(pattern), False) for pattern in tolerated]
        self._checked = 0
        self._lay_out()

    # -- life ------------------------------------------------------------------------------------------------

    def start(self):
        """Writes the configuration, starts httpd, returns when a request is answered."""
        self.write_config()
        command = [BINARY, "-f", self.config_file, "-X" if VALGRIND else "-DFOREGROUND"]
        self._process = Process("httpd", RUN + self._valgrind() + command, self.console, self._environment())
        try:
            self._process.wait_until(self._answers, 30)
        except RuntimeError as failed:
            lines, self._checked = _read(self.error_log, self._checked)  # the exception reports them
            raise RuntimeError("\n".join([str(failed), *lines])) from None
        return self

    def stop(self, graceful=False):
        """Ends httpd and waits for the end; AssertionError when it hangs or valgrind has something to say."""
        if self.running() and not graceful:
            self._settle()
        process, self._process = self._process, None
        if process:
            process.stop(signal.SIGWINCH if graceful else signal.SIGTERM, 30)
            if VALGRIND:  # a single process has dropped the rights to clear up after itself
                (self.folder / "run" / "httpd.pid").unlink(missing_ok=True)
            self._check_valgrind()

    def restart(self):
        """A full stop and start."""
        self.stop()
        self.start()

    def graceful(self, drain=True):
        """A graceful restart with the present `config`; with `drain`, waits for the old children to end.
        A single process under valgrind cannot do that and is stopped and started instead."""
        if VALGRIND:
            return self.restart()
        self.write_config()
        old, mark = self.children(), self.log_mark()
        self._process.send(signal.SIGUSR1)
        self.wait_log(r"resuming normal operations", mark)
        wait_for(self._answers, 30, "httpd to answer after a graceful restart")
        if drain:
            wait_for(lambda: all(gone(pid) for pid in old), 60, "the old children to end")

    def configtest(self):
        """httpd -t with the present configuration: its exit status and what it printed."""
        self.write_config()
        done = subprocess.run(
            [BINARY, "-t", "-f", self.config_file], capture_output=True, text=True, env=self._environment()
        )
        return done.returncode, done.stdout + done.stderr

    def fails_to_start(self, addresses=resource.RLIM_INFINITY):
        """Starts it for real, within so many bytes of addresses, where it should refuse to: what it printed."""
        self.write_config()
        done = subprocess.run(
            [*RUN, BINARY, "-f", self.config_file, "-DFOREGROUND"], capture_output=True, text=True, timeout=patience(30),
            env=self._environment(), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses)),
        )  # fmt: skip
        assert done.returncode > 0, done
        return done.stdout + done.stderr

    def running(self):
        return self._process is not None and self._process.alive()

    @property
    def pid(self):
        return self._process.pid

    def children(self):
        """Process ids of the children that serve requests (not of mod_cgid's daemon)."""
        if VALGRIND:
            return [self.pid]
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            state, parent, threads = fields[0], int(fields[1]), int(fields[17])
            if parent == self.pid and state != "Z" and (threads > 2 or MPM == "prefork"):
                found.append(int(stat.parent.name))
        return found

    def __enter__(self):
        return self.start()

    def __exit__(self, failure, *_):
        try:
            self.stop()
        finally:
            if failure is None:
                self.check_log()

    # -- requests --------------------------------------------------------------------------------------------

    def get(self, path, key=None, headers=(), method="GET", body=None, version="HTTP/1.1"):
        """One request on a connection of its own."""
        return client.request(self.port, path, key, headers, method, body, version)

    def connect(self, timeout=30):
        """A keep-alive connection."""
        return client.Connection(self.port, timeout=timeout)

    def http2(self, paths, key=None, headers=(), method="GET", body=None):
        """Over HTTP/2; needs modules=["http2"]. A list of paths is requested at once over one connection."""
        return http2(self.port, paths, key, headers, method, body)

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    # -- logs ------------------------------------------------------------------------------------------------

    def expect(self, *patterns, crash=False):
        """Marks lines of the error log as expected until the next check_log(). `crash` also excuses lines about
        a child that died, which nothing else does."""
        self._expected += [(re.compile(pattern), crash) for pattern in patterns]

    def check_log(self):
        """AssertionError with every line since the last check that is at warn or above, or in no log format at
        all (glibc, sanitizers), and that nobody expected; and with every line about a child that died."""
        lines, self._checked = _read(self.error_log, self._checked)
        expected, self._expected = self._expected + self._tolerated, []
        bad = [line for line in lines if not self._harmless(line, expected)]
        if bad:
            raise AssertionError("unexpected in httpd's error log:\n" + "\n".join(bad))

    def log_mark(self):
        """The present end of the error log."""
        return self.error_log.stat().st_size if self.error_log.exists() else 0

    def log_lines(self, since=0):
        """Lines of the error log from a mark on."""
        return _read(self.error_log, since)[0]

    def wait_log(self, pattern, since=0, seconds=10):
        """Waits for a line of the error log and returns it."""
        wanted = re.compile(pattern)
        return wait_for(
            lambda: next(filter(wanted.search, self.log_lines(since)), None), seconds, f"{pattern!r} in the error log"
        )

    def access_mark(self):
        return self.access_log.stat().st_size if self.access_log.exists() else 0

    def access_lines(self, since=0, count=0):
        """Lines of the access log from a mark on. A line is written after its answer has gone out: `count` waits
        until there are that many."""
        return wait_for(
            lambda: [None, *lines] if len(lines := _read(self.access_log, since)[0]) >= count else None,
            what=f"{count} lines in the access log",
        )[1:]

    # -- inside ----------------------------------------------------------------------------------------------

    def _lay_out(self):
        for name in ("htdocs", "logs", "run", "cache", "cgid", "vg"):
            (self.folder / name).mkdir(exist_ok=True)
            (self.folder / name).chmod(0o755)
        for name in ("cache", "cgid", "vg"):
            give_to_daemon(self.folder / name)
        (self.htdocs / "index.html").write_text("hello\n")
        (self.folder / "mime.types").write_text("text/html html\ntext/plain txt\n")
        self.config_file = self.folder / "httpd.conf"
        self.error_log = self.folder / "logs" / "error.log"
        self.access_log = self.folder / "logs" / "access.log"
        self.console = self.folder / "logs" / "console.log"

    def write_config(self):
        self.config_file.touch(0o600)
        self.config_file.write_text("\n".join(self._sections()) + "\n")

    def _sections(self):
        yield from self._server()
        yield from self._load()
        yield from self._capacity()
        yield from self._logging()
        if "http2" in self.modules:
            yield "Protocols h2c http/1.1"
        if self.dbd:
            yield f'DBDriver mysql\nDBDParams "{self.dbd}"'
        if self.apikey and patience(1) > 1:
            yield "ApiKeyTimeout 10s"
        yield from (app.config(path) for path, app in self.mounts.items())
        yield self.config
        # Last, so that no section of the test's asks the probe for a key.
        yield f'<Location "{PROBE}">\nAuthType None\nAuthMerging Off\nRequire all granted\n</Location>'

    def _server(self):
        yield f'Define folder "{self.folder}"\nDefine htdocs "{self.htdocs}"\nDefine port {self.port}'
        yield f'ServerRoot "{self.folder}"\nServerName localhost\nListen 127.0.0.1:{self.port}'
        yield 'DocumentRoot "${htdocs}"\nTypesConfig mime.types\nDefaultRuntimeDir run\nPidFile ${folder}/run/httpd.pid'
        user = daemon_user()
        if user:
            yield f"User {user.pw_name}\nGroup #{user.pw_gid}"

    def _load(self):
        built_in = compiled_in()
        for name in dict.fromkeys([f"mpm_{MPM}", *self.modules]):
            file = MODULES / f"mod_{name}.so"
            # Which modules are compiled in differs between distributions, and all of them have all of these.
            if name not in built_in:
                yield f'LoadModule {name}_module "{file}"'
        if self.apikey:
            if not MODULE.exists():
                raise FileNotFoundError(f"{MODULE} is not built: make -f Makefile.apxs")
            yield f'LoadModule authn_apikey_module "{MODULE}"'

    def _capacity(self):
        children, threads = self.children_wanted, self.threads
        yield f"StartServers {children}\nTimeout 60\nKeepAliveTimeout 30"
        # Room for generations that are still draining after a graceful restart.
        yield f"<IfModule !mpm_prefork_module>\nServerLimit {children + 4}\nThreadLimit {threads}"
        yield f"ThreadsPerChild {threads}\nMaxRequestWorkers {children * threads}"
        yield f"MinSpareThreads 1\nMaxSpareThreads {(children + 1) * threads}\n</IfModule>"
        yield f"<IfModule mpm_prefork_module>\nServerLimit {max(64, threads)}\nMaxRequestWorkers {threads}"
        yield f"MinSpareServers 1\nMaxSpareServers {threads}\n</IfModule>"
        yield f"<IfModule cgid_module>\nScriptSock {self.folder}/cgid/sock\n</IfModule>"

    def _logging(self):
        ours = " authn_apikey:debug" if self.apikey else ""
        yield f"ErrorLog logs/error.log\nLogLevel {self.log_level}{ours}"
        yield r'LogFormat "%a %u \"%r\" %>s status=%{APIKEY_STATUS}e" harness'
        yield f"CustomLog logs/access.log harness \"expr=%{{REQUEST_URI}} != '{PROBE}'\""

    def _environment(self):
        # HOME decides which ~/.my.cnf the database client library reads.
        given = {"HOME": str(self.folder)} | self.env
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                given.setdefault(name, os.environ[name])
        if "TEST_LD_PRELOAD" in os.environ:
            given["LD_PRELOAD"] = os.environ["TEST_LD_PRELOAD"]
        return given

    def _answers(self):
        try:
            with client.Connection(self.port, timeout=2) as connection:
                return connection.request(PROBE, headers=[("Connection", "close")]).status > 0
        except OSError:
            return False

    def _settle(self):
        """Waits a moment for the children to finish what they do with connections just closed. The event MPM of 2.4,
        told to end, looks at sockets (close_worker_sockets) that a worker may be freeing, and crashes now and then."""
        calm = 0
        for _ in range(400):
            calm = calm + 1 if all(asleep(pid) for pid in self.children()) else 0
            if calm == 3:
                return
            time.sleep(0.005)

    def _harmless(self, line, expected):
        if CRASH.search(line):
            return any(crash and pattern.search(line) for pattern, crash in expected)
        level = LEVEL.match(line)
        if (level and level.group(1) in CALM) or HTTPD_ITSELF.search(line):
            return True
        return any(pattern.search(line) for pattern, _ in expected)

    # -- valgrind --------------------------------------------------------------------------------------------

    def _valgrind(self):
        if not VALGRIND:
            return []
        return [
            "valgrind", f"--log-file={self.folder}/vg/%p", "--leak-check=full", "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite", "--keep-debuginfo=yes", "--fullpath-after=", "--num-callers=40",
            "--error-exitcode=0", "--vgdb=no",
        ]  # fmt: skip

    def _check_valgrind(self):
        """Errors whose stack passes through our code; those of httpd and its libraries are not ours to judge."""
        logs = sorted((self.folder / "vg").iterdir())
        assert logs or not VALGRIND, "valgrind wrote no log"
        blocks = []
        for log in logs:
            lines = [re.sub(r"^==\d+== ?", "", line) for line in log.read_text(errors="replace").splitlines()]
            for block in "\n".join(lines).split("\n\n"):
                if "   at 0x" in block and OURS.search(block) and not ONCE.search(block):
                    blocks.append(block)
            log.unlink()
        if blocks:
            raise AssertionError("valgrind:\n" + "\n\n".join(blocks))


def asleep(pid):
    """True when every thread of the process waits for something."""
    try:
        stats = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return False  # a thread has just ended
    return all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats)


def _read(path, since):
    """The whole lines from an offset on, and the offset after them; a line still being written is left for later."""
    if not path.exists():
        return [], since
    with open(path, "rb") as file:
        file.seek(since)
        octets = b"".join(file.read().rpartition(b"\n")[:2])
    return octets.decode(errors="surrogateescape").split("\n")[:-1], since + len(octets)
