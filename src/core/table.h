/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table in shared memory that is read without locks: fixed slots, searched by a keyed
 * 128-bit hash, each guarded by a sequence number and a checksum. Knows no clock, allocates
 * nothing, and holds indexes, never pointers, so that every process may map it anywhere.
 *
 *   bucket 0                                            bucket 1 …
 *   +-----------------+--------+--------+- … -+--------+
 *   | 8 tags, 64 byte | slot 0 | slot 1 |     | slot 7 |
 *   +-----------------+--------+--------+- … -+--------+
 *   slot, in words of 8 bytes:
 *   0  lock       low half: sequence, odd while a writer is at work; high half: when it began,
 * s 1  meta       when it was put (ms, 48 bits), number of payload words (16 bits) 2  mac 0 3
 * mac 1 4  checksum   over 1, 2, 3 and the payload 5  used       set by readers; cleared where
 * all that may be evicted is used 6… payload
 *
 * Readers copy a slot and believe it only if its sequence was even and the same before and
 * after, and its checksum fits. A writer that dies half-way leaves the sequence odd: the slot
 * is not read, and about APIKEY_TABLE_STEAL_S seconds later taken by the next writer. One that
 * was merely stopped and goes on in the middle of its successor's work spoils the checksum. */
#ifndef APIKEY_TABLE_H
#define APIKEY_TABLE_H

#include "mac.h"

#include <stdbool.h>

enum {
    APIKEY_TABLE_WAYS = 8,
    APIKEY_TABLE_HEAD = 6, /* words of a slot before its payload */
    APIKEY_TABLE_STEAL_S = 2,
    APIKEY_TABLE_SAMPLE = 65536
};

/* Where a table lies, for one process. Made anew by each from the same arguments. */
typedef struct {
    _Atomic uint64_t *base;
    uint64_t buckets;
    unsigned int slot_words;
} apikey_table_t;

/* How many slots for payloads of `payload_words` words fit into `bytes`. */
uint64_t apikey_table_slots(size_t bytes, unsigned int payload_words);

/* Describes a table in `bytes` at `memory`, which is zeroed where the table is new. False where
 * not one bucket fits. */
bool apikey_table_map(apikey_table_t *table, void *memory, size_t bytes,
                      unsigned int payload_words);

/* Finds an entry: its payload goes to `payload` (as many words as the table was made for), its
 * length in words is returned, 0 where there is none. `*put_ms` is when it was put. Any number
 * of threads and processes at once; never waits. */
unsigned int apikey_table_get(const apikey_table_t *table, apikey_mac_t mac, uint64_t *payload,
                              int64_t *put_ms);

/* Puts an entry in the place of an older one of the same mac, of nothing, or of the one that
 * will be missed least; what was put before `worthless_ms` will not be missed at all. Best
 * effort: false where all its places are being written. `*evicted` (may be NULL) says whether
 * something of worth had to go. */
bool apikey_table_put(const apikey_table_t *table, apikey_mac_t mac, const uint64_t *payload,
                      unsigned int words, int64_t now_ms, int64_t worthless_ms, bool *evicted);

/* How many slots hold something, of worth or not. Looks at every bucket, or, of a table of more
 * than APIKEY_TABLE_SAMPLE, at so many at equal distances, which is exact to a percent or so.
 */
uint64_t apikey_table_taken(const apikey_table_t *table);

/* Removes an entry. One that is being put at this moment may be there afterwards, or not. */
void apikey_table_forget(const apikey_table_t *table, apikey_mac_t mac);

#endif
