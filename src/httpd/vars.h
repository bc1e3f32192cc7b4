/* SPDX-License-Identifier: Apache-2.0 */
/* The identity as expression variables (`%{APIKEY_TEAM}`) and log items (`%{id}^AK`), both read
 * from the request's state and therefore right after any redirect. */
#ifndef APIKEY_VARS_H
#define APIKEY_VARS_H

#include <httpd.h>

void apikey_vars_register(apr_pool_t *p);

#endif
