/* SPDX-License-Identifier: Apache-2.0 */
#include "dbd.h"

#include "board.h"
#include "config.h"
#include "workers.h"

#include <apr_atomic.h>
#include <apr_dbd.h>
#include <apr_optional.h>
#include <apr_optional_hooks.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <http_config.h>
#include <mod_dbd.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TRIES_MAX =
        256, /* bounds the search for a living connection; far above any sensible DBDMax */
    FAILURES_MAX =
        3 /* living connections that then fail at the work: a server that drops all */
};

/* Set in post_config, before there are threads. */
static APR_OPTIONAL_FN_TYPE(ap_dbd_open) * dbd_open;
static APR_OPTIONAL_FN_TYPE(ap_dbd_close) * dbd_close;

/* Connections that this process has discarded. mod_dbd reports a dead pooled connection, which
 * it drops (with reconnect=0), and a database that refuses new ones by the same NULL; that this
 * number moved tells the first from the second. */
static apr_uint32_t discarded;

struct run_t;

/* What we keep for a connection of mod_dbd's, in a pool of our own: the allocators of a child's
 * pools have no lock, and only mod_dbd's own use of them is inside that of its pool. */
typedef struct connection_t {
    struct connection_t *next;
    apr_pool_t *pool;
    const dbd_cfg_t *of; /* mod_dbd's settings: those of one pool of connections */
    MYSQL *handle;
    apikey_db_t *db;
    unsigned long session;
    int socket; /* a descriptor of our own: the library's may be another file by the time we
                   shut it down */
    const struct run_t *user; /* NULL: none of ours */
} connection_t;

/* A call of apikey_dbd_run(), for as long as it lasts. */
typedef struct run_t {
    struct run_t *next;
    int realm;
    int64_t since_ms, patience_ms; /* when it began, or was last cut off */
    connection_t *connection;      /* NULL while mod_dbd looks for one */
} run_t;

static struct {
    pthread_mutex_t mutex;
    connection_t *first;
    run_t *runs;
    const dbd_cfg_t *of[APIKEY_REALMS]; /* which connections are a realm's, once one was seen */
} here = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void watch_socket(connection_t *c)
{
    pthread_mutex_lock(&here.mutex);
    if (c->socket >= 0) {
        close(c->socket);
    }
    c->socket = fcntl(mysql_get_socket(c->handle), F_DUPFD_CLOEXEC, 3);
    c->session = mysql_thread_id(c->handle);
    pthread_mutex_unlock(&here.mutex);
}

