/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"

#include "check.h"
#include "config.h"
#include "credential.h"

#include <ap_provider.h>
#include <http_request.h>
#include <mod_auth.h>

/* httpd's trunk has it; a symbol of the header, so that a release that takes it over does. */
#ifdef AUTHT_PROVIDER_GROUP

/* What mod_auth_bearer makes of each: MISMATCH asks the next provider, GENERAL_ERROR is 500,
 * all others are 401. */
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
    return status_of(apikey_check(r, cred));
}

static const autht_provider provider = {check_token};

void apikey_token_register(apr_pool_t *p)
{
    ap_register_auth_provider(p, AUTHT_PROVIDER_GROUP, "apikey", AUTHT_PROVIDER_VERSION,
                              &provider, AP_AUTH_INTERNAL_PER_CONF);
}

#else

void apikey_token_register(apr_pool_t *p)
{
    (void)p;
}

#endif
