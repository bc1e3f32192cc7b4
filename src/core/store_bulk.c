/* SPDX-License-Identifier: Apache-2.0 */
#include "store_change.h"
#include "store_row.h"

#include <string.h>

typedef struct {
    const apikey_new_key_t *keys;
    const apikey_new_secret_t *secrets;
    unsigned int count;
    unsigned int added;
} import_t;

/* As many as one statement takes: each one is a journey to the database. */
typedef struct {
    const apikey_new_secret_t *secrets;
    unsigned int count;
    bool there[APIKEY_SQL_BATCH];  /* stored already, or before it in the chunk */
    uint64_t id[APIKEY_SQL_BATCH]; /* of the keys of the others */
} chunk_t;

static bool same_digest(const apikey_new_secret_t *a, const void *digest)
{
    return memcmp(a->digest, digest, APIKEY_DIGEST_LEN) == 0;
}

static bool mark_there(const apikey_col_t *cols, void *baton)
{
    chunk_t *chunk = baton;
    unsigned int i;

    for (i = 0; i < chunk->count && cols[0].len == APIKEY_DIGEST_LEN; i++) {
        chunk->there[i] = chunk->there[i] || same_digest(&chunk->secrets[i], cols[0].data);
    }
    return true;
}

static apikey_db_status_t find_known(apikey_db_t *db, chunk_t *chunk)
{
    apikey_arg_t args[APIKEY_SQL_BATCH];
    unsigned int i, j;

    for (i = 0; i < APIKEY_SQL_BATCH; i++) {
        args[i] = apikey_arg_bytes(chunk->secrets[i < chunk->count ? i : 0].digest,
                                   APIKEY_DIGEST_LEN);
    }
    for (i = 0; i < chunk->count; i++) {
        for (j = 0; j < i; j++) {
            chunk->there[i] =
                chunk->there[i] || same_digest(&chunk->secrets[i], chunk->secrets[j].digest);
        }
    }
    return apikey_db_run(db, APIKEY_SQL_KNOWN, args, mark_there, chunk);
}

/* All secrets of a full chunk that is all new. */
static apikey_db_status_t add_secrets(apikey_db_t *db, const chunk_t *chunk)
{
    apikey_arg_t args[4 * APIKEY_SQL_BATCH];
    unsigned int i;

    for (i = 0; i < APIKEY_SQL_BATCH; i++) {
        const apikey_new_secret_t *secret = &chunk->secrets[i];

        args[4 * i] = apikey_arg_bytes(secret->digest, APIKEY_DIGEST_LEN);
        args[4 * i + 1] = apikey_arg_int((int64_t)chunk->id[i]);
        args[4 * i + 2] = apikey_arg_text(*secret->fingerprint ? secret->fingerprint : NULL);
        args[4 * i + 3] = apikey_arg_text(secret->last_four);
    }
    return apikey_db_run(db, APIKEY_SQL_ADD_SECRETS, args, NULL, NULL);
}

/* Keys one by one, as only so each learns its id for certain. */
static apikey_db_status_t add_chunk(apikey_db_t *db, const apikey_new_key_t *keys,
                                    chunk_t *chunk, unsigned int *added)
{
    apikey_db_status_t rv = find_known(db, chunk);
    unsigned int new_ones = 0;
    unsigned int i;

    for (i = 0; i < chunk->count && rv == APIKEY_DB_OK; i++) {
        if (!chunk->there[i]) {
            rv = apikey_store_add_key(db, &keys[i], &chunk->secrets[i], &chunk->id[i]);
            new_ones++;
        }
    }
    *added += new_ones;
    if (rv == APIKEY_DB_OK && new_ones == APIKEY_SQL_BATCH) {
        return add_secrets(db, chunk);
    }
    for (i = 0; i < chunk->count && rv == APIKEY_DB_OK; i++) {
        if (!chunk->there[i]) {
            rv = apikey_store_add_secret(db, chunk->id[i], &chunk->secrets[i], NULL);
        }
    }
    return rv;
}

