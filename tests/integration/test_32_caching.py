# SPDX-License-Identifier: Apache-2.0
"""Caches between: one owner's answer is given to no other, unless the application itself allows it."""

import itertools

import pytest
from backends import Ssi
from harness.apps import Cgi, HttpApp
from harness.keyfmt import insert_key

# A cache that stores whatever it may, and much that it had better not.
CONFIG = """
CacheRoot "${folder}/cache"
CacheEnable disk /
CacheQuickHandler %s
CacheDefaultExpire 3600
CacheIgnoreNoLastMod On
CacheStorePrivate On
CacheStoreExpired On
CacheIgnoreCacheControl On
CacheHeader On
<LocationMatch "^/(app|cgi)/">
    AuthType Bearer
    Require apikey
</LocationMatch>
<LocationMatch "/x-api-key$">
    ApiKeyHeader X-API-Key
</LocationMatch>
<LocationMatch "/silent$">
    ApiKeyExport None
</LocationMatch>
<LocationMatch "/forward$">
    ApiKeyForward On
</LocationMatch>
<LocationMatch "/optional$">
    ApiKeyOptional On
    Require all granted
</LocationMatch>
<LocationMatch "/by-hand$">
    Header set Cache-Control "max-age=3600"
</LocationMatch>
<LocationMatch "/public-by-hand/">
    Header set Cache-Control "public, max-age=3600"
</LocationMatch>
<LocationMatch "/never/">
    SetEnvIf Request_URI . no-cache=1
</LocationMatch>
<LocationMatch "^/ssi/">
    Header set Cache-Control "max-age=3600"
</LocationMatch>
<LocationMatch "/refused/">
    Header always set Cache-Control "max-age=3600"
</LocationMatch>
"""

_numbers = itertools.count()


def fresh(path):
    """A URL that no test has cached yet."""
    return f"{path}{'&' if '?' in path else '?'}n={next(_numbers)}"


@pytest.fixture(scope="module")
def ssi(make_module_app):
    ssi = make_module_app(Ssi)
    part = '<!--#include virtual="/app/part/x-api-key" -->'
    ssi.add("short", part)
    ssi.add("long", "<p>" * 10000 + part)  # sent, and stored, in parts
    return ssi


@pytest.fixture(scope="module", params=["On", "Off"], ids=["quick", "handler"])
def server(request, make_module_httpd, make_module_app, module_database, ssi):
    app = make_module_app(HttpApp)
    return make_module_httpd(
        CONFIG % request.param, modules=["cache", "cache_disk"], dbd=module_database.dbd_params(),
        mounts={"/app": app, "/cgi": make_module_app(Cgi), "/ssi": ssi},
    )  # fmt: skip


@pytest.fixture(scope="module")
def keys(module_database):
    owners = {"alice": "user", "bob": "user", "blue": "team"}
    return {owner: insert_key(module_database, kind, owner)[1] for owner, kind in owners.items()}


def present(path, key):
    if key is None:
        return []
    return [("X-API-Key", key) if "x-api-key" in path else ("Authorization", f"Bearer {key}")]


def ask(server, path, key):
    return server.get(path, headers=present(path, key))


def cached(answer):
    """Whether mod_cache says that it answered."""
    return (answer.header("X-Cache") or "").startswith("HIT")


def owner_told(answer):
    return dict(map(tuple, answer.json()["headers"])).get("X-ApiKey-Owner")


# Worth storing, each of them, were it not for the key.
TEMPTING = [
    "/app/cacheable", "/app/cacheable?cache-control=max-age=3600", "/app/cacheable?cache-control=private",
    "/app/cacheable?cache-control=no-cache", "/app/x/by-hand", "/app/x?header=Expires:Fri,%2001%20Jan%202100%2000:00:00%20GMT",
    "/app/x?header=ETag:%22same%22", "/app/x?status=404&cache-control=max-age=3600",
    "/app/x?status=301&header=Location:/y", "/app/x?status=410", "/app/x?status=500&cache-control=max-age=3600",
]  # fmt: skip


@pytest.mark.parametrize("place", ["", "/x-api-key", "/forward"])
@pytest.mark.parametrize("path", TEMPTING)
def test_an_owners_answer_is_for_that_owner(server, keys, path, place):
    base, _, query = path.partition("?")
    url = fresh(f"{base}{place}?{query}" if query else base + place)
    serials = []
    for owner in ["alice", "alice", "bob", "blue", "alice"]:
        answer = ask(server, url, keys[owner])
        assert not cached(answer)
        assert owner_told(answer) == owner
        serials.append(answer.json()["serial"])
    assert len(set(serials)) == 5
    nobody = ask(server, url, None)
    assert nobody.status == 401 and b"serial" not in nobody.body


