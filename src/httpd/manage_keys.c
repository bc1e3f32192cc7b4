/* SPDX-License-Identifier: Apache-2.0 */
/* The work. Every function may be run again after a connection was lost, until it changes
 * something. */
#include "manage_keys.h"

#include "cache.h"
#include "manage_access.h"
#include "manage_json.h"
#include "workers.h"

#include "../core/judge.h"
#include "../core/keygen.h"
#include "../core/store.h"

#include <apr_strings.h>
#include <string.h>

enum { WHOLE_LIST_MAX = 1000 }; /* keys in an answer to who has not asked for pages */

/* -- one key ------------------------------------------------------------------------------- */

/* A key as found: what the rules ask about, and what the caller is shown. */
typedef struct {
    apr_pool_t *pool;
    apikey_owner_t type;
    const char *owner, *scopes;
    int64_t expires_ms;
    json_t *json; /* a reference of who looks for it */
} found_t;

static bool keep_key(const apikey_listed_t *key, void *baton)
{
    found_t *found = baton;

    found->type = strcmp(key->owner_type, "team") == 0 ? APIKEY_OWNER_TEAM : APIKEY_OWNER_USER;
    found->owner = apr_pstrdup(found->pool, key->owner);
    found->scopes = apr_pstrdup(found->pool, key->scopes);
    found->expires_ms = key->expires_ms;
    json_decref(found->json);
    found->json = apikey_json_key(key);
    return true;
}

/* The key the operation is about, as it is now, into `*found`, which has a reference to its
 * JSON afterwards, whatever is returned. Where the caller cannot have it, `*may` is false and
 * the operation refused. */
static apikey_db_status_t find(apikey_db_t *db, apikey_operation_t *op, found_t *found,
                               bool *may)
{
    apikey_db_status_t rv;
    bool there;

    memset(found, 0, sizeof(*found));
    found->pool = op->pool;
    *may = false;
    rv = apikey_store_show(db, op->id, keep_key, found, &there);
    if (rv != APIKEY_DB_OK) {
        return rv;
    }
    /* What is not at this URL is not there, though it may be at the other. */
    if (!there || found->type != op->type) {
        apikey_operation_refuse(op, APIKEY_ERROR_NO_KEY, NULL, NULL);
        return rv;
    }
    return apikey_access_owner(db, op, found->type, found->owner, op->id, may);
}

/* Answers with the key as it is now, and with its new secret where there is one. */
static apikey_db_status_t answer_with_key(apikey_db_t *db, apikey_operation_t *op)
{
    found_t found = {.pool = op->pool};
    bool there;
    const apikey_db_status_t rv = apikey_store_show(db, op->id, keep_key, &found, &there);

    if (rv == APIKEY_DB_OK && *op->secret && found.json) {
        json_object_set_new(found.json, "value", json_string(op->secret));
    }
    if (rv == APIKEY_DB_OK && there) {
        apikey_operation_answer(op, json_incref(found.json));
    }
    else if (rv == APIKEY_DB_OK) {
        apikey_operation_refuse(op, APIKEY_ERROR_NO_KEY, NULL, NULL);
    }
    json_decref(found.json);
    return rv;
}

apikey_db_status_t apikey_manage_show(apikey_db_t *db, apikey_operation_t *op)
{
    found_t found;
    bool may;
    const apikey_db_status_t rv = find(db, op, &found, &may);

    if (rv == APIKEY_DB_OK && may) {
        apikey_operation_answer(op, json_incref(found.json));
    }
    json_decref(found.json);
    return rv;
}

/* -- changes ------------------------------------------------------------------------------- */

typedef apikey_db_status_t (*change_fn)(apikey_db_t *db, apikey_operation_t *op,
                                        apikey_outcome_t *outcome);

/* Changes a key in the caller's name. This server forgets what it remembers of the key before
 * the caller hears of it, and also where nobody knows whether anything has changed. */
