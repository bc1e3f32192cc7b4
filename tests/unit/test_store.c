/* SPDX-License-Identifier: Apache-2.0 */
/* What can be said of keys and statements without a database; the rest is tested with one. */
#include "unit.h"

#include "../../src/core/store.h"

#include <mysqld_error.h>

static const char *repeat(const char *what, int times)
{
    static char text[4096];
    int i;

    text[0] = '\0';
    for (i = 0; i < times; i++) {
        strcat(text, what);
    }
    return text;
}

static apikey_new_key_t of(const char *owner)
{
    const apikey_new_key_t key = {.owner_type = APIKEY_OWNER_USER,
                                  .owner = owner,
                                  .description = "",
                                  .scopes = "",
                                  .expires_ms = APIKEY_NEVER};
    return key;
}

#define FOUR_BYTES "\xf0\x9f\x94\x91" /* U+1F511, a key */

static void lengths_count_characters(void **state)
{
    apikey_new_key_t key = of("alice");

    (void)state;
    assert_null(apikey_store_check_new(&key));
    key = of(repeat(FOUR_BYTES, 255));
    assert_null(apikey_store_check_new(&key));
    key = of(repeat("x", 256));
    assert_non_null(strstr(apikey_store_check_new(&key), "owner id is longer than 255"));
    key = of("alice");
    key.description = repeat(FOUR_BYTES, 255);
    assert_null(apikey_store_check_new(&key));
    key.description = repeat("x", 256);
    assert_non_null(strstr(apikey_store_check_new(&key), "description is longer than 255"));
    key.description = "";
    key.scopes = repeat("s", 1000);
    assert_null(apikey_store_check_new(&key));
    key.scopes = repeat("s", 1001);
    assert_non_null(strstr(apikey_store_check_new(&key), "scopes are longer than 1000"));
}

static void text_must_be_utf8(void **state)
{
    apikey_new_key_t key = of("a\xff");

    (void)state;
    assert_non_null(strstr(apikey_store_check_new(&key), "owner id is not UTF-8"));
    key = of("alice");
    key.description = "a\xff";
    assert_non_null(strstr(apikey_store_check_new(&key), "description is not UTF-8"));
}

static void owner_and_scopes_are_judged(void **state)
{
    apikey_new_key_t key = of("team:blue");

    (void)state;
    assert_non_null(apikey_store_check_new(&key));
    key = of("alice");
    key.scopes = "a  b";
    assert_non_null(apikey_store_check_new(&key));
}

static void every_statement_is_one(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < APIKEY_SQL_COUNT; i++) {
        const char *text = apikey_sql_text((apikey_sql_t)i);
        assert_non_null(text);
        check(text, strchr(text, ';') == NULL);
    }
}

static void remedies(void **state)
{
    (void)state;
    assert_non_null(strstr(apikey_db_remedy(ER_NO_SUCH_TABLE), "apikeyctl init"));
    assert_non_null(strstr(apikey_db_remedy(ER_TABLEACCESS_DENIED_ERROR), "grants.sql"));
    assert_string_equal(apikey_db_remedy(0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_count_characters),
        cmocka_unit_test(text_must_be_utf8),
        cmocka_unit_test(owner_and_scopes_are_judged),
        cmocka_unit_test(every_statement_is_one),
        cmocka_unit_test(remedies),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
