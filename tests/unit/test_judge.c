/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/judge.h"

static const int64_t now = INT64_C(1700000000000);

/* The record of alice's good key, with something changed by the caller. */
static apikey_record_t good(apikey_owner_t type)
{
    const apikey_record_t record = {7, type, "alice", "", APIKEY_NEVER, false, false, NULL};
    return record;
}

static apikey_verdict_t judge(const apikey_record_t *record, bool users, bool teams)
{
    const apikey_place_t place = {users, teams};
    return apikey_judge(record, &place, now);
}

static void kinds(void **state)
{
    const apikey_record_t user = good(APIKEY_OWNER_USER);
    const apikey_record_t team = good(APIKEY_OWNER_TEAM);

    (void)state;
    assert_int_equal(judge(&user, true, true), APIKEY_VALID);
    assert_int_equal(judge(&team, true, true), APIKEY_VALID);
    assert_int_equal(judge(&user, true, false), APIKEY_VALID);
    assert_int_equal(judge(&team, true, false), APIKEY_WRONG_TYPE);
    assert_int_equal(judge(&user, false, true), APIKEY_WRONG_TYPE);
    assert_int_equal(judge(&team, false, true), APIKEY_VALID);
    assert_int_equal(judge(&user, false, false), APIKEY_WRONG_TYPE);
    assert_int_equal(judge(&team, false, false), APIKEY_WRONG_TYPE);
}

static void expiry_is_strictly_before_now(void **state)
{
    static const struct {
        const char *name;
        int64_t expires_ms;
        apikey_verdict_t verdict;
    } table[] = {
        {"a millisecond ago", INT64_C(1699999999999), APIKEY_EXPIRED},
        {"this millisecond", INT64_C(1700000000000), APIKEY_VALID},
        {"in a millisecond", INT64_C(1700000000001), APIKEY_VALID},
        {"never", APIKEY_NEVER, APIKEY_VALID},
        {"past 2038", INT64_C(4102444800000), APIKEY_VALID},
        {"a zero date", 0, APIKEY_EXPIRED},
        {"before 1970", -1, APIKEY_EXPIRED},
        {"as long ago as can be", INT64_MIN, APIKEY_EXPIRED},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        apikey_record_t record = good(APIKEY_OWNER_USER);
        record.expires_ms = table[i].expires_ms;
        check(table[i].name, judge(&record, true, true) == table[i].verdict);
    }
}

/* Everything is wrong with this record; taking away the first fault shows the next. */
static void order_of_faults(void **state)
{
    apikey_record_t record = good(APIKEY_OWNER_USER);

    (void)state;
    record.unusable = "for a reason";
    record.revoked = true;
    record.expires_ms = 1;
    assert_int_equal(judge(NULL, false, false), APIKEY_NOT_FOUND);
    assert_int_equal(judge(&record, false, true), APIKEY_UNUSABLE);
    record.unusable = NULL;
    assert_int_equal(judge(&record, false, true), APIKEY_WRONG_TYPE);
    assert_int_equal(judge(&record, true, true), APIKEY_REVOKED);
    record.revoked = false;
    assert_int_equal(judge(&record, true, true), APIKEY_EXPIRED);
    record.expires_ms = APIKEY_NEVER;
    assert_int_equal(judge(&record, true, true), APIKEY_VALID);
}

static void zeroes_refuse(void **state)
{
    const apikey_record_t nothing = {0};
    apikey_record_t typeless = good(APIKEY_OWNER_NONE);

    (void)state;
    assert_int_equal(judge(&nothing, true, true), APIKEY_UNUSABLE);
    assert_int_equal(judge(&typeless, true, true), APIKEY_UNUSABLE);
}

static void owners(void **state)
{
    static const struct {
        apikey_owner_t type;
        const char *owner;
        const char *why; /* NULL: legal */
    } table[] = {
        {APIKEY_OWNER_USER, "alice", NULL},
        {APIKEY_OWNER_USER, "a", NULL},
        {APIKEY_OWNER_USER, "josé with spaces", NULL},
        {APIKEY_OWNER_USER, "alice@example.org", NULL},
        {APIKEY_OWNER_USER, "\xff", NULL}, /* any bytes: they are encoded on their way out */
        {APIKEY_OWNER_USER, "team", NULL},
        {APIKEY_OWNER_USER, "Team:blue", NULL},
        {APIKEY_OWNER_USER, "ateam:blue", NULL},
        {APIKEY_OWNER_TEAM, "team:blue", NULL},
        {APIKEY_OWNER_USER, "team:blue", "team:"},
        {APIKEY_OWNER_USER, "team:", "team:"},
        {APIKEY_OWNER_USER, "", "empty"},
        {APIKEY_OWNER_TEAM, "", "empty"},
        {APIKEY_OWNER_USER, " alice", "space"},
        {APIKEY_OWNER_USER, "alice ", "space"},
        {APIKEY_OWNER_USER, " ", "space"},
        {APIKEY_OWNER_USER, "alice\n", "control"},
        {APIKEY_OWNER_USER, "al\rice", "control"},
        {APIKEY_OWNER_USER, "\talice", "control"},
        {APIKEY_OWNER_TEAM, "blue\x7f", "control"},
        {APIKEY_OWNER_USER, "al\xc2\x9bice",
         "control"}, /* U+009B, which begins sequences too */
        {APIKEY_OWNER_USER, "al\xc2\xa0ice", NULL},
        {APIKEY_OWNER_NONE, "alice", "neither"},
        {(apikey_owner_t)3, "alice", "neither"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        const char *why =
            apikey_judge_owner(table[i].type, table[i].owner, strlen(table[i].owner));
        check(table[i].owner, (why == NULL) == (table[i].why == NULL));
        check(table[i].owner, !why || strstr(why, table[i].why));
    }
    assert_non_null(apikey_judge_owner(APIKEY_OWNER_USER, "al\0ice", 6));
    assert_null(apikey_judge_owner(APIKEY_OWNER_USER, "team", 4)); /* reads no further */
}

static void length_of_owners(void **state)
{
    char owner[APIKEY_OWNER_MAX + 1];

    (void)state;
    memset(owner, 'x', sizeof(owner));
    assert_null(apikey_judge_owner(APIKEY_OWNER_USER, owner, APIKEY_OWNER_MAX));
    assert_non_null(apikey_judge_owner(APIKEY_OWNER_USER, owner, APIKEY_OWNER_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),           cmocka_unit_test(expiry_is_strictly_before_now),
        cmocka_unit_test(order_of_faults), cmocka_unit_test(zeroes_refuse),
        cmocka_unit_test(owners),          cmocka_unit_test(length_of_owners),
    };
    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
