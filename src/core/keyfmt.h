/* SPDX-License-Identifier: Apache-2.0 */
/* The key string: <prefix>_<u|t>_<32 random><6 check>, text to and from its parts.
 * Reads hostile bytes; allocates nothing. */
#ifndef APIKEY_KEYFMT_H
#define APIKEY_KEYFMT_H

#include "apikey.h"

enum {
    APIKEY_PREFIX_MIN = 2,
    APIKEY_PREFIX_MAX = 20,
    APIKEY_RANDOM_LEN = 32,
    APIKEY_CHECK_LEN = 6,
    APIKEY_LAST_LEN = 4 /* characters shown to recognise a key by */
};

/* 0-9A-Za-z, the digits of both the random part and the check. */
extern const char apikey_base62[62 + 1];

typedef enum {
    APIKEY_FORM_FOREIGN = 0, /* does not begin with one of our prefixes and a kind */
    APIKEY_FORM_DAMAGED,     /* begins like ours, but is mistyped, cut or made up */
    APIKEY_FORM_OURS
} apikey_form_t;

/* Whether a prefix is 2 to 20 of [a-z0-9]. */
bool apikey_keyfmt_prefix_ok(const char *prefix);

/* Says what `len` bytes at `text` are, given `nprefixes` accepted prefixes. `*kind` is set
 * unless foreign; it is a hint for people, the stored row decides. */
apikey_form_t apikey_keyfmt_parse(const char *text, size_t len, const char *const *prefixes,
                                  int nprefixes, apikey_owner_t *kind);

/* Whether it begins like one of ours and is as long as that: what can be told at a glance. */
bool apikey_keyfmt_shaped(const char *text, size_t len, const char *const *prefixes,
                          int nprefixes);

/* Whether one that is shaped so is one of ours: the random characters, and the check over all
 * before it. */
bool apikey_keyfmt_intact(const char *text, size_t len);

/* Whether the text begins like a key of any prefix, cut in the check or mistyped perhaps: for
 * deciding that something must not be logged. */
bool apikey_keyfmt_resembles(const char *text, size_t len);

/* Writes the key string with its NUL to `out` (APIKEY_KEY_MAX + 1 bytes) from
 * APIKEY_RANDOM_LEN base62 characters at `random`. Returns its length, 0 where an argument is
 * not legal. */
size_t apikey_keyfmt_write(char *out, const char *prefix, apikey_owner_t kind,
                           const char *random);

#endif
