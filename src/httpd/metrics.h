/* SPDX-License-Identifier: Apache-2.0 */
/* What those who watch the server get to know: figures, in Prometheus' text format where
 * `SetHandler apikey-metrics` stands, and in mod_status. No owner and no key is in them. */
#ifndef APIKEY_METRICS_H
#define APIKEY_METRICS_H

#include "board.h"

#include <httpd.h>

/* Of one realm in use. */
typedef struct {
    int place; /* its number */
    bool open; /* the breaker: the database is not asked */
    bool has_feed;
    int64_t feed_lag_ms; /* how old what is known of the database may be */
    uint64_t usage_backlog;
} apikey_realm_figures_t;

typedef struct {
    apikey_meter_totals_t counted;
    uint64_t hits, absent_hits, stale_hits, misses;
    bool has_cache;
    uint64_t entries, capacity, evictions, invalidations;
    int realms;
    apikey_realm_figures_t realm[APIKEY_REALMS];
} apikey_figures_t;

/* Collects all figures. Takes no lock; reads every bucket of the cache (up to some number) and
 * every counter of use: a few milliseconds. */
void apikey_metrics_gather(apikey_figures_t *figures);

/* All requests judged so far with a verdict. */
uint64_t apikey_metrics_requests(const apikey_figures_t *figures, apikey_verdict_t verdict);

#endif
