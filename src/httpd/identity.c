/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include "caching.h"
#include "config.h"

#include <apr_strings.h>
#include <string.h>

const apikey_field_names_t apikey_field_names[APIKEY_FIELD_COUNT] = {
    [APIKEY_FIELD_ID] = {"id", "APIKEY_ID", "Id"},
    [APIKEY_FIELD_OWNER_TYPE] = {"owner_type", "APIKEY_OWNER_TYPE", "Owner-Type"},
    [APIKEY_FIELD_OWNER] = {"owner", "APIKEY_OWNER", "Owner"},
    [APIKEY_FIELD_USER] = {"user", "APIKEY_USER", "User"},
    [APIKEY_FIELD_TEAM] = {"team", "APIKEY_TEAM", "Team"},
    [APIKEY_FIELD_SCOPES] = {"scopes", "APIKEY_SCOPES", "Scopes"},
    [APIKEY_FIELD_EXPIRES] = {"expires", "APIKEY_EXPIRES", "Expires"},
    [APIKEY_FIELD_STATUS] = {"status", "APIKEY_STATUS", NULL},
};

static int exports_of(const request_rec *r)
{
    return apikey_conf_flag(apikey_dir_conf(r)->exports,
                            APIKEY_EXPORT_ENV | APIKEY_EXPORT_HEADERS);
}

/* Whether the environment has any of our names: set by an earlier verdict, by a parent, or by
 * the configuration. */
static bool has_ours(const apr_table_t *env)
{
    static const char mark[] = "APIKEY_";
    const apr_array_header_t *list = apr_table_elts(env);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)(void *)list->elts;
    const apr_table_entry_t *end = entry + list->nelts;

    while (entry < end &&
           (*entry->key != *mark || strncmp(entry->key, mark, sizeof(mark) - 1) != 0)) {
        entry++;
    }
    return entry < end;
}

static void unset_ours(apr_table_t *env)
{
    int i;
    for (i = 0; i < APIKEY_FIELD_COUNT; i++) {
        apr_table_unset(env, apikey_field_names[i].env_name);
    }
}

void apikey_identity_export(request_rec *r, const apikey_request_t *state)
{
    const bool known_caller = apikey_verdict_knows_caller(state->verdict);
    apr_table_t *env = r->subprocess_env;
    int i;

    apikey_caching_forbid(r);
    if (has_ours(env)) {
        unset_ours(env);
    }
    if (exports_of(r) & APIKEY_EXPORT_ENV) {
#pragma GCC unroll 8
        for (i = known_caller ? 0 : APIKEY_FIELD_STATUS; i < APIKEY_FIELD_COUNT; i++) {
            if (state->value[i]) {
                /* Not set: names that begin alike make apr_table_setn() compare each with all.
                 */
                apr_table_addn(env, apikey_field_names[i].env_name, state->value[i]);
            }
        }
    }
    if (!known_caller && r->main) {
        /* mod_include has left these there; where there is a user, httpd sets them again. */
        apr_table_unset(env, "REMOTE_USER");
        apr_table_unset(env, "AUTH_TYPE");
    }
}

void apikey_identity_set_ajp(request_rec *r)
{
    int i;

    for (i = 0; i < APIKEY_FIELD_COUNT; i++) {
        const char *name = apikey_field_names[i].env_name;
        const char *value = apr_table_get(r->subprocess_env, name);

        if (value) {
            apr_table_setn(r->subprocess_env, apr_pstrcat(r->pool, "AJP_", name, NULL), value);
        }
    }
}

void apikey_identity_set_headers(request_rec *r)
{
    const apikey_request_t *state = apikey_request_judged(r);
    const bool headers = exports_of(r) & APIKEY_EXPORT_HEADERS;
    const char *prefix = apikey_server_conf(r->server)->header_prefix;
    int i;

    if (!headers || !state || !apikey_verdict_knows_caller(state->verdict)) {
        return;
    }
    for (i = 0; i < APIKEY_FIELD_COUNT; i++) {
        const char *suffix = apikey_field_names[i].header_suffix;

        if (state->value[i] && suffix) {
            apr_table_setn(r->headers_in, apr_pstrcat(r->pool, prefix, suffix, NULL),
                           state->value[i]);
        }
    }
}
