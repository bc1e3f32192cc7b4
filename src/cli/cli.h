/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of apikeyctl share: the options, the exit codes, the way to complain. */
#ifndef APIKEY_CLI_H
#define APIKEY_CLI_H

#include "options.h"

#include "../core/store.h"

#include <apr_pools.h>

typedef enum { CLI_DONE = 0, CLI_NOT_DONE = 1, CLI_USAGE = 2, CLI_NO_DATABASE = 3 } cli_exit_t;

typedef struct {
    apr_pool_t *pool;
    cli_options_t opt;
    int argc; /* what is left after command and options */
    const char *const *argv;
    MYSQL *conn;
    apikey_db_t *db;    /* NULL for a command that needs none */
    int64_t patience_s; /* how long each answer of the database is waited for; 0: for ever */
    bool only_reads;    /* nothing is lost where nobody reads what it prints */
} cli_t;

/* "apikeyctl: …" on standard error; returns `code`. What would drive the terminal is replaced.
 */
cli_exit_t cli_fail(cli_exit_t code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for the database's last error, with its remedy. A missing table or a server that is
 * gone is CLI_NO_DATABASE, else CLI_NOT_DONE. */
cli_exit_t cli_fail_db(const cli_t *cli, const char *doing);

/* Reads a positive decimal number of at most 18 digits. */
bool cli_number(const char *text, uint64_t *number);

/* --user or --team into type and id; `required` says whether one must be there. */
cli_exit_t cli_read_owner(const cli_t *cli, bool required, apikey_owner_t *type,
                          const char **owner);

/* The id of a key from the command line; the complaint that there is none of that id. */
cli_exit_t cli_read_id(const char *text, uint64_t *id);
cli_exit_t cli_no_such_key(uint64_t id);

cli_exit_t cli_connect(cli_t *cli); /* connect.c */

/* Refuses tables of another schema version than this program's. */
cli_exit_t cli_check_schema(cli_t *cli); /* connect.c */

/* Puts who runs this program on record for what it changes: `apikeyctl:root@host`, and where
 * that is by sudo `apikeyctl:alice(root)@host`. */
cli_exit_t cli_act(cli_t *cli); /* actor.c */

/* The commands, by the file that has them. */
cli_exit_t cli_init(cli_t *cli); /* init.c */

cli_exit_t cli_create(cli_t *cli); /* secrets.c */
cli_exit_t cli_rotate(cli_t *cli);

cli_exit_t cli_list(cli_t *cli); /* list.c */

cli_exit_t cli_show(cli_t *cli); /* keys.c */
cli_exit_t cli_update(cli_t *cli);
cli_exit_t cli_revoke(cli_t *cli);

cli_exit_t cli_check(cli_t *cli);      /* check.c */
cli_exit_t cli_import(cli_t *cli);     /* import.c */
cli_exit_t cli_prune(cli_t *cli);      /* prune.c */
cli_exit_t cli_events(cli_t *cli);     /* events.c */
cli_exit_t cli_gen_pepper(cli_t *cli); /* pepper.c */
cli_exit_t cli_pepper_use(cli_t *cli);

cli_exit_t cli_team_add(cli_t *cli); /* team.c */
cli_exit_t cli_team_remove(cli_t *cli);
cli_exit_t cli_team_list(cli_t *cli);

#endif
