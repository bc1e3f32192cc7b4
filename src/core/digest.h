/* SPDX-License-Identifier: Apache-2.0 */
/* From a credential to the digests it may be stored under, and the peppers for it. */
#ifndef APIKEY_DIGEST_H
#define APIKEY_DIGEST_H

#include "apikey.h"

#include <apr_pools.h>

enum { APIKEY_PEPPER_MIN = 32, APIKEY_PEPPER_MAX = 4096, APIKEY_FINGERPRINT_LEN = 16 };

typedef struct {
    const unsigned char *bytes; /* NULL: unpeppered, plain SHA-256 */
    size_t len;
    char fingerprint[APIKEY_FINGERPRINT_LEN + 1]; /* tells peppers apart without revealing */
} apikey_pepper_t;

/* The peppers a key may have been digested with; the first one mints. */
typedef struct {
    int count; /* 1 to APIKEY_DIGESTS_MAX */
    apikey_pepper_t pepper[APIKEY_DIGESTS_MAX];
} apikey_peppers_t;

/* The set with the one member "no pepper". */
extern const apikey_peppers_t apikey_no_pepper;

typedef struct {
    int count;
    unsigned char digest[APIKEY_DIGESTS_MAX][APIKEY_DIGEST_LEN];
} apikey_digests_t;

/* Reads a pepper file, its bytes exactly, into `pool`, which the cleansing of the bytes is
 * bound to. Returns NULL, or what is wrong and its remedy: not readable, not a plain file,
 * open to group or others, shorter than APIKEY_PEPPER_MIN. */
const char *apikey_pepper_read(apikey_pepper_t *pepper, const char *path, apr_pool_t *pool);

/* Has libcrypto look up SHA-256 once instead of for every digest, which it costs as much as;
 * until `pool` is cleared. Optional; before there are threads. */
void apikey_digest_init(apr_pool_t *pool);

/* SHA-256 of the text, or HMAC-SHA-256 with the pepper. False only where libcrypto fails. */
bool apikey_digest(unsigned char out[APIKEY_DIGEST_LEN], const apikey_pepper_t *pepper,
                   const char *text, size_t len);

/* One digest for each pepper of the set, in its order. */
bool apikey_digest_all(apikey_digests_t *out, const apikey_peppers_t *peppers, const char *text,
                       size_t len);

#endif
