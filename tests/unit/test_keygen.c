/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/keygen.h"

#include <stdlib.h>

enum { KEYS = 1000 };

/* Of the 256 bytes 248 are taken, four for each character: no character is favoured. */
static void picks_are_unbiased(void **state)
{
    int count[256] = {0};
    int refused = 0;
    int byte;
    size_t i;

    (void)state;
    for (byte = 0; byte < 256; byte++) {
        const char c = apikey_keygen_pick((unsigned char)byte);
        refused += c == '\0';
        count[(unsigned char)c]++;
    }
    assert_int_equal(refused, 8);
    for (i = 0; i < 62; i++) {
        assert_int_equal(count[(unsigned char)apikey_base62[i]], 4);
    }
}

static void each_kind_and_prefix(void **state)
{
    static const char *const prefixes[] = {"ak", "acme", "abcdefghij0123456789"};
    static const apikey_owner_t kinds[] = {APIKEY_OWNER_USER, APIKEY_OWNER_TEAM};
    size_t i, k;

    (void)state;
    for (i = 0; i < COUNT(prefixes); i++) {
        for (k = 0; k < COUNT(kinds); k++) {
            char key[APIKEY_KEY_MAX + 1];
            apikey_owner_t kind;
            check(prefixes[i], apikey_keygen(key, prefixes[i], kinds[k]) == APR_SUCCESS);
            check(key, apikey_keyfmt_parse(key, strlen(key), &prefixes[i], 1, &kind) ==
                           APIKEY_FORM_OURS);
            check(key, kind == kinds[k]);
        }
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void a_thousand_keys_differ_and_use_every_character(void **state)
{
    static const char *const prefix = "ak";
    static char keys[KEYS][APIKEY_KEY_MAX + 1];
    bool seen[256] = {false};
    int i;

    (void)state;
    for (i = 0; i < KEYS; i++) {
        apikey_owner_t kind;
        const char *c;
        assert_int_equal(apikey_keygen(keys[i], prefix, APIKEY_OWNER_USER), APR_SUCCESS);
        check(keys[i], apikey_keyfmt_parse(keys[i], strlen(keys[i]), &prefix, 1, &kind) ==
                           APIKEY_FORM_OURS);
        for (c = keys[i] + 5; c < keys[i] + 5 + APIKEY_RANDOM_LEN; c++) {
            seen[(unsigned char)*c] = true;
        }
    }
    qsort(keys, KEYS, sizeof(keys[0]), compare);
    for (i = 1; i < KEYS; i++) {
        check(keys[i], strcmp(keys[i - 1], keys[i]) != 0);
    }
    for (i = 0; i < 62; i++) {
        assert_true(seen[(unsigned char)apikey_base62[i]]);
    }
}

static void illegal_arguments(void **state)
{
    char key[APIKEY_KEY_MAX + 1];

    (void)state;
    assert_int_equal(apikey_keygen(key, "A", APIKEY_OWNER_USER), APR_EINVAL);
    assert_int_equal(apikey_keygen(key, "abcdefghij0123456789x", APIKEY_OWNER_USER),
                     APR_EINVAL);
    assert_int_equal(apikey_keygen(key, "ak", APIKEY_OWNER_NONE), APR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_are_unbiased),
        pool_test(each_kind_and_prefix),
        pool_test(a_thousand_keys_differ_and_use_every_character),
        pool_test(illegal_arguments),
    };
    return cmocka_run_group_tests_name("keygen", tests, NULL, NULL);
}
