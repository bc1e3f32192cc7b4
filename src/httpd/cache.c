/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"

#include "board.h"

enum {
    LATE_MS = 2000,   /* far above what a reading is late by, also in a graceful restart */
    CLOCKS_MS = 1000, /* that a time may lie ahead, as another process has read the clock */
    DOUBT_MS = 300    /* a few ticks of who doubts */
};

static bool is_open_or_doubted(const apikey_realm_t *realm, int64_t now_ms)
{
    const int64_t doubted_ms = atomic_load_explicit(&realm->doubted_ms, memory_order_relaxed);

    return atomic_load_explicit(&realm->open_since_ms, memory_order_relaxed) != 0 ||
           (now_ms - doubted_ms < DOUBT_MS && doubted_ms - now_ms < CLOCKS_MS);
}

/* Whether the change feed is read for this server, as far as it can be. */
static inline bool is_tended(const server_rec *s, int64_t now_ms)
{
    const apikey_realm_t *realm = apikey_board_realm(s);
    const int64_t refresh = apikey_server_conf(s)->refresh;
    const int64_t age = now_ms - atomic_load_explicit(&realm->tended_ms, memory_order_relaxed);

    return (age < refresh + LATE_MS && age > -CLOCKS_MS) || refresh == 0 ||
           is_open_or_doubted(realm, now_ms);
}

static inline apikey_fact_state_t as_tended(const server_rec *s, int64_t now_ms,
                                            apikey_fact_state_t state)
{
    return state == APIKEY_FACT_FRESH && !is_tended(s, now_ms) ? APIKEY_FACT_STALE : state;
}

apikey_fact_state_t apikey_cache_get(const server_rec *s, apikey_mac_t mac, int64_t now_ms,
                                     apikey_fact_t *fact)
{
    const apikey_facts_t *facts = apikey_board_facts();
    const apikey_fact_terms_t *terms = &apikey_server_conf(s)->terms;

    return facts ? as_tended(s, now_ms, apikey_facts_get(facts, mac, terms, now_ms, fact))
                 : APIKEY_FACT_UNKNOWN;
}

apikey_fact_state_t apikey_cache_get_brief(const server_rec *s, apikey_mac_t mac,
                                           int64_t now_ms, apikey_brief_t *brief)
{
    const apikey_facts_t *facts = apikey_board_facts();
    const apikey_fact_terms_t *terms = &apikey_server_conf(s)->terms;

    return facts
               ? as_tended(s, now_ms, apikey_facts_get_brief(facts, mac, terms, now_ms, brief))
               : APIKEY_FACT_UNKNOWN;
}

uint64_t apikey_cache_sequence(void)
{
    const apikey_facts_t *facts = apikey_board_facts();
    return facts ? apikey_facts_sequence(facts) : 0;
}

void apikey_cache_put(const server_rec *s, apikey_mac_t mac, const apikey_record_t *record,
                      uint64_t sequence, int64_t now_ms)
{
    const apikey_facts_t *facts = apikey_board_facts();

    if (facts) {
        apikey_facts_put(facts, mac, record, sequence, now_ms, &apikey_server_conf(s)->terms);
    }
}

void apikey_cache_tended(const server_rec *s, int64_t as_of_ms)
{
    atomic_store_explicit(&apikey_board_realm(s)->tended_ms, as_of_ms, memory_order_relaxed);
}

void apikey_cache_doubted(const server_rec *s, int64_t now_ms)
{
    atomic_store_explicit(&apikey_board_realm(s)->doubted_ms, now_ms, memory_order_relaxed);
}

void apikey_cache_drop(uint64_t key_id)
{
    const apikey_facts_t *facts = apikey_board_facts();
    if (facts) {
        apikey_facts_drop(facts, key_id);
    }
}

void apikey_cache_flush(void)
{
    const apikey_facts_t *facts = apikey_board_facts();
    if (facts) {
        apikey_facts_flush(facts);
    }
}
