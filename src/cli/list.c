/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl list`: keys, newest first, however many there are. */
#include "cli.h"
#include "pages.h"
#include "when.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const cli_column_t titles[] = {
    {"ID", false},    {"STATUS", false},  {"TYPE", false},      {"OWNER", true},
    {"LAST4", false}, {"EXPIRES", false}, {"LAST USED", false}, {"DESCRIPTION", true},
};

/* On a terminal the day is enough. */
static const char *time_cell(const cli_pages_t *pages, char *out, int64_t ms)
{
    if (ms == APIKEY_NEVER) {
        return "never";
    }
    cli_when_write(out, ms);
    if (cli_columns_short(pages->columns)) {
        out[strcspn(out, "T")] = '\0';
    }
    return out;
}

static bool list_one(const apikey_listed_t *key, void *baton)
{
    cli_pages_t *pages = baton;
    char id[24], expires[CLI_WHEN_SIZE], used[CLI_WHEN_SIZE];
    const char *cells[sizeof(titles) / sizeof(titles[0])] = {
        id,   key->status, key->owner_type,  key->owner, key->last_four,
        NULL, NULL,        key->description,
    };

    if (cli_pages_as_json(pages)) {
        return cli_pages_json(pages, key->id, cli_json_key(key));
    }
    snprintf(id, sizeof(id), "%" PRIu64, key->id);
    cells[5] = time_cell(pages, expires, key->expires_ms);
    cells[6] = time_cell(pages, used, key->used_ms);
    return cli_pages_row(pages, key->id, cells, 1, cli_paint_of(key->status));
}

static cli_exit_t read_filter(const cli_t *cli, apikey_filter_t *filter)
{
    const char *status = cli->opt.status;

    if (status && strcmp(status, "valid") != 0 && strcmp(status, "revoked") != 0 &&
        strcmp(status, "expired") != 0) {
        return cli_fail(CLI_USAGE, "--status takes valid, revoked or expired");
    }
    filter->status = status ? status : "";
    return cli_read_owner(cli, false, &filter->owner_type, &filter->owner);
}

cli_exit_t cli_list(cli_t *cli)
{
    apikey_filter_t filter = {0};
    cli_pages_t pages;
    cli_exit_t rc = read_filter(cli, &filter);

    if (rc != CLI_DONE ||
        (rc = cli_pages_begin(&pages, cli, titles, sizeof(titles) / sizeof(titles[0]))) !=
            CLI_DONE) {
        return rc;
    }
    while ((filter.limit = cli_pages_next(&pages)) > 0) {
        filter.before = pages.last;
        if (apikey_store_list(cli->db, &filter, list_one, &pages) != APIKEY_DB_OK) {
            return cli_fail_db(cli, "cannot list the keys");
        }
    }
    return cli_pages_end(&pages);
}
