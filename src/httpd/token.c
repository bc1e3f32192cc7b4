/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"

#include "authz.h"
#include "check.h"
#include "config.h"
#include "credential.h"

#include <ap_provider.h>
#include <apr_strings.h>
#include <http_request.h>
#include <mod_auth.h>

/* httpd's trunk has it; a symbol of the header, so that a release that takes it over does. */
#ifdef AUTHT_PROVIDER_GROUP

/* What mod_auth_bearer makes of each: MISMATCH asks the next provider, GENERAL_ERROR is 500,
 * all others are 401, and differ in what it logs. */
static autht_status status_of(apikey_verdict_t verdict)
{
    switch (verdict) {
    case APIKEY_VALID:
        return AUTHT_GRANTED;
    case APIKEY_UNAVAILABLE:
        return AUTHT_GENERAL_ERROR;
    case APIKEY_EXPIRED:
        return AUTHT_EXPIRED;
    case APIKEY_MALFORMED:
    case APIKEY_NOT_FOUND:
        return AUTHT_INVALID;
    default:
        return AUTHT_DENIED;
    }
}

/* For redirects and subrequests: mod_auth_bearer asks for a token again where they lead to a
 * place of its own, and the first request has taken it away (withhold.c). */
static void keep_header(request_rec *r)
{
    apikey_call_t *call = apikey_request_call(r);
    const char *value =
        apr_table_get(r->headers_in, apikey_credential_header(r, apikey_authorization));

    call->token_header = value && r->main ? apr_pstrdup(call->pool, value) : value;
}

static int restore_header(request_rec *r)
{
    const char *header = apikey_credential_header(r, apikey_authorization);
    const apikey_call_t *call = apikey_request_call(r);

    if (call && call->token_header && apikey_request_auth(r) == APIKEY_AUTH_TOKEN &&
        !apr_table_get(r->headers_in, header)) {
        apr_table_setn(r->headers_in, header, call->token_header);
    }
    return DECLINED;
}

static autht_status check_token(request_rec *r, const char *type, const char *token)
{
    apikey_credential_t *cred;

    if (ap_cstr_casecmp(type, "bearer") != 0) {
        return AUTHT_MISMATCH;
    }
    cred = apikey_credential_from_text(r, apikey_authorization, token);
    apikey_credential_examine(r, cred);
    /* What is no key of ours may be another provider's token. */
    if (!cred->looked_up && !cred->malformed && !cred->checkable &&
        cred->form == APIKEY_FORM_FOREIGN) {
        return AUTHT_MISMATCH;
    }
    keep_header(r);
    return status_of(apikey_check(r, cred));
}

static const autht_provider provider = {check_token};

static int check_access(request_rec *r);

/* Runs the hooks behind this one; mod_authz_core's, which asks the Require lines, is the last.
 */
static int run_the_others(request_rec *r)
{
    const apr_array_header_t *hooks = ap_hook_get_access_checker_ex();
    const ap_LINK_access_checker_ex_t *hook = (const ap_LINK_access_checker_ex_t *)hooks->elts;
    int rc = DECLINED;
    int i;

    for (i = 0; i < hooks->nelts && hook[i].pFunc != check_access; i++) {
    }
    for (i++; i < hooks->nelts && rc == DECLINED; i++) {
        rc = hook[i].pFunc(r);
    }
    return rc;
}

/* Tokens are checked before access control, where Require lines then refuse at once: the hook
 * of authz.c is not asked. */
static int check_access(request_rec *r)
{
    apikey_request_t *state = apikey_request_own(r);
    int rc;

    if (!state || state->verdict != APIKEY_VALID ||
        apikey_request_auth(r) != APIKEY_AUTH_TOKEN) {
        return DECLINED;
    }
    state->missing = NULL;
    rc = run_the_others(r);
    return rc == HTTP_UNAUTHORIZED || rc == HTTP_FORBIDDEN ? apikey_authz_refused(r, state, rc)
                                                           : rc;
}

void apikey_token_register(apr_pool_t *p)
{
    ap_register_auth_provider(p, AUTHT_PROVIDER_GROUP, "apikey", AUTHT_PROVIDER_VERSION,
                              &provider, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_post_perdir_config(restore_header, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_access_ex(check_access, NULL, NULL, APR_HOOK_REALLY_FIRST,
                            AP_AUTH_INTERNAL_PER_CONF);
}

#else

void apikey_token_register(apr_pool_t *p)
{
    (void)p;
}

#endif