static apikey_db_status_t change(apikey_db_t *db, apikey_operation_t *op, change_fn fn,
                                 apikey_outcome_t *outcome)
{
    apikey_db_status_t rv = apikey_store_act_as(db, op->actor, op->client);

    *outcome = APIKEY_OUTCOME_NONE;
    if (rv != APIKEY_DB_OK) {
        return rv;
    }
    rv = APIKEY_DB_FAILED;
    if (apikey_job_may_change(op->job)) {
        rv = fn(db, op, outcome);
        if (rv == APIKEY_DB_OK && *outcome == APIKEY_OUTCOME_DONE) {
            apikey_job_changed(op->job);
        }
        if (op->id) {
            apikey_cache_drop(op->id);
        }
    }
    if (apikey_store_act_as(db, NULL, NULL) != APIKEY_DB_OK && rv == APIKEY_DB_OK) {
        op->complaint = apr_pstrdup(op->pool, apikey_db_error(db));
    }
    return rv;
}

/* The answer to what the store says. */
static apikey_db_status_t conclude(apikey_db_t *db, apikey_operation_t *op,
                                   apikey_outcome_t outcome, apikey_error_t too_many)
{
    apikey_error_t error = APIKEY_ERROR_INTERNAL;

    switch (outcome) {
    case APIKEY_OUTCOME_DONE:
        op->changed = true;
        return answer_with_key(db, op);
    case APIKEY_OUTCOME_UNCHANGED:
        return answer_with_key(db, op);
    case APIKEY_OUTCOME_NOT_FOUND:
        error = APIKEY_ERROR_NO_KEY;
        break;
    case APIKEY_OUTCOME_REVOKED:
        error = APIKEY_ERROR_REVOKED;
        break;
    case APIKEY_OUTCOME_EXPIRED:
        error = APIKEY_ERROR_EXPIRED;
        break;
    case APIKEY_OUTCOME_TOO_MANY:
        error = too_many;
        break;
    case APIKEY_OUTCOME_REPEATED:
        error = APIKEY_ERROR_REPEATED;
        break;
    case APIKEY_OUTCOME_NONE:
    default:
        break;
    }
    apikey_operation_refuse(op, error, NULL, NULL);
    return APIKEY_DB_OK;
}

/* A new secret for keys of `type`, as the module itself would know it: by the first prefix and
 * the present pepper. False with the operation refused. */
static bool mint(apikey_operation_t *op, apikey_owner_t type, apikey_new_secret_t *secret)
{
    const apikey_server_conf_t *server = op->server;
    const apikey_pepper_t *pepper = &server->peppers->pepper[0];
    size_t len;

    if (apikey_keygen(op->secret, APR_ARRAY_IDX(server->prefixes, 0, const char *), type) !=
        APR_SUCCESS) {
        op->complaint = "the operating system has no random numbers for us";
        return apikey_operation_refuse(op, APIKEY_ERROR_INTERNAL, NULL, NULL);
    }
    len = strlen(op->secret);
    if (!apikey_digest(secret->digest, pepper, op->secret, len)) {
        op->complaint = "libcrypto cannot digest a key";
        return apikey_operation_refuse(op, APIKEY_ERROR_INTERNAL, NULL, NULL);
    }
    secret->fingerprint = pepper->fingerprint;
    secret->last_four = op->secret + len - APIKEY_LAST_LEN;
    return true;
}

static apikey_db_status_t create(apikey_db_t *db, apikey_operation_t *op,
                                 apikey_outcome_t *outcome)
{
    const int max = op->mount->manage == APIKEY_MANAGE_ADMIN ? 0 : op->max_keys;
    apikey_new_secret_t secret;
    apikey_new_key_t key = {
        .owner_type = op->type,
        .owner = op->owner,
        .description = op->description,
        .scopes = op->scopes,
        .expires_ms = op->expires_ms,
        .is_public = op->is_public,
        .created_by = op->actor,
    };

    return mint(op, op->type, &secret)
               ? apikey_store_create(db, &key, &secret, max, &op->id, outcome)
               : APIKEY_DB_OK;
}

