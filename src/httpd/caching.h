/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps answers that depend on a credential out of shared caches. */
#ifndef APIKEY_CACHING_H
#define APIKEY_CACHING_H

#include <httpd.h>

/* Tells mod_cache not to store the answer to this request; the application may still allow it.
 */
void apikey_caching_forbid(request_rec *r);

void apikey_caching_register(apr_pool_t *p);

#endif
