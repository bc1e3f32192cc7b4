/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "store_row.h"

/* Runs a statement that is to see what is not committed yet. The setting is for the one next
 * transaction: it does not stay with the pooled session. */
static apikey_db_status_t run_dirty(apikey_db_t *db, apikey_sql_t statement,
                                    const apikey_arg_t *args, apikey_row_fn row, void *baton)
{
    apikey_db_status_t rv = apikey_db_run(db, APIKEY_SQL_DIRTY_READS, NULL, NULL, NULL);
    const unsigned long session = apikey_db_session(db);

    if (rv != APIKEY_DB_OK) {
        return rv;
    }
    rv = apikey_db_run(db, statement, args, row, baton);
    if (rv == APIKEY_DB_FAILED) {
        apikey_db_rollback(db); /* a statement that did not begin has not used the setting up */
    }
    /* The library has connected anew (reconnect=1): that session knows nothing of the setting.
     */
    return rv == APIKEY_DB_OK && apikey_db_session(db) != session ? APIKEY_DB_UNREACHABLE : rv;
}

apikey_db_status_t apikey_store_feed_top(apikey_db_t *db, apikey_change_t known,
                                         uint64_t *highest, bool *still_there)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)known.id)};
    apikey_numbers_t found = {.count = 2};
    const apikey_db_status_t rv =
        run_dirty(db, APIKEY_SQL_FEED_TOP, args, apikey_store_keep_numbers, &found);

    *highest = (uint64_t)found.number[0];
    *still_there = (uint64_t)found.number[1] == known.mark;
    return rv;
}

apikey_db_status_t apikey_store_feed_last(apikey_db_t *db, uint64_t upto, apikey_change_t *last)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)upto)};
    apikey_numbers_t found = {.count = 2};
    const apikey_db_status_t rv =
        apikey_db_run(db, APIKEY_SQL_FEED_LAST, args, apikey_store_keep_numbers, &found);

    last->id = (uint64_t)found.number[0];
    last->mark = (uint64_t)found.number[1];
    return rv;
}

typedef struct {
    apikey_change_fn each;
    void *baton;
} changes_t;

static bool change_row(const apikey_col_t *cols, void *baton)
{
    const changes_t *changes = baton;
    return changes->each((uint64_t)cols[0].number, (uint64_t)cols[1].number, changes->baton);
}

apikey_db_status_t apikey_store_feed_read(apikey_db_t *db, uint64_t above, uint64_t upto,
                                          int limit, apikey_change_fn each, void *baton)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)above), apikey_arg_int((int64_t)upto),
                                 apikey_arg_int(limit)};
    changes_t changes = {each, baton};

    return run_dirty(db, APIKEY_SQL_FEED_READ, args, change_row, &changes);
}

/* Their count, and their ids in 32 bits. */
static uint64_t rows_of(const apikey_numbers_t *found)
{
    return (uint64_t)found->number[0] << 32 | (uint64_t)found->number[1];
}

uint64_t apikey_store_feed_rows_sum(uint64_t one, uint64_t other)
{
    return ((one >> 32) + (other >> 32)) << 32 | ((one ^ other) & 0xffffffff);
}

apikey_db_status_t apikey_store_feed_rows(apikey_db_t *db, uint64_t low, uint64_t high,
                                          bool dirty, uint64_t *rows)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)low), apikey_arg_int((int64_t)high)};
    apikey_numbers_t found = {.count = 2};
    const apikey_db_status_t rv =
        dirty
            ? run_dirty(db, APIKEY_SQL_FEED_COUNT, args, apikey_store_keep_numbers, &found)
            : apikey_db_run(db, APIKEY_SQL_FEED_COUNT, args, apikey_store_keep_numbers, &found);

    *rows = rows_of(&found);
    return rv;
}

apikey_db_status_t apikey_store_feed_page(apikey_db_t *db, uint64_t above, uint64_t upto,
                                          int limit, uint64_t *last, uint64_t *rows)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)above), apikey_arg_int((int64_t)upto),
                                 apikey_arg_int(limit)};
    apikey_numbers_t found = {.count = 3};
    const apikey_db_status_t rv =
        apikey_db_run(db, APIKEY_SQL_FEED_PAGE, args, apikey_store_keep_numbers, &found);

    *rows = rows_of(&found);
    *last = found.number[0] < limit ? upto : (uint64_t)found.number[2];
    return rv;
}

apikey_db_status_t apikey_store_feed_prune(apikey_db_t *db, uint64_t below, int64_t age_s,
                                           int limit, bool *more)
{
    const apikey_arg_t oldest[] = {apikey_arg_int((int64_t)below), apikey_arg_int(limit),
                                   apikey_arg_int(age_s)};
    apikey_numbers_t found = {.count = 1};
    apikey_db_status_t rv =
        apikey_db_run(db, APIKEY_SQL_FEED_OLD, oldest, apikey_store_keep_numbers, &found);

    *more = false;
    if (rv == APIKEY_DB_OK) {
        /* Also where nothing is old: who may not delete should hear of it at once. */
        const apikey_arg_t args[] = {apikey_arg_int(found.number[0]), apikey_arg_int(age_s)};

        rv = apikey_db_run(db, APIKEY_SQL_FEED_PRUNE, args, NULL, NULL);
        *more = rv == APIKEY_DB_OK && apikey_db_affected(db) + 1 >= (uint64_t)limit;
    }
    return rv;
}
