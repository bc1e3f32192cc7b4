/* SPDX-License-Identifier: Apache-2.0 */
/* From request headers to one credential. The only place that reads a key's text, which becomes
 * a mac and digests here and goes no further. */
#ifndef APIKEY_CREDENTIAL_H
#define APIKEY_CREDENTIAL_H

#include "request.h"

#include <httpd.h>

/* The header that a configured name means here: behind a forward proxy `Authorization` is
 * `Proxy-Authorization`. */
const char *apikey_credential_header(const request_rec *r, const char *name);

/* Whether `value` of a header of this name is, or tries to be, an API key: anything in a header
 * of one's own, the Bearer scheme in (Proxy-)Authorization, also behind another one's. */
bool apikey_credential_is(const char *name, const char *value);

/* The credential of this request, from the headers that ApiKeyHeader names, or as this call saw
 * it before its header was taken away. NULL where there is none; malformed where there is more
 * than one. */
apikey_credential_t *apikey_credential_get(request_rec *r);

/* Says what a credential is by its text alone: malformed, of what form, and whether there can
 * be such a key. What memory knows was looked at like this when the database was asked about
 * it, and need not be again. */
void apikey_credential_examine(const request_rec *r, apikey_credential_t *cred);

/* Examines a credential and makes the digests of a checkable one from its text, which is
 * forgotten then: what a redirect may yet have to be asked about must not need its text.
 * Whether there are any; what libcrypto cannot do is logged. */
bool apikey_credential_digest(const request_rec *r, apikey_credential_t *cred);

/* A credential of a key that did not come in a header of its own (Basic's password). */
apikey_credential_t *apikey_credential_from_text(request_rec *r, const char *header,
                                                 const char *text);

/* Whether there is anything to judge, without judging it. */
bool apikey_credential_present(request_rec *r);

#endif
