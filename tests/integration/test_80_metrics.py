# SPDX-License-Identifier: Apache-2.0
"""What those who watch the server see: the metrics handler, mod_status, the access log."""

import json
import os
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from harness import ROOT
from harness.httpd import HAS_HTTP2
from harness.keyfmt import insert_key, mint, mistyped
from harness.process import VALGRIND, wait_for
from prometheus_client.parser import text_string_to_metric_families

SITE = """
MaxKeepAliveRequests 0
<Location "/">
    AuthType Bearer
    Require apikey
</Location>
<Location "/users">
    ApiKeyTeamKeys Off
</Location>
<Location "/scoped">
    Require apikey-scope orders:write
</Location>
<Location "/bob">
    Require apikey-user bob
</Location>
<Location "/open">
    AuthType None
    Require all granted
</Location>
<Location "/metrics">
    AuthType None
    Require all granted
    SetHandler apikey-metrics
    ApiKeyManage Admin
</Location>
<Location "/unmanaged">
    AuthType None
    Require all granted
    SetHandler apikey-metrics
</Location>
<Location "/server-status">
    AuthType None
    Require all granted
    SetHandler server-status
</Location>
AliasMatch "^/(any|users|scoped|bob|open)" "${htdocs}/index.html"
ErrorDocument 401 /open
"""
REFUSED = r"AK000[123]: API key |AH01631"
STATUSES = [
    "missing", "malformed", "not_found", "wrong_type", "revoked", "expired", "unusable", "unavailable",
    "insufficient_scope", "forbidden", "valid",
]  # fmt: skip


def scrape(httpd):
    """The samples of a scrape: {(name, frozenset of labels): value}. The parser is Prometheus' own."""
    answer = httpd.get("/metrics")
    assert answer.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def sample(samples, name, **labels):
    return samples[name, frozenset(labels.items())]


def requests(samples):
    """Requests by status, those that there were."""
    found = {status: sample(samples, "apikey_requests_total", status=status) for status in STATUSES}
    return {status: count for status, count in found.items() if count}


def gained(before, after):
    return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}


def counted(httpd, ask):
    """What every sample gained while something was done."""
    before = scrape(httpd)
    ask()
    return gained(before, scrape(httpd))


def wait_feed(httpd, key):
    """Until the change feed is being read, which begins when a key is asked about: with its first reading, a server
    forgets what it knew."""
    assert httpd.get("/any", key).status == 200
    wait_for(lambda: ("apikey_feed_lag_seconds", frozenset({("realm", "0")})) in scrape(httpd))


@pytest.fixture(scope="module")
def server(make_module_httpd, module_database):
    httpd = make_module_httpd(SITE, dbd=module_database.dbd_params(), children=2, modules=["status", "http2"])
    wait_feed(httpd, insert_key(module_database, "user", "first")[1])
    return httpd


@pytest.fixture(autouse=True)
def refusals_are_logged(server):
    server.expect(REFUSED)


@pytest.fixture(scope="module")
def keys(module_database):
    past = datetime.now(timezone.utc) - timedelta(days=1)
    return {
        "alice": insert_key(module_database, "user", "alice", "orders:read")[1],
        "blue": insert_key(module_database, "team", "blue")[1],
        "revoked": insert_key(module_database, "user", "alice", revoked_at=past)[1],
        "expired": insert_key(module_database, "user", "alice", expires_at=past)[1],
        "unknown": mint(),
        "mistyped": mistyped(mint()),
        "malformed": "a b",
        None: None,
    }


# -- the handler -----------------------------------------------------------------------------------------------


def test_the_format_is_prometheus_own(server):
    answer = server.get("/metrics")
    assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert (answer.header("Cache-Control"), answer.header("X-Content-Type-Options")) == ("no-store", "nosniff")
    families = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family.name
        assert family.name.startswith("apikey_"), family.name
    assert answer.text.endswith("\n")


def test_counters_end_in_total_and_only_they(server):
    text = server.get("/metrics").text
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        assert name.endswith("_total") == (kind == "counter"), name


