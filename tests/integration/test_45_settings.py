# SPDX-License-Identifier: Apache-2.0
"""What SQL and apikeyctl mint by, compared with what httpd is configured to accept."""

import re

import pytest
from harness.keyfmt import fingerprint, insert_key, mint
from harness.process import VALGRIND, wait_for

PLACE = '<Location "/">\nAuthType Bearer\nRequire apikey\n</Location>\n'
PEPPER, OTHER = b"p" * 40, b"o" * 40
NEVER = "AK011[3-8]:"

CASES = [  # (settings, configuration, the lines that are logged)
    ({}, "", []),
    ({"prefix": "acme"}, "ApiKeyPrefix ak acme", []),
    ({"prefix": "acme"}, "", ["AK0114: .* 'acme'.*ApiKeyPrefix.*init --prefix ak"]),
    ({"prefix": "acme"}, "ApiKeyPrefix acme", []),
    ({"pepper": fingerprint(PEPPER)}, "ApiKeyPepperFile pepper", []),
    ({"pepper": fingerprint(PEPPER)}, "ApiKeyPepperFile other pepper", []),
    ({"pepper": fingerprint(PEPPER)}, "ApiKeyPepperFile other", [f"AK0115: .*{fingerprint(PEPPER)}"]),
    ({"pepper": fingerprint(PEPPER)}, "", [f"AK0115: .*{fingerprint(PEPPER)}"]),
    ({}, "ApiKeyPepperFile pepper none", []),
    ({}, "ApiKeyPepperFile pepper", [f"AK0116: .*{fingerprint(PEPPER)}"]),
    ({"schema_version": "1"}, "", ["AK0113: .*version 1, .* for 2; run apikeyctl init"]),
    ({"schema_version": "3"}, "", ["AK0113: .*version 3, .* for 2; install the module"]),
    ({"events": "none"}, "", ["AK0118: .*not put on record"]),
    (
        {"prefix": "acme", "pepper": "0123456789abcdef", "schema_version": "3"}, "",
        ["AK0113:", "AK0114:", "AK0115: .*0123456789abcdef"],
    ),
]  # fmt: skip


@pytest.mark.parametrize("settings, config, lines", CASES)
def test_what_differs_is_logged_once_and_nothing_is_refused(database, make_httpd, settings, config, lines):
    for name, value in settings.items():
        database.sql(f"UPDATE api_key_settings SET value = '{value}' WHERE name = '{name}'")
    httpd = make_httpd(config + "\n" + PLACE, dbd=database.dbd_params(), children=2, start=False, tolerated=[NEVER])
    for name, octets in (("pepper", PEPPER), ("other", OTHER)):
        (httpd.folder / name).write_bytes(octets)
        (httpd.folder / name).chmod(0o600)
    httpd.start()
    used = PEPPER if config.startswith("ApiKeyPepperFile") and "other" not in config.split()[1] else OTHER if "other" in config else None
    key = insert_key(database, "user", "alice", pepper=used, key=mint("acme" if config == "ApiKeyPrefix acme" else "ak"))[1]
    assert httpd.get("/", key=key).status == 200
    for line in lines:
        httpd.wait_log(line)
    # One more round of the feed and a graceful restart say no more.
    database.sql("UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3)")
    httpd.expect("AK0003: API key revoked")
    wait_for(lambda: httpd.get("/", key=key).status == 401)
    httpd.graceful()
    assert httpd.get("/", key=key).status == 401
    httpd.stop()
    logged = [line for line in httpd.log_lines() if re.search(NEVER, line)]
    starts = 2 if VALGRIND else 1  # which has no graceful restart
    assert len(logged) == starts * len(lines), logged
    assert all("AK0118" in line or ":error]" in line for line in logged)


def test_where_no_feed_is_read_nothing_is_asked(database, make_httpd):
    database.sql("UPDATE api_key_settings SET value = 'acme' WHERE name = 'prefix'")
    httpd = make_httpd("ApiKeyRefresh Off\n" + PLACE, dbd=database.dbd_params())
    assert httpd.get("/", key=insert_key(database, "user", "alice")[1]).status == 200
    httpd.stop()
    assert not [line for line in httpd.log_lines() if re.search(NEVER, line)]
