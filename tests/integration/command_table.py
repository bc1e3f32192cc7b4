# SPDX-License-Identifier: Apache-2.0
"""The directives the loaded module really has, as httpd itself lists them (mod_info)."""

import re

MODULES = ["info"]
CONFIG = '<Location "/command-table">\nSetHandler server-info\n</Location>\n'


def directives(httpd):
    """Their names, from a server with the modules and the configuration above."""
    return re.findall(r"<tt>(\w+) - <i>", httpd.get("/command-table?mod_authn_apikey.c").text)
