/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl events`: the audit trail, newest first. */
#include "cli.h"
#include "pages.h"
#include "when.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const cli_column_t titles[] = {
    {"ID", false},   {"TIME (UTC)", false}, {"WHAT", false}, {"KEY", false},
    {"OWNER", true}, {"BY", true},          {"FROM", false}, {"DETAIL", true},
};

static json_t *text_or_null(const char *text)
{
    return *text ? cli_json_text(text) : json_null();
}

static json_t *event_json(const apikey_event_t *event)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", cli_json_id(event->id),
        "at", cli_json_time(event->at_ms), "what", cli_json_text(event->what), "key_id",
        event->key_id ? cli_json_id(event->key_id) : json_null(), "owner_type",
        text_or_null(event->owner_type), "owner_id", text_or_null(event->owner), "actor",
        text_or_null(event->actor), "account", text_or_null(event->account), "client",
        text_or_null(event->client), "detail", text_or_null(event->detail));
}

/* On a terminal seconds are enough. */
static const char *time_cell(const cli_pages_t *pages, char *out, int64_t ms)
{
    cli_when_write(out, ms);
    if (cli_columns_short(pages->columns)) {
        out[strcspn(out, ".")] = '\0';
        out[strcspn(out, "T")] = ' ';
    }
    return out;
}

static bool print_one(const apikey_event_t *event, void *baton)
{
    cli_pages_t *pages = baton;
    char id[24], at[CLI_WHEN_SIZE], key[24] = "", owner[5 + 255 * 4 + 1];
    const char *const cells[] = {
        id,
        at,
        event->what,
        key,
        owner,
        *event->actor ? event->actor : event->account,
        event->client,
        event->detail,
    };

    if (cli_pages_as_json(pages)) {
        return cli_pages_json(pages, event->id, event_json(event));
    }
    snprintf(id, sizeof(id), "%" PRIu64, event->id);
    time_cell(pages, at, event->at_ms);
    if (event->key_id) {
        snprintf(key, sizeof(key), "%" PRIu64, event->key_id);
    }
    snprintf(owner, sizeof(owner), "%s%s%s", event->owner_type, *event->owner_type ? " " : "",
             event->owner);
    return cli_pages_row(pages, event->id, cells, 2,
                         strcmp(event->what, "denied") == 0 ? CLI_BAD : CLI_PLAIN);
}

static cli_exit_t read_filter(const cli_t *cli, apikey_event_filter_t *filter)
{
    const char *why;

    if (cli->opt.key && !cli_number(cli->opt.key, &filter->key_id)) {
        return cli_fail(CLI_USAGE, "--key takes the id of a key, not '%s'", cli->opt.key);
    }
    if (!cli->opt.since) {
        return CLI_DONE;
    }
    why = cli_when_read(cli->opt.since, apr_time_as_msec(apr_time_now()), CLI_WHEN_AGO,
                        &filter->since_ms);
    if (!why && filter->since_ms == APIKEY_NEVER) {
        why = "leave it out to see all";
    }
    return why ? cli_fail(CLI_USAGE, "--since '%s': %s", cli->opt.since, why) : CLI_DONE;
}

cli_exit_t cli_events(cli_t *cli)
{
    apikey_event_filter_t filter = {0};
    cli_pages_t pages;
    cli_exit_t rc = read_filter(cli, &filter);

    if (rc != CLI_DONE ||
        (rc = cli_pages_begin(&pages, cli, titles, sizeof(titles) / sizeof(titles[0]))) !=
            CLI_DONE) {
        return rc;
    }
    while ((filter.limit = cli_pages_next(&pages)) > 0) {
        filter.before = pages.last;
        if (apikey_store_events(cli->db, &filter, print_one, &pages) != APIKEY_DB_OK) {
            return cli_fail_db(cli, "cannot read the audit trail");
        }
    }
    return cli_pages_end(&pages);
}
