/* SPDX-License-Identifier: Apache-2.0 */
#include "pages.h"

#include <inttypes.h>

enum { PAGE = 1000 };

cli_exit_t cli_pages_begin(cli_pages_t *pages, const cli_t *cli, const cli_column_t *columns,
                           int count)
{
    *pages = (cli_pages_t){.left = UINT64_MAX};
    if (cli->opt.limit && !cli_number(cli->opt.limit, &pages->left)) {
        return cli_fail(CLI_USAGE, "--limit takes a number above 0; without it all are listed");
    }
    if (cli->opt.after && !cli_number(cli->opt.after, &pages->last)) {
        return cli_fail(CLI_USAGE, "--after takes an id, that of the last one seen");
    }
    if (!cli->opt.json) {
        pages->columns = cli_columns_begin(columns, count, cli->pool);
    }
    return CLI_DONE;
}

int cli_pages_next(cli_pages_t *pages)
{
    if (pages->rc != CLI_DONE || pages->left == 0 || pages->got < pages->asked ||
        ferror(stdout)) {
        return 0;
    }
    pages->got = 0;
    pages->asked = pages->left < PAGE ? (int)pages->left : PAGE;
    return pages->asked;
}

bool cli_pages_as_json(const cli_pages_t *pages)
{
    return !pages->columns;
}

static bool printed(cli_pages_t *pages, uint64_t id)
{
    pages->last = id;
    pages->left--;
    pages->got++;
    return pages->rc == CLI_DONE && !ferror(stdout);
}

bool cli_pages_json(cli_pages_t *pages, uint64_t id, json_t *item)
{
    pages->rc = cli_json_item(&pages->json, item);
    return printed(pages, id);
}

bool cli_pages_row(cli_pages_t *pages, uint64_t id, const char *const *cells, int painted,
                   cli_paint_t paint)
{
    cli_columns_row(pages->columns, cells, painted, paint);
    return printed(pages, id);
}

cli_exit_t cli_pages_end(cli_pages_t *pages)
{
    if (!pages->columns) {
        json_t *next = pages->left == 0 ? cli_json_id(pages->last) : json_null();
        return cli_json_end(&pages->json, json_pack("{s:o}", "next_after", next));
    }
    cli_columns_end(pages->columns);
    if (pages->left == 0) {
        fprintf(stderr, "There may be more: --after %" PRIu64 "\n", pages->last);
    }
    return pages->rc;
}
