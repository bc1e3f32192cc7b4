# SPDX-License-Identifier: Apache-2.0
"""An HTTP client that sends exactly the bytes it is told to and hides nothing of the answer."""

import json
import socket
from dataclasses import dataclass, field

from .process import patience


@dataclass
class Response:
    """An answer: header lines as they came, repeated ones included."""

    status: int
    reason: str
    headers: list
    body: bytes
    version: str = "HTTP/1.1"
    interim: list = field(default_factory=list)  # statuses of the 1xx answers before it

    def all(self, name):
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        """The only value of a header, or None; AssertionError when there are several."""
        values = self.all(name)
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode("utf-8", "surrogateescape")

    def json(self):
        return json.loads(self.body)


def _octets(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def with_key(headers, key):
    """The header list with the key presented as a bearer token."""
    return [*headers, (b"Authorization", b"Bearer " + _octets(key))] if key is not None else list(headers)


def connect(port, host="127.0.0.1", timeout=30, tls=None):
    """A socket; `tls` is an ssl.SSLContext, and the server's name is localhost."""
    plain = socket.create_connection((host, port), patience(timeout))
    return tls.wrap_socket(plain, server_hostname="localhost") if tls else plain


class Connection:
    """A keep-alive connection: several requests one after the other, or raw bytes."""

    def __init__(self, port, host="127.0.0.1", timeout=30, tls=None):
        self.port = port
        self._socket = connect(port, host, timeout, tls)
        self._file = self._socket.makefile("rb")

    def request(self, path, key=None, headers=(), method="GET", body=None, version="HTTP/1.1"):
        """Sends one request and reads its answer. A Host header is added unless one is given."""
        self.send(path, key, headers, method, body, version)
        return self.read_response(method)

    def send(self, path, key=None, headers=(), method="GET", body=None, version="HTTP/1.1"):
        lines = with_key(headers, key)
        names = {_octets(name).lower() for name, _ in lines}
        if b"host" not in names:
            lines.insert(0, ("Host", "localhost"))
        if body is not None and not names & {b"content-length", b"transfer-encoding"}:
            lines.append(("Content-Length", str(len(_octets(body)))))
        head = b" ".join(_octets(part) for part in (method, path, version)) + b"\r\n"
        head += b"".join(_octets(name) + b": " + _octets(value) + b"\r\n" for name, value in lines)
        self.send_raw(head + b"\r\n" + _octets(body or b""))

    def send_raw(self, octets):
        self._socket.sendall(octets)

    def read_response(self, method="GET"):
        """Reads the next final answer; `method` decides whether it has a body."""
        interim = []
        while True:
            version, status, reason, headers = self._read_head()
            if status >= 200 or status == 101:
                break
            interim.append(status)
        response = Response(status, reason, headers, b"", version, interim)
        if method != "HEAD" and status not in (101, 204, 304):
            response.body = self._read_body(response)
        return response

    def read_some(self, size=1):
        """Up to `size` further bytes as soon as any are there; empty when the server closed the connection."""
        return self._file.read1(size)

    def closed(self):
        """True when the server has closed its side."""
        return self.read_some() == b""

    def close(self):
        self._file.close()
        self._socket.close()

    def _read_head(self):
        line = self._file.readline()
        if not line:
            raise ConnectionError("the server closed the connection without an answer")
        version, status, reason = (line.decode("latin-1").rstrip("\r\n").split(" ", 2) + [""])[:3]
        headers = []
        while (line := self._file.readline()) not in (b"\r\n", b"\n"):
            if not line.endswith(b"\n"):
                raise ConnectionError("the server closed the connection inside an answer's header")
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        return version, int(status), reason, headers

    def _read_body(self, response):
        if "chunked" in (response.header("Transfer-Encoding") or "").lower():
            return b"".join(self._chunks())
        length = response.header("Content-Length")
        return self._file.read() if length is None else self._exactly(int(length))

    def _chunks(self):
        while size := int(self._file.readline().partition(b";")[0], 16):
            yield self._exactly(size)
            self._file.readline()
        while self._file.readline() not in (b"\r\n", b"\n", b""):
            pass

    def _exactly(self, size):
        octets = self._file.read(size)
        if len(octets) != size:
            raise ConnectionError(f"the body ended after {len(octets)} of {size} bytes")
        return octets

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request(port, path, key=None, headers=(), method="GET", body=None, version="HTTP/1.1"):
    """One request on a connection of its own."""
    with Connection(port) as connection:
        return connection.request(path, key, headers, method, body, version)
