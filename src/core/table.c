/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdatomic.h>
#include <string.h>

/* Every word is atomic: what else readers and writers touch at once has no meaning in C. On
 * x86-64 an acquire load and a release store are plain moves. */
typedef _Atomic uint64_t word_t;

_Static_assert(sizeof(word_t) == 8, "words are 64 bits");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free to work in "
                                            "shared memory");

enum { LOCK, META, MAC0, MAC1, CHECKSUM, USED, PAYLOAD = APIKEY_TABLE_HEAD };

static inline uint64_t load(const word_t *w)
{
    return atomic_load_explicit(w, memory_order_acquire);
}

static inline void store(word_t *w, uint64_t value)
{
    atomic_store_explicit(w, value, memory_order_release);
}

static uint64_t bucket_words(unsigned int slot_words)
{
    return APIKEY_TABLE_WAYS * (1 + (uint64_t)slot_words);
}

uint64_t apikey_table_slots(size_t bytes, unsigned int payload_words)
{
    return bytes / 8 / bucket_words(payload_words + APIKEY_TABLE_HEAD) * APIKEY_TABLE_WAYS;
}

bool apikey_table_map(apikey_table_t *table, void *memory, size_t bytes,
                      unsigned int payload_words)
{
    table->base = memory;
    table->slot_words = payload_words + APIKEY_TABLE_HEAD;
    table->buckets = apikey_table_slots(bytes, payload_words) / APIKEY_TABLE_WAYS;
    return table->buckets > 0;
}

/* The tags of one of the two buckets an entry may be in: with two to choose from, a table is
 * nearly full before anything has to go. */
static word_t *bucket(const apikey_table_t *table, apikey_mac_t mac, int which)
{
    const uint64_t i = (uint64_t)(((unsigned __int128)mac.word[which] * table->buckets) >> 64);
    return table->base + i * bucket_words(table->slot_words);
}

static word_t *slot_of(const apikey_table_t *table, word_t *tags, int way)
{
    return tags + APIKEY_TABLE_WAYS + (size_t)way * table->slot_words;
}

/* Never 0, which marks a place that holds nothing. */
static uint64_t tag_of(apikey_mac_t mac)
{
    return mac.word[0] ^ mac.word[1] ? mac.word[0] ^ mac.word[1] : 1;
}

/* Tells a torn payload from a whole one. No secret: who can write here needs no forgery. */
static inline uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ (sum >> 29);
}

static uint64_t checksum_head(uint64_t meta, apikey_mac_t mac)
{
    return mix(mix(mix(UINT64_C(0x243f6a8885a308d3), meta), mac.word[0]), mac.word[1]);
}

static unsigned int read_slot(const apikey_table_t *table, const word_t *slot, apikey_mac_t mac,
                              uint64_t *payload, int64_t *put_ms)
{
    const uint64_t lock = load(&slot[LOCK]);
    const uint64_t meta = load(&slot[META]);
    const unsigned int words = (unsigned int)(meta & 0xffff);
    uint64_t sum = checksum_head(meta, mac);
    uint64_t stored;
    unsigned int i;

    if ((lock & 1) || load(&slot[MAC0]) != mac.word[0] || load(&slot[MAC1]) != mac.word[1] ||
        words == 0 || words > table->slot_words - PAYLOAD) {
        return 0;
    }
#pragma GCC unroll 4
    for (i = 0; i < words; i++) {
        const uint64_t word = load(&slot[PAYLOAD + i]);
        payload[i] = word;
        sum = mix(sum, word);
    }
    stored = load(&slot[CHECKSUM]);
    /* The loads above are acquiring: this one is not done before them. */
    if (load(&slot[LOCK]) != lock || stored != sum) {
        return 0;
    }
    *put_ms = (int64_t)(meta >> 16);
    return words;
}

