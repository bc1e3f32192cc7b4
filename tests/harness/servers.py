# SPDX-License-Identifier: Apache-2.0
"""Which database server the tests run on: the machine's MariaDB, one that was unpacked (TEST_SERVER_ROOT), or one that
somebody else runs (TEST_MYSQL_SOCKET)."""

from pathlib import Path

from .mariadb import MariaDB
from .mysql import SOCKET, GivenMySQL, UnpackedMySQL
from .unpacked import ROOT, UnpackedMariaDB


def own(folder, args=()):
    """A server not yet started; `args` are options of its own."""
    if not ROOT:
        return MariaDB(folder, args)
    return (UnpackedMariaDB if (Path(ROOT) / "usr/sbin/mariadbd").exists() else UnpackedMySQL)(folder, args)


def shared(folder):
    """The one that most tests share."""
    return GivenMySQL(folder) if SOCKET else own(folder)
