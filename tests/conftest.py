# SPDX-License-Identifier: Apache-2.0
"""Fixtures of integration and browser tests: one MariaDB for all, a database per test, httpd servers whose logs are
read after every test."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import pytest
from harness.apikeyctl import ApikeyCtl
from harness import servers
from harness import store as store_program
from harness.httpd import Httpd
from harness.scratch import Scratch

_scratch = None
_httpds = []  # every server that has not been stopped


def pytest_configure(config):
    """A thread of a test's that died fails its test: it was to watch something."""
    config.addinivalue_line("filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture(scope="session")
def scratch():
    """The folder of this run; scratch.folder(name) gives a new one in it."""
    global _scratch
    with Scratch() as _scratch:
        yield _scratch


@pytest.fixture(scope="session")
def mariadb(scratch):
    """The server most tests share. Tests that stop it or bend its settings take make_mariadb instead."""
    with servers.shared(scratch.folder("sql")) as server:
        yield server


@pytest.fixture
def make_mariadb(scratch):
    """make_mariadb(*mariadbd_options) starts another server, for this test alone."""
    made = []

    def make(*args):
        if servers.SOCKET:
            pytest.skip("TEST_MYSQL_SOCKET: needs a server of its own")
        made.append(servers.own(scratch.folder("sql"), args))
        return made[-1].start()

    yield make
    for server in made:
        server.stop()


@pytest.fixture(scope="module")
def make_module_mariadb(scratch):
    """The same for a server that all tests of a file share."""
    made = []

    def make(*args):
        if servers.SOCKET:
            pytest.skip("TEST_MYSQL_SOCKET: needs a server of its own")
        made.append(servers.own(scratch.folder("sql"), args))
        return made[-1].start()

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def database(mariadb):
    """A database with our tables, for this test alone."""
    return mariadb.create_database()  # never dropped: a server that is stopped later writes its counts


@pytest.fixture(scope="module")
def module_database(mariadb):
    """A database with our tables, for all tests of a file."""
    return mariadb.create_database()  # never dropped: a server that is stopped later writes its counts


@pytest.fixture
def ctl(database, scratch):
    """apikeyctl on the test's database."""
    return ApikeyCtl(database, scratch.folder("ctl"))


@pytest.fixture(scope="session")
def make_store(scratch):
    """make_store(database, user, password): the store on a database."""
    store_program.build()
    return lambda database, *login: store_program.Store(database, scratch.folder("store"), *login)


@pytest.fixture
def store(database, make_store):
    """The store on the test's database."""
    return make_store(database)


@pytest.fixture
def empty(mariadb, scratch):
    """apikeyctl on a database without tables, as (ctl, database)."""
    made = mariadb.create_database(schema=False)
    yield ApikeyCtl(made, scratch.folder("ctl")), made
    made.drop()


@pytest.fixture
def pepper(scratch):
    """pepper(octets, mode) writes a pepper file and returns its path."""
    folder = scratch.folder("pepper")

    def make(octets=b"p" * 32, mode=0o600):
        path = folder / f"pepper{len(list(folder.iterdir()))}"
        path.write_bytes(octets)
        path.chmod(mode)
        return path

    return make


@pytest.fixture
def make_httpd(scratch):
    """make_httpd(config, **options of Httpd) starts a server for this test; start=False leaves that to the test."""
    yield from _factory(scratch)


@pytest.fixture(scope="module")
def make_module_httpd(scratch):
    """The same for a server that serves all tests of a file."""
    yield from _factory(scratch)


@pytest.fixture
def make_app(scratch):
    """make_app(Cgi), make_app(Fpm), make_app(Uwsgi), make_app(HttpApp): an application, started."""
    yield from _app_factory(scratch)


@pytest.fixture(scope="module")
def make_module_app(scratch):
    """The same for all tests of a file."""
    yield from _app_factory(scratch)


def _factory(scratch):
    made = []

    def make(config="", start=True, **options):
        httpd = Httpd(scratch.folder("httpd"), config, **options)
        made.append(httpd)
        _httpds.append(httpd)
        return httpd.start() if start else httpd

    yield make
    complaints = []
    for httpd in made:
        for duty in (httpd.stop, httpd.check_log):
            complaints += _complaint(duty)
        _httpds.remove(httpd)
    assert not complaints, "\n".join(complaints)


def _app_factory(scratch):
    made = []

    def make(kind, *args, **options):
        folder = [scratch.folder(kind.__name__.lower())] if kind.needs_folder else []
        made.append(kind(*folder, *args, **options))
        return made[-1].start()

    yield make
    complaints = [complaint for app in made for complaint in _complaint(app.stop)]
    assert not complaints, "\n".join(complaints)


def _complaint(duty):
    """What a tear-down step objects to, so that the ones after it still run."""
    try:
        duty()
    except Exception as objection:
        return [f"{type(objection).__name__}: {objection}"]
    return []


@pytest.fixture(autouse=True)
def clean_logs():
    """A server that outlives the test is read after each test, so that a line fails the test that caused it."""
    yield
    complaints = [complaint for httpd in _httpds for complaint in _complaint(httpd.check_log)]
    assert not complaints, "\n".join(complaints)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows where its servers lived and what they logged last."""
    report = (yield).get_result()
    if report.failed and _scratch:
        kept = "" if os.environ.get("KEEP_SCRATCH") == "1" else " (KEEP_SCRATCH=1 keeps it)"
        report.sections.append(("scratch folder", f"{_scratch.path}{kept}"))
        for httpd in _httpds:
            tail = "\n".join(httpd.log_lines()[-30:])
            report.sections.append((f"error log of {httpd.folder.name}", tail))
