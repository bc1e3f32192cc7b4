/* SPDX-License-Identifier: Apache-2.0 */
/* What is done from time to time, by one child or the other: the change feed, usage; and the
 * end of a child. */
#ifndef APIKEY_TIMER_H
#define APIKEY_TIMER_H

#include <httpd.h>

void apikey_timer_register(apr_pool_t *p);

#endif
