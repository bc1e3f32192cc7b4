/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    WINDOW = 32,
    LINE = 64,       /* of the processor's cache: a slot has its own */
    STEAL_MS = 2000, /* far above what noting a use takes */
    TRIES = 100
};

/* Of a slot's key: the realm in the top bits, and whether the slot is about to be freed. */
#define CLOSING (UINT64_C(1) << 63)
#define REALM_SHIFT 59
#define ID_MASK ((UINT64_C(1) << REALM_SHIFT) - 1)

/* Of `total`, `written` and `last`: how often the slot was freed before, in the top bits. Who
 * was overtaken by that cannot raise the next owner's count, for both are in one word; and of
 * what an earlier owner left in the other two nothing counts. */
#define GENERATION_SHIFT 48
#define VALUE_MASK ((UINT64_C(1) << GENERATION_SHIFT) - 1)

struct apikey_tally_slot_t {
    _Alignas(LINE) _Atomic uint64_t key; /* 0: free */
    _Atomic uint64_t total;
    _Atomic uint64_t written;
    _Atomic uint64_t last; /* use, in ms */
    _Atomic uint64_t address[2];
    _Atomic int64_t busy; /* when somebody began to write the two above; 0: nobody */
};

typedef struct apikey_tally_slot_t slot_t;

bool apikey_tally_map(apikey_tally_t *tally, void *memory, size_t bytes)
{
    const size_t lost = -(uintptr_t)memory & (LINE - 1);

    tally->slots = (slot_t *)(void *)((unsigned char *)memory + lost);
    tally->per_stripe =
        bytes > lost ? (bytes - lost) / sizeof(slot_t) / APIKEY_TALLY_STRIPES : 0;
    return tally->per_stripe >= WINDOW;
}

static uint64_t get(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

/* The value in a word that counts only if it is of the slot's present generation. */
static uint64_t value_of(uint64_t word, uint64_t total)
{
    return word >> GENERATION_SHIFT == total >> GENERATION_SHIFT ? word & VALUE_MASK : 0;
}

static bool swap(_Atomic uint64_t *word, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(word, &from, to, memory_order_seq_cst,
                                                   memory_order_acquire);
}

/* 0, which no slot's key may be, for what fits into none. */
static uint64_t key_of(unsigned int realm, uint64_t key_id)
{
    return realm < APIKEY_TALLY_REALMS && key_id <= ID_MASK && key_id != 0
               ? key_id | (uint64_t)realm << REALM_SHIFT
               : 0;
}

/* The counter of a key in one stripe, taken if need be; NULL where all it may be in are
 * others'. */
static slot_t *find_in(const apikey_tally_t *tally, uint64_t stripe, uint64_t key, int *steps)
{
    slot_t *slots = tally->slots + stripe * tally->per_stripe;
    const uint64_t start = (uint64_t)(((unsigned __int128)(key * UINT64_C(0x9e3779b97f4a7c15)) *
                                       tally->per_stripe) >>
                                      64);

    for (*steps = 0; *steps < WINDOW; (*steps)++) {
        slot_t *slot = &slots[(start + (uint64_t)*steps) % tally->per_stripe];
        const uint64_t there = get(&slot->key);

        if (there == key ||
            (there == 0 && (swap(&slot->key, 0, key) || get(&slot->key) == key))) {
            return slot;
        }
    }
    return NULL;
}

/* In the thread's own stripe, or where that is full, in another. */
static slot_t *find(const apikey_tally_t *tally, uint64_t key, uint64_t thread, bool *crowded)
{
    const uint64_t own = (thread * UINT64_C(0x9e3779b97f4a7c15)) >> 61;
    int steps;
    slot_t *slot = find_in(tally, own, key, &steps);
    uint64_t i;

    *crowded = steps > WINDOW / 2;
    for (i = 1; !slot && i < APIKEY_TALLY_STRIPES; i++) {
        slot = find_in(tally, (own + i) % APIKEY_TALLY_STRIPES, key, &steps);
    }
    return slot;
}

/* Takes the right to write a slot's time and address, from who has had it for long if need be.
 * In one order, that all agree on, with the closing of slots: either we see that this one is
 * closing, or the sweeper sees that we are here. */
static bool take(slot_t *slot, int64_t now_ms)
{
    int64_t held = atomic_load_explicit(&slot->busy, memory_order_acquire);

    return (held == 0 || held < now_ms - STEAL_MS) &&
           atomic_compare_exchange_strong_explicit(&slot->busy, &held, now_ms,
                                                   memory_order_seq_cst, memory_order_relaxed);
}

static void give_back(slot_t *slot, int64_t mine)
{
    atomic_compare_exchange_strong_explicit(&slot->busy, &mine, 0, memory_order_release,
                                            memory_order_relaxed);
}

/* Whoever comes while somebody else notes a use does not wait: the other's is as good. */
static void note_use(slot_t *slot, uint64_t key, int64_t now_ms,
                     const apikey_address_t *address)
{
    const int64_t last = (int64_t)value_of(get(&slot->last), get(&slot->total));

    if (last >= now_ms && last - now_ms < STEAL_MS) {
        return; /* as recent; one later by far is of a clock that was set back */
    }
    if (!take(slot, now_ms)) {
        return;
    }
    if (atomic_load_explicit(&slot->key, memory_order_seq_cst) == key) {
        const uint64_t generation = get(&slot->total) & ~VALUE_MASK;

        atomic_store_explicit(&slot->address[0], address->word[0], memory_order_release);
        atomic_store_explicit(&slot->address[1], address->word[1], memory_order_release);
        atomic_store_explicit(&slot->last, generation | ((uint64_t)now_ms & VALUE_MASK),
                              memory_order_release);
    }
    give_back(slot, now_ms);
}

/* Adds one, unless the slot has been freed since it was found. The key is looked at after the
 * total: that it is ours is true of the total's generation, which must still be the same. */
static bool add_one(slot_t *slot, uint64_t key)
{
    uint64_t total = get(&slot->total);

    do {
        if (get(&slot->key) != key) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &slot->total, &total, total + 1, memory_order_acq_rel, memory_order_acquire));
    return true;
}