unsigned int apikey_table_get(const apikey_table_t *table, apikey_mac_t mac, uint64_t *payload,
                              int64_t *put_ms)
{
    const uint64_t tag = tag_of(mac);
    int which, way;

    for (which = 0; which < 2; which++) {
        word_t *tags = bucket(table, mac, which);

#pragma GCC unroll 8
        for (way = 0; way < APIKEY_TABLE_WAYS; way++) {
            if (load(&tags[way]) == tag) {
                word_t *slot = slot_of(table, tags, way);
                const unsigned int words = read_slot(table, slot, mac, payload, put_ms);

                if (words) {
                    if (!load(&slot[USED])) { /* written once, then only read */
                        store(&slot[USED], 1);
                    }
                    return words;
                }
            }
        }
    }
    return 0;
}

/* Whether a writer has a slot and may be expected to go on. The clocks of two writers are not
 * quite the same, and one that is far off either way was set since. */
static bool is_held(uint64_t lock, int64_t now_ms)
{
    const int32_t age = (int32_t)((uint32_t)(now_ms / 1000) - (uint32_t)(lock >> 32));

    return (lock & 1) && age > -APIKEY_TABLE_STEAL_S && age < APIKEY_TABLE_STEAL_S;
}

/* Takes a slot for writing; 0 where somebody else has it, else the odd sequence to give back.
 */
static uint64_t lock_slot(word_t *slot, int64_t now_ms)
{
    uint64_t lock = load(&slot[LOCK]);
    /* The next odd number: one on from an even one, two from that of a writer that is dead. */
    const uint64_t mine =
        (uint64_t)(uint32_t)(now_ms / 1000) << 32 | (uint32_t)(((uint32_t)lock + 1) | 1);

    return !is_held(lock, now_ms) &&
                   atomic_compare_exchange_strong_explicit(
                       &slot[LOCK], &lock, mine, memory_order_acq_rel, memory_order_relaxed)
               ? mine
               : 0;
}

static void unlock_slot(word_t *slot, uint64_t mine)
{
    /* Fails where the slot was taken from us meanwhile: then it is not ours to open. */
    atomic_compare_exchange_strong_explicit(&slot[LOCK], &mine, (mine & 0xffffffff) + 1,
                                            memory_order_release, memory_order_relaxed);
}

/* What would be lost by writing here: the least is taken. An older entry of the same mac comes
 * before everything, for there must not be two. */
typedef enum { SAME, NOTHING, WORTHLESS, UNUSED, IN_USE, BUSY } loss_t;

typedef struct {
    word_t *tag;
    word_t *slot;
    loss_t loss;
    int64_t put_ms;
} place_t;

static loss_t loss_of(uint64_t tag, const word_t *slot, apikey_mac_t mac, int64_t now_ms,
                      int64_t worthless_ms)
{
    if (tag == tag_of(mac)) {
        return SAME;
    }
    if (is_held(load(&slot[LOCK]), now_ms)) {
        return BUSY;
    }
    if (tag == 0) {
        return NOTHING;
    }
    if ((int64_t)(load(&slot[META]) >> 16) < worthless_ms) {
        return WORTHLESS;
    }
    return load(&slot[USED]) ? IN_USE : UNUSED;
}

/* Of two alike, the one that was put earlier. */
static bool better(const place_t *a, const place_t *b)
{
    return a->loss < b->loss || (a->loss == b->loss && a->put_ms < b->put_ms);
}

static int empty_ways(const word_t *tags)
{
    int n = 0;
    int way;
    for (way = 0; way < APIKEY_TABLE_WAYS; way++) {
        n += load(&tags[way]) == 0;
    }
    return n;
}

uint64_t apikey_table_taken(const apikey_table_t *table)
{
    const uint64_t step = (table->buckets + APIKEY_TABLE_SAMPLE - 1) / APIKEY_TABLE_SAMPLE;
    uint64_t taken = 0;
    uint64_t looked_at = 0;
    uint64_t i;

    for (i = 0; i < table->buckets; i += step) {
        const int empty = empty_ways(table->base + i * bucket_words(table->slot_words));
        taken += (uint64_t)(APIKEY_TABLE_WAYS - empty);
        looked_at++;
    }
    return looked_at == table->buckets ? taken : taken * table->buckets / looked_at;
}

