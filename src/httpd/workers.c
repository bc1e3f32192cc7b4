/* SPDX-License-Identifier: Apache-2.0 */
#include "workers.h"

#include <apr_pools.h>
#include <apr_time.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum {
    THREADS_MAX = 8, /* more connections than this do not make a database answer sooner */
    WAITING_MAX = 4096
};

typedef struct {
    apikey_work_fn work;
    void *baton;
} task_t;

/* Of this child. Threads are made when there is work and none is idle. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t work;  /* there is some, or the child ends */
    pthread_cond_t ended; /* a thread has */
    task_t waiting[WAITING_MAX];
    unsigned int first, count;
    int threads, idle;
    apr_time_t since[THREADS_MAX]; /* of what a thread works at; 0: nothing */
    bool taken[THREADS_MAX];
    bool closed;
    atomic_bool hurry;
} w = {.mutex = PTHREAD_MUTEX_INITIALIZER,
       .work = PTHREAD_COND_INITIALIZER,
       .ended = PTHREAD_COND_INITIALIZER};

/* The number of this thread of ours, -1 in any other. */
static _Thread_local int me = -1;

/* With the mutex held: waits for a task; false when there will be none. */
static bool next_task(task_t *task)
{
    w.idle++;
    while (w.count == 0 && !w.closed) {
        pthread_cond_wait(&w.work, &w.mutex);
    }
    w.idle--;
    if (w.count == 0) {
        return false;
    }
    *task = w.waiting[w.first];
    w.first = (w.first + 1) % WAITING_MAX;
    w.count--;
    return true;
}

/* With the mutex held. */
static int free_number(void)
{
    int i;
    for (i = 0; w.taken[i]; i++) {
    }
    w.taken[i] = true; /* make_thread() sees to it that there is one */
    return i;
}

static void *serve(void *unused)
{
    apr_pool_t *pool;
    task_t task;

    (void)unused;
    apr_pool_create(&pool, NULL);
    apr_pool_tag(pool, "apikey_worker");
    pthread_mutex_lock(&w.mutex);
    me = free_number();
    while (next_task(&task)) {
        w.since[me] = apr_time_now();
        pthread_mutex_unlock(&w.mutex);
        task.work(task.baton, pool);
        apr_pool_clear(pool);
        pthread_mutex_lock(&w.mutex);
        w.since[me] = 0;
    }
    w.taken[me] = false;
    w.threads--;
    pthread_cond_broadcast(&w.ended);
    pthread_mutex_unlock(&w.mutex);
    apr_pool_destroy(pool);
    return NULL;
}

/* With the mutex held. A thread that cannot be had is no loss while there is another. */
static void make_thread(void)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;

    /* Signals are httpd's business. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, serve, NULL) == 0) {
        w.threads++;
    }
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

bool apikey_workers_do(apikey_work_fn work, void *baton)
{
    bool taken = false;

    pthread_mutex_lock(&w.mutex);
    if (!w.closed && w.count < WAITING_MAX) {
        if (w.idle <= (int)w.count && w.threads < THREADS_MAX) {
            make_thread();
        }
        taken = w.threads > 0;
    }
    if (taken) {
        const task_t task = {work, baton};
        w.waiting[(w.first + w.count++) % WAITING_MAX] = task;
        pthread_cond_signal(&w.work);
    }
    pthread_mutex_unlock(&w.mutex);
    return taken;
}

bool apikey_workers_hurry(void)
{
    return atomic_load(&w.hurry);
}

void apikey_workers_alive(void)
{
    if (me >= 0) {
        pthread_mutex_lock(&w.mutex);
        w.since[me] = apr_time_now();
        pthread_mutex_unlock(&w.mutex);
    }
}

bool apikey_workers_stuck(int64_t ms)
{
    const apr_time_t now = apr_time_now();
    bool stuck = false;
    int i;

    pthread_mutex_lock(&w.mutex);
    for (i = 0; i < THREADS_MAX; i++) {
        if (w.since[i] && now - w.since[i] > apr_time_from_msec(ms)) {
            w.since[i] = now;
            stuck = true;
        }
    }
    pthread_mutex_unlock(&w.mutex);
    return stuck;
}

void apikey_workers_start(void)
{
    pthread_mutex_lock(&w.mutex);
    w.closed = false;
    atomic_store(&w.hurry, false);
    pthread_mutex_unlock(&w.mutex);
}

bool apikey_workers_stop(int64_t patience_ms)
{
    struct timespec until;
    bool done;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += patience_ms / 1000;
    until.tv_nsec += patience_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&w.mutex);
    w.closed = true;
    pthread_cond_broadcast(&w.work);
    while (w.threads > 0 && pthread_cond_timedwait(&w.ended, &w.mutex, &until) == 0) {
    }
    done = w.threads == 0;
    atomic_store(&w.hurry, !done);
    pthread_mutex_unlock(&w.mutex);
    return done;
}
