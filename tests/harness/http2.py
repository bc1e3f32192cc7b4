# SPDX-License-Identifier: Apache-2.0
"""HTTP/2: several requests at the same time over one connection, byte for byte as told.

Not by curl: the one in Debian 12 (7.88) breaks a connection it uses a second time. The compression of headers is
left to libnghttp2, which is there wherever mod_http2 is.
"""

import ctypes
import struct

from .client import Response, _octets, connect, with_key

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM = ACK = 1
END_HEADERS, PADDED, PRIORITY = 4, 8, 32
WINDOW = 1 << 30


class _Pair(ctypes.Structure):
    """nghttp2_nv"""

    _fields_ = [
        ("name", ctypes.POINTER(ctypes.c_char)), ("value", ctypes.POINTER(ctypes.c_char)),
        ("name_length", ctypes.c_size_t), ("value_length", ctypes.c_size_t), ("flags", ctypes.c_uint8),
    ]  # fmt: skip


class Inflater:
    """Header blocks to header pairs; what one block taught is used for the next."""

    FINAL, EMIT = 1, 2

    def __init__(self):
        self._library = ctypes.CDLL("libnghttp2.so.14")
        self._library.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
        self._state = ctypes.c_void_p()
        assert self._library.nghttp2_hd_inflate_new(ctypes.byref(self._state)) == 0

    def pairs(self, block):
        pair, flags, found = _Pair(), ctypes.c_int(), []
        while not flags.value & self.FINAL:
            used = self._library.nghttp2_hd_inflate_hd2(
                self._state, ctypes.byref(pair), ctypes.byref(flags), block, ctypes.c_size_t(len(block)), 1
            )
            if used < 0:
                raise ConnectionError(f"headers that cannot be read: nghttp2 error {used}")
            block = block[used:]
            if flags.value & self.EMIT:
                name, value = pair.name[: pair.name_length], pair.value[: pair.value_length]
                found.append((name.decode("latin-1"), value.decode("latin-1")))
        self._library.nghttp2_hd_inflate_end_headers(self._state)
        return found

    def close(self):
        self._library.nghttp2_hd_inflate_del(self._state)


def _number(value):
    """An integer with a seven bit prefix (RFC 7541, 5.1)."""
    if value < 127:
        return bytes([value])
    octets, value = bytearray([127]), value - 127
    while value >= 128:
        octets.append(value % 128 + 128)
        value //= 128
    return bytes([*octets, value])


def _deflate(pairs):
    """Every pair as a literal that is neither compressed nor remembered."""
    return b"".join(b"\0" + _number(len(n)) + n + _number(len(v)) + v for n, v in pairs)


class Http2Connection:
    """One connection; stream numbers are the handles of requests. `tls`: an ssl.SSLContext that offers h2, which the
    server must choose."""

    def __init__(self, port, host="127.0.0.1", timeout=30, tls=None):
        self._socket = connect(port, host, timeout, tls)
        assert not tls or self._socket.selected_alpn_protocol() == "h2"
        self._scheme = "https" if tls else "http"
        self._file = self._socket.makefile("rb")
        self._inflater = Inflater()
        self._next = 1
        self._answers = {}  # stream -> Response, its body growing
        self._ended = set()
        self._socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self._send(SETTINGS, 0, 0, struct.pack(">HI", 4, WINDOW))
        self._send(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW))

    def send(self, path, key=None, headers=(), method="GET", body=None, trailers=()):
        """Sends a request and returns its stream. A body may have 16 KiB, and trailers behind it."""
        stream, self._next = self._next, self._next + 2
        pairs = [(b":method", method), (b":scheme", self._scheme), (b":authority", "localhost"), (b":path", path)]
        lines = [(_octets(name).lower(), value) for name, value in with_key(headers, key)]
        if body is not None:
            lines.append((b"content-length", str(len(_octets(body)))))
        block = _deflate([(name, _octets(value)) for name, value in [*pairs, *lines]])
        self._send(HEADERS, END_HEADERS | (END_STREAM if body is None else 0), stream, block)
        if body is not None:
            self._send(DATA, 0 if trailers else END_STREAM, stream, _octets(body))
        if trailers:
            block = _deflate([(_octets(name).lower(), _octets(value)) for name, value in trailers])
            self._send(HEADERS, END_HEADERS | END_STREAM, stream, block)
        return stream

    def read_response(self, stream):
        """Reads until this stream has ended; the others' frames are kept for them."""
        while stream not in self._ended:
            self._read_frame()
        return self._answers.pop(stream)

    def request(self, path, key=None, headers=(), method="GET", body=None, trailers=()):
        return self.read_response(self.send(path, key, headers, method, body, trailers))

    def close(self):
        self._inflater.close()
        self._file.close()
        self._socket.close()

    def _send(self, kind, flags, stream, payload):
        head = struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream)
        self._socket.sendall(head + payload)

    def _read_frame(self):
        head = self._file.read(9)
        if len(head) < 9:
            raise ConnectionError("the server closed the connection without an answer")
        size = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = self._file.read(size)
        if kind in (SETTINGS, PING) and not flags & ACK:
            self._send(kind, ACK, 0, payload if kind == PING else b"")
        elif kind == HEADERS:
            self._headers(stream, flags, _without_padding(flags, payload))
        elif kind == DATA:
            self._answers[stream].body += _without_padding(flags, payload)
            self._end(stream, flags)
        elif kind in (RST_STREAM, GOAWAY):
            self._broken(kind, stream, payload)

    def _headers(self, stream, flags, block):
        if flags & PRIORITY:
            block = block[5:]
        end = flags
        while not flags & END_HEADERS:
            head = self._file.read(9)
            flags = head[4]
            block += self._file.read(int.from_bytes(head[:3], "big"))
        pairs = self._inflater.pairs(block)
        if pairs and pairs[0][0] == ":status":
            self._answer(stream, int(pairs[0][1]), pairs[1:])
        else:
            self._answers[stream].headers += pairs  # trailers
        self._end(stream, end)

    def _answer(self, stream, status, headers):
        before = self._answers.get(stream)
        interim = before.interim + [before.status] if before else []
        self._answers[stream] = Response(status, "", headers, b"", "HTTP/2", interim)

    def _end(self, stream, flags):
        if flags & END_STREAM:
            self._ended.add(stream)

    def _broken(self, kind, stream, payload):
        code = int.from_bytes(payload[-4:] if kind == RST_STREAM else payload[4:8], "big")
        # After a whole answer the server may still say that it wants no more of the request (0: no error).
        if code or (kind == RST_STREAM and stream not in self._ended):
            raise ConnectionError(f"the server broke off stream {stream} with error {code}: {payload[8:]!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _without_padding(flags, payload):
    return payload[1 : len(payload) - payload[0]] if flags & PADDED else payload


def http2(port, paths, key=None, headers=(), method="GET", body=None):
    """One path gives one answer; a list of paths is requested at the same time and gives a list."""
    with Http2Connection(port) as connection:
        if isinstance(paths, str):
            return connection.request(paths, key, headers, method, body)
        streams = [connection.send(path, key, headers, method, body) for path in paths]
        return [connection.read_response(stream) for stream in streams]
