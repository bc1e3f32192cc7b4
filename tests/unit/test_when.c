/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/cli/when.h"
#include "../../src/core/apikey.h"

#define NOW INT64_C(1700000000000) /* 2023-11-14T22:13:20Z */
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static void readable(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } table[] = {
        {"never", APIKEY_NEVER},
        {"1h", NOW + HOUR},
        {"12h", NOW + 12 * HOUR},
        {"90d", NOW + 90 * DAY},
        {"2w", NOW + 14 * DAY},
        {"30min", NOW + HOUR / 2},
        {"45s", NOW + 45000},
        {"001d", NOW + DAY},
        {"1970-01-01", 0},
        {"2023-11-14T22:13:20Z", NOW},
        {"2023-11-14t22:13:20z", NOW},
        {"2023-11-14T22:13:20", NOW}, /* UTC where nothing is said */
        {"2023-11-14 22:13:20", NOW},
        {"2023-11-14 22:13:20.1", NOW + 100},
        {"2023-11-14 22:13:20.123", NOW + 123},
        {"2023-11-14 22:13:20.123999", NOW + 123},
        {"2023-11-15T00:13:20+02:00", NOW},
        {"2023-11-14T17:43:20-04:30", NOW},
        {"2023-11-14T22:13:20+00:00", NOW},
        {"2023-11-14", INT64_C(1699920000000)},
        {"2024-02-29", INT64_C(1709164800000)},
        {"2000-02-29", INT64_C(951782400000)},
        {"2038-01-19T03:14:08Z", INT64_C(2147483648000)},
        {"2106-02-07T06:28:16Z", INT64_C(4294967296000)},
        {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        int64_t ms = -2;
        check(table[i].text, cli_when_read(table[i].text, NOW, CLI_WHEN_AHEAD, &ms) == NULL);
        check(table[i].text, ms == table[i].ms);
    }
}

static void unreadable(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } table[] = {
        {"", "write 90d"},
        {" ", "write 90d"},
        {"Never", "write 90d"},
        {"never ", "write 90d"},
        {"soon", "write 90d"},
        {"d", "write 90d"},
        {"0", "that is no time from now"},
        {"0d", "that is no time from now"},
        {"90", "no unit"},
        {"20270131", "no unit"},
        {"2023", "no unit"},
        {"-90d", "write 90d"},
        {"+90d", "write 90d"},
        {"90 d", "write 90d"},
        {"90D", "write 90d"},
        {"90days", "write 90d"},
        {"1.5d", "write 90d"},
        {"90m", "minutes or months"},
        {"90y", "write 365d"},
        {"1y", "write 365d"},
        {"9999999999d", "too long a time"},
        {"999999w", "1970 to 9999"},
        {"2023-11", "write 90d"},
        {"2023-11-14T", "a time is written"},
        {"2023-11-14T22", "a time is written"},
        {"2023-11-14T22:13", "a time is written"},
        {"2023-11-14T22:13Z", "a time is written"},
        {"2023-11-14T22:13:20.", "a time is written"},
        {"2023-11-14T22:13:20.Z", "a time is written"},
        {"2023-11-14T22:13:20ZZ", "a time is written"},
        {"2023-11-14T22:13:20+2", "a time is written"},
        {"2023-11-14T22:13:20+0200", "a time is written"},
        {"2023-11-14T22:13:20+24:00", "a time is written"},
        {"2023-11-14T22:13:20+02:60", "a time is written"},
        {"2023-11-14T22:13:20 UTC", "a time is written"},
        {"2023-11-14x22:13:20", "a time is written"},
        {"2023-11-14 ", "a time is written"},
        {" 2023-11-14", "write 90d"},
        {"2023-1-1", "write 90d"},
        {"2023/11/14", "write 90d"},
        {"23-11-14", "day or month first"},
        {"14.11.2023", "day or month first"},
        {"1/2/2027", "day or month first"},
        {"01-02-27", "day or month first"},
        {"2023-00-14", "no such day"},
        {"2023-13-14", "no such day"},
        {"2023-11-00", "no such day"},
        {"2023-11-31", "no such day"},
        {"2023-02-29", "no such day"},
        {"2100-02-29", "no such day"},
        {"2023-11-14T24:00:00", "no such time"},
        {"2023-11-14T22:60:00", "no such time"},
        {"2023-11-14T22:13:60", "no such time"},
        {"1969-12-31", "1970 to 9999"},
        {"1970-01-01T00:00:00+01:00", "1970 to 9999"},
        {"10000-01-01", "write 90d"},
        {"9999-12-31T23:59:59-01:00", "1970 to 9999"},
        {"+2023-11-14", "write 90d"},
        {"2023-11-14T22:13:20\n", "a time is written"},
        {"\xff", "write 90d"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        int64_t ms;
        const char *why = cli_when_read(table[i].text, NOW, CLI_WHEN_AHEAD, &ms);
        check(table[i].text, why && strstr(why, table[i].why));
    }
}

static void ago(void **state)
{
    int64_t ms;

    (void)state;
    assert_null(cli_when_read("12h", NOW, CLI_WHEN_AGO, &ms));
    assert_true(ms == NOW - 12 * HOUR);
    assert_null(cli_when_read("2023-11-14T22:13:20Z", 0, CLI_WHEN_AGO, &ms));
    assert_true(ms == NOW);
    assert_non_null(cli_when_read("999999d", NOW, CLI_WHEN_AGO, &ms)); /* before 1970 */
}

static void spans(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: refused */
    } table[] = {
        {"0", 0},        {"0s", 0},          {"45s", 45},         {"30min", 1800},
        {"24h", 86400},  {"7d", 604800},     {"2w", 1209600},     {"", -1},
        {"24", -1},      {"24m", -1},        {"-1h", -1},         {"never", -1},
        {"1h30min", -1}, {"2027-01-31", -1}, {"9999999999s", -1}, {" 1h", -1},
        {"1h ", -1},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        int64_t seconds = -2;
        const char *why = cli_when_read_span(table[i].text, &seconds);
        check(table[i].text, (why == NULL) == (table[i].seconds >= 0));
        check(table[i].text, why || seconds == table[i].seconds);
    }
}

static void written(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } table[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {NOW + 7, "2023-11-14T22:13:20.007Z"},
        {INT64_C(2147483648000), "2038-01-19T03:14:08.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
    };
    char out[CLI_WHEN_SIZE];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        int64_t ms;
        check(table[i].text, strcmp(cli_when_write(out, table[i].ms), table[i].text) == 0);
        check(table[i].text,
              !cli_when_read(out, NOW, CLI_WHEN_AHEAD, &ms) && ms == table[i].ms);
    }
    /* What is no time is written as some, not as another one. */
    assert_string_equal(cli_when_write(out, INT64_MAX), "294247-01-10T04:00:54.775Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readable), cmocka_unit_test(unreadable), cmocka_unit_test(ago),
        cmocka_unit_test(spans),    cmocka_unit_test(written),
    };
    return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
