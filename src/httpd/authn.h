/* SPDX-License-Identifier: Apache-2.0 */
/* AuthType Bearer, and when somebody must be known though access was granted. */
#ifndef APIKEY_AUTHN_H
#define APIKEY_AUTHN_H

#include <httpd.h>

void apikey_authn_register(apr_pool_t *p);

#endif
