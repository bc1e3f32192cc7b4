# SPDX-License-Identifier: Apache-2.0
"""Everything that can stand behind httpd and be told who calls, and what it was told, in one shape."""

import html
import json
import re
import socketserver
import struct
import threading
from dataclasses import dataclass

from harness.apps import App, Cgi, Fpm, HttpApp, Uwsgi

NAMES = ["ID", "OWNER_TYPE", "OWNER", "USER", "TEAM", "SCOPES", "EXPIRES", "STATUS"]
ENV = [f"APIKEY_{name}" for name in NAMES] + ["REMOTE_USER", "AUTH_TYPE"]


@dataclass
class Told:
    """`env`: identity as environment, `headers`: request headers by lower-case name, `all`: everything there was."""

    env: dict
    headers: dict
    all: dict

    def identity_headers(self, prefix="x-apikey-"):
        return {name.removeprefix(prefix): value for name, value in self.headers.items() if name.startswith(prefix)}


def told(answer, status=200):
    """What an application says it was told."""
    assert answer.status == status, answer
    said = answer.json()
    if "path" in said:  # HttpApp sees headers only
        return Told({}, {name.lower(): value for name, value in said["headers"]}, said)
    variables = said["server"] if "server" in said else said
    env = {name: variables[name] for name in ENV if name in variables}
    headers = {
        name[5:].lower().replace("_", "-"): value for name, value in variables.items() if name.startswith("HTTP_")
    }
    return Told(env, headers, variables)


class _Receiver(App):
    """One exchange per connection, in a wire format of its own: `answer` gets the socket as a file."""

    def start(self):
        answer = self.answer

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                answer(self.rfile, self.wfile)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class Scgi(_Receiver):
    """SCGI: a netstring of NUL-ended names and values."""

    modules = ["proxy", "proxy_scgi"]

    def __init__(self, _folder=None):
        pass

    def config(self, path):
        return f'ProxyPass "{path}" "scgi://127.0.0.1:{self.port}{path}"'

    def answer(self, rfile, wfile):
        length = b""
        while (octet := rfile.read(1)) != b":":
            length += octet
        parts = rfile.read(int(length)).decode("latin-1").split("\0")[:-1]
        body = json.dumps(dict(zip(parts[::2], parts[1::2], strict=True)))
        wfile.write(b"Status: 200 OK\r\nContent-Type: application/json\r\n\r\n" + body.encode())


class Ajp(_Receiver):
    """AJP13: attributes with a name are what a servlet sees as request attributes. `/…-balanced` goes through a
    balancer."""

    modules = ["proxy", "proxy_ajp", "proxy_balancer", "lbmethod_byrequests", "slotmem_shm"]
    HEADERS = [
        "accept", "accept-charset", "accept-encoding", "accept-language", "authorization", "connection",
        "content-type", "content-length", "cookie", "cookie2", "host", "pragma", "referer", "user-agent",
    ]  # fmt: skip
    REMOTE_USER, AUTH_TYPE, NAMED, KEY_SIZE, END = 3, 4, 10, 11, 255

    def __init__(self, _folder=None):
        pass

    def config(self, path):
        return (
            f'<Proxy "balancer://ajp">\nBalancerMember "ajp://127.0.0.1:{self.port}"\n</Proxy>\n'
            f'ProxyPass "{path}-balanced" "balancer://ajp{path}"\nProxyPass "{path}" "ajp://127.0.0.1:{self.port}{path}"'
        )

    def answer(self, rfile, wfile):
        while head := rfile.read(4):
            body = json.dumps(self._request(rfile.read(struct.unpack(">2xH", head)[0]))).encode()
            kind = self._text("Content-Type") + self._text("application/json")
            self._send(wfile, struct.pack(">BH", 4, 200) + self._text("OK") + struct.pack(">H", 1) + kind)
            self._send(wfile, struct.pack(">BH", 3, len(body)) + body + b"\0")
            self._send(wfile, struct.pack(">BB", 5, 1))

    def _request(self, packet):
        rest = memoryview(packet)

        def take(form):
            nonlocal rest
            (value,) = struct.unpack_from(f">{form}", rest)
            rest = rest[struct.calcsize(f">{form}") :]
            return value

        def text():
            size = take("H")
            return None if size == 0xFFFF else bytes(take(f"{size + 1}s"))[:-1].decode("latin-1")

        take("2s"), text(), text(), text(), text(), text(), take("H"), take("B")
        seen = {}
        for _ in range(take("H")):
            known = rest[0] == 0xA0
            name = self.HEADERS[take("H") - 0xA001] if known else text()
            seen["HTTP_" + name.upper().replace("-", "_")] = text()
        while (code := take("B")) != self.END:
            if code == self.KEY_SIZE:
                take("H")
            elif code == self.NAMED:
                name = text()
                seen[name] = text()
            else:
                seen[{self.REMOTE_USER: "REMOTE_USER", self.AUTH_TYPE: "AUTH_TYPE"}.get(code, f"AJP {code}")] = text()
        return seen

    @staticmethod
    def _text(text):
        return struct.pack(">H", len(text)) + text.encode() + b"\0"

    @staticmethod
    def _send(wfile, payload):
        wfile.write(b"AB" + struct.pack(">H", len(payload)) + payload)


class Ssi(App):
    """Pages of mod_include, everything below `<path>`."""

    modules = ["include"]

    def __init__(self, folder):
        self.folder = folder
        folder.chmod(0o755)
        echo = ", ".join(f'"{name}": "<!--#echo encoding="none" var="{name}" -->"' for name in ENV)
        self.add("env", "{" + echo + "}")
        self.add("printenv", "<!--#printenv -->")

    def add(self, name, text):
        (self.folder / name).write_text(text)

    def config(self, path):
        return (
            f'Alias "{path}" "{self.folder}"\n<Directory "{self.folder}">\nRequire all granted\nOptions +Includes\n'
            "SetOutputFilter INCLUDES\nAcceptPathInfo On\n</Directory>"
        )


def told_by_echo(answer):
    """What SSI echoed; what is not set it calls (none)."""
    assert answer.status == 200, answer
    return {name: value for name, value in json.loads(answer.body).items() if value != "(none)"}


def told_by_printenv(answer):
    """Every variable SSI knows."""
    assert answer.status == 200, answer
    return dict(re.findall(r"^([^=\n]+)=(.*)$", html.unescape(answer.text), re.MULTILINE))


KINDS = {"/cgi": Cgi, "/fpm": Fpm, "/uwsgi": Uwsgi, "/app": HttpApp, "/scgi": Scgi, "/ajp": Ajp, "/ssi": Ssi}
