# SPDX-License-Identifier: Apache-2.0
"""The harness proves itself first, without the module: a test bed that cannot fail proves nothing."""

import os
import signal
import threading

import pytest
from harness import keyfmt
from harness.apps import Cgi, Fpm, HttpApp, Uwsgi
from harness.httpd import HAS_HTTP2, MPM, Httpd
from harness.http2 import Http2Connection
from harness.mariadb import SqlError
from harness.process import VALGRIND, gone, wait_for

APPS = [Cgi, Fpm, Uwsgi, HttpApp]

needs_http2 = pytest.mark.skipif(not HAS_HTTP2, reason="mod_http2 does not work in this MPM")


@pytest.fixture(scope="module")
def apps(make_module_app):
    return {f"/{kind.__name__.lower()}": make_module_app(kind) for kind in APPS}


@pytest.fixture(scope="module")
def server(make_module_httpd, apps):
    """All applications behind one httpd, which tells them who the user is."""
    config = """
    <Location "/">
        RequestHeader set X-Told "by httpd"
        SetEnvIf Request_URI . TOLD=by-httpd
    </Location>
    """
    return make_module_httpd(config, mounts=apps, modules=["http2"], apikey=False)


# -- httpd and its applications --------------------------------------------------------------------------------


def test_static_file(server):
    answer = server.get("/")
    assert (answer.status, answer.body) == (200, b"hello\n")


def test_cgi(server):
    assert server.get("/cgi/env").json()["TOLD"] == "by-httpd"


def test_cgi_by_mod_cgi(make_httpd, make_app):
    httpd = make_httpd(mounts={"/cgi": make_app(Cgi, daemon=False)}, apikey=False)
    assert httpd.get("/cgi/env").json()["SCRIPT_NAME"] == "/cgi/env"


def test_php_fpm(server):
    told = server.get("/fpm/env.php").json()
    assert told["server"]["TOLD"] == "by-httpd"
    assert told["headers"]["X-Told"] == "by httpd"


def test_uwsgi(server):
    assert server.get("/uwsgi/x").json()["TOLD"] == "by-httpd"


def test_http_app(server):
    told = server.get("/httpapp/x?header=X-Answer:1&status=404", method="POST", body="data")
    assert (told.status, told.header("X-Answer")) == (404, "1")
    assert told.json()["body"] == "data"
    assert ["X-Told", "by httpd"] in told.json()["headers"]


def test_http_app_streams_until_released(server, apps):
    app = apps["/httpapp"]
    with server.connect() as connection:
        connection.send("/httpapp/slow")
        assert app.slow_started.wait(10)
        app.slow_release.set()
        assert connection.read_response().body == b"12"


def test_http_app_numbers_cacheable_answers(server):
    first = server.get("/httpapp/cacheable?cache-control=max-age=60")
    second = server.get("/httpapp/cacheable?cache-control=max-age=60")
    assert first.header("Cache-Control") == "max-age=60"
    assert first.json()["serial"] != second.json()["serial"]


# -- the client ------------------------------------------------------------------------------------------------


def test_repeated_headers_and_bytes_arrive_as_sent(server):
    told = server.get("/httpapp/", headers=[("X-A", "1"), ("x-b", b"\xff"), ("X-A", "2")]).json()["headers"]
    assert [pair for pair in told if pair[0].lower() in ("x-a", "x-b")] == [["X-A", "1, 2"], ["x-b", "\xff"]]


def test_keep_alive(server):
    with server.connect() as connection:
        assert [connection.request("/").status for _ in range(3)] == [200, 200, 200]
        assert connection.request("/", headers=[("Connection", "close")]).status == 200
        assert connection.closed()


def test_head_has_no_body(server):
    answer = server.get("/", method="HEAD")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", "6")


def test_interim_answer(server):
    with server.connect() as connection:
        connection.send("/httpapp/", method="POST", headers=[("Expect", "100-continue")], body="data")
        assert connection.read_response().interim == [100]


