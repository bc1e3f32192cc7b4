/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "judge.h"
#include "scope.h"
#include "store_change.h"
#include "store_row.h"
#include "utf8.h"

#include <apr_time.h>
#include <string.h>

enum { TRIES = 12 };

/* Whoever was in the way tries again too: each session after a time of its own, a few
 * milliseconds at most, that grows with every try. */
static void step_aside(const apikey_db_t *db, int tries)
{
    apr_sleep((apr_interval_time_t)(apikey_db_session(db) % 8 + 1) * 300 * tries);
}

apikey_db_status_t apikey_store_in_transaction(apikey_db_t *db, apikey_change_fn_t change,
                                               void *baton, apikey_outcome_t *outcome)
{
    apikey_db_status_t rv;
    int tries;

    for (tries = 1;; tries++) {
        *outcome = APIKEY_OUTCOME_NONE;
        rv = apikey_db_begin(db);
        if (rv != APIKEY_DB_OK) {
            return rv;
        }
        rv = change(db, baton, outcome);
        if (rv == APIKEY_DB_OK && *outcome == APIKEY_OUTCOME_DONE) {
            rv = apikey_db_commit(db);
        }
        else {
            apikey_db_rollback(db);
        }
        if (rv != APIKEY_DB_FAILED || !apikey_db_try_again(db) || tries == TRIES) {
            return rv;
        }
        step_aside(db, tries);
    }
}

const char *apikey_store_check_description(const char *description)
{
    const int chars = apikey_utf8_chars(description);

    if (chars < 0) {
        return "the description is not UTF-8";
    }
    return chars > 255 ? "the description is longer than 255 characters" : NULL;
}

const char *apikey_store_check_new(const apikey_new_key_t *key)
{
    const char *why = apikey_judge_owner(key->owner_type, key->owner, strlen(key->owner));
    const int owner_chars = apikey_utf8_chars(key->owner);

    if (why) {
        return why;
    }
    if (owner_chars < 0) {
        return "the owner id is not UTF-8";
    }
    if (owner_chars > 255) {
        return "the owner id is longer than 255 characters";
    }
    if ((why = apikey_store_check_description(key->description)) != NULL) {
        return why;
    }
    if (strlen(key->scopes) > APIKEY_SCOPES_MAX) {
        return "the scopes are longer than 1000 bytes";
    }
    return apikey_scope_list_ok(key->scopes, strlen(key->scopes))
               ? NULL
               : "scopes are words of printable ASCII without quote and backslash, one space "
                 "between two, and no bare *";
}

apikey_db_status_t apikey_store_add_secret(apikey_db_t *db, uint64_t id,
                                           const apikey_new_secret_t *secret,
                                           const char *idempotency_key)
{
    const apikey_arg_t args[] = {
        apikey_arg_bytes(secret->digest, APIKEY_DIGEST_LEN),
        apikey_arg_int((int64_t)id),
        apikey_arg_text(*secret->fingerprint ? secret->fingerprint : NULL),
        apikey_arg_text(secret->last_four),
        apikey_arg_text(idempotency_key),
    };
    return apikey_db_run(db, APIKEY_SQL_ADD_SECRET, args, NULL, NULL);
}

apikey_db_status_t apikey_store_add_key(apikey_db_t *db, const apikey_new_key_t *key,
                                        const apikey_new_secret_t *secret, uint64_t *id)
{
    const apikey_arg_t args[] = {
        apikey_arg_text(apikey_store_owner_name(key->owner_type)),
        apikey_arg_text(key->owner),
        apikey_arg_text(key->description),
        apikey_arg_text(key->scopes),
        apikey_arg_text(secret->last_four),
        apikey_arg_int(key->is_public),
        apikey_arg_text(key->created_by),
        apikey_store_arg_time(key->expires_ms),
    };
    const apikey_db_status_t rv = apikey_db_run(db, APIKEY_SQL_ADD_KEY, args, NULL, NULL);

    *id = rv == APIKEY_DB_OK ? apikey_db_insert_id(db) : 0;
    return rv;
}

/* The key comes first in every change: whoever changes its secrets first would wait for
 * somebody who waits for them. */
