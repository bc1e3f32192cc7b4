/* SPDX-License-Identifier: Apache-2.0 */
/* Files of SQL in statements, and names of tables in a statement. */
#include "unit.h"

#include "../../src/core/script.h"
#include "../../src/core/sql.h"

static void statements(void **state)
{
    static const struct {
        const char *text;
        const char *statement[4];
    } cases[] = {
        {"", {NULL}},
        {"-- nothing; but a comment\n\n", {NULL}},
        {"SELECT 1;\n", {"SELECT 1"}},
        {"SELECT 1", {"SELECT 1"}},
        {"SELECT 1;\nSELECT 2;\n", {"SELECT 1", "SELECT 2"}},
        {"SELECT\n  1\n;\nSELECT 2;\n", {"SELECT\n  1\n", "SELECT 2"}},
        {"-- one\nSELECT ';', 1;\n-- two;\nSELECT 2;\n", {"SELECT ';', 1", "SELECT 2"}},
        {"SELECT 1; -- why\nSELECT 2;", {"SELECT 1", "SELECT 2"}},
        {"DELIMITER //\nBEGIN\n  a;\n  b;\nEND//\nDELIMITER ;\nSELECT 1;\n",
         {"BEGIN\n  a;\n  b;\nEND", "SELECT 1"}},
        {"DELIMITER //\na//\n-- c\nb//\nDELIMITER ;\nc;\n", {"a", "b", "c"}},
    };
    size_t i;
    int j;

    for (i = 0; i < COUNT(cases); i++) {
        apikey_script_t script;

        apikey_script_open(&script, cases[i].text);
        for (j = 0; cases[i].statement[j]; j++) {
            const char *statement = apikey_script_next(&script, *state);
            check(cases[i].text, statement && !strcmp(statement, cases[i].statement[j]));
        }
        check(cases[i].text, apikey_script_next(&script, *state) == NULL);
    }
}

static void tables(void **state)
{
    static const char *const good[] = {
        "a", "api_key_team_members", "My$Table_1", "s.t", "1a", "1a.2b"};
    static const char *const bad[] = {
        "",  ".",    "a.",    ".a",  "a.b.c",    "a b", "a;b", "`a`",  "a-b", "a.b c",
        "1", "a.12", "a`.`b", "a\n", "\xc3\xa9", "a/*", "a,b", "a.b.", "(a)", "a'b"};
    char name[APIKEY_SQL_NAME_MAX + 2];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(good); i++) {
        check(good[i], apikey_sql_table_ok(good[i]));
    }
    for (i = 0; i < COUNT(bad); i++) {
        check(bad[i], !apikey_sql_table_ok(bad[i]));
    }
    memset(name, 'a', sizeof(name));
    name[APIKEY_SQL_NAME_MAX] = '\0';
    assert_true(apikey_sql_table_ok(name));
    name[APIKEY_SQL_NAME_MAX] = 'a';
    name[APIKEY_SQL_NAME_MAX + 1] = '\0';
    assert_false(apikey_sql_table_ok(name));
}

static void a_table_is_quoted(void **state)
{
    assert_non_null(strstr(apikey_sql_on(APIKEY_SQL_TEAMS_OF, "members", *state),
                           " FROM `members` WHERE "));
    assert_non_null(strstr(apikey_sql_on(APIKEY_SQL_MAY_MANAGE, "site.members", *state),
                           " FROM `site`.`members` WHERE "));
    assert_null(apikey_sql_on(APIKEY_SQL_TEAMS_OF, "members` WHERE 1 -- ", *state));
    assert_null(
        apikey_sql_on(APIKEY_SQL_SHOW, "members", *state)); /* it has no place for one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pool_test(statements),
        cmocka_unit_test(tables),
        pool_test(a_table_is_quoted),
    };
    return cmocka_run_group_tests_name("script", tests, NULL, NULL);
}
