/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as people write them. UTC; milliseconds since 1970. */
#ifndef APIKEY_CLI_WHEN_H
#define APIKEY_CLI_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLI_WHEN_SIZE = 96 };

/* Reads `90d`, `12h`, `2w` (from `now_ms`), `2027-01-31`, `2027-01-31 12:00:00[.123]` or the
 * same with `T` and `Z` or an offset (RFC 3339), and `never` (APIKEY_NEVER). False for anything
 * else. */
bool cli_when_read(const char *text, int64_t now_ms, int64_t *ms);

/* Writes `2027-01-31T12:00:00.123Z` to CLI_WHEN_SIZE bytes. Returns `out`. */
const char *cli_when_write(char *out, int64_t ms);

#endif