apikey_db_status_t apikey_manage_create(apikey_db_t *db, apikey_operation_t *op)
{
    apikey_outcome_t outcome;
    bool may;
    apikey_db_status_t rv = apikey_access_owner(db, op, op->type, op->owner, 0, &may);

    if (rv != APIKEY_DB_OK || !may ||
        !apikey_access_secret(op, op->type, op->owner, op->scopes, op->expires_ms, 0)) {
        return rv;
    }
    rv = change(db, op, create, &outcome);
    return rv == APIKEY_DB_OK ? conclude(db, op, outcome, APIKEY_ERROR_TOO_MANY_KEYS) : rv;
}

static apikey_db_status_t update(apikey_db_t *db, apikey_operation_t *op,
                                 apikey_outcome_t *outcome)
{
    return apikey_store_change(db, op->id, op->description, op->revoke, outcome);
}

apikey_db_status_t apikey_manage_update(apikey_db_t *db, apikey_operation_t *op)
{
    apikey_outcome_t outcome;
    found_t found;
    bool may;
    apikey_db_status_t rv = find(db, op, &found, &may);

    json_decref(found.json);
    if (rv != APIKEY_DB_OK || !may) {
        return rv;
    }
    rv = change(db, op, update, &outcome);
    return rv == APIKEY_DB_OK ? conclude(db, op, outcome, APIKEY_ERROR_INTERNAL) : rv;
}

static apikey_db_status_t rotate(apikey_db_t *db, apikey_operation_t *op,
                                 apikey_outcome_t *outcome)
{
    apikey_new_secret_t secret;

    return mint(op, op->type, &secret) ? apikey_store_rotate(db, op->id, op->grace_s, &secret,
                                                             op->idempotency_key, outcome)
                                       : APIKEY_DB_OK;
}

apikey_db_status_t apikey_manage_rotate(apikey_db_t *db, apikey_operation_t *op)
{
    apikey_outcome_t outcome;
    found_t found;
    bool may;
    apikey_db_status_t rv = find(db, op, &found, &may);

    json_decref(found.json);
    if (rv != APIKEY_DB_OK || !may ||
        !apikey_access_secret(op, found.type, found.owner, found.scopes, found.expires_ms,
                              op->id)) {
        return rv;
    }
    rv = change(db, op, rotate, &outcome);
    return rv == APIKEY_DB_OK ? conclude(db, op, outcome, APIKEY_ERROR_TOO_MANY_SECRETS) : rv;
}

/* -- lists --------------------------------------------------------------------------------- */

typedef struct {
    const apikey_operation_t *op;
    json_t *items;
    int room;
    bool more;
    uint64_t last; /* looked at */
} page_t;

static bool is_on(const apikey_operation_t *op, const apikey_listed_t *key)
{
    return strcmp(key->owner_type, "team") == 0 ? op->team_keys : op->user_keys;
}

/* Keys of a kind that is switched off leave their places in the page empty. */
static bool list_key(const apikey_listed_t *key, void *baton)
{
    page_t *page = baton;

    page->more = page->room == 0;
    if (!page->more) {
        page->room--;
        page->last = key->id;
        if (is_on(page->op, key)) {
            json_array_append_new(page->items, apikey_json_key(key));
        }
    }
    return !page->more;
}

