/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl team add`, `team remove`, `team list`: who belongs to a team. */
#include "cli.h"
#include "columns.h"
#include "print.h"

#include "../core/judge.h"
#include "../core/utf8.h"

#include <stdio.h>
#include <string.h>

static const char own_table[] = "api_key_team_members";

/* Where the site has told us to look elsewhere, nothing is done here that nobody looks at. */
static cli_exit_t check_table(cli_t *cli)
{
    const char *table;

    if (apikey_store_get_setting(cli->db, "teams_table", cli->pool, &table) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot read the settings");
    }
    return !table || !*table || strcmp(table, own_table) == 0
               ? CLI_DONE
               : cli_fail(CLI_NOT_DONE,
                          "the members of teams are those in %s (setting teams_table), not in "
                          "%s: change them there",
                          table, own_table);
}

static cli_exit_t check_name(apikey_owner_t type, const char *name)
{
    const char *noun = type == APIKEY_OWNER_TEAM ? "team" : "user";
    const char *why = apikey_judge_owner(type, name, strlen(name));
    const int chars = apikey_utf8_chars(name);

    if (!why && chars < 0) {
        why = "the id is not UTF-8";
    }
    if (!why && chars > 255) {
        why = "the id is longer than 255 characters";
    }
    return why ? cli_fail(CLI_USAGE, "the %s '%s' cannot be: %s", noun, name, why) : CLI_DONE;
}

static cli_exit_t check_names(const cli_t *cli)
{
    const cli_exit_t rc = check_name(APIKEY_OWNER_TEAM, cli->argv[0]);

    return rc != CLI_DONE ? rc : check_name(APIKEY_OWNER_USER, cli->argv[1]);
}

/* "alice is … of team blue…" */
static void say(const cli_t *cli, const char *what, const char *more)
{
    cli_print_safe(stdout, cli->argv[1]);
    printf(" %s of team ", what);
    cli_print_safe(stdout, cli->argv[0]);
    printf("%s.\n", more);
}

cli_exit_t cli_team_add(cli_t *cli)
{
    cli_exit_t rc = check_names(cli);

    if (rc != CLI_DONE || (rc = check_table(cli)) != CLI_DONE) {
        return rc;
    }
    if (apikey_store_team_set(cli->db, cli->argv[0], cli->argv[1], cli->opt.manage) !=
        APIKEY_DB_OK) {
        return cli_fail_db(cli, "the member was not added");
    }
    say(cli, "is a member", cli->opt.manage ? " and may manage its keys" : "");
    return CLI_DONE;
}

cli_exit_t cli_team_remove(cli_t *cli)
{
    apikey_outcome_t outcome = APIKEY_OUTCOME_NONE;
    cli_exit_t rc = check_names(cli);

    if (rc != CLI_DONE || (rc = check_table(cli)) != CLI_DONE) {
        return rc;
    }
    if (apikey_store_team_remove(cli->db, cli->argv[0], cli->argv[1], &outcome) !=
        APIKEY_DB_OK) {
        return cli_fail_db(cli, "the member was not removed");
    }
    if (outcome != APIKEY_OUTCOME_DONE) {
        return cli_fail(CLI_NOT_DONE, "%s is no member of team %s", cli->argv[1], cli->argv[0]);
    }
    say(cli, "is no longer a member", "");
    return CLI_DONE;
}

typedef struct {
    cli_columns_t *columns; /* NULL: as JSON */
    cli_json_list_t json;
    cli_exit_t rc;
} members_t;

static bool list_member(const char *team, const char *user, bool manage, void *baton)
{
    members_t *members = baton;
    const char *const cells[] = {team, user, manage ? "yes" : "no"};

    if (members->columns) {
        cli_columns_row(members->columns, cells, 2, manage ? CLI_GOOD : CLI_PLAIN);
    }
    else {
        members->rc = cli_json_item(&members->json,
                                    json_pack("{s:o, s:o, s:b}", "team_id", cli_json_text(team),
                                              "user_id", cli_json_text(user), "manage_api_keys",
                                              (int)manage));
    }
    return members->rc == CLI_DONE && !ferror(stdout);
}

cli_exit_t cli_team_list(cli_t *cli)
{
    static const cli_column_t titles[] = {
        {"TEAM", true}, {"USER", true}, {"MANAGES KEYS", false}};
    members_t members = {NULL, {0}, CLI_DONE};
    cli_exit_t rc = check_table(cli);

    if (rc == CLI_DONE && cli->argc > 0) {
        rc = check_name(APIKEY_OWNER_TEAM, cli->argv[0]);
    }
    if (rc != CLI_DONE) {
        return rc;
    }
    if (!cli->opt.json) {
        members.columns = cli_columns_begin(titles, 3, cli->pool);
    }
    if (apikey_store_team_list(cli->db, cli->argc > 0 ? cli->argv[0] : NULL, list_member,
                               &members) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot list the members");
    }
    if (!members.columns) {
        return cli_json_end(&members.json, json_object());
    }
    cli_columns_end(members.columns);
    return members.rc;
}
