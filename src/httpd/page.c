/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <apr_buckets.h>
#include <apr_tables.h>
#include <http_protocol.h>
#include <http_request.h>
#include <string.h>
#include <util_filter.h>

typedef struct {
    const char *name;
    const char *type;
    const char *etag; /* with its quotes */
    const char *data;
    apr_size_t len;
} apikey_asset_t;

#include "web_assets.h" /* assets[], made of src/web by src/web/embed.sh */

/* Nothing but our own files runs, is shown or is asked; text never becomes markup or code. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                             "img-src 'self'; connect-src 'self'; base-uri 'none'; "
                             "form-action 'none'; frame-ancestors 'none'; "
                             "require-trusted-types-for 'script'; trusted-types 'none'";

static const apikey_asset_t *find(const char *path)
{
    const char *name = *path ? path : "page.html";
    size_t i;

    for (i = 0; i < sizeof assets / sizeof *assets; i++) {
        if (strcmp(assets[i].name, name) == 0) {
            return &assets[i];
        }
    }
    return NULL;
}

/* The browser keeps a copy and asks each time whether it is still the right one, so that an
 * upgrade of the module reaches everybody at once and with all its files. */
static void set_headers(request_rec *r, const apikey_asset_t *asset)
{
    ap_set_content_type(r, asset->type);
    ap_set_content_length(r, (apr_off_t)asset->len);
    apr_table_setn(r->headers_out, "ETag", asset->etag);
    apr_table_setn(r->headers_out, "Cache-Control", "private, no-cache");
    apr_table_setn(r->headers_out, "Content-Security-Policy", policy);
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->headers_out, "Referrer-Policy", "no-referrer");
}

static int answer(request_rec *r, const apikey_asset_t *asset)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    if (!r->header_only) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_immortal_create(asset->data, asset->len, alloc));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    return ap_pass_brigade(r->output_filters, bb) == APR_SUCCESS ? OK : AP_FILTER_ERROR;
}

int apikey_page_handle(request_rec *r, const char *path)
{
    const apikey_asset_t *asset = find(path);
    int status;

    if (!asset) {
        return DECLINED;
    }
    if (r->method_number != M_GET) {
        ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, -1);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    set_headers(r, asset);
    status = ap_meets_conditions(r);
    return status == OK ? answer(r, asset) : status;
}