/* Newest first. Who does not ask for pages gets all there are, unless that is very many. */
static apikey_db_status_t answer_with_list(apikey_db_t *db, apikey_operation_t *op)
{
    const int limit = op->limit ? op->limit : WHOLE_LIST_MAX;
    const apikey_filter_t filter = {.owner_type = op->type,
                                    .owner = op->owner,
                                    .status = op->status ? op->status : "",
                                    .before = op->before,
                                    .limit = limit + 1};
    page_t page = {op, json_array(), limit, false, 0};
    const apikey_db_status_t rv = apikey_store_list(db, &filter, list_key, &page);
    char cursor[24];
    json_t *answer;

    if (rv != APIKEY_DB_OK) {
        json_decref(page.items);
        return rv;
    }
    answer = json_pack("{s:o, s:b}", "items", page.items, "is_paginated",
                       (int)(op->limit || op->before || page.more));
    if (page.more) {
        apr_snprintf(cursor, sizeof(cursor), "%" APR_UINT64_T_FMT, page.last);
        json_object_set_new(answer, "next_cursor", json_string(cursor));
    }
    apikey_operation_answer(op, answer);
    return rv;
}

apikey_db_status_t apikey_manage_list(apikey_db_t *db, apikey_operation_t *op)
{
    bool may = true;
    apikey_db_status_t rv = APIKEY_DB_OK;

    if (op->owner) {
        rv = apikey_access_owner(db, op, op->type, op->owner, 0, &may);
    }
    return rv == APIKEY_DB_OK && may ? answer_with_list(db, op) : rv;
}

static bool list_team(const char *team, const char *user, bool manage, void *baton)
{
    (void)user;
    (void)manage;
    json_array_append_new(baton, json_pack("{s:s}", "team_id", team));
    return true;
}

/* The teams whose keys the caller may manage as a user; a team's key, its own. */
apikey_db_status_t apikey_manage_teams(apikey_db_t *db, apikey_operation_t *op)
{
    json_t *items = json_array();
    apikey_db_status_t rv = APIKEY_DB_OK;

    if (!op->key) {
        rv = apikey_store_teams_of(db, op->server->teams_table, op->user, list_team, items);
    }
    else if (op->key->owner_type == APIKEY_OWNER_TEAM) {
        list_team(op->key->owner, NULL, true, items);
    }
    if (rv != APIKEY_DB_OK) {
        json_decref(items);
        return rv;
    }
    apikey_operation_answer(op, json_pack("{s:o}", "items", items));
    return rv;
}

/* -- check --------------------------------------------------------------------------------- */

static apikey_error_t error_of(apikey_verdict_t verdict)
{
    switch (verdict) {
    case APIKEY_VALID:
        return APIKEY_ERROR_NONE;
    case APIKEY_WRONG_TYPE:
        return APIKEY_ERROR_WRONG_TYPE;
    case APIKEY_REVOKED:
        return APIKEY_ERROR_CHECKED_REVOKED;
    case APIKEY_EXPIRED:
        return APIKEY_ERROR_CHECKED_EXPIRED;
    default:
        return APIKEY_ERROR_NO_KEY; /* also one that cannot be used: it is nobody's */
    }
}

/* Judged as the module judges a request with it. */
apikey_db_status_t apikey_manage_check(apikey_db_t *db, apikey_operation_t *op)
{
    const apikey_place_t place = {op->type == APIKEY_OWNER_USER, op->type == APIKEY_OWNER_TEAM};
    const bool team = op->type == APIKEY_OWNER_TEAM;
    const apikey_record_t *record;
    const apikey_db_status_t rv = apikey_store_find(db, &op->digests, op->pool, &record);
    apikey_error_t error;

    if (rv != APIKEY_DB_OK) {
        return rv;
    }
    error = error_of(apikey_judge(record, &place, apikey_now_ms()));
    if (error == APIKEY_ERROR_NONE) {
        op->id = record->id;
        return answer_with_key(db, op);
    }
    apikey_operation_refuse(op, error, NULL,
                            error == APIKEY_ERROR_WRONG_TYPE
                                ? json_pack("{s:s, s:s}", "expected_type",
                                            team ? "team" : "user", "actual_type",
                                            team ? "user" : "team")
                                : NULL);
    return rv;
}
