/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "judge.h"
#include "store_row.h"
#include "utf8.h"

#include <string.h>

apikey_db_status_t apikey_store_team_set(apikey_db_t *db, const char *team, const char *user,
                                         bool manage)
{
    const apikey_arg_t args[] = {apikey_arg_text(team), apikey_arg_text(user),
                                 apikey_arg_int(manage)};
    return apikey_db_run(db, APIKEY_SQL_TEAM_SET, args, NULL, NULL);
}

apikey_db_status_t apikey_store_team_remove(apikey_db_t *db, const char *team, const char *user,
                                            apikey_outcome_t *outcome)
{
    const apikey_arg_t args[] = {apikey_arg_text(team), apikey_arg_text(user)};
    const apikey_db_status_t rv = apikey_db_run(db, APIKEY_SQL_TEAM_REMOVE, args, NULL, NULL);

    *outcome = rv != APIKEY_DB_OK            ? APIKEY_OUTCOME_NONE
               : apikey_db_affected(db) == 1 ? APIKEY_OUTCOME_DONE
                                             : APIKEY_OUTCOME_NOT_FOUND;
    return rv;
}

typedef struct {
    const char *team, *user; /* only rows of these, byte for byte; NULL: of any */
    bool managers;           /* only those */
    apikey_member_fn each;
    void *baton;
} members_t;

/* Rows of a site's own table are not to be relied on: its columns may be numbers or take one
 * name for another. */
static bool member_row(const apikey_col_t *cols, void *baton)
{
    const members_t *members = baton;
    const char *team = apikey_store_text(&cols[0]);
    const char *user = apikey_store_text(&cols[1]);
    const bool manage = cols[2].number != 0;

    if (!team || apikey_judge_owner(APIKEY_OWNER_TEAM, team, cols[0].len) ||
        apikey_utf8_chars(team) < 0 || !user ||
        (members->team && strcmp(members->team, team) != 0) ||
        (members->user && strcmp(members->user, user) != 0) || (members->managers && !manage)) {
        return true;
    }
    return members->each(team, user, manage, members->baton);
}

apikey_db_status_t apikey_store_team_list(apikey_db_t *db, const char *team,
                                          apikey_member_fn each, void *baton)
{
    const apikey_arg_t args[] = {apikey_arg_text(team), apikey_arg_text(team)};
    members_t members = {team, NULL, false, each, baton};

    return apikey_db_run(db, APIKEY_SQL_TEAM_LIST, args, member_row, &members);
}

static bool say_so(const char *team, const char *user, bool manage, void *baton)
{
    (void)team, (void)user;
    *(bool *)baton = manage;
    return false;
}

apikey_db_status_t apikey_store_may_manage(apikey_db_t *db, const char *teams_table,
                                           const char *team, const char *user, bool *may)
{
    const apikey_arg_t args[] = {apikey_arg_text(team), apikey_arg_text(user)};
    members_t members = {team, user, true, say_so, may};

    *may = false;
    return apikey_db_run_on(db, APIKEY_SQL_MAY_MANAGE, teams_table, args, member_row, &members);
}

apikey_db_status_t apikey_store_teams_of(apikey_db_t *db, const char *teams_table,
                                         const char *user, apikey_member_fn each, void *baton)
{
    const apikey_arg_t args[] = {apikey_arg_text(user)};
    members_t members = {NULL, user, true, each, baton};

    return apikey_db_run_on(db, APIKEY_SQL_TEAMS_OF, teams_table, args, member_row, &members);
}
