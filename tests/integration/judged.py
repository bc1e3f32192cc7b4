# SPDX-License-Identifier: Apache-2.0
"""A request and all that it left behind: the answer, APIKEY_STATUS, and our lines in the error log."""

import base64
import re
from dataclasses import dataclass

MISSING = (401, 'Bearer realm="API"', "missing")
MALFORMED = (400, 'Bearer realm="API", error="invalid_request"', "malformed")
FORBIDDEN = (403, None, "forbidden")
UNAVAILABLE = (503, None, "unavailable")
VALID = (200, None, "valid")
UNJUDGED = (200, None, None)

# What the error log may say to a verdict; the calm ones are not listed.
LOUD = ("malformed", "not_found", "wrong_type", "revoked", "expired", "unusable", "unavailable")


def invalid(status):
    """What every key that is no good is told."""
    return (401, 'Bearer realm="API", error="invalid_token"', status)


@dataclass
class Judged:
    response: object
    answer: tuple  # (status, the one challenge or None, APIKEY_STATUS or None)
    logged: list  # our own lines of the error log


def ask(httpd, path, key=None, headers=(), challenge="WWW-Authenticate", http2=False, **options):
    """Asks, and expects the line that goes with the verdict in the error log."""
    error, access = httpd.log_mark(), httpd.access_mark()
    send = httpd.http2 if http2 else httpd.get
    response = send(path, key, headers=list(headers), **options)
    line = httpd.access_lines(access, count=1)[-1]
    status = re.search(r"status=(\S+)$", line).group(1)
    if status in LOUD:
        httpd.expect(rf"AK000[123]: API key {status}\b")
    if response.status == 403:
        httpd.expect(r"AH01631: user [^:]+(:[^:]+)?: authorization failure")
    logged = [text for text in httpd.log_lines(error) if re.search(r"\bAK0\d\d\d: ", text)]
    answer = (response.status, response.header(challenge), None if status == "-" else status)
    return Judged(response, answer, logged)


def basic(user, password=None):
    """The header of Basic credentials; without a password there is no colon either."""
    octets = b":".join(part.encode("latin-1") if isinstance(part, str) else part for part in (user, password)
                       if part is not None)  # fmt: skip
    return ("Authorization", "Basic " + base64.b64encode(octets).decode())


def leaked(httpd, secrets):
    """Those of the secrets of which something is to be read in a log: as they are, or as Basic encodes them."""
    text = httpd.error_log.read_text(errors="replace") + httpd.access_log.read_text(errors="replace")
    return [secret for secret in secrets if secret[5:-6] in text or base64.b64encode(secret.encode()).decode() in text]
