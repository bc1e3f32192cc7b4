/* SPDX-License-Identifier: Apache-2.0 */
/* The change feed: what has been changed in the database, by whomever, is forgotten here. */
#ifndef APIKEY_FEED_H
#define APIKEY_FEED_H

#include <httpd.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether it is time to read a server's feed, and this child's turn. */
bool apikey_feed_due(const server_rec *s, int64_t now_ms);

/* Reads it; for a thread of workers.c. */
void apikey_feed_read(server_rec *s, apr_pool_t *pool);

#endif
