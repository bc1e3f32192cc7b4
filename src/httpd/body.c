/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include "workers.h"

#include <apr_buckets.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <stdbool.h>
#include <string.h>
#include <util_filter.h>

/* For all of it: a client that sends a byte now and then keeps a thread for no longer. */
enum { TIME_MS = 10 * 1000 };

void apikey_body_refuse(request_rec *r)
{
    if (ap_request_has_body(r)) {
        r->connection->keepalive = AP_CONN_CLOSE;
    }
}

/* A stream of HTTP/2 has no socket of its own; its reads end after Timeout. */
static apr_socket_t *socket_of(const request_rec *r)
{
    return r->connection->master ? NULL : ap_get_conn_socket(r->connection);
}

/* Appends what a brigade holds; `*end` where that is all. */
static int append(apikey_body_t *body, apr_bucket_brigade *brigade, bool *end)
{
    apr_bucket *b;

    for (b = APR_BRIGADE_FIRST(brigade); b != APR_BRIGADE_SENTINEL(brigade);
         b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t len;

        if (APR_BUCKET_IS_EOS(b)) {
            *end = true;
            return OK;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        if (apr_bucket_read(b, &data, &len, APR_BLOCK_READ) != APR_SUCCESS) {
            return HTTP_BAD_REQUEST;
        }
        if (len > APIKEY_BODY_MAX - body->len) {
            return HTTP_REQUEST_ENTITY_TOO_LARGE;
        }
        memcpy(body->bytes + body->len, data, len);
        body->len += len;
    }
    return OK;
}

/* Reads until the end, each time waiting for what is left of the time and for `patience` at
 * most. */
static int read_all(request_rec *r, apikey_body_t *body, apr_socket_t *socket,
                    apr_interval_time_t patience)
{
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    const int64_t deadline = apikey_steady_ms() + TIME_MS;
    bool end = false;
    int rc = OK;

    while (rc == OK && !end) {
        const apr_interval_time_t left = apr_time_from_msec(deadline - apikey_steady_ms());
        apr_status_t rv;

        if (left <= 0) {
            return HTTP_REQUEST_TIME_OUT;
        }
        if (socket) {
            apr_socket_timeout_set(socket, patience >= 0 && patience < left ? patience : left);
        }
        rv = ap_get_brigade(r->input_filters, brigade, AP_MODE_READBYTES, APR_BLOCK_READ,
                            (apr_off_t)(APIKEY_BODY_MAX - body->len) + 1);
        rc = rv == APR_SUCCESS          ? append(body, brigade, &end)
             : APR_STATUS_IS_TIMEUP(rv) ? HTTP_REQUEST_TIME_OUT
                                        : ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        apr_brigade_cleanup(brigade);
    }
    return rc;
}

int apikey_body_read(request_rec *r, apikey_body_t *body)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    apr_socket_t *socket = socket_of(r);
    apr_interval_time_t before = -1;
    apr_off_t announced = APIKEY_BODY_MAX;
    int rc;

    /* httpd has refused what is no number, and does not let both headers through. */
    if (length && apr_strtoff(&announced, length, NULL, 10) == APR_SUCCESS &&
        announced > APIKEY_BODY_MAX) {
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    }
    /* A filter may make more of it than was announced. */
    body->bytes = apr_palloc(r->pool, APIKEY_BODY_MAX + 1);
    body->len = 0;
    if (socket) {
        apr_socket_timeout_get(socket, &before);
    }
    rc = read_all(r, body, socket, before);
    if (socket) {
        apr_socket_timeout_set(socket, before);
    }
    body->bytes[body->len] = '\0';
    return rc;
}
