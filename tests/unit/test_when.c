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
        {"0d", NOW},
        {"1970-01-01", 0},
        {"2023-11-14T22:13:20Z", NOW},
        {"2023-11-14t22:13:20z", -1}, /* the T is written large */
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
        check(table[i].text, cli_when_read(table[i].text, NOW, &ms) == (table[i].ms != -1));
        check(table[i].text, table[i].ms == -1 || ms == table[i].ms);
    }
}

static void unreadable(void **state)
{
    static const char *const table[] = {
        "",
        " ",
        "Never",
        "never ",
        "soon",
        "d",
        "90",
        "-90d",
        "+90d",
        "90 d",
        "90D",
        "90m",
        "90s",
        "90y",
        "1.5d",
        "9999999d",
        "999999w", /* past the year 9999 */
        "2023",
        "2023-11",
        "2023-11-14T",
        "2023-11-14T22",
        "2023-11-14T22:13",
        "2023-11-14T22:13:20.",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20ZZ",
        "2023-11-14T22:13:20+2",
        "2023-11-14T22:13:20+0200",
        "2023-11-14T22:13:20+24:00",
        "2023-11-14T22:13:20+02:60",
        "2023-11-14T22:13:20 UTC",
        "2023-11-14x22:13:20",
        "2023-11-14 ",
        " 2023-11-14",
        "2023-1-1",
        "23-11-14",
        "2023/11/14",
        "14.11.2023",
        "2023-00-14",
        "2023-13-14",
        "2023-11-00",
        "2023-11-31",
        "2023-02-29",
        "2100-02-29",
        "2023-11-14T24:00:00",
        "2023-11-14T22:60:00",
        "2023-11-14T22:13:60",
        "1969-12-31",
        "0000-00-00",
        "1970-01-01T00:00:00+01:00",
        "10000-01-01",
        "9999-12-31T23:59:59-01:00",
        "+2023-11-14",
        "2023-11-14T22:13:20\n",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        int64_t ms;
        check(table[i], !cli_when_read(table[i], NOW, &ms));
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
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        char out[CLI_WHEN_SIZE];
        int64_t ms;
        check(table[i].text, strcmp(cli_when_write(out, table[i].ms), table[i].text) == 0);
        check(table[i].text, cli_when_read(out, NOW, &ms) && ms == table[i].ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readable),
        cmocka_unit_test(unreadable),
        cmocka_unit_test(written),
    };
    return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
