/* SPDX-License-Identifier: Apache-2.0 */
#include "keyfmt.h"

#include <string.h>
#include <zlib.h>

enum { BODY_LEN = APIKEY_RANDOM_LEN + APIKEY_CHECK_LEN };

const char apikey_base62[62 + 1] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Locale-independent on purpose: isalnum() is not. */
static const bool base62[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true};

static bool is_base62(char c)
{
    return base62[(unsigned char)c];
}

static bool is_prefix_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

static size_t prefix_len(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && n <= APIKEY_PREFIX_MAX && is_prefix_char(text[n])) {
        n++;
    }
    return n;
}

bool apikey_keyfmt_prefix_ok(const char *prefix)
{
    const size_t len = strlen(prefix);
    return len >= APIKEY_PREFIX_MIN && len <= APIKEY_PREFIX_MAX &&
           prefix_len(prefix, len) == len;
}

static apikey_owner_t kind_of(const char *text)
{
    if (text[0] == '_' && text[2] == '_') {
        if (text[1] == 'u') {
            return APIKEY_OWNER_USER;
        }
        if (text[1] == 't') {
            return APIKEY_OWNER_TEAM;
        }
    }
    return APIKEY_OWNER_NONE;
}

/* crc32() of zlib, by zlib's own table: what that does for long texts costs short ones twice as
 * much. */
static uint32_t crc_of(const char *text, size_t len)
{
    const z_crc_t *table = get_crc_table();
    uint32_t crc = UINT32_MAX;
    size_t i;

#pragma GCC unroll 8
    for (i = 0; i < len; i++) {
        crc = table[(crc ^ (unsigned char)text[i]) & 0xff] ^ (crc >> 8);
    }
    return ~crc;
}

static void write_check(char *out, const char *text, size_t len)
{
    uint32_t crc = crc_of(text, len);
    int i;

#pragma GCC unroll 6
    for (i = APIKEY_CHECK_LEN - 1; i >= 0; i--) {
        out[i] = apikey_base62[crc % 62];
        crc /= 62;
    }
}

bool apikey_keyfmt_intact(const char *text, size_t len)
{
    const char *random = text + len - BODY_LEN;
    char check[APIKEY_CHECK_LEN];
    unsigned int legal = 1;
    size_t i;

    write_check(check, text, len - APIKEY_CHECK_LEN);
    if (memcmp(check, text + len - APIKEY_CHECK_LEN, APIKEY_CHECK_LEN) != 0) {
        return false;
    }
    /* The check digits are, as they are those that we have written. */
#pragma GCC unroll 8
    for (i = 0; i < APIKEY_RANDOM_LEN; i++) {
        legal &= is_base62(random[i]);
    }
    return legal != 0;
}

/* Where the body begins, behind one of the prefixes and a kind; 0 where it is foreign. */
static size_t find_body(const char *text, size_t len, const char *const *prefixes,
                        int nprefixes, apikey_owner_t *kind)
{
    int i;

    for (i = 0; i < nprefixes; i++) {
        const char *prefix = prefixes[i];
        size_t plen = 0;

        while (plen < len && prefix[plen] && prefix[plen] == text[plen]) {
            plen++;
        }
        if (prefix[plen] == '\0' && len >= plen + 3) {
            *kind = kind_of(text + plen);
            if (*kind != APIKEY_OWNER_NONE) {
                return plen + 3;
            }
        }
    }
    *kind = APIKEY_OWNER_NONE;
    return 0;
}

bool apikey_keyfmt_shaped(const char *text, size_t len, const char *const *prefixes,
                          int nprefixes)
{
    apikey_owner_t kind;
    const size_t body = find_body(text, len, prefixes, nprefixes, &kind);

    return body && len - body == BODY_LEN;
}

apikey_form_t apikey_keyfmt_parse(const char *text, size_t len, const char *const *prefixes,
                                  int nprefixes, apikey_owner_t *kind)
{
    const size_t body = find_body(text, len, prefixes, nprefixes, kind);

    if (!body) {
        return APIKEY_FORM_FOREIGN;
    }
    return len - body == BODY_LEN && apikey_keyfmt_intact(text, len) ? APIKEY_FORM_OURS
                                                                     : APIKEY_FORM_DAMAGED;
}

/* How many of `len` bytes are no base62 digits. */
static size_t count_others(const char *text, size_t len)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < len; i++) {
        n += !is_base62(text[i]);
    }
    return n;
}

/* Not more than one character mistyped: dept_t_ and somebody's mail address is no key. */
bool apikey_keyfmt_resembles(const char *text, size_t len)
{
    const size_t plen = prefix_len(text, len);

    return plen >= APIKEY_PREFIX_MIN && plen <= APIKEY_PREFIX_MAX &&
           len >= plen + 3 + APIKEY_RANDOM_LEN && kind_of(text + plen) != APIKEY_OWNER_NONE &&
           count_others(text + plen + 3, APIKEY_RANDOM_LEN) <= 1;
}

size_t apikey_keyfmt_write(char *out, const char *prefix, apikey_owner_t kind,
                           const char *random)
{
    size_t len = strlen(prefix);

    if (!apikey_keyfmt_prefix_ok(prefix) || kind == APIKEY_OWNER_NONE) {
        return 0;
    }
    memcpy(out, prefix, len);
    memcpy(out + len, kind == APIKEY_OWNER_USER ? "_u_" : "_t_", 3);
    len += 3;
    memcpy(out + len, random, APIKEY_RANDOM_LEN);
    len += APIKEY_RANDOM_LEN;
    write_check(out + len, out, len);
    len += APIKEY_CHECK_LEN;
    out[len] = '\0';
    return len;
}
