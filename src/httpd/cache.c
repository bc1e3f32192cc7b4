/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"

#include "board.h"

enum { UNTENDED_MS = 2000 }; /* far above what a tick is late by */

/* Whether somebody reads the change feed for this server, as far as it can be read. Nobody does
 * for a child that outlives its configuration: the server was told to stop, or started anew
 * with another database. */
static bool is_tended(const server_rec *s, int64_t now_ms)
{
    const apikey_realm_t *realm = apikey_board_realm(s);
    const int64_t due_ms = atomic_load_explicit(&realm->feed_due_ms, memory_order_relaxed);

    return apikey_server_conf(s)->refresh == 0 || due_ms == 0 ||
           now_ms - due_ms < UNTENDED_MS ||
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
