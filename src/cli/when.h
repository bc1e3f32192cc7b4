/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time and spans of it as people write them. UTC; milliseconds since 1970. */
#ifndef APIKEY_CLI_WHEN_H
#define APIKEY_CLI_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLI_WHEN_SIZE = 96 };

/* In which direction from now a span lies. */
typedef enum { CLI_WHEN_AHEAD = 0, CLI_WHEN_AGO } cli_direction_t;

/* Reads `90d`, `12h`, `2w`, `30min`, `45s` (from `now_ms`), `2027-01-31` (its first moment),
 * `2027-01-31 12:00:00[.123]` or the same with `T` and `Z` or an offset (RFC 3339), and `never`
 * (APIKEY_NEVER). NULL, or what is wrong with the text (static); what may be meant in two ways
 * is wrong. */
const char *cli_when_read(const char *text, int64_t now_ms, cli_direction_t direction,
                          int64_t *ms);

/* Reads a span alone, `0` included. NULL, or what is wrong with it. */
const char *cli_when_read_span(const char *text, int64_t *seconds);

/* Writes `2027-01-31T12:00:00.123Z` to CLI_WHEN_SIZE bytes. Returns `out`. */
const char *cli_when_write(char *out, int64_t ms);

#endif
