/* SPDX-License-Identifier: Apache-2.0 */
/* A file that `apikeyctl import` is given. */
#include "fuzz.h"

#include "../../src/cli/csv.h"

#include <apr_general.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *pool;
    FILE *file = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
    cli_csv_reader_t *reader;
    cli_csv_status_t status;
    cli_csv_t record;
    uint64_t line = 0;
    size_t bytes = 0;
    int i;

    if (!file) {
        return 0;
    }
    if (!pool) {
        apr_initialize();
        apr_pool_create(&pool, NULL);
    }
    reader = cli_csv_open(file, pool);
    while ((status = cli_csv_next(reader, &record)) != CLI_CSV_END) {
        must(record.line > line); /* it gets on, so it ends */
        line = record.line;
        if (status == CLI_CSV_BAD) {
            must(record.why && *record.why);
            continue;
        }
        must(record.count > 0 && record.count <= CLI_CSV_FIELDS);
        for (i = 0; i < record.count; i++) {
            bytes += strlen(record.field[i]) + 1;
        }
    }
    must(bytes <= size + (size_t)CLI_CSV_FIELDS * (line + 1));
    fclose(file);
    apr_pool_clear(pool);
    return 0;
}
