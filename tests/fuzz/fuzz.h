/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. A target is a function of libFuzzer's form; what must hold for
 * every input is claimed with must(). Built with libFuzzer and sanitizers by `fuzz`, and with
 * the ordinary compiler by `test`, which replays the corpus. */
#ifndef APIKEY_FUZZ_H
#define APIKEY_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(claim)                                                                            \
    do {                                                                                       \
        if (!(claim)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);                \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

/* Hostile bytes, taken piece by piece; when they are used up, zeros and empty texts. */
typedef struct {
    const uint8_t *at, *end;
} fuzz_t;

static inline fuzz_t fuzz_of(const uint8_t *data, size_t size)
{
    const fuzz_t fuzz = {data, data + size};
    return fuzz;
}

static inline uint8_t fuzz_byte(fuzz_t *fuzz)
{
    return fuzz->at < fuzz->end ? *fuzz->at++ : 0;
}

static inline uint64_t fuzz_number(fuzz_t *fuzz)
{
    uint64_t number = 0;
    int i;

    for (i = 0; i < 8; i++) {
        number = number << 8 | fuzz_byte(fuzz);
    }
    return number;
}

/* Everything up to a line feed or the end, with a NUL behind, in memory of its own: reading
 * past it is noticed. To be freed. */
static inline char *fuzz_line(fuzz_t *fuzz, size_t *len)
{
    const size_t left = (size_t)(fuzz->end - fuzz->at);
    const uint8_t *stop = left ? memchr(fuzz->at, '\n', left) : NULL;
    char *copy;

    *len = stop ? (size_t)(stop - fuzz->at) : left;
    copy = malloc(*len + 1);
    must(copy);
    if (*len) {
        memcpy(copy, fuzz->at, *len);
    }
    copy[*len] = '\0';
    fuzz->at += *len + (stop != NULL);
    return copy;
}

#endif
