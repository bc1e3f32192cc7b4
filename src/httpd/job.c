/* SPDX-License-Identifier: Apache-2.0 */
#include "job.h"

#include "board.h"
#include "breaker.h"
#include "config.h"
#include "dbd.h"
#include "workers.h"

#include <apr_strings.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

struct apikey_job_t {
    apr_pool_t *pool;
    server_rec *server;
    apikey_job_fn work;
    void *baton;
    const char *why;
    pthread_cond_t finished;
    int shares;     /* from here on only with the mutex held */
    bool abandoned; /* the request waits no longer */
    bool changing;  /* the database is perhaps no longer as it was */
    bool changed;   /* it certainly is not */
    bool done;
    int64_t asked_ms; /* when a connection was asked for; 0: not yet */
    bool connected;   /* and there was one */
    apikey_job_end_t end;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

apikey_job_t *apikey_job_make(server_rec *s, apr_pool_t **pool)
{
    apikey_job_t *job;

    /* Unmanaged: two threads use it one after the other, and neither is a parent's. */
    apr_pool_create_unmanaged(pool);
    apr_pool_tag(*pool, "apikey_job");
    job = apr_pcalloc(*pool, sizeof(*job));
    job->pool = *pool;
    job->server = s;
    job->shares = 1;
    apikey_condition_init(&job->finished);
    return job;
}

void apikey_job_release(apikey_job_t *job)
{
    bool last;

    pthread_mutex_lock(&mutex);
    last = --job->shares == 0;
    pthread_mutex_unlock(&mutex);
    if (last) {
        pthread_cond_destroy(&job->finished);
        apr_pool_destroy(job->pool);
    }
}

bool apikey_job_may_change(apikey_job_t *job)
{
    bool may;

    pthread_mutex_lock(&mutex);
    may = !job->abandoned;
    job->changing = may;
    pthread_mutex_unlock(&mutex);
    return may;
}

void apikey_job_changed(apikey_job_t *job)
{
    pthread_mutex_lock(&mutex);
    job->changed = true;
    pthread_mutex_unlock(&mutex);
}

/* Whether somebody waits, who then knows how far this has come. */
static bool is_wanted(apikey_job_t *job, bool connected)
{
    bool wanted;

    pthread_mutex_lock(&mutex);
    wanted = !job->abandoned;
    job->asked_ms = job->asked_ms ? job->asked_ms : apikey_now_ms();
    job->connected = connected;
    pthread_mutex_unlock(&mutex);
    return wanted;
}

/* On one connection. Where that fails later than the first change, another one is not tried:
 * the change may have been made. */
static apikey_db_status_t attempt(apikey_db_t *db, void *baton)
{
    apikey_job_t *job = baton;
    apikey_db_status_t rv = APIKEY_DB_FAILED;

    if (!is_wanted(job, true)) {
        return rv;
    }
    rv = job->work(db, job->baton);
    pthread_mutex_lock(&mutex);
    if (rv == APIKEY_DB_OK) {
        job->end = APIKEY_JOB_DONE;
    }
    else if (job->changed || (rv == APIKEY_DB_UNREACHABLE && job->changing)) {
        job->end = APIKEY_JOB_UNKNOWN;
        rv = APIKEY_DB_FAILED;
    }
    else {
        job->end = APIKEY_JOB_NOT_DONE;
    }
    pthread_mutex_unlock(&mutex);
    return rv;
}

/* On a thread of workers.c. */
static void perform(void *baton, apr_pool_t *pool)
{
    apikey_job_t *job = baton;
    const int64_t timeout = apikey_server_conf(job->server)->timeout;
    const char *why = NULL;

    if (is_wanted(job, false)) {
        apikey_dbd_run_for(timeout > APIKEY_DBD_PATIENCE_MS ? timeout : APIKEY_DBD_PATIENCE_MS,
                           job->server, pool, attempt, job, &why);
        job->why = apr_pstrdup(job->pool, why);
    }
    pthread_mutex_lock(&mutex);
    job->done = true;
    pthread_cond_signal(&job->finished);
    pthread_mutex_unlock(&mutex);
    apikey_job_release(job);
}

/* Waits, and says what is known then. */
static apikey_job_end_t wait_for(apikey_job_t *job, int64_t ms)
{
    const struct timespec deadline = apikey_deadline(apikey_steady_ms() + ms);
    apikey_job_end_t end;

    pthread_mutex_lock(&mutex);
    while (!job->done &&
           pthread_cond_timedwait(&job->finished, &mutex, &deadline) != ETIMEDOUT) {
    }
    job->abandoned = !job->done;
    end = job->done ? job->end : job->changing ? APIKEY_JOB_UNKNOWN : APIKEY_JOB_NOT_DONE;
    pthread_mutex_unlock(&mutex);
    return end;
}

static unsigned int lane_of(const server_rec *s)
{
    return APIKEY_REALMS + (unsigned int)apikey_server_conf(s)->realm;
}

/* Only that no connection was to be had counts. What the database says to our statements, and
 * how long it takes over them (a lock, a long list), is no reason not to check keys; nor is
 * what it answers to them one to go on with look-ups that fail. */
static void tell_breaker(const apikey_job_t *job, const char *why)
{
    int64_t asked_ms;

    pthread_mutex_lock(&mutex);
    asked_ms = job->connected ? 0 : job->asked_ms;
    pthread_mutex_unlock(&mutex);
    if (asked_ms && !apikey_workers_ending()) {
        apikey_breaker_failed(job->server, asked_ms, why);
    }
}

static apikey_db_status_t do_nothing(apikey_db_t *db, void *baton)
{
    (void)db;
    (void)baton;
    return APIKEY_DB_OK;
}

static atomic_bool
    probing[APIKEY_REALMS]; /* one at a time: a database that hangs gathers none */

/* On a thread of workers.c. */
static void probe(void *baton, apr_pool_t *pool)
{
    server_rec *s = baton;
    const int64_t asked_ms = apikey_now_ms();
    const char *why;

    if (apikey_dbd_run(s, pool, do_nothing, NULL, &why) == APIKEY_DB_OK) {
        apikey_breaker_succeeded(s, asked_ms, apikey_now_ms());
    }
    atomic_store(&probing[apikey_server_conf(s)->realm], false);
}

void apikey_job_probe(server_rec *s)
{
    atomic_bool *busy = &probing[apikey_server_conf(s)->realm];

    if (apikey_breaker_is_open(s) && !atomic_load(&apikey_board_realm(s)->active) &&
        !atomic_exchange(busy, true) &&
        !(apikey_breaker_allows(s, apikey_now_ms()) &&
          apikey_workers_do(lane_of(s), probe, s))) {
        atomic_store(busy, false);
    }
}

apikey_job_end_t apikey_job_run(apikey_job_t *job, apikey_job_fn work, void *baton,
                                apr_pool_t *pool, const char **why)
{
    const int64_t timeout = apikey_server_conf(job->server)->timeout;
    apikey_job_end_t end;

    if (apikey_breaker_is_open(job->server)) {
        apikey_job_probe(job->server);
        *why = "it is known to be down (AK0020)";
        return APIKEY_JOB_NOT_DONE;
    }
    job->work = work;
    job->baton = baton;
    job->shares++; /* the thread's */
    if (!apikey_workers_do(lane_of(job->server), perform, job)) {
        job->shares--;
        *why = apikey_workers_ending()
                   ? "httpd is stopping"
                   : "too many ask at once, or no thread can be started (ulimit -u)";
        return APIKEY_JOB_NOT_DONE;
    }
    end = wait_for(job, timeout);
    *why = job->abandoned
               ? apr_psprintf(pool, "no answer within %" APR_INT64_T_FMT " ms (ApiKeyTimeout)",
                              timeout)
               : apr_pstrdup(pool, job->why);
    tell_breaker(job, *why);
    return end;
}
