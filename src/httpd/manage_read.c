/* SPDX-License-Identifier: Apache-2.0 */
#include "manage_read.h"

#include "manage_access.h"
#include "manage_json.h"
#include "workers.h"

#include "../core/scope.h"
#include "../core/utf8.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <string.h>

enum { DESCRIPTION_CHARS_MAX = 255, LIMIT_MAX = 500, GRACE_DEFAULT_S = 24 * 3600 };

/* The end of the year 9999, up to which a DATETIME goes. */
static const int64_t expires_max_ms = INT64_C(253402300799999);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *string_of(const apikey_operation_t *op, const char *field)
{
    return json_string_value(json_object_get(op->input, field));
}

const char *apikey_read_owner_field(const apikey_operation_t *op)
{
    return op->type == APIKEY_OWNER_TEAM ? "team_id" : "user_id";
}

/* -- the body ------------------------------------------------------------------------------ */

static bool read_description(apikey_operation_t *op)
{
    const char *text = string_of(op, "description");

    op->description = text ? apr_pstrdup(op->pool, text) : NULL;
    return !text || apikey_utf8_chars(text) <= DESCRIPTION_CHARS_MAX ||
           apikey_operation_refuse_field(op, "description", "is longer than 255 characters");
}

static bool read_expiry(apikey_operation_t *op)
{
    const json_t *value = json_object_get(op->input, "expires_at_millis");

    op->expires_ms = json_is_integer(value) ? json_integer_value(value) : APIKEY_NEVER;
    return op->expires_ms == APIKEY_NEVER
               ? json_is_null(value)
               : op->expires_ms >= 0 && op->expires_ms <= expires_max_ms;
}

static bool holds(const apr_array_header_t *words, const char *word)
{
    int i;

    for (i = 0; i < words->nelts && strcmp(APR_ARRAY_IDX(words, i, const char *), word) != 0;
         i++) {
    }
    return i < words->nelts;
}

/* Why a scope cannot be put on a key here, or NULL. */
static const char *why_not_scope(const apikey_operation_t *op, const apr_array_header_t *others,
                                 const char *scope)
{
    if (!apikey_scope_token_ok(scope, strlen(scope))) {
        return "holds a word that is no scope: printable ASCII without space, quote and "
               "backslash, and no bare *";
    }
    if (holds(others, scope)) {
        return "holds a scope twice";
    }
    return op->mount->manage == APIKEY_MANAGE_ADMIN || holds(op->grantable, scope)
               ? NULL
               : "holds a scope that keys cannot be given here";
}

static bool read_scopes(apikey_operation_t *op)
{
    const json_t *list = json_object_get(op->input, "scopes");
    apr_array_header_t *scopes = apr_array_make(op->pool, 4, sizeof(const char *));
    size_t i;

    for (i = 0; i < json_array_size(list); i++) {
        const char *scope = json_string_value(json_array_get(list, i));
        const char *why = why_not_scope(op, scopes, scope);

        if (why) {
            return apikey_operation_refuse_field(op, "scopes", why);
        }
        APR_ARRAY_PUSH(scopes, const char *) = apr_pstrdup(op->pool, scope);
    }
    op->scopes = apr_array_pstrcat(op->pool, scopes, ' ');
    op->scopes = op->scopes ? op->scopes : "";
    return strlen(op->scopes) <= APIKEY_SCOPES_MAX ||
           apikey_operation_refuse_field(op, "scopes", "are longer than 1000 bytes together");
}

bool apikey_read_create(apikey_operation_t *op)
{
    const apikey_json_field_t fields[] = {
        {apikey_read_owner_field(op), APIKEY_FIELD_STRING, true},
        {"description", APIKEY_FIELD_STRING, true},
        {"expires_at_millis", APIKEY_FIELD_INTEGER_OR_NULL, true},
        {"is_public", APIKEY_FIELD_BOOLEAN, false},
        {"scopes", APIKEY_FIELD_STRINGS, false},
    };

    if (!apikey_json_check(op, fields, COUNT(fields)) ||
        !apikey_access_resolve(op, string_of(op, apikey_read_owner_field(op))) ||
        !read_description(op) || !read_scopes(op)) {
        return false;
    }
    op->is_public = json_is_true(json_object_get(op->input, "is_public"));
    return read_expiry(op) ||
           apikey_operation_refuse_field(op, "expires_at_millis",
                                         "must be from 0 to 253402300799999, or null");
}

