/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a child that talk to the database, so that requests need not: mod_dbd and the
 * client library wait for a server that hangs for as long as it does. */
#ifndef APIKEY_WORKERS_H
#define APIKEY_WORKERS_H

#include <httpd.h>
#include <stdbool.h>

/* Work; `pool` is cleared when it returns. */
typedef void (*apikey_work_fn)(void *baton, apr_pool_t *pool);

/* Hands work to a thread. False where the child is about to end or too much is waiting; then
 * `work` is not called. */
bool apikey_workers_do(apikey_work_fn work, void *baton);

/* Whether the child cannot wait any longer: whoever loops should stop. */
bool apikey_workers_hurry(void);

/* For a thread of ours in the middle of long work: all is well. */
void apikey_workers_alive(void);

/* Whether some work has gone on for `ms` without a sign of life; asked again, only after as long
 * again. */
bool apikey_workers_stuck(int64_t ms);

/* For child_init. */
void apikey_workers_start(void);

/* Takes no more work and waits for what there is. False where some still is after `patience_ms`;
 * then it is told to hurry. */
bool apikey_workers_stop(int64_t patience_ms);

#endif
