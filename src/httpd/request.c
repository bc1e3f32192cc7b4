/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include "board.h"

#include "../core/encode.h"

#include <apr_strings.h>
#include <http_log.h>
#include <stddef.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

static const request_rec *origin(const request_rec *r)
{
    return r->prev ? r->prev : r->main;
}

static const request_rec *initial_of(const request_rec *r)
{
    while (origin(r)) {
        r = origin(r);
    }
    return r;
}

apikey_call_t *apikey_request_first_call(const request_rec *r)
{
    const apikey_request_t *first = apikey_request_own(initial_of(r));
    return first ? first->call : NULL;
}

/* Of an initial request, which nearly all are: one allocation. */
static apikey_request_t *make_with_call(apr_pool_t *p)
{
    struct {
        apikey_request_t state;
        apikey_call_t call;
    } *both = apr_palloc(p, sizeof(*both));

    memset(&both->state, 0, offsetof(apikey_request_t, id));
    memset(&both->call, 0, offsetof(apikey_call_t, room));
    both->state.call = &both->call;
    both->call.pool = p;
    return &both->state;
}

/* The initial request always has one too: there the whole call finds what it has learned. */
apikey_request_t *apikey_request_make(request_rec *r)
{
    apikey_request_t *state = apikey_request_own(r);
    const request_rec *initial;

    if (state) {
        return state;
    }
    initial = initial_of(r);
    if (r == initial) {
        state = make_with_call(r->pool);
    }
    else {
        state = apr_pcalloc(r->pool, sizeof(*state));
        state->call = apikey_request_make((request_rec *)initial)->call;
    }
    ap_set_module_config(r->request_config, &authn_apikey_module, state);
    return state;
}

apikey_auth_t apikey_request_find_auth(request_rec *r)
{
    const apikey_auth_t auth = apikey_auth_of(r);

    if (auth == APIKEY_AUTH_BEARER) {
        apikey_request_t *state = apikey_request_make(r);
        state->auth_policy = r->per_dir_config;
        state->auth = auth;
    }
    return auth;
}

/* Where the verdict that counts was given. */
static const request_rec *judged(const request_rec *r)
{
    for (; r; r = origin(r)) {
        const apikey_request_t *state = apikey_request_own(r);
        if (state && state->verdict != APIKEY_NO_VERDICT) {
            break;
        }
    }
    return r;
}

apikey_request_t *apikey_request_inherited(const request_rec *r)
{
    const request_rec *there = judged(r);
    return there ? apikey_request_own(there) : NULL;
}

char *apikey_request_auth_type(const request_rec *r)
{
    const request_rec *there = judged(r);
    return there ? there->ap_auth_type : NULL;
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

static const char *encode(apr_pool_t *p, const char *text)
{
    char *out = apr_palloc(p, 3 * strlen(text) + 1);

    apikey_encode(out, text);
    return out;
}

/* Writes a number into the end of APIKEY_NUMBER_SIZE bytes; where it begins. */
static const char *number_text(char *bytes, bool negative, uint64_t number)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char *at = bytes + APIKEY_NUMBER_SIZE - 1;

    *at = '\0';
    while (number >= 100) {
        const uint64_t rest = number / 100;
        at -= 2;
        memcpy(at, pairs + (number - rest * 100) * 2, 2);
        number = rest;
    }
    if (number >= 10) {
        at -= 2;
        memcpy(at, pairs + number * 2, 2);
    }
    else {
        *--at = (char)('0' + number);
    }
    if (negative) {
        *--at = '-';
    }
    return at;
}

static void set_values(apikey_request_t *state, const apikey_record_t *record, apr_pool_t *p)
{
    const bool team = record->owner_type == APIKEY_OWNER_TEAM;
    const char *owner = record->plain ? record->owner : encode(p, record->owner);
    const int64_t expires_s = record->expires_ms / 1000;

    state->value[APIKEY_FIELD_ID] = number_text(state->id, false, record->id);
    state->value[APIKEY_FIELD_OWNER_TYPE] = team ? "team" : "user";
    state->value[APIKEY_FIELD_OWNER] = owner;
    state->value[team ? APIKEY_FIELD_TEAM : APIKEY_FIELD_USER] = owner;
    state->value[APIKEY_FIELD_SCOPES] =
        record->plain ? record->scopes : encode(p, record->scopes);
    state->value[APIKEY_FIELD_EXPIRES] =
        record->expires_ms == APIKEY_NEVER
            ? ""
            : number_text(state->expires, expires_s < 0,
                          expires_s < 0 ? -(uint64_t)expires_s : (uint64_t)expires_s);
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

static void set_owner(request_rec *r, apikey_request_t *state, const apikey_record_t *record)
{
    const char *owner;

    memset(state->value, 0, sizeof(state->value));
    state->user = NULL;
    state->record = record;
    state->key_id = record ? record->id : 0;
    if (!record || record->unusable) {
        return;
    }
    set_values(state, record, r->pool);
    owner = state->value[APIKEY_FIELD_OWNER];
    state->user = record->owner_type == APIKEY_OWNER_TEAM
                      ? apr_pstrcat(r->pool, "team:", owner, NULL)
                      : owner;
}

apikey_request_t *apikey_request_adopt(request_rec *r, apikey_verdict_t verdict,
                                       const apikey_record_t *record)
{
    apikey_request_t *state = apikey_request_make(r);

    if (!record || state->record != record ||
        (!state->user && apikey_verdict_knows_caller(verdict))) {
        set_owner(r, state, record);
    }
    state->verdict = verdict;
    state->policy = r->per_dir_config;
    state->value[APIKEY_FIELD_STATUS] = apikey_verdict_info(verdict)->name;
    if (!apikey_verdict_knows_caller(verdict)) {
        state->user = NULL;
    }
    return state;
}

void apikey_request_meter(const request_rec *r, const apikey_request_t *state)
{
    apikey_call_t *call = state->call;

    if (!r->main && !call->metered) {
        call->metered = true;
        /* httpd numbers connections by child and thread. */
        apikey_meter_check(apikey_board_meter(), (uint64_t)r->connection->id, state->verdict,
                           call->learned);
    }
}

apikey_request_t *apikey_request_decide(request_rec *r, apikey_verdict_t verdict,
                                        const apikey_record_t *record, const char *why)
{
    apikey_request_t *state = apikey_request_adopt(r, verdict, record);

    log_verdict(r, state, apikey_verdict_info(verdict),
                record && record->unusable ? record->unusable : why);
    if (verdict != APIKEY_VALID) {
        apikey_request_meter(r, state);
    }
    return state;
}
