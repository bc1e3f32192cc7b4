/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/encode.h"

static void texts(void **state)
{
    static const struct {
        const char *text, *encoded;
    } table[] = {
        {"", ""},
        {"alice", "alice"},
        {" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~", " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"},
        {"100%", "100%25"},
        {"%41", "%2541"},
        {"a\r\nb: c", "a%0D%0Ab: c"},
        {"\x01\x1f\x7f\x80\xff", "%01%1F%7F%80%FF"},
        {"jos\xc3\xa9", "jos%C3%A9"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        char out[200];

        apikey_encode(out, table[i].text);
        assert_string_equal(out, table[i].encoded);
        check(table[i].text, apikey_encode_is_plain(table[i].text) ==
                                 (strcmp(table[i].text, table[i].encoded) == 0));
    }
}

/* Every byte but NUL, alone. */
static void bytes(void **state)
{
    int byte;

    (void)state;
    for (byte = 1; byte < 256; byte++) {
        const char text[] = {(char)byte, '\0'};
        const bool plain = byte >= 0x20 && byte <= 0x7e && byte != '%';
        char expected[4], out[4];

        snprintf(expected, sizeof(expected), plain ? "%c" : "%%%02X", byte);
        apikey_encode(out, text);
        assert_string_equal(out, expected);
        assert_int_equal(apikey_encode_is_plain(text), plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(bytes)};
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
