# SPDX-License-Identifier: Apache-2.0
"""Private servers for the integration tests and the demo: httpd, MariaDB and applications behind httpd.

Everything lives in a scratch folder and on free loopback ports; the system's own servers are never touched.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "conf" / "schema.sql"

# Another build of the same thing (with a sanitizer, say) can be tested by naming it here.
MODULE = Path(os.environ.get("TEST_MODULE", ROOT / "build" / "mod_authn_apikey.so"))
APIKEYCTL = Path(os.environ.get("TEST_APIKEYCTL", ROOT / "build" / "apikeyctl"))
