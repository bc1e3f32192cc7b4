/* SPDX-License-Identifier: Apache-2.0 */
/* Comma-separated values as RFC 4180 has them, one record after the other in constant memory. A
 * byte order mark, LF for CRLF and empty lines are taken too. */
#ifndef APIKEY_CLI_CSV_H
#define APIKEY_CLI_CSV_H

#include <apr_pools.h>
#include <stdint.h>
#include <stdio.h>

enum { CLI_CSV_FIELDS = 32, CLI_CSV_BYTES = 16384 };

typedef enum {
    CLI_CSV_BAD = 0, /* not a record; `why` says why, the next one may be */
    CLI_CSV_RECORD,
    CLI_CSV_END
} cli_csv_status_t;

typedef struct cli_csv_reader_t cli_csv_reader_t;

typedef struct {
    uint64_t line; /* that it begins in, from 1 */
    int count;
    const char *field[CLI_CSV_FIELDS];
    const char *why; /* static text */
} cli_csv_t;

/* Reads `file` from where it stands, which stays the caller's. */
cli_csv_reader_t *cli_csv_open(FILE *file, apr_pool_t *pool);

/* The next record; its fields are valid until the next call. A read error looks like the end:
 * ferror() tells. */
cli_csv_status_t cli_csv_next(cli_csv_reader_t *reader, cli_csv_t *record);

#endif
