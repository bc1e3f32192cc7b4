/* SPDX-License-Identifier: Apache-2.0 */
#include "scope.h"

#include <string.h>

/* RFC 6749 appendix A.4: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ) */
static bool is_scope_char(char c)
{
    static const bool legal[256] = {['!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};
    return legal[(unsigned char)c];
}

bool apikey_scope_token_ok(const char *token, size_t len)
{
    unsigned int legal = 1;
    size_t i;

#pragma GCC unroll 8
    for (i = 0; i < len; i++) { /* without a branch: nearly all there are are legal */
        legal &= is_scope_char(token[i]);
    }
    return legal && len > 0 && !(len == 1 && token[0] == '*');
}

/* Length of the token at `list`, up to a space or `end`. */
static size_t token_len(const char *list, const char *end)
{
    const char *space = memchr(list, ' ', (size_t)(end - list));
    return (size_t)((space ? space : end) - list);
}

bool apikey_scope_list_ok(const char *list, size_t len)
{
    const char *end = list + len;

    if (len == 0) {
        return true;
    }
    for (;;) {
        const size_t n = token_len(list, end);
        if (!apikey_scope_token_ok(list, n)) {
            return false;
        }
        list += n;
        if (list == end) {
            return true;
        }
        list++;
    }
}

static bool token_covers(const char *token, size_t len, const char *wanted, size_t wlen)
{
    if (len == wlen && memcmp(token, wanted, len) == 0) {
        return true;
    }
    return len > 2 && token[len - 1] == '*' && token[len - 2] == ':' && wlen > len - 1 &&
           memcmp(token, wanted, len - 1) == 0;
}

bool apikey_scope_covers(const char *list, const char *wanted)
{
    const char *end = list + strlen(list);
    const size_t wlen = strlen(wanted);

    while (list < end) {
        const size_t n = token_len(list, end);
        if (token_covers(list, n, wanted, wlen)) {
            return true;
        }
        list += n + (list + n < end);
    }
    return false;
}