static apikey_db_status_t lock_key(apikey_db_t *db, uint64_t id, apikey_outcome_t *outcome)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)id)};
    apikey_numbers_t key = {.count = 1};
    const apikey_db_status_t rv =
        apikey_db_run(db, APIKEY_SQL_LOCK_KEY, args, apikey_store_keep_numbers, &key);

    *outcome = key.found ? APIKEY_OUTCOME_NONE : APIKEY_OUTCOME_NOT_FOUND;
    return rv;
}

typedef struct {
    const apikey_new_key_t *key;
    const apikey_new_secret_t *secret;
    apikey_arg_t owner[2];
    int max_live;
    uint64_t first; /* a key of the same owner, or 0 */
    uint64_t *id;
} create_t;

static apikey_db_status_t add(apikey_db_t *db, const create_t *c)
{
    const apikey_db_status_t rv = apikey_store_add_key(db, c->key, c->secret, c->id);

    return rv == APIKEY_DB_OK ? apikey_store_add_secret(db, *c->id, c->secret, NULL) : rv;
}

/* Who creates keys of one owner queues at the owner's first key: that locks one row, and no gap
 * in which other owners' keys would go. An owner without one has nothing to lock; two first
 * keys at once are a deadlock, which is tried again. The new row comes before the count, for
 * the same reason. */
static apikey_db_status_t create_within(apikey_db_t *db, void *baton, apikey_outcome_t *outcome)
{
    const create_t *c = baton;
    apikey_numbers_t live = {.count = 1};
    apikey_db_status_t rv = APIKEY_DB_OK;

    if (c->first) {
        rv = lock_key(db, c->first, outcome);
    }
    if (rv != APIKEY_DB_OK || (rv = add(db, c)) != APIKEY_DB_OK) {
        return rv;
    }
    rv = apikey_db_run(db, APIKEY_SQL_COUNT_LIVE, c->owner, apikey_store_keep_numbers, &live);
    *outcome = live.number[0] > c->max_live ? APIKEY_OUTCOME_TOO_MANY : APIKEY_OUTCOME_DONE;
    return rv;
}

static apikey_db_status_t create(apikey_db_t *db, void *baton, apikey_outcome_t *outcome)
{
    const create_t *c = baton;

    *outcome = APIKEY_OUTCOME_DONE;
    return add(db, c);
}

apikey_db_status_t apikey_store_create(apikey_db_t *db, const apikey_new_key_t *key,
                                       const apikey_new_secret_t *secret, int max_live,
                                       uint64_t *id, apikey_outcome_t *outcome)
{
    create_t c = {.key = key,
                  .secret = secret,
                  .owner = {apikey_arg_text(apikey_store_owner_name(key->owner_type)),
                            apikey_arg_text(key->owner)},
                  .max_live = max_live,
                  .id = id};
    apikey_numbers_t first = {.count = 1};
    apikey_db_status_t rv;

    *outcome = APIKEY_OUTCOME_NONE;
    if (max_live <= 0) {
        return apikey_store_in_transaction(db, create, &c, outcome);
    }
    /* Not in the transaction, whose view of the table would be from before the queue. */
    rv = apikey_db_run(db, APIKEY_SQL_FIRST_KEY, c.owner, apikey_store_keep_numbers, &first);
    c.first = (uint64_t)first.number[0];
    return rv == APIKEY_DB_OK ? apikey_store_in_transaction(db, create_within, &c, outcome)
                              : rv;
}

typedef struct {
    uint64_t id;
    int64_t grace_s;
    const apikey_new_secret_t *secret;
    const char *request;
} rotate_t;

static apikey_db_status_t check_rotatable(apikey_db_t *db, const rotate_t *r,
                                          apikey_outcome_t *outcome)
{
    const apikey_arg_t args[] = {apikey_arg_text(r->request), apikey_arg_int((int64_t)r->id)};
    apikey_numbers_t key = {.count = 4};
    const apikey_db_status_t rv =
        apikey_db_run(db, APIKEY_SQL_ROTATABLE, args, apikey_store_keep_numbers, &key);

    *outcome = !key.found      ? APIKEY_OUTCOME_NOT_FOUND
               : key.number[3] ? APIKEY_OUTCOME_REPEATED
               : key.number[0] ? APIKEY_OUTCOME_REVOKED
               : key.number[1] ? APIKEY_OUTCOME_EXPIRED
               : r->grace_s > 0 && key.number[2] >= APIKEY_SECRETS_MAX ? APIKEY_OUTCOME_TOO_MANY
                                                                       : APIKEY_OUTCOME_NONE;
    return rv;
}

