/* SPDX-License-Identifier: Apache-2.0 */
#include "scrub.h"

#include "config.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <string.h>
#include <util_filter.h>

/* Written while the configuration is read, only read afterwards. */
static struct {
    apr_array_header_t *prefixes;           /* of const char *, of all servers */
    apr_array_header_t *credential_headers; /* of const char *, named by any ApiKeyHeader */
    /* What a header's name may be, by its first byte: most are nothing to us. */
    unsigned char may_be[256];
} known;

enum { LOOK_ALIKE = 1, CONNECTION = 2 };

static const char connection[] = "Connection";

static int fold(char c)
{
    return c == '_' ? '-' : apr_tolower(c);
}

bool apikey_scrub_covers(const char *prefix, const char *name)
{
    while (*prefix && fold(*prefix) == fold(*name)) {
        prefix++;
        name++;
    }
    return *prefix == '\0';
}

static unsigned char may_be(const char *name)
{
    return known.may_be[(unsigned char)*name];
}

static bool is_look_alike(const char *name)
{
    int i;

    if (!(may_be(name) & LOOK_ALIKE)) {
        return false;
    }
    for (i = 0; i < known.prefixes->nelts; i++) {
        if (apikey_scrub_covers(APR_ARRAY_IDX(known.prefixes, i, const char *), name)) {
            return true;
        }
    }
    return false;
}

void apikey_scrub_reset(apr_pool_t *pconf)
{
    known.prefixes = apr_array_make(pconf, 2, sizeof(const char *));
    memset(known.may_be, 0, sizeof(known.may_be));
    known.credential_headers = apr_array_make(pconf, 2, sizeof(const char *));
}

static void note_first_byte(const char *of, unsigned char what)
{
    int c;
    for (c = 0; c < 256; c++) {
        known.may_be[c] |= fold((char)c) == fold(*of) ? what : 0;
    }
}

void apikey_scrub_collect(server_rec *main_server, apr_pool_t *pconf)
{
    const server_rec *s;

    known.prefixes = apr_array_make(pconf, 2, sizeof(const char *));
    memset(known.may_be, 0, sizeof(known.may_be));
    note_first_byte(connection, CONNECTION);
    for (s = main_server; s; s = s->next) {
        const char *prefix = apikey_server_conf(s)->header_prefix;
        /* Every header of every request is compared with each: once is enough. */
        if (!is_look_alike(prefix)) {
            APR_ARRAY_PUSH(known.prefixes, const char *) = prefix;
            note_first_byte(prefix, LOOK_ALIKE);
        }
    }
}

bool apikey_scrub_allows_header(cmd_parms *cmd, const char *name)
{
    if (cmd->pool == cmd->temp_pool) { /* .htaccess, read while serving */
        return !is_look_alike(name);
    }
    APR_ARRAY_PUSH(known.credential_headers, const char *) = apr_pstrdup(cmd->pool, name);
    return true;
}

const char *apikey_scrub_conflict(void)
{
    int i;
    for (i = 0; i < known.credential_headers->nelts; i++) {
        const char *name = APR_ARRAY_IDX(known.credential_headers, i, const char *);
        if (is_look_alike(name)) {
            return name;
        }
    }
    return NULL;
}

const char *apikey_scrub_prefix_refused(const char *prefix)
{
    static const char *const others[] = {
        "Accept-Encoding",     "Access-Control-Request-Method",
        "Cache-Control",       "Content-Length",
        "If-Modified-Since",   "Max-Forwards",
        "Proxy-Authorization", "Sec-Fetch-Site",
        "Transfer-Encoding",   "User-Agent",
        "X-Forwarded-For",     "X-Requested-With",
    };
    const size_t len = strlen(prefix);
    size_t i;

    if (len < 4 || prefix[len - 1] != '-') {
        return "must have at least four characters and end in '-'";
    }
    if (strspn(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") !=
        len) {
        return "may hold letters, digits and '-' only";
    }
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (apikey_scrub_covers(prefix, others[i])) {
            return "would remove headers that have another meaning; take one of your own, "
                   "X-ApiKey- for example";
        }
    }
    return NULL;
}

/* A header named in Connection is not forwarded by mod_proxy (RFC 9110 section 7.6.1): a client
 * could so drop what we are going to say, `Owner-Type: team` for example. */
static void drop_connection_options(request_rec *r)
{
    static const char between[] = ",; \t";
    const char *rest = apr_table_get(r->headers_in, connection);
    const char *kept = NULL;
    bool dropped = false;

    while (rest && *(rest += strspn(rest, between))) {
        const char *option = apr_pstrmemdup(r->pool, rest, strcspn(rest, between));
        if (is_look_alike(option)) {
            dropped = true;
        }
        else {
            kept = kept ? apr_pstrcat(r->pool, kept, ", ", option, NULL) : option;
        }
        rest += strlen(option);
    }
    if (dropped && kept) {
        apr_table_setn(r->headers_in, connection, kept);
    }
    else if (dropped) {
        apr_table_unset(r->headers_in, connection);
    }
}

void apikey_scrub(request_rec *r)
{
    const apr_array_header_t *headers = apr_table_elts(r->headers_in);
    const apr_table_entry_t *header = (const apr_table_entry_t *)(void *)headers->elts;
    const apr_table_entry_t *end = header + headers->nelts;
    bool has_connection = false;

    while (header < end) {
        const char *name = (header++)->key;

        if (may_be(name) == 0) {
            continue;
        }
        if (is_look_alike(name)) {
            apr_table_unset(r->headers_in, name);
            header -= 1; /* the entries behind it have moved */
            end = (const apr_table_entry_t *)(void *)headers->elts + headers->nelts;
        }
        else if (may_be(name) & CONNECTION) {
            has_connection = has_connection || ap_cstr_casecmp(name, connection) == 0;
        }
    }
    if (has_connection) {
        drop_connection_options(r);
    }
}

/* With `MergeTrailers On` headers arrive behind the body too, and some programs get theirs only
 * then (a chunked body is read before FastCGI is told anything): what is there by then stays.
 */
static apr_status_t guard_headers(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                                  apr_read_type_e block, apr_off_t bytes)
{
    request_rec *r = f->r;
    apr_table_t *kept = f->ctx;
    const apr_array_header_t *headers = apr_table_elts(r->headers_in);
    apr_status_t rv;
    int i;

    apr_table_clear(kept);
    for (i = 0; i < headers->nelts; i++) {
        const apr_table_entry_t *header = &APR_ARRAY_IDX(headers, i, apr_table_entry_t);
        if (is_look_alike(header->key)) {
            apr_table_addn(kept, header->key, header->val);
        }
    }
    rv = ap_get_brigade(f->next, bb, mode, block, bytes);
    apikey_scrub(r);
    apr_table_overlap(r->headers_in, kept, APR_OVERLAP_TABLES_SET);
    return rv;
}

static ap_filter_rec_t *guard;

static int post_read_request(request_rec *r)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);

    apikey_scrub(r);
    if (core->merge_trailers == AP_MERGE_TRAILERS_ENABLE) {
        ap_add_input_filter_handle(guard, apr_table_make(r->pool, 8), r, r->connection);
    }
    return DECLINED;
}

void apikey_scrub_register(apr_pool_t *p)
{
    (void)p;
    guard =
        ap_register_input_filter("APIKEY_TRAILERS", guard_headers, NULL, AP_FTYPE_PROTOCOL - 1);
    ap_hook_post_read_request(post_read_request, NULL, NULL, APR_HOOK_REALLY_FIRST);
}