bool apikey_tally_count(const apikey_tally_t *tally, unsigned int realm, uint64_t key_id,
                        int64_t now_ms, const apikey_address_t *address, uint64_t thread,
                        bool *crowded)
{
    const uint64_t key = key_of(realm, key_id);
    slot_t *slot;

    *crowded = false;
    if (key == 0) {
        return false;
    }
    do {
        slot = find(tally, key, thread, crowded);
        if (!slot) {
            return false;
        }
        /* Before the count, so that no count is written without its time. */
        note_use(slot, key, now_ms, address);
    } while (!add_one(slot, key));
    return true;
}

static int by_key(const void *a, const void *b)
{
    const uint64_t left = ((const apikey_tally_entry_t *)a)->key_id;
    const uint64_t right = ((const apikey_tally_entry_t *)b)->key_id;
    return (left > right) - (left < right);
}

/* Time and address of one use; of two where a writer died in between. The time is written last
 * and read first and last. */
static void read_use(const slot_t *slot, uint64_t total, apikey_tally_entry_t *entry)
{
    int tries = TRIES;
    uint64_t last;
    bool busy;

    do {
        last = get(&slot->last);
        entry->address.word[0] = get(&slot->address[0]);
        entry->address.word[1] = get(&slot->address[1]);
        busy = atomic_load_explicit(&slot->busy, memory_order_acquire) != 0;
    } while ((busy || get(&slot->last) != last) && --tries > 0);
    entry->last_ms = (int64_t)value_of(last, total);
    if (entry->last_ms == 0) { /* an earlier owner's */
        entry->address.word[0] = 0;
        entry->address.word[1] = 0;
    }
}

/* What a slot has to write for a realm; false where that is nothing. Where there is something,
 * it is not freed meanwhile. */
