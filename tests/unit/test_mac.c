/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/mac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* The hash reads words in the order of the machine, libcrypto bytes. */
static bool little_endian(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 1;
}

/* libcrypto's SipHash-1-3-128. */
static void expected(unsigned char out[16], const uint64_t key[2], const unsigned char *text,
                     size_t len)
{
    unsigned int c = 1, d = 3, size = 16;
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c),
                                 OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d),
                                 OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_SIZE, &size),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    size_t written = 0;

    assert_int_equal(EVP_MAC_init(ctx, (const unsigned char *)key, 16, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, text, len), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &written, 16), 1);
    assert_int_equal(written, 16);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
}

/* Texts of all lengths up to 300: the first eight bytes are the tweak. */
static void as_libcrypto_has_it(void **state)
{
    unsigned char bytes[1 + 8 + 300]; /* at an odd address: texts need not be aligned */
    unsigned char *text = bytes + 1;
    size_t len;

    (void)state;
    if (!little_endian()) {
        skip();
    }
    for (len = 0; len <= 300; len++) {
        const uint64_t key[2] = {UINT64_C(0x0706050403020100) * (len + 1),
                                 UINT64_C(0x0f0e0d0c0b0a0908) ^ len};
        unsigned char out[16];
        uint64_t tweak;
        apikey_mac_t mac;
        size_t i;

        for (i = 0; i < 8 + len; i++) {
            text[i] = (unsigned char)(i * 37 + len * 101);
        }
        memcpy(&tweak, text, sizeof(tweak));
        mac = apikey_mac(key, text + 8, len, tweak);
        expected(out, key, text, 8 + len);
        assert_memory_equal(mac.word, out, sizeof(out));
    }
}

/* One bit of anything changes both words. */
static void everything_counts(void **state)
{
    static const char text[] = "ak_0123456789";
    const uint64_t key[2] = {1, 2};
    const apikey_mac_t mac = apikey_mac(key, text, 13, 3);
    const struct {
        const char *what;
        uint64_t key[2], tweak;
        const char *text;
        size_t len;
    } table[] = {
        {"first half of the key", {3, 2}, 3, text, 13},
        {"second half of the key", {1, 3}, 3, text, 13},
        {"tweak", {1, 2}, 2, text, 13},
        {"text", {1, 2}, 3, "ak_0123456788", 13},
        {"shorter", {1, 2}, 3, text, 12},
        {"a NUL more", {1, 2}, 3, text, 14},
        {"nothing", {1, 2}, 3, text, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        const apikey_mac_t other =
            apikey_mac(table[i].key, table[i].text, table[i].len, table[i].tweak);
        check(table[i].what, other.word[0] != mac.word[0] && other.word[1] != mac.word[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_libcrypto_has_it),
        cmocka_unit_test(everything_counts),
    };
    return cmocka_run_group_tests_name("mac", tests, NULL, NULL);
}