def test_malformed_request(server):
    with server.connect() as connection:
        connection.send_raw(b"nonsense\r\n\r\n")
        assert connection.read_response().status == 400


@needs_http2
def test_http2(server):
    sent = [("X-Empty", ""), ("X-Long", "long " * 100), ("X-A", "1"), ("X-A", b"\xff")]
    answer = server.http2("/httpapp/x?header=X-Answer:" + "v" * 300, key="k", headers=sent)
    assert (answer.version, answer.status, answer.header("x-answer")) == ("HTTP/2", 200, "v" * 300)
    told = {name.lower(): value for name, value in answer.json()["headers"]}
    assert (told["authorization"], told["x-empty"], told["x-a"]) == ("Bearer k", "", "1, \xff")
    assert told["x-long"] == ("long " * 100).strip()


@needs_http2
def test_http2_other_methods(server):
    assert server.http2("/", method="HEAD").header("content-length") == "6"
    assert server.http2("/httpapp/", method="PATCH", body="data").json()["body"] == "data"


@needs_http2
def test_http2_streams_run_side_by_side(server):
    answers = server.http2(["/", "/none", *["/httpapp/x"] * 40])
    assert [answer.status for answer in answers] == [200, 404] + [200] * 40


@needs_http2
def test_http2_connection_is_kept(server, apps):
    app = apps["/httpapp"]
    app.slow_started.clear()
    app.slow_release.clear()
    with Http2Connection(server.port) as connection:
        slow = connection.send("/httpapp/slow")
        assert app.slow_started.wait(10)
        assert connection.request("/").body == b"hello\n"
        app.slow_release.set()
        assert connection.read_response(slow).body == b"12"


# -- the life of httpd -----------------------------------------------------------------------------------------


def test_configtest(make_httpd):
    httpd = make_httpd("NoSuchDirective On", apikey=False, start=False)
    status, text = httpd.configtest()
    assert status != 0 and "NoSuchDirective" in text


def test_failed_start_says_why(make_httpd):
    with pytest.raises(RuntimeError, match="NoSuchDirective"):
        make_httpd("NoSuchDirective On", apikey=False)


@pytest.mark.skipif(VALGRIND, reason="one process has no generations")
def test_graceful_replaces_children_and_configuration(make_httpd):
    httpd = make_httpd(apikey=False, children=2)
    wait_for(lambda: len(httpd.children()) > 1)
    before = httpd.children()
    httpd.config = "Redirect 410 /gone"
    httpd.graceful()
    assert httpd.get("/gone").status == 410
    assert not set(before) & set(httpd.children())


def test_restart(make_httpd):
    httpd = make_httpd(apikey=False)
    httpd.restart()
    assert httpd.get("/").status == 200


def test_stop_leaves_nothing_behind(make_httpd, make_app):
    httpd = make_httpd(apikey=False, mounts={"/cgi": make_app(Cgi)})
    pids = [httpd.pid, *httpd.children()]
    httpd.stop()
    assert not httpd.running()
    assert all(gone(pid) for pid in pids)


# -- the strictness of the log ---------------------------------------------------------------------------------


def test_a_warning_is_noticed_once(server):
    server.get("/", headers=[("Host", "a"), ("Host", "b")])
    _plant(server, "[Mon Jan 01 00:00:00.000000 2024] [core:warn] [pid 1:tid 2] planted")
    with pytest.raises(AssertionError, match="planted"):
        server.check_log()
    server.check_log()


def test_a_line_in_no_format_is_noticed(server):
    _plant(server, "free(): double free detected in tcache 2")
    with pytest.raises(AssertionError, match="double free"):
        server.check_log()


def test_calm_and_expected_lines_pass(server):
    _plant(server, "[Mon Jan 01 00:00:00.000000 2024] [core:info] [pid 1:tid 2] planted")
    _plant(server, "[Mon Jan 01 00:00:00.000000 2024] [x:error] [pid 1:tid 2] a planted error")
    server.expect("planted error")
    server.check_log()
    _plant(server, "[Mon Jan 01 00:00:00.000000 2024] [x:error] [pid 1:tid 2] a planted error")
    with pytest.raises(AssertionError):
        server.check_log()


