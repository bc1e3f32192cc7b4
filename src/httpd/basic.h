/* SPDX-License-Identifier: Apache-2.0 */
/* Keys under AuthType Basic: the key is the password, the user name does not matter. */
#ifndef APIKEY_BASIC_H
#define APIKEY_BASIC_H

#include <httpd.h>
#include <stdbool.h>

/* Whether the request, or the call it belongs to, has Basic credentials. */
bool apikey_basic_present(request_rec *r);

void apikey_basic_register(apr_pool_t *p);

#endif
