/* SPDX-License-Identifier: Apache-2.0 */
/* From a verdict to the answer: status, WWW-Authenticate, Retry-After. */
#ifndef APIKEY_CHALLENGE_H
#define APIKEY_CHALLENGE_H

#include "request.h"

#include <httpd.h>

/* Sets the headers of a refusal and returns its HTTP status. Not for a valid key. */
int apikey_challenge(request_rec *r, const apikey_request_t *state);

/* Only what "unavailable" is answered with, whatever the AuthType: 503 and Retry-After. */
int apikey_challenge_unavailable(request_rec *r);

/* Sets the header of a 401 for a key that was valid when the request was judged. */
void apikey_challenge_late(request_rec *r);

void apikey_challenge_register(apr_pool_t *p);

#endif
