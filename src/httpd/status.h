/* SPDX-License-Identifier: Apache-2.0 */
/* Our section of mod_status' page. */
#ifndef APIKEY_STATUS_H
#define APIKEY_STATUS_H

#include <httpd.h>

void apikey_status_register(apr_pool_t *p);

#endif
