/* SPDX-License-Identifier: Apache-2.0 */
#include "mac.h"

#include <string.h>

typedef struct {
    uint64_t v0, v1, v2, v3;
} state_t;

static inline uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(state_t *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static inline void absorb(state_t *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t squeeze(state_t *s)
{
    sip_round(s);
    sip_round(s);
    sip_round(s);
    sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

apikey_mac_t apikey_mac(const uint64_t key[2], const void *bytes, size_t len, uint64_t tweak)
{
    const unsigned char *in = bytes;
    state_t s = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                 key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t last = (uint64_t)(len + sizeof(tweak)) << 56;
    apikey_mac_t mac;
    size_t i;

    s.v1 ^= 0xee; /* 128 bits of output */
    absorb(&s, tweak);
    for (; len >= 8; len -= 8, in += 8) {
        uint64_t word;
        memcpy(&word, in, 8); /* in host order: nobody compares across machines */
        absorb(&s, word);
    }
    for (i = 0; i < len; i++) {
        last |= (uint64_t)in[i] << (8 * i);
    }
    absorb(&s, last);
    s.v2 ^= 0xee;
    mac.word[0] = squeeze(&s);
    s.v1 ^= 0xdd;
    mac.word[1] = squeeze(&s);
    return mac;
}
