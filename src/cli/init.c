/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl init`: the tables, and what new keys are minted by. */
#include "cli.h"
#include "mint.h"

#include "schema_sql.h" /* conf/schema.sql as one string, made by the build */

#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An older schema is brought up to date; a newer one than ours is left alone. */
static cli_exit_t check_version(cli_t *cli)
{
    const char *version;

    if (apikey_store_get_setting(cli->db, "schema_version", cli->pool, &version) !=
        APIKEY_DB_OK) {
        return CLI_DONE; /* no tables yet: what loading them says is what counts */
    }
    if (version && strtol(version, NULL, 10) > strtol(APIKEY_SCHEMA_VERSION, NULL, 10)) {
        return cli_fail(CLI_NO_DATABASE,
                        "the tables are of schema version %s, this apikeyctl is for %s; "
                        "use the apikeyctl that came with them",
                        version, APIKEY_SCHEMA_VERSION);
    }
    return CLI_DONE;
}

/* The triggers come last in schema.sql. Without them everything works, but slower and without a
 * record. */
static cli_exit_t load_schema(cli_t *cli)
{
    const char *failed;
    const char *feed = NULL;

    if (apikey_db_run_script(cli->db, schema_sql, cli->pool, &failed) == APIKEY_DB_OK) {
        return CLI_DONE;
    }
    if (!apikey_db_denied(cli->db) ||
        !(strstr(failed, "TRIGGER") || strncmp(failed, "LOCK TABLES", 11) == 0)) {
        return cli_fail_db(cli, "cannot create the tables");
    }
    cli_fail(CLI_DONE, "the triggers cannot be created: %s (error %u)",
             apikey_db_error(cli->db), apikey_db_errno(cli->db));
    if (apikey_store_get_setting(cli->db, "feed", cli->pool, &feed) == APIKEY_DB_OK && feed &&
        strcmp(feed, "triggers") == 0) {
        fputs("They are there from an earlier time.\n", stderr);
        return CLI_DONE;
    }
    fputs(
        "Without them a key that is revoked or deleted is refused only when ApiKeyCacheTTL has "
        "passed,\nand changes are not put on record. Run apikeyctl init again as an account "
        "that "
        "may create\ntriggers, or after SET GLOBAL log_bin_trust_function_creators = 1.\n",
        stderr);
    return CLI_DONE;
}

cli_exit_t cli_init(cli_t *cli)
{
    apikey_peppers_t peppers;
    cli_exit_t rc = cli_read_peppers(cli, &peppers);

    if (rc == CLI_DONE && cli->opt.prefix && !apikey_keyfmt_prefix_ok(cli->opt.prefix)) {
        rc = cli_fail(CLI_USAGE, "--prefix takes 2 to 20 of a-z and 0-9");
    }
    if (rc != CLI_DONE || (rc = check_version(cli)) != CLI_DONE) {
        return rc;
    }
    if ((rc = load_schema(cli)) != CLI_DONE) {
        return rc;
    }
    if (cli->opt.prefix &&
        apikey_store_set_setting(cli->db, "prefix", cli->opt.prefix) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot record the prefix");
    }
    if (cli->opt.pepper_files &&
        apikey_store_set_setting(cli->db, "pepper", peppers.pepper[0].fingerprint) !=
            APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot record the pepper's fingerprint");
    }
    puts("The tables are ready.");
    return CLI_DONE;
}
