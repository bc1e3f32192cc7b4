# SPDX-License-Identifier: Apache-2.0
"""Certificates that vouch for themselves."""

import subprocess

_REQUEST = """
[req]
prompt = no
distinguished_name = dn
x509_extensions = ext
[dn]
CN = {name}
[ext]
basicConstraints = critical, CA:FALSE
subjectAltName = {hosts}
"""


def make_certificate(folder, name, hosts="DNS:localhost, IP:127.0.0.1"):
    """Makes NAME.crt, NAME.key and, with both in it, NAME.pem in a folder."""
    (folder / f"{name}.cnf").write_text(_REQUEST.format(name=name, hosts=hosts))
    made = [
        "openssl", "req", "-x509", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-config", folder / f"{name}.cnf", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt",
    ]  # fmt: skip
    subprocess.run(made, check=True, capture_output=True)
    text = (folder / f"{name}.crt").read_text() + (folder / f"{name}.key").read_text()
    (folder / f"{name}.pem").touch(0o600)
    (folder / f"{name}.pem").write_text(text)
