/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"

#include "board.h"

enum { LATE_MS = 2000 }; /* far above what a reading is late by, also in a graceful restart */

/* Whether the change feed is read for this server, as far as it can be. */
static bool is_tended(const server_rec *s, int64_t now_ms)
{
    const apikey_realm_t *realm = apikey_board_realm(s);

    return apikey_server_conf(s)->refresh == 0 ||
           now_ms < atomic_load_explicit(&realm->tended_until_ms, memory_order_relaxed) ||
           atomic_load_explicit(&realm->open_since_ms, memory_order_relaxed) != 0;
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

void apikey_cache_tended(const server_rec *s, int64_t since_ms, int64_t took_ms)
{
    atomic_store_explicit(&apikey_board_realm(s)->tended_until_ms,
                          since_ms + apikey_server_conf(s)->refresh +
                              (took_ms > 0 ? took_ms : 0) + LATE_MS,
                          memory_order_relaxed);
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
