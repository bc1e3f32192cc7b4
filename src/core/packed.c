/* SPDX-License-Identifier: Apache-2.0 */
#include "packed.h"

#include <string.h>

enum { LENGTH_DIGITS = 9, NUMBER_DIGITS = 19 };

/* Reads digits up to the first byte that is none, a NUL at the latest. More than NUMBER_DIGITS
 * may make any number. */
static inline const char *read_digits(const char *at, uint64_t *number)
{
    unsigned char digit;

    for (*number = 0; (digit = (unsigned char)(*at - '0')) < 10; at++) {
        *number = *number * 10 + digit;
    }
    return at;
}

/* Reads the value at `at`; where the next one is, NULL where this one is not whole. */
static inline const char *read_value(const char *at, const char *end, apikey_col_t *col)
{
    const char *digits = at;
    uint64_t len;

    if (*at == '-') {
        col->null = true;
        return at + 1;
    }
    at = read_digits(at, &len);
    if (at == digits || at - digits > LENGTH_DIGITS || *at != ':' ||
        len >= (uint64_t)(end - ++at) || at[len] != '\0') {
        return NULL;
    }
    col->data = at;
    col->len = len;
    return at + len + 1;
}

bool apikey_packed_read(const apikey_col_t *packed, apikey_col_t *cols, int count)
{
    static const apikey_col_t nothing = {.data = ""};
    const char *end = packed->data + packed->len;
    const char *at =
        packed->null ? NULL : packed->data; /* NULL from where nothing can be read */
    int i;

    for (i = 0; i < count; i++) {
        cols[i] = nothing;
        if (at) {
            at = read_value(at, end, &cols[i]);
        }
        cols[i].truncated = at == NULL;
    }
    return at == end || (packed->truncated && !packed->null);
}

int64_t apikey_packed_number(const apikey_col_t *col)
{
    const bool negative = *col->data == '-';
    uint64_t number;

    if (read_digits(col->data + negative, &number) != col->data + col->len ||
        col->len > NUMBER_DIGITS) {
        return 0;
    }
    /* Nineteen digits are fewer than 2^64, but not all of them fewer than 2^63. */
    return number > INT64_MAX ? 0 : negative ? -(int64_t)number : (int64_t)number;
}
