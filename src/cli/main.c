/* SPDX-License-Identifier: Apache-2.0 */
/* apikeyctl: reads the command line, connects, runs one command. */
#include "cli.h"

#include <apr_general.h>
#include <apr_getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_command_t commands[] = {
    {"init", cli_init, true, "", 0, 0, "init [--prefix P] [--pepper FILE]",
     "create the tables that are missing; record prefix and pepper"},
    {"create", cli_create, true, "utdsxq", 0, 0,
     "create --user U|--team T [--description D] [--scopes S] [--expires 90d|DATE|never]",
     "make a key; its secret is printed once"},
    {"list", cli_list, true, "utSla", 0, 0,
     "list [--user U|--team T] [--status valid|revoked|expired] [--limit N] [--after ID]",
     "list keys, newest first"},
    {"show", cli_show, true, "", 1, 1, "show ID", "show one key"},
    {"revoke", cli_revoke, true, "", 1, 1000, "revoke ID ...", "revoke keys, for good"},
    {"check", cli_check, true, "", 0, 0, "check",
     "read a key from standard input; say whether it is valid, or why not"},
};

static const apr_getopt_option_t option_table[] = {
    {"defaults-file", 'f', 1, "read the connection from this option file, group [apikeyctl]"},
    {"dsn", 'D', 1, "connect by host= port= sock= user= dbname= group= (a password is asked)"},
    {"prefix", 'p', 1, "prefix of new keys; without it the one recorded by init"},
    {"pepper", 'P', 1, "pepper file; may be repeated, the first one mints"},
    {"json", 'j', 0, "print JSON"},
    {"help", 'h', 0, "show this"},
    {"user", 'u', 1, "owner: a user"},
    {"team", 't', 1, "owner: a team"},
    {"description", 'd', 1, "what the key is for"},
    {"scopes", 's', 1, "scopes, with spaces between"},
    {"expires", 'x', 1, "90d, 12h, 2w, a date or time (UTC), or never"},
    {"quiet", 'q', 0, "print the secret alone"},
    {"status", 'S', 1, "only valid, revoked or expired keys"},
    {"limit", 'l', 1, "at most so many (100)"},
    {"after", 'a', 1, "go on after this id"},
    {NULL, 0, 0, NULL},
};

static const char common_options[] = "fDpPjh";