bool apikey_read_update(apikey_operation_t *op)
{
    static const apikey_json_field_t fields[] = {
        {"description", APIKEY_FIELD_STRING, false},
        {"revoked", APIKEY_FIELD_BOOLEAN, false},
    };

    if (!apikey_json_check(op, fields, COUNT(fields)) || !read_description(op)) {
        return false;
    }
    op->revoke = json_is_true(json_object_get(op->input, "revoked"));
    if (json_is_false(json_object_get(op->input, "revoked"))) {
        return apikey_operation_refuse_field(op, "revoked", "cannot be taken back");
    }
    return op->revoke || op->description ||
           apikey_operation_refuse_field(op, "body", "has neither description nor revoked");
}

/* One that is written down and compared as it is. */
static bool read_idempotency_key(apikey_operation_t *op)
{
    const char *at = op->idempotency_key;

    for (; at && *at; at++) {
        if (!apr_isgraph(*at) || at - op->idempotency_key == APIKEY_REQUEST_MAX) {
            return apikey_operation_refuse_field(
                op, "Idempotency-Key", "is not 1 to 255 characters of printable ASCII");
        }
    }
    return !op->idempotency_key || *op->idempotency_key ||
           apikey_operation_refuse_field(op, "Idempotency-Key", "is empty");
}

bool apikey_read_rotate(apikey_operation_t *op)
{
    static const apikey_json_field_t fields[] = {
        {"grace_seconds", APIKEY_FIELD_INTEGER, false},
    };
    const json_t *grace;

    if (!apikey_json_check(op, fields, COUNT(fields)) || !read_idempotency_key(op)) {
        return false;
    }
    grace = json_object_get(op->input, "grace_seconds");
    op->grace_s = grace ? json_integer_value(grace) : GRACE_DEFAULT_S;
    return (op->grace_s >= 0 && op->grace_s <= APIKEY_GRACE_MAX_S) ||
           apikey_operation_refuse_field(op, "grace_seconds",
                                         "must be from 0 to 2592000 (30 days)");
}

/* Digests of a string that may be a key; none where its form alone says that it is not. */
static bool digest(apikey_operation_t *op, const char *text)
{
    const apikey_server_conf_t *server = op->server;
    const size_t len = strlen(text);
    apikey_owner_t kind;
    const apikey_form_t form = apikey_keyfmt_parse(
        text, len, (const char *const *)server->prefixes->elts, server->prefixes->nelts, &kind);

    if (form != APIKEY_FORM_OURS && !(form == APIKEY_FORM_FOREIGN && server->foreign && len)) {
        return apikey_operation_refuse(op, APIKEY_ERROR_NO_KEY, NULL, NULL);
    }
    op->complaint = "libcrypto cannot digest a key"; /* unless it can */
    if (!apikey_digest_all(&op->digests,
                           form == APIKEY_FORM_OURS ? server->peppers : &apikey_no_pepper, text,
                           len)) {
        return false;
    }
    op->complaint = NULL;
    return true;
}

bool apikey_read_check(apikey_operation_t *op)
{
    static const apikey_json_field_t fields[] = {{"api_key", APIKEY_FIELD_STRING, true}};
    const char *text;
    bool ok;

    if (!apikey_access_admin(op) || !apikey_json_check(op, fields, COUNT(fields))) {
        return false;
    }
    text = string_of(op, "api_key");
    ok = digest(op, text);
    OPENSSL_cleanse((char *)(uintptr_t)text, strlen(text));
    return ok;
}

/* -- the query ----------------------------------------------------------------------------- */

