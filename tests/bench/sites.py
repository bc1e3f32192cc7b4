# SPDX-License-Identifier: Apache-2.0
"""What is compared, and the servers it runs on: for each row a port of its own in front of the same static file."""

import base64
import hashlib
from dataclasses import dataclass

from harness import ROOT, keyfmt
from harness.client import Connection
from harness.httpd import BINARY, Httpd, asleep
from harness.process import Process, free_port

MOD_BENCH = ROOT / "build" / "mod_bench.so"
# What Debian's a2enmod has enabled from the start, with the lines of their .conf files that concern every request: what
# an administrator compares on. Every module with a hook takes a little from each request, more where it is
# authenticated.
DEBIAN = [
    "access_compat", "alias", "auth_basic", "authn_core", "authn_file", "authz_core", "authz_host", "authz_user",
    "autoindex", "deflate", "dir", "env", "filter", "mime", "negotiation", "reqtimeout", "setenvif", "status",
]  # fmt: skip
DEBIAN_CONF = r"""
Alias /icons/ /usr/share/apache2/icons/
AddOutputFilterByType DEFLATE text/html text/plain text/xml text/css application/javascript
RequestReadTimeout header=20-40,minrate=500 body=10,minrate=500
BrowserMatch "Mozilla/2" nokeepalive
BrowserMatch "RealPlayer 4\.0" force-response-1.0
BrowserMatch "Microsoft Data Access Internet Publishing Provider" redirect-carefully
<FilesMatch "^\.ht">
Require all denied
</FilesMatch>
<Location "/server-status">
SetHandler server-status
Require local
</Location>
ExtendedStatus On
"""
# And what the rows need.
MODULES = [*DEBIAN, "authn_dbd", "authn_socache", "socache_shmcb", "dbd", "log_config", "unixd", "watchdog"]
THREADS = 4  # under callgrind: with few to choose from, counts depend less on who is woken
PATIENT = "ApiKeyTimeout 60s\n"  # a busy machine is no reason for a 503
FILE = "/index.html"
MARK = "/.mark"
USER, PASSWORD = "alice", "correct horse battery staple"
HASHED = "{SHA}" + base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()

BASIC = 'AuthType Basic\nAuthName bench\nRequire valid-user\nAuthUserFile "${folder}/people"\nAuthBasicProvider '
BEARER = "AuthType Bearer\nAuthName bench\nRequire valid-user"


@dataclass(frozen=True)
class Row:
    """A configuration of the file's location (none: nothing but `Require all granted`), and the request it gets."""

    name: str
    auth: str = ""
    header: str = ""
    status: int = 200


    @property
    def headers(self):
        return [("Authorization", self.header)] if self.header else []


def bearer_row(name, key, status=200, auth=""):
    return Row(name, f"{BEARER}\n{auth}", f"Bearer {key}", status)


class Rows:
    """All that is compared. `key` is valid."""

    def __init__(self, key):
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        query = 'AuthDBDUserPWQuery "SELECT password FROM people WHERE name = %s"'
        self.none = Row("no authentication")
        self.again = Row("no authentication, once more")
        self.floor = Row("an authn hook that does nothing", "AuthType Bench\nRequire valid-user", f"Bearer {key}")
        self.file = Row("mod_authn_file {SHA}", BASIC + "file", basic)
        self.dbd = Row("mod_authn_dbd {SHA}", f"{BASIC}dbd\n{query}", basic)
        self.socache = Row(
            "mod_authn_socache {SHA}", f"{BASIC}socache dbd\nAuthnCacheProvideFor dbd\n{query}", basic
        )
        self.unprotected = Row("this module loaded, not used")
        self.warm = bearer_row("this module, warm", key)
        self.cold = bearer_row("this module, ApiKeyCache Off", key)
        self.missing = Row("401: no credential", BEARER, status=401)
        self.junk = bearer_row("401: wrong check digits", keyfmt.mistyped(key), 401)
        self.junk_silent = bearer_row("401: the same, LogLevel crit", keyfmt.mistyped(key), 401, "LogLevel crit")

        # Neighbours and baseline run without this module, so that whatever it does to every request is charged to it.
        self.plain_site = [self.none, self.floor, self.file, self.dbd, self.socache, self.again]
        self.warm_site = [self.unprotected, self.warm, self.missing, self.junk, self.junk_silent]
        self.cold_site = [self.cold]
        self.all = [*self.plain_site[:-1], self.cold, *self.warm_site, self.again]


class Site(Httpd):
    """An httpd as the harness makes them, on which every row has a port; no more modules than needed, no access log."""

    def __init__(self, folder, rows=(), config="", **options):
        super().__init__(folder, config, **options)
        self.modules = MODULES
        self.ports = {row: free_port() for row in rows}
        (self.folder / "people").write_text(f"{USER}:{HASHED}\n")
        self.expect(r"AK000[13]")  # refusals are part of what is measured

    def ask(self, row):
        """One request on a connection of its own; its status."""
        return self.connect_to(row).request(FILE, headers=row.headers).status

    def connect_to(self, row):
        return Connection(self.ports[row], timeout=120)

    def _load(self):
        yield from super()._load()
        yield f'LoadModule bench_module "{MOD_BENCH}"'

    def _logging(self):
        yield "ErrorLog logs/error.log\nLogLevel warn\nMaxKeepAliveRequests 0"
        yield DEBIAN_CONF
        for row, port in self.ports.items():
            yield f'Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nDocumentRoot "{self.htdocs}"'
            yield f'<Directory "{self.htdocs}">\nRequire all granted\n</Directory>'
            if row.auth:
                yield f'<Location "/">\n{row.auth}\n</Location>'
            yield "</VirtualHost>"


class CallgrindSite(Site):
    """The same as a single process under callgrind, which counts nothing before it is told to."""

    def start(self):
        self.write_config()
        out = self.folder / "vg" / "callgrind.out"
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", "--vgdb=no"]
        command = [*valgrind, BINARY, "-f", self.config_file, "-X"]
        self._process = Process("httpd", command, self.console, self._environment())
        self._process.wait_until(self._answers, 120)
        return self

    def rest(self):
        """Until every thread waits for something. Otherwise it is a matter of chance how far httpd has got with one
        request when the next one comes, and which thread has to wake which: a difference of hundreds."""
        while not asleep(self.pid):
            pass

    def dump(self, name):
        """The counts that /.mark?name wrote down."""
        for path in (self.folder / "vg").iterdir():
            text = path.read_text()
            if f"desc: Trigger: Client Request: {name}\n" in text:
                return text
        raise FileNotFoundError(f"callgrind wrote nothing for {name}")
