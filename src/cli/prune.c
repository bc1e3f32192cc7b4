/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl prune`: keys that are dead for long, deleted a batch at a time. */
#include "cli.h"
#include "print.h"
#include "when.h"

#include <inttypes.h>
#include <stdio.h>

static cli_exit_t read_age(const cli_t *cli, int64_t *age_s)
{
    const char *why = NULL;

    *age_s = INT64_C(90) * 24 * 3600;
    if (cli->opt.older_than) {
        why = cli_when_read_span(cli->opt.older_than, age_s);
    }
    return why ? cli_fail(CLI_USAGE, "--older-than '%s': %s", cli->opt.older_than, why)
               : CLI_DONE;
}

static cli_exit_t say(const cli_t *cli, uint64_t total)
{
    if (cli->opt.json) {
        return cli_print_json(json_pack("{s:I, s:b}", "keys", (json_int_t)total, "deleted",
                                        (int)!cli->opt.dry_run));
    }
    printf("%" PRIu64 " keys %s.\n", total,
           cli->opt.dry_run ? "would be deleted" : "were deleted");
    return CLI_DONE;
}

cli_exit_t cli_prune(cli_t *cli)
{
    int64_t age_s;
    uint64_t after = 0;
    uint64_t total = 0;
    bool more = true;
    int count;
    cli_exit_t rc = read_age(cli, &age_s);

    while (rc == CLI_DONE && more) {
        if (apikey_store_prune(cli->db, age_s, APIKEY_PRUNE_MAX, cli->opt.dry_run, &after,
                               &count, &more) != APIKEY_DB_OK) {
            cli_progress(NULL, 0, 0);
            if (total > 0 && !cli->opt.dry_run) {
                fprintf(stderr, "%" PRIu64 " keys were deleted before.\n", total);
            }
            return cli_fail_db(cli, "pruning broke off");
        }
        total += (uint64_t)count;
        cli_progress(cli->opt.dry_run ? "Counting" : "Deleting", total, 0);
    }
    cli_progress(NULL, 0, 0);
    return rc == CLI_DONE ? say(cli, total) : rc;
}
