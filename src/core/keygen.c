/* SPDX-License-Identifier: Apache-2.0 */
#include "keygen.h"

#include <apr_general.h>
#include <openssl/crypto.h>

char apikey_keygen_pick(unsigned char byte)
{
    return byte < 62 * 4 ? apikey_base62[byte % 62] : '\0';
}

apr_status_t apikey_keygen(char *out, const char *prefix, apikey_owner_t kind)
{
    unsigned char bytes[64];
    char random[APIKEY_RANDOM_LEN];
    size_t have = 0;
    size_t written;
    apr_status_t rv = APR_SUCCESS;

    while (have < sizeof(random) && rv == APR_SUCCESS) {
        size_t i;

        rv = apr_generate_random_bytes(bytes, sizeof(bytes));
        for (i = 0; rv == APR_SUCCESS && i < sizeof(bytes) && have < sizeof(random); i++) {
            const char c = apikey_keygen_pick(bytes[i]);
            if (c) {
                random[have++] = c;
            }
        }
    }
    written = rv == APR_SUCCESS ? apikey_keyfmt_write(out, prefix, kind, random) : 0;
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(random, sizeof(random));
    return rv == APR_SUCCESS && !written ? APR_EINVAL : rv;
}