bool apikey_read_number(const char *text, size_t len, uint64_t most, uint64_t *number)
{
    size_t i;

    *number = 0;
    for (i = 0; i < len; i++) {
        if (!apr_isdigit(text[i]) || (i == 0 && text[i] == '0') || i == 19) {
            return false;
        }
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    return len > 0 && *number <= most;
}

/* The page of a list that is asked for. */
static bool read_page(apikey_operation_t *op)
{
    const char *limit = apr_table_get(op->query, "limit");
    const char *cursor = apr_table_get(op->query, "cursor");
    uint64_t number = 0;

    if (limit && !apikey_read_number(limit, strlen(limit), LIMIT_MAX, &number)) {
        return apikey_operation_refuse_field(op, "limit", "must be from 1 to 500");
    }
    op->limit = limit ? (int)number : op->limit;
    return !cursor || apikey_read_number(cursor, strlen(cursor), INT64_MAX, &op->before) ||
           apikey_operation_refuse_field(op, "cursor", "is not one that a list has given");
}

bool apikey_read_list(apikey_operation_t *op)
{
    const char *owner = apr_table_get(op->query, apikey_read_owner_field(op));

    if (!owner) {
        return apikey_operation_refuse_field(op, apikey_read_owner_field(op), "is missing");
    }
    return apikey_access_resolve(op, owner) && read_page(op);
}

static bool read_status(apikey_operation_t *op)
{
    const char *status = apr_table_get(op->query, "status");

    op->status = status ? apr_pstrdup(op->pool, status) : NULL;
    return !status || strcmp(status, "valid") == 0 || strcmp(status, "revoked") == 0 ||
           strcmp(status, "expired") == 0 ||
           apikey_operation_refuse_field(op, "status", "must be valid, revoked or expired");
}

bool apikey_read_list_all(apikey_operation_t *op)
{
    const char *user = apr_table_get(op->query, "user_id");
    const char *team = apr_table_get(op->query, "team_id");

    if (!apikey_access_admin(op)) {
        return false;
    }
    if (user && team) {
        return apikey_operation_refuse_field(op, "team_id", "and user_id exclude each other");
    }
    op->type = user ? APIKEY_OWNER_USER : team ? APIKEY_OWNER_TEAM : APIKEY_OWNER_NONE;
    if (!(user ? op->user_keys : op->team_keys) && (user || team || !op->user_keys)) {
        return apikey_operation_refuse(op, APIKEY_ERROR_SWITCHED_OFF, NULL, NULL);
    }
    if ((user || team) && !apikey_access_resolve(op, user ? user : team)) {
        return false;
    }
    op->limit = LIMIT_MAX; /* never all of them at once */
    return read_page(op) && read_status(op);
}

/* -- what needs no work -------------------------------------------------------------------- */

bool apikey_read_me(apikey_operation_t *op)
{
    const bool admin = op->mount->manage == APIKEY_MANAGE_ADMIN;
    const bool team = op->key && op->key->owner_type == APIKEY_OWNER_TEAM;
    const char *id = op->key ? op->key->owner : op->user;
    json_t *scopes = json_array();
    json_t *limits = json_pack("{s:i, s:i}", "description_chars", DESCRIPTION_CHARS_MAX,
                               "max_grace_seconds", APIKEY_GRACE_MAX_S);
    int i;

    for (i = 0; i < op->grantable->nelts; i++) {
        json_array_append_new(scopes,
                              json_string(APR_ARRAY_IDX(op->grantable, i, const char *)));
    }
    if (!admin) {
        json_object_set_new(limits, "max_keys", json_integer(op->max_keys));
    }
    apikey_operation_answer(
        op, json_pack("{s:s, s:s, s:b, s:b, s:o, s:o, s:I}", team ? "team_id" : "user_id", id,
                      "manage", admin ? "admin" : "self", "user_keys", (int)op->user_keys,
                      "team_keys", (int)op->team_keys, "scopes", scopes, "limits", limits,
                      "now_millis", (json_int_t)apikey_now_ms()));
    return true;
}
