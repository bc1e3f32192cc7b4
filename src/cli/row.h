/* SPDX-License-Identifier: Apache-2.0 */
/* A line of an import: the key and the digest that its fields describe. Pure. */
#ifndef APIKEY_CLI_ROW_H
#define APIKEY_CLI_ROW_H

#include "csv.h"

#include "../core/store.h"

typedef enum {
    CLI_ROW_DIGEST,
    CLI_ROW_OWNER_TYPE,
    CLI_ROW_OWNER_ID,
    CLI_ROW_DESCRIPTION,
    CLI_ROW_SCOPES,
    CLI_ROW_EXPIRES_AT,
    CLI_ROW_IS_PUBLIC,
    CLI_ROW_COLUMNS
} cli_row_column_t;

/* Where the columns of a file are. */
typedef struct {
    int count;
    int place[CLI_ROW_COLUMNS]; /* counted from 0; -1: there is none */
} cli_row_header_t;

/* Reads the line that names the columns. NULL, or what is wrong with it, from `pool`. */
const char *cli_row_read_header(cli_row_header_t *header, const cli_csv_t *record,
                                apr_pool_t *pool);

/* Reads one of the others; strings stay those of the record. NULL, or what is wrong with it,
 * from `pool`; never with the digest in it, which may be a key by mistake. */
const char *cli_row_read(const cli_row_header_t *header, const cli_csv_t *record,
                         int64_t now_ms, apikey_new_key_t *key, apikey_new_secret_t *secret,
                         apr_pool_t *pool);

/* Reads a SHA-256 digest: 64 hexadecimal digits, base64, or `{SHA256}` and either. NULL, or
 * what is wrong with it (static text). */
const char *cli_row_read_digest(unsigned char digest[APIKEY_DIGEST_LEN], const char *text);

#endif
