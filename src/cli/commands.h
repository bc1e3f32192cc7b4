/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of apikeyctl: one table of them all, found by name, explained. */
#ifndef APIKEY_CLI_COMMANDS_H
#define APIKEY_CLI_COMMANDS_H

#include "cli.h"

typedef enum {
    CLI_CHANGES_TABLES = 0, /* a connection, tables of our schema version, who acts on record */
    CLI_READS_TABLES,       /* the same, but nobody's name */
    CLI_NEEDS_CONNECTION,   /* whatever is there */
    CLI_NEEDS_NO_DATABASE
} cli_needs_t;

/* Seconds that one answer of the database may take, unless --timeout says otherwise. */
typedef enum {
    CLI_FOR_EVER = 0,    /* tables may have to be built anew */
    CLI_ONE_KEY = 60,    /* more than a server has statements wait for a lock, 50 */
    CLI_MANY_KEYS = 3600 /* whole tables are read, or a million rows committed */
} cli_patience_t;

typedef struct {
    const char *name; /* one word or two */
    cli_exit_t (*run)(cli_t *cli);
    cli_needs_t needs;
    cli_patience_t patience;
    uint32_t options; /* beside those that all take */
    int min_args, max_args;
    const char *synopsis; /* what follows the name */
    const char *what;     /* in one line */
    const char *more;     /* what else there is to know, or "" */
    const char *examples; /* one on a line */
} cli_command_t;

/* The command that the first words are the name of, NULL for none; `*used` is how many. */
const cli_command_t *cli_command_find(const cli_words_t *words, int *used);

/* Help on one command, or with NULL on all. */
void cli_command_help(const cli_command_t *command);

#endif
