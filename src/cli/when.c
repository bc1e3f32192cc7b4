/* SPDX-License-Identifier: Apache-2.0 */
#include "when.h"

#include "../core/apikey.h"

#include <apr_time.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last moment a DATETIME(3) of ours is asked to hold. */
static const int64_t last_ms = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z */

static const char how[] = "write 90d, 12h, 2w, a date (2027-01-31), a time "
                          "(2027-01-31T12:00:00Z) or never";
static const char years[] = "years run from 1970 to 9999";
static const char how_span[] = "write 90d, 12h, 2w, 30min or 45s";

/* What a unit is in seconds, or why it is none. */
static const char *read_unit(const char *unit, int64_t *seconds)
{
    static const struct {
        const char *name;
        int64_t seconds; /* 0: `why` */
        const char *why;
    } units[] = {
        {"s", 1, NULL},
        {"min", 60, NULL},
        {"h", 3600, NULL},
        {"d", 86400, NULL},
        {"w", 604800, NULL},
        {"m", 0, "m may stand for minutes or months: write 90min or 90d"},
        {"y", 0, "years differ in length: write 365d, or the date"},
        {"", 0, "a number alone has no unit: write 90d, 12h or 2w"},
    };
    size_t i;

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(unit, units[i].name) == 0) {
            *seconds = units[i].seconds;
            return units[i].why;
        }
    }
    return how_span;
}

const char *cli_when_read_span(const char *text, int64_t *seconds)
{
    const size_t digits = strspn(text, "0123456789");
    const char *why;

    if (strcmp(text, "0") == 0) {
        *seconds = 0;
        return NULL;
    }
    if (digits == 0) {
        return how_span;
    }
    why = read_unit(text + digits, seconds);
    if (!why && digits > 9) {
        why = "that is too long a time";
    }
    if (!why) {
        *seconds *= strtoll(text, NULL, 10);
    }
    return why;
}

/* Reads `count` digits into `*n` and moves on. */
static bool digits(const char **at, int count, int *n)
{
    for (*n = 0; count > 0; count--, (*at)++) {
        if (**at < '0' || **at > '9') {
            return false;
        }
        *n = *n * 10 + (**at - '0');
    }
    return true;
}

static bool literal(const char **at, const char *any_of)
{
    if (!**at || !strchr(any_of, **at)) {
        return false;
    }
    (*at)++;
    return true;
}

static bool read_fraction(const char **at, int *ms)
{
    int scale = 100;

    *ms = 0;
    if (!literal(at, ".")) {
        return true;
    }
    if (**at < '0' || **at > '9') {
        return false;
    }
    for (; **at >= '0' && **at <= '9'; (*at)++, scale /= 10) {
        *ms += (**at - '0') * scale;
    }
    return true;
}

/* Nothing (UTC), `Z`, or `+hh:mm`; seconds east of UTC. */
static bool read_offset(const char **at, int *seconds)
{
    const char sign = **at;
    int h, m;

    *seconds = 0;
    if (!sign) {
        return true;
    }
    if (literal(at, "Zz")) {
        return true;
    }
    if (!literal(at, "+-") || !digits(at, 2, &h) || !literal(at, ":") || !digits(at, 2, &m) ||
        h > 23 || m > 59) {
        return false;
    }
    *seconds = (h * 3600 + m * 60) * (sign == '-' ? -1 : 1);
    return true;
}

/* The time of a day that exists: the 31st of June would come back as the 1st of July. */
static const char *to_ms(const apr_time_exp_t *t, int offset, int64_t *ms)
{
    apr_time_exp_t exp = *t;
    apr_time_exp_t back;
    apr_time_t us;

    if (t->tm_hour > 23 || t->tm_min > 59 || t->tm_sec > 59) {
        return "there is no such time of day";
    }
    if (t->tm_year < 70) {
        return years;
    }
    if (t->tm_mon < 0 || t->tm_mon > 11 || t->tm_mday < 1 ||
        apr_time_exp_gmt_get(&us, &exp) != APR_SUCCESS ||
        apr_time_exp_gmt(&back, us) != APR_SUCCESS || back.tm_mday != t->tm_mday ||
        back.tm_mon != t->tm_mon) {
        return "there is no such day";
    }
    *ms = us / 1000 - (int64_t)offset * 1000;
    return *ms >= 0 && *ms <= last_ms ? NULL : years;
}

static const char *read_date(const char *text, int64_t *ms)
{
    const char *at = text;
    apr_time_exp_t t = {0};
    int fraction = 0;
    int offset = 0;

    if (!digits(&at, 4, &t.tm_year) || !literal(&at, "-") || !digits(&at, 2, &t.tm_mon) ||
        !literal(&at, "-") || !digits(&at, 2, &t.tm_mday)) {
        return how;
    }
    if (*at && !(literal(&at, " Tt") && digits(&at, 2, &t.tm_hour) && literal(&at, ":") &&
                 digits(&at, 2, &t.tm_min) && literal(&at, ":") && digits(&at, 2, &t.tm_sec) &&
                 read_fraction(&at, &fraction) && read_offset(&at, &offset) && !*at)) {
        return "a time is written 2027-01-31T12:00:00Z, with +02:00 for Z elsewhere";
    }
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    t.tm_usec = fraction * 1000;
    return to_ms(&t, offset, ms);
}

/* 31.1.2027, 1/2/2027, 1-2-2027: the day first or the month? */
static bool ambiguous_date(const char *text)
{
    const size_t first = strspn(text, "0123456789");
    const size_t second = text[first] ? strspn(text + first + 1, "0123456789") : 0;
    const char *end = text + first + 1 + second;

    return first >= 1 && first <= 2 && strchr("./-", text[first]) && second >= 1 &&
           *end == text[first];
}

const char *cli_when_read(const char *text, int64_t now_ms, cli_direction_t direction,
                          int64_t *ms)
{
    const size_t number = strspn(text, "0123456789");
    int64_t seconds;
    const char *why;

    if (strcmp(text, "never") == 0) {
        *ms = APIKEY_NEVER;
        return NULL;
    }
    if (ambiguous_date(text)) {
        return "day or month first? write the date as 2027-01-31";
    }
    if (number == 0 || (text[number] && !isalpha((unsigned char)text[number]))) {
        return read_date(text, ms);
    }
    why = cli_when_read_span(text, &seconds);
    if (why) {
        return why == how_span ? how : why;
    }
    if (seconds == 0) {
        return "that is no time from now";
    }
    *ms = now_ms + (direction == CLI_WHEN_AGO ? -seconds : seconds) * 1000;
    return *ms >= 0 && *ms <= last_ms ? NULL : years;
}

const char *cli_when_write(char *out, int64_t ms)
{
    const int64_t last = INT64_MAX / 1000; /* what a row holds may be no time at all */
    apr_time_exp_t t;

    apr_time_exp_gmt(&t, (ms > last ? last : ms < -last ? -last : ms) * 1000);
    snprintf(out, CLI_WHEN_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900,
             t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, t.tm_usec / 1000);
    return out;
}
