/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization: the `Require apikey…` lines, from memory alone, and the 403 of a valid key. */
#ifndef APIKEY_AUTHZ_H
#define APIKEY_AUTHZ_H

#include "request.h"

/* What to answer instead of `rc` where Require lines, asked just now, refused the valid key of
 * this request. */
int apikey_authz_refused(request_rec *r, apikey_request_t *state, int rc);

void apikey_authz_register(apr_pool_t *p);

#endif
