#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A private MariaDB and a private httpd with the module, and real requests with real keys against them.

DEMO_ONCE=1 ends after the requests, with exit status 0 if every answer was as expected; otherwise the servers
run on until Ctrl-C. Nothing outside a scratch folder is touched.
"""

import base64
import hashlib
import os
import secrets
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import keyfmt
from harness.apikeyctl import ApikeyCtl
from harness.apps import Cgi, Fpm, HttpApp
from harness.httpd import Httpd
from harness.mariadb import MariaDB
from harness.scratch import Scratch

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
ORDER = ["REMOTE_USER", "AUTH_TYPE"] + [
    f"APIKEY_{name}" for name in ("ID", "OWNER_TYPE", "OWNER", "USER", "TEAM", "SCOPES", "EXPIRES", "STATUS")
]

CONFIG = """
<LocationMatch "^/(cgi|php|app)(/|$)">
    AuthType Bearer
    AuthName "Demo"
    Require apikey
</LocationMatch>
<Location "/cgi/team">
    AuthType Bearer
    AuthName "Demo"
    Require apikey-team blue
</Location>
<Location "/app/orders">
    AuthType Bearer
    AuthName "Demo"
    Require apikey-scope orders:write
</Location>
<Location "/keys">
    SetHandler apikey-manage
    ApiKeyManage Self
    ApiKeyScopes orders:read orders:write
    AuthType Basic
    AuthName "Demo"
    AuthBasicProvider file
    AuthUserFile ${folder}/people
    Require valid-user
</Location>
"""


def style(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def bold(text):
    return style("1", text)


def dim(text):
    return style("2", text)


def abbreviated(key):
    """Enough of a secret to tell it from the others, and no more."""
    return f"{key[:5]}…{key[-4:]}"


class Keys:
    """The keys of the demo, made with apikeyctl as an administrator would."""

    def __init__(self, ctl, database):
        self.alice_id, self.alice = ctl.create(user="alice", scopes="orders:read", description="Alice's laptop")
        self.blue_id, self.blue = ctl.create(team="blue", scopes="orders:*", description="Team blue's build server")
        self.revoked_id, self.revoked = ctl.create(user="alice", description="left on a train")
        ctl.revoke(self.revoked_id)
        # A key cannot be made expired; its time has to pass, or plain SQL has to say that it has.
        self.expired_id, self.expired = ctl.create(user="alice", description="last year's", expires="1d")
        database.sql(
            "UPDATE api_keys SET created_at = UTC_TIMESTAMP(3) - INTERVAL 2 DAY,"
            f" expires_at = UTC_TIMESTAMP(3) - INTERVAL 1 DAY WHERE id = {self.expired_id}"
        )
        self.mistyped = keyfmt.mistyped(self.alice)
        self.unknown = keyfmt.mint()


class Show:
    """Makes the requests, prints them with their answers, and counts what was not as expected."""

    def __init__(self, httpd):
        self.httpd = httpd
        self.asked = 0
        self.wrong = 0

    def chapter(self, title):
        print(f"\n{bold(title)}")

    def request(self, what, path, *keys, status=200, told=None, challenge=None, headers=()):
        """One request; `told` is what the application must have been told, `challenge` part of WWW-Authenticate."""
        credentials = [("Authorization", f"Bearer {key}") for key in keys]
        answer = self.httpd.get(path, headers=[*credentials, *headers])
        identity = _identity(answer) if answer.status == 200 else {}
        said = answer.header("WWW-Authenticate") or ""
        print(f"\n  {what}")
        print(f"  {dim('$')} {self._curl(path, keys, headers)}")
        print(f"    {bold(answer.status)} {answer.reason}")
        if said:
            print(f"    WWW-Authenticate: {said}")
        for name, value in identity.items():
            print(f"    {name:<21} {value}")
        objections = list(_objections(answer.status, status, said, challenge, identity, told or {}))
        self._judge(objections)

    def visit(self, what, path, login, status):
        """One request with the login of a person instead of a key; the password is not shown."""
        headers = [("Authorization", f"Basic {login}")] if login else []
        answer = self.httpd.get(path, headers=headers)
        print(f"\n  {what}")
        print(f"  {dim('$')} curl{' -u alice' if login else ''} '{self.httpd.url(path)}'")
        print(f"    {bold(answer.status)} {answer.reason}  {answer.header('Content-Type') or ''}")
        if answer.status == 200 and "json" in answer.header("Content-Type"):
            for key in answer.json()["items"]:
                print(f"    {key['id']:>3}  …{key['value']['last_four']}  {key['description']}")
        self._judge([] if answer.status == status else [f"status {answer.status} instead of {status}"])

    def _judge(self, objections):
        self.asked += 1
        if not objections:
            print(f"    {style('32', 'ok')}")
            return
        self.wrong += 1
        print(f"    {style('1;31', 'NOT AS EXPECTED')}")
        for objection in objections:
            print(f"      {objection}")

    def _curl(self, path, keys, headers):
        lines = [f"Authorization: Bearer {abbreviated(key)}" for key in keys]
        lines += [f"{name}: {value}" for name, value in headers]
        options = "".join(f" -H '{line}'" for line in lines)
        return f"curl{options} {self.httpd.url(path)}"


def _identity(answer):
    """The lines of an application's answer that say who is asking, whichever way it was told."""
    told = answer.json()
    if "server" in told:  # PHP
        told = told["server"]
    elif "headers" in told:  # the HTTP application
        told = dict(told["headers"])
    known = [(_rank(name), name, value) for name, value in told.items() if _rank(name) is not None]
    return {name: value for _, name, value in sorted(known)}


