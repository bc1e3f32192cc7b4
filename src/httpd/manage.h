/* SPDX-License-Identifier: Apache-2.0 */
/* The handler of the management API (SetHandler apikey-manage): routes, the rules every request
 * is held to, answers. */
#ifndef APIKEY_MANAGE_H
#define APIKEY_MANAGE_H

#include <httpd.h>

void apikey_manage_register(apr_pool_t *p);

#endif
