/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <stdbool.h>

/* The shapes of a character: its first byte, and the second one, whose range excludes what is
 * overlong, a surrogate or above U+10FFFF. Further bytes are 80 to BF. */
static const struct {
    unsigned char first_min, first_max, second_min, second_max, length;
} shapes[] = {
    {0x01, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool within(unsigned char c, unsigned char min, unsigned char max)
{
    return c >= min && c <= max;
}

size_t apikey_utf8_length(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t i = 0;
    size_t k;

    while (i < sizeof(shapes) / sizeof(shapes[0]) &&
           !within(c[0], shapes[i].first_min, shapes[i].first_max)) {
        i++;
    }
    if (i == sizeof(shapes) / sizeof(shapes[0]) ||
        (shapes[i].length > 1 && !within(c[1], shapes[i].second_min, shapes[i].second_max))) {
        return 0;
    }
    for (k = 2; k < shapes[i].length; k++) {
        if (!within(c[k], 0x80, 0xbf)) {
            return 0;
        }
    }
    return shapes[i].length;
}

int apikey_utf8_chars(const char *text)
{
    int n;

    for (n = 0; *text; n++) {
        const size_t len = apikey_utf8_length(text);
        if (len == 0) {
            return -1;
        }
        text += len;
    }
    return n;
}
