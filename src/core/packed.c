/* SPDX-License-Identifier: Apache-2.0 */
#include "packed.h"

#include <string.h>

enum { LENGTH_DIGITS = 9, NUMBER_DIGITS = 19 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The length at `at`, up to the colon, and what follows; NULL where there is none. */
static const char *read_length(const char *at, const char *end, size_t *len)
{
    const char *first = at;

    for (*len = 0; at < end && is_digit(*at) && at - first < LENGTH_DIGITS; at++) {
        *len = *len * 10 + (size_t)(*at - '0');
    }
    return at > first && at < end && *at == ':' ? at + 1 : NULL;
}

/* Reads the value at `at`; where the next one is, NULL where this one is not whole. */
static const char *read_value(const char *at, const char *end, apikey_col_t *col)
{
    size_t len;

    if (at < end && *at == '-') {
        col->null = true;
        return at + 1;
    }
    at = read_length(at, end, &len);
    if (!at || len >= (size_t)(end - at) || at[len] != '\0') {
        return NULL;
    }
    col->data = at;
    col->len = len;
    return at + len + 1;
}

bool apikey_packed_read(const apikey_col_t *packed, apikey_col_t *cols, int count)
{
    const char *at = packed->data;
    const char *end = packed->data + packed->len;
    int i;

    if (packed->null) {
        return false;
    }
    for (i = 0; i < count; i++) {
        static const apikey_col_t nothing = {.data = ""};

        cols[i] = nothing;
        at = at ? read_value(at, end, &cols[i]) : NULL;
        if (!at) {
            if (!packed->truncated) {
                return false;
            }
            cols[i].truncated = true;
        }
    }
    return packed->truncated || at == end;
}

int64_t apikey_packed_number(const apikey_col_t *col)
{
    const size_t sign = col->len > 0 && col->data[0] == '-';
    uint64_t number = 0;
    size_t i;

    if (col->len - sign > NUMBER_DIGITS) {
        return 0;
    }
    for (i = sign; i < col->len; i++) {
        if (!is_digit(col->data[i])) {
            return 0;
        }
        number = number * 10 + (uint64_t)(col->data[i] - '0');
    }
    /* Nineteen digits are fewer than 2^64, but not all of them fewer than 2^63. */
    return number > INT64_MAX ? 0 : sign ? -(int64_t)number : (int64_t)number;
}
