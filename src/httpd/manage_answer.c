/* SPDX-License-Identifier: Apache-2.0 */
#include "manage_answer.h"

#include "body.h"
#include "challenge.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* Nothing of an answer is to be stored, taken for a page, framed, or read by another site. */
static void set_headers(request_rec *r)
{
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   "default-src 'none'; frame-ancestors 'none'");
    apr_table_setn(r->headers_out, "Cross-Origin-Resource-Policy", "same-origin");
    ap_set_content_type(r, "application/json");
}

/* Sends JSON with a status. It is not left to httpd's ErrorDocument to answer. */
static int send_json(request_rec *r, int status, const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    const size_t len = text ? strlen(text) : 0;
    int sent;

    if (!text) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    set_headers(r);
    if (status >= 400) {
        apikey_body_refuse(r);
    }
    r->status = status;
    ap_set_content_length(r, (apr_off_t)len);
    sent = ap_rwrite(text, (int)len, r);
    OPENSSL_cleanse(text, len); /* it may have a new secret */
    free(text);
    return sent < 0 ? AP_FILTER_ERROR : OK;
}

static int send_error(request_rec *r, apikey_error_t error, const char *text, json_t *details)
{
    const apikey_error_info_t *info = apikey_error_info(error);
    json_t *json = json_pack("{s:s, s:s, s:O*}", "code", info->code, "error",
                             text ? text : info->text, "details", details);
    int rc;

    apr_table_setn(r->headers_out, "x-stack-known-error", info->code);
    if (info->status == HTTP_SERVICE_UNAVAILABLE) {
        apikey_challenge_unavailable(r);
    }
    rc = send_json(r, info->status, json);
    json_decref(json);
    return rc;
}

int apikey_answer(request_rec *r, const apikey_operation_t *op)
{
    if (op->error == APIKEY_ERROR_NO_USER && op->key) {
        apikey_challenge_late(r);
    }
    return op->error == APIKEY_ERROR_NONE ? send_json(r, HTTP_OK, op->answer)
                                          : send_error(r, op->error, op->text, op->details);
}

int apikey_answer_error(request_rec *r, apikey_error_t error)
{
    return send_error(r, error, NULL, NULL);
}
