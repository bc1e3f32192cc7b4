/* SPDX-License-Identifier: Apache-2.0 */
#include "caching.h"

#include "request.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

static ap_filter_rec_t *filter;

/* Whether a Cache-Control header of the answer has a directive (RFC 9111 section 5.2). */
static int says(const request_rec *r, const char *directive)
{
    return ap_find_token(r->pool, apr_table_get(r->headers_out, "Cache-Control"), directive) ||
           ap_find_token(r->pool, apr_table_get(r->err_headers_out, "Cache-Control"), directive);
}

/* s-maxage has a value, which ap_find_token() takes for part of the token. */
static int says_s_maxage(const request_rec *r)
{
    const char *out = apr_table_get(r->headers_out, "Cache-Control");
    const char *err = apr_table_get(r->err_headers_out, "Cache-Control");

    return (out && ap_strcasestr(out, "s-maxage=")) || (err && ap_strcasestr(err, "s-maxage="));
}

/* RFC 9111 section 3.5: what answers an Authorization header may be stored only where the
 * application allows it. Caches do not know of keys in other headers, nor that we took the
 * header away, so it is said here: after mod_headers, before mod_cache saves. */
static apr_status_t mark_private(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;

    if (says(r, "public") || says_s_maxage(r)) {
        apr_table_unset(r->subprocess_env, "no-cache");
    }
    else if (!says(r, "private") && !says(r, "no-store")) {
        apr_table_mergen(r->headers_out, "Cache-Control", "private");
    }
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

static void insert(request_rec *r)
{
    const apikey_request_t *state = r->main ? NULL : apikey_request_judged(r);

    if (state && apikey_verdict_knows_caller(state->verdict)) {
        ap_add_output_filter_handle(filter, NULL, r, r->connection);
    }
}

void apikey_caching_register(apr_pool_t *p)
{
    (void)p;
    filter = ap_register_output_filter("APIKEY_PRIVATE", mark_private, NULL,
                                       AP_FTYPE_CONTENT_SET);
    ap_hook_insert_filter(insert, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_insert_error_filter(insert, NULL, NULL, APR_HOOK_REALLY_LAST);
}