def test_a_real_error_is_noticed(make_httpd, make_app):
    cgi = make_app(Cgi)
    cgi.add("broken", "#!/bin/sh\nexit 1\n")
    httpd = make_httpd(mounts={"/cgi": cgi}, apikey=False)
    assert httpd.get("/cgi/broken").status == 500
    with pytest.raises(AssertionError, match="End of script output before headers"):
        httpd.check_log()


@pytest.mark.skipif(VALGRIND, reason="there is no child to crash")
def test_a_crashed_child_is_noticed_whatever_is_expected(make_httpd):
    httpd = make_httpd(apikey=False)
    httpd.expect("exit signal")
    _crash_child(httpd)
    with pytest.raises(AssertionError, match="exit signal"):
        httpd.check_log()


@pytest.mark.skipif(VALGRIND, reason="there is no child to crash")
def test_a_crashed_child_can_be_part_of_a_test(make_httpd):
    httpd = make_httpd(apikey=False)
    _crash_child(httpd)
    httpd.expect("exit signal Segmentation fault", crash=True)
    assert httpd.get("/").status == 200


def test_log_marks_and_waiting(server):
    mark = server.log_mark()
    threading.Timer(0.05, _plant, [server, "[x] [core:info] later"]).start()
    assert server.wait_log("later", mark) == server.log_lines(mark)[-1]


def test_access_log(server):
    mark = server.access_mark()
    server.get("/none")
    assert server.access_lines(mark, count=1) == ['127.0.0.1 - "GET /none HTTP/1.1" 404 status=-']


def _plant(httpd, line):
    with open(httpd.error_log, "a") as log:
        log.write(line + "\n")


def _crash_child(httpd):
    mark = httpd.log_mark()
    os.kill(httpd.children()[0], signal.SIGSEGV)
    httpd.wait_log("exit signal Segmentation fault", mark)


def test_context_manager(scratch):
    with pytest.raises(AssertionError, match="planted"):
        with Httpd(scratch.folder("httpd"), apikey=False) as httpd:
            _plant(httpd, "[x] [core:crit] planted")


# -- MariaDB ---------------------------------------------------------------------------------------------------


def test_rows_keep_null_and_odd_characters(mariadb):
    rows = mariadb.sql("SELECT 1; SELECT NULL AS a, 'NULL' AS b, '<&\\'>\\n\\t\\\\ é \\r' AS `c<d`, '' AS e, 'x' AS f")
    assert rows == [{"a": None, "b": "NULL", "c<d": "<&'>\n\t\\ é \r", "e": "", "f": "x"}]
    assert mariadb.sql("DO 1") == []


def test_sql_error_has_its_number(mariadb):
    with pytest.raises(SqlError) as caught:
        mariadb.sql("SELECT * FROM mysql.nothing")
    assert caught.value.code == 1146


def test_login_for_programs(mariadb, database):
    assert mariadb.sql("SELECT CURRENT_USER() AS me", user=mariadb.user) == [{"me": "apikey@%"}]
    assert f"sock={mariadb.socket} user=apikey pass=" in database.dbd_params()


def test_sessions_hold_transactions(database):
    with database.session() as mine:
        mine.sql("BEGIN; INSERT INTO api_key_settings VALUES ('x', '1')")
        assert mine.sql("SELECT value FROM api_key_settings WHERE name = 'x'") == [{"value": "1"}]
        assert database.sql("SELECT * FROM api_key_settings WHERE name = 'x'") == []
        with pytest.raises(SqlError):
            mine.sql("SELECT nonsense")
    assert database.sql("SELECT * FROM api_key_settings WHERE name = 'x'") == []


