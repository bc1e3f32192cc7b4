# SPDX-License-Identifier: Apache-2.0
"""Clients of the management API, and a server that has it."""

import base64
import hashlib
import json

from judged import basic

PEOPLE = ("alice", "bob", "carol", "root")

# Where somebody logs in with a password; any of the people above has the own name as password.
LOGIN = """
AuthType Basic
AuthName "People"
AuthBasicProvider file
AuthUserFile ${folder}/people
Require valid-user
"""

# Longer than the default: a machine with other things to do writes slowly.
PATIENT = "ApiKeyTimeout 20s"

SITE = f"""
{PATIENT}
<Location "/keys">
    SetHandler apikey-manage
    ApiKeyManage Self
    ApiKeyScopes orders:read orders:write orders:*
    {LOGIN}
</Location>
<Location "/admin">
    SetHandler apikey-manage
    ApiKeyManage Admin
    {LOGIN}
</Location>
<Location "/">
    ErrorDocument 404 "nothing"
</Location>
<Location "/api">
    AuthType Bearer
    Require apikey
</Location>
"""


def write_people(httpd, names=PEOPLE):
    lines = [f"{name}:{{SHA}}{base64.b64encode(hashlib.sha1(name.encode()).digest()).decode()}\n" for name in names]
    (httpd.folder / "people").write_text("".join(lines))
    (httpd.htdocs / "api").mkdir(exist_ok=True)
    (httpd.htdocs / "api" / "index.html").write_text("hello\n")


class Caller:
    """Somebody at a mount of the API: `user` with a password, or `key`, or nobody."""

    def __init__(self, httpd, base="/keys", user=None, key=None, headers=(), kind="user"):
        self.httpd, self.base, self.user, self.key, self.headers = httpd, base, user, key, list(headers)
        self.kind = kind

    def teams(self):
        """The same caller, at the keys of teams."""
        return Caller(self.httpd, self.base, self.user, self.key, self.headers, "team")

    @property
    def keys(self):
        return f"/{self.kind}-api-keys"

    def ask(self, path, method="GET", body=None, headers=(), **options):
        sent = [*self.headers, *headers]
        if self.user:
            sent.append(basic(self.user, self.user))
        if body is not None:
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
            body = body.encode() if isinstance(body, str) else body
            if not any(name.lower() == "content-type" for name, _ in sent):
                sent.append(("Content-Type", "application/json"))
        send = options.pop("send", self.httpd.get)
        response = send(self.base + path, self.key, headers=sent, method=method, body=body, **options)
        assert_safe(response)
        return response

    def create(self, owner=None, description="d", expires=None, headers=(), **fields):
        owner = owner or ("me" if self.kind == "user" else "blue")
        body = {f"{self.kind}_id": owner, "description": description, "expires_at_millis": expires} | fields
        return self.ask(self.keys, "POST", body, headers)

    def created(self, *args, **fields):
        """A key that must be made: the key object."""
        response = self.create(*args, **fields)
        assert response.status == 200, response.text
        return response.json()

    def list(self, owner=None, **query):
        owner = owner or ("me" if self.kind == "user" else "blue")
        query = {f"{self.kind}_id": owner} | query
        return self.ask(self.keys + "?" + "&".join(f"{name}={value}" for name, value in query.items()))

    def items(self, owner=None, **query):
        response = self.list(owner, **query)
        assert response.status == 200, response.text
        return response.json()["items"]

    def show(self, number):
        return self.ask(f"{self.keys}/{number}")

    def update(self, number, headers=(), **fields):
        return self.ask(f"{self.keys}/{number}", "PATCH", fields, headers)

    def revoke(self, number):
        return self.update(number, revoked=True)

    def rotate(self, number, headers=(), **fields):
        return self.ask(f"{self.keys}/{number}/rotate", "POST", fields, headers)

    def check(self, text):
        return self.ask(f"{self.keys}/check", "POST", {"api_key": text})


def assert_safe(response):
    """What holds for every answer of the API that comes from the handler."""
    if response.header("Content-Type") != "application/json":
        return
    assert response.header("Cache-Control") == "no-store"
    assert response.header("X-Content-Type-Options") == "nosniff"
    assert response.header("Content-Security-Policy").startswith("default-src 'none'")
    assert not response.header("Access-Control-Allow-Origin")


def error(response):
    """(status, code) of an error, which must be told in both ways."""
    told = response.json()
    assert set(told) <= {"code", "error", "details"} and told["error"], told
    assert response.header("x-stack-known-error") == told["code"]
    return response.status, told["code"]


def rows(database):
    """Everything that the API may change, to see that nothing was."""
    return (
        database.sql("SELECT * FROM api_keys ORDER BY id"),
        database.sql("SELECT HEX(digest) d, key_id, last_four, expires_at FROM api_key_secrets ORDER BY digest"),
    )
