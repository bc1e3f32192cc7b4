/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in columns: aligned to the terminal, or with tabs between for whatever reads a pipe. */
#ifndef APIKEY_CLI_COLUMNS_H
#define APIKEY_CLI_COLUMNS_H

#include "terminal.h"

#include <apr_pools.h>

enum { CLI_COLUMNS_MAX = 10 };

typedef struct {
    const char *title;
    bool shrinks; /* cut where the terminal is narrow */
} cli_column_t;

/* A list that is being printed. The first rows are held back until it is known how wide they
 * are; all of it takes constant memory. */
typedef struct cli_columns_t cli_columns_t;

cli_columns_t *cli_columns_begin(const cli_column_t *columns, int count, apr_pool_t *pool);

/* Whether they go to a terminal, where short is better than complete. */
bool cli_columns_short(const cli_columns_t *list);

/* Prints one row; `paint` is that of the cell in column `painted`. */
void cli_columns_row(cli_columns_t *list, const char *const *cells, int painted,
                     cli_paint_t paint);

/* Prints what was held back. A list without rows prints nothing at all. */
void cli_columns_end(cli_columns_t *list);

#endif
