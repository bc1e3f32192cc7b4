/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"

#include "board.h"

static apikey_fact_terms_t terms_of(const server_rec *s)
{
    const apikey_server_conf_t *conf = apikey_server_conf(s);
    const apikey_fact_terms_t terms = {conf->ttl, conf->negative_ttl, conf->stale};
    return terms;
}

apikey_mac_t apikey_cache_mac(const server_rec *s, const char *text, size_t len)
{
    return apikey_mac(apikey_board()->key, text, len, apikey_board_realm_id(s));
}

apikey_fact_state_t apikey_cache_get(const server_rec *s, apikey_mac_t mac, int64_t now_ms,
                                     apikey_fact_t *fact)
{
    const apikey_facts_t *facts = apikey_board_facts();
    const apikey_fact_terms_t terms = terms_of(s);

    return facts ? apikey_facts_get(facts, mac, &terms, now_ms, fact) : APIKEY_FACT_UNKNOWN;
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
    const apikey_fact_terms_t terms = terms_of(s);

    if (facts) {
        apikey_facts_put(facts, mac, record, sequence, now_ms, &terms);
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
