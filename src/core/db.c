/* SPDX-License-Identifier: Apache-2.0 */
#include "db.h"

#include "script.h"

#include <apr_strings.h>
#include <errmsg.h>
#include <mysqld_error.h>
#include <string.h>

#ifndef ER_CONNECTION_KILLED /* MariaDB's alone */
#define ER_CONNECTION_KILLED 1927
#endif
#ifndef ER_CLIENT_INTERACTION_TIMEOUT /* MySQL's alone: idle for wait_timeout */
#define ER_CLIENT_INTERACTION_TIMEOUT 4031
#endif

enum { MAX_ARGS = 4 * APIKEY_SQL_USES, MAX_COLS = 24, MAX_VALUE = 4096 };

/* my_bool in MariaDB's client library and old MySQL's, bool in newer MySQL's. */
typedef __typeof__(*((MYSQL_BIND *)0)->is_null) db_bool_t;

typedef struct {
    MYSQL_STMT *stmt;
    apr_pool_t *pool;
    const char *table; /* that it was prepared for, or NULL */
    unsigned int ncols;
    MYSQL_BIND bind[MAX_COLS];
    apikey_col_t col[MAX_COLS];
    char *buffer[MAX_COLS]; /* where bind[i] points for text and bytes */
    unsigned long len[MAX_COLS];
    db_bool_t null[MAX_COLS];
    db_bool_t error[MAX_COLS];
} statement_t;

struct apikey_db_t {
    MYSQL *conn;
    apr_pool_t *stmt_pool;   /* cleared with the statements, which belong to one session */
    unsigned long thread_id; /* the session the statements were prepared in */
    statement_t *prepared[APIKEY_SQL_COUNT];
    unsigned long bound_to; /* the only session to be used; 0: any */
    bool in_transaction;
    bool autocommit; /* switched on by us in this session */
    uint64_t insert_id;
    uint64_t affected;
    unsigned int code;
    char message[256];
};

apikey_arg_t apikey_arg_text(const char *text)
{
    const apikey_arg_t arg = {text ? APIKEY_ARG_TEXT : APIKEY_ARG_NULL, text,
                              text ? strlen(text) : 0, 0};
    return arg;
}

apikey_arg_t apikey_arg_bytes(const void *bytes, size_t len)
{
    const apikey_arg_t arg = {APIKEY_ARG_BYTES, bytes, len, 0};
    return arg;
}

apikey_arg_t apikey_arg_int(int64_t number)
{
    const apikey_arg_t arg = {APIKEY_ARG_INT, NULL, 0, number};
    return arg;
}

/* The server forgot a statement, which it has certainly not executed then. */
static bool lost_statement(unsigned int code)
{
    return code == CR_NO_PREPARE_STMT || code == ER_UNKNOWN_STMT_HANDLER ||
           code == CR_STMT_CLOSED || code == ER_NEED_REPREPARE;
}

static bool lost_connection(unsigned int code)
{
    return code == CR_SERVER_GONE_ERROR || code == CR_SERVER_LOST ||
           code == CR_SERVER_LOST_EXTENDED || code == ER_CONNECTION_KILLED ||
           code == ER_SERVER_SHUTDOWN || code == ER_CLIENT_INTERACTION_TIMEOUT;
}

/* Also of use to a caller: errors of the client library itself mean that nobody answered. */
static bool unreachable(unsigned int code)
{
    return lost_connection(code) || (code >= CR_MIN_ERROR && code <= CR_MAX_ERROR);
}

static apikey_db_status_t fail(apikey_db_t *db, unsigned int code, const char *message)
{
    db->code = code;
    apr_cpystrn(db->message, message, sizeof(db->message));
    return unreachable(code) ? APIKEY_DB_UNREACHABLE : APIKEY_DB_FAILED;
}

