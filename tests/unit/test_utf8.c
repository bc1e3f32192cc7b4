/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/utf8.h"

static void texts(void **state)
{
    static const struct {
        const char *text;
        int chars; /* -1: not UTF-8 */
    } table[] = {
        {"", 0},
        {"abc\x7f", 4},
        {"\xc2\x80", 1},
        {"\xdf\xbf", 1},
        {"\xe0\xa0\x80", 1},
        {"\xed\x9f\xbf\xee\x80\x80", 2},
        {"\xef\xbf\xbf", 1},
        {"\xf0\x90\x80\x80", 1},
        {"\xf4\x8f\xbf\xbf", 1},
        {"jos\xc3\xa9", 4},
        {"\x80", -1},
        {"\xbf", -1},
        {"\xff", -1},
        {"\xc3", -1},
        {"\xc3(", -1},
        {"\xc0\xaf", -1},         /* overlong */
        {"\xc1\xbf", -1},         /* overlong */
        {"\xe0\x9f\xbf", -1},     /* overlong */
        {"\xf0\x8f\xbf\xbf", -1}, /* overlong */
        {"\xed\xa0\x80", -1},     /* a surrogate */
        {"\xed\xbf\xbf", -1},     /* a surrogate */
        {"\xf4\x90\x80\x80", -1}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", -1},
        {"\xe2\x82", -1},
        {"\xf0\x9f\x94", -1},
        {"\xe2\x82"
         "a",
         -1},
        {"a\xc3\xa9\xa9", -1},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        check(table[i].text, apikey_utf8_chars(table[i].text) == table[i].chars);
    }
}

static void lengths(void **state)
{
    (void)state;
    assert_int_equal(apikey_utf8_length("a"), 1);
    assert_int_equal(apikey_utf8_length("\xc3\xa9x"), 2);
    assert_int_equal(apikey_utf8_length("\xe2\x82\xac"), 3);
    assert_int_equal(apikey_utf8_length("\xf0\x9f\x94\x91"), 4);
    assert_int_equal(apikey_utf8_length(""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
