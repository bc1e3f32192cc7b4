/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a child that talk to the database, so that requests need not: mod_dbd and the
 * client library wait for a server that hangs for as long as it does. */
#ifndef APIKEY_WORKERS_H
#define APIKEY_WORKERS_H

#include <httpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* Two for each database: one that hangs must not take the others' threads, and who manages keys
 * not those of requests that are checked. The second half of the lanes has few threads. */
enum { APIKEY_LANES = 32 };

/* Work; `pool` is cleared when it returns. */
typedef void (*apikey_work_fn)(void *baton, apr_pool_t *pool);

/* Hands work to a thread of a lane. False where the child is about to end, too much is waiting,
 * or no thread can be had; then `work` is not called. */
bool apikey_workers_do(unsigned int lane, apikey_work_fn work, void *baton);

/* Whether the child takes no more work, and whether it cannot wait for what there is either:
 * whoever loops should stop. */
bool apikey_workers_ending(void);
bool apikey_workers_hurry(void);

/* For the middle of long work: it gets on, and whoever waits for it should. */
void apikey_workers_alive(void);

/* For child_init. */
void apikey_workers_start(void);

/* Whether the functions above can be called, within a while; when not, never again. The prefork
 * MPM ends a child inside a signal handler, which has perhaps interrupted one of them. */
bool apikey_workers_reachable(int64_t patience_ms);

/* Takes no more work and waits for what there is: `limit_ms` in all, and not longer than
 * `patience_ms` without anything getting on. False where threads are left; they are told to
 * hurry. */
bool apikey_workers_stop(int64_t patience_ms, int64_t limit_ms);

/* Milliseconds since 1970. */
static inline int64_t apikey_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Time that nobody sets: milliseconds since some moment, a condition to wait on by it, and a
 * deadline for that. */
int64_t apikey_steady_ms(void);
void apikey_condition_init(pthread_cond_t *condition);
struct timespec apikey_deadline(int64_t steady_ms);

#endif
