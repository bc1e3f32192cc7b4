/* SPDX-License-Identifier: Apache-2.0 */
#include "operation.h"

#include "../core/utf8.h"

#include <apr_strings.h>
#include <http_core.h>
#include <openssl/crypto.h>
#include <string.h>

static const apikey_error_info_t errors[] = {
    [APIKEY_ERROR_INTERNAL] = {"INTERNAL_ERROR", HTTP_INTERNAL_SERVER_ERROR,
                               "Something went wrong in the server; its error log says what."},
    [APIKEY_ERROR_SCHEMA] = {"SCHEMA_ERROR", HTTP_BAD_REQUEST,
                             "The request is not what this URL takes."},
    [APIKEY_ERROR_SWITCHED_OFF] = {"API_KEYS_DISABLED", HTTP_BAD_REQUEST,
                                   "Keys of this kind are switched off here."},
    [APIKEY_ERROR_WRONG_TYPE] = {"WRONG_API_KEY_TYPE", HTTP_BAD_REQUEST,
                                 "The key is of the other kind."},
    [APIKEY_ERROR_NO_USER] = {"USER_AUTHENTICATION_REQUIRED", HTTP_UNAUTHORIZED,
                              "Log in to manage API keys."},
    [APIKEY_ERROR_CHECKED_REVOKED] = {"API_KEY_REVOKED", HTTP_UNAUTHORIZED,
                                      "The key is revoked."},
    [APIKEY_ERROR_CHECKED_EXPIRED] = {"API_KEY_EXPIRED", HTTP_UNAUTHORIZED,
                                      "The key has expired."},
    [APIKEY_ERROR_FORBIDDEN] = {"FORBIDDEN", HTTP_FORBIDDEN,
                                "You may not do this with keys of this owner."},
    [APIKEY_ERROR_ORIGIN] = {"CROSS_ORIGIN_REQUEST", HTTP_FORBIDDEN,
                             "Changes are accepted from pages of this site only."},
    [APIKEY_ERROR_CONTENT_TYPE] = {"CONTENT_TYPE_NOT_JSON", HTTP_FORBIDDEN,
                                   "Send Content-Type: application/json."},
    [APIKEY_ERROR_NO_ROUTE] = {"NOT_FOUND", HTTP_NOT_FOUND, "There is nothing at this URL."},
    [APIKEY_ERROR_NO_KEY] = {"API_KEY_NOT_FOUND", HTTP_NOT_FOUND, "There is no such key."},
    [APIKEY_ERROR_NO_TEAM] = {"TEAM_NOT_FOUND", HTTP_NOT_FOUND, "There is no such team."},
    [APIKEY_ERROR_METHOD] = {"METHOD_NOT_ALLOWED", HTTP_METHOD_NOT_ALLOWED,
                             "This URL does not take this method."},
    [APIKEY_ERROR_TIMEOUT] = {"REQUEST_TIMEOUT", HTTP_REQUEST_TIME_OUT,
                              "The body did not come in time."},
    [APIKEY_ERROR_REVOKED] = {"API_KEY_REVOKED", HTTP_CONFLICT,
                              "A revoked key cannot be rotated; create a new one."},
    [APIKEY_ERROR_EXPIRED] = {"API_KEY_EXPIRED", HTTP_CONFLICT,
                              "An expired key cannot be rotated; create a new one."},
    [APIKEY_ERROR_TOO_MANY_KEYS] = {"TOO_MANY_API_KEYS", HTTP_CONFLICT,
                                    "The owner has as many keys as are allowed; revoke one."},
    [APIKEY_ERROR_TOO_MANY_SECRETS] =
        {"TOO_MANY_SECRETS", HTTP_CONFLICT,
         "The key has as many live secrets as are allowed; rotate "
         "it with grace_seconds 0, which ends them."},
    [APIKEY_ERROR_REPEATED] = {"IDEMPOTENCY_KEY_REPEATED", HTTP_CONFLICT,
                               "The key was rotated by an earlier request with this "
                               "Idempotency-Key."},
    [APIKEY_ERROR_TOO_LARGE] = {"BODY_TOO_LARGE", HTTP_REQUEST_ENTITY_TOO_LARGE,
                                "The body has more than 65536 bytes."},
    [APIKEY_ERROR_UNAVAILABLE] = {"DATABASE_UNAVAILABLE", HTTP_SERVICE_UNAVAILABLE,
                                  "The database cannot be asked; nothing was changed."},
    [APIKEY_ERROR_OUTCOME_UNKNOWN] = {"OUTCOME_UNKNOWN", HTTP_SERVICE_UNAVAILABLE,
                                      "The database did not say whether this was done; it may "
                                      "have been, or may be yet. List the keys before trying "
                                      "again."},
    [APIKEY_ERROR_NONE] = {"", HTTP_OK, ""},
};

