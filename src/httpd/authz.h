/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization: the `Require apikey…` lines, from memory alone, and the 403 of a valid key. */
#ifndef APIKEY_AUTHZ_H
#define APIKEY_AUTHZ_H

#include <httpd.h>

void apikey_authz_register(apr_pool_t *p);

#endif
