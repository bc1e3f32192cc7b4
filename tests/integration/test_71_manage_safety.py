# SPDX-License-Identifier: Apache-2.0
"""The management API under attack and in trouble: other sites, broken bodies, a database that fails. Nothing is
changed by what is refused, and nobody waits for ever."""

import re
import threading
import time
from contextlib import contextmanager

import pytest
from harness.httpd import HAS_HTTP2
from harness.process import VALGRIND, patience, wait_for
from judged import basic, leaked
from managed import LOGIN, SITE, Caller, error, rows, write_people

SCHEMA = (400, "SCHEMA_ERROR")
ORIGIN = (403, "CROSS_ORIGIN_REQUEST")
CONTENT_TYPE = (403, "CONTENT_TYPE_NOT_JSON")
TOO_LARGE = (413, "BODY_TOO_LARGE")
UNAVAILABLE = (503, "DATABASE_UNAVAILABLE")
UNKNOWN = (503, "OUTCOME_UNKNOWN")


@pytest.fixture(scope="module")
def httpd(make_module_httpd, module_database):
    httpd = make_module_httpd(SITE, dbd=module_database.dbd_params(), modules=["http2"], start=False)
    write_people(httpd)
    return httpd.start()


@pytest.fixture
def db(module_database):
    module_database.sql("DELETE FROM api_keys; DELETE FROM api_key_team_members;"
                        "INSERT INTO api_key_team_members VALUES ('blue', 'alice', TRUE)")  # fmt: skip
    return module_database


@pytest.fixture
def alice(httpd, db):
    return Caller(httpd, user="alice")


@pytest.fixture
def root(httpd, db):
    return Caller(httpd, "/admin", user="root")


def changes(caller, number, headers):
    """Every request that may change something, or tells about a key for the asking."""
    body = {"user_id": "me", "description": "x", "expires_at_millis": None}
    yield caller.ask("/user-api-keys", "POST", body, headers)
    yield caller.ask(f"/user-api-keys/{number}", "PATCH", {"revoked": True}, headers)
    yield caller.ask(f"/user-api-keys/{number}/rotate", "POST", {}, headers)
    yield caller.ask("/user-api-keys/check", "POST", {"api_key": "x"}, headers)


# -- other sites -------------------------------------------------------------------------------------------------

