/* SPDX-License-Identifier: Apache-2.0 */
#include "manage_access.h"

#include "workers.h"

#include "../core/judge.h"
#include "../core/scope.h"
#include "../core/store.h"
#include "../core/utf8.h"

#include <apr_strings.h>
#include <string.h>

enum { OWNER_CHARS_MAX = 255 };

/* Why an id cannot be anybody's, or NULL. */
static const char *why_nobody(apikey_owner_t type, const char *owner)
{
    const int chars = apikey_utf8_chars(owner);

    return chars < 0                 ? "the owner id is not UTF-8"
           : chars > OWNER_CHARS_MAX ? "the owner id is longer than 255 characters"
                                     : apikey_judge_owner(type, owner, strlen(owner));
}

static bool is_admin(const apikey_operation_t *op)
{
    return op->mount->manage == APIKEY_MANAGE_ADMIN;
}

static bool deny(apikey_operation_t *op, apikey_error_t error, const char *text,
                 apikey_owner_t type, const char *owner, uint64_t key_id)
{
    op->denial.denied = true;
    op->denial.type = type;
    op->denial.owner = owner ? apr_pstrdup(op->pool, owner) : NULL;
    op->denial.id = key_id;
    return apikey_operation_refuse(op, error, text, NULL);
}

/* The caller, not the owner of anything, is why. */
static bool deny_caller(apikey_operation_t *op, const char *text)
{
    return deny(op, APIKEY_ERROR_FORBIDDEN, text, APIKEY_OWNER_NONE, NULL, op->id);
}

bool apikey_access_caller(apikey_operation_t *op)
{
    if (!op->user || !*op->user) {
        return apikey_operation_refuse(op, APIKEY_ERROR_NO_USER, NULL, NULL);
    }
    if (op->key && !op->mount->by_key) {
        return deny_caller(op, "A caller who logged in with an API key may not manage keys "
                               "here.");
    }
    if (op->key) {
        return op->key_digests ||
               deny_caller(op,
                           "An API key manages keys at the URL that it was sent to; this one "
                           "was checked by another place before, and redirected.");
    }
    return !why_nobody(APIKEY_OWNER_USER, op->user) ||
           deny_caller(op, "A user of this name cannot own API keys.");
}

bool apikey_access_admin(apikey_operation_t *op)
{
    return is_admin(op) ||
           deny_caller(op, "This is for locations of administrators (ApiKeyManage Admin).");
}

bool apikey_access_resolve(apikey_operation_t *op, const char *named)
{
    const char *field = op->type == APIKEY_OWNER_TEAM ? "team_id" : "user_id";
    const char *why;

    op->owner = apr_pstrdup(op->pool, named);
    if (op->type == APIKEY_OWNER_USER && strcmp(named, "me") == 0) {
        if (op->key && op->key->owner_type != APIKEY_OWNER_USER) {
            return apikey_operation_refuse(op, APIKEY_ERROR_FORBIDDEN,
                                           "The caller is a team, not a user.", NULL);
        }
        op->owner = op->key ? op->key->owner : op->user;
    }
    why = why_nobody(op->type, op->owner);
    return !why || apikey_operation_refuse_field(op, field, why);
}

apikey_db_status_t apikey_access_record(apikey_db_t *db, apikey_operation_t *op)
{
    apikey_db_status_t rv = apikey_store_act_as(db, op->actor, op->client);

    if (rv == APIKEY_DB_OK) {
        rv =
            apikey_store_denied(db, op->name, op->denial.type, op->denial.owner, op->denial.id);
        if (rv == APIKEY_DB_FAILED) {
            /* Refused all the same; that nobody will read of it is for the log. */
            op->complaint = apr_pstrdup(op->pool, apikey_db_error(db));
        }
        apikey_store_act_as(db, NULL, NULL);
    }
    return rv == APIKEY_DB_UNREACHABLE ? rv : APIKEY_DB_OK;
}

static bool is_owner(const apikey_record_t *key, apikey_owner_t type, const char *owner)
{
    return key->owner_type == type && strcmp(key->owner, owner) == 0;
}

/* The rule of Self: as a user, or as the owner of a key. */
static apikey_db_status_t may_manage(apikey_db_t *db, const apikey_operation_t *op,
                                     apikey_owner_t type, const char *owner, bool *may)
{
    if (op->key) {
        *may = is_owner(op->key, type, owner);
        return APIKEY_DB_OK;
    }
    if (type == APIKEY_OWNER_USER) {
        *may = strcmp(op->user, owner) == 0;
        return APIKEY_DB_OK;
    }
    return apikey_store_may_manage(db, op->server->teams_table, owner, op->user, may);
}

apikey_db_status_t apikey_access_owner(apikey_db_t *db, apikey_operation_t *op,
                                       apikey_owner_t type, const char *owner, uint64_t key_id,
                                       bool *may)
{
    apikey_db_status_t rv = APIKEY_DB_OK;

    *may = is_admin(op);
    if (!*may) {
        rv = may_manage(db, op, type, owner, may);
    }
    if (rv == APIKEY_DB_OK && !*may) {
        /* For outsiders a team does not exist, nor does a key of it. */
        const apikey_error_t error = type == APIKEY_OWNER_USER ? APIKEY_ERROR_FORBIDDEN
                                     : key_id                  ? APIKEY_ERROR_NO_KEY
                                                               : APIKEY_ERROR_NO_TEAM;
        deny(op, error, NULL, type, owner, key_id);
    }
    return rv;
}

apikey_db_status_t apikey_access_renew(apikey_db_t *db, apikey_operation_t *op)
{
    const apikey_place_t place = {op->user_keys, op->team_keys};
    const apikey_record_t *key;
    apikey_db_status_t rv;

    if (!op->key) {
        return APIKEY_DB_OK;
    }
    rv = apikey_store_find(db, op->key_digests, op->pool, &key);
    if (rv != APIKEY_DB_OK) {
        return rv;
    }
    if (apikey_judge(key, &place, apikey_now_ms()) == APIKEY_VALID &&
        is_owner(key, op->key->owner_type, op->key->owner)) {
        op->key = key;
    }
    else {
        deny(op, APIKEY_ERROR_NO_USER, "The API key of the caller is not valid any more.",
             op->key->owner_type, op->key->owner, op->key->id);
    }
    return rv;
}

/* Whether a key with the scopes `list` may do all that one with the scopes `wanted` may. */
static bool covers_all(const char *list, const char *wanted, apr_pool_t *pool)
{
    char *state;
    char *scope = apr_strtok(apr_pstrdup(pool, wanted), " ", &state);

    while (scope && apikey_scope_covers(list, scope)) {
        scope = apr_strtok(NULL, " ", &state);
    }
    return !scope;
}

bool apikey_access_secret(apikey_operation_t *op, apikey_owner_t type, const char *owner,
                          const char *scopes, int64_t expires_ms, uint64_t key_id)
{
    const char *text = NULL;

    if (!op->key) {
        return true;
    }
    if (!is_owner(op->key, type, owner)) {
        text = "An API key can get secrets of keys of its own owner only.";
    }
    else if (!covers_all(op->key->scopes, scopes, op->pool)) {
        text = "An API key cannot get the secret of a key with scopes that it does not have.";
    }
    else if (expires_ms > op->key->expires_ms) {
        text = "An API key cannot get the secret of a key that expires later than itself.";
    }
    return !text || deny(op, APIKEY_ERROR_FORBIDDEN, text, type, owner, key_id);
}
