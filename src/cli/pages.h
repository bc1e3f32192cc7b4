/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of any length, read from the database page by page by id, newest first: as rows in
 * columns or as JSON. */
#ifndef APIKEY_CLI_PAGES_H
#define APIKEY_CLI_PAGES_H

#include "columns.h"
#include "print.h"

typedef struct {
    cli_columns_t *columns; /* NULL: as JSON */
    cli_json_list_t json;
    cli_exit_t rc;
    uint64_t left;  /* how many may still be printed */
    uint64_t last;  /* the id that was printed last, or --after; 0: none */
    int asked, got; /* of this page */
} cli_pages_t;

/* Reads --limit and --after. */
cli_exit_t cli_pages_begin(cli_pages_t *pages, const cli_t *cli, const cli_column_t *columns,
                           int count);

/* How many rows below `pages->last` to ask for next; 0: no more. */
int cli_pages_next(cli_pages_t *pages);

/* Whether a row is wanted as JSON. */
bool cli_pages_as_json(const cli_pages_t *pages);

/* Prints one; false: print no more. The JSON is freed. */
bool cli_pages_json(cli_pages_t *pages, uint64_t id, json_t *item);
bool cli_pages_row(cli_pages_t *pages, uint64_t id, const char *const *cells, int painted,
                   cli_paint_t paint);

/* Prints what was held back, and how to go on where the limit was reached. */
cli_exit_t cli_pages_end(cli_pages_t *pages);

#endif
