/* SPDX-License-Identifier: Apache-2.0 */
/* Authentication: who calls. */
#ifndef APIKEY_AUTHN_H
#define APIKEY_AUTHN_H

#include <httpd.h>
#include <stdbool.h>

/* Whether the request, or the call it belongs to, has Basic credentials (basic.c). */
bool apikey_basic_present(request_rec *r);

void apikey_authn_register(apr_pool_t *p); /* AuthType Bearer, ApiKeyOptional */
void apikey_basic_register(apr_pool_t *p); /* basic.c: AuthBasicProvider apikey */

#endif
