# SPDX-License-Identifier: Apache-2.0
"""apikeys.js as programs use it, in the browser, against the real API."""

import time

import pytest

ALL = "const keys = await import('/keys/apikeys.js');"
# What an exception says of itself.
CAUGHT = (
    "const caught = async (work) => { try { await work(); return null; } catch (error) {"
    " return [error.constructor.name, error.code, error.status, error instanceof keys.ApiKeyError]; } };"
)


@pytest.fixture
def page(browser, site):
    """An empty page of the site with alice signed in."""
    site.sign_in(browser, "alice")
    browser.open(site.url("/blank.html"))
    return browser


def run(page, script, *args):
    return page.run(ALL + CAUGHT + script, *args)


def test_exports(page):
    names = run(page, "return Object.keys(keys).sort()")
    assert {"createApiKey", "listApiKeys", "ApiKey", "ApiKeys", "ApiKeyError", "ApiKeysElement", "setStrings"} <= set(names)
    assert run(page, "return customElements.get('api-keys') === keys.ApiKeysElement")


def test_a_key_that_is_made(page, site):
    expires = int(time.time() * 1000) + 3_600_000
    made = run(
        page,
        "const key = await keys.createApiKey({ description: 'By a program', expiresAt: new Date(args[0]),"
        " scopes: ['orders:read'] });"
        "return { ...key, valid: key.isValid(), why: key.whyInvalid(), at: key.expiresAt.getTime(),"
        " dates: [key.createdAt, key.expiresAt].map((when) => when instanceof Date) }",
        expires,
    )
    assert made["value"].startswith("ak_u_") and site.lets_in(made["value"])
    assert (made["type"], made["userId"], made["teamId"]) == ("user", "alice", None)
    assert (made["description"], made["scopes"], made["isPublic"]) == ("By a program", ["orders:read"], False)
    assert (made["valid"], made["why"], made["at"], made["dates"]) == (True, None, expires, [True, True])
    assert made["lastUsedAt"] is None and made["manuallyRevokedAt"] is None
    assert isinstance(made["id"], str)


def test_list_is_newest_first_and_masked(page, site):
    site.add_key(description="first", used=3600)
    _, secret = site.add_key(description="second", expires_at=-60)
    listed = run(
        page,
        "return (await keys.listApiKeys()).map((key) => ({ ...key, valid: key.isValid(), why: key.whyInvalid(),"
        " used: key.lastUsedAt && Date.now() - key.lastUsedAt }))",
    )
    assert [key["description"] for key in listed] == ["second", "first"]
    assert listed[0]["value"] == {"lastFour": secret[-4:]}
    assert [(key["valid"], key["why"]) for key in listed] == [(False, "expired"), (True, None)]
    assert listed[0]["used"] is None and abs(listed[1]["used"] - 3_600_000) < 60_000


def test_revoke_and_why(page, site):
    """Revoked is said before expired; a revoked key stays revoked; one's own object knows at once."""
    site.add_key(expires_at=-60)
    assert run(
        page,
        "const [key] = await keys.listApiKeys(); const before = key.whyInvalid(); await key.revoke();"
        "const first = key.manuallyRevokedAt.getTime(); await key.revoke(); const [again] = await keys.listApiKeys();"
        "return [before, key.whyInvalid(), key.isValid(), again.whyInvalid(), again.manuallyRevokedAt - first]",
    ) == ["expired", "manually-revoked", False, "manually-revoked", 0]


def test_update(page, site):
    site.add_key(description="before")
    assert run(
        page,
        "const [key] = await keys.listApiKeys(); await key.update({ description: 'after 🙂' });"
        "return [key.description, (await keys.listApiKeys())[0].description]",
    ) == ["after 🙂"] * 2


def test_rotate(page, site):
    number, old = site.add_key(description="Till")
    rotated = run(
        page,
        "const [key] = await keys.listApiKeys(); const made = await key.rotate({ graceSeconds: 3600 });"
        "return { id: made.id, value: made.value, four: key.value.lastFour }",
    )
    assert rotated["id"] == str(number) and rotated["four"] == rotated["value"][-4:]
    assert site.lets_in(rotated["value"]) and site.lets_in(old)
    last = run(
        page, "const [key] = await keys.listApiKeys(); return (await key.rotate({ graceSeconds: 0 })).value"
    )  # fmt: skip
    assert site.lets_in(last) and not site.lets_in(rotated["value"]) and not site.lets_in(old)


def test_repeated_rotation_makes_no_second_secret(page, site):
    site.add_key()
    page.expect(r"rotate .* 409")
    _, error = run(
        page,
        "const [key] = await keys.listApiKeys(); const once = { idempotencyKey: 'only-once' };"
        "return [(await key.rotate(once)).value, await caught(() => key.rotate(once))]",
    )
    assert error == ["ApiKeyError", "IDEMPOTENCY_KEY_REPEATED", 409, True]


def test_teams(page, site):
    made = run(
        page,
        "const made = await keys.createApiKey({ team: 'blue', description: 'd', expiresAt: null });"
        "const listed = await keys.listApiKeys({ team: 'blue' });"
        "await listed[0].update({ description: 'e' }); await listed[0].revoke();"
        "return [made.value, made.type, made.teamId, made.expiresAt, listed[0].id === made.id, listed[0].whyInvalid(),"
        " await new keys.ApiKeys('/keys').teams()]",
    )
    assert made[0].startswith("ak_t_")
    assert made[1:] == ["team", "blue", None, True, "manually-revoked", ["blue", "red"]]


