/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include "config.h"

#include <apr_strings.h>
#include <http_log.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

static const request_rec *origin(const request_rec *r)
{
    return r->prev ? r->prev : r->main;
}

apikey_request_t *apikey_request_own(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &authn_apikey_module);
}

apikey_call_t *apikey_request_call(const request_rec *r)
{
    for (; r; r = origin(r)) {
        const apikey_request_t *state = apikey_request_own(r);
        if (state) {
            return state->call;
        }
    }
    return NULL;
}

static apikey_call_t *make_call(request_rec *r)
{
    const request_rec *initial = r;
    apikey_call_t *call;

    while (origin(initial)) {
        initial = origin(initial);
    }
    call = apr_pcalloc(initial->pool, sizeof(*call));
    call->credentials = apr_array_make(initial->pool, 1, sizeof(apikey_credential_t *));
    return call;
}

apikey_request_t *apikey_request_make(request_rec *r)
{
    apikey_request_t *state = apikey_request_own(r);

    if (!state) {
        state = apr_pcalloc(r->pool, sizeof(*state));
        state->call = apikey_request_call(r);
        if (!state->call) {
            state->call = make_call(r);
        }
        ap_set_module_config(r->request_config, &authn_apikey_module, state);
    }
    return state;
}

apikey_request_t *apikey_request_judged(const request_rec *r)
{
    for (; r; r = origin(r)) {
        apikey_request_t *state = apikey_request_own(r);
        if (state && state->verdict != APIKEY_NO_VERDICT) {
            return state;
        }
    }
    return NULL;
}

apikey_request_t *apikey_request_authenticated(const request_rec *r)
{
    for (; r; r = origin(r)) {
        apikey_request_t *state = apikey_request_own(r);
        const request_rec *from = origin(r);

        if (state && state->verdict != APIKEY_NO_VERDICT) {
            return apikey_verdict_knows_caller(state->verdict) ? state : NULL;
        }
        /* The condition under which httpd itself skips authentication. */
        if (!from || from->per_dir_config != r->per_dir_config) {
            return NULL;
        }
    }
    return NULL;
}

/* Percent-encodes whatever is outside printable ASCII, and the percent sign: nothing that a
 * database holds can end a header or a log line. */
static const char *encode(apr_pool_t *p, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    const unsigned char *in;
    size_t extra = 0;
    char *out;
    char *at;

    for (in = (const unsigned char *)text; *in; in++) {
        extra += *in < 0x20 || *in > 0x7e || *in == '%' ? 2 : 0;
    }
    if (extra == 0) {
        return text;
    }
    out = at = apr_palloc(p, (size_t)(in - (const unsigned char *)text) + extra + 1);
    for (in = (const unsigned char *)text; *in; in++) {
        if (*in < 0x20 || *in > 0x7e || *in == '%') {
            *at++ = '%';
            *at++ = hex[*in >> 4];
            *at++ = hex[*in & 15];
        }
        else {
            *at++ = (char)*in;
        }
    }
    *at = '\0';
    return out;
}

static void set_values(apikey_request_t *state, const apikey_record_t *record, apr_pool_t *p)
{
    const bool team = record->owner_type == APIKEY_OWNER_TEAM;
    const char *owner = encode(p, record->owner);

    state->value[APIKEY_FIELD_ID] = apr_psprintf(p, "%" APR_UINT64_T_FMT, record->id);
    state->value[APIKEY_FIELD_OWNER_TYPE] = team ? "team" : "user";
    state->value[APIKEY_FIELD_OWNER] = owner;
    state->value[team ? APIKEY_FIELD_TEAM : APIKEY_FIELD_USER] = owner;
    state->value[APIKEY_FIELD_SCOPES] = record->scopes;
    state->value[APIKEY_FIELD_EXPIRES] =
        record->expires_ms == APIKEY_NEVER
            ? ""
            : apr_psprintf(p, "%" APR_INT64_T_FMT, record->expires_ms / 1000);
}

static void log_verdict(request_rec *r, const apikey_request_t *state,
                        const apikey_verdict_info_t *info, const char *why)
{
    const char *owner = state->value[APIKEY_FIELD_OWNER];
    const char *comma = why ? ", " : "";

    why = why ? why : "";
    if (state->key_id == 0) {
        ap_log_rerror(APLOG_MARK, info->severity, 0, r, "AK0001: API key %s%s%s: %s",
                      info->name, comma, why, r->uri);
    }
    else if (!owner) {
        ap_log_rerror(APLOG_MARK, info->severity, 0, r,
                      "AK0002: API key %s: key %" APR_UINT64_T_FMT "%s%s: %s", info->name,
                      state->key_id, comma, why, r->uri);
    }
    else {
        ap_log_rerror(APLOG_MARK, info->severity, 0, r,
                      "AK0003: API key %s: key %" APR_UINT64_T_FMT " of %s %s%s%s: %s",
                      info->name, state->key_id, state->value[APIKEY_FIELD_OWNER_TYPE], owner,
                      comma, why, r->uri);
    }
}

void apikey_request_decide(request_rec *r, apikey_verdict_t verdict,
                           const apikey_record_t *record, const char *why)
{
    const apikey_verdict_info_t *info = apikey_verdict_info(verdict);
    apikey_request_t *state = apikey_request_make(r);

    state->verdict = verdict;
    state->value[APIKEY_FIELD_STATUS] = info->name;
    state->record = record;
    if (record) {
        state->key_id = record->id;
        if (!record->unusable && !state->value[APIKEY_FIELD_ID]) {
            set_values(state, record, r->pool);
        }
    }
    if (record && apikey_verdict_knows_caller(verdict) && !state->user) {
        const char *owner = state->value[APIKEY_FIELD_OWNER];
        state->user = record->owner_type == APIKEY_OWNER_TEAM
                          ? apr_pstrcat(r->pool, "team:", owner, NULL)
                          : owner;
    }
    log_verdict(r, state, info, record && record->unusable ? record->unusable : why);
}
