/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/verdict.h"

static const struct {
    apikey_verdict_t verdict;
    const char *name;
    int http_status;
    const char *error;
    bool challenge, known;
} table[] = {
    {APIKEY_NO_VERDICT, "", 500, NULL, false, false},
    {APIKEY_MISSING, "missing", 401, NULL, true, false},
    {APIKEY_MALFORMED, "malformed", 400, "invalid_request", true, false},
    {APIKEY_NOT_FOUND, "not_found", 401, "invalid_token", true, false},
    {APIKEY_WRONG_TYPE, "wrong_type", 401, "invalid_token", true, false},
    {APIKEY_REVOKED, "revoked", 401, "invalid_token", true, false},
    {APIKEY_EXPIRED, "expired", 401, "invalid_token", true, false},
    {APIKEY_UNUSABLE, "unusable", 401, "invalid_token", true, false},
    {APIKEY_UNAVAILABLE, "unavailable", 503, NULL, false, false},
    {APIKEY_INSUFFICIENT_SCOPE, "insufficient_scope", 403, "insufficient_scope", true, true},
    {APIKEY_FORBIDDEN, "forbidden", 403, NULL, false, true},
    {APIKEY_VALID, "valid", 0, NULL, false, true},
};

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void each_verdict(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        const apikey_verdict_info_t *info = apikey_verdict_info(table[i].verdict);
        check(table[i].name, same(info->name, table[i].name));
        check(table[i].name, info->http_status == table[i].http_status);
        check(table[i].name, same(info->error, table[i].error));
        check(table[i].name, (info->challenge != 0) == table[i].challenge);
        check(table[i].name,
              (apikey_verdict_knows_caller(table[i].verdict) != 0) == table[i].known);
    }
}

/* What an administrator has to repair is an error in the log; a database that is down is logged
 * once by whoever notices, not by each request. */
static void severities(void **state)
{
    (void)state;
    assert_int_equal(apikey_verdict_info(APIKEY_UNUSABLE)->severity, 3);
    assert_int_equal(apikey_verdict_info(APIKEY_UNAVAILABLE)->severity, 6);
}

static void the_table_is_complete(void **state)
{
    (void)state;
    assert_int_equal(COUNT(table), APIKEY_VALID + 1);
}

static void an_unknown_verdict_refuses(void **state)
{
    static const int strange[] = {APIKEY_VALID + 1, 1000, -1};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(strange); i++) {
        const apikey_verdict_t verdict = (apikey_verdict_t)strange[i];
        assert_int_equal(apikey_verdict_info(verdict)->http_status, 500);
        assert_false(apikey_verdict_knows_caller(verdict));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_verdict),
        cmocka_unit_test(severities),
        cmocka_unit_test(the_table_is_complete),
        cmocka_unit_test(an_unknown_verdict_refuses),
    };
    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
