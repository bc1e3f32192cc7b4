/* SPDX-License-Identifier: Apache-2.0 */
#include "basic.h"

#include "challenge.h"
#include "check.h"
#include "config.h"
#include "credential.h"
#include "identity.h"
#include "lookup.h"

#include <ap_provider.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_auth.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

/* The request whose password mod_auth_basic is being asked about on this thread. Others may ask
 * a provider too, and take the name that was sent for the owner's: mod_auth_form puts it into a
 * session, where it outlives the key. */
static _Thread_local const request_rec *asking;

static authn_status unavailable(request_rec *r)
{
    apikey_request_decide(r, APIKEY_UNAVAILABLE, NULL, NULL);
    apikey_identity_export(r, apikey_request_own(r));
    apikey_request_own(r)->call->checked_by_basic = true;
    return AUTH_GENERAL_ERROR; /* 500, of which check_authn makes 503 */
}

static authn_status check_password(request_rec *r, const char *user, const char *password)
{
    apikey_credential_t *cred;
    int64_t now_ms;

    (void)user;
    if (asking != r) {
        ap_log_rerror(
            APLOG_MARK, APLOG_ERR, 0, r,
            "AK0011: the provider apikey is for AuthBasicProvider alone; take another "
            "one for this login: %s",
            r->uri);
        return AUTH_DENIED;
    }
    cred = apikey_credential_from_text(r, "(Basic)", password);
    apikey_credential_examine(r, cred);
    /* What is no key, as far as we can tell, is the next provider's to judge. */
    if (cred->malformed || cred->form == APIKEY_FORM_FOREIGN) {
        if (!cred->checkable) {
            return AUTH_USER_NOT_FOUND;
        }
        if (!apikey_lookup(r, cred, &now_ms)) { /* ApiKeyForeign On */
            return unavailable(r);
        }
        if (!cred->record) {
            return AUTH_USER_NOT_FOUND;
        }
    }
    apikey_request_own(r)->call->checked_by_basic = true;
    switch (apikey_check(r, cred)) {
    case APIKEY_VALID:
        return AUTH_GRANTED;
    case APIKEY_UNAVAILABLE:
        return AUTH_GENERAL_ERROR;
    default:
        return AUTH_DENIED;
    }
}

static const authn_provider provider = {check_password, NULL};

static bool is_basic(const char *value)
{
    return value && ap_cstr_casecmpn(value, "Basic ", 6) == 0;
}

bool apikey_basic_present(request_rec *r)
{
    const apikey_call_t *call = apikey_request_call(r);

    return is_basic(apr_table_get(r->headers_in,
                                  apikey_credential_header(r, apikey_authorization))) ||
           (call && call->basic_header);
}

/* mod_auth_basic would write the sent user name to the logs. What was pasted may have something
 * before or after the key. */
static bool key_as_user_name(request_rec *r, const char *header)
{
    const char *value = apr_table_get(r->headers_in, header);
    const char *user;
    size_t len;

    if (!is_basic(value)) {
        return false;
    }
    user = ap_pbase64decode(r->pool, value + 6 + strspn(value + 6, " \t"));
    for (len = strcspn(user, ":"); len > APIKEY_RANDOM_LEN; len--, user++) {
        if (apikey_keyfmt_resembles(user, len)) {
            return true;
        }
    }
    return false;
}

/* A redirect comes when its first request has taken the header away (identity.c). */
static void restore_header(request_rec *r, const char *header)
{
    const apikey_call_t *call = apikey_request_call(r);

    if (call && call->basic_header && !apr_table_get(r->headers_in, header)) {
        apr_table_setn(r->headers_in, header, call->basic_header);
    }
}

static int check_authn(request_rec *r);

static bool is_unavailable(const request_rec *r)
{
    const apikey_request_t *state = apikey_request_own(r);
    return state && state->verdict == APIKEY_UNAVAILABLE;
}

/* Runs the hooks behind this one, mod_auth_basic's among them, until one decides. That we could
 * not tell is a decision, also where AuthBasicAuthoritative Off would have others asked. */
static int run_the_others(request_rec *r)
{
    const apr_array_header_t *hooks = ap_hook_get_check_user_id();
    const ap_LINK_check_user_id_t *hook = (const ap_LINK_check_user_id_t *)hooks->elts;
    const request_rec *before = asking;
    int rc = DECLINED;
    int i;

    for (i = 0; i < hooks->nelts && hook[i].pFunc != check_authn; i++) {
    }
    asking = r;
    for (i++; i < hooks->nelts && rc == DECLINED && !is_unavailable(r); i++) {
        rc = hook[i].pFunc(r);
    }
    asking = before;
    return rc;
}

static int check_authn(request_rec *r)
{
    const char *header = apikey_credential_header(r, apikey_authorization);
    int rc;

    if (apikey_request_auth(r) != APIKEY_AUTH_BASIC) {
        return DECLINED;
    }
    restore_header(r, header);
    if (key_as_user_name(r, header)) {
        apikey_request_decide(r, APIKEY_MALFORMED, NULL,
                              "sent as the user name of Basic, it belongs into the password");
        apikey_identity_export(r, apikey_request_own(r));
        apikey_request_own(r)->call->checked_by_basic = true;
        ap_note_auth_failure(r);
        return HTTP_UNAUTHORIZED;
    }
    rc = run_the_others(r);
    if (is_unavailable(r)) {
        r->user = NULL;
        return apikey_challenge_unavailable(r);
    }
    return rc;
}

void apikey_basic_register(apr_pool_t *p)
{
    ap_register_auth_provider(p, AUTHN_PROVIDER_GROUP, "apikey", AUTHN_PROVIDER_VERSION,
                              &provider, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authn(check_authn, NULL, NULL, APR_HOOK_REALLY_FIRST,
                        AP_AUTH_INTERNAL_PER_CONF);
}
