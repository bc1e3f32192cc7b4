/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/scope.h"

static void lists(void **state)
{
    static const struct {
        const char *list;
        bool ok;
    } table[] = {
        {"", true},
        {"a", true},
        {"orders:read orders:*", true},
        {"! # [ ] ~ : / a.b", true},
        {"** *a a* *:*", true},
        {"*", false},
        {"a *", false},
        {"* a", false},
        {" ", false},
        {" a", false},
        {"a ", false},
        {"a  b", false},
        {"a\tb", false},
        {"a\n", false},
        {"a\"b", false},
        {"a\\b", false},
        {"a\x7f", false},
        {"\xc3\xa9", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        check(table[i].list,
              apikey_scope_list_ok(table[i].list, strlen(table[i].list)) == table[i].ok);
    }
    assert_false(apikey_scope_list_ok("a\0b", 3));
}

/* RFC 6749: 1*( %x21 / %x23-5B / %x5D-7E ), and no bare star */
static void tokens(void **state)
{
    int byte;

    (void)state;
    for (byte = 0; byte < 256; byte++) {
        const char pair[2] = {'a', (char)byte};
        const char row[8] = {'b', 'y', 't', 'e', ' ', (char)byte};
        const bool legal =
            byte == 0x21 || (byte >= 0x23 && byte <= 0x5b) || (byte >= 0x5d && byte <= 0x7e);
        check(row, apikey_scope_token_ok(pair, 2) == legal);
        check(row, apikey_scope_token_ok(pair + 1, 1) == (legal && byte != '*'));
    }
    assert_false(apikey_scope_token_ok("", 0));
}

static void covering(void **state)
{
    static const struct {
        const char *list, *wanted;
        bool covers;
    } table[] = {
        {"orders:read", "orders:read", true},
        {"a orders:read b", "orders:read", true},
        {"a b orders:read", "orders:read", true},
        {"orders:*", "orders:read", true},
        {"orders:*", "orders:read:deep", true},
        {"orders:*", "orders:*", true},
        {"a:b:*", "a:b:c", true},
        {"", "orders:read", false},
        {"orders:read", "orders:rea", false},
        {"orders:rea", "orders:read", false},
        {"orders:read", "Orders:read", false},
        {"orders:read", "orders:write", false},
        {"orders:read", "orders:*", false},
        {"orders:*", "orders:", false}, /* covers what is below it */
        {"orders:*", "orders", false},
        {"orders:*", "ordersx:read", false},
        {"orders*", "orders:read", false}, /* a star counts only behind a colon */
        {"ord*", "ord", false},
        {"*", "orders:read", false},
        {":*", "orders:read", false},
        {":*", ":x", false},
        {"a:b:*", "a:c", false},
        {"orders:* x", "x:read", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        char row[80];
        snprintf(row, sizeof(row), "'%s' for '%s'", table[i].list, table[i].wanted);
        check(row, apikey_scope_covers(table[i].list, table[i].wanted) == table[i].covers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(tokens),
        cmocka_unit_test(covering),
    };
    return cmocka_run_group_tests_name("scope", tests, NULL, NULL);
}
