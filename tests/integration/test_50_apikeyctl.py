# SPDX-License-Identifier: Apache-2.0
"""apikeyctl: its command line, its connection, its exit status, and what it never does."""

import getpass
import json
import re
import socket
import subprocess
from contextlib import closing

import pytest
from administering import COMMANDS, DONE, NO_DATABASE, NOT_DONE, USAGE, bare, on_terminal, rows
from harness import APIKEYCTL, ROOT
from harness.apikeyctl import ApikeyCtl
from harness.keyfmt import insert_key, mint
from harness.process import patience, wait_for


@pytest.fixture(scope="module")
def shared(module_database, scratch):
    """apikeyctl on the file's database, for tests that leave nothing behind."""
    return ApikeyCtl(module_database, scratch.folder("ctl"))


# -- the command line -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [["--help"], ["help"]])
def test_help(asked):
    done = bare(*asked)
    assert done.returncode == DONE and done.stderr == ""
    assert re.findall(r"(?m)^  (\w[\w -]*?)  ", done.stdout) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command):
    """Usage in one line, every option once, examples that are of this command."""
    done = bare(*command.split(), "--help")
    assert done.returncode == DONE and done.stdout.startswith(f"usage: apikeyctl {command}")
    options, examples = re.search(r"\nOptions:\n(.*)\nExamples:\n(.*)", done.stdout, re.S).groups()
    named = re.findall(r"(?m)^  (--[\w-]+)", options)
    assert len(named) == len(set(named)) and {"--dsn", "--defaults-file", "--json", "--help"} <= set(named)
    used = set(re.findall(r"--[\w-]+", done.stdout.partition("\n")[0]))
    assert used <= set(named)
    assert len(examples.splitlines()) >= 1
    assert all(line.startswith(f"  apikeyctl {command}") for line in examples.splitlines())
    assert set(re.findall(r" (--[\w-]+)", examples)) <= set(named)
    assert max(map(len, done.stdout.split("\n")[2:])) <= 96
    assert bare("help", *command.split()).stdout == bare("--help", *command.split()).stdout == done.stdout


def test_no_command():
    done = bare()
    assert done.returncode == USAGE and done.stdout == bare("--help").stdout


@pytest.mark.parametrize(
    "args, message",
    [
        (["destroy"], "no such command: destroy; see apikeyctl --help"),
        (["destroy\x1b[2J"], "no such command: destroy?[2J; see"),
        (["team"], "say team add, team remove or team list"),
        (["team", "kick", "a", "b"], "say team add, team remove or team list"),
        (["pepper"], "say pepper use FILE"),
        (["list", "--nonsense"], "invalid option: --nonsense\nsee apikeyctl --help"),
        (["list", "-u", "alice"], "invalid option character: u"),
        (["list", "--user"], "missing argument: --user"),
        (["list", "--user", "a", "--user", "b"], "--user is given twice"),
        (["list", "--json=yes"], "--json"),
        (["create", "--json", "--quiet", "--user", "a"], "--json and --quiet exclude each other"),
        (["create", "--user", "a", "--status", "valid"], "create takes no --status; see apikeyctl create --help"),
        (["check", *["--pepper", "x"] * 4], "--pepper is given more than three times"),
        (["show"], "usage: apikeyctl show ID"),
        (["show", "1", "2"], "usage: apikeyctl show ID"),
        (["update", "1", "new text"], "usage: apikeyctl update ID --description TEXT"),
        (["revoke"], "usage: apikeyctl revoke ID ..."),
        (["check", "ak_u_key"], "usage: apikeyctl check"),
        (["team", "add", "blue"], "usage: apikeyctl team add TEAM USER [--manage]"),
        (["import"], "usage: apikeyctl import FILE"),
        (["gen-pepper"], "usage: apikeyctl gen-pepper FILE"),
    ],
)
def test_bad_usage(args, message):
    """Without asking any database."""
    done = bare(*args)
    assert (done.returncode, done.stdout) == (USAGE, ""), done.stderr
    assert done.stderr.startswith("apikeyctl") and message in done.stderr