HERE = [
    [],
    [("Sec-Fetch-Site", "same-origin")],
    [("Origin", "http://localhost")],
    [("Origin", "https://localhost")],  # TLS ends elsewhere
    [("Origin", "https://LOCALHOST")],
    [("Sec-Fetch-Site", "same-origin"), ("Origin", "https://elsewhere.example")],  # behind a proxy that sets Host
    [("Host", "localhost:8443"), ("Origin", "https://localhost:8443")],
    [("Host", "[::1]:8443"), ("Origin", "https://[::1]:8443")],
]
ELSEWHERE = [
    [("Sec-Fetch-Site", "cross-site")],
    [("Sec-Fetch-Site", "same-site")],
    [("Sec-Fetch-Site", "none")],
    [("Sec-Fetch-Site", "")],
    [("Sec-Fetch-Site", "Same-Origin")],
    [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
    [("Sec-Fetch-Site", "cross-site"), ("Origin", "http://localhost")],
    [("Origin", "null")],
    [("Origin", "")],
    [("Origin", "https://evil.example")],
    [("Origin", "http://localhost.evil.example")],
    [("Origin", "http://evil.example/http://localhost")],
    [("Origin", "http://localhost@evil.example")],
    [("Origin", "http://localhost:81")],
    [("Origin", "http://localhost"), ("Origin", "https://evil.example")],
    [("Origin", "localhost")],
    [("Host", "localhost:8080"), ("Origin", "http://localhost")],
]


@pytest.mark.parametrize("headers", HERE)
def test_same_origin(alice, headers):
    number = alice.created()["id"]
    made, revoked, rotated, checked = changes(alice, number, headers)
    assert (made.status, revoked.status) == (200, 200)
    assert error(rotated) == (409, "API_KEY_REVOKED") and error(checked) == (403, "FORBIDDEN")


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_other_origins(alice, root, db, headers):
    number = alice.created()["id"]
    before = rows(db)
    for caller in (alice, root):
        assert [error(answer) for answer in changes(caller, number, headers)] == [ORIGIN] * 4
        # To read is not to change; the page of another site cannot see the answer.
        assert caller.ask(f"/user-api-keys/{number}", headers=headers).status == 200
    assert rows(db) == before


@pytest.mark.skipif(not HAS_HTTP2, reason="mod_http2 does not work with the prefork MPM")
def test_origins_over_http2(httpd, alice, db):
    """Where the authority is no header of the request."""
    ours = [("Origin", "https://localhost")]
    made = alice.ask("/user-api-keys", "POST", {"user_id": "me", "description": "", "expires_at_millis": None}, ours,
                     send=httpd.http2)  # fmt: skip
    assert made.status == 200 and made.json()["value"].startswith("ak_u_")
    before = rows(db)
    for headers in ([("Origin", "https://evil.example")], [("Sec-Fetch-Site", "cross-site"), *ours]):
        answer = alice.ask(f"/user-api-keys/{made.json()['id']}", "PATCH", {"revoked": True}, headers, send=httpd.http2)
        assert error(answer) == ORIGIN
    assert rows(db) == before


@pytest.mark.parametrize("kind", [
    "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json",
    "application/jsonx", "application/json5", "text/plain; application/json", "application/json, text/plain",
    "x application/json", "application/ json",
])  # fmt: skip
def test_other_content_types(alice, root, db, kind):
    """What a form or an unasked fetch of another site can send."""
    number = alice.created()["id"]
    before = rows(db)
    for caller in (alice, root):
        assert [error(answer) for answer in changes(caller, number, [("Content-Type", kind)])] == [CONTENT_TYPE] * 4
    assert rows(db) == before


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON ;x=y"])
def test_content_types(alice, kind):
    assert alice.create(headers=[("Content-Type", kind)]).status == 200


def test_no_other_site_is_let_to_read(alice):
    asked = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")]
    for method in ("GET", "OPTIONS"):
        answer = alice.ask("/user-api-keys?user_id=me", method, headers=asked)
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]
        assert answer.header("Cross-Origin-Resource-Policy") == "same-origin"


# -- bodies ------------------------------------------------------------------------------------------------------

