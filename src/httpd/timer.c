/* SPDX-License-Identifier: Apache-2.0 */
#include "timer.h"

#include "board.h"
#include "breaker.h"
#include "cache.h"
#include "config.h"
#include "dbd.h"
#include "feed.h"
#include "job.h"
#include "lookup.h"
#include "settings.h"
#include "usage.h"
#include "workers.h"

#include <apr_optional.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <mod_watchdog.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

APLOG_USE_MODULE(authn_apikey);

enum {
    TICK_MS = 100, /* mod_watchdog's own resolution */
    /* Of a child that ends: httpd complains after three seconds and kills after nine. */
    PATIENCE_MS = 1000,
    LIMIT_MS = 6000,
    HUNG_UP_MS = 500,
    /* Together less than facts are fresh for beyond ApiKeyRefresh (cache.c). */
    SLOW_MS = 1000,
    DOUBT_MS = 400
};

_Static_assert(2 * (int)APIKEY_REALMS <= (int)APIKEY_LANES, "two lanes for each realm");

/* Since when something is done, in steady milliseconds; 0: it is not. */
typedef _Atomic int64_t busy_t;

/* What this child does for a realm. One of a kind at a time, so that a database that hangs does
 * not gather them. */
typedef struct {
    unsigned int realm;
    server_rec *server; /* the first that has it */
    server_rec *feeder; /* the one that wants the feed read most often */
    server_rec *writer; /* the one that wants usage written most often */
    busy_t feeding, pruning, writing, probing, comparing;
} task_t;

static struct {
    server_rec *main_server;
    task_t *tasks; /* one for each realm in use */
    int count;
    pthread_mutex_t mutex; /* held by a tick; taken for good when the child ends */
    bool ended;
} timer = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void feed(void *baton, apr_pool_t *pool)
{
    task_t *task = baton;

    if (!apikey_feed_read(task->feeder, pool) && !apikey_workers_hurry()) {
        apikey_lookup_probe(task->server, pool);
    }
    atomic_store(&task->feeding, 0);
}

static void prune(void *baton, apr_pool_t *pool)
{
    task_t *task = baton;

    apikey_feed_prune(task->feeder, pool);
    atomic_store(&task->pruning, 0);
}

static void write_usage(void *baton, apr_pool_t *pool)
{
    task_t *task = baton;

    apikey_usage_write(task->writer, pool, false);
    atomic_store(&task->writing, 0);
}

static void write_all_usage(void *baton, apr_pool_t *pool)
{
    apikey_usage_write(((task_t *)baton)->writer, pool, true);
}

static void probe(void *baton, apr_pool_t *pool)
{
    task_t *task = baton;

    apikey_lookup_probe(task->server, pool);
    atomic_store(&task->probing, 0);
}

static void compare(void *baton, apr_pool_t *pool)
{
    task_t *task = baton;

    apikey_settings_check(task->server, pool);
    atomic_store(&task->comparing, 0);
}

static void start(task_t *task, busy_t *busy, apikey_work_fn work)
{
    int64_t idle = 0;

    if (atomic_compare_exchange_strong(busy, &idle, apikey_steady_ms()) &&
        !apikey_workers_do(task->realm, work, task)) {
        atomic_store(busy, 0);
    }
}

static bool is_busy_for(busy_t *busy, int64_t ms)
{
    const int64_t since = atomic_load(busy);
    return since && apikey_steady_ms() - since > ms;
}

/* A reading of the feed that takes long may be the first sign of a database that hangs. Before
 * facts are stale for want of a reading, a look-up of ours finds out: no request is to wait for
 * an answer that may never come. */
static void watch_feeding(task_t *task, int64_t now)
{
    if (!is_busy_for(&task->feeding, SLOW_MS)) {
        return;
    }
    start(task, &task->probing, probe); /* unless it is on its way */
    if (is_busy_for(&task->probing, DOUBT_MS)) {
        apikey_cache_doubted(task->server, now);
    }
}

static void tick_task(task_t *task, int64_t now)
{
    if (!atomic_load(&apikey_board_realm(task->server)->active)) {
        apikey_job_probe(task->server);
        return;
    }
    if (apikey_breaker_is_open(task->server)) {
        /* Nothing else is any use; and that the database is back is noticed without a request
         * that waits for it. */
        if (!atomic_load(&task->probing) && apikey_breaker_allows(task->server, now)) {
            start(task, &task->probing, probe);
        }
        return;
    }
    watch_feeding(task, now);
    if (!atomic_load(&task->feeding) && apikey_feed_due(task->feeder, now)) {
        start(task, &task->feeding, feed);
    }
    if (!atomic_load(&task->pruning) && apikey_feed_prune_due(task->feeder, now)) {
        start(task, &task->pruning, prune);
    }
    if (apikey_usage_due(task->writer, now)) {
        start(task, &task->writing, write_usage);
    }
    if (apikey_settings_due(task->server, now)) {
        start(task, &task->comparing, compare);
    }
}

