# SPDX-License-Identifier: Apache-2.0
"""Applications behind httpd, one per way an identity travels. Each answers with what it was told, as JSON.

All have `modules` (for httpd to load), `config(path)` (to put them on a path), `start()` and `stop()`.
"""

import glob
import json
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from .process import Process, free_port, patience, port_open
from .scratch import daemon_user

CGI_SCRIPT = r"""#!/usr/bin/python3 -IS
import json, os
told = {name.decode("latin-1"): value.decode("latin-1") for name, value in os.environb.items()}
print("Content-Type: application/json\n\n" + json.dumps(told))
"""

PHP_SCRIPT = """<?php
header("Content-Type: application/json");
echo json_encode(["server" => $_SERVER, "headers" => getallheaders()], JSON_INVALID_UTF8_SUBSTITUTE);
"""

WSGI_SCRIPT = """import json
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()]
"""


class App:
    """What they have in common. Those that need a folder are made with a new one."""

    modules = []
    needs_folder = True

    def start(self):
        return self

    def stop(self):
        pass

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Cgi(App):
    """A CGI program, `<path>/env`: its environment, bytes as latin-1. `daemon=False` takes mod_cgi."""

    def __init__(self, folder, daemon=True):
        self.folder = folder
        self.modules = ["cgid" if daemon else "cgi"]
        self.script = folder / "env"
        self.add("env", CGI_SCRIPT)

    def add(self, name, text):
        """Another program in the same folder."""
        self.folder.chmod(0o755)
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def config(self, path):
        return f'ScriptAlias "{path}" "{self.folder}"\n<Directory "{self.folder}">\nRequire all granted\n</Directory>'


class Fpm(App):
    """PHP-FPM, `<path>/env.php`: {"server": $_SERVER, "headers": getallheaders()}."""

    modules = ["proxy", "proxy_fcgi"]

    def __init__(self, folder):
        self.folder = folder
        self.socket = folder / "fpm.sock"
        folder.chmod(0o755)
        (folder / "env.php").write_text(PHP_SCRIPT)

    def start(self):
        user = daemon_user()
        account = f"user = {user.pw_name}\ngroup = {user.pw_gid}\n" if user else ""
        configuration = self.folder / "fpm.conf"
        configuration.write_text(
            f"[global]\nerror_log = {self.folder}/fpm.log\n[www]\n{account}listen = {self.socket}\n"
            "listen.mode = 0666\npm = static\npm.max_children = 2\n"
        )
        binary = sorted(glob.glob("/usr/sbin/php-fpm*"))[-1]
        # -n: the machine's php.ini is not ours.
        command = [binary, "-n", "--nodaemonize", "--fpm-config", configuration]
        self._process = Process("php-fpm", command, self.folder / "console.log")
        self._process.wait_until(self._listening)
        return self

    def stop(self):
        self._process.stop()

    def config(self, path):
        return (
            f'Alias "{path}" "{self.folder}"\n<Directory "{self.folder}">\nRequire all granted\n'
            f'<FilesMatch "\\.php$">\nSetHandler "proxy:unix:{self.socket}|fcgi://localhost/"\n</FilesMatch>\n'
            "</Directory>"
        )

    def _listening(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0


class Uwsgi(App):
    """A WSGI application behind the uwsgi protocol, everything below `<path>`: the texts of its environ."""

    modules = ["proxy", "proxy_uwsgi"]

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        folder.chmod(0o755)
        (folder / "app.py").write_text(WSGI_SCRIPT)

    def start(self):
        user = daemon_user()
        account = ["--uid", str(user.pw_uid), "--gid", str(user.pw_gid)] if user else []
        command = [
            "uwsgi", "--plugin", "python3", "--socket", f"127.0.0.1:{self.port}", "--wsgi-file", self.folder / "app.py",
            "--need-app", "--die-on-term", "--enable-threads", "--threads", "2", *account,
        ]  # fmt: skip
        self._process = Process("uwsgi", command, self.folder / "console.log", cwd=self.folder)
        self._process.wait_until(lambda: "spawned uWSGI worker" in self._process.said() and port_open(self.port))
        return self

    def stop(self):
        self._process.stop()

    def config(self, path):
        return f'ProxyPass "{path}" "uwsgi://127.0.0.1:{self.port}{path}"'


class Served(App):
    """Answers HTTP itself, with `handler`, for which it is server.app; over TLS where there is an ssl.SSLContext."""

    needs_folder = False
    handler = None
    tls = None

    def start(self):
        self._server = _Server(("127.0.0.1", 0), self.handler)
        self._server.app = self
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class HttpApp(Served):
    """An HTTP application, everything below `<path>`: {"method", "path", "headers" (pairs as received), "body"}.

    In the query of any path: `status=404`, and `header=Name:value` (repeatable) for the answer. `/cacheable` takes
    `cache-control=` and numbers its answers ("serial"), so that a stored one is recognised. `/slow` sends one byte,
    sets `slow_started` and goes on when the test sets `slow_release`. `requests` lists what arrived. `tls`: the
    ssl.SSLContext it speaks TLS by.
    """

    modules = ["proxy", "proxy_http"]

    def __init__(self, tls=None):
        self.tls = tls
        self.handler = _Handler
        self.requests = []
        self.slow_started = threading.Event()
        self.slow_release = threading.Event()

    def stop(self):
        self.slow_release.set()
        super().stop()

    def config(self, path):
        where = f"https://localhost:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"
        return f'ProxyPass "{path}" "{where}"'


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def server_bind(self):
        # Without the reverse look-up of our own address that http.server makes.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self):
        app = self.server.app
        parts = urlsplit(self.path)
        query = parse_qsl(parts.query)
        told = {
            "method": self.command,
            "path": self.path,
            "headers": self.headers.items(),
            "body": self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("latin-1"),
        }
        app.requests.append(told)
        told = told | {"serial": len(app.requests)}
        if parts.path.endswith("/slow"):
            return self._stream(app)
        headers = [value.partition(":")[::2] for name, value in query if name == "header"]
        headers += [("Cache-Control", value) for name, value in query if name == "cache-control"]
        self._send(int(dict(query).get("status", 200)), headers, json.dumps(told).encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def _send(self, status, headers, body):
        self.send_response(status)
        for name, value in [("Content-Type", "application/json"), *headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value.strip())
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, app):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"1")
        self.wfile.flush()
        app.slow_started.set()
        app.slow_release.wait(patience(60))
        self.wfile.write(b"2")

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            pass  # a client that goes away is part of some tests

    def log_message(self, *_):
        pass
