# SPDX-License-Identifier: Apache-2.0
"""conf/openapi.yaml says what the handler does: every answer is one that it states, every answer that it states is
given, and what its schemas let pass or not is what the handler takes or not."""

import json
import re
import time

import jsonschema
import pytest
import yaml
from harness import ROOT
from harness.keyfmt import insert_key
from managed import LOGIN, SITE, Caller, write_people

SPEC = yaml.safe_load((ROOT / "conf" / "openapi.yaml").read_text())
METHODS = ("get", "post", "patch")
# What takes long to bring about, or a database that fails: test_71 has it, by these codes.
ELSEWHERE = {"408": "REQUEST_TIMEOUT", "503": "DATABASE_UNAVAILABLE"}


def resolve(node):
    while "$ref" in node and len(node) == 1:
        found = SPEC
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


def valid(schema, value):
    """The components are put beside the schema, so that its references are found."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema], "components": SPEC["components"]}
    return jsonschema.Draft202012Validator(whole).is_valid(value)


def template_of(path):
    """The path of the specification that a URL's path is one of; the more literal ones first."""
    for template in sorted(SPEC["paths"], key=lambda text: text.count("{")):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)).replace("[^/]+\\-api", "(user|team)-api")
        if re.fullmatch(pattern, path):
            return template
    return None


class Checked(Caller):
    """A caller whose every answer is looked up in the specification."""

    seen = set()

    def ask(self, path, method="GET", body=None, headers=(), **options):
        answer = super().ask(path, method, body, headers, **options)
        template = template_of(path.partition("?")[0])
        item = SPEC["paths"][template]
        name = method.lower() if method.lower() in item else next(name for name in METHODS if name in item)
        stated = item[name]
        assert method.lower() in item or answer.status == 405
        assert str(answer.status) in stated["responses"], f"{method} {path}: {answer.status} is not stated"
        response = resolve(stated["responses"][str(answer.status)])
        assert valid(response["content"]["application/json"]["schema"], answer.json()), answer.text
        assert all(answer.header(header) for header in response.get("headers", {}))
        self.seen.add((template, name, str(answer.status)))
        return answer

    def teams(self):
        return Checked(self.httpd, self.base, self.user, self.key, self.headers, "team")


@pytest.fixture(scope="module")
def httpd(make_module_httpd, module_database):
    more = f"""
    <Location "/off">
        SetHandler apikey-manage
        ApiKeyManage Admin
        ApiKeyUserKeys Off
        ApiKeyTeamKeys Off
        {LOGIN}
    </Location>
    <Location "/nobody">
        SetHandler apikey-manage
        ApiKeyManage Admin
    </Location>
    <Location "/bykey">
        SetHandler apikey-manage
        ApiKeyManage Self ByKey
        AuthType Bearer
        Require apikey
    </Location>
    <Location "/without">
        SetHandler apikey-manage
        ApiKeyManage Self
        AuthType Bearer
        Require apikey
    </Location>
    <Location "/few">
        SetHandler apikey-manage
        ApiKeyManage Self
        ApiKeyMaxKeys 1
        {LOGIN}
    </Location>
    """
    module_database.sql("INSERT INTO api_key_team_members VALUES ('blue', 'alice', TRUE)")
    httpd = make_module_httpd(SITE + more, dbd=module_database.dbd_params(), start=False)
    write_people(httpd)
    return httpd.start()


def everything(caller, number, secret):
    """One request to everything there is."""
    caller.ask("/me")
    caller.ask("/teams")
    caller.ask("/keys?limit=1")
    for who in (caller, caller.teams()):
        who.create()
        who.list()
        who.show(number)
        who.update(number, description="x")
        who.rotate(number)
        who.check(secret)