def test_long_lists_come_in_pages(page, site):
    rows = ",".join("('user', 'alice', 'd', '', 'abcd')" for _ in range(1203))
    site.database.sql(f"INSERT INTO api_keys (owner_type, owner_id, description, scopes, last_four) VALUES {rows}")
    ids = run(page, "return (await keys.listApiKeys()).map((key) => Number(key.id))")
    assert len(ids) == len(set(ids)) == 1203 and ids == sorted(ids, reverse=True)


@pytest.mark.parametrize(
    ("work", "status", "error"),
    [
        ("keys.createApiKey({ description: 'd', expiresAt: null, scopes: ['no:such'] })", 400, "SchemaError SCHEMA_ERROR"),
        ("keys.createApiKey({ description: 'd'.repeat(256), expiresAt: null })", 400, "SchemaError SCHEMA_ERROR"),
        ("keys.createApiKey({ description: 'd', expiresAt: null, user: 'bob' })", 403, "ForbiddenError FORBIDDEN"),
        ("keys.listApiKeys({ user: 'bob' })", 403, "ForbiddenError FORBIDDEN"),
        ("keys.listApiKeys({ team: 'nobody' })", 404, "NotFoundError TEAM_NOT_FOUND"),
        ("new keys.ApiKeys('/keys').get('999999')", 404, "NotFoundError API_KEY_NOT_FOUND"),
        ("new keys.ApiKeys('/off').list()", 400, "ApiKeyError API_KEYS_DISABLED"),
    ],
)
def test_errors(page, work, status, error):
    """Typed, with the API's code."""
    page.expect(rf" {status} ")
    name, code = error.split()
    assert run(page, f"return caught(() => {work})") == [name, code, status, True]


def test_key_of_the_other_kind(page, site):
    number, _ = site.add_key("blue", kind="team")
    page.expect(r" 404 ")
    answer = run(page, "return caught(() => new keys.ApiKeys('/keys').get(args[0]))", str(number))
    assert answer == ["NotFoundError", "API_KEY_NOT_FOUND", 404, True]
    assert run(page, "return (await new keys.ApiKeys('/keys').get(args[0], { team: 'blue' })).teamId", str(number)) == "blue"


@pytest.mark.parametrize(
    "given", ["{ description: 'd' }", "{ description: 'd', expiresAt: new Date('nonsense') }"]
)  # fmt: skip
def test_expiry_must_be_said(page, site, given):
    """A forgotten date is not taken for never."""
    with pytest.raises(Exception, match="TypeError: expiresAt"):
        run(page, f"await keys.createApiKey({given})")
    assert not site.rows()


def test_expiry_zero_is_1970_and_not_never(page, site):
    assert run(
        page,
        "const key = await keys.createApiKey({ description: 'd', expiresAt: 0 });"
        "return [key.expiresAt.getTime(), key.whyInvalid()]",
    ) == [0, "expired"]


def test_signed_out(page):
    """By a login that redirects, and by one that says 401."""
    run(page, "return 1")  # the module is there
    page.cdp("Network.clearBrowserCookies")
    wanted = ["AuthenticationRequiredError", "USER_AUTHENTICATION_REQUIRED", 401, True]
    assert run(page, "return caught(() => keys.listApiKeys())") == wanted
    assert run(page, "return caught(() => keys.createApiKey({ description: 'd', expiresAt: null }))") == wanted


def test_login_page_instead_of_an_answer(page, site):
    """A login that answers 200 with its form is not a list of keys."""
    site.put("portal/user-api-keys", "<form>Sign in</form>")
    answer = run(page, "return caught(() => new keys.ApiKeys('/portal').list())")
    assert answer == ["AuthenticationRequiredError", "USER_AUTHENTICATION_REQUIRED", 200, True]


def test_unreachable(page):
    run(page, "return 1")
    page.expect("ERR_INTERNET_DISCONNECTED")
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.cdp("Network.emulateNetworkConditions", offline=True, **offline)
    try:
        assert run(page, "return caught(() => keys.listApiKeys())") == ["UnavailableError", "NETWORK_ERROR", 0, True]
    finally:
        page.cdp("Network.emulateNetworkConditions", offline=False, **offline)


def test_given_up_by_the_caller(page):
    name = run(
        page,
        "const abort = new AbortController(); abort.abort();"
        "try { for await (const page of new keys.ApiKeys('/keys').pages({ signal: abort.signal })) return page; }"
        "catch (error) { return error.name; }",
    )
    assert name == "AbortError"


def test_a_wrong_clock(page, site):
    """The server's time counts, once it is known: here the visitor's clock is an hour late."""
    site.add_key(expires_at=1800)
    assert run(
        page,
        "const real = Date.now; Date.now = () => real() + 3_600_000; const api = new keys.ApiKeys('/keys');"
        "const [key] = await api.list(); const before = key.isValid(); await api.me(); return [before, key.isValid()]",
    ) == [False, True]


@pytest.mark.parametrize("base", ["/keys", "/keys/", "keys", "./keys/?x=1#y"])
def test_base(page, base):
    assert run(page, "return (await new keys.ApiKeys(args[0]).me()).userId", base) == "alice"


def test_credentials_in_an_address(page, site):
    """Pages opened as https://user:password@… work: fetch refuses such addresses."""
    base = site.url("/keys/").replace("//", "//alice:alice@")
    assert run(page, "return (await new keys.ApiKeys(args[0]).me()).userId", base) == "alice"
