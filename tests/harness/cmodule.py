# SPDX-License-Identifier: Apache-2.0
"""Small shared objects of a test's own, compiled when they are needed."""

import subprocess

from .httpd import _ask_apxs


def compile_shared(folder, source, name, *flags):
    """Compiles a file of the folder to a shared object there; AssertionError has the compiler's words."""
    done = subprocess.run(["cc", "-shared", "-fPIC", *flags, "-o", name, source], cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def build_module(folder, name, text):
    """Compiles the text of mod_<name>.c and returns its LoadModule line."""
    folder.chmod(0o755)
    (folder / f"mod_{name}.c").write_text(text)
    apr = subprocess.run(["apr-1-config", "--includes", "--cppflags"], capture_output=True, text=True, check=True)
    include = "-I" + _ask_apxs("INCLUDEDIR")
    compile_shared(folder, f"mod_{name}.c", f"mod_{name}.so", include, *apr.stdout.split())
    return f'LoadModule {name}_module "{folder}/mod_{name}.so"\n'
