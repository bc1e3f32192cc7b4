/* SPDX-License-Identifier: Apache-2.0 */
#include "facts.h"

#include <stdatomic.h>
#include <string.h>

enum {
    LINE = 64, /* of the processor's cache: tables begin at one */
    DROPS = 65536,
    ABSENT_WORDS = 1
};

struct apikey_facts_header_t {
    _Alignas(LINE) _Atomic uint64_t sequence;
    _Atomic uint64_t flushed; /* facts below this number are worth nothing */
    _Atomic uint64_t evictions;
    _Alignas(LINE) char end[1];
};

/* The payload of a fact. */
enum { ID, EXPIRES, SEQUENCE, SHAPE, TEXT };

/* What comes before the tables; a block may begin anywhere in a line. */
static const size_t fixed_size =
    LINE - 1 + sizeof(struct apikey_facts_header_t) + DROPS * sizeof(uint64_t);

typedef struct {
    size_t brief, lengthy, absent;
} shares_t;

static shares_t shares(size_t size)
{
    shares_t s = {0, 0, 0};

    if (size > fixed_size) {
        s.lengthy = (size - fixed_size) / 16 / LINE * LINE;
        s.absent = (size - fixed_size) / 32 / LINE * LINE;
        s.brief = (size - fixed_size - s.lengthy - s.absent) / LINE * LINE;
    }
    return s;
}

size_t apikey_facts_min_size(void)
{
    return fixed_size + (size_t)512 * 1024;
}

uint64_t apikey_facts_capacity(size_t size)
{
    return apikey_table_slots(shares(size).brief, APIKEY_BRIEF_WORDS);
}

bool apikey_facts_map(apikey_facts_t *facts, void *memory, size_t size)
{
    const shares_t s = shares(size);
    unsigned char *at = (unsigned char *)memory + (-(uintptr_t)memory & (LINE - 1));

    if (size < apikey_facts_min_size()) {
        return false;
    }
    facts->header = (struct apikey_facts_header_t *)(void *)at;
    at += sizeof(struct apikey_facts_header_t);
    facts->drops = (_Atomic uint64_t *)(void *)at;
    at += DROPS * sizeof(uint64_t);
    return apikey_table_map(&facts->brief, at, s.brief, APIKEY_BRIEF_WORDS) &&
           apikey_table_map(&facts->lengthy, at + s.brief, s.lengthy, APIKEY_FACT_WORDS) &&
           apikey_table_map(&facts->absent, at + s.brief + s.lengthy, s.absent, ABSENT_WORDS);
}

static _Atomic uint64_t *drop_of(const apikey_facts_t *facts, uint64_t key_id)
{
    const uint64_t place = (key_id * UINT64_C(0x9e3779b97f4a7c15)) >> 48;
    return &facts->drops[place % DROPS];
}

static bool flushed(const apikey_facts_t *facts, uint64_t sequence)
{
    return sequence < atomic_load_explicit(&facts->header->flushed, memory_order_acquire);
}

static bool dropped(const apikey_facts_t *facts, uint64_t key_id, uint64_t sequence)
{
    return flushed(facts, sequence) ||
           sequence < atomic_load_explicit(drop_of(facts, key_id), memory_order_acquire);
}

static apikey_fact_state_t age_state(int64_t age, int64_t ttl, int64_t stale)
{
    if (age < 0) { /* the clock was set back: nobody knows how old this is */
        return APIKEY_FACT_UNKNOWN;
    }
    return age < ttl           ? APIKEY_FACT_FRESH
           : age - ttl < stale ? APIKEY_FACT_STALE
                               : APIKEY_FACT_UNKNOWN;
}

/* Turns a payload into a record; false where it does not add up. */
static bool unpack(apikey_record_t *record, const uint64_t *words, unsigned int count)
{
    const uint64_t shape = words[SHAPE];
    const size_t owner_len = shape & 0xffff;
    const size_t scopes_len = (shape >> 16) & 0xffff;
    const char *text = (const char *)&words[TEXT];

    if (count < TEXT || owner_len + scopes_len + 2 > (count - TEXT) * sizeof(uint64_t)) {
        return false;
    }
    record->id = words[ID];
    record->expires_ms = (int64_t)words[EXPIRES];
    record->owner_type = (apikey_owner_t)((shape >> 32) & 0xff);
    record->revoked = (shape >> 40) & 1;
    record->plain = (shape >> 41) & 1;
    record->unusable = NULL;
    record->owner = text;
    record->scopes = text + owner_len + 1;
    return text[owner_len] == '\0' && text[owner_len + 1 + scopes_len] == '\0';
}

static inline apikey_fact_state_t find_fact(const apikey_facts_t *facts,
                                            const apikey_table_t *table, apikey_mac_t mac,
                                            const apikey_fact_terms_t *terms, int64_t now_ms,
                                            apikey_record_t *record, uint64_t *words)
{
    int64_t put_ms;
    const unsigned int count = apikey_table_get(table, mac, words, &put_ms);

    if (!count || !unpack(record, words, count) ||
        dropped(facts, record->id, words[SEQUENCE])) {
        return APIKEY_FACT_UNKNOWN;
    }
    return age_state(now_ms - put_ms, terms->ttl, terms->stale);
}

apikey_fact_state_t apikey_facts_get_brief(const apikey_facts_t *facts, apikey_mac_t mac,
                                           const apikey_fact_terms_t *terms, int64_t now_ms,
                                           apikey_brief_t *brief)
{
    return find_fact(facts, &facts->brief, mac, terms, now_ms, &brief->record, brief->words);
}