static apikey_db_status_t fail_stmt(apikey_db_t *db, MYSQL_STMT *stmt)
{
    return fail(db, mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
}

static apikey_db_status_t fail_conn(apikey_db_t *db)
{
    return fail(db, mysql_errno(db->conn), mysql_error(db->conn));
}

static apr_status_t close_stmt(void *data)
{
    mysql_stmt_close(data);
    return APR_SUCCESS;
}

static void forget_statements(apikey_db_t *db)
{
    apr_pool_clear(db->stmt_pool);
    memset(db->prepared, 0, sizeof(db->prepared));
    db->autocommit = false;
    db->thread_id = mysql_thread_id(db->conn);
}

apikey_db_t *apikey_db_make(MYSQL *connection, apr_pool_t *pool)
{
    apikey_db_t *db = apr_pcalloc(pool, sizeof(*db));

    db->conn = connection;
    /* A sub-pool's cleanups run before its parent's: statements close before connections. */
    apr_pool_create(&db->stmt_pool, pool);
    apr_pool_tag(db->stmt_pool, "apikey_statements");
    db->thread_id = mysql_thread_id(connection);
    return db;
}

apikey_db_status_t apikey_db_check_charset(apikey_db_t *db)
{
    return strcmp(mysql_character_set_name(db->conn), "utf8mb4") == 0
               ? APIKEY_DB_OK
               : fail(db, ER_UNKNOWN_ERROR,
                      "the connection's character set is not utf8mb4; correct "
                      "default-character-set in the option file");
}

/* Decimals too, which COALESCE() makes of an unsigned number and a signed one. */
static bool is_integer(enum enum_field_types type)
{
    return type == MYSQL_TYPE_NEWDECIMAL || type == MYSQL_TYPE_TINY ||
           type == MYSQL_TYPE_SHORT || type == MYSQL_TYPE_INT24 || type == MYSQL_TYPE_LONG ||
           type == MYSQL_TYPE_LONGLONG;
}

/* Binds a column to a buffer as long as its declared length allows. */
static void bind_column(statement_t *st, unsigned int i, const MYSQL_FIELD *field,
                        apr_pool_t *pool)
{
    MYSQL_BIND *bind = &st->bind[i];

    bind->length = &st->len[i];
    bind->is_null = &st->null[i];
    bind->error = &st->error[i];
    if (is_integer(field->type)) {
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->buffer = &st->col[i].number;
        bind->is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;
    }
    else {
        const unsigned long size = field->length < MAX_VALUE ? field->length : MAX_VALUE;
        st->buffer[i] = apr_palloc(pool, size + 1);
        bind->buffer_type = MYSQL_TYPE_STRING;
        bind->buffer = st->buffer[i];
        bind->buffer_length = size;
    }
}

static apikey_db_status_t bind_result(apikey_db_t *db, statement_t *st, apr_pool_t *pool)
{
    MYSQL_RES *meta = mysql_stmt_result_metadata(st->stmt);
    unsigned int i;

    if (!meta) {
        return mysql_stmt_errno(st->stmt) ? fail_stmt(db, st->stmt) : APIKEY_DB_OK;
    }
    st->ncols = mysql_num_fields(meta);
    if (st->ncols > MAX_COLS) {
        mysql_free_result(meta);
        return fail(db, ER_UNKNOWN_ERROR, "more columns than a statement of ours has");
    }
    for (i = 0; i < st->ncols; i++) {
        bind_column(st, i, mysql_fetch_field_direct(meta, i), pool);
    }
    mysql_free_result(meta);
    return mysql_stmt_bind_result(st->stmt, st->bind) ? fail_stmt(db, st->stmt) : APIKEY_DB_OK;
}

static apikey_db_status_t prepare_in(apikey_db_t *db, const char *text, apr_pool_t *pool,
                                     statement_t *st)
{
    st->stmt = mysql_stmt_init(db->conn);
    if (!st->stmt) {
        return fail_conn(db);
    }
    apr_pool_cleanup_register(pool, st->stmt, close_stmt, apr_pool_cleanup_null);
    if (mysql_stmt_prepare(st->stmt, text, strlen(text))) {
        return fail_stmt(db, st->stmt);
    }
    return bind_result(db, st, pool);
}

static void forget_statement(apikey_db_t *db, apikey_sql_t statement)
{
    apr_pool_destroy(db->prepared[statement]->pool);
    db->prepared[statement] = NULL;
}

/* The statement, prepared in this session. A pool of its own: one that cannot be prepared, for
 * want of a table say, leaves nothing behind however often it is tried. */
static apikey_db_status_t prepare(apikey_db_t *db, apikey_sql_t statement, const char *table,
                                  statement_t **out)
{
    statement_t *st = db->prepared[statement];
    const char *text;
    apr_pool_t *pool;
    apikey_db_status_t rv;

    if (st && table && strcmp(st->table, table) != 0) {
        forget_statement(db, statement);
        st = NULL;
    }
    if (!st) {
        apr_pool_create(&pool, db->stmt_pool);
        apr_pool_tag(pool, "apikey_statement");
        text = table ? apikey_sql_on(statement, table, pool) : apikey_sql_text(statement);
        st = apr_pcalloc(pool, sizeof(*st));
        st->pool = pool;
        st->table = table ? apr_pstrdup(pool, table) : NULL;
        rv = text ? prepare_in(db, text, pool, st)
                  : fail(db, ER_WRONG_TABLE_NAME, "not the name of a table");
        if (rv != APIKEY_DB_OK) {
            apr_pool_destroy(pool);
            return rv;
        }
        db->prepared[statement] = st;
    }
    *out = st;
    return APIKEY_DB_OK;
}

static apikey_db_status_t bind_args(apikey_db_t *db, statement_t *st, const apikey_arg_t *args)
{
    MYSQL_BIND bind[MAX_ARGS];
    const unsigned long n = mysql_stmt_param_count(st->stmt);
    unsigned long i;

    if (n > MAX_ARGS) {
        return fail(db, ER_UNKNOWN_ERROR, "more arguments than a statement of ours has");
    }
    memset(bind, 0, n * sizeof(*bind));
    for (i = 0; i < n; i++) {
        switch (args[i].type) {
        case APIKEY_ARG_INT:
            bind[i].buffer_type = MYSQL_TYPE_LONGLONG;
            bind[i].buffer = (void *)(uintptr_t)&args[i].number;
            break;
        case APIKEY_ARG_TEXT:
        case APIKEY_ARG_BYTES:
            bind[i].buffer_type =
                args[i].type == APIKEY_ARG_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
            bind[i].buffer = (void *)(uintptr_t)args[i].data;
            bind[i].buffer_length = args[i].len;
            break;
        case APIKEY_ARG_NULL:
        default:
            bind[i].buffer_type = MYSQL_TYPE_NULL;
        }
    }
    if (mysql_stmt_bind_param(st->stmt, bind)) {
        return fail_stmt(db, st->stmt);
    }
    /* The library copies `bind`, not what it points to: `args` outlives the execution. */
    return mysql_stmt_execute(st->stmt) ? fail_stmt(db, st->stmt) : APIKEY_DB_OK;
}

/* Makes the columns of the fetched row safe to read. */
static void finish_row(statement_t *st)
{
    unsigned int i;

    for (i = 0; i < st->ncols; i++) {
        apikey_col_t *col = &st->col[i];

        col->null = st->null[i] != 0;
        if (st->bind[i].buffer_type == MYSQL_TYPE_LONGLONG) {
            col->data = "";
            col->len = 0;
            col->truncated = !col->null && st->error[i];
            col->number = col->null ? 0 : col->number;
        }
        else {
            const unsigned long size = st->bind[i].buffer_length;
            col->truncated = !col->null && st->len[i] > size;
            col->len = col->null ? 0 : col->truncated ? size : st->len[i];
            st->buffer[i][col->len] = '\0';
            col->data = st->buffer[i];
        }
    }
}

static apikey_db_status_t read_rows(apikey_db_t *db, statement_t *st, apikey_row_fn row,
                                    void *baton)
{
    int rc;

    while ((rc = mysql_stmt_fetch(st->stmt)) == 0 || rc == MYSQL_DATA_TRUNCATED) {
        finish_row(st);
        if (row && !row(st->col, baton)) {
            return APIKEY_DB_OK;
        }
    }
    return rc == MYSQL_NO_DATA ? APIKEY_DB_OK : fail_stmt(db, st->stmt);
}

/* A server that starts sessions with autocommit=0 would give a pooled connection one snapshot
 * for good, in which no revocation ever shows. Done once whatever the server says: MySQL 9.7
 * then begins a session with a flag that claims the contrary. Later the flag is right. */
static bool commits_itself(apikey_db_t *db)
{
    if (!db->autocommit || !(db->conn->server_status & SERVER_STATUS_AUTOCOMMIT)) {
        db->autocommit = mysql_autocommit(db->conn, 1) == 0;
    }
    return db->autocommit;
}

static apikey_db_status_t run_once(apikey_db_t *db, apikey_sql_t statement, const char *table,
                                   const apikey_arg_t *args, apikey_row_fn row, void *baton)
{
    statement_t *st;
    apikey_db_status_t rv;

    if (!db->in_transaction && !commits_itself(db)) {
        return fail_conn(db);
    }
    if ((rv = prepare(db, statement, table, &st)) != APIKEY_DB_OK ||
        (rv = bind_args(db, st, args)) != APIKEY_DB_OK) {
        return rv;
    }
    db->affected = mysql_stmt_affected_rows(st->stmt);
    db->insert_id = mysql_stmt_insert_id(st->stmt);
    if (st->ncols == 0) {
        return APIKEY_DB_OK;
    }
    /* All rows at once, so that the connection is free for whoever gets it next. */
    rv = mysql_stmt_store_result(st->stmt) ? fail_stmt(db, st->stmt)
                                           : read_rows(db, st, row, baton);
    if (rv == APIKEY_DB_OK) {
        mysql_stmt_free_result(st->stmt);
    }
    else {
        /* An error came in the place of rows (a deadlock, a query that was killed): when it is
         * run next, the library would first wait for the rest of them, for ever. */
        forget_statement(db, statement);
    }
    return rv;
}

static apikey_db_status_t check_session(apikey_db_t *db)
{
    if (mysql_thread_id(db->conn) != db->thread_id) {
        forget_statements(db); /* reconnected behind our back */
    }
    return db->bound_to && db->bound_to != db->thread_id
               ? fail(db, CR_SERVER_LOST, "the session was replaced by another one")
               : APIKEY_DB_OK;
}

void apikey_db_bind_session(apikey_db_t *db, bool bound)
{
    db->bound_to = bound ? mysql_thread_id(db->conn) : 0;
}

static apikey_db_status_t run(apikey_db_t *db, apikey_sql_t statement, const char *table,
                              const apikey_arg_t *args, apikey_row_fn row, void *baton)
{
    apikey_db_status_t rv;

    if ((rv = check_session(db)) != APIKEY_DB_OK) {
        return rv;
    }
    /* Where the connection is lost, another one is for the caller to find: one that was made
     * here nobody would watch (dbd.c). */
    rv = run_once(db, statement, table, args, row, baton);
    if (rv == APIKEY_DB_OK || db->in_transaction || !lost_statement(db->code)) {
        return rv;
    }
    forget_statements(db);
    if ((rv = check_session(db)) != APIKEY_DB_OK) {
        return rv;
    }
    return run_once(db, statement, table, args, row, baton);
}

apikey_db_status_t apikey_db_run(apikey_db_t *db, apikey_sql_t statement,
                                 const apikey_arg_t *args, apikey_row_fn row, void *baton)
{
    return run(db, statement, NULL, args, row, baton);
}

apikey_db_status_t apikey_db_run_on(apikey_db_t *db, apikey_sql_t statement, const char *table,
                                    const apikey_arg_t *args, apikey_row_fn row, void *baton)
{
    return run(db, statement, table, args, row, baton);
}

/* A CALL gives a status after its results. */
static apikey_db_status_t run_text(apikey_db_t *db, const char *statement)
{
    int rc = mysql_real_query(db->conn, statement, strlen(statement));

    while (rc == 0) {
        MYSQL_RES *result = mysql_store_result(db->conn);
        if (result) {
            mysql_free_result(result);
        }
        rc = mysql_next_result(db->conn);
    }
    return rc > 0 ? fail_conn(db) : APIKEY_DB_OK;
}

apikey_db_status_t apikey_db_run_script(apikey_db_t *db, const char *script, apr_pool_t *pool,
                                        const char **failed)
{
    apikey_script_t reading;
    apikey_db_status_t rv = APIKEY_DB_OK;

    apikey_script_open(&reading, script);
    while (rv == APIKEY_DB_OK && (*failed = apikey_script_next(&reading, pool)) != NULL) {
        rv = run_text(db, *failed);
    }
    if (rv != APIKEY_DB_OK) {
        mysql_query(db->conn, "UNLOCK TABLES"); /* what had gone wrong is in db already */
    }
    return rv;
}

apikey_db_status_t apikey_db_begin(apikey_db_t *db)
{
    static const char begin[] = "START TRANSACTION";

    if (mysql_real_query(db->conn, begin, sizeof(begin) - 1)) {
        return fail_conn(db);
    }
    if (check_session(db) != APIKEY_DB_OK) {
        mysql_rollback(db->conn);
        return APIKEY_DB_UNREACHABLE;
    }
    db->in_transaction = true;
    return APIKEY_DB_OK;
}

apikey_db_status_t apikey_db_commit(apikey_db_t *db)
{
    db->in_transaction = false;
    return mysql_commit(db->conn) ? fail_conn(db) : APIKEY_DB_OK;
}

void apikey_db_rollback(apikey_db_t *db)
{
    db->in_transaction = false;
    mysql_rollback(db->conn);
}

unsigned long apikey_db_session(const apikey_db_t *db)
{
    return db->thread_id;
}

uint64_t apikey_db_insert_id(const apikey_db_t *db)
{
    return db->insert_id;
}

uint64_t apikey_db_affected(const apikey_db_t *db)
{
    return db->affected;
}

unsigned int apikey_db_errno(const apikey_db_t *db)
{
    return db->code;
}

const char *apikey_db_error(const apikey_db_t *db)
{
    return db->message;
}

bool apikey_db_try_again(const apikey_db_t *db)
{
    return db->code == ER_LOCK_DEADLOCK || db->code == ER_CHECKREAD ||
           db->code == ER_AUTOINC_READ_FAILED ||
           db->code == ER_DUP_ENTRY; /* somebody else imports the same */
}

bool apikey_db_denied(const apikey_db_t *db)
{
    return db->code == ER_TABLEACCESS_DENIED_ERROR || db->code == ER_DBACCESS_DENIED_ERROR ||
           db->code == ER_COLUMNACCESS_DENIED_ERROR ||
           db->code == ER_SPECIFIC_ACCESS_DENIED_ERROR ||
           db->code == ER_PROCACCESS_DENIED_ERROR ||
           db->code == ER_BINLOG_CREATE_ROUTINE_NEED_SUPER;
}

const char *apikey_db_remedy(unsigned int error)
{
    switch (error) {
    case ER_NO_SUCH_TABLE:
        return "load conf/schema.sql into this database, or run apikeyctl init";
    case ER_BAD_FIELD_ERROR:
        return "the tables are of another version: run apikeyctl init";
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
        return "grant this account what conf/grants.sql grants";
    case ER_NO_SUCH_USER:
        return "the account that made the triggers is gone: run apikeyctl init, or load "
               "conf/schema.sql, as one that stays";
    case ER_ACCESS_DENIED_ERROR:
        return "check user and password";
    case ER_DBACCESS_DENIED_ERROR:
        return "grant this account access to the database";
    case ER_BAD_DB_ERROR:
        return "create the database, or correct its name";
    case ER_NO_DB_ERROR:
        return "name the database (dbname= in DBDParams, database= in an option file)";
    case CR_SSL_CONNECTION_ERROR:
        return "correct ssl-ca= and what else the option file says of TLS, or the server's "
               "certificate";
    case ER_LOCK_WAIT_TIMEOUT:
        return "somebody holds a transaction open; try again when it has ended";
    case ER_CON_COUNT_ERROR:
        return "raise max_connections, or lower DBDMax";
    default:
        return "";
    }
}
