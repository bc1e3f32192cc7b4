/* SPDX-License-Identifier: Apache-2.0 */
/* `AuthBearerProvider apikey`, for an httpd whose mod_auth_bearer answers AuthType Bearer. */
#ifndef APIKEY_TOKEN_H
#define APIKEY_TOKEN_H

#include <httpd.h>

void apikey_token_register(apr_pool_t *p);

#endif
