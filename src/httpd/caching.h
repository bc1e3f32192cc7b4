/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps answers to a known caller out of shared caches. */
#ifndef APIKEY_CACHING_H
#define APIKEY_CACHING_H

#include <httpd.h>

void apikey_caching_register(apr_pool_t *p);

#endif
