/* SPDX-License-Identifier: Apache-2.0 */
/* How often keys are used: counted in shared memory by requests, written to the database by
 * whoever of the children has the turn. */
#ifndef APIKEY_USAGE_H
#define APIKEY_USAGE_H

#include <httpd.h>
#include <stdbool.h>
#include <stdint.h>

/* Counts this call's use of its key, unless it has been. No query, no lock. */
void apikey_usage_count(request_rec *r, uint64_t key_id);

/* Writes what there is for a server; for a thread of workers.c. Where another process does so,
 * `insist` waits for it to end: what was counted after that process looked is written too. */
void apikey_usage_write(server_rec *s, apr_pool_t *pool, bool insist);

/* Whether it is time to write. */
bool apikey_usage_due(const server_rec *s, int64_t now_ms);

#endif