def test_every_answer_is_stated_and_every_stated_answer_is_given(httpd, module_database):
    alice, bob = Checked(httpd, user="alice"), Checked(httpd, user="bob")
    root = Checked(httpd, "/admin", user="root")
    full = {"scopes": ["orders:read"], "is_public": True, "expires": int(time.time() * 1000) + 86400000}
    mine, teams = alice.created(**full), alice.teams().created(**full)
    httpd.get("/api/", mine["value"])
    module_database.sql(f"REPLACE INTO api_key_usage (key_id, last_used_at) VALUES ({mine['id']}, UTC_TIMESTAMP(3))")
    for made in (mine, teams):
        for caller in (alice, bob, root, Checked(httpd, "/off", user="root"), Checked(httpd, "/nobody"),
                       Checked(httpd, "/bykey", key=insert_key(module_database, "team", "blue")[1]),
                       Checked(httpd, "/without", key=mine["value"])):  # fmt: skip
            everything(caller, made["id"], made["value"])
    for path in ("/me?x", "/teams?x", "/keys?x", "/user-api-keys/1?x"):
        root.ask(path)
    for path in ("/user-api-keys", "/user-api-keys/1", "/user-api-keys/1/rotate", "/user-api-keys/check", "/keys", "/me",
                 "/teams"):  # fmt: skip
        root.ask(path, "DELETE")
    for path, method in (("/user-api-keys", "POST"), (f"/user-api-keys/{mine['id']}", "PATCH"),
                         (f"/user-api-keys/{mine['id']}/rotate", "POST"), ("/user-api-keys/check", "POST")):  # fmt: skip
        root.ask(path, method, b" " * 65537)
        root.ask(path, method, b"{")
    root.check("nothing")
    Checked(httpd, "/few", user="alice").create()
    mark = [("Idempotency-Key", "once")]
    alice.rotate(mine["id"], mark), alice.rotate(mine["id"], mark)
    alice.revoke(mine["id"])
    alice.rotate(mine["id"]), root.check(mine["value"]), alice.list(limit=1)

    stated = {
        (template, method, status)
        for template, item in SPEC["paths"].items() for method in METHODS if method in item
        for status in item[method]["responses"] if status not in ELSEWHERE
    }  # fmt: skip
    assert len(stated) > 45 and stated - Checked.seen == set()


def test_what_is_not_asked_for_here_is_elsewhere():
    text = (ROOT / "tests" / "integration" / "test_71_manage_safety.py").read_text()
    assert [code for code in ELSEWHERE.values() if f'"{code}"' not in text] == []


def test_codes_are_those_of_the_source():
    inside = set(re.findall(r'\{"([A-Z_]+)",', (ROOT / "src" / "httpd" / "operation.c").read_text()))
    stated = set()
    for response in SPEC["components"]["responses"].values():
        for part in response["content"]["application/json"]["schema"].get("allOf", []):
            stated |= set(part.get("properties", {}).get("code", {}).get("enum", []))
    assert len(stated) >= 17
    assert inside - stated == {"INTERNAL_ERROR", "NOT_FOUND"} and stated <= inside


BODIES = [
    {}, {"user_id": "me"}, {"description": "x", "expires_at_millis": None},
    {"user_id": "me", "description": "x", "expires_at_millis": None},
    {"user_id": "me", "description": "x", "expires_at_millis": 0},
    {"user_id": "me", "description": "x", "expires_at_millis": 253402300799999},
    {"user_id": "me", "description": "x", "expires_at_millis": 253402300800000},
    {"user_id": "me", "description": "x", "expires_at_millis": -1},
    {"user_id": "me", "description": "x", "expires_at_millis": "1"},
    {"user_id": "me", "description": "\U0001f511" * 255, "expires_at_millis": None},
    {"user_id": "me", "description": "x" * 256, "expires_at_millis": None},
    {"user_id": "me", "description": "", "expires_at_millis": None, "is_public": False, "scopes": ["a", "b:*"]},
    {"user_id": "me", "description": "", "expires_at_millis": None, "scopes": ["a", "a"]},
    {"user_id": "me", "description": "", "expires_at_millis": None, "scopes": ["*"]},
    {"user_id": "me", "description": "", "expires_at_millis": None, "scopes": ["a b"]},
    {"user_id": "me", "description": "", "expires_at_millis": None, "scopes": [""]},
    {"user_id": "me", "description": "", "expires_at_millis": None, "is_public": 1},
    {"user_id": "me", "description": "", "expires_at_millis": None, "x": 1},
    {"user_id": "me", "team_id": "blue", "description": "", "expires_at_millis": None},
    {"revoked": True}, {"revoked": False}, {"description": "y"}, {"description": None}, {"description": "y", "revoked": True},
    {"grace_seconds": 0}, {"grace_seconds": 2592000}, {"grace_seconds": 2592001}, {"grace_seconds": -1},
    {"grace_seconds": "1"}, {"api_key": "x"}, {"api_key": 1}, {"api_key": None},
]  # fmt: skip


@pytest.mark.parametrize("template, method", [
    ("/{kind}-api-keys", "post"), ("/{kind}-api-keys/{id}", "patch"), ("/{kind}-api-keys/{id}/rotate", "post"),
    ("/{kind}-api-keys/check", "post"),
])  # fmt: skip
def test_bodies_are_taken_as_stated(httpd, template, method):
    root = Caller(httpd, "/admin", user="root")
    schema = SPEC["paths"][template][method]["requestBody"]["content"]["application/json"]["schema"]
    taken = 0
    for body in BODIES:
        number = root.created()["id"]
        answer = root.ask(template.format(kind="user", id=number), method.upper(), body)
        refused = answer.status == 400 and answer.json()["code"] == "SCHEMA_ERROR"
        assert refused != valid(schema, body), (json.dumps(body), answer.text)
        taken += not refused
    assert 0 < taken < len(BODIES)