/* Those that are not there yet; inside a transaction. */
static apikey_db_status_t add_new(apikey_db_t *db, import_t *batch)
{
    apikey_db_status_t rv = APIKEY_DB_OK;
    unsigned int i;

    batch->added = 0;
    for (i = 0; i < batch->count && rv == APIKEY_DB_OK; i += APIKEY_SQL_BATCH) {
        const unsigned int left = batch->count - i;
        chunk_t chunk = {.secrets = batch->secrets + i,
                         .count = left < APIKEY_SQL_BATCH ? left : APIKEY_SQL_BATCH};

        rv = add_chunk(db, batch->keys + i, &chunk, &batch->added);
    }
    return rv;
}

static apikey_db_status_t import(apikey_db_t *db, void *baton, apikey_outcome_t *outcome)
{
    *outcome = APIKEY_OUTCOME_DONE;
    return add_new(db, baton);
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

apikey_db_status_t apikey_store_import_all(apikey_db_t *db, apikey_batch_fn next, void *baton,
                                           uint64_t *added)
{
    import_t batch = {NULL, NULL, 0, 0};
    apikey_db_status_t rv = apikey_db_begin(db);
    bool wanted = true;

    for (*added = 0; rv == APIKEY_DB_OK; *added += batch.added) {
        wanted = next(&batch.keys, &batch.secrets, &batch.count, baton);
        if (!wanted || batch.count == 0) {
            break;
        }
        rv = add_new(db, &batch);
    }
    if (rv == APIKEY_DB_OK && wanted) {
        return apikey_db_commit(db);
    }
    apikey_db_rollback(db);
    *added = 0;
    return rv;
}

typedef struct {
    int64_t age_s;
    uint64_t ids[APIKEY_PRUNE_MAX];
    int found, deleted;
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
    dead_t *dead = baton;
    apikey_db_status_t rv = APIKEY_DB_OK;
    int i;

    dead->deleted = 0;
    for (i = 0; i < dead->found && rv == APIKEY_DB_OK; i++) {
        const apikey_arg_t args[] = {apikey_arg_int((int64_t)dead->ids[i]),
                                     apikey_arg_int(dead->age_s), apikey_arg_int(dead->age_s)};

        rv = apikey_db_run(db, APIKEY_SQL_DELETE_DEAD, args, NULL, NULL);
        if (rv == APIKEY_DB_OK && apikey_db_affected(db) == 1) {
            dead->deleted++;
            rv = apikey_db_run(db, APIKEY_SQL_DELETE_USE, args, NULL, NULL);
        }
    }
    *outcome = APIKEY_OUTCOME_DONE;
    return rv;
}

apikey_db_status_t apikey_store_prune(apikey_db_t *db, int64_t older_than_s, int limit,
                                      bool dry_run, uint64_t *after, int *count, bool *more)
{
    const int most = limit < APIKEY_PRUNE_MAX ? limit : APIKEY_PRUNE_MAX;
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)*after), apikey_arg_int(older_than_s),
                                 apikey_arg_int(older_than_s), apikey_arg_int(most)};
    dead_t dead = {.age_s = older_than_s};
    apikey_outcome_t outcome;
    apikey_db_status_t rv = apikey_db_run(db, APIKEY_SQL_DEAD, args, keep_id, &dead);

    if (rv == APIKEY_DB_OK && !dry_run && dead.found > 0) {
        rv = apikey_store_in_transaction(db, bury, &dead, &outcome);
    }
    *count = rv != APIKEY_DB_OK ? 0 : dry_run ? dead.found : dead.deleted;
    *more = rv == APIKEY_DB_OK && dead.found == most;
    if (rv == APIKEY_DB_OK && dead.found > 0) {
        *after = dead.ids[dead.found - 1];
    }
    return rv;
}