cli_exit_t cli_fail(cli_exit_t code, const char *format, ...)
{
    va_list args;

    fputs("apikeyctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

bool cli_number(const char *text, uint64_t *number)
{
    const size_t len = strlen(text);

    if (len == 0 || len > 18 || strspn(text, "0123456789") != len) {
        return false;
    }
    *number = strtoull(text, NULL, 10);
    return *number > 0;
}

static const cli_command_t *find_command(const char *name)
{
    size_t i;
    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void print_options(const char *letters)
{
    const apr_getopt_option_t *o;
    for (o = option_table; o->name; o++) {
        if (strchr(letters, o->optch)) {
            printf("  --%-14s %s\n", o->name, o->description);
        }
    }
}

static cli_exit_t help(const cli_command_t *command)
{
    size_t i;

    if (command) {
        printf("usage: apikeyctl %s\n\n%s\n\n", command->synopsis, command->what);
        print_options(command->options);
    }
    else {
        puts("usage: apikeyctl COMMAND [options]\n\nAdministers the API keys of "
             "mod_authn_apikey.\n");
        for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
            printf("  %-8s %s\n", commands[i].name, commands[i].what);
        }
        puts("\nOptions of every command:");
    }
    print_options(common_options);
    puts("\nWithout --defaults-file and --dsn the connection is that of ~/.my.cnf, groups "
         "[client] and\n[apikeyctl]. Exit status: 0 done, 1 not done, 2 usage, 3 database "
         "unreachable.");
    return CLI_DONE;
}

static void store_option(cli_options_t *opt, int letter, const char *arg)
{
    switch (letter) {
    case 'f':
        opt->defaults_file = arg;
        break;
    case 'D':
        opt->dsn = arg;
        break;
    case 'p':
        opt->prefix = arg;
        break;
    case 'j':
        opt->json = true;
        break;
    case 'h':
        opt->help = true;
        break;
    case 'u':
        opt->user = arg;
        break;
    case 't':
        opt->team = arg;
        break;
    case 'd':
        opt->description = arg;
        break;
    case 's':
        opt->scopes = arg;
        break;
    case 'x':
        opt->expires = arg;
        break;
    case 'q':
        opt->quiet = true;
        break;
    case 'S':
        opt->status = arg;
        break;
    case 'l':
        opt->limit = arg;
        break;
    case 'a':
        opt->after = arg;
        break;
    case 'P':
        if (opt->pepper_files < APIKEY_DIGESTS_MAX) {
            opt->pepper_file[opt->pepper_files++] = arg;
        }
        break;
    default:
        break;
    }
}

static const char *option_name(int letter)
{
    const apr_getopt_option_t *o;
    for (o = option_table; o->name && o->optch != letter; o++) {
    }
    return o->name;
}

__attribute__((format(printf, 2, 3))) static void print_getopt_error(void *arg,
                                                                     const char *format, ...)
{
    va_list args;

    fputs("apikeyctl ", stderr); /* and APR names the command */
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "see apikeyctl %s --help\n", (const char *)arg);
}

/* The options of `command` and what they leave, checked against what it takes. */
static cli_exit_t read_options(cli_t *cli, const cli_command_t *command, int argc,
                               const char *const *argv)
{
    apr_getopt_t *os;
    int letter;
    const char *arg;
    apr_status_t rv;

    apr_getopt_init(&os, cli->pool, argc, argv);
    os->interleave = 1;
    os->errfn = print_getopt_error;
    os->errarg = (void *)(uintptr_t)command->name;
    while ((rv = apr_getopt_long(os, option_table, &letter, &arg)) == APR_SUCCESS) {
        if (!strchr(common_options, letter) && !strchr(command->options, letter)) {
            return cli_fail(CLI_USAGE, "%s takes no --%s; see apikeyctl %s --help",
                            command->name, option_name(letter), command->name);
        }
        store_option(&cli->opt, letter, arg);
    }
    if (rv != APR_EOF) {
        return CLI_USAGE;
    }
    cli->argc = argc - os->ind;
    cli->argv = os->argv + os->ind;
    if (!cli->opt.help && (cli->argc < command->min_args || cli->argc > command->max_args)) {
        return cli_fail(CLI_USAGE, "usage: apikeyctl %s", command->synopsis);
    }
    return CLI_DONE;
}

/* Everything but what a process needs around it. */
static cli_exit_t run(cli_t *cli, int argc, const char *const *argv)
{
    const cli_command_t *command;
    cli_exit_t rc;

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(NULL);
        return argc < 2 ? CLI_USAGE : CLI_DONE;
    }
    command = find_command(argv[1]);
    if (!command) {
        return cli_fail(CLI_USAGE, "no such command: %s; see apikeyctl --help", argv[1]);
    }
    rc = read_options(cli, command, argc - 1, argv + 1);
    if (rc == CLI_DONE && cli->opt.help) {
        return help(command);
    }
    if (rc == CLI_DONE && command->needs_db) {
        rc = cli_connect(cli);
    }
    return rc == CLI_DONE ? command->run(cli) : rc;
}

int main(int argc, const char *const *argv)
{
    cli_t cli = {0};
    cli_exit_t rc = CLI_NOT_DONE;

    if (apr_app_initialize(&argc, &argv, NULL) != APR_SUCCESS) {
        return EXIT_FAILURE;
    }
    atexit(apr_terminate);
    apr_pool_create(&cli.pool, NULL);
    rc = run(&cli, argc, argv);
    if (fflush(stdout) != 0) {
        rc = cli_fail(CLI_NOT_DONE, "cannot write to standard output");
    }
    return (int)rc;
}