@pytest.mark.skipif("TEST_PROMTOOL" not in os.environ, reason="make check-promtool")
def test_promtool_agrees(server):
    promtool = os.environ["TEST_PROMTOOL"]
    done = subprocess.run([promtool, "check", "metrics"], input=server.get("/metrics").text, text=True,
                          capture_output=True)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rules = ROOT / "conf/examples/prometheus-alerts.yml"
    done = subprocess.run([promtool, "check", "rules", rules], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_head(server):
    answer = server.get("/metrics", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(server, method):
    answer = server.get("/metrics", method=method)
    assert answer.status == 405 and "GET" in answer.header("Allow")


def test_without_apikeymanage_there_is_nothing(server):
    assert server.get("/unmanaged").status == 404


def test_no_owner_and_no_key_is_in_it(server, keys):
    for key in ("alice", "blue", "unknown"):
        server.get("/any", keys[key])
    text = server.get("/metrics").text + server.get("/server-status").text + server.get("/server-status?auto").text
    for secret in filter(None, keys.values()):
        assert secret not in text
    assert "alice" not in text and "blue" not in text


# -- what is counted -------------------------------------------------------------------------------------------

JUDGED = [
    ("/any", "alice", "valid"),
    ("/any", "blue", "valid"),
    ("/users", "blue", "wrong_type"),
    ("/scoped", "alice", "insufficient_scope"),
    ("/bob", "alice", "forbidden"),
    ("/any", None, "missing"),
    ("/any", "malformed", "malformed"),
    ("/any", "unknown", "not_found"),
    ("/any", "mistyped", "not_found"),
    ("/any", "revoked", "revoked"),
    ("/any", "expired", "expired"),
    ("/open", "alice", None),
]


@pytest.mark.parametrize("path, key, status", JUDGED)
def test_a_request_counts_once_by_its_status(server, keys, path, key, status):
    gain = counted(server, lambda: server.get(path, keys[key]))
    assert requests({("apikey_requests_total", frozenset({("status", s)})): 0 for s in STATUSES} | gain) == (
        {status: 1} if status else {}
    )


@pytest.mark.skipif(not HAS_HTTP2, reason="HTTP/2 needs a threaded MPM")
def test_over_http2_too(server, keys):
    gain = counted(server, lambda: server.http2(["/any"] * 5, keys["alice"]))
    assert gain["apikey_requests_total", frozenset({("status", "valid")})] == 5


def test_hits_misses_and_negative_hits(server, module_database):
    key, stranger = insert_key(module_database, "user", "carol")[1], mint()

    def results(secret):
        gain = counted(server, lambda: server.get("/any", secret))
        return {dict(labels)["result"]: n for (name, labels), n in gain.items() if name == "apikey_cache_lookups_total"}

    assert [results(key), results(key)] == [{"miss": 1}, {"hit": 1}]
    assert [results(stranger), results(stranger)] == [{"miss": 1}, {"negative": 1}]
    assert results(mistyped(key)) == results(None) == {}


def test_entries_evictions_and_capacity(server, module_database):
    before = scrape(server)
    for _ in range(20):
        server.get("/any", insert_key(module_database, "user", "dora")[1])
    after = scrape(server)
    assert sample(after, "apikey_cache_entries") - sample(before, "apikey_cache_entries") == 20
    assert sample(after, "apikey_cache_capacity") > 80000
    assert sample(after, "apikey_cache_evictions_total") == 0


def test_a_change_in_the_database_is_an_invalidation(server, module_database):
    number, key = insert_key(module_database, "user", "erin")
    assert server.get("/any", key).status == 200
    before = sample(scrape(server), "apikey_cache_invalidations_total")
    module_database.sql(f"UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3) WHERE id = {number}")
    wait_for(lambda: sample(scrape(server), "apikey_cache_invalidations_total") > before)


def test_query_times_are_a_histogram(server, module_database):
    fresh = [insert_key(module_database, "user", "fred")[1] for _ in range(3)]
    gain = counted(server, lambda: [server.get("/any", key) for key in fresh])
    assert gain["apikey_query_duration_seconds_count", frozenset()] == 3
    samples = scrape(server)
    buckets = sorted(
        (float(dict(labels)["le"]), n)
        for (name, labels), n in samples.items() if name == "apikey_query_duration_seconds_bucket"
    )  # fmt: skip
    counts = [n for _, n in buckets]
    assert counts == sorted(counts) and buckets[-1] == (
        float("inf"), sample(samples, "apikey_query_duration_seconds_count"),
    )  # fmt: skip
    assert 0 < sample(samples, "apikey_query_duration_seconds_sum") < 60
    assert gain["apikey_lookup_waits_total", frozenset({("outcome", "answered")})] == 3


def test_feed_lag_and_usage_backlog(make_httpd, database):
    key = insert_key(database, "user", "alice")[1]
    config = SITE + "ApiKeyUsage 1h\nApiKeyRefresh 200ms\n"
    httpd = make_httpd(config, dbd=database.dbd_params())
    assert ("apikey_feed_lag_seconds", frozenset({("realm", "0")})) not in scrape(httpd)
    for _ in range(7):
        assert httpd.get("/any", key).status == 200
    assert sample(scrape(httpd), "apikey_usage_backlog", realm="0") == 7
    wait_for(lambda: ("apikey_feed_lag_seconds", frozenset({("realm", "0")})) in scrape(httpd))
    assert sample(scrape(httpd), "apikey_feed_lag_seconds", realm="0") < 5
    database.sql("RENAME TABLE api_key_changes TO away")
    httpd.expect("AK005[03]: ")
    wait_for(lambda: sample(scrape(httpd), "apikey_feed_lag_seconds", realm="0") > 1)
    database.sql("RENAME TABLE away TO api_key_changes")
    wait_for(lambda: sample(scrape(httpd), "apikey_feed_lag_seconds", realm="0") < 0.9)


def test_a_database_that_is_away(make_httpd, make_mariadb):
    mariadb = make_mariadb()
    database = mariadb.create_database()
    known, unasked = (insert_key(database, "user", "alice")[1] for _ in range(2))
    config = SITE + "ApiKeyCacheTTL 1ms\nApiKeyStale 1h\n"
    httpd = make_httpd(config, dbd=database.dbd_params(extra="reconnect=0"))
    wait_feed(httpd, known)
    assert httpd.get("/any", known).status == 200
    assert sample(scrape(httpd), "apikey_database_up", realm="0") == 1
    mariadb.stop()
    httpd.expect(r"AH00629|AH0063[0-9]|AH02655", "AK0020: ", "AK0041: ", REFUSED)
    gain = counted(httpd, lambda: httpd.get("/any", unasked))
    assert gain["apikey_requests_total", frozenset({("status", "unavailable")})] == 1
    wait_for(lambda: sample(scrape(httpd), "apikey_query_errors_total") >= 1)  # a probe at the latest
    assert sample(scrape(httpd), "apikey_database_up", realm="0") == 0
    gain = counted(httpd, lambda: httpd.get("/any", known))
    assert gain["apikey_cache_lookups_total", frozenset({("result", "stale")})] == 1
    outcomes = {dict(labels)["outcome"] for (name, labels), n in scrape(httpd).items()
                if name == "apikey_lookup_waits_total" and n}  # fmt: skip
    assert outcomes - {"answered"}


@pytest.mark.skipif(VALGRIND, reason="of load")
def test_no_request_is_lost_or_counted_twice_under_load(server, keys):
    """From both children at once, and while the page is being read."""
    done = threading.Event()

    def watch():
        seen = [0]
        while not done.is_set():
            seen.append(sample(scrape(server), "apikey_requests_total", status="valid"))
        return seen

    def ask():
        with server.connect() as connection:
            return sum(connection.request("/any", keys["alice"]).status == 200 for _ in range(250))

    with ThreadPoolExecutor(9) as pool:
        before = sample(scrape(server), "apikey_requests_total", status="valid")
        watching = pool.submit(watch)
        try:
            asked = sum(job.result() for job in [pool.submit(ask) for _ in range(8)])
        finally:
            done.set()
        seen = watching.result()
    assert sample(scrape(server), "apikey_requests_total", status="valid") - before == asked == 2000
    assert seen == sorted(seen)


def test_a_graceful_restart_keeps_the_counts(make_httpd, database):
    key = insert_key(database, "user", "alice")[1]
    httpd = make_httpd(SITE, dbd=database.dbd_params())
    assert httpd.get("/any", key).status == 200
    httpd.graceful()
    expected = 0 if VALGRIND else 1  # a single process is stopped and started
    assert sample(scrape(httpd), "apikey_requests_total", status="valid") == expected


def test_without_a_cache(make_httpd, database):
    key = insert_key(database, "user", "alice")[1]
    httpd = make_httpd("ApiKeyCache Off\n" + SITE, dbd=database.dbd_params())
    gain = counted(httpd, lambda: [httpd.get("/any", key) for _ in range(2)])
    assert gain["apikey_cache_lookups_total", frozenset({("result", "miss")})] == 2
    assert not [name for name, _ in scrape(httpd) if name.startswith(("apikey_cache_entries", "apikey_feed"))]


def test_two_databases_are_two_realms(make_httpd, mariadb, database):
    other = mariadb.create_database()
    host = (
        "<VirtualHost 127.0.0.1:${port}>\nServerName localhost\n</VirtualHost>\n"
        "<VirtualHost 127.0.0.1:${port}>\nServerName other\n"
        f'DBDriver mysql\nDBDParams "{other.dbd_params()}"\n</VirtualHost>\n'
    )
    httpd = make_httpd(SITE + host, dbd=database.dbd_params())
    samples = scrape(httpd)
    assert sample(samples, "apikey_database_up", realm="0") == sample(samples, "apikey_database_up", realm="1") == 1
    key = insert_key(other, "user", "alice")[1]
    assert httpd.get("/any", key, headers=[("Host", "other")]).status == 200
    backlog = {dict(labels)["realm"]: n for (name, labels), n in scrape(httpd).items() if name == "apikey_usage_backlog"}
    assert sorted(backlog.values()) == [0, 1]


# -- mod_status ------------------------------------------------------------------------------------------------


def auto(httpd):
    text = httpd.get("/server-status?auto").text
    return dict(re.findall(r"^(ApiKey\w+): (\S+)$", text, re.MULTILINE))


def test_mod_status_for_machines(server, keys):
    server.get("/any", keys["alice"])  # is remembered from now on
    before = auto(server)
    server.get("/any", keys["alice"])
    server.get("/scoped", keys["alice"])
    after = auto(server)
    assert {name: float(after[name]) - float(before[name]) for name in after if name.startswith("ApiKeyRequests")
            and after[name] != before[name]} == {"ApiKeyRequestsValid": 1, "ApiKeyRequestsInsufficientScope": 1}  # fmt: skip
    assert int(after["ApiKeyCacheHits"]) - int(before["ApiKeyCacheHits"]) == 2
    assert after["ApiKeyDatabase0Up"] == "1"


def test_mod_status_agrees_with_the_metrics(server):
    samples, status = scrape(server), auto(server)
    for name in STATUSES:
        camel = "ApiKeyRequests" + "".join(word.capitalize() for word in name.split("_"))
        assert int(status[camel]) == sample(samples, "apikey_requests_total", status=name)
    assert int(status["ApiKeyQueries"]) == sample(samples, "apikey_query_duration_seconds_count")


def test_mod_status_for_people(server):
    page = server.get("/server-status").text
    assert "<h2>API keys</h2>" in page
    assert re.search(r"<th align=\"left\">Requests: valid</th><td align=\"right\">\d+</td>", page)
    assert len(re.findall("<table[ >]", page)) == page.count("</table>")


# -- what is given along ---------------------------------------------------------------------------------------


def names_there_are(server):
    return set(re.findall(r"^(apikey_\w+)", server.get("/metrics").text, re.MULTILINE))


def test_the_dashboard_asks_for_what_there_is(server):
    dashboard = json.loads((ROOT / "conf/examples/grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    asked = {name for query in queries for name in re.findall(r"apikey_\w+", query)}
    assert len(asked) > 10 and asked <= names_there_are(server)


def test_the_alerts_ask_for_what_there_is(server):
    alerts = (ROOT / "conf/examples/prometheus-alerts.yml").read_text()
    asked = set(re.findall(r"\bapikey_\w+", alerts))
    assert len(asked) >= 6 and asked <= names_there_are(server)
    assert alerts.count("alert: ApiKey") == alerts.count("expr: ") == alerts.count("summary: ") >= 6
