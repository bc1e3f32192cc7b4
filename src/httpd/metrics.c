/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include "breaker.h"
#include "config.h"
#include "workers.h"

#include <http_main.h>
#include <string.h>

/* Of what servers that share a realm want, any is enough. */
static apikey_realm_figures_t *realm_of(apikey_figures_t *figures, const server_rec *s)
{
    const int place = apikey_server_conf(s)->realm;
    int i;

    for (i = 0; i < figures->realms && figures->realm[i].place != place; i++) {
    }
    if (i == figures->realms) {
        figures->realms++;
        figures->realm[i].place = place;
    }
    return &figures->realm[i];
}

static void gather_realms(apikey_figures_t *figures, int64_t now_ms)
{
    uint64_t backlog[APIKEY_REALMS] = {0};
    const server_rec *s;

    _Static_assert((int)APIKEY_REALMS == (int)APIKEY_TALLY_REALMS, "one number for both");
    apikey_tally_backlog(apikey_board_tally(), backlog);
    for (s = ap_server_conf; s; s = s->next) {
        apikey_realm_figures_t *realm = realm_of(figures, s);
        const int64_t read_ms = atomic_load(&apikey_board_realm(s)->feed_read_ms);

        realm->open = apikey_breaker_is_open(s);
        realm->usage_backlog = backlog[realm->place];
        if (apikey_server_conf(s)->refresh && figures->has_cache && read_ms) {
            realm->has_feed = true;
            realm->feed_lag_ms = now_ms > read_ms ? now_ms - read_ms : 0;
        }
    }
}

static void gather_cache(apikey_figures_t *figures)
{
    const apikey_facts_t *facts = apikey_board_facts();
    const apikey_meter_totals_t *counted = &figures->counted;
    int i;

    for (i = 0; i < APIKEY_VERDICT_COUNT; i++) {
        figures->hits += counted->checks[i][APIKEY_LEARNED_HIT];
        figures->absent_hits += counted->checks[i][APIKEY_LEARNED_ABSENT];
        figures->stale_hits += counted->checks[i][APIKEY_LEARNED_STALE];
        figures->misses += counted->checks[i][APIKEY_LEARNED_ASKED] +
                           counted->checks[i][APIKEY_LEARNED_FAILED];
    }
    figures->has_cache = facts != NULL;
    if (facts) {
        figures->entries = apikey_facts_entries(facts);
        figures->capacity = apikey_facts_slots(facts);
        figures->evictions = apikey_facts_evictions(facts);
        figures->invalidations = apikey_facts_sequence(facts);
    }
}

void apikey_metrics_gather(apikey_figures_t *figures)
{
    memset(figures, 0, sizeof(*figures));
    apikey_meter_read(apikey_board_meter(), &figures->counted);
    gather_cache(figures);
    gather_realms(figures, apikey_now_ms());
}

uint64_t apikey_metrics_requests(const apikey_figures_t *figures, apikey_verdict_t verdict)
{
    uint64_t total = 0;
    int i;

    for (i = 0; i < APIKEY_LEARNED_COUNT; i++) {
        total += figures->counted.checks[verdict][i];
    }
    return total;
}
