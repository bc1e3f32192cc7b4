# SPDX-License-Identifier: Apache-2.0
"""apikeyctl gen-pepper and pepper use; and the way from no pepper to one and to the next."""

import json
import re
from contextlib import ExitStack

import pytest
from administering import DONE, NOT_DONE, USAGE, bare
from harness import ROOT
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import fingerprint
from harness.process import VALGRIND
from load import Load

PLACE = 'ApiKeyTimeout 10s\n<Location "/">\nAuthType Bearer\nRequire apikey\n</Location>'


@pytest.fixture(scope="module")
def shared(module_database, scratch):
    """apikeyctl on the file's database, for tests that leave nothing behind."""
    return ApikeyCtl(module_database, scratch.folder("ctl"))


def test_gen_pepper(scratch):
    path = scratch.folder("pepper") / "new one"
    done = bare("gen-pepper", path, umask=0)
    assert (done.returncode, done.stderr) == (DONE, "")
    octets = path.read_bytes()
    assert len(octets) == 64 and path.stat().st_mode & 0o777 == 0o600
    assert fingerprint(octets) in done.stdout
    assert f'ApiKeyPepperFile "{path}" none\n' in done.stdout and f"apikeyctl pepper use {path}\n" in done.stdout
    again = bare("gen-pepper", path)
    assert (again.returncode, again.stdout) == (NOT_DONE, "") and "it exists" in again.stderr
    assert path.read_bytes() == octets
    other = path.with_name("other")
    made = json.loads(bare("gen-pepper", "--json", "other", cwd=path.parent, umask=0o777).stdout)
    assert made == {"file": str(other), "fingerprint": fingerprint(other.read_bytes())}
    assert other.read_bytes() != octets


def test_gen_pepper_where_it_cannot_be(scratch):
    folder = scratch.folder("pepper")
    (folder / "link").symlink_to(folder / "target")
    for path, message in [("/nowhere/pepper", "No such file"), (folder / "link", "it exists"), (folder, "it exists")]:
        done = bare("gen-pepper", path)
        assert (done.returncode, done.stdout) == (NOT_DONE, "") and message in done.stderr
    assert not (folder / "target").exists()


WAY_LEFT = re.search(r"(?s)SELECT DISTINCT k\.id.*?;", (ROOT / "README.md").read_text())[0]


def generations(ctl, number):
    """(fingerprint, whether it is the current one) of the pepper of each secret of a key, the oldest secret first."""
    secrets = json.loads(ctl.ok("show", number, "--json"))["secrets"]
    return [(secret["pepper"], secret["pepper_is_current"]) for secret in secrets]


def test_show_says_which_pepper(ctl, pepper):
    number, _ = ctl.create(user="alice")
    assert generations(ctl, number) == [(None, True)] and ctl.ok("show", number).endswith(", no pepper\n")
    names = []
    for octets in (b"a" * 32, b"b" * 32):
        ctl.ok("pepper", "use", pepper(octets))
        names.append(fingerprint(octets))
        secret = ctl.ok("rotate", number, "--quiet", "--pepper", pepper(octets)).strip()
    assert generations(ctl, number) == [(None, False), (names[0], False), (names[1], True)]
    shown = [line.partition(", until ")[2].partition(", ")[2] or line for line in ctl.ok("show", number).splitlines()]
    assert shown[-3:-1] == ["no pepper, not current", f"pepper {names[0]}, not current"]
    assert shown[-1].endswith(f", pepper {names[1]}, current")
    told = json.loads(ctl.ok("check", "--json", "--pepper", pepper(b"b" * 32), input=secret))
    assert (told["secret"]["pepper"], told["secret"]["pepper_is_current"]) == (names[1], True)


class Walk:
    """Clients that call all the while, each with a key of its own, on a server whose peppers change."""

    def __init__(self, ctl, httpd, folder, running):
        self.ctl, self.httpd, self.folder, self.running = ctl, httpd, folder, running
        self.made_with = []  # what apikeyctl is told of the pepper that is current
        self.loads = []

    def configure(self, *files):
        self.httpd.config = f"ApiKeyPepperFile {' '.join(map(str, files))}\n{PLACE}"
        self.httpd.graceful()

    def use(self, file):
        self.ctl.ok("pepper", "use", file)
        self.made_with = ["--pepper", file]

    def client(self, *command):
        """A client with the new secret that a command prints; returns the secret."""
        secret = self.ctl.ok(*command, "--quiet", *self.made_with).strip()
        self.loads.append(self.running.enter_context(Load(self.httpd, self.folder, [secret], connections=1, pause_ms=20)))
        return secret

    def statuses(self):
        """Every status that clients have seen; they stop."""
        seen = [load.stop().statuses for load in self.loads]
        self.loads = []
        assert all(seen), "a client without any answer"
        return set().union(*seen)


@pytest.mark.skipif(VALGRIND, reason="of load")
def test_from_no_pepper_to_one_and_to_the_next(ctl, scratch, database, make_httpd):
    """By the steps that apikeyctl(1) has under PEPPERS, nobody is refused at any time."""
    folder = scratch.folder("pepper")
    first, second = folder / "first", folder / "second"
    httpd = make_httpd(PLACE, dbd=database.dbd_params(), children=2)
    with ExitStack() as running:
        walk = Walk(ctl, httpd, folder, running)
        create = ("create", "--user", "alice")
        old = [walk.client(*create)]
        for new, *previous in ((first, "none"), (second, first, "none")):
            assert bare("gen-pepper", new).returncode == DONE
            walk.configure(new, *previous)
            old.append(walk.client(*create))  # with what is current until the next line
            walk.use(new)
            walk.client(*create)
            walk.client("rotate", 1)
        names = [fingerprint(path.read_bytes()) for path in (first, second)]
        assert generations(ctl, 1) == [(None, False), (names[0], False), (names[1], True)]
        assert [generations(ctl, number)[0][0] for number in (2, 3, 4, 5)] == [None, *names[:1] * 2, names[1]]
        assert walk.statuses() == {200}

        # What is not made with the current one is replaced, and its clients change over, before the others go.
        left = [row["id"] for row in database.sql(WAY_LEFT)]
        assert left == ["1", "2", "3", "4"]
        for number in left:
            walk.client("rotate", number, "--grace", "0")
        assert database.sql(WAY_LEFT) == []
        walk.configure(second)
        assert [httpd.get("/", key).status for key in old] == [401] * 3
        assert walk.statuses() == {200}


@pytest.mark.parametrize("words, file, message", [(["use"], "/nowhere", "cannot open"), (["use"], "/etc/passwd", "600")])
def test_pepper_use_refuses(shared, module_database, words, file, message):
    done = shared.run("pepper", *words, file)
    assert done.returncode == USAGE and message in done.stderr
    assert module_database.value("SELECT value FROM api_key_settings WHERE name = 'pepper'") == ""