def _rank(name):
    """The place of a line among those about identity, the same whether it is a variable or a header; None: not one."""
    plain = name.upper().replace("-", "_").removeprefix("X_")
    if plain in ORDER:
        return ORDER.index(plain)
    return len(ORDER) if plain.startswith("APIKEY_") else None


def _objections(status, wanted_status, said, challenge, identity, told):
    if status != wanted_status:
        yield f"status {status} instead of {wanted_status}"
    if challenge is not None and challenge not in said:
        yield f"WWW-Authenticate without {challenge}"
    if challenge is None and said:
        yield "a WWW-Authenticate nobody expected"
    lower = {name.lower(): value for name, value in identity.items()}
    for name, value in told.items():
        if lower.get(name.lower()) != value:
            yield f"{name} is {lower.get(name.lower())!r} instead of {value!r}"


def environment(owner_type, owner, key_id, scopes):
    """What a CGI or FastCGI program must see."""
    return {
        "REMOTE_USER": owner if owner_type == "user" else f"team:{owner}",
        "AUTH_TYPE": "Bearer",
        "APIKEY_ID": key_id,
        "APIKEY_OWNER_TYPE": owner_type,
        "APIKEY_OWNER": owner,
        f"APIKEY_{owner_type.upper()}": owner,
        "APIKEY_SCOPES": scopes,
        "APIKEY_EXPIRES": "",
    }


def request_headers(owner_type, owner, key_id, scopes):
    """What a proxied HTTP application must see."""
    return {
        "X-ApiKey-Id": key_id,
        "X-ApiKey-Owner-Type": owner_type,
        "X-ApiKey-Owner": owner,
        f"X-ApiKey-{owner_type.title()}": owner,
        "X-ApiKey-Scopes": scopes,
    }


def play(show, keys):
    alice = ("user", "alice", keys.alice_id, "orders:read")
    blue = ("team", "blue", keys.blue_id, "orders:*")

    show.chapter("A user's key and a team's key")
    show.request("Alice's key, a CGI program", "/cgi/env", keys.alice, told=environment(*alice))
    show.request("Team blue's key, the same program", "/cgi/env", keys.blue, told=environment(*blue))
    show.request("Team blue's key, PHP-FPM", "/php/env.php", keys.blue, told=environment(*blue))
    show.request("Alice's key, a proxied application", "/app/", keys.alice, told=request_headers(*alice))
    show.request("Team blue's key, a proxied application", "/app/", keys.blue, told=request_headers(*blue))
    show.request(
        "Alice's key, pretending to be someone else", "/app/", keys.alice,
        headers=[("X-ApiKey-User", "mallory")], told=request_headers(*alice),
    )  # fmt: skip

    show.chapter("What a key may do")
    show.request("Team blue's key where team blue is wanted", "/cgi/team", keys.blue, told=environment(*blue))
    show.request("Alice's key where team blue is wanted", "/cgi/team", keys.alice, status=403)
    show.request(
        "Alice's key, which may read orders, where orders are written", "/app/orders", keys.alice, status=403,
        challenge='error="insufficient_scope", scope="orders:write"',
    )  # fmt: skip
    show.request("Team blue's key, which may do everything to orders", "/app/orders", keys.blue)

    show.chapter("Refusals")
    show.request("No key", "/cgi/env", status=401, challenge='Bearer realm="Demo"')
    refused = {"status": 401, "challenge": 'error="invalid_token"'}
    show.request("A mistyped key: its check digits give it away", "/cgi/env", keys.mistyped, **refused)
    show.request("A well-formed key that nobody made", "/cgi/env", keys.unknown, **refused)
    show.request("An expired key", "/cgi/env", keys.expired, **refused)
    show.request("A revoked key", "/cgi/env", keys.revoked, **refused)
    show.request(
        "Two keys at once", "/cgi/env", keys.alice, keys.blue, status=400, challenge='error="invalid_request"',
    )  # fmt: skip