static bool read_slot(const slot_t *slot, unsigned int realm, apikey_tally_entry_t *entry)
{
    const uint64_t written = get(&slot->written);
    const uint64_t total = get(&slot->total);
    const uint64_t key = get(&slot->key) & ~CLOSING;

    if (key == 0 || key >> REALM_SHIFT != realm) {
        return false;
    }
    entry->key_id = key & ID_MASK;
    entry->count = (total & VALUE_MASK) - value_of(written, total);
    entry->before = written;
    entry->written = total;
    if (entry->count > 0) {
        read_use(slot, total, entry);
    }
    return entry->count > 0;
}

unsigned int apikey_tally_collect(const apikey_tally_t *tally, unsigned int realm,
                                  uint64_t *from, apikey_tally_entry_t *entries)
{
    const uint64_t slots = tally->per_stripe * APIKEY_TALLY_STRIPES;
    unsigned int n = 0;
    uint64_t i;

    for (i = *from; i < slots && n < APIKEY_TALLY_BATCH; i++) {
        if (read_slot(&tally->slots[i], realm, &entries[n])) {
            entries[n++].slot = i;
        }
    }
    *from = i < slots ? i : 0;
    qsort(entries, n, sizeof(*entries), by_key);
    return n;
}

void apikey_tally_backlog(const apikey_tally_t *tally, uint64_t backlog[APIKEY_TALLY_REALMS])
{
    const uint64_t slots = tally->per_stripe * APIKEY_TALLY_STRIPES;
    uint64_t i;

    for (i = 0; i < slots; i++) {
        const slot_t *slot = &tally->slots[i];
        /* In this order: what is written is never more than the total read after it. */
        const uint64_t written = get(&slot->written);
        const uint64_t total = get(&slot->total);
        const uint64_t key = get(&slot->key) & ~CLOSING;

        if (key != 0) {
            backlog[key >> REALM_SHIFT] += (total & VALUE_MASK) - value_of(written, total);
        }
    }
}

void apikey_tally_written(const apikey_tally_t *tally, const apikey_tally_entry_t *entries,
                          unsigned int count)
{
    unsigned int i;

    for (i = 0; i < count; i++) {
        /* Fails where this was said before, however long ago. */
        swap(&tally->slots[entries[i].slot].written, entries[i].before, entries[i].written);
    }
}

/* Makes a slot that is closing free, unless it was used after all. Who notes a use has found it
 * open before, and may take his time. */
static bool free_slot(slot_t *slot, uint64_t key, int64_t idle_ms)
{
    const int64_t busy = atomic_load_explicit(&slot->busy, memory_order_seq_cst);
    const uint64_t written = get(&slot->written);
    const uint64_t total = get(&slot->total);

    return (busy == 0 || busy < idle_ms - STEAL_MS) &&
           (total & VALUE_MASK) == value_of(written, total) &&
           swap(&slot->total, total, (total | VALUE_MASK) + 1) &&
           swap(&slot->key, key | CLOSING, 0);
}

static bool is_idle(const slot_t *slot, int64_t idle_ms)
{
    const uint64_t total = get(&slot->total);

    return (total & VALUE_MASK) == value_of(get(&slot->written), total) &&
           (int64_t)value_of(get(&slot->last), total) < idle_ms;
}

/* A slot found closing is one whose sweeper died, or another sweeper's at this moment: every
 * step is one that only one of them can do. */
static void sweep_slot(slot_t *slot, int64_t idle_ms)
{
    const uint64_t there = get(&slot->key);
    const uint64_t key = there & ~CLOSING;

    if (key != 0 &&
        (there != key || (is_idle(slot, idle_ms) && swap(&slot->key, key, key | CLOSING)))) {
        if (!free_slot(slot, key, idle_ms)) {
            swap(&slot->key, key | CLOSING, key);
        }
    }
}

void apikey_tally_sweep(const apikey_tally_t *tally, int64_t idle_ms)
{
    const uint64_t slots = tally->per_stripe * APIKEY_TALLY_STRIPES;
    uint64_t i;

    for (i = 0; i < slots; i++) {
        sweep_slot(&tally->slots[i], idle_ms);
    }
}
