/* SPDX-License-Identifier: Apache-2.0 */
#include "mac.h"

#include <string.h>

static inline uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t *v)
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static inline void absorb(uint64_t *v, uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

static inline uint64_t squeeze(uint64_t *v)
{
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

apikey_mac_state_t apikey_mac_begin(const uint64_t key[2], uint64_t tweak)
{
    apikey_mac_state_t s = {
        {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
         key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)}};

    s.word[1] ^= 0xee; /* 128 bits of output */
    absorb(s.word, tweak);
    return s;
}

apikey_mac_t apikey_mac_of(const apikey_mac_state_t *begun, const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    uint64_t v[4] = {begun->word[0], begun->word[1], begun->word[2], begun->word[3]};
    uint64_t last = (uint64_t)(len + sizeof(uint64_t)) << 56; /* the tweak counts too */
    apikey_mac_t mac;
    size_t i;

#pragma GCC unroll 4
    for (; len >= 8; len -= 8, in += 8) {
        uint64_t word;
        memcpy(&word, in, 8); /* in host order: nobody compares across machines */
        absorb(v, word);
    }
#pragma GCC unroll 7
    for (i = 0; i < 7; i++) {
        if (i == len) {
            break;
        }
        last |= (uint64_t)in[i] << (8 * i);
    }
    absorb(v, last);
    v[2] ^= 0xee;
    mac.word[0] = squeeze(v);
    v[1] ^= 0xdd;
    mac.word[1] = squeeze(v);
    return mac;
}

apikey_mac_t apikey_mac(const uint64_t key[2], const void *bytes, size_t len, uint64_t tweak)
{
    const apikey_mac_state_t begun = apikey_mac_begin(key, tweak);
    return apikey_mac_of(&begun, bytes, len);
}