def sign_in(show, password):
    """The page where Alice looks after her keys, and the API behind it, with and without her password."""
    login = base64.b64encode(f"alice:{password}".encode()).decode()
    show.chapter("Users look after their own keys")
    for what, path in (("The page", "/keys/"), ("The API: Alice's keys", "/keys/user-api-keys?user_id=me")):
        show.visit(f"{what}, as Alice", path, login, status=200)
        show.visit(f"{what}, as nobody", path, None, status=401)


def write_private(path, text):
    path.touch(0o600)
    path.write_text(text)
    return path


def let_alice_sign_in(httpd):
    """An account for the page, whose password it returns."""
    password = secrets.token_urlsafe(9)
    hashed = base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()
    (httpd.folder / "people").write_text(f"alice:{{SHA}}{hashed}\n")
    return password


def linger(httpd, database, keys, folder, password):
    """Says how to go on by hand and waits for Ctrl-C."""
    secret_file = write_private(
        folder / "keys.txt",
        f"alice {keys.alice}\nblue {keys.blue}\n",
    )
    key = f"$(awk '/^alice/ {{print $2}}' {secret_file})"
    print(f"\n{bold('The servers run until Ctrl-C')}\n")
    print(f"  the page      {httpd.url('/keys/')}   (user alice, password {password})")
    print(f"  its API       {httpd.url('/keys/user-api-keys?user_id=me')}")
    print(f"  applications  {httpd.url('/cgi/env')}  {httpd.url('/php/env.php')}  {httpd.url('/app/')}")
    print(f"  database      mariadb --socket={database.server.socket} {database.name}")
    print(f"  logs          {httpd.folder / 'logs'}")
    print(f"  the secrets   {secret_file}   (readable by you alone, deleted at the end)\n")
    print(f'  $ curl -H "Authorization: Bearer {key}" {httpd.url("/cgi/env")}\n')
    sys.stdout.flush()
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    end.wait()
    print("\nCleaning up.")


def run(scratch):
    print(bold("mod_authn_apikey demo"))
    server = MariaDB(scratch.folder("sql"))
    cgi = Cgi(scratch.folder("cgi"))
    cgi.add("team", (cgi.folder / "env").read_text())
    with server, Fpm(scratch.folder("php")) as php, HttpApp() as app:
        database = server.create_database("demo", schema=False)
        ctl = ApikeyCtl(database, scratch.folder("ctl"))
        ctl.ok("init")
        mounts = {"/cgi": cgi, "/php": php, "/app": app}
        httpd = Httpd(scratch.folder("httpd"), CONFIG, mounts=mounts, dbd=database.dbd_params())
        keys = Keys(ctl, database)
        password = let_alice_sign_in(httpd)
        # Refusals are logged, by us as warnings and by httpd as errors, and a third of what follows is refused.
        httpd.expect(r"\[authn_apikey:warn\]", "AH01631: user alice: authorization failure")
        with httpd:
            print(f"  httpd     {httpd.url()}\n  database  {server.socket}")
            print(f"  the page  {httpd.url('/keys/')}\n  its API   {httpd.url('/keys/user-api-keys?user_id=me')}")
            show = Show(httpd)
            play(show, keys)
            sign_in(show, password)
            verdict = f"{show.asked - show.wrong} of {show.asked} answers as expected"
            print(f"\n{bold(verdict)}")
            sys.stdout.flush()
            if os.environ.get("DEMO_ONCE") != "1":
                linger(httpd, database, keys, scratch.path, password)
            return 1 if show.wrong else 0


def main():
    # Ctrl-C or a closed terminal at any moment must still stop the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(1))
    with Scratch("apikey-demo-") as scratch:
        try:
            return run(scratch)
        except KeyboardInterrupt:
            return 130
        except (AssertionError, RuntimeError, OSError) as failure:
            print(f"\n{style('1;31', 'The demo failed')}: {failure}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
