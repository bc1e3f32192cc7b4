/* SPDX-License-Identifier: Apache-2.0 */
/* The options of apikeyctl: one table of them all, the values of this run. */
#ifndef APIKEY_CLI_OPTIONS_H
#define APIKEY_CLI_OPTIONS_H

#include "../core/apikey.h"

#include <apr_pools.h>

typedef enum {
    /* of every command */
    CLI_OPT_DEFAULTS_FILE,
    CLI_OPT_DSN,
    CLI_OPT_TIMEOUT,
    CLI_OPT_JSON,
    CLI_OPT_HELP,
    /* of some */
    CLI_OPT_USER,
    CLI_OPT_TEAM,
    CLI_OPT_DESCRIPTION,
    CLI_OPT_SCOPES,
    CLI_OPT_EXPIRES,
    CLI_OPT_PUBLIC,
    CLI_OPT_QUIET,
    CLI_OPT_PREFIX,
    CLI_OPT_PEPPER,
    CLI_OPT_STATUS,
    CLI_OPT_LIMIT,
    CLI_OPT_AFTER,
    CLI_OPT_GRACE,
    CLI_OPT_KEY,
    CLI_OPT_SINCE,
    CLI_OPT_OLDER_THAN,
    CLI_OPT_DRY_RUN,
    CLI_OPT_ALL_OR_NOTHING,
    CLI_OPT_MANAGE,
    CLI_OPT_COUNT
} cli_option_t;

/* A set of options. */
#define CLI_TAKES(option) (UINT32_C(1) << CLI_OPT_##option)

/* NULL or false where an option was not given. */
typedef struct {
    const char *defaults_file, *dsn, *timeout, *prefix;
    const char *pepper_file[APIKEY_DIGESTS_MAX - 1];
    int pepper_files;
    const char *user, *team, *description, *scopes, *expires, *status, *limit, *after, *grace;
    const char *key, *since, *older_than;
    bool json, help, is_public, quiet, dry_run, all_or_nothing, manage;
    uint32_t given; /* those that were */
} cli_options_t;

/* What is left of the command line: the words that are neither options nor their values. */
typedef struct {
    int count;
    const char *const *word;
} cli_words_t;

/* Reads the options of a command line, wherever they stand. Strings stay those of `argv`. What
 * is wrong was said on standard error when it returns false. */
bool cli_options_read(cli_options_t *opt, cli_words_t *words, int argc, const char *const *argv,
                      apr_pool_t *pool);

/* Prints what the options of a set do, one on a line; those of every command, or the others. */
void cli_options_print(uint32_t set, bool common);

/* An option that was given and that a command which takes `set` has no use for, or NULL. */
const char *cli_options_stray(const cli_options_t *opt, uint32_t set);

#endif
