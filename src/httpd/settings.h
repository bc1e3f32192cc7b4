/* SPDX-License-Identifier: Apache-2.0 */
/* What SQL and apikeyctl mint by (api_key_settings), compared once with what is configured
 * here. */
#ifndef APIKEY_SETTINGS_H
#define APIKEY_SETTINGS_H

#include <httpd.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether a server's settings are still to be compared, and it is this caller's turn. Never
 * where no feed is read: with ApiKeyRefresh or ApiKeyCache Off nothing asks but requests. */
bool apikey_settings_due(const server_rec *s, int64_t now_ms);

/* Reads them and logs what differs; for a thread of workers.c. */
void apikey_settings_check(server_rec *s, apr_pool_t *pool);

#endif
