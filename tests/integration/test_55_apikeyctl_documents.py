# SPDX-License-Identifier: Apache-2.0
"""The manual pages and the completion for bash: that they say what the program and the module do."""

import re
import subprocess

import pytest
from administering import COMMANDS, bare
from harness import APIKEYCTL, ROOT

PAGES = {"apikeyctl.1": ROOT / "man" / "apikeyctl.1", "mod_authn_apikey.5": ROOT / "build" / "mod_authn_apikey.5"}


def rendered(page):
    """The page as text, in lines that do not end before a paragraph does."""
    done = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=500", PAGES[page]], capture_output=True, text=True, check=True
    )
    return re.sub(".\b", "", done.stdout)  # bold and underlined, as on a typewriter


# -- manual pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_clean(page):
    for command in (["mandoc", "-T", "lint", "-W", "style"], ["groff", "-man", "-ww", "-Kutf8", "-Tutf8", "-z"]):
        done = subprocess.run([*command, PAGES[page]], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("", "") and done.returncode == 0


def test_commands_are_those_of_the_program():
    """Each with the very synopsis that --help gives."""
    section = re.search(r"\nCOMMANDS\n(.*?)\n[A-Z]", rendered("apikeyctl.1"), re.S)[1]
    heads = re.findall(r"(?m)^   (\S.*)$", section)
    usages = [bare(*command.split(), "--help").stdout.partition("\n")[0] for command in COMMANDS]
    assert sorted(heads) == sorted(usage.removeprefix("usage: apikeyctl ").strip() for usage in usages)


def test_options_are_those_of_the_program():
    """Each with its value, whichever commands take it."""
    section = re.search(r"\nOPTIONS\n(.*?)\n[A-Z]", rendered("apikeyctl.1"), re.S)[1]
    documented = re.findall(r"(?m)^       (--[\w-]+(?: [A-Z]+)?)(?=\s)", section)
    options = {
        option.strip()
        for command in COMMANDS
        for option in re.findall(r"(?m)^  (--[\w-]+(?: [A-Z]+)?) ", bare(*command.split(), "--help").stdout)
    }
    assert len(options) >= 23
    assert sorted(documented) == sorted(options)


def test_examples_are_of_commands_there_are():
    section = re.search(r"\nEXAMPLES\n(.*?)\n[A-Z]", rendered("apikeyctl.1"), re.S)[1]
    examples = re.findall(r"(?m)^ +apikeyctl (.*)$", section)
    assert len(examples) >= 5
    assert all(any(example.startswith(command) for command in COMMANDS) for example in examples)


def test_directives_are_those_of_the_reference():
    """Names, defaults, contexts and the words themselves."""
    page = " ".join(rendered("mod_authn_apikey.5").split())
    reference = (ROOT / "conf" / "reference.conf").read_text()
    entries = re.findall(r"(?m)^# (?:Directive|Line|Variable): +(.*)$", reference)
    assert len(entries) >= 26
    assert [entry for entry in entries if entry not in page] == []
    meanings = re.findall(r"(?m)^# Meaning: +(.*(?:\n#  +.*)*)", reference)
    assert len(meanings) == len(entries)
    plain = [" ".join(re.sub(r"\n# +", " ", meaning).replace("`", "").split()) for meaning in meanings]
    assert [meaning for meaning in plain if meaning not in page] == []
    assert [line for line in re.findall(r"(?m)^#([A-Z]\S.*)$", reference) if " ".join(line.split()) not in page] == []


def test_what_the_generator_does_not_know_fails(scratch):
    path = scratch.folder("man") / "reference.conf"
    path.write_text((ROOT / "conf" / "reference.conf").read_text() + "\nApiKeyPrefix active\n")
    done = subprocess.run(
        ["awk", "-f", ROOT / "man" / "mod_authn_apikey.awk", path], capture_output=True, text=True
    )
    assert done.returncode == 1 and "what is this?" in done.stderr


# -- completion ------------------------------------------------------------------------------------------------

# Sources the file, and asks it what it would offer for the words given, as bash does.
ASK = r"""
set -u
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
complete -p apikeyctl | grep -q -- '-F _apikeyctl apikeyctl' || exit 3
_apikeyctl "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]-}"
"""


@pytest.fixture(scope="module")
def offered(scratch):
    """offered(*words) gives what is offered for the last one, in a folder with a file `file one` and a folder."""
    folder = scratch.folder("here")
    (folder / "file one").touch()
    (folder / "folder").mkdir()

    def ask(*words):
        done = subprocess.run(
            ["bash", "--norc", "-c", ASK, "bash", ROOT / "src" / "cli" / "apikeyctl.bash", APIKEYCTL, *words],
            capture_output=True, text=True, cwd=folder, check=True, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        )  # fmt: skip
        assert done.stderr == ""
        return sorted(done.stdout.split("\n")[:-1]) if done.stdout.strip() else []

    return ask


FILES = ["file one", "folder"]


@pytest.mark.parametrize(
    "words, expected",
    [
        ([""], sorted({command.split()[0] for command in COMMANDS})),
        (["re"], ["revoke", "rotate"][:1]),
        (["ro"], ["rotate"]),
        (["team", ""], ["add", "list", "remove"]),
        (["team", "r"], ["remove"]),
        (["pepper", ""], ["use"]),
        (["pepper", "use", ""], FILES),
        (["gen-pepper", "fi"], ["file one"]),
        (["import", ""], FILES),
        # never a file where an id, a name or nothing is due
        (["revoke", ""], []),
        (["revoke", "7", ""], []),
        (["show", "f"], []),
        (["rotate", ""], []),
        (["team", "add", ""], []),
        (["team", "list", ""], []),
        (["list", ""], []),
        (["check", ""], []),
        (["create", "--user", ""], []),
        (["create", "--user", "f"], []),
        # options
        (["list", "--s"], ["--status"]),
        (["list", "--user", "alice", "--st"], ["--status"]),
        (["team", "add", "blue", "alice", "--m"], ["--manage"]),
        (["--def"], ["--defaults-file"]),
        (["update", "7", "--de"], ["--defaults-file", "--description"]),
        # their values, in either way of writing
        (["list", "--status", ""], ["expired", "revoked", "valid"]),
        (["list", "--status", "v"], ["valid"]),
        (["list", "--status", "=", "re"], ["revoked"]),
        (["list", "--status", "="], ["expired", "revoked", "valid"]),
        (["create", "--pepper", "f"], FILES),
        (["list", "--defaults-file", "=", "fi"], ["file one"]),
        (["create", "--expires", "n"], ["never"]),
        (["rotate", "7", "--grace", "3"], ["30d"]),
        (["--defaults-file", "x", "ro"], ["rotate"]),
        (["--defaults-file", "=", "x", "ro"], ["rotate"]),
        (["--json", "ro"], ["rotate"]),
    ],
)  # fmt: skip
def test_completion(offered, words, expected):
    assert offered(*words) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_completion_of_every_option(offered, command):
    options = re.findall(r"(?m)^  (--[\w-]+)", bare(*command.split(), "--help").stdout)
    assert len(options) >= 4 and offered(*command.split(), "--") == sorted(options)


def test_completion_knows_which_options_have_values(offered):
    """The one list in it that could go out of date."""
    named = {name: value for command in COMMANDS
             for name, value in re.findall(r"(?m)^  (--[\w-]+)( [A-Z]+)?", bare(*command.split(), "--help").stdout)}  # fmt: skip
    assert len(named) >= 23
    for name, value in named.items():
        assert (offered("import", name, "") == FILES) == (not value or name in ("--defaults-file", "--pepper")), name


def test_completion_in_a_shell(offered, scratch):
    """With keys pressed: readline breaks `--status=` into words of its own."""
    script = f"source {ROOT}/src/cli/apikeyctl.bash\ncomplete -F _apikeyctl apikeyctl\nPATH={APIKEYCTL.parent}:$PATH\n"
    rc = scratch.folder("rc") / "bashrc"
    rc.write_text(script + "PS1='> '\nbind 'set bell-style none'\n")
    typed = "apikeyctl li\t--stat\tval\t\x01echo \x05\nexit\n"
    done = subprocess.run(
        ["script", "-qec", f"bash --noprofile --rcfile {rc} -i", "/dev/null"], input=typed, capture_output=True,
        text=True, env={"PATH": "/usr/bin:/bin", "TERM": "dumb", "HOME": str(rc.parent)}, timeout=60,
    )  # fmt: skip
    assert "\napikeyctl list --status valid\n" in done.stdout.replace("\r", "").replace(" \n", "\n"), done.stdout
