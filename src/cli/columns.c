/* SPDX-License-Identifier: Apache-2.0 */
#include "columns.h"

#include <apr_strings.h>
#include <string.h>

enum { HELD_MAX = 200, SHRUNK = 8 };

static const char between[] = "  ";

typedef struct {
    const char *cell[CLI_COLUMNS_MAX];
    int painted; /* which cell; below 0: all */
    cli_paint_t paint;
} row_t;

struct cli_columns_t {
    const cli_column_t *columns;
    int count;
    int width[CLI_COLUMNS_MAX];
    bool terminal;
    bool started; /* the titles were printed */
    apr_pool_t *pool;
    int held;
    row_t row[HELD_MAX];
};

cli_columns_t *cli_columns_begin(const cli_column_t *columns, int count, apr_pool_t *pool)
{
    cli_columns_t *list = apr_pcalloc(pool, sizeof(*list));
    int i;

    list->columns = columns;
    list->count = count;
    list->terminal = cli_is_terminal(stdout);
    apr_pool_create(&list->pool, pool);
    for (i = 0; i < count; i++) {
        list->width[i] = cli_text_width(columns[i].title);
    }
    return list;
}

bool cli_columns_short(const cli_columns_t *list)
{
    return list->terminal;
}

static void print_row(const cli_columns_t *list, const row_t *row)
{
    int i;

    for (i = 0; i < list->count; i++) {
        const bool last = i == list->count - 1;
        const bool painted = row->painted < 0 || i == row->painted;

        if (list->terminal) {
            const int natural = cli_text_width(row->cell[i]);
            const bool cut = list->columns[i].shrinks || natural < list->width[i];
            cli_print_cell(row->cell[i], cut ? list->width[i] : natural, !last,
                           painted ? row->paint : CLI_PLAIN);
            fputs(last ? "\n" : between, stdout);
        }
        else {
            cli_print_safe(stdout, row->cell[i]);
            putchar(last ? '\n' : '\t');
        }
    }
}

static int widest_that_shrinks(const cli_columns_t *list)
{
    int widest = -1;
    int i;

    for (i = 0; i < list->count; i++) {
        if (list->columns[i].shrinks && list->width[i] > SHRUNK &&
            (widest < 0 || list->width[i] >= list->width[widest])) {
            widest = i;
        }
    }
    return widest;
}

/* As wide as their texts, and then narrower by turns until they fit. */
static void lay_out(cli_columns_t *list)
{
    int over = (list->count - 1) * (int)strlen(between) - cli_terminal_width();
    int i, j;

    for (i = 0; i < list->count; i++) {
        for (j = 0; j < list->held; j++) {
            const int width = cli_text_width(list->row[j].cell[i]);
            list->width[i] = width > list->width[i] ? width : list->width[i];
        }
        over += list->width[i];
    }
    for (; over > 0 && (i = widest_that_shrinks(list)) >= 0; over--) {
        list->width[i]--;
    }
}

static void start(cli_columns_t *list)
{
    row_t titles = {{NULL}, -1, CLI_BOLD};
    int i;

    if (list->terminal) {
        lay_out(list);
    }
    for (i = 0; i < list->count; i++) {
        titles.cell[i] = list->columns[i].title;
    }
    print_row(list, &titles);
    for (i = 0; i < list->held; i++) {
        print_row(list, &list->row[i]);
    }
    list->started = true;
    apr_pool_clear(list->pool);
}

void cli_columns_row(cli_columns_t *list, const char *const *cells, int painted,
                     cli_paint_t paint)
{
    row_t row = {{NULL}, painted, paint};
    int i;

    for (i = 0; i < list->count; i++) {
        row.cell[i] = list->started ? cells[i] : apr_pstrdup(list->pool, cells[i]);
    }
    if (list->started) {
        print_row(list, &row);
        return;
    }
    list->row[list->held++] = row;
    if (list->held == HELD_MAX) {
        start(list);
    }
}

void cli_columns_end(cli_columns_t *list)
{
    if (!list->started && list->held > 0) {
        start(list);
    }
    fflush(stdout);
}
