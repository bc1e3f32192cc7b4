/* SPDX-License-Identifier: Apache-2.0 */
/* The change feed: what has been changed in the database, by whomever, is forgotten here. */
#ifndef APIKEY_FEED_H
#define APIKEY_FEED_H

#include <httpd.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether it is time to read a server's feed, and this child's turn. */
bool apikey_feed_due(const server_rec *s, int64_t now_ms);

/* Reads it; for a thread of workers.c. False where nobody answered. What that says of look-ups,
 * which ask for other tables, is for a look-up to find out. */
bool apikey_feed_read(server_rec *s, apr_pool_t *pool);

/* The same for deleting its old rows: apart, as somebody may have locked them. */
bool apikey_feed_prune_due(const server_rec *s, int64_t now_ms);
void apikey_feed_prune(server_rec *s, apr_pool_t *pool);

#endif