static place_t choose(const apikey_table_t *table, apikey_mac_t mac, int64_t now_ms,
                      int64_t worthless_ms)
{
    word_t *both[2] = {bucket(table, mac, 0), bucket(table, mac, 1)};
    const int first = empty_ways(both[1]) > empty_ways(both[0]); /* the emptier one first */
    place_t best = {NULL, NULL, BUSY, INT64_MAX};
    int i, way;

    for (i = 0; i < 2; i++) {
        for (way = 0; way < APIKEY_TABLE_WAYS; way++) {
            word_t *tag = &both[i ^ first][way];
            word_t *slot = slot_of(table, both[i ^ first], way);
            const place_t place = {tag, slot,
                                   loss_of(load(tag), slot, mac, now_ms, worthless_ms),
                                   (int64_t)(load(&slot[META]) >> 16)};
            if (better(&place, &best)) {
                best = place;
            }
        }
    }
    return best;
}

/* Everything was in use: whatever is not used from now on till that happens again goes next. */
static void begin_round(const apikey_table_t *table, apikey_mac_t mac)
{
    int which, way;

    for (which = 0; which < 2; which++) {
        word_t *tags = bucket(table, mac, which);
        for (way = 0; way < APIKEY_TABLE_WAYS; way++) {
            store(&slot_of(table, tags, way)[USED], 0);
        }
    }
}

/* Removes all entries of a mac but that at `keep`. */
static void forget_but(const apikey_table_t *table, apikey_mac_t mac, const word_t *keep)
{
    int which, way;

    for (which = 0; which < 2; which++) {
        word_t *tags = bucket(table, mac, which);
        for (way = 0; way < APIKEY_TABLE_WAYS; way++) {
            uint64_t tag = tag_of(mac);
            if (&tags[way] != keep && load(&tags[way]) == tag) {
                /* Not where a writer has put another tag there meanwhile. */
                atomic_compare_exchange_strong_explicit(
                    &tags[way], &tag, 0, memory_order_acq_rel, memory_order_relaxed);
            }
        }
    }
}

void apikey_table_forget(const apikey_table_t *table, apikey_mac_t mac)
{
    forget_but(table, mac, NULL);
}

static void write_slot(word_t *slot, apikey_mac_t mac, uint64_t meta, const uint64_t *payload,
                       unsigned int words)
{
    uint64_t sum = checksum_head(meta, mac);
    unsigned int i;

    store(&slot[META], meta);
    store(&slot[MAC0], mac.word[0]);
    store(&slot[MAC1], mac.word[1]);
    for (i = 0; i < words; i++) {
        store(&slot[PAYLOAD + i], payload[i]);
        sum = mix(sum, payload[i]);
    }
    store(&slot[CHECKSUM], sum);
    store(&slot[USED], 0);
}

bool apikey_table_put(const apikey_table_t *table, apikey_mac_t mac, const uint64_t *payload,
                      unsigned int words, int64_t now_ms, int64_t worthless_ms, bool *evicted)
{
    const place_t place = choose(table, mac, now_ms, worthless_ms);
    const bool fits = words > 0 && words <= table->slot_words - PAYLOAD;
    const uint64_t mine = fits && place.slot ? lock_slot(place.slot, now_ms) : 0;

    if (evicted) {
        *evicted = mine && (place.loss == UNUSED || place.loss == IN_USE);
    }
    if (!mine) {
        return false;
    }
    if (place.loss == IN_USE) {
        begin_round(table, mac);
    }
    store(place.tag, tag_of(mac));
    write_slot(place.slot, mac, (uint64_t)now_ms << 16 | words, payload, words);
    unlock_slot(place.slot, mine);
    /* Two writers may have found two places for the same. */
    forget_but(table, mac, place.tag);
    return true;
}