def test_sessions_can_wait_for_each_other(database):
    with database.session() as one, database.session() as two:
        one.sql("BEGIN; UPDATE api_key_settings SET value = 'b' WHERE name = 'prefix'")
        two.send("UPDATE api_key_settings SET value = CONCAT(value, 'c') WHERE name = 'prefix'")
        one.sql("COMMIT")
        two.rows()
    assert database.value("SELECT value FROM api_key_settings WHERE name = 'prefix'") == "bc"


def test_the_life_of_a_server(make_mariadb):
    server = make_mariadb("--max-connections=17", "--default-time-zone=+05:00")
    assert server.value("SELECT @@max_connections") == "17"
    server.create_database("here", schema=False)
    port = server.port
    server.kill9()
    with pytest.raises(SqlError):
        server.sql("SELECT 1")
    server.start()
    assert server.value("SELECT @@port") == str(port)
    assert server.sql("SHOW DATABASES LIKE 'here'")
    server.sigstop()
    server.sigcont()
    server.restart()
    assert server.status("Uptime") >= 0


def test_httpd_reaches_the_database(make_httpd, database):
    """Through mod_dbd as www-data: the socket and the folders above it are open to it."""
    database.sql("CREATE TABLE people (name VARCHAR(9), password VARCHAR(99));"
                 "INSERT INTO people VALUES ('alice', '{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=')")  # "test"
    httpd = make_httpd(
        """
        <Location "/">
            AuthType Basic
            AuthName people
            AuthBasicProvider dbd
            AuthDBDUserPWQuery "SELECT password FROM people WHERE name = %s"
            Require valid-user
        </Location>
        """,
        modules=["authn_dbd"], dbd=database.dbd_params(extra="reconnect=0"), apikey=False,
    )  # fmt: skip
    assert httpd.get("/", headers=[("Authorization", "Basic YWxpY2U6dGVzdA==")]).status == 200
    assert httpd.get("/").status == 401
    assert MPM == "prefork" or len(httpd.children()) == 1


# -- keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key, sha256, hmac",
    [
        ("ak_u_0123456789ABCDEFGHIJKLMNOPQRSTUV2LoxWw", "9ac7b7bda4d2b5ff", "562933d57ce7d388"),
        ("ak_u_00000000000000000000000000000150007MQR", "9aba860a88551d07", "aba559b21a5692c5"),
        ("acme_t_abcdefghijklmnopqrstuvwxyz0123452isous", "2b42e6b5c5337cbc", "624b6f671e11b189"),
    ],
)
def test_key_vectors(key, sha256, hmac):
    assert keyfmt.check_digits(key[:-6]) == key[-6:]
    assert keyfmt.digest(key).hex().startswith(sha256)
    assert keyfmt.digest(key, bytes(range(32))).hex().startswith(hmac)


def test_minted_keys():
    key = keyfmt.mint("acme", "t")
    assert key.startswith("acme_t_") and len(key) == 7 + 32 + 6
    wrong = keyfmt.mistyped(key)
    assert len(wrong) == len(key) and keyfmt.check_digits(wrong[:-6]) != wrong[-6:]


def test_inserted_keys(database):
    number, key = keyfmt.insert_key(
        database, "user", "jos\u00e9 <'\\>", "orders:read", expires_at=60, revoked_at="2024-01-02", pepper=b"p" * 32
    )
    row = database.sql("SELECT *, revoked_at IS NULL AS live FROM api_keys")[0]
    assert (row["id"], row["owner_id"], row["scopes"]) == (str(number), "jos\u00e9 <'\\>", "orders:read")
    assert (row["last_four"], row["live"]) == (key[-4:], "0")
    secret = database.sql("SELECT LOWER(HEX(digest)) AS d, pepper FROM api_key_secrets")[0]
    assert secret == {"d": keyfmt.digest(key, b"p" * 32).hex(), "pepper": keyfmt.fingerprint(b"p" * 32)}


def test_rows_that_the_tables_refuse(database):
    with pytest.raises(SqlError):
        keyfmt.insert_key(database, "user", "team:blue")
    keyfmt.insert_key(database, "user", "team:blue", unchecked=True)
