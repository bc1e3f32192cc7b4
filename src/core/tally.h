/* SPDX-License-Identifier: Apache-2.0 */
/* How often, when and from where keys are used: counters in shared memory, taken out in batches
 * that can be written to the database any number of times with the effect of one.
 *
 * A counter only grows. What has been written is a second number beside it, set when the
 * database has committed: a process that dies anywhere in between loses and doubles nothing.
 * The counters stand in stripes, of which a thread uses one: two threads that serve the same
 * key do not wait for each other's cache line. A counter that was idle is freed for another key
 * in such a way that who was about to raise it notices, however late. */
#ifndef APIKEY_TALLY_H
#define APIKEY_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { APIKEY_TALLY_BATCH = 250, APIKEY_TALLY_STRIPES = 8, APIKEY_TALLY_REALMS = 16 };

/* An address as 16 bytes, IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2). */
typedef struct {
    uint64_t word[2];
} apikey_address_t;

typedef struct {
    struct apikey_tally_slot_t *slots;
    uint64_t per_stripe;
} apikey_tally_t;

/* One key's share of a batch: what has to be added, and how to say that it was. */
typedef struct {
    uint64_t key_id;
    uint64_t count;
    int64_t last_ms; /* 0: who used it died, or stood still for long, before it said when */
    apikey_address_t address;
    uint64_t slot;
    uint64_t before, written; /* the slot's second number now and once this is committed */
} apikey_tally_entry_t;

/* Describes `bytes` of memory, zeroed where new, aligned to 8 at least. False where it is too
 * small. */
bool apikey_tally_map(apikey_tally_t *tally, void *memory, size_t bytes);

/* Counts one use. `realm` (0 to 15) is the database's number; `thread` any number that differs
 * between threads. False where there is no room left, and for ids from 2^59. `*crowded` says
 * that there soon may be no room. Takes no lock. */
bool apikey_tally_count(const apikey_tally_t *tally, unsigned int realm, uint64_t key_id,
                        int64_t now_ms, const apikey_address_t *address, uint64_t thread,
                        bool *crowded);

/* Collects up to APIKEY_TALLY_BATCH unwritten counts of a realm, sorted by key id; a key may
 * stand in several entries. Goes on at `*from`, which becomes 0 when all were seen. One process
 * at a time for each realm. */
unsigned int apikey_tally_collect(const apikey_tally_t *tally, unsigned int realm,
                                  uint64_t *from, apikey_tally_entry_t *entries);

/* Notes that a batch was committed; may be said again. */
void apikey_tally_written(const apikey_tally_t *tally, const apikey_tally_entry_t *entries,
                          unsigned int count);

/* Adds to each realm's number how many uses it has that are not written down yet. */
void apikey_tally_backlog(const apikey_tally_t *tally, uint64_t backlog[APIKEY_TALLY_REALMS]);

/* Frees counters that have nothing left to write and have not moved since `idle_ms`. Any number
 * of processes at once. */
void apikey_tally_sweep(const apikey_tally_t *tally, int64_t idle_ms);

#endif
