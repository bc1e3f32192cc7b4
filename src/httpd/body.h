/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a request, read as a whole: bounded in size and in time. */
#ifndef APIKEY_BODY_H
#define APIKEY_BODY_H

#include <httpd.h>

enum { APIKEY_BODY_MAX = 64 * 1024 };

typedef struct {
    char *bytes; /* NUL-terminated, though there may be others inside */
    apr_size_t len;
} apikey_body_t;

/* Reads it into the request's pool. OK, or the status to answer: 413 over APIKEY_BODY_MAX bytes
 * (whatever LimitRequestBody says), without reading where Content-Length says so; 408 where it
 * does not come; what httpd's filters say otherwise. */
int apikey_body_read(request_rec *r, apikey_body_t *body);

/* Has httpd close the connection after this answer instead of reading the rest of a body that
 * nobody wants. */
void apikey_body_refuse(request_rec *r);

#endif
