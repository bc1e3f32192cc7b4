# SPDX-License-Identifier: Apache-2.0
"""Keys without the code under test: minted, digested and inserted here, by the book and by plain SQL."""

import datetime
import hashlib
import hmac
import secrets
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def check_digits(text):
    """CRC-32 as six base62 digits, the most significant first."""
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return digits


def mint(prefix="ak", kind="u"):
    """A new secret; `kind` is u for a user's, t for a team's."""
    body = f"{prefix}_{kind}_" + "".join(secrets.choice(ALPHABET) for _ in range(32))
    return body + check_digits(body)


def mistyped(key):
    """The same key with one character of its random part changed: well-formed, but the check fails."""
    place = len(key) - 20
    return key[:place] + ("A" if key[place] != "A" else "B") + key[place + 1 :]


def digest(key, pepper=None):
    """The 32 bytes the database holds."""
    octets = key if isinstance(key, bytes) else key.encode()
    return hmac.digest(pepper, octets, "sha256") if pepper else hashlib.sha256(octets).digest()


def fingerprint(pepper):
    """What tells peppers apart in the database."""
    return digest("mod_authn_apikey pepper fingerprint", pepper)[:8].hex()


def insert_key(
    db, owner_type, owner_id, scopes="", expires_at=None, revoked_at=None, key=None, pepper=None, prefix="ak",
    unchecked=False,
):  # fmt: skip
    """Inserts a key into a Database by plain SQL and returns (id as int, secret).

    `owner_id` may be bytes. Times are a datetime, SQL text in UTC, or a number: seconds from now. `unchecked` gets
    rows past the CHECKs of the table that only another program's mistake could have written.
    """
    key = key or mint(prefix, owner_type[0])
    text = key.decode("latin-1") if isinstance(key, bytes) else key
    owner = (owner_id if isinstance(owner_id, bytes) else owner_id.encode()).hex()
    last_four = text[-4:].encode().hex()
    mark = f"'{fingerprint(pepper)}'" if pepper else "NULL"
    checks = db.unchecked() if unchecked else ""
    number = db.value(
        f"{checks} START TRANSACTION;"
        "INSERT INTO api_keys (owner_type, owner_id, scopes, last_four, expires_at, revoked_at)"
        f" VALUES ('{owner_type}', _utf8mb4 X'{owner}', _ascii X'{scopes.encode().hex()}', _ascii X'{last_four}',"
        f" {_moment(expires_at)}, {_moment(revoked_at)});"
        "SET @key_id = LAST_INSERT_ID();"
        "INSERT INTO api_key_secrets (digest, key_id, pepper, last_four)"
        f" VALUES (X'{digest(key, pepper).hex()}', @key_id, {mark}, _ascii X'{last_four}');"
        "COMMIT; SELECT @key_id"
    )
    return int(number), key


def _moment(when):
    if when is None:
        return "NULL"
    if isinstance(when, datetime.datetime):
        when = when.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(when, str):
        return f"'{when}'"
    return f"UTC_TIMESTAMP(3) + INTERVAL {int(when * 1_000_000)} MICROSECOND"
