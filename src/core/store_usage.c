/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "store_row.h"

/* Many in one statement as long as there are as many: each one is a journey to the database. */
static apikey_db_status_t add_uses(apikey_db_t *db, const apikey_use_t *uses,
                                   unsigned int count)
{
    apikey_arg_t args[4 * APIKEY_SQL_USES];
    apikey_db_status_t rv = APIKEY_DB_OK;
    unsigned int i, j, rows;

    for (i = 0; i < count && rv == APIKEY_DB_OK; i += rows) {
        rows = count - i < APIKEY_SQL_USES ? 1 : APIKEY_SQL_USES;
        for (j = 0; j < rows; j++) {
            args[4 * j] = apikey_arg_int((int64_t)uses[i + j].key_id);
            args[4 * j + 1] = apikey_arg_int(uses[i + j].last_ms * 1000);
            args[4 * j + 2] = apikey_arg_text(uses[i + j].address);
            args[4 * j + 3] = apikey_arg_int((int64_t)uses[i + j].count);
        }
        rv = apikey_db_run(db, rows == 1 ? APIKEY_SQL_ADD_USE : APIKEY_SQL_ADD_USES, args, NULL,
                           NULL);
    }
    return rv;
}

apikey_db_status_t apikey_store_add_uses(apikey_db_t *db, const char *writer, uint64_t sequence,
                                         const apikey_use_t *uses, unsigned int count)
{
    const apikey_arg_t who[] = {apikey_arg_text(writer)};
    const apikey_arg_t done[] = {apikey_arg_int((int64_t)sequence), apikey_arg_text(writer)};
    apikey_numbers_t seen = {.count = 1};
    apikey_db_status_t rv;

    /* The writer's row is locked first: of two processes with the same batch, one waits and
     * then finds it written. The row is made beforehand, as to look for one that is not there
     * locks a gap, in which other writers would block each other. */
    if ((rv = apikey_db_run(db, APIKEY_SQL_WRITER_MAKE, who, NULL, NULL)) != APIKEY_DB_OK ||
        (rv = apikey_db_begin(db)) != APIKEY_DB_OK) {
        return rv;
    }
    rv = apikey_db_run(db, APIKEY_SQL_WRITER_SEEN, who, apikey_store_keep_numbers, &seen);
    if (rv == APIKEY_DB_OK && seen.number[0] < (int64_t)sequence) {
        rv = add_uses(db, uses, count);
        if (rv == APIKEY_DB_OK) {
            rv = apikey_db_run(db, APIKEY_SQL_WRITER_NOTE, done, NULL, NULL);
        }
    }
    if (rv != APIKEY_DB_OK) {
        apikey_db_rollback(db);
        return rv;
    }
    return apikey_db_commit(db);
}
