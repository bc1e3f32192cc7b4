/* SPDX-License-Identifier: Apache-2.0 */
/* Statements on one MySQL/MariaDB connection: the only place that executes SQL and reads rows.
 * Works on any open MYSQL handle, be it mod_dbd's or apikeyctl's own.
 *
 * One thread at a time uses an apikey_db_t. Statements are prepared when first used, belong to
 * the connection, and are prepared anew when the server lost them. */
#ifndef APIKEY_DB_H
#define APIKEY_DB_H

#include "sql.h"

#include <apr_pools.h>
#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct apikey_db_t apikey_db_t;

typedef enum {
    APIKEY_DB_FAILED = 0,  /* the server said no; see apikey_db_error() */
    APIKEY_DB_UNREACHABLE, /* the connection is of no use any more; try a fresh one */
    APIKEY_DB_OK
} apikey_db_status_t;

typedef enum {
    APIKEY_ARG_NULL = 0,
    APIKEY_ARG_TEXT,
    APIKEY_ARG_BYTES,
    APIKEY_ARG_INT
} apikey_arg_type_t;

typedef struct {
    apikey_arg_type_t type;
    const char *data; /* text (in the connection's character set) or bytes */
    size_t len;
    int64_t number;
} apikey_arg_t;

/* One column of a row; valid until the row function returns. */
typedef struct {
    const char *data; /* text and bytes, with a NUL behind; "" for NULL and for numbers */
    size_t len;
    int64_t number; /* integers */
    bool null;
    bool truncated; /* the value was longer than the longest we take: do not use it */
} apikey_col_t;

/* Called for every row; returning false ends the reading. */
typedef bool (*apikey_row_fn)(const apikey_col_t *cols, void *baton);

apikey_arg_t apikey_arg_text(const char *text); /* NULL: SQL NULL */
apikey_arg_t apikey_arg_bytes(const void *bytes, size_t len);
apikey_arg_t apikey_arg_int(int64_t number);

/* Makes a db on an open connection. It must be allocated from a pool that is destroyed before
 * the connection is closed; the connection stays the caller's. */
apikey_db_t *apikey_db_make(MYSQL *connection, apr_pool_t *pool);

/* APIKEY_DB_FAILED unless text goes to the server as UTF-8: an option file may say otherwise,
 * and names would then be stored as other names. */
apikey_db_status_t apikey_db_check_charset(apikey_db_t *db);

/* Runs a statement with as many arguments as its text has `?`, calling `row` (may be NULL) for
 * each row. A statement that the server has lost is prepared again; one that only reads is also
 * run again where the connection was lost and came back. */
apikey_db_status_t apikey_db_run(apikey_db_t *db, apikey_sql_t statement,
                                 const apikey_arg_t *args, apikey_row_fn row, void *baton);

/* The same of a statement that has APIKEY_SQL_TABLE in it, on that table; APIKEY_DB_FAILED
 * where the name is not that of a table. A connection keeps the statement for one table. */
apikey_db_status_t apikey_db_run_on(apikey_db_t *db, apikey_sql_t statement, const char *table,
                                    const apikey_arg_t *args, apikey_row_fn row, void *baton);

/* Runs the statements of a file (see script.h). The first one that fails is the last one that
 * is run; `*failed` is that one, from `pool`. Tables that the script has locked are unlocked
 * then. */
apikey_db_status_t apikey_db_run_script(apikey_db_t *db, const char *script, apr_pool_t *pool,
                                        const char **failed);

/* Binds what follows to the session there is now, or no longer: a session that took its place,
 * which knows nothing of variables that were set, is APIKEY_DB_UNREACHABLE. */
void apikey_db_bind_session(apikey_db_t *db, bool bound);

/* A transaction. Between begin and the other two, nothing is silently run a second time. */
apikey_db_status_t apikey_db_begin(apikey_db_t *db);
apikey_db_status_t apikey_db_commit(apikey_db_t *db);
void apikey_db_rollback(apikey_db_t *db);

/* The server's number for the session the last statement was run in. */
unsigned long apikey_db_session(const apikey_db_t *db);

uint64_t apikey_db_insert_id(const apikey_db_t *db);
uint64_t apikey_db_affected(const apikey_db_t *db);

/* Of the last call that did not return APIKEY_DB_OK: the server's or client's error number and
 * text. The text holds no argument of ours, thus no digest. */
unsigned int apikey_db_errno(const apikey_db_t *db);
const char *apikey_db_error(const apikey_db_t *db);

/* Whether the last call failed only because somebody else was in the way, so that the whole
 * transaction may be tried again at once. */
bool apikey_db_try_again(const apikey_db_t *db);

/* Whether the last call failed because the account may not do what was asked. */
bool apikey_db_denied(const apikey_db_t *db);

/* What an administrator can do about an error number, or "". */
const char *apikey_db_remedy(unsigned int error);

#endif