/* Before mod_dbd closes it: its statements must be gone by then. */
static apr_status_t discard(void *data)
{
    connection_t **at;
    connection_t *c = data;

    pthread_mutex_lock(&here.mutex);
    for (at = &here.first; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    if (c->socket >= 0) {
        close(c->socket);
    }
    pthread_mutex_unlock(&here.mutex);
    apr_pool_destroy(c->pool);
    apr_atomic_inc32(&discarded);
    return APR_SUCCESS;
}

/* Our statements are not prepared by mod_dbd: a table of ours that is missing would keep
 * everybody else from connecting. */
static apr_status_t on_connect(apr_pool_t *unused, dbd_cfg_t *cfg, ap_dbd_t *rec)
{
    connection_t *c;
    apr_pool_t *pool;

    (void)unused;
    if (strcmp(apr_dbd_name(rec->driver), "mysql") != 0) {
        return OK;
    }
    apr_pool_create_unmanaged(&pool);
    apr_pool_tag(pool, "apikey_connection");
    c = apr_pcalloc(pool, sizeof(*c));
    c->pool = pool;
    c->of = cfg;
    c->handle = apr_dbd_native_handle(rec->driver, rec->handle);
    c->db = apikey_db_make(c->handle, pool);
    c->socket = -1;
    watch_socket(c);
    pthread_mutex_lock(&here.mutex);
    c->next = here.first;
    here.first = c;
    pthread_mutex_unlock(&here.mutex);
    apr_pool_cleanup_register(rec->pool, c, discard, apr_pool_cleanup_null);
    return OK;
}

static void begin_run(run_t *run, const server_rec *s, int64_t patience_ms)
{
    run->realm = apikey_server_conf(s)->realm;
    run->since_ms = apikey_steady_ms();
    run->patience_ms = patience_ms;
    run->connection = NULL;
    pthread_mutex_lock(&here.mutex);
    run->next = here.runs;
    here.runs = run;
    pthread_mutex_unlock(&here.mutex);
}

static void end_run(const run_t *run)
{
    run_t **at;

    pthread_mutex_lock(&here.mutex);
    for (at = &here.runs; *at != run; at = &(*at)->next) {
    }
    *at = run->next;
    pthread_mutex_unlock(&here.mutex);
}

/* Until mod_dbd's connection is given back it is this run's. NULL: not one of ours. */
static connection_t *use_connection(run_t *run, const ap_dbd_t *rec)
{
    const MYSQL *handle = apr_dbd_native_handle(rec->driver, rec->handle);
    connection_t *c;

    pthread_mutex_lock(&here.mutex);
    for (c = here.first; c && c->handle != handle; c = c->next) {
    }
    if (c) {
        here.of[run->realm] = c->of;
        c->user = run;
        run->connection = c;
    }
    pthread_mutex_unlock(&here.mutex);
    if (c && c->session != mysql_thread_id(c->handle)) {
        watch_socket(c); /* mod_dbd's ping has connected anew (reconnect=1) */
    }
    return c;
}

static void leave_connection(run_t *run)
{
    pthread_mutex_lock(&here.mutex);
    run->connection->user = NULL;
    run->connection = NULL;
    pthread_mutex_unlock(&here.mutex);
}

static void hang_up(const connection_t *c)
{
    if (c->socket >= 0) {
        shutdown(c->socket, SHUT_RDWR);
    }
}

/* A run without a connection perhaps waits for an answer to mod_dbd's ping, on one of those
 * that nobody is known to use. */
static void cut_off(const run_t *run)
{
    const dbd_cfg_t *of = here.of[run->realm];
    const connection_t *c;

    if (run->connection) {
        hang_up(run->connection);
        return;
    }
    for (c = here.first; c; c = c->next) {
        if (!c->user && (!of || c->of == of)) {
            hang_up(c);
        }
    }
}

void apikey_dbd_hang_up(bool all)
{
    const int64_t now = apikey_steady_ms();
    run_t *run;

    pthread_mutex_lock(&here.mutex);
    for (run = here.runs; run; run = run->next) {
        if (all || now - run->since_ms > run->patience_ms) {
            run->since_ms = now;
            cut_off(run);
        }
    }
    pthread_mutex_unlock(&here.mutex);
}

static const char *explain(const apikey_db_t *db, apr_pool_t *pool)
{
    const unsigned int code = apikey_db_errno(db);
    const char *remedy = apikey_db_remedy(code);

    return apr_psprintf(pool, "%s (error %u)%s%s", apikey_db_error(db), code,
                        *remedy ? "; " : "", remedy);
}

/* One connection, one try. `*none` says that there was none to be had. */
static apikey_db_status_t try_once(server_rec *s, apr_pool_t *pool, run_t *run,
                                   apikey_dbd_work_fn work, void *baton, const char **why,
                                   bool *none)
{
    ap_dbd_t *rec = dbd_open(pool, s);
    apikey_db_status_t rv = APIKEY_DB_FAILED;
    connection_t *c;

    *none = rec == NULL;
    if (!rec) {
        *why = "mod_dbd has no connection; its own message says why";
        return APIKEY_DB_UNREACHABLE;
    }
    c = use_connection(run, rec);
    if (!c) {
        *why = "DBDriver is not mysql";
    }
    else {
        rv = work(c->db, baton);
        *why = rv == APIKEY_DB_OK ? NULL : explain(c->db, pool);
        leave_connection(run);
    }
    dbd_close(s, rec);
    return rv;
}

static apikey_db_status_t try_all(server_rec *s, apr_pool_t *pool, run_t *run,
                                  apikey_dbd_work_fn work, void *baton, const char **why)
{
    apikey_db_status_t rv = APIKEY_DB_UNREACHABLE;
    int failures = 0;
    int tries;

    *why = "httpd is stopping";
    for (tries = 0; tries < TRIES_MAX && !apikey_workers_hurry(); tries++) {
        const apr_uint32_t before = apr_atomic_read32(&discarded);
        bool none;

        rv = try_once(s, pool, run, work, baton, why, &none);
        if (rv != APIKEY_DB_UNREACHABLE) {
            return rv;
        }
        /* A connection that failed us is found dead when it is next taken from the pool. */
        if (none ? apr_atomic_read32(&discarded) == before : ++failures == FAILURES_MAX) {
            return rv;
        }
    }
    return rv;
}

apikey_db_status_t apikey_dbd_run_for(int64_t patience_ms, server_rec *s, apr_pool_t *pool,
                                      apikey_dbd_work_fn work, void *baton, const char **why)
{
    apikey_db_status_t rv;
    run_t run;

    if (!dbd_open) {
        *why = "mod_dbd is not loaded";
        return APIKEY_DB_FAILED;
    }
    begin_run(&run, s, patience_ms);
    rv = try_all(s, pool, &run, work, baton, why);
    end_run(&run);
    return rv;
}

apikey_db_status_t apikey_dbd_run(server_rec *s, apr_pool_t *pool, apikey_dbd_work_fn work,
                                  void *baton, const char **why)
{
    return apikey_dbd_run_for(APIKEY_DBD_PATIENCE_MS, s, pool, work, baton, why);
}

/* Where DBDMin is not set, a child connects when a connection is first needed. mod_dbd's own
 * default, 1, has it connect as it starts, and a database that hangs would keep it from ever
 * serving anything. In front of all others: any line of the administrator's overrides it. */
static int put_min_first(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    ap_directive_t *line;

    (void)plog;
    (void)ptemp;
    if (ap_find_linked_module("mod_dbd.c")) {
        line = apr_pcalloc(pconf, sizeof(*line));
        line->directive = "DBDMin";
        line->args = "0";
        line->filename = "mod_authn_apikey";
        line->next = ap_conftree;
        ap_conftree = line;
    }
    return OK;
}

static int find_mod_dbd(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)pconf;
    (void)plog;
    (void)ptemp;
    (void)s;
    dbd_open = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open);
    dbd_close = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close);
    return OK;
}

void apikey_dbd_register(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_config(put_min_first, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(find_mod_dbd, NULL, NULL, APR_HOOK_MIDDLE);
    /* Before mod_dbd's own, which runs DBDInitSQL and, where that fails, is the last. */
    APR_OPTIONAL_HOOK(dbd, post_connect, on_connect, NULL, NULL, APR_HOOK_REALLY_FIRST);
}