static apikey_db_status_t end_others(apikey_db_t *db, const rotate_t *r)
{
    const apikey_arg_t args[] = {
        apikey_arg_int(r->grace_s),
        apikey_arg_int((int64_t)r->id),
        apikey_arg_bytes(r->secret->digest, APIKEY_DIGEST_LEN),
    };
    return r->grace_s > 0 ? apikey_db_run(db, APIKEY_SQL_GRACE, args, NULL, NULL)
                          : apikey_db_run(db, APIKEY_SQL_END_OTHERS, args + 1, NULL, NULL);
}

static apikey_db_status_t rotate(apikey_db_t *db, void *baton, apikey_outcome_t *outcome)
{
    const rotate_t *r = baton;
    const apikey_arg_t last_four[] = {apikey_arg_text(r->secret->last_four),
                                      apikey_arg_int((int64_t)r->id)};
    apikey_db_status_t rv = lock_key(db, r->id, outcome);

    if (rv != APIKEY_DB_OK || *outcome != APIKEY_OUTCOME_NONE) {
        return rv;
    }
    rv = check_rotatable(db, r, outcome);
    if (rv != APIKEY_DB_OK || *outcome != APIKEY_OUTCOME_NONE) {
        return rv;
    }
    if ((rv = apikey_store_add_secret(db, r->id, r->secret, r->request)) != APIKEY_DB_OK ||
        (rv = end_others(db, r)) != APIKEY_DB_OK) {
        return rv;
    }
    *outcome = APIKEY_OUTCOME_DONE;
    return apikey_db_run(db, APIKEY_SQL_LAST_FOUR, last_four, NULL, NULL);
}

apikey_db_status_t apikey_store_rotate(apikey_db_t *db, uint64_t id, int64_t grace_s,
                                       const apikey_new_secret_t *secret,
                                       const char *idempotency_key, apikey_outcome_t *outcome)
{
    const int64_t grace = grace_s < 0                    ? 0
                          : grace_s > APIKEY_GRACE_MAX_S ? APIKEY_GRACE_MAX_S
                                                         : grace_s;
    rotate_t r = {id, grace, secret, idempotency_key};
    return apikey_store_in_transaction(db, rotate, &r, outcome);
}

typedef struct {
    uint64_t id;
    const char *description;
    bool revoke;
} change_t;

static apikey_db_status_t change(apikey_db_t *db, void *baton, apikey_outcome_t *outcome)
{
    const change_t *c = baton;
    const apikey_arg_t args[] = {apikey_arg_text(c->description),
                                 apikey_arg_int((int64_t)c->id)};
    uint64_t changed = 0;
    apikey_db_status_t rv = lock_key(db, c->id, outcome);

    if (rv != APIKEY_DB_OK || *outcome != APIKEY_OUTCOME_NONE) {
        return rv;
    }
    if (c->description) {
        rv = apikey_db_run(db, APIKEY_SQL_DESCRIBE, args, NULL, NULL);
        changed += apikey_db_affected(db);
    }
    if (rv == APIKEY_DB_OK && c->revoke) {
        rv = apikey_db_run(db, APIKEY_SQL_REVOKE, args + 1, NULL, NULL);
        changed += apikey_db_affected(db);
    }
    *outcome = changed ? APIKEY_OUTCOME_DONE : APIKEY_OUTCOME_UNCHANGED;
    return rv;
}

apikey_db_status_t apikey_store_change(apikey_db_t *db, uint64_t id, const char *description,
                                       bool revoke, apikey_outcome_t *outcome)
{
    change_t c = {id, description, revoke};
    return apikey_store_in_transaction(db, change, &c, outcome);
}
