/* SPDX-License-Identifier: Apache-2.0 */
#include "authn.h"

#include "basic.h"
#include "challenge.h"
#include "check.h"
#include "config.h"
#include "credential.h"

#include <http_request.h>

__attribute__((flatten)) static int check_authn(request_rec *r)
{
    apikey_verdict_t verdict;

    if (apikey_request_auth(r) != APIKEY_AUTH_BEARER) {
        return DECLINED;
    }
    verdict = apikey_check(r, apikey_credential_get(r));
    if (verdict != APIKEY_VALID) {
        return apikey_challenge(r, apikey_request_own(r));
    }
    r->ap_auth_type = (char *)"Bearer";
    return OK;
}

/* Asked when access was granted without a user. A negated line of ours (`Require not
 * apikey-team x`) granted only because nobody was known, so somebody must be; and an optional
 * credential that is there is checked. Never otherwise: `RequireAny` with `Require ip` lets an
 * address in without one. */
static int force_authn(request_rec *r)
{
    const apikey_request_t *state = apikey_request_own(r);

    if (state && state->must_authenticate) {
        return OK;
    }
    if (!apikey_conf_flag(apikey_dir_conf(r)->optional, 0)) {
        return DECLINED;
    }
    switch (apikey_request_auth(r)) {
    case APIKEY_AUTH_BEARER:
        return apikey_credential_present(r) ? OK : DECLINED;
    case APIKEY_AUTH_BASIC:
        return apikey_basic_present(r) ? OK : DECLINED;
    default:
        return DECLINED;
    }
}

void apikey_authn_register(apr_pool_t *p)
{
    (void)p;
    ap_hook_check_authn(check_authn, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_force_authn(force_authn, NULL, NULL, APR_HOOK_MIDDLE);
}
