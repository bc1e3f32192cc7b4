/* SPDX-License-Identifier: Apache-2.0 */
#include "dbd.h"

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

static const char of_connection[] = "mod_authn_apikey";

/* Set in post_config, before there are threads. */
static APR_OPTIONAL_FN_TYPE(ap_dbd_open) * dbd_open;
static APR_OPTIONAL_FN_TYPE(ap_dbd_close) * dbd_close;

/* Connections that this process has discarded. mod_dbd reports a dead pooled connection, which
 * it drops (with reconnect=0), and a database that refuses new ones by the same NULL; that this
 * number moved tells the first from the second. */
static apr_uint32_t discarded;

/* What we keep for a connection of mod_dbd's, in its pool. */
typedef struct connection_t {
    struct connection_t *next;
    MYSQL *handle;
    apikey_db_t *db;
    unsigned long session;
    int socket; /* a descriptor of our own: the library's may be another file by the time we
                   shut it down */
} connection_t;

static struct {
    pthread_mutex_t mutex;
    connection_t *first;
} connections = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void watch_socket(connection_t *c)
{
    pthread_mutex_lock(&connections.mutex);
    if (c->socket >= 0) {
        close(c->socket);
    }
    c->socket = fcntl(mysql_get_socket(c->handle), F_DUPFD_CLOEXEC, 3);
    c->session = mysql_thread_id(c->handle);
    pthread_mutex_unlock(&connections.mutex);
}

static apr_status_t discard(void *data)
{
    connection_t **at;
    connection_t *c = data;

    pthread_mutex_lock(&connections.mutex);
    for (at = &connections.first; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    if (c->socket >= 0) {
        close(c->socket);
    }
    pthread_mutex_unlock(&connections.mutex);
    apr_atomic_inc32(&discarded);
    return APR_SUCCESS;
}

/* Our statements are not prepared by mod_dbd: a table of ours that is missing would keep
 * everybody else from connecting. */
static apr_status_t on_connect(apr_pool_t *pool, dbd_cfg_t *cfg, ap_dbd_t *rec)
{
    connection_t *c;

    (void)pool;
    (void)cfg;
    if (strcmp(apr_dbd_name(rec->driver), "mysql") != 0) {
        return OK;
    }
    c = apr_pcalloc(rec->pool, sizeof(*c));
    c->handle = apr_dbd_native_handle(rec->driver, rec->handle);
    c->db = apikey_db_make(c->handle, rec->pool);
    c->socket = -1;
    watch_socket(c);
    pthread_mutex_lock(&connections.mutex);
    c->next = connections.first;
    connections.first = c;
    pthread_mutex_unlock(&connections.mutex);
    apr_pool_userdata_setn(c, of_connection, NULL, rec->pool);
    apr_pool_cleanup_register(rec->pool, c, discard, apr_pool_cleanup_null);
    return OK;
}

static apikey_db_t *db_of(const ap_dbd_t *rec)
{
    void *data = NULL;
    connection_t *c;

    apr_pool_userdata_get(&data, of_connection, rec->pool);
    c = data;
    if (c && c->session != mysql_thread_id(c->handle)) {
        watch_socket(c); /* mod_dbd's ping has connected anew (reconnect=1) */
    }
    return c ? c->db : NULL;
}

void apikey_dbd_hang_up(void)
{
    const connection_t *c;

    pthread_mutex_lock(&connections.mutex);
    for (c = connections.first; c; c = c->next) {
        if (c->socket >= 0) {
            shutdown(c->socket, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&connections.mutex);
}

static const char *explain(const apikey_db_t *db, apr_pool_t *pool)
{
    const unsigned int code = apikey_db_errno(db);
    const char *remedy = apikey_db_remedy(code);

    return apr_psprintf(pool, "%s (error %u)%s%s", apikey_db_error(db), code,
                        *remedy ? "; " : "", remedy);
}

/* One connection, one try. `*none` says that there was none to be had. */
static apikey_db_status_t try_once(server_rec *s, apr_pool_t *pool, apikey_dbd_work_fn work,
                                   void *baton, const char **why, bool *none)
{
    ap_dbd_t *rec = dbd_open(pool, s);
    apikey_db_status_t rv = APIKEY_DB_FAILED;
    apikey_db_t *db;

    *none = rec == NULL;
    if (!rec) {
        *why = "mod_dbd has no connection; its own message says why";
        return APIKEY_DB_UNREACHABLE;
    }
    db = db_of(rec);
    if (!db) {
        *why = "DBDriver is not mysql";
    }
    else {
        rv = work(db, baton);
        *why = rv == APIKEY_DB_OK ? NULL : explain(db, pool);
    }
    dbd_close(s, rec);
    return rv;
}

apikey_db_status_t apikey_dbd_run(server_rec *s, apr_pool_t *pool, apikey_dbd_work_fn work,
                                  void *baton, const char **why)
{
    apikey_db_status_t rv = APIKEY_DB_UNREACHABLE;
    int failures = 0;
    int tries;

    if (!dbd_open) {
        *why = "mod_dbd is not loaded";
        return APIKEY_DB_FAILED;
    }
    *why = "httpd is stopping";
    for (tries = 0; tries < TRIES_MAX && !apikey_workers_hurry(); tries++) {
        const apr_uint32_t before = apr_atomic_read32(&discarded);
        bool none;

        rv = try_once(s, pool, work, baton, why, &none);
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
    ap_hook_post_config(find_mod_dbd, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(dbd, post_connect, on_connect, NULL, NULL, APR_HOOK_MIDDLE);
}