WHOLE = '"user_id": "me", "description": "x", "expires_at_millis": null'
BROKEN = {
    "empty": b"",
    "space": b"   ",
    "text": b"user_id=me",
    "cut": f"{{{WHOLE}".encode(),
    "cut in a string": b'{"user_id": "m',
    "trailing": f"{{{WHOLE}}} x".encode(),
    "two objects": f"{{{WHOLE}}}{{{WHOLE}}}".encode(),
    "comment": f"{{{WHOLE}}} // x".encode(),
    "trailing comma": f"{{{WHOLE},}}".encode(),
    "single quotes": b"{'user_id': 'me'}",
    "array": f"[{{{WHOLE}}}]".encode(),
    "string": b'"x"',
    "number": b"7",
    "null": b"null",
    "twice": f'{{{WHOLE}, "user_id": "me"}}'.encode(),
    "twice, escaped": f'{{{WHOLE}, "user\\u005fid": "bob"}}'.encode(),
    "unknown": f'{{{WHOLE}, "admin": true}}'.encode(),
    "unknown and deep": f'{{{WHOLE}, "a": {{"a": {{"a": []}}}}}}'.encode(),
    "deep": b"[" * 30000 + b"]" * 30000,
    "deep and open": b'{"a":' * 12000,
    "deep in a field": f'{{{WHOLE}, "scopes": {"[" * 100}{"]" * 100}}}'.encode(),
    "NUL": f"{{{WHOLE}}}\0".encode(),
    "NUL inside": f"{{{WHOLE}".replace("x", "\0").encode() + b"}",
    "escaped NUL": f"{{{WHOLE}".replace("x", "\\u0000").encode() + b"}",
    "NUL in a name": f'{{{WHOLE}, "is_public\\u0000": true}}'.encode(),
    "control character": f"{{{WHOLE}".replace("x", "\1").encode() + b"}",
    "Latin-1": f"{{{WHOLE}".replace("x", "\u00e9").encode("latin-1") + b"}",
    "UTF-16": f"{{{WHOLE}}}".encode("utf-16"),
    "overlong UTF-8": f"{{{WHOLE}".encode().replace(b"x", b"\xc0\xaf") + b"}",
    "surrogate": f"{{{WHOLE}".encode().replace(b"x", b"\xed\xa0\x80") + b"}",
    "escaped surrogate": f"{{{WHOLE}".replace("x", "\\ud800").encode() + b"}",
    "byte order mark": b"\xef\xbb\xbf" + f"{{{WHOLE}}}".encode(),
    "huge number": f"{{{WHOLE}}}".replace("null", "9" * 400).encode(),
    "Infinity": f"{{{WHOLE}}}".replace("null", "Infinity").encode(),
    "huge real": f"{{{WHOLE}}}".replace("null", "1e999").encode(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_bodies(alice, db, name):
    number = alice.created()["id"]
    before = rows(db)
    for path, method in (("/user-api-keys", "POST"), (f"/user-api-keys/{number}", "PATCH")):
        answer = alice.ask(path, method, BROKEN[name])
        assert error(answer) == SCHEMA
        assert answer.json()["details"]["field"] and answer.json()["details"]["problem"]
    assert rows(db) == before


FIELDS = {
    "user_id": [7, None, True, [], {}, "", "team:blue", " alice", "a\u0001b", "x" * 256],
    "description": [7, None, True, [], {}, "x" * 256],
    "expires_at_millis": ["", "1", 1.0, 1.5, True, [], {}, -1, 253402300800000, 2**63 - 1],
    "is_public": [0, 1, "true", None, [], {}],
    "scopes": ["orders:read", None, 7, {}, [7], [None], [["orders:read"]], [""], ["orders:read", "orders:read"],
               ["orders:read orders:write"], ["*"], ["a\"b"], ["a\\b"], ["\u00e9"], ["other"], ["orders:delete"],
               ["ORDERS:READ"]],
}  # fmt: skip


@pytest.mark.parametrize("field, value", [(field, value) for field, values in FIELDS.items() for value in values])
def test_wrong_values(alice, db, field, value):
    before = rows(db)
    body = {"user_id": "me", "description": "x", "expires_at_millis": None, field: value}
    answer = alice.ask("/user-api-keys", "POST", body)
    assert error(answer) == SCHEMA and answer.json()["details"]["field"] == field
    assert rows(db) == before


@pytest.mark.parametrize("field", ["user_id", "description", "expires_at_millis"])
def test_missing_fields(alice, field):
    body = {"user_id": "me", "description": "x", "expires_at_millis": None}
    del body[field]
    answer = alice.ask("/user-api-keys", "POST", body)
    assert error(answer) == SCHEMA and answer.json()["details"] == {"field": field, "problem": "is missing"}


@pytest.mark.parametrize("query", [
    "", "?", "?user_id", "?user_id=", "?user_id=me&user_id=me", "?user_id=me&x=1", "?team_id=blue", "?user_id=%ff",
    "?user_id=me%00", "?user_id=%zz", "?user_id=me&limit=0", "?user_id=me&limit=501", "?user_id=me&limit=x",
    "?user_id=me&limit=", "?user_id=me&limit=-1", "?user_id=me&cursor=0", "?user_id=me&cursor=x", "?user_id=me&limit=1e2",
    "?user_id=me&cursor=99999999999999999999", "?User_id=me", "?user_id=me&status=valid", "?user_id=%20alice",
])  # fmt: skip
def test_wrong_queries(alice, query):
    assert error(alice.ask("/user-api-keys" + query)) == SCHEMA


def test_queries_are_decoded(httpd, db, root):
    root.created("a b&c=d+\u00e9")
    assert len(root.ask("/user-api-keys?user_id=a+b%26c%3Dd%2b%C3%A9").json()["items"]) == 1


def test_nothing_is_changed_by_a_query(alice, db):
    before = rows(db)
    for path in ("/user-api-keys?user_id=me", "/user-api-keys?x=1"):
        assert error(alice.ask(path, "POST", {"user_id": "me", "description": "x", "expires_at_millis": None})) == SCHEMA
    assert rows(db) == before


# -- size and time -----------------------------------------------------------------------------------------------


def padded(size):
    body = f"{{{WHOLE}}}".encode()
    return body + b" " * (size - len(body))


def test_the_largest_body(alice):
    assert alice.ask("/user-api-keys", "POST", padded(65536)).status == 200


def test_larger_bodies(alice, db):
    before = rows(db)
    assert error(alice.ask("/user-api-keys", "POST", padded(65537))) == TOO_LARGE
    assert rows(db) == before


def head(httpd, *lines):
    name, value = basic("alice", "alice")
    return "\r\n".join(["POST /keys/user-api-keys HTTP/1.1", "Host: localhost", f"{name}: {value}",
                        "Content-Type: application/json", *lines, "", ""]).encode()  # fmt: skip


def test_an_announced_size_is_refused_before_it_comes(httpd, alice):
    with httpd.connect() as connection:
        connection.send_raw(head(httpd, "Content-Length: 1000000000", "Expect: 100-continue"))
        answer = connection.read_response()
        assert error(answer) == TOO_LARGE and answer.interim == []
        assert answer.header("Connection").endswith("close")


def test_chunks_without_end(httpd, alice, db):
    before = rows(db)
    with httpd.connect() as connection:
        connection.send_raw(head(httpd, "Transfer-Encoding: chunked"))
        chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
        for _ in range(17):
            connection.send_raw(chunk)
        assert error(connection.read_response()) == TOO_LARGE
    assert rows(db) == before


def test_chunks(httpd, alice):
    body = f"{{{WHOLE}}}".encode()
    with httpd.connect() as connection:
        connection.send_raw(head(httpd, "Transfer-Encoding: chunked"))
        for octet in body:
            connection.send_raw(b"1\r\n" + bytes([octet]) + b"\r\n")
        connection.send_raw(b"0\r\n\r\n")
        assert connection.read_response().status == 200
        connection.send_raw(head(httpd, "Content-Length: 2") + b"{}")  # and the connection goes on
        assert error(connection.read_response()) == SCHEMA


def test_a_body_that_is_cut_off(httpd, alice, db):
    before = rows(db)
    with httpd.connect() as connection:
        connection.send_raw(head(httpd, "Content-Length: 1000") + f"{{{WHOLE}}}".encode())
    alice.items()  # on another thread, the first one being done or not
    assert rows(db) == before


@pytest.mark.skipif(VALGRIND, reason="of time")
def test_a_body_that_trickles(httpd, alice, db):
    """Bounded as a whole: what comes now and then does not keep a thread."""
    before = rows(db)
    began = time.monotonic()
    with httpd.connect(timeout=60) as connection:
        connection.send_raw(head(httpd, "Content-Length: 1000"))
        answer = []
        reader = threading.Thread(target=lambda: answer.append(connection.read_response()))
        reader.start()
        while reader.is_alive() and time.monotonic() - began < patience(40):
            try:
                connection.send_raw(b" ")
            except OSError:
                pass  # the answer has come, and the connection was closed
            reader.join(0.5)
    assert error(answer[0]) == (408, "REQUEST_TIMEOUT")
    assert 8 < time.monotonic() - began < patience(25)
    assert rows(db) == before


def test_refusing_does_not_wait_for_the_body(httpd, alice):
    with httpd.connect() as connection:
        connection.send_raw(head(httpd, "Content-Length: 50000", "Sec-Fetch-Site: cross-site"))
        answer = connection.read_response()
        assert error(answer) == ORIGIN and answer.header("Connection").endswith("close")


# -- secrets -----------------------------------------------------------------------------------------------------


def test_secrets_are_in_no_log(alice, root, httpd):
    made = alice.created()
    rotated = alice.rotate(made["id"], grace_seconds=0).json()["value"]
    root.check(made["value"])
    root.check(rotated)
    root.ask("/user-api-keys/check", "POST", {"api_key": rotated, rotated: 1})
    root.ask("/user-api-keys/check", "POST", f'{{"api_key": "{rotated}" {rotated}}}')
    for text in (f'{{"api_key": "{rotated}', f'{{"api_key": {rotated}}}'):
        assert rotated not in root.ask("/user-api-keys/check", "POST", text).text
    assert leaked(httpd, [made["value"], rotated]) == []


def test_values_are_escaped(alice):
    """A browser that is shown an answer by its URL sees text."""
    text = "</script><script>alert(1)</script>\u2028"
    answer = alice.create(description=text)
    assert answer.json()["description"] == text and answer.header("Content-Type") == "application/json"


# -- at the same time --------------------------------------------------------------------------------------------


def at_once(count, work):
    """What `work(i)` returns, for all i, run by threads that begin together."""
    gate, results = threading.Barrier(count), [None] * count

    def run(number):
        gate.wait()
        results[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def patient(make_httpd, module_database, db):
    """Two children."""
    httpd = make_httpd(
        f"""
        {SITE}
        <Location "/few">
            SetHandler apikey-manage
            ApiKeyManage Self
            ApiKeyMaxKeys 5
            {LOGIN}
        </Location>
        """,
        dbd=module_database.dbd_params(), children=2, start=False,
    )  # fmt: skip
    write_people(httpd)
    return httpd.start()


def test_concurrent_revokes(patient):
    alice = Caller(patient, user="alice")
    number = alice.created()["id"]
    answers = at_once(12, lambda _: alice.revoke(number))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json()["manually_revoked_at_millis"] for answer in answers}) == 1


def test_concurrent_creates_at_the_limit(patient, db):
    """The database finds them in each other's way and has them try again: they must, without anybody hanging."""
    alice = Caller(patient, "/few", user="alice")
    for _ in range(5):
        db.sql("DELETE FROM api_keys")
        answers = at_once(12, lambda _: alice.create())
        assert sorted(answer.status for answer in answers) == [200] * 5 + [409] * 7
        assert {error(answer) for answer in answers if answer.status != 200} == {(409, "TOO_MANY_API_KEYS")}
        assert db.value("SELECT COUNT(*) FROM api_keys WHERE owner_id = 'alice'") == "5"


def test_concurrent_rotations_with_one_idempotency_key(patient, db):
    alice = Caller(patient, user="alice")
    number = alice.created()["id"]
    answers = at_once(8, lambda _: alice.rotate(number, [("Idempotency-Key", "once")]))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    assert db.value("SELECT COUNT(*) FROM api_key_secrets") == "2"


# -- the database fails ------------------------------------------------------------------------------------------

TIMEOUT = 0.5  # ApiKeyTimeout's default
MARGIN = 1.0
TROUBLE = [
    r"AK0073: managing API keys \(\w+\): the database cannot be asked", r"AH00629|AH0063[0-9]|AH02655",
    r"AK0020: the database cannot be asked", r"AK005[03]: ",
    r"AK0041: the use of API keys cannot be written down",
]  # fmt: skip


@pytest.fixture(scope="module")
def server(make_module_mariadb):
    """A server of this file's own: it is stopped and killed."""
    return make_module_mariadb()


class Troubled:
    def __init__(self, server, make_httpd):
        self.server = server
        self.database = server.create_database()
        self.user, self.password = f"web_{self.database.name}", "secret"
        server.sql(f"CREATE USER {self.user}@localhost IDENTIFIED BY '{self.password}';"
                   f"GRANT ALL ON {self.database.name}.* TO {self.user}@localhost")  # fmt: skip
        params = self.database.dbd_params(self.user, self.password, "reconnect=0")
        self.httpd = make_httpd(f"{SITE}\nApiKeyTimeout 500ms", dbd=params, start=False)
        write_people(self.httpd)
        self.httpd.start()
        self.alice = Caller(self.httpd, user="alice")
        self.bob = Caller(self.httpd, user="bob")
        self.made = self.alice.created()

    def said(self, text):
        """How often httpd's log has said this."""
        return sum(text in line for line in self.httpd.log_lines())

    def requests(self):
        number = self.made["id"]
        return {
            "create": self.alice.create, "list": self.alice.list, "show": lambda: self.alice.show(number),
            "revoke": lambda: self.alice.revoke(number), "rotate": lambda: self.alice.rotate(number),
            "teams": lambda: self.alice.ask("/teams"),
        }  # fmt: skip

    def assert_all_unavailable(self, errors):
        self.httpd.expect(*TROUBLE)
        for name, send in self.requests().items():
            began = time.monotonic()
            answer = send()
            assert error(answer) in errors and answer.header("Retry-After") == "5", name
            assert time.monotonic() - began < TIMEOUT + MARGIN, name
        # What needs no database is refused, and answered, as always.
        assert error(self.alice.create(description=7)) == SCHEMA
        assert self.alice.ask("/me").status == 200

    def assert_back(self):
        wait_for(lambda: self.httpd.expect(*TROUBLE) or self.alice.list().status == 200, 20, "the API to be back")
        assert "manually_revoked_at_millis" not in self.alice.show(self.made["id"]).json()


@pytest.fixture
def troubled(server, make_httpd):
    return Troubled(server, make_httpd)


@contextmanager
def lost_table(troubled):
    troubled.database.sql("RENAME TABLE api_keys TO away, api_key_team_members TO away_too")
    try:
        yield
    finally:
        troubled.database.sql("RENAME TABLE away TO api_keys, away_too TO api_key_team_members")


@contextmanager
def down(troubled):
    troubled.server.kill9()
    try:
        yield
    finally:
        troubled.server.start()


@contextmanager
def hung(troubled):
    troubled.server.sigstop()
    try:
        yield
    finally:
        troubled.server.sigcont()


@pytest.mark.skipif(VALGRIND, reason="of time")
@pytest.mark.parametrize("failure", [lost_table, down, hung])
def test_outage(troubled, failure):
    before = rows(troubled.database)
    with failure(troubled):
        troubled.assert_all_unavailable({UNAVAILABLE})
    troubled.assert_back()
    assert rows(troubled.database) == before
    assert troubled.alice.revoke(troubled.made["id"]).status == 200
    # What the database says to those who manage keys is no reason not to check keys.
    assert bool(troubled.said("AK0020:")) == (failure is not lost_table)


@pytest.mark.skipif(VALGRIND, reason="of time")
@pytest.mark.parametrize("failure", [down, hung])
def test_an_outage_that_nobody_else_notices(troubled, failure):
    """No key has been looked up here. Managing finds out, waits once, and is let go on again without being asked."""
    troubled.httpd.expect(*TROUBLE)
    with failure(troubled):
        wait_for(lambda: error(troubled.alice.list()) == UNAVAILABLE and troubled.said("AK0020:"))
        before = troubled.said("it is known to be down")
        assert {error(troubled.alice.create()) for _ in range(10)} == {UNAVAILABLE}
        assert troubled.said("it is known to be down") == before + 10
        assert (troubled.said("AK0020:"), troubled.said("AK0021:")) == (1, 0)
    wait_for(lambda: troubled.said("AK0021:"), what="the database to be found back")
    assert len(troubled.alice.items()) == 1


@pytest.mark.skipif(VALGRIND, reason="of time")
def test_a_change_that_may_yet_be_made(troubled):
    """It waits for a lock when the request has waited long enough. That it may have been done is said, not guessed; and
    once it is, this server knows."""
    site, number = troubled, troubled.made["id"]
    assert site.httpd.get("/api/", site.made["value"]).status == 200
    site.httpd.expect(*TROUBLE)
    with site.database.session() as other:
        other.sql(f"START TRANSACTION; SELECT * FROM api_keys WHERE id = {number} FOR UPDATE")
        answer = site.alice.revoke(number)
        assert error(answer) == UNKNOWN and answer.header("Retry-After")
        assert "may have been" in answer.json()["error"]
        other.sql("COMMIT")
    wait_for(lambda: "manually_revoked_at_millis" in site.alice.show(number).json(), 10, "the change to be made")
    site.httpd.expect(r"AK0003: API key revoked")
    wait_for(lambda: site.httpd.get("/api/", site.made["value"]).status == 401, 5, "the key to be refused")


def test_a_change_that_cannot_be_shown(troubled):
    """It is made; that the answer cannot be put together is no reason to say that nothing was changed."""
    site = troubled
    site.httpd.expect(r"AK0073: managing API keys \(\w+\): .*api_key_usage' doesn't exist")
    site.database.sql("RENAME TABLE api_key_usage TO away")
    assert error(site.alice.list()) == UNAVAILABLE
    assert error(site.alice.create()) == UNKNOWN
    site.database.sql("RENAME TABLE away TO api_key_usage")
    assert len(site.alice.items()) == 2


@pytest.mark.skipif(VALGRIND, reason="of time")
def test_managing_does_not_hold_up_checking(troubled, server):
    """Threads that wait for a lock are not those that look up keys."""
    site, number = troubled, troubled.made["id"]
    site.httpd.expect(*TROUBLE)
    fresh = [site.alice.created()["value"] for _ in range(10)]
    with site.database.session() as other:
        other.sql(f"START TRANSACTION; SELECT * FROM api_keys WHERE id = {number} FOR UPDATE")
        stuck = [threading.Thread(target=site.alice.revoke, args=(number,)) for _ in range(10)]
        for thread in stuck:
            thread.start()
        assert [site.httpd.get("/api/", secret).status for secret in fresh] == [200] * 10
        for thread in stuck:
            thread.join()
        other.sql("ROLLBACK")
    assert not [line for line in site.httpd.log_lines() if re.search("AK0020", line)]


@pytest.mark.skipif(VALGRIND, reason="of time")
def test_connections_that_died(troubled):
    """A change on a pooled connection that was cut meanwhile is made on another one, once."""
    site = troubled
    for _ in range(3):
        site.server.hang_up(site.user)
        site.httpd.expect(r"AH0063[0-9]|AH02655")
        assert site.alice.create().status == 200
    assert len(site.alice.items()) == 4


def test_a_connection_in_another_character_set(make_httpd, server):
    """Names would arrive as other names: nothing is done."""
    database = server.create_database()
    httpd = make_httpd(SITE, dbd=database.dbd_params(extra="group=latin"), start=False)
    (httpd.folder / ".my.cnf").write_text("[latin]\ndefault-character-set=latin1\n")
    write_people(httpd)
    httpd.start()
    httpd.expect(r"AK0073: .*character set is not utf8mb4")
    assert error(Caller(httpd, user="alice").create()) == UNAVAILABLE


def test_the_session_is_nobodys_afterwards(make_httpd, server):
    """A pooled connection does not go on acting for somebody."""
    database = server.create_database()
    httpd = make_httpd(f"{SITE}\nDBDMax 1\nDBDKeep 1", dbd=database.dbd_params(), start=False)
    write_people(httpd)
    httpd.start()
    alice, bob = Caller(httpd, user="alice"), Caller(httpd, user="bob")
    number = alice.created()["id"]
    bob.revoke(number)
    assert alice.rotate(number, grace_seconds=99999999).status == 400
    database.sql("CREATE TABLE seen (actor VARCHAR(255), client VARCHAR(255))")
    database.sql("CREATE TRIGGER look BEFORE INSERT ON api_key_usage FOR EACH ROW "
                 "INSERT INTO seen VALUES (@apikey_actor, @apikey_client)")  # fmt: skip
    secret = alice.created()["value"]
    assert httpd.get("/api/", secret).status == 200
    httpd.stop()  # which writes the use down
    assert database.sql("SELECT * FROM seen") == [{"actor": None, "client": None}]
