/* SPDX-License-Identifier: Apache-2.0 */
/* What the database knows of a credential. */
#ifndef APIKEY_LOOKUP_H
#define APIKEY_LOOKUP_H

#include "request.h"

#include <httpd.h>

/* Fills in `cred->record`, asking the database unless memory knows, this call has asked before,
 * or there can be no such key: then the credential was examined. `*now_ms` is the time to judge
 * the record by. False where the database could not be asked, which is logged; that is not the
 * same as "no such key". */
bool apikey_lookup(request_rec *r, apikey_credential_t *cred, int64_t *now_ms);

/* For a child that ends: gives back what is kept to be used again. Nobody may ask after it. */
void apikey_lookup_end(void);

/* Asks about a key that nobody has, for the circuit breaker's sake; for a thread of workers.c.
 */
void apikey_lookup_probe(server_rec *s, apr_pool_t *pool);

#endif
