/* SPDX-License-Identifier: Apache-2.0 */
#include "store_change.h"
#include "store_row.h"

#include <stdlib.h>

typedef struct {
    const apikey_new_key_t *keys;
    const apikey_new_secret_t *secrets;
    unsigned int count;
    unsigned int added;
} import_t;

static apikey_db_status_t import(apikey_db_t *db, void *baton, apikey_outcome_t *outcome)
{
    import_t *batch = baton;
    apikey_db_status_t rv = APIKEY_DB_OK;
    unsigned int i;

    batch->added = 0;
    for (i = 0; i < batch->count && rv == APIKEY_DB_OK; i++) {
        const apikey_arg_t args[] = {
            apikey_arg_bytes(batch->secrets[i].digest, APIKEY_DIGEST_LEN)};
        apikey_numbers_t known = {.count = 1};
        uint64_t id;

        rv = apikey_db_run(db, APIKEY_SQL_KNOWN, args, apikey_store_keep_numbers, &known);
        if (rv == APIKEY_DB_OK && !known.found) {
            rv = apikey_store_add(db, &batch->keys[i], &batch->secrets[i], &id);
            batch->added++;
        }
    }
    *outcome = APIKEY_OUTCOME_DONE;
    return rv;
}

apikey_db_status_t apikey_store_import(apikey_db_t *db, const apikey_new_key_t *keys,
                                       const apikey_new_secret_t *secrets, unsigned int count,
                                       unsigned int *added)
{
    import_t batch = {keys, secrets, count, 0};
    apikey_outcome_t outcome;
    const apikey_db_status_t rv = apikey_store_in_transaction(db, import, &batch, &outcome);

    *added = rv == APIKEY_DB_OK ? batch.added : 0;
    return rv;
}

typedef struct {
    int64_t age_s;
    uint64_t *ids;
    int found;
} dead_t;

static bool keep_id(const apikey_col_t *cols, void *baton)
{
    dead_t *dead = baton;

    dead->ids[dead->found++] = (uint64_t)cols[0].number;
    return true;
}

/* Each by itself: a table that a trigger writes to cannot be what its own deletion reads from.
 * Only if it is dead still, as its expiry may have been put off. */
static apikey_db_status_t bury(apikey_db_t *db, void *baton, apikey_outcome_t *outcome)
{
    const dead_t *dead = baton;
    apikey_db_status_t rv = APIKEY_DB_OK;
    int i;

    for (i = 0; i < dead->found && rv == APIKEY_DB_OK; i++) {
        const apikey_arg_t args[] = {apikey_arg_int((int64_t)dead->ids[i]),
                                     apikey_arg_int(dead->age_s), apikey_arg_int(dead->age_s)};

        rv = apikey_db_run(db, APIKEY_SQL_DELETE_DEAD, args, NULL, NULL);
        if (rv == APIKEY_DB_OK && apikey_db_affected(db) == 1) {
            rv = apikey_db_run(db, APIKEY_SQL_DELETE_USE, args, NULL, NULL);
        }
    }
    *outcome = APIKEY_OUTCOME_DONE;
    return rv;
}

apikey_db_status_t apikey_store_prune(apikey_db_t *db, int64_t older_than_s, int limit,
                                      bool dry_run, uint64_t *after, int *count)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)*after), apikey_arg_int(older_than_s),
                                 apikey_arg_int(older_than_s), apikey_arg_int(limit)};
    dead_t dead = {older_than_s, calloc((size_t)limit, sizeof(*dead.ids)), 0};
    apikey_outcome_t outcome;
    apikey_db_status_t rv = apikey_db_run(db, APIKEY_SQL_DEAD, args, keep_id, &dead);

    if (rv == APIKEY_DB_OK && !dry_run && dead.found > 0) {
        rv = apikey_store_in_transaction(db, bury, &dead, &outcome);
    }
    *count = rv == APIKEY_DB_OK ? dead.found : 0;
    if (*count > 0) {
        *after = dead.ids[dead.found - 1];
    }
    free(dead.ids);
    return rv;
}
