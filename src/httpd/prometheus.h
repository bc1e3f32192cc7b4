/* SPDX-License-Identifier: Apache-2.0 */
/* `SetHandler apikey-metrics`. */
#ifndef APIKEY_PROMETHEUS_H
#define APIKEY_PROMETHEUS_H

#include <httpd.h>

void apikey_prometheus_register(apr_pool_t *p);

#endif
