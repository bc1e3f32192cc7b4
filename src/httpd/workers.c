/* SPDX-License-Identifier: Apache-2.0 */
#include "workers.h"

#include <apr_pools.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

enum {
    /* Of a lane; more connections do not make a database answer sooner. Together they are no
     * more than DBDMax where nothing is said. */
    THREADS_MAX = 8,
    THREADS_MANAGING = 2,
    WAITING_MAX = 1024
};

typedef struct {
    apikey_work_fn work;
    void *baton;
} task_t;

/* Threads are made when there is work and none is idle. */
typedef struct {
    sem_t work; /* as many as there are tasks; one for each thread when the child ends */
    task_t waiting[WAITING_MAX];
    unsigned int first, count;
    int threads, idle;
} lane_t;

/* Of this child. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t ended; /* a thread has */
    lane_t lane[APIKEY_LANES];
    pthread_t thread[APIKEY_LANES * THREADS_MAX];
    int made, running;
    bool closed;
    int64_t alive_ms; /* when something got on */
    atomic_bool hurry;
} w = {.mutex = PTHREAD_MUTEX_INITIALIZER};

int64_t apikey_steady_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void apikey_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attr);
    pthread_condattr_destroy(&attr);
}

struct timespec apikey_deadline(int64_t steady_ms)
{
    const struct timespec until = {(time_t)(steady_ms / 1000),
                                   (long)(steady_ms % 1000) * 1000000};
    return until;
}

/* Waits for a task; false when there will be none. A semaphore wakes a thread at half the price
 * of a condition. */
static bool next_task(lane_t *lane, task_t *task)
{
    bool taken;

    while (sem_wait(&lane->work) != 0) { /* EINTR */
    }
    pthread_mutex_lock(&w.mutex);
    lane->idle--;
    taken = lane->count > 0;
    if (taken) {
        *task = lane->waiting[lane->first];
        lane->first = (lane->first + 1) % WAITING_MAX;
        lane->count--;
    }
    pthread_mutex_unlock(&w.mutex);
    return taken;
}

static void *serve(void *data)
{
    lane_t *lane = data;
    apr_pool_t *pool;
    task_t task;

    /* Of nobody else's: neither httpd nor its allocators know of this thread. */
    apr_pool_create_unmanaged(&pool);
    apr_pool_tag(pool, "apikey_worker");
    while (next_task(lane, &task)) {
        task.work(task.baton, pool);
        apr_pool_clear(pool);
        pthread_mutex_lock(&w.mutex);
        if (w.closed) { /* else nobody asks */
            w.alive_ms = apikey_steady_ms();
        }
        lane->idle++;
        pthread_mutex_unlock(&w.mutex);
    }
    apr_pool_destroy(pool);
    pthread_mutex_lock(&w.mutex);
    w.running--;
    pthread_cond_signal(&w.ended);
    pthread_mutex_unlock(&w.mutex);
    return NULL;
}

static int threads_max(unsigned int number)
{
    return number < APIKEY_LANES / 2 ? THREADS_MAX : THREADS_MANAGING;
}

/* With the mutex held. A thread that cannot be had is no loss while there is another. */
static void make_thread(lane_t *lane)
{
    sigset_t all, before;

    /* Signals are httpd's business. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&w.thread[w.made], NULL, serve, lane) == 0) {
        w.made++;
        w.running++;
        lane->threads++;
        lane->idle++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

bool apikey_workers_do(unsigned int number, apikey_work_fn work, void *baton)
{
    lane_t *lane = &w.lane[number];
    bool taken = false;

    pthread_mutex_lock(&w.mutex);
    if (!w.closed && lane->count < WAITING_MAX) {
        if (lane->idle <= (int)lane->count && lane->threads < threads_max(number)) {
            make_thread(lane);
        }
        taken = lane->threads > 0;
    }
    if (taken) {
        const task_t task = {work, baton};
        lane->waiting[(lane->first + lane->count++) % WAITING_MAX] = task;
    }
    pthread_mutex_unlock(&w.mutex);
    if (taken) {
        sem_post(&lane->work);
    }
    return taken;
}

bool apikey_workers_ending(void)
{
    bool closed;

    pthread_mutex_lock(&w.mutex);
    closed = w.closed;
    pthread_mutex_unlock(&w.mutex);
    return closed;
}

bool apikey_workers_hurry(void)
{
    return atomic_load(&w.hurry);
}

void apikey_workers_alive(void)
{
    pthread_mutex_lock(&w.mutex);
    w.alive_ms = apikey_steady_ms();
    pthread_mutex_unlock(&w.mutex);
}

bool apikey_workers_reachable(int64_t patience_ms)
{
    const struct timespec moment = {0, 1000000};
    const int64_t until = apikey_steady_ms() + patience_ms;

    /* Other threads hold it for a few instructions. */
    while (pthread_mutex_trylock(&w.mutex) != 0) {
        if (apikey_steady_ms() > until) {
            return false;
        }
        nanosleep(&moment, NULL);
    }
    pthread_mutex_unlock(&w.mutex);
    return true;
}

void apikey_workers_start(void)
{
    int i;

    pthread_mutex_lock(&w.mutex);
    apikey_condition_init(&w.ended);
    for (i = 0; i < APIKEY_LANES; i++) {
        sem_init(&w.lane[i].work, 0, 0);
        w.lane[i].threads = w.lane[i].idle = 0;
    }
    w.closed = false;
    atomic_store(&w.hurry, false);
    pthread_mutex_unlock(&w.mutex);
}

/* With the mutex held: until when to wait for threads. */
static int64_t wait_until(int64_t patience_ms, int64_t limit_ms)
{
    const int64_t until = w.alive_ms + patience_ms;
    return until < limit_ms ? until : limit_ms;
}

bool apikey_workers_stop(int64_t patience_ms, int64_t limit_ms)
{
    const int64_t begun = apikey_steady_ms();
    int64_t until;
    bool done;
    int i;

    pthread_mutex_lock(&w.mutex);
    w.closed = true;
    w.alive_ms = begun;
    for (i = 0; i < APIKEY_LANES; i++) {
        int n;
        for (n = 0; n < w.lane[i].threads; n++) {
            sem_post(&w.lane[i].work);
        }
    }
    while (w.running > 0 &&
           (until = wait_until(patience_ms, begun + limit_ms)) > apikey_steady_ms()) {
        const struct timespec deadline = apikey_deadline(until);
        pthread_cond_timedwait(&w.ended, &w.mutex, &deadline);
    }
    done = w.running == 0;
    atomic_store(&w.hurry, !done);
    pthread_mutex_unlock(&w.mutex);
    /* To the very end: the module may be unloaded next. */
    while (done && w.made > 0) {
        pthread_join(w.thread[--w.made], NULL);
    }
    return done;
}
