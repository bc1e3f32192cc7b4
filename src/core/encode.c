/* SPDX-License-Identifier: Apache-2.0 */
#include "encode.h"

static const bool plain[256] = {[' ' ... '$'] = true, ['&' ... '~'] = true};

bool apikey_encode_is_plain(const char *text)
{
    const unsigned char *in = (const unsigned char *)text;

    while (plain[in[0]] && plain[in[1]] && plain[in[2]] && plain[in[3]]) {
        in += 4;
    }
    while (plain[*in]) {
        in++;
    }
    return *in == '\0';
}

void apikey_encode(char *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    const unsigned char *in;

    for (in = (const unsigned char *)text; *in; in++) {
        if (plain[*in]) {
            *out++ = (char)*in;
        }
        else {
            *out++ = '%';
            *out++ = hex[*in >> 4];
            *out++ = hex[*in & 15];
        }
    }
    *out = '\0';
}
