# SPDX-License-Identifier: Apache-2.0
"""An OpenID provider for mod_auth_openidc, and a visitor with cookies who signs in there."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlencode, urlsplit

from . import client
from .apps import Served

CLIENT, SECRET = "keys", "shared-by-httpd-and-the-provider"


class OpenIdProvider(Served):
    """Signs whoever comes in at once, without asking: as the person whom `claims` describe at that time."""

    modules = ["auth_openidc"]

    def __init__(self):
        self.handler = _Handler
        self.claims = {}
        self._granted = {}  # code -> claims of the ID token

    @property
    def issuer(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def metadata_url(self):
        return f"{self.issuer}/.well-known/openid-configuration"

    def metadata(self):
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["HS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def grant(self, asked):
        """Where the visitor is sent back to."""
        assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code"), asked
        code, now = secrets.token_urlsafe(), int(time.time())
        known = {"iss": self.issuer, "aud": CLIENT, "sub": "0815", "iat": now, "exp": now + 3600, "nonce": asked["nonce"]}
        self._granted[code] = known | self.claims
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]})

    def token(self, code, authorization):
        """What httpd gets for a code, once."""
        assert authorization == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        return {"access_token": "a", "token_type": "Bearer", "id_token": _signed(self._granted.pop(code))}


def _signed(claims):
    """A JWT by HS256, whose key is the client's secret."""
    parts = [_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.digest(SECRET.encode(), b".".join(parts), hashlib.sha256)
    return b".".join([*parts, _base64url(signature)]).decode()


def _base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        parts = urlsplit(self.path)
        if parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.server.app.grant(dict(parse_qsl(parts.query))))
            self.end_headers()
            return
        known = {"/.well-known/openid-configuration": self.server.app.metadata(), "/keys": {"keys": []}}
        self._send(known[parts.path])

    def do_POST(self):
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self._send(self.server.app.token(form["code"], self.headers["Authorization"]))

    def _send(self, told):
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Visitor:
    """Somebody with a browser at one httpd, whose cookies it keeps; the provider sets none."""

    LINK = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"), ("Accept", "text/html")]

    def __init__(self, httpd, host="localhost"):
        self.httpd, self.cookies = httpd, {}
        self._host = ("Host", f"{host}:{httpd.port}")

    @property
    def headers(self):
        """What goes with each request."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return [self._host, *([("Cookie", cookies)] if cookies else [])]

    def get(self, path):
        """What a link leads to in the end."""
        url = self.httpd.url(path)
        for _ in range(6):
            answer = self._fetch(urlsplit(url))
            if answer.status not in (302, 303):
                return answer
            url = answer.header("Location")
        raise AssertionError(f"redirected again and again, at last to {url}")

    def _fetch(self, to):
        path = to.path + ("?" + to.query if to.query else "")
        if to.port != self.httpd.port:
            return client.request(to.port, path)
        answer = self.httpd.get(path, headers=[*self.headers, *self.LINK])
        for line in answer.all("Set-Cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if not morsel.value:
                    del self.cookies[name]
        return answer