static apikey_fact_state_t find_absent(const apikey_facts_t *facts, apikey_mac_t mac,
                                       const apikey_fact_terms_t *terms, int64_t now_ms)
{
    uint64_t sequence[ABSENT_WORDS];
    int64_t put_ms;

    if (!apikey_table_get(&facts->absent, mac, sequence, &put_ms) ||
        flushed(facts, sequence[0])) {
        return APIKEY_FACT_UNKNOWN;
    }
    return age_state(now_ms - put_ms, terms->negative_ttl, 0) == APIKEY_FACT_FRESH
               ? APIKEY_FACT_ABSENT
               : APIKEY_FACT_UNKNOWN;
}

apikey_fact_state_t apikey_facts_get(const apikey_facts_t *facts, apikey_mac_t mac,
                                     const apikey_fact_terms_t *terms, int64_t now_ms,
                                     apikey_fact_t *fact)
{
    apikey_record_t *record = &fact->record;
    apikey_fact_state_t state =
        find_fact(facts, &facts->brief, mac, terms, now_ms, record, fact->words);

    if (state == APIKEY_FACT_UNKNOWN) {
        state = find_fact(facts, &facts->lengthy, mac, terms, now_ms, record, fact->words);
    }
    return state != APIKEY_FACT_UNKNOWN ? state : find_absent(facts, mac, terms, now_ms);
}

uint64_t apikey_facts_sequence(const apikey_facts_t *facts)
{
    return atomic_load_explicit(&facts->header->sequence, memory_order_acquire);
}

static unsigned int pack(uint64_t *words, const apikey_record_t *record, uint64_t sequence)
{
    const size_t owner_len = strlen(record->owner);
    const size_t scopes_len = strlen(record->scopes);
    const size_t bytes = owner_len + scopes_len + 2;
    const size_t text_words = (bytes + 7) / 8;
    char *text = (char *)&words[TEXT];

    if (owner_len > APIKEY_OWNER_MAX || scopes_len > APIKEY_SCOPES_MAX) {
        return 0;
    }
    words[ID] = record->id;
    words[EXPIRES] = (uint64_t)record->expires_ms;
    words[SEQUENCE] = sequence;
    words[SHAPE] = owner_len | (uint64_t)scopes_len << 16 | (uint64_t)record->owner_type << 32 |
                   (uint64_t)record->revoked << 40 | (uint64_t)record->plain << 41;
    words[TEXT + text_words - 1] = 0;
    memcpy(text, record->owner, owner_len + 1);
    memcpy(text + owner_len + 1, record->scopes, scopes_len + 1);
    return (unsigned int)(TEXT + text_words);
}

/* Puts a payload into one table and takes the mac out of the others, in this order: of two who
 * put the same mac at once both may lose what they put, but nothing older is left. NULL puts
 * nothing. */
static void replace(const apikey_facts_t *facts, const apikey_table_t *into, apikey_mac_t mac,
                    const uint64_t *words, unsigned int count, int64_t now_ms, int64_t good_ms)
{
    const apikey_table_t *tables[] = {&facts->brief, &facts->lengthy, &facts->absent};
    bool evicted = false;
    size_t i;

    if (into) {
        apikey_table_put(into, mac, words, count, now_ms, now_ms - good_ms, &evicted);
    }
    if (evicted && into != &facts->absent) {
        atomic_fetch_add_explicit(&facts->header->evictions, 1, memory_order_relaxed);
    }
    for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (tables[i] != into) {
            apikey_table_forget(tables[i], mac);
        }
    }
}

void apikey_facts_put(const apikey_facts_t *facts, apikey_mac_t mac,
                      const apikey_record_t *record, uint64_t sequence, int64_t now_ms,
                      const apikey_fact_terms_t *terms)
{
    uint64_t words[APIKEY_FACT_WORDS];
    unsigned int count;

    /* Of no worth already. Where that comes about only now, readers see it for themselves. */
    if (record ? dropped(facts, record->id, sequence) : flushed(facts, sequence)) {
        return;
    }
    if (!record) {
        replace(facts, &facts->absent, mac, &sequence, ABSENT_WORDS, now_ms,
                terms->negative_ttl);
        return;
    }
    count = record->unusable ? 0 : pack(words, record, sequence);
    replace(facts,
            count == 0                    ? NULL
            : count <= APIKEY_BRIEF_WORDS ? &facts->brief
                                          : &facts->lengthy,
            mac, words, count, now_ms, terms->ttl + terms->stale);
}

static uint64_t next(const apikey_facts_t *facts)
{
    return atomic_fetch_add_explicit(&facts->header->sequence, 1, memory_order_acq_rel) + 1;
}

/* Raises a number that others may be raising too; it never falls. */
static void raise_to(_Atomic uint64_t *number, uint64_t to)
{
    uint64_t now = atomic_load_explicit(number, memory_order_relaxed);

    while (now < to && !atomic_compare_exchange_weak_explicit(
                           number, &now, to, memory_order_acq_rel, memory_order_relaxed)) {
    }
}

void apikey_facts_drop(const apikey_facts_t *facts, uint64_t key_id)
{
    raise_to(drop_of(facts, key_id), next(facts));
}

void apikey_facts_flush(const apikey_facts_t *facts)
{
    raise_to(&facts->header->flushed, next(facts));
}

uint64_t apikey_facts_entries(const apikey_facts_t *facts)
{
    return apikey_table_taken(&facts->brief) + apikey_table_taken(&facts->lengthy) +
           apikey_table_taken(&facts->absent);
}

uint64_t apikey_facts_slots(const apikey_facts_t *facts)
{
    return (facts->brief.buckets + facts->lengthy.buckets + facts->absent.buckets) *
           APIKEY_TABLE_WAYS;
}

uint64_t apikey_facts_evictions(const apikey_facts_t *facts)
{
    return atomic_load_explicit(&facts->header->evictions, memory_order_relaxed);
}
