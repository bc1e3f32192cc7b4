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
    const uint64_t i =
        (uint64_t)(((unsigned __int128)mac.word[which] * table->buckets) >> 64);
    return (word_t *)table->base + i * bucket_words(table->slot_words);
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
    for (i = 0; i < words; i++) {
        payload[i] = load(&slot[PAYLOAD + i]);
        sum = mix(sum, payload[i]);
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

/* Takes a slot for writing; 0 where somebody else has it, else the odd sequence to give back. */
static uint64_t lock_slot(word_t *slot, int64_t now_ms)
{
    const uint32_t now_s = (uint32_t)(now_ms / 1000);
    uint64_t lock = load(&slot[LOCK]);
    uint32_t sequence = (uint32_t)lock;
    uint64_t mine;

    if (sequence & 1) {
        if (now_s - (uint32_t)(lock >> 32) < APIKEY_TABLE_STEAL_S) {
            return 0;
        }
        sequence++; /* its writer is dead, or as good as */
    }
    mine = ((uint64_t)now_s << 32) | (uint32_t)(sequence + 1);
    return atomic_compare_exchange_strong_explicit(&slot[LOCK], &lock, mine,
                                                   memory_order_acq_rel, memory_order_relaxed)
               ? mine
               : 0;
}

static void unlock_slot(word_t *slot, uint64_t mine)
{
    /* Fails where the slot was taken from us meanwhile: then it is not ours to open. */
    atomic_compare_exchange_strong_explicit(&slot[LOCK], &mine, (mine & 0xffffffff) + 1,
                                            memory_order_release, memory_order_relaxed);
}

/* What would be lost by writing here: the least is taken. */
typedef enum { NOTHING, SAME, WORTHLESS, UNUSED, IN_USE } loss_t;

typedef struct {
    word_t *tag;
    word_t *slot;
    loss_t loss;
    int64_t put_ms;
} place_t;

static place_t place_at(const apikey_table_t *table, word_t *tags, int way, apikey_mac_t mac,
                        int64_t worthless_ms)
{
    word_t *slot = slot_of(table, tags, way);
    const uint64_t tag = load(&tags[way]);
    const int64_t put_ms = (int64_t)(load(&slot[META]) >> 16);
    place_t place = {&tags[way], slot, IN_USE, put_ms};

    if (tag == tag_of(mac)) {
        place.loss = SAME;
    }
    else if (tag == 0) {
        place.loss = NOTHING;
    }
    else if (put_ms < worthless_ms) {
        place.loss = WORTHLESS;
    }
    else if (!load(&slot[USED])) {
        place.loss = UNUSED;
    }
    else {
        store(&slot[USED], 0); /* a second chance, till the next writer comes by */
    }
    return place;
}

/* An entry of the same mac must be replaced wherever it is; otherwise the better place wins, the
 * older entry where both are alike. */
static bool better(const place_t *a, const place_t *b)
{
    if (!b->slot || a->loss == SAME || b->loss == SAME) {
        return b->slot == NULL || (a->loss == SAME && b->loss != SAME);
    }
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

static place_t choose(const apikey_table_t *table, apikey_mac_t mac, int64_t worthless_ms)
{
    word_t *both[2] = {bucket(table, mac, 0), bucket(table, mac, 1)};
    const int first = empty_ways(both[1]) > empty_ways(both[0]); /* the emptier one first */
    place_t best = {NULL, NULL, IN_USE, 0};
    int i, way;

    for (i = 0; i < 2; i++) {
        for (way = 0; way < APIKEY_TABLE_WAYS; way++) {
            const place_t place = place_at(table, both[i ^ first], way, mac, worthless_ms);
            if (better(&place, &best)) {
                best = place;
            }
        }
    }
    return best;
}

bool apikey_table_put(const apikey_table_t *table, apikey_mac_t mac, const uint64_t *payload,
                      unsigned int words, int64_t now_ms, int64_t worthless_ms, bool *evicted)
{
    const uint64_t meta = ((uint64_t)now_ms << 16) | words;
    const place_t place = choose(table, mac, worthless_ms);
    uint64_t sum = checksum_head(meta, mac);
    const uint64_t mine = lock_slot(place.slot, now_ms);
    unsigned int i;

    if (evicted) {
        *evicted = place.loss == UNUSED || place.loss == IN_USE;
    }
    if (!mine || words == 0 || words > table->slot_words - PAYLOAD) {
        return false;
    }
    store(place.tag, tag_of(mac));
    store(&place.slot[META], meta);
    store(&place.slot[MAC0], mac.word[0]);
    store(&place.slot[MAC1], mac.word[1]);
    for (i = 0; i < words; i++) {
        store(&place.slot[PAYLOAD + i], payload[i]);
        sum = mix(sum, payload[i]);
    }
    store(&place.slot[CHECKSUM], sum);
    store(&place.slot[USED], 0);
    unlock_slot(place.slot, mine);
    return true;
}
