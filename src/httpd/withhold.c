/* SPDX-License-Identifier: Apache-2.0 */
#include "withhold.h"

#include "config.h"
#include "credential.h"
#include "scrub.h"

#include <string.h>

/* `REDIRECT_` is put before each name at each redirect. */
static const char *without_redirect(const char *name)
{
    static const char mark[] = "REDIRECT_";
    while (*name == 'R' && strncmp(name, mark, sizeof(mark) - 1) == 0) {
        name += sizeof(mark) - 1;
    }
    return name;
}

/* Whether an environment variable is the one that CGI makes of a header. */
static bool is_env_of(const char *env, const char *header)
{
    static const char http[] = "HTTP_";

    env = without_redirect(env);
    if (*env != 'H' || strncmp(env, http, sizeof(http) - 1) != 0) {
        return false;
    }
    env += sizeof(http) - 1;
    return apikey_scrub_covers(header, env) && strlen(env) == strlen(header);
}

static void unset_env_of(request_rec *r, const char *header)
{
    const apr_array_header_t *env = apr_table_elts(r->subprocess_env);
    int i = 0;

    while (i < env->nelts) {
        const char *name = APR_ARRAY_IDX(env, i, apr_table_entry_t).key;
        if (is_env_of(name, header)) {
            apr_table_unset(r->subprocess_env, name);
            i = 0;
        }
        else {
            i++;
        }
    }
}

static void take_away(request_rec *r, const char *name)
{
    const char *header = apikey_credential_header(r, name);
    const char *value = apr_table_get(r->headers_in, header);

    if (!value || apikey_credential_is(name, value)) {
        apr_table_unset(r->headers_in, header);
        /* Also one that a SetEnvIf or RewriteRule line copied into the environment. */
        unset_env_of(r, header);
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
        call->basic_header = value;
        apr_table_unset(r->headers_in, header);
    }
    unset_env_of(r, header);
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
