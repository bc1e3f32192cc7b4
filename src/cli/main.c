/* SPDX-License-Identifier: Apache-2.0 */
/* apikeyctl: reads the command line, connects, runs one command. */
#include "commands.h"
#include "terminal.h"

#include <apr_general.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

cli_exit_t cli_fail(cli_exit_t code, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fflush(stdout);
    fputs("apikeyctl: ", stderr);
    cli_print_safe(stderr, text);
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

static cli_exit_t no_such_command(const cli_words_t *words)
{
    if (words->count == 0) {
        cli_command_help(NULL);
        return CLI_USAGE;
    }
    if (strcmp(words->word[0], "team") == 0) {
        return cli_fail(CLI_USAGE, "say team add, team remove or team list");
    }
    if (strcmp(words->word[0], "pepper") == 0) {
        return cli_fail(CLI_USAGE, "say pepper use FILE");
    }
    return cli_fail(CLI_USAGE, "no such command: %s; see apikeyctl --help", words->word[0]);
}

static cli_exit_t run_command(cli_t *cli, const cli_command_t *command)
{
    const char *stray = cli_options_stray(&cli->opt, command->options);
    cli_exit_t rc;

    if (stray) {
        return cli_fail(CLI_USAGE, "%s takes no --%s; see apikeyctl %s --help", command->name,
                        stray, command->name);
    }
    if (cli->argc < command->min_args || cli->argc > command->max_args) {
        return cli_fail(CLI_USAGE, "usage: apikeyctl %s %s", command->name, command->synopsis);
    }
    if (cli->opt.json && cli->opt.quiet) {
        return cli_fail(CLI_USAGE, "--json and --quiet exclude each other");
    }
    cli->patience_s = command->patience;
    cli->only_reads = command->needs == CLI_READS_TABLES;
    rc = command->needs == CLI_NEEDS_NO_DATABASE ? CLI_DONE : cli_connect(cli);
    if (rc == CLI_DONE &&
        (command->needs == CLI_CHANGES_TABLES || command->needs == CLI_READS_TABLES)) {
        rc = cli_check_schema(cli);
    }
    if (rc == CLI_DONE && command->needs == CLI_CHANGES_TABLES) {
        rc = cli_act(cli);
    }
    return rc == CLI_DONE ? command->run(cli) : rc;
}

/* Everything but what a process needs around it. */
static cli_exit_t run(cli_t *cli, int argc, const char *const *argv)
{
    const cli_command_t *command;
    cli_words_t words;
    int used = 0;

    if (!cli_options_read(&cli->opt, &words, argc, argv, cli->pool)) {
        return CLI_USAGE;
    }
    if (words.count > 0 && strcmp(words.word[0], "help") == 0) {
        words.count--;
        words.word++;
        cli->opt.help = true;
    }
    if (cli->opt.help && words.count == 0) {
        cli_command_help(NULL);
        return CLI_DONE;
    }
    command = cli_command_find(&words, &used);
    if (!command) {
        return no_such_command(&words);
    }
    if (cli->opt.help) {
        cli_command_help(command);
        return CLI_DONE;
    }
    cli->argc = words.count - used;
    cli->argv = words.word + used;
    return run_command(cli, command);
}

/* Whether standard output is a pipe that nobody reads any more, as with `| head`. */
static bool nobody_reads(void)
{
    struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};

    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

static int out_of_memory(int unused)
{
    (void)unused;
    fputs("apikeyctl: out of memory\n", stderr);
    exit(CLI_NOT_DONE);
}

int main(int argc, const char *const *argv)
{
    cli_t cli = {0};
    cli_exit_t rc = CLI_NOT_DONE;

    if (apr_app_initialize(&argc, &argv, NULL) != APR_SUCCESS) {
        return EXIT_FAILURE;
    }
    atexit(apr_terminate);
    apr_pool_create_ex(&cli.pool, NULL, out_of_memory, NULL);
    cli_terminal_init();
    rc = run(&cli, argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == CLI_DONE) {
        rc = cli.only_reads && nobody_reads()
                 ? CLI_NOT_DONE
                 : cli_fail(CLI_NOT_DONE, "cannot write to standard output");
    }
    return (int)rc;
}
