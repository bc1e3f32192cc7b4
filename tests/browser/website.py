# SPDX-License-Identifier: Apache-2.0
"""A site as others would build it: people sign in with a form, their keys have a page, an API wants keys, and a page of
the site's own embeds the element under a strict policy."""

import base64
import hashlib

from harness.keyfmt import insert_key

PEOPLE = ("alice", "bob", "carol", "root")

CONFIG = """
<Macro SignedIn>
    AuthType Form
    AuthName "People"
    AuthFormProvider file
    AuthUserFile ${folder}/people
    Session On
    SessionCookieName visitor path=/
    Require valid-user
</Macro>
<Macro Keys $path $manage>
    <Location "$path">
        Use SignedIn
        AuthFormLoginRequiredLocation "/login.html"
        SetHandler apikey-manage
        ApiKeyManage $manage
        ApiKeyScopes orders:read orders:write invoices:read reports:*
    </Location>
</Macro>
Use Keys /keys Self
Use Keys /admin Admin
Use Keys /off Self
<Location "/off">
    ApiKeyUserKeys Off
</Location>
<Location "/login">
    Use SignedIn
    SetHandler form-login-handler
    AuthFormLoginRequiredLocation "/login.html"
    AuthFormLoginSuccessLocation "/keys/"
</Location>
<Location "/basic">
    AuthType Basic
    AuthName "People"
    AuthBasicProvider file
    AuthUserFile ${folder}/people
    Require valid-user
    SetHandler apikey-manage
    ApiKeyManage Self
</Location>
<Location "/api">
    AuthType Bearer
    Require apikey
</Location>
Define policy "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
<LocationMatch "^/(embed|account)">
    Header always set Content-Security-Policy "${policy}"
</LocationMatch>
AddType text/javascript js
AddType image/svg+xml svg
"""


def page(title, body="", language="en"):
    """A small page that asks for nothing by itself."""
    return f"""<!doctype html><html lang="{language}"><title>{title}</title><link rel="icon" href="data:,">
{body}</html>"""


MODULE = '<script type="module" src="/keys/apikeys.js"></script>'
FILES = {
    "login.html": page("Sign in", """<form method="post" action="/login">
<label>Name <input name="httpd_username"></label> <label>Password <input name="httpd_password" type="password"></label>
<button>Sign in</button></form>"""),
    "blank.html": page("Blank"),
    "account.html": page("Account", f'{MODULE}<h1>My account</h1><api-keys base="/keys"></api-keys>'),
    "embed-team.html": page("Team", f'{MODULE}<h1>Team blue</h1><api-keys team="blue"></api-keys>'),
    "api/index.html": "hello\n",
}


class Site:
    """The site and what can be done to it without a browser."""

    def __init__(self, make_httpd, database):
        self.database = database
        self.httpd = make_httpd(
            CONFIG, dbd=database.dbd_params(), start=False,
            modules=["macro", "request", "session", "session_cookie", "auth_form"],
        )  # fmt: skip

    def start(self):
        """With accounts whose passwords are their names, and its pages."""
        hashed = {name: base64.b64encode(hashlib.sha1(name.encode()).digest()).decode() for name in PEOPLE}
        (self.httpd.folder / "people").write_text("".join(f"{name}:{{SHA}}{word}\n" for name, word in hashed.items()))
        for name, text in FILES.items():
            self.put(name, text)
        self.httpd.start()
        return self

    def put(self, name, text):
        """A file among its pages."""
        path = self.httpd.htdocs / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def clear(self):
        self.database.sql("DELETE FROM api_keys; DELETE FROM api_key_team_members;"
                          "INSERT INTO api_key_team_members VALUES"
                          " ('blue', 'alice', TRUE), ('red', 'alice', TRUE), ('blue', 'bob', FALSE)")  # fmt: skip

    def url(self, path="/", host="127.0.0.1"):
        return f"http://{host}:{self.httpd.port}{path}"

    def sign_in(self, browser, name):
        """The cookie the form would give."""
        form = f"httpd_username={name}&httpd_password={name}"
        kind = [("Content-Type", "application/x-www-form-urlencoded")]
        answer = self.httpd.get("/login", headers=kind, method="POST", body=form)
        cookie, _, value = answer.header("Set-Cookie").split(";")[0].partition("=")
        assert answer.status == 302 and name in value, answer
        browser.cdp("Network.setCookie", url=self.url(), name=cookie, value=value)

    def add_key(self, owner="alice", description="", kind="user", used=None, created=None, **options):
        """A key that is there already: (id, secret). `used` and `created` are seconds ago."""
        number, secret = insert_key(self.database, kind, owner, **options)
        text = description.encode().hex()
        self.database.sql(f"UPDATE api_keys SET description = _utf8mb4 X'{text}' WHERE id = {number}")
        if created is not None:
            self.database.sql(f"UPDATE api_keys SET created_at = UTC_TIMESTAMP(3) - INTERVAL {created} SECOND"
                              f" WHERE id = {number}")  # fmt: skip
        if used is not None:
            self.database.sql(f"REPLACE INTO api_key_usage (key_id, last_used_at, use_count)"
                              f" VALUES ({number}, UTC_TIMESTAMP(3) - INTERVAL {used} SECOND, 1)")  # fmt: skip
        return number, secret

    def rows(self, where="TRUE"):
        return self.database.sql(f"SELECT *, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), expires_at) AS lives"
                                 f" FROM api_keys WHERE {where} ORDER BY id")  # fmt: skip

    def lets_in(self, secret):
        """Whether the protected part of the site takes a key."""
        status = self.httpd.get("/api/", secret).status
        if status == 401:
            self.httpd.expect(r"AK000[123]: API key (revoked|expired|not_found)\b")
        assert status in (200, 401)
        return status == 200
