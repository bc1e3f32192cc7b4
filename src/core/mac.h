/* SPDX-License-Identifier: Apache-2.0 */
/* A keyed 128-bit hash: SipHash-1-3 (Aumasson and Bernstein, 2012) with 128 bits of output:
 * what the cache is searched by, for a small part of the price of SHA-256. Of the two customary
 * variants the one with fewer rounds: nobody outside ever gets to see a hash, or learns more of
 * it than that a text of his is no key. */
#ifndef APIKEY_MAC_H
#define APIKEY_MAC_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t word[2];
} apikey_mac_t;

/* What hashing begins with, for a key and a tweak that many texts are hashed under. A secret as
 * the key is. */
typedef struct {
    uint64_t word[4];
} apikey_mac_state_t;

apikey_mac_state_t apikey_mac_begin(const uint64_t key[2], uint64_t tweak);
apikey_mac_t apikey_mac_of(const apikey_mac_state_t *begun, const void *bytes, size_t len);

/* Both in one. Hashes `tweak` and then `len` bytes: SipHash-1-3-128 of the two as one text. The
 * tweak tells apart what must never be mixed. `key` is 128 random bits. */
apikey_mac_t apikey_mac(const uint64_t key[2], const void *bytes, size_t len, uint64_t tweak);

#endif
