/* SPDX-License-Identifier: Apache-2.0 */
#include "caching.h"

#include "request.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <http_request.h>
#include <stdbool.h>
#include <string.h>
#include <util_filter.h>

static ap_filter_rec_t *filter;

/* What mod_cache looks for in the environment. The address tells ours from another's. */
static const char no_cache[] = "no-cache";
static const char ours[] = "1";

void apikey_caching_forbid(request_rec *r)
{
    if (!apr_table_get(r->subprocess_env, no_cache)) {
        apr_table_addn(r->subprocess_env, no_cache, ours);
    }
}

static void allow(request_rec *r)
{
    if (apr_table_get(r->subprocess_env, no_cache) == ours) {
        apr_table_unset(r->subprocess_env, no_cache);
    }
}

/* What follows a directive of Cache-Control, a comma inside a quoted string apart. */
static const char *after_directive(const char *at)
{
    bool quoted = false;

    for (; *at && (quoted || *at != ','); at++) {
        quoted ^= *at == '"';
        at += quoted && at[0] == '\\' && at[1];
    }
    return at;
}

static bool has_directive(const char *value, const char *name)
{
    const size_t len = strlen(name);

    while (value && *(value += strspn(value, ", \t"))) {
        if (strcspn(value, "=, \t") == len && ap_cstr_casecmpn(value, name, len) == 0) {
            return true;
        }
        value = after_directive(value);
    }
    return false;
}

static const char header[] = "Cache-Control";

/* Whether the answer's Cache-Control, in one header or several, has a directive (RFC 9111
 * section 5.2). */
static bool says(const request_rec *r, const char *directive)
{
    return has_directive(apr_table_getm(r->pool, r->headers_out, header), directive) ||
           has_directive(apr_table_getm(r->pool, r->err_headers_out, header), directive);
}

/* RFC 9111 section 3.5: what answers an Authorization header may be stored only where the
 * application allows it. Caches do not know of keys in other headers, nor that we took the
 * header away, so it is said here: after mod_headers, before mod_cache saves. */
static apr_status_t mark_private(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;

    if (!apr_table_get(r->headers_out, header) && !apr_table_get(r->err_headers_out, header)) {
        apr_table_addn(r->headers_out, header, "private");
    }
    else if (says(r, "public") || says(r, "s-maxage")) {
        allow(r);
    }
    else if (!says(r, "private") && !says(r, "no-store")) {
        apr_table_mergen(r->headers_out, header, "private");
    }
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

/* An open page is about to include an answer to a known caller. Its headers are on their way,
 * and mod_cache has perhaps begun to store it: without its filter it never finishes. */
static void forget_page(request_rec *page)
{
    ap_filter_t *f;
    ap_filter_t *next;

    for (f = page->output_filters; f && f->r == page; f = next) {
        next = f->next;
        if (ap_cstr_casecmpn(f->frec->name, "cache_save", 10) == 0) {
            ap_remove_output_filter(f);
        }
    }
}

static void insert(request_rec *r)
{
    const apikey_request_t *state = apikey_request_judged(r);

    if (!state || !apikey_verdict_knows_caller(state->verdict)) {
        return;
    }
    if (!r->main) {
        ap_add_output_filter_handle(filter, NULL, r, r->connection);
    }
    for (r = r->main; r; r = r->main) {
        forget_page(r);
    }
}

void apikey_caching_register(apr_pool_t *p)
{
    (void)p;
    filter =
        ap_register_output_filter("APIKEY_PRIVATE", mark_private, NULL, AP_FTYPE_CONTENT_SET);
    ap_hook_insert_filter(insert, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_insert_error_filter(insert, NULL, NULL, APR_HOOK_REALLY_LAST);
}
