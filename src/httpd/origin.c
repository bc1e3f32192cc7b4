/* SPDX-License-Identifier: Apache-2.0 */
#include "origin.h"

#include <string.h>

bool apikey_origin_is_here(const request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");
    const char *host = apr_table_get(r->headers_in, "Host");

    if (site) {
        return strcmp(site, "same-origin") == 0;
    }
    if (!origin) {
        return true;
    }
    origin = strstr(origin, "://"); /* `null` has none */
    return origin && host && *host && ap_cstr_casecmp(origin + 3, host) == 0;
}

bool apikey_origin_sends_json(const request_rec *r)
{
    static const char json[] = "application/json";
    const char *type = apr_table_get(r->headers_in, "Content-Type");

    if (!type || ap_cstr_casecmpn(type, json, sizeof(json) - 1) != 0) {
        return false;
    }
    type += sizeof(json) - 1;
    type += strspn(type, " \t");
    return *type == '\0' || *type == ';';
}
