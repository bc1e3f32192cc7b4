/* SPDX-License-Identifier: Apache-2.0 */
/* What the database knows of a credential. */
#ifndef APIKEY_LOOKUP_H
#define APIKEY_LOOKUP_H

#include "request.h"

#include <httpd.h>

/* Fills in `cred->record`, asking the database unless this call has done so. False where the
 * database could not be asked, which is logged; that is not the same as "no such key". */
bool apikey_lookup(request_rec *r, apikey_credential_t *cred);

/* Asks about a key that nobody has, for the circuit breaker's sake; for a thread of workers.c.
 */
void apikey_lookup_probe(server_rec *s, apr_pool_t *pool);

#endif
