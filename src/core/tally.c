/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { WINDOW = 32 };

/* Of a slot's key: the realm in the top bits, and whether the slot is about to be freed. */
#define CLOSING (UINT64_C(1) << 63)
#define REALM_SHIFT 59
#define ID_MASK ((UINT64_C(1) << REALM_SHIFT) - 1)

struct apikey_tally_slot_t {
    _Alignas(64) _Atomic uint64_t key; /* 0: free */
    _Atomic uint64_t total;
    _Atomic uint64_t written;
    _Atomic int64_t last_ms;
    _Atomic uint64_t address[2];
    _Atomic uint64_t busy; /* somebody is writing the address */
};

typedef struct apikey_tally_slot_t slot_t;

bool apikey_tally_map(apikey_tally_t *tally, void *memory, size_t bytes)
{
    tally->slots = memory;
    tally->per_stripe = bytes / sizeof(slot_t) / APIKEY_TALLY_STRIPES;
    return tally->per_stripe >= WINDOW;
}

static uint64_t key_of(unsigned int realm, uint64_t key_id)
{
    return (key_id & ID_MASK) | (uint64_t)realm << REALM_SHIFT;
}

/* The counter of a key, taken if need be; NULL where all it may be in are others'. */
static slot_t *find(const apikey_tally_t *tally, uint64_t key, uint64_t thread, int *steps)
{
    const uint64_t stripe = (thread * UINT64_C(0x9e3779b97f4a7c15)) >> 61;
    slot_t *stripe_slots = tally->slots + stripe * tally->per_stripe;
    const uint64_t start =
        (uint64_t)(((unsigned __int128)(key * UINT64_C(0x9e3779b97f4a7c15)) *
                    tally->per_stripe) >> 64);

    for (*steps = 0; *steps < WINDOW; (*steps)++) {
        slot_t *slot = &stripe_slots[(start + (uint64_t)*steps) % tally->per_stripe];
        uint64_t there = atomic_load_explicit(&slot->key, memory_order_acquire);

        if (there == key || (there == 0 && (atomic_compare_exchange_strong(&slot->key, &there,
                                                                           key) ||
                                            there == key))) {
            return slot;
        }
    }
    return NULL;
}

static void note_use(slot_t *slot, int64_t now_ms, const apikey_address_t *address)
{
    uint64_t idle = 0;

    if (atomic_load_explicit(&slot->last_ms, memory_order_relaxed) >= now_ms) {
        return; /* somebody else's use is as recent */
    }
    /* Both halves of an address by one writer; whoever comes meanwhile is as good. A writer that
     * dies here leaves the last address it wrote, until the slot is freed. */
    if (!atomic_compare_exchange_strong(&slot->busy, &idle, 1)) {
        return;
    }
    atomic_store_explicit(&slot->last_ms, now_ms, memory_order_relaxed);
    atomic_store_explicit(&slot->address[0], address->word[0], memory_order_relaxed);
    atomic_store_explicit(&slot->address[1], address->word[1], memory_order_relaxed);
    atomic_store_explicit(&slot->busy, 0, memory_order_release);
}

bool apikey_tally_count(const apikey_tally_t *tally, unsigned int realm, uint64_t key_id,
                        int64_t now_ms, const apikey_address_t *address, uint64_t thread,
                        bool *crowded)
{
    int steps;
    slot_t *slot = find(tally, key_of(realm, key_id), thread, &steps);

    *crowded = steps > WINDOW / 2;
    if (!slot) {
        return false;
    }
    note_use(slot, now_ms, address);
    atomic_fetch_add_explicit(&slot->total, 1, memory_order_acq_rel);
    return true;
}

static int by_key(const void *a, const void *b)
{
    const uint64_t left = ((const apikey_tally_entry_t *)a)->key_id;
    const uint64_t right = ((const apikey_tally_entry_t *)b)->key_id;
    return (left > right) - (left < right);
}

unsigned int apikey_tally_collect(const apikey_tally_t *tally, unsigned int realm,
                                  uint64_t *from, apikey_tally_entry_t *entries)
{
    const uint64_t slots = tally->per_stripe * APIKEY_TALLY_STRIPES;
    unsigned int n = 0;
    uint64_t i;

    for (i = *from; i < slots && n < APIKEY_TALLY_BATCH; i++) {
        slot_t *slot = &tally->slots[i];
        const uint64_t key = atomic_load_explicit(&slot->key, memory_order_acquire) & ~CLOSING;
        const uint64_t written = atomic_load_explicit(&slot->written, memory_order_acquire);
        const uint64_t total = atomic_load_explicit(&slot->total, memory_order_acquire);

        if (key && key >> REALM_SHIFT == realm && total != written) {
            apikey_tally_entry_t *entry = &entries[n++];
            entry->key_id = key & ID_MASK;
            entry->count = total - written;
            entry->last_ms = atomic_load_explicit(&slot->last_ms, memory_order_relaxed);
            entry->address.word[0] = atomic_load_explicit(&slot->address[0], memory_order_relaxed);
            entry->address.word[1] = atomic_load_explicit(&slot->address[1], memory_order_relaxed);
            entry->slot = i;
            entry->written = total;
        }
    }
    *from = i < slots ? i : 0;
    qsort(entries, n, sizeof(*entries), by_key);
    return n;
}

void apikey_tally_written(const apikey_tally_t *tally, const apikey_tally_entry_t *entries,
                          unsigned int count)
{
    unsigned int i;

    for (i = 0; i < count; i++) {
        atomic_store_explicit(&tally->slots[entries[i].slot].written, entries[i].written,
                              memory_order_release);
    }
}

static void sweep_slot(slot_t *slot, int64_t idle_ms)
{
    uint64_t key = atomic_load(&slot->key);
    const bool done = atomic_load(&slot->total) == atomic_load(&slot->written);

    if (key & CLOSING) {
        if (!done) {
            atomic_store(&slot->key, key & ~CLOSING); /* used after all */
            return;
        }
        /* Nobody finds it any more, and who had found it has been given time. */
        atomic_store(&slot->total, 0);
        atomic_store(&slot->written, 0);
        atomic_store(&slot->last_ms, 0);
        atomic_store(&slot->busy, 0);
        atomic_store(&slot->key, 0);
    }
    else if (key && done && atomic_load(&slot->last_ms) < idle_ms) {
        atomic_compare_exchange_strong(&slot->key, &key, key | CLOSING);
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