static apr_status_t tick(int state, void *data, apr_pool_t *pool)
{
    int i;

    (void)data;
    (void)pool;
    if (state != AP_WATCHDOG_STATE_RUNNING) {
        return APR_SUCCESS;
    }
    pthread_mutex_lock(&timer.mutex);
    if (!timer.ended) {
        for (i = 0; i < timer.count; i++) {
            tick_task(&timer.tasks[i], apikey_now_ms());
        }
        apikey_dbd_hang_up(false);
    }
    pthread_mutex_unlock(&timer.mutex);
    return APR_SUCCESS;
}

/* Before mod_dbd takes its connections down: nothing of ours may use one after this. What was
 * counted is written; a database that hangs is not waited for. */
static apr_status_t end_child(void *unused)
{
    int i;

    (void)unused;
    pthread_mutex_lock(&timer.mutex);
    timer.ended = true;
    pthread_mutex_unlock(&timer.mutex);
    if (!apikey_workers_reachable(PATIENCE_MS)) {
        _exit(0); /* what was counted is in shared memory, and other children write it */
    }
    for (i = 0; i < timer.count; i++) {
        task_t *task = &timer.tasks[i];

        if (atomic_load(&apikey_board_realm(task->server)->active)) {
            apikey_workers_do(task->realm, write_all_usage, task);
        }
    }
    if (!apikey_workers_stop(PATIENCE_MS, LIMIT_MS)) {
        apikey_dbd_hang_up(true);
        if (!apikey_workers_stop(HUNG_UP_MS, HUNG_UP_MS)) {
            /* A thread hangs in connect(), inside mod_dbd and with its lock: to take mod_dbd
             * down in order would hang too. */
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, timer.main_server,
                         "AK0060: the database does not answer; ending without waiting for it");
            _exit(0);
        }
    }
    apikey_lookup_end();
    return APR_SUCCESS;
}

static bool more_eager(int64_t interval, int64_t than)
{
    return interval && (!than || interval < than);
}

static void add_server(task_t *task, server_rec *s)
{
    const apikey_server_conf_t *conf = apikey_server_conf(s);

    if (more_eager(conf->refresh, apikey_server_conf(task->feeder)->refresh)) {
        task->feeder = s;
    }
    if (more_eager(conf->usage, apikey_server_conf(task->writer)->usage)) {
        task->writer = s;
    }
}

static void make_tasks(apr_pool_t *pool, server_rec *main_server)
{
    task_t *of_realm[APIKEY_REALMS] = {NULL};
    server_rec *s;

    timer.tasks = apr_pcalloc(pool, APIKEY_REALMS * sizeof(*timer.tasks));
    timer.count = 0;
    for (s = main_server; s; s = s->next) {
        const int realm = apikey_server_conf(s)->realm;
        task_t *task = of_realm[realm];

        if (!task) {
            task = of_realm[realm] = &timer.tasks[timer.count++];
            task->realm = (unsigned int)realm;
            task->server = task->feeder = task->writer = s;
        }
        add_server(task, s);
    }
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    timer.main_server = s;
    apikey_workers_start();
    pthread_mutex_lock(&timer.mutex);
    make_tasks(pchild, s);
    timer.ended = false;
    pthread_mutex_unlock(&timer.mutex);
    apr_pool_pre_cleanup_register(pchild, NULL, end_child);
}

/* Else facts would be taken for stale, as nobody comes to read it. */
static void read_no_feed(server_rec *main_server)
{
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        apikey_server_conf_t *conf =
            ap_get_module_config(s->module_config, &authn_apikey_module);
        conf->refresh = 0;
    }
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;

    (void)plog;
    (void)ptemp;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    if (!get || !add || get(&watchdog, "_apikey_", 0, 0, pconf) != APR_SUCCESS ||
        add(watchdog, apr_time_from_msec(TICK_MS), NULL, tick) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "AK0061: mod_watchdog is not there: a key that is revoked is refused when "
                     "ApiKeyCacheTTL has passed, and the use of keys is written down when a "
                     "child ends");
        read_no_feed(s);
    }
    return OK;
}

void apikey_timer_register(apr_pool_t *p)
{
    (void)p;
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
}
