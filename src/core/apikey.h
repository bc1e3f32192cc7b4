/* SPDX-License-Identifier: Apache-2.0 */
/* The vocabulary every layer shares: sizes and the stored record. No behaviour. */
#ifndef APIKEY_APIKEY_H
#define APIKEY_APIKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0 in every enum and struct of this project means: refuse. */

typedef enum { APIKEY_OWNER_NONE = 0, APIKEY_OWNER_USER, APIKEY_OWNER_TEAM } apikey_owner_t;

enum {
    APIKEY_DIGEST_LEN = 32,     /* SHA-256 */
    APIKEY_DIGESTS_MAX = 4,     /* digests of one credential: current pepper, previous, none */
    APIKEY_OWNER_MAX = 255 * 4, /* bytes of an owner id: 255 characters of up to four */
    APIKEY_SCOPES_MAX = 1000,   /* bytes of a scope list */
    APIKEY_KEY_MAX = 61         /* bytes of a key string, without NUL */
};

/* Milliseconds since 1970 UTC for "does not expire". */
#define APIKEY_NEVER INT64_MAX

/* What the database says of one secret and its key. Strings live as long as the pool the
 * record was read into and are never NULL in a usable record. Raw bytes, not yet encoded. */
typedef struct {
    uint64_t id;
    apikey_owner_t owner_type;
    const char *owner;
    const char *scopes;
    int64_t expires_ms; /* the earlier of the key's and the secret's; APIKEY_NEVER */
    bool revoked;
    bool plain; /* owner and scopes are printable ASCII without '%': nothing to encode */
    const char *unusable; /* NULL, or why this row identifies nobody (static text) */
} apikey_record_t;

#endif
