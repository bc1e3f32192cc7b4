/* SPDX-License-Identifier: Apache-2.0 */
/* The cache as a request sees it: facts under a server's terms. Everything is harmless and does
 * nothing where ApiKeyCache is Off. */
#ifndef APIKEY_CACHE_H
#define APIKEY_CACHE_H

#include "../core/facts.h"

#include <httpd.h>

apikey_fact_state_t apikey_cache_get(const server_rec *s, apikey_mac_t mac, int64_t now_ms,
                                     apikey_fact_t *fact);

/* A short fact alone (apikey_facts_get_brief()): enough where it is fresh. */
apikey_fact_state_t apikey_cache_get_brief(const server_rec *s, apikey_mac_t mac,
                                           int64_t now_ms, apikey_brief_t *brief);

/* To be taken before the SELECT whose result is put. */
uint64_t apikey_cache_sequence(void);

void apikey_cache_put(const server_rec *s, apikey_mac_t mac, const apikey_record_t *record,
                      uint64_t sequence, int64_t now_ms);

/* All that was changed until `as_of_ms` is forgotten, or cannot be (the feed is not readable),
 * or there was nothing to forget yet: facts are fresh from then on for ApiKeyRefresh and as
 * long as the next reading may take to come about. When nobody reads the feed (a reading that
 * hangs, a child that outlives its configuration, restarts one behind the other), they are
 * stale after that, until somebody does. */
void apikey_cache_tended(const server_rec *s, int64_t as_of_ms);

/* Nobody knows at the moment whether the database answers at all: for a few moments facts are
 * fresh in any case. */
void apikey_cache_doubted(const server_rec *s, int64_t now_ms);

/* Forgets a key, or everything, on this server at once: the change feed does this, and who
 * changes a key here must, after its commit. */
void apikey_cache_drop(uint64_t key_id);
void apikey_cache_flush(void);

#endif