def test_options_stand_where_they_like(shared):
    cnf = f"--defaults-file={shared.defaults_file}"
    outputs = {
        bare(*args).stdout
        for args in (["list", cnf, "--json"], [cnf, "list", "--json"], ["--json", cnf, "list"])
    }
    assert outputs == {'{"items": [], "next_after": null}\n'}
    assert bare(cnf, "team", "--json", "list").stdout == '{"items": []}\n'


def test_a_full_disk_is_no_success(ctl):
    """A key that cannot be shown is not reported as done."""
    lost = "the new secret of key 1 is lost; apikeyctl rotate 1 makes another"
    cases = [(["create", "--user", "alice", "--quiet"], lost), (["rotate", "1"], lost), (["rotate", "1", "--json"], lost),
             (["list"], ""), (["list", "--json"], ""), (["show", "1"], "")]  # fmt: skip
    for args, message in cases:
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [APIKEYCTL, args[0], f"--defaults-file={ctl.defaults_file}", *args[1:]],
                stdout=full, stderr=subprocess.PIPE, text=True, timeout=patience(60),
            )  # fmt: skip
        assert done.returncode == NOT_DONE
        assert done.stderr.count("\n") == 1 and "standard output" in done.stderr and message in done.stderr


def test_a_reader_that_has_seen_enough(ctl, database):
    """Nobody needs to be told of `| head`, but of a lost secret."""
    database.sql("INSERT INTO api_keys (owner_type, owner_id) SELECT 'user', 'alice' FROM seq_1_to_3000")
    for args, message in [(["list"], ""), (["list", "--json"], ""), (["create", "--user", "a"], "is lost; apikeyctl rotate")]:
        with subprocess.Popen(
            [APIKEYCTL, args[0], f"--defaults-file={ctl.defaults_file}", *args[1:]],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            process.stdout.close()
            said = process.stderr.read()
        assert process.returncode == NOT_DONE and (message in said if message else said == "")


def test_who_runs_it_is_on_record(ctl):
    """In whose name root acts is believed of root alone."""
    host, user = socket.gethostname(), getpass.getuser()
    ctl.create(user="alice")
    ctl.run("create", "--user", "alice", env={"SUDO_USER": "bob"})
    sudo, plain = json.loads(ctl.ok("events", "--json"))["items"]
    assert (plain["what"], plain["actor"]) == ("created", f"apikeyctl:{user}@{host}")
    assert plain["account"].startswith("apikey@")
    assert sudo["actor"] == (f"apikeyctl:bob(root)@{host}" if user == "root" else plain["actor"])
    assert json.loads(ctl.ok("show", "1", "--json"))["created_by"] == f"apikeyctl:{user}@{host}"


# -- the connection ---------------------------------------------------------------------------------------------
def test_home_option_file(database, scratch):
    home = scratch.folder("home")
    database.server.write_defaults_file(home / ".my.cnf", database.name)
    assert bare("list", home=home).returncode == DONE


def test_own_group_of_the_option_file(database, scratch):
    file = scratch.folder("cnf") / "options.cnf"
    database.server.write_defaults_file(file, "nowhere")
    file.write_text(file.read_text() + f"[apikeyctl]\ndatabase={database.name}\n")
    assert bare("list", "--defaults-file", file).returncode == DONE


@pytest.mark.parametrize("way", ["sock={0.socket}", "host=127.0.0.1 port={0.port}", "host=127.0.0.1,port={0.port};"])
def test_dsn(database, scratch, way):
    """Host and all by --dsn, the password by option file."""
    server, home = database.server, scratch.folder("home")
    (home / ".my.cnf").write_text(f"[client]\npassword={server.password}\n")
    dsn = f"{way.format(server)} user={server.user} dbname={database.name}"
    assert bare("list", "--dsn", dsn, home=home).returncode == DONE


@pytest.mark.parametrize(
    "dsn, message",
    [
        ("sock=/x user=u pass=hunter2 dbname=d", "--dsn takes no password"),
        ("password=hunter2", "--dsn takes no password"),
        ("host", "'host' is not of the form name=value"),
        ("port=x", "'port' is not one of"),
        ("port=65536", "'port' is not one of"),
        ("nonsense=1", "'nonsense' is not one of host, port, sock, user"),
    ],
)
def test_bad_dsn(dsn, message):
    done = bare("list", "--dsn", dsn)
    assert done.returncode == USAGE and message in done.stderr
    assert "hunter2" not in done.stderr


def test_databases_that_cannot_be_used(database, empty, scratch):
    server, cnf = database.server, scratch.folder("cnf")
    login = f"[client]\nsocket={server.socket}\nuser={server.user}\npassword={server.password}\n"
    cases = [
        (login.replace(str(server.socket), "/nowhere/sql.sock"), r"cannot connect .*nowhere"),
        (login.replace(server.password, "wrong"), r"cannot connect .*denied.*; check user and password"),
        (login + "database=nowhere\n", r"Unknown database 'nowhere'.*; create the database"),
        (login, r"No database selected.*; name the database"),
        (login + f"database={empty[1].name}\n", r"doesn't exist.*run apikeyctl init"),
    ]
    for number, (text, message) in enumerate(cases):
        file = cnf / f"{number}.cnf"
        file.write_text(text)
        done = bare("list", "--defaults-file", file)
        assert done.returncode == NO_DATABASE, done.stderr
        assert re.match(f"apikeyctl: .*{message}", done.stderr)
        assert server.password not in done.stderr
    missing = bare("list", "--defaults-file", "/nowhere.cnf")
    assert missing.returncode == USAGE and "cannot read --defaults-file /nowhere.cnf" in missing.stderr


def test_the_password_is_asked_on_the_terminal(database, scratch):
    """Not on standard input, from where `check` reads the key."""
    server = database.server
    dsn = f"sock={server.socket} user={server.user} dbname={database.name}"
    _, key = insert_key(database, "user", "alice")
    home = scratch.folder("home")
    pipes = {"stdin": key, "stdout": subprocess.PIPE}
    code, output, screen = on_terminal(["check", "--dsn", dsn], [("Password: ", server.password)], home=home, **pipes)
    assert (code, output[:5]) == (DONE, "valid")
    assert server.password not in screen
    code, output, screen = on_terminal(["check", "--dsn", dsn], [("Password: ", "wrong")], home=home, **pipes)
    assert (code, output) == (NO_DATABASE, "") and "denied" in screen


def test_no_password_is_read_from_standard_input(database):
    server = database.server
    dsn = f"sock={server.socket} user={server.user} dbname={database.name}"
    done = bare("check", "--dsn", dsn, input=f"{server.password}\n{mint()}\n")
    assert (done.returncode, done.stdout) == (NO_DATABASE, "")
    assert "Password" not in done.stderr and "denied" in done.stderr


def test_environment(database, scratch):
    """As the mysql client takes it: an option file, that of the system too, goes before it."""
    server, empty = database.server, scratch.folder("cnf") / "empty.cnf"
    empty.touch()
    args = ["list", "--defaults-file", empty, "--dsn", f"user={server.user} dbname={database.name}"]
    login = {"MYSQL_PWD": server.password}
    assert bare(*args, env=login | {"MYSQL_UNIX_PORT": str(server.socket)}).returncode == DONE
    tcp = {"MYSQL_HOST": "127.0.0.1", "MYSQL_TCP_PORT": str(server.port)}
    assert bare(*args, env=login | tcp).returncode == DONE
    refused = bare(*args, env=login | tcp | {"MYSQL_HOST": "nowhere.invalid"})
    assert refused.returncode == NO_DATABASE and "nowhere.invalid" in refused.stderr


def test_a_server_that_never_says_a_word():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        dsn = f"host=127.0.0.1 port={listener.getsockname()[1]} user=x dbname=x"
        done = bare("show", "7", "--dsn", dsn, "--timeout", "1s")
    assert done.returncode == NO_DATABASE and "cannot connect to the database" in done.stderr


def test_a_server_that_stops_answering(ctl, database):
    """It gets as long as it is given; without end, too."""
    number, _ = ctl.create(user="alice")
    with database.session() as other:
        other.sql("LOCK TABLES api_keys WRITE")
        done = ctl.run("show", number, "--timeout", "1s")
        assert done.returncode == NO_DATABASE and "(error 2013); whether it was done is not known" in done.stderr
        assert "--timeout" in done.stderr
        patient = subprocess.Popen([APIKEYCTL, "show", str(number), f"--defaults-file={ctl.defaults_file}", "--timeout=0"],
                                   stdout=subprocess.PIPE)  # fmt: skip
        wait_for(lambda: other.sql("SELECT id FROM information_schema.PROCESSLIST WHERE db = DATABASE() AND "
                                   "state LIKE 'Waiting for%lock' AND time < 100"), 20, "it to wait")  # fmt: skip
        assert patient.poll() is None
        other.sql("UNLOCK TABLES")
        assert patient.wait(patience(20)) == DONE and b"alice" in patient.stdout.read()


@pytest.mark.parametrize("value, why", [("x", "write 90d"), ("60", "no unit"), ("25h", "longer than a day"), ("", "write")])
def test_a_timeout_that_is_none(value, why):
    done = bare("list", "--timeout", value)
    assert done.returncode == USAGE and "--timeout: " in done.stderr and why in done.stderr


def test_what_a_server_says_does_not_drive_the_terminal(empty, mariadb, scratch):
    """Here the name of an account that may not create triggers; the server itself escapes control characters below 0x20,
    but not what turns the direction of the text."""
    _, database = empty
    name = f"x{database.name[-8:]}\u202eabc"
    mariadb.sql(f"CREATE USER '{name}'@localhost IDENTIFIED BY 'pw'; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, "
                f"INDEX, DROP, REFERENCES, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EXECUTE, LOCK TABLES "
                f"ON {database.name}.* TO '{name}'@localhost")  # fmt: skip
    done = ApikeyCtl(database, scratch.folder("ctl"), name, "pw").run("init")
    assert "the triggers cannot be created" in done.stderr and "?abc" in done.stderr
    assert "\u202e" not in done.stderr


def test_an_option_file_goes_before_the_environment(shared, scratch):
    cnf = scratch.folder("cnf") / "host.cnf"
    cnf.write_text(shared.defaults_file.read_text() + "host=localhost\n")
    nowhere = {"MYSQL_HOST": "nowhere.invalid", "MYSQL_PWD": "wrong", "MYSQL_UNIX_PORT": "/nowhere"}
    assert bare("list", "--defaults-file", cnf, env=nowhere).returncode == DONE


# -- tables -----------------------------------------------------------------------------------------------------


EACH = [
    (command, args)
    for command, args in zip(
        COMMANDS,
        [None, ["--user", "a"], [], ["1"], ["1", "--description", "x"], ["1"], ["1"], [], ["-"], [], None, None,
         ["a", "b"], ["a", "b"], [], []],
    )
    if args is not None
]  # fmt: skip
LINES = "digest,owner_type,owner_id\n" + "0" * 64 + ",user,alice\n"


def run_each(ctl, command, args):
    words = command.split()
    return ctl.run(words[0], *words[1:], *args, input=LINES)


@pytest.mark.parametrize("command, args", EACH)
def test_without_tables(mariadb, scratch, command, args):
    ctl = ApikeyCtl(mariadb.create_database(schema=False), scratch.folder("ctl"))
    done = run_each(ctl, command, args)
    assert (done.returncode, done.stdout) == (NO_DATABASE, ""), done.stderr
    assert re.search(r"^apikeyctl: .*doesn't exist \(error 1146\); .*run apikeyctl init$", done.stderr)


@pytest.mark.parametrize("version, remedy", [("1", "apikeyctl init brings them up to date"), ("99", "came with them")])
def test_tables_of_another_version(database, scratch, version, remedy):
    database.sql(f"UPDATE api_key_settings SET value = '{version}' WHERE name = 'schema_version'")
    ctl = ApikeyCtl(database, scratch.folder("ctl"))
    for command, args in EACH:
        done = run_each(ctl, command, args)
        assert (done.returncode, done.stdout) == (NO_DATABASE, "")
        assert re.fullmatch(rf"apikeyctl: the tables are of schema version {version}, .*; .*{remedy}\n", done.stderr)
    assert rows(database) == []


def test_a_database_that_is_gone(database, scratch):
    cnf = scratch.folder("cnf") / "gone.cnf"
    cnf.write_text("[client]\nsocket=/nowhere/sql.sock\n")
    for command, args in [*EACH, ("init", []), ("pepper use", ["/dev/null"])]:
        done = bare(*command.split(), *args, "--defaults-file", cnf, input=LINES)
        assert (done.returncode, done.stdout) == (NO_DATABASE, "")
        assert re.fullmatch(r"apikeyctl: cannot connect to the database: .*\n", done.stderr)


def test_an_account_that_may_not(database, scratch):
    server = database.server
    server.sql(f"CREATE USER nobody_{database.name}@localhost IDENTIFIED BY 'x';"
               f"GRANT SELECT ON {database.name}.api_key_settings TO nobody_{database.name}@localhost")
    ctl = ApikeyCtl(database, scratch.folder("ctl"), f"nobody_{database.name}", "x")
    done = ctl.run("list")
    assert done.returncode == NOT_DONE and "denied" in done.stderr and "conf/grants.sql" in done.stderr


def test_the_administrators_account_is_enough(database, scratch, pepper):
    """All but init, as the help says."""
    server = database.server
    database.sql((ROOT / "conf" / "grants.sql").read_text())
    server.sql("ALTER USER apikey_admin@localhost IDENTIFIED BY 'pw-admin' ACCOUNT UNLOCK")
    try:
        ctl = ApikeyCtl(database, scratch.folder("ctl"), "apikey_admin", "pw-admin")
        _, key = ctl.create(user="alice")
        ctl.create(user="alice", expires="2020-01-01")
        assert run_each(ctl, "team add", ["a", "b"]).returncode == DONE
        for command, args in EACH:
            done = ctl.run(*command.split(), *args, input=key if command == "check" else LINES)
            expected = NOT_DONE if command in ("rotate", "check") else DONE  # key 1 is revoked by then
            assert done.returncode == expected and "denied" not in done.stderr, done.stderr
        assert ctl.ok("pepper", "use", pepper())
        assert ctl.run("init").returncode != DONE
    finally:
        server.sql("DROP USER apikey_check@localhost, apikey_manage@localhost, apikey_admin@localhost,"
                   " apikey_definer@localhost")


def test_names_are_utf8_whatever_the_option_file_says(database, scratch):
    file = scratch.folder("cnf") / "latin.cnf"
    database.server.write_defaults_file(file, database.name)
    file.write_text(file.read_text() + "default-character-set=latin1\n")
    assert bare("create", "--user", "jos\u00e9", "--defaults-file", file).returncode == DONE
    assert database.value("SELECT HEX(owner_id) FROM api_keys") == "jos\u00e9".encode().hex().upper()


def test_who_waits_for_a_lock_is_told(make_mariadb, scratch):
    """Once, by the server's own patience."""
    server = make_mariadb("--innodb-lock-wait-timeout=1")
    database = server.create_database()
    ctl = ApikeyCtl(database, scratch.folder("ctl"))
    number, _ = ctl.create(user="alice")
    with database.session() as other:
        other.sql(f"START TRANSACTION; SELECT id FROM api_keys WHERE id = {number} FOR UPDATE")
        waits = server.status("Innodb_row_lock_waits")
        done = ctl.run("revoke", number)
        assert done.returncode == NOT_DONE and "(error 1205); somebody holds a transaction open" in done.stderr
        assert server.status("Innodb_row_lock_waits") == waits + 1


def test_init_does_not_have_everybody_wait(ctl, database):
    """Behind a transaction that is open on the tables: it gives up, and loses nothing."""
    triggers = database.sql("SHOW TRIGGERS")
    with database.session() as other:
        other.sql("START TRANSACTION; SELECT * FROM api_keys; SELECT * FROM api_key_secrets; SELECT * FROM api_key_settings")
        done = ctl.run("init")
        assert done.returncode == NOT_DONE and "(error 1205); somebody holds a transaction open" in done.stderr
    assert len(database.sql("SHOW TRIGGERS")) == len(triggers)
    assert ctl.run("init").returncode == DONE