@pytest.mark.parametrize("place", ["/silent", "/optional"])
def test_also_where_the_application_is_told_nothing_or_may_do_without(server, keys, place):
    url = fresh(f"/app/x{place}?cache-control=max-age=3600")
    serials = [ask(server, url, keys[owner]).json()["serial"] for owner in ("alice", "bob", "alice")]
    assert len(set(serials)) == 3
    if place == "/optional":
        answer = ask(server, url, None)
        assert answer.json()["serial"] not in serials and owner_told(answer) is None


def test_the_cache_does_cache(server):
    """Or all this would prove nothing."""
    url = fresh("/app/x/optional?cache-control=max-age=3600")
    answers = [ask(server, url, None) for _ in range(2)]
    assert [cached(answer) for answer in answers] == [False, True]
    assert answers[0].json()["serial"] == answers[1].json()["serial"]


@pytest.mark.parametrize("control", ["public,%20max-age=3600", "s-maxage=3600"])
def test_the_application_may_allow_it(server, keys, control):
    """Not that the quick handler would look at a request with an Authorization header."""
    url = fresh(f"/app/cacheable/x-api-key?cache-control={control}")
    first, second = (ask(server, url, keys[owner]) for owner in ("alice", "bob"))
    assert cached(second) and second.json()["serial"] == first.json()["serial"]
    quick = "CacheQuickHandler On" in server.config
    assert ask(server, url, None).status == (200 if quick else 401)


def test_so_may_the_administrator(server, keys):
    url = fresh("/app/x/public-by-hand/x-api-key")
    ask(server, url, keys["alice"])
    assert cached(ask(server, url, keys["bob"]))


def test_another_no_cache_stays(server, keys):
    url = fresh("/app/x/never/x-api-key?cache-control=public,%20max-age=3600")
    ask(server, url, keys["alice"])
    assert not cached(ask(server, url, keys["alice"]))


def test_refusals_are_not_kept_for_valid_keys(server, keys):
    url = fresh("/app/x/refused/x-api-key")
    server.expect(r"AK0001: API key not_found")
    assert [ask(server, url, key).status for key in (None, "ak_u_nonsense")] == [401, 401]
    assert ask(server, url, keys["alice"]).status == 200
    assert ask(server, url, None).status == 401


@pytest.mark.parametrize("page", ["short", "long"])
def test_included_parts_are_not_kept_with_an_open_page(server, keys, page):
    url = fresh(f"/ssi/{page}/x-api-key")
    server.expect(r'unable to include "/app/part/x-api-key" in parsed file .* returned 401')
    for owner in ("alice", "bob"):
        assert f'"{owner}"' in ask(server, url, keys[owner]).text
    assert not any(owner in ask(server, url, None).text for owner in keys)


# -- what other caches are told --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said, becomes",
    [
        ([], "private"),
        (["max-age=60"], "max-age=60, private"),
        (["no-cache"], "no-cache, private"),
        (["private"], "private"),
        (["max-age=60, Private"], "max-age=60, Private"),
        (["public"], "public"),
        (["max-age=60,PUBLIC"], "max-age=60,PUBLIC"),
        (["s-maxage=60"], "s-maxage=60"),
        (["no-store"], "no-store"),
        (["max-age=60", "public"], "max-age=60, public"),
        (["x-public"], "x-public, private"),
        (["publicly"], "publicly, private"),
        (["p"], "p, private"),
        (['x="public"'], 'x="public", private'),
        (['x="a, public"'], 'x="a, public", private'),
        (['x="\\", public"'], 'x="\\", public", private'),
    ],
)
def test_cache_control(server, keys, said, becomes):
    query = "&".join(f"cache-control={value.replace(' ', '%20').replace(chr(34), '%22')}" for value in said)
    answer = ask(server, fresh(f"/app/x?{query}"), keys["alice"])
    assert ", ".join(answer.all("Cache-Control")) == becomes


@pytest.mark.parametrize("path, status", [("/none", 404), ("/app/x?status=404", 404), ("/cgi/env", 200)])
def test_cache_control_of_other_answers(server, keys, path, status):
    answer = ask(server, fresh(path), keys["alice"])
    assert answer.status == status
    assert answer.all("Cache-Control") == (["private"] if path != "/none" else [])


def test_open_answers_are_left_alone(server):
    assert ask(server, fresh("/app/x/optional"), None).all("Cache-Control") == []
