/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of the database, in one block of shared memory: records by credential,
 * credentials that no key has, and which keys have changed since.
 *
 *   +--------+----------------------+-------------+-------------+------------+
 *   | header | drops, by key id     | short facts | long facts  | absentees  |
 *   +--------+----------------------+-------------+-------------+------------+
 *
 * Facts, not verdicts: kind, revocation and expiry are judged at every request.
 *
 * A dropped key needs no search for its facts. Every drop takes the next number of a sequence
 * and writes it to the place of the key's id in `drops`; every fact carries the number that was
 * current before its SELECT began, and counts only while that is not below its key's. A SELECT
 * that raced a drop thereby yields a fact that was never worth anything, however late it is
 * put, without a lock. Two ids may share a place: that costs a SELECT, nothing else. */
#ifndef APIKEY_FACTS_H
#define APIKEY_FACTS_H

#include "apikey.h"
#include "table.h"

enum {
    APIKEY_FACT_WORDS = 4 + (APIKEY_OWNER_MAX + APIKEY_SCOPES_MAX + 2 + 7) / 8,
    APIKEY_BRIEF_WORDS =
        14 /* owner and scopes of up to 78 bytes together: nearly all there are */
};

/* For one process; made by apikey_facts_map(). */
typedef struct {
    struct apikey_facts_header_t *header;
    _Atomic uint64_t *drops;
    apikey_table_t brief, lengthy, absent;
} apikey_facts_t;

typedef enum {
    APIKEY_FACT_UNKNOWN = 0, /* ask the database */
    APIKEY_FACT_ABSENT,      /* asked a short while ago: no such key */
    APIKEY_FACT_STALE,       /* good only while the database cannot be asked */
    APIKEY_FACT_FRESH
} apikey_fact_state_t;

/* How long facts are good, in milliseconds. */
typedef struct {
    int64_t ttl;
    int64_t negative_ttl;
    int64_t stale; /* past the ttl */
} apikey_fact_terms_t;

/* Room for one fact of any legal length; `record`'s strings point into it. */
typedef struct {
    apikey_record_t record;
    uint64_t words[APIKEY_FACT_WORDS];
} apikey_fact_t;

/* The same for a short one. */
typedef struct {
    apikey_record_t record;
    uint64_t words[APIKEY_BRIEF_WORDS];
} apikey_brief_t;

/* The least a block may have. */
size_t apikey_facts_min_size(void);

/* How many keys a block of this size has room for. */
uint64_t apikey_facts_capacity(size_t size);

/* Describes a block, zeroed memory where it is new, aligned to 8 bytes at least. False where it
 * is too small. */
bool apikey_facts_map(apikey_facts_t *facts, void *memory, size_t size);

/* What a credential's mac is found to mean. The mac must depend on the database and on the way
 * of digesting, so that servers that differ in them never see each other's facts. No lock,
 * nothing written that other readers wait for. `*fact` is set where FRESH or STALE. */
apikey_fact_state_t apikey_facts_get(const apikey_facts_t *facts, apikey_mac_t mac,
                                     const apikey_fact_terms_t *terms, int64_t now_ms,
                                     apikey_fact_t *fact);

/* The same for short facts alone. */
apikey_fact_state_t apikey_facts_get_brief(const apikey_facts_t *facts, apikey_mac_t mac,
                                           const apikey_fact_terms_t *terms, int64_t now_ms,
                                           apikey_brief_t *brief);

/* The number to take before a SELECT and to give to put. */
uint64_t apikey_facts_sequence(const apikey_facts_t *facts);

/* Remembers a record, or its absence (NULL), in the place of all that was known of the mac. A
 * record that is unusable is not remembered. `now_ms` is better taken before the SELECT than
 * after it: facts age from there. */
void apikey_facts_put(const apikey_facts_t *facts, apikey_mac_t mac,
                      const apikey_record_t *record, uint64_t sequence, int64_t now_ms,
                      const apikey_fact_terms_t *terms);

/* Forgets all facts of a key, or all facts and absentees, as of now. Returns when every reader
 * that begins later sees it. */
void apikey_facts_drop(const apikey_facts_t *facts, uint64_t key_id);
void apikey_facts_flush(const apikey_facts_t *facts);

/* Keys, and credentials that no key has, that there is something of in memory, out of date or
 * not. */
uint64_t apikey_facts_entries(const apikey_facts_t *facts);

/* Room for how many. */
uint64_t apikey_facts_slots(const apikey_facts_t *facts);

/* Facts that had to make room for others, since the block was made. */
uint64_t apikey_facts_evictions(const apikey_facts_t *facts);

#endif
