/* SPDX-License-Identifier: Apache-2.0 */
#include "challenge.h"

#include "body.h"
#include "config.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <string.h>

/* Seconds after which asking again makes sense: databases restart in a few. */
#define RETRY_AFTER "5"

/* The realm as the inside of a quoted-string. ap_auth_name() has escaped its quotes but no
 * other backslash, of which one at the end would leave the string open. Control characters,
 * which an expression in AuthName could bring in, would end the header. */
static const char *realm(request_rec *r)
{
    const char *name = ap_auth_name(r);
    const char *in = name ? name : "API";
    char *out = apr_palloc(r->pool, 2 * strlen(in) + 1);
    char *at = out;

    for (; *in; in++) {
        *at++ = apr_iscntrl(*in) ? ' ' : *in;
        if (*in == '\\') {
            const bool pair = in[1] == '"' || in[1] == '\\';
            *at++ = pair ? *++in : '\\';
        }
    }
    *at = '\0';
    return out;
}

/* RFC 6750 section 3. */
static void challenge(request_rec *r, const char *error, const char *scopes)
{
    const char *value =
        apr_pstrcat(r->pool, "Bearer realm=\"", realm(r), "\"", error ? ", error=\"" : "",
                    error ? error : "", error ? "\"" : "", scopes ? ", scope=\"" : "",
                    scopes ? scopes : "", scopes ? "\"" : "", NULL);

    apr_table_setn(r->err_headers_out,
                   r->proxyreq == PROXYREQ_PROXY ? "Proxy-Authenticate" : "WWW-Authenticate",
                   value);
}

/* httpd would read the body of a request that is refused before it answers, for as long as its
 * client cares to send it: whoever has no key at all could so keep threads busy. */
int apikey_challenge_unavailable(request_rec *r)
{
    apikey_body_refuse(r);
    apr_table_setn(r->err_headers_out, "Retry-After", RETRY_AFTER);
    return HTTP_SERVICE_UNAVAILABLE;
}

int apikey_challenge(request_rec *r, const apikey_request_t *state)
{
    const apikey_verdict_info_t *info = apikey_verdict_info(state->verdict);

    if (state->verdict == APIKEY_UNAVAILABLE) {
        return apikey_challenge_unavailable(r);
    }
    apikey_body_refuse(r);
    if (info->challenge) {
        challenge(r, info->error,
                  state->verdict == APIKEY_INSUFFICIENT_SCOPE
                      ? apr_array_pstrcat(r->pool, state->missing, ' ')
                      : NULL);
    }
    return info->http_status;
}

void apikey_challenge_late(request_rec *r)
{
    if (apikey_request_auth(r) == APIKEY_AUTH_BEARER) {
        challenge(r, "invalid_token", NULL);
    }
    else {
        ap_note_auth_failure(r); /* Basic's */
    }
}

/* Another module, mod_authz_core foremost, is about to answer 401. What goes with a key that
 * was judged has been said, or is yet to be (authz.c). */
static int note_auth_failure(request_rec *r, const char *auth_type)
{
    (void)auth_type;
    if (apikey_request_auth(r) != APIKEY_AUTH_BEARER) {
        return DECLINED;
    }
    if (!apikey_request_own(r) || apikey_request_own(r)->verdict == APIKEY_NO_VERDICT) {
        challenge(r, NULL, NULL);
    }
    return OK;
}

void apikey_challenge_register(apr_pool_t *p)
{
    (void)p;
    ap_hook_note_auth_failure(note_auth_failure, NULL, NULL, APR_HOOK_MIDDLE);
}
