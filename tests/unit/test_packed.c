/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/packed.h"

#include <stdlib.h>

#define PACKED(text)                                                                           \
    {                                                                                          \
        .data = text, .len = sizeof(text) - 1                                                  \
    }

static void values_come_back(void **state)
{
    const apikey_col_t packed = PACKED("5:alice\0-2:a\0\0");
    apikey_col_t cols[3];

    (void)state;
    assert_true(apikey_packed_read(&packed, cols, 3));
    assert_string_equal(cols[0].data, "alice");
    assert_int_equal(cols[0].len, 5);
    assert_false(cols[0].null || cols[0].truncated);
    assert_true(cols[1].null);
    assert_string_equal(cols[1].data, "");
    assert_int_equal(cols[2].len, 2); /* with a NUL inside */
    assert_memory_equal(cols[2].data, "a\0", 3);
}

static void what_looks_like_another_value_is_none(void **state)
{
    const apikey_col_t packed = PACKED("9:x\0003:abc\0-\0"
                                       "0:\0");
    apikey_col_t cols[2];

    (void)state;
    assert_true(apikey_packed_read(&packed, cols, 2));
    assert_memory_equal(cols[0].data, "x\0003:abc\0-", 9);
    assert_int_equal(cols[1].len, 0);
    assert_false(cols[1].null);
}

/* Of two values. */
static void nonsense_is_refused(void **state)
{
    static const struct {
        const char *what;
        apikey_col_t packed;
    } table[] = {
        {"nothing", PACKED("")},
        {"one value", PACKED("1:a\0")},
        {"three values", PACKED("1:a\0"
                                "1:b\0"
                                "1:c\0")},
        {"something behind", PACKED("1:a\0-x")},
        {"no length", PACKED("-:a\0")},
        {"an empty length", PACKED(":a\0-")},
        {"a negative length", PACKED("--1:a\0")},
        {"a length too short", PACKED("1:ab\0-")},
        {"a length too long", PACKED("2:a\0-")},
        {"a length far too long", PACKED("999999999:a\0-")},
        {"a length of too many digits", PACKED("0000000001:a\0-")},
        {"a length that would wrap", PACKED("18446744073709551617:a\0-")},
        {"no NUL", PACKED("1:a-")},
        {"no NUL at the end", PACKED("-1:a")},
        {"two bytes for each character", PACKED("\0001\0:\0a\0\0\0-")},
        {"NULL", {.data = "", .null = true}},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        apikey_col_t cols[2];
        check(table[i].what, !apikey_packed_read(&table[i].packed, cols, 2));
    }
}

/* Wherever a column of two values is cut: what is before is whole, the rest is known to be cut.
 */
static void cut_anywhere(void **state)
{
    static const char whole[] = "5:alice\0002:xy\0";
    size_t len;

    (void)state;
    for (len = 0; len < sizeof(whole) - 1; len++) {
        char *copy = malloc(len + 1);
        const apikey_col_t packed = {.data = copy, .len = len, .truncated = true};
        apikey_col_t cols[2];

        memcpy(copy, whole, len);
        copy[len] = '\0';
        assert_true(apikey_packed_read(&packed, cols, 2));
        assert_int_equal(cols[0].truncated, len < 8);
        assert_true(cols[1].truncated);
        if (len >= 8) {
            assert_string_equal(cols[0].data, "alice");
        }
        free(copy);
    }
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        int64_t number;
    } table[] = {
        {"0", 0},
        {"1", 1},
        {"-1", -1},
        {"1700000000000", 1700000000000},
        {"9223372036854775807", INT64_MAX},
        {"-922337203685477580", INT64_C(-922337203685477580)},
        {"-9223372036854775808", 0},
        {"9223372036854775808", 0},
        {"-9223372036854775809", 0},
        {"18446744073709551617", 0},
        {"", 0},
        {"-", 0},
        {"--1", 0},
        {"+1", 0},
        {" 1", 0},
        {"1 ", 0},
        {"12abc", 0},
        {"1.0", 0},
        {"1e3", 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        const apikey_col_t col = {.data = table[i].text, .len = strlen(table[i].text)};
        check(table[i].text, apikey_packed_number(&col) == table[i].number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(what_looks_like_another_value_is_none),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests_name("packed", tests, NULL, NULL);
}
