/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of apikeyctl share: the options, the exit codes, the way to complain. */
#ifndef APIKEY_CLI_H
#define APIKEY_CLI_H

#include "../core/store.h"

#include <apr_pools.h>

typedef enum { CLI_DONE = 0, CLI_NOT_DONE = 1, CLI_USAGE = 2, CLI_NO_DATABASE = 3 } cli_exit_t;

/* Every option of every command; NULL, 0 or false where it was not given. */
typedef struct {
    const char *defaults_file, *dsn, *prefix;
    const char *pepper_file[APIKEY_DIGESTS_MAX];
    int pepper_files;
    const char *user, *team, *description, *scopes, *expires, *status, *limit, *after;
    bool json, quiet, help;
} cli_options_t;

typedef struct {
    apr_pool_t *pool;
    cli_options_t opt;
    int argc; /* what is left after the options */
    const char *const *argv;
    MYSQL *conn;
    apikey_db_t *db; /* NULL for a command that needs none */
} cli_t;

/* One command: its function runs with an open database where `needs_db` is set. `options` are
 * the letters (see main.c) it takes beside those that all take. */
typedef struct {
    const char *name;
    cli_exit_t (*run)(cli_t *cli);
    bool needs_db;
    const char *options;
    int min_args, max_args;
    const char *synopsis;
    const char *what;
} cli_command_t;

/* "apikeyctl: …" on standard error; returns `code`. */
cli_exit_t cli_fail(cli_exit_t code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for the database's last error, with its remedy. A missing table or a server that is
 * gone is CLI_NO_DATABASE, else CLI_NOT_DONE. */
cli_exit_t cli_fail_db(const cli_t *cli, const char *doing);

/* Reads a positive decimal number of at most 18 digits. */
bool cli_number(const char *text, uint64_t *number);

cli_exit_t cli_connect(cli_t *cli); /* connect.c */

cli_exit_t cli_init(cli_t *cli); /* init.c */

cli_exit_t cli_create(cli_t *cli); /* keys.c */
cli_exit_t cli_list(cli_t *cli);
cli_exit_t cli_show(cli_t *cli);
cli_exit_t cli_revoke(cli_t *cli);
cli_exit_t cli_check(cli_t *cli); /* check.c */

#endif