const apikey_error_info_t *apikey_error_info(apikey_error_t error)
{
    return &errors[error];
}

/* A new secret is in the answer too. */
static void cleanse(json_t *answer)
{
    const json_t *value = json_object_get(answer, "value");

    if (json_is_string(value)) {
        OPENSSL_cleanse((char *)(uintptr_t)json_string_value(value), json_string_length(value));
    }
}

static apr_status_t clean(void *data)
{
    apikey_operation_t *op = data;

    cleanse(op->answer);
    json_decref(op->input);
    json_decref(op->details);
    json_decref(op->answer);
    OPENSSL_cleanse(op->secret, sizeof(op->secret));
    return APR_SUCCESS;
}

/* The key that the caller logged in with: also where that was elsewhere, before a redirect. */
static void set_key(apikey_operation_t *op, const request_rec *r)
{
    const apikey_request_t *state = apikey_request_judged(r);
    const apikey_credential_t *cred;
    apikey_record_t *key;

    if (!state || !state->record || !apikey_verdict_knows_caller(state->verdict)) {
        return;
    }
    key = apr_pmemdup(op->pool, state->record, sizeof(*key));
    key->owner = apr_pstrdup(op->pool, key->owner);
    key->scopes = apr_pstrdup(op->pool, key->scopes);
    op->key = key;
    for (cred = state->call->credentials; cred; cred = cred->next) {
        if (cred->record == state->record && cred->for_managing) {
            op->key_digests = apr_pmemdup(op->pool, cred->digests, sizeof(*cred->digests));
        }
    }
}

apikey_operation_t *apikey_operation_make(request_rec *r, const apikey_mount_t *mount)
{
    const apikey_dir_conf_t *conf = apikey_dir_conf(r);
    apr_pool_t *pool;
    apikey_job_t *job = apikey_job_make(r->server, &pool);
    apikey_operation_t *op = apr_pcalloc(pool, sizeof(*op));

    op->job = job;
    op->pool = pool;
    apr_pool_cleanup_register(pool, op, clean, apr_pool_cleanup_null);
    op->server = apikey_server_conf(r->server);
    op->mount = mount;
    op->grantable = apikey_conf_scopes(conf);
    op->max_keys = apikey_conf_max_keys(conf);
    op->user_keys = apikey_conf_flag(conf->user_keys, 1) != 0;
    op->team_keys = apikey_conf_flag(conf->team_keys, 1) != 0;
    op->user = apr_pstrdup(pool, r->user);
    op->actor = !op->user || apikey_utf8_chars(op->user) >= 0
                    ? op->user
                    : ap_os_escape_path(pool, op->user, 1);
    op->client = apr_pstrdup(pool, r->useragent_ip);
    set_key(op, r);
    return op;
}

bool apikey_operation_refuse(apikey_operation_t *op, apikey_error_t error, const char *text,
                             json_t *details)
{
    json_decref(op->details);
    op->error = error;
    op->text = text;
    op->details = details;
    return false;
}

bool apikey_operation_refuse_field(apikey_operation_t *op, const char *field, const char *text)
{
    return apikey_operation_refuse(op, APIKEY_ERROR_SCHEMA,
                                   apr_psprintf(op->pool, "%s: %s", field, text),
                                   json_pack("{s:s, s:s}", "field", field, "problem", text));
}

void apikey_operation_answer(apikey_operation_t *op, json_t *answer)
{
    json_decref(op->answer);
    op->answer = answer;
    op->error = answer ? APIKEY_ERROR_NONE : APIKEY_ERROR_INTERNAL;
}
