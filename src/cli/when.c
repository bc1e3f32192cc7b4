/* SPDX-License-Identifier: Apache-2.0 */
#include "when.h"

#include "../core/apikey.h"

#include <apr_time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last moment a DATETIME(3) of ours is asked to hold. */
static const int64_t last_ms = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z */

static bool read_span(const char *text, int64_t now_ms, int64_t *ms)
{
    const size_t digits = strspn(text, "0123456789");
    int64_t unit;

    if (digits == 0 || digits > 6 || strlen(text) != digits + 1) {
        return false;
    }
    switch (text[digits]) { /* no `m`: minutes or months? */
    case 'h':
        unit = 3600;
        break;
    case 'd':
        unit = 86400;
        break;
    case 'w':
        unit = 604800;
        break;
    default:
        return false;
    }
    *ms = now_ms + strtoll(text, NULL, 10) * unit * 1000;
    return *ms <= last_ms;
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

/* A day that exists: the 31st of June would come back as the 1st of July. */
static bool to_ms(const apr_time_exp_t *t, int offset, int64_t *ms)
{
    apr_time_exp_t exp = *t;
    apr_time_exp_t back;
    apr_time_t us;

    if (apr_time_exp_gmt_get(&us, &exp) != APR_SUCCESS ||
        apr_time_exp_gmt(&back, us) != APR_SUCCESS || back.tm_mday != t->tm_mday ||
        back.tm_mon != t->tm_mon || back.tm_hour != t->tm_hour) {
        return false;
    }
    *ms = us / 1000 - (int64_t)offset * 1000;
    return *ms >= 0 && *ms <= last_ms;
}

bool cli_when_read(const char *text, int64_t now_ms, int64_t *ms)
{
    const char *at = text;
    apr_time_exp_t t;
    int fraction = 0;
    int offset = 0;

    if (strcmp(text, "never") == 0) {
        *ms = APIKEY_NEVER;
        return true;
    }
    if (read_span(text, now_ms, ms)) {
        return true;
    }
    memset(&t, 0, sizeof(t));
    if (!digits(&at, 4, &t.tm_year) || !literal(&at, "-") || !digits(&at, 2, &t.tm_mon) ||
        !literal(&at, "-") || !digits(&at, 2, &t.tm_mday)) {
        return false;
    }
    if (*at && !(literal(&at, " T") && digits(&at, 2, &t.tm_hour) && literal(&at, ":") &&
                 digits(&at, 2, &t.tm_min) && literal(&at, ":") && digits(&at, 2, &t.tm_sec) &&
                 read_fraction(&at, &fraction) && read_offset(&at, &offset))) {
        return false;
    }
    if (*at || t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 || t.tm_hour > 23 ||
        t.tm_min > 59 || t.tm_sec > 59 || t.tm_year < 1970) {
        return false;
    }
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    t.tm_usec = fraction * 1000;
    return to_ms(&t, offset, ms);
}

const char *cli_when_write(char *out, int64_t ms)
{
    apr_time_exp_t t;

    apr_time_exp_gmt(&t, ms * 1000);
    snprintf(out, CLI_WHEN_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900,
             t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, t.tm_usec / 1000);
    return out;
}
