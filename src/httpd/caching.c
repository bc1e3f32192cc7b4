/* SPDX-License-Identifier: Apache-2.0 */
#include "caching.h"

#include "request.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>
#include <stdbool.h>
#include <string.h>
#include <util_filter.h>

static ap_filter_rec_t *filter;

/* What mod_cache looks for in the environment. The address tells ours from another's. */
static const char no_cache[] = "no-cache";
static const char ours[] = "1";

/* Set in post_config: without mod_cache nobody looks. */
static bool has_mod_cache;

void apikey_caching_forbid(request_rec *r)
{
    if (has_mod_cache && !apr_table_get(r->subprocess_env, no_cache)) {
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

    if (f->ctx) { /* has done its work; to take it out of the chain costs more than to pass it
                   */
        return ap_pass_brigade(f->next, bb);
    }
    f->ctx = f;
    if (!apr_table_get(r->headers_out, header) &&
        (apr_is_empty_table(r->err_headers_out) ||
         !apr_table_get(r->err_headers_out, header))) {
        apr_table_addn(r->headers_out, header, "private");
    }
    else if (says(r, "public") || says(r, "s-maxage")) {
        allow(r);
    }
    else if (!says(r, "private") && !says(r, "no-store")) {
        apr_table_mergen(r->headers_out, header, "private");
    }
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

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)pconf;
    (void)plog;
    (void)ptemp;
    (void)s;
    has_mod_cache = ap_find_linked_module("mod_cache.c") != NULL;
    return OK;
}

void apikey_caching_register(apr_pool_t *p)
{
    (void)p;
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    filter =
        ap_register_output_filter("APIKEY_PRIVATE", mark_private, NULL, AP_FTYPE_CONTENT_SET);
    ap_hook_insert_filter(insert, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_insert_error_filter(insert, NULL, NULL, APR_HOOK_REALLY_LAST);
}
