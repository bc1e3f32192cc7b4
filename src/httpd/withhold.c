/* SPDX-License-Identifier: Apache-2.0 */
#include "withhold.h"

#include "config.h"
#include "credential.h"
#include "scrub.h"

#include <apr_strings.h>
#include <string.h>

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Whether an environment variable is the one that CGI makes of a header. `REDIRECT_` is put
 * before each name at each redirect. */
static bool is_env_of(const char *env, const char *header)
{
    static const char redirect[] = "REDIRECT_", http[] = "HTTP_";

    while (*env == *redirect && begins(env, redirect)) {
        env += sizeof(redirect) - 1;
    }
    if (*env != *http || !begins(env, http)) {
        return false;
    }
    env += sizeof(http) - 1;
    return apikey_scrub_covers(header, env) && strlen(env) == strlen(header);
}

static void unset_env_of(request_rec *r, const char *header)
{
    const apr_array_header_t *env = apr_table_elts(r->subprocess_env);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)(void *)env->elts;
    const apr_table_entry_t *end = entry + env->nelts;

    while (entry < end) {
        const char *name = (entry++)->key;

        if ((*name == 'H' || *name == 'R') && is_env_of(name, header)) {
            apr_table_unset(r->subprocess_env, name);
            entry -= 1; /* the entries behind it have moved */
            end = (const apr_table_entry_t *)(void *)env->elts + env->nelts;
        }
    }
}

static void unset(request_rec *r, const char *header)
{
    apr_table_unset(r->headers_in, header);
    /* Also one that a SetEnvIf or RewriteRule line copied into the environment. */
    unset_env_of(r, header);
}

/* Whether the header was read in this very request and found valid: then it need not be looked
 * at again. A redirect may find another one in its place. */
static bool was_judged(const request_rec *r, const char *name)
{
    const apikey_request_t *own = apikey_request_own(r);

    return !r->prev && !r->main && own && own->call->credentials &&
           own->verdict == APIKEY_VALID && own->call->credentials->header == name &&
           own->call->credentials->record == own->record;
}

static void take_away(request_rec *r, const char *name)
{
    const char *header = apikey_credential_header(r, name);
    const char *value = was_judged(r, name) ? NULL : apr_table_get(r->headers_in, header);

    if (!value || apikey_credential_is(name, value)) {
        unset(r, header);
    }
}

/* Whether a list has this very string, which a credential has from there. */
static bool holds(const apr_array_header_t *names, const char *name)
{
    int i;
    for (i = 0; i < names->nelts && APR_ARRAY_IDX(names, i, const char *) != name; i++) {
    }
    return i < names->nelts;
}

static void take_away_basic(request_rec *r, apikey_call_t *call)
{
    const char *header = apikey_credential_header(r, apikey_authorization);
    const char *value = apr_table_get(r->headers_in, header);

    if (value) {
        call->basic_header = r->main ? apr_pstrdup(call->pool, value) : value;
    }
    unset(r, header);
}

/* A redirect may lead to a stricter place, which then has to know what was taken away here. */
static void remember(request_rec *r)
{
    const apikey_request_t *own = apikey_request_own(r);
    apikey_credential_t *cred = NULL;

    if (own && own->verdict != APIKEY_NO_VERDICT) {
        return; /* judged, and so remembered */
    }
    if (apikey_credential_present(r)) {
        cred = apikey_credential_get(r);
    }
    if (cred && !cred->looked_up) {
        apikey_credential_digest(r, cred);
    }
}

void apikey_withhold(request_rec *r)
{
    const apikey_dir_conf_t *conf = apikey_dir_conf(r);
    const apr_array_header_t *names = NULL;
    const apikey_credential_t *cred;
    apikey_call_t *call;
    int i;

    if (apikey_conf_flag(conf->forward, 0)) {
        return;
    }
    if (apikey_request_auth(r) == APIKEY_AUTH_BEARER) {
        names = apikey_conf_headers(conf);
        remember(r);
        for (i = 0; i < names->nelts; i++) {
            take_away(r, APR_ARRAY_IDX(names, i, const char *));
        }
    }
    call = apikey_request_call(r);
    for (cred = call ? call->credentials : NULL; cred; cred = cred->next) {
        if (!names || !holds(names, cred->header)) { /* else done above */
            take_away(r, cred->header);
        }
    }
    if (call && call->checked_by_basic) {
        take_away_basic(r, call);
    }
}
