# SPDX-License-Identifier: Apache-2.0
"""The build: no warning from either compiler, one symbol leaves the module, and everything is installed where a
distribution's tools find it."""

import os
import subprocess

import pytest
from harness import MODULE, ROOT


def make(*args):
    """make with a clean environment: the variables of a make that runs these tests are not ours."""
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-s", "-f", "Makefile.apxs", *args], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_there_is_no_warning(scratch, compiler):
    assert make(f"B={scratch.folder('build')}", f"CC={compiler}", "CFLAGS=-Werror", "all") == ""


def test_one_symbol_leaves_the_module():
    listed = subprocess.run(["nm", "-D", "--defined-only", MODULE], capture_output=True, text=True, check=True).stdout
    assert [line.split()[-1] for line in listed.splitlines()] == ["authn_apikey_module"]


def test_install_honours_destdir_and_prefix(scratch):
    destdir = scratch.folder("destdir")
    make("install", f"DESTDIR={destdir}", "PREFIX=/opt/keys")
    installed = {str(path.relative_to(destdir)) for path in destdir.rglob("*") if path.is_file()}
    share = "opt/keys/share/mod_authn_apikey"
    assert {"opt/keys/bin/apikeyctl", f"{share}/schema.sql", f"{share}/grants.sql", f"{share}/reference.conf",
            f"{share}/openapi.yaml",
            f"{share}/examples/cgi.conf", f"{share}/web/apikeys.js",
            "opt/keys/share/man/man1/apikeyctl.1",
            "opt/keys/share/man/man5/mod_authn_apikey.5",
            "opt/keys/share/bash-completion/completions/apikeyctl"} <= installed  # fmt: skip
    assert [path for path in installed if path.endswith("/mod_authn_apikey.so")]
    folders = {path.rsplit("/", 1)[0] for path in installed if path.endswith(("/authn_apikey.load", "/authn_apikey.conf"))}
    assert len(folders) == 1
    load = next(destdir.rglob("authn_apikey.load")).read_text()
    module = next(path for path in installed if path.endswith("/mod_authn_apikey.so"))
    assert f"LoadModule authn_apikey_module /{module}" in load
