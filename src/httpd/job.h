/* SPDX-License-Identifier: Apache-2.0 */
/* Work on the database that a request waits for, but not for ever: done by a thread of
 * workers.c, which may come back when the request is long gone. All that it touches lives in
 * the job's own pool, which goes with the last of the two. */
#ifndef APIKEY_JOB_H
#define APIKEY_JOB_H

#include "../core/db.h"

#include <httpd.h>
#include <stdbool.h>

typedef struct apikey_job_t apikey_job_t;

/* The work. It may be run again on another connection while it has changed nothing, so it must
 * not keep anything of a run that failed. */
typedef apikey_db_status_t (*apikey_job_fn)(apikey_db_t *db, void *baton);

typedef enum {
    APIKEY_JOB_NOT_DONE = 0, /* the database could not be asked; nothing was changed */
    APIKEY_JOB_UNKNOWN,      /* it may have been changed, or may yet be */
    APIKEY_JOB_DONE
} apikey_job_end_t;

/* A new job for the database of a server, and the pool for all that belongs to it. */
apikey_job_t *apikey_job_make(server_rec *s, apr_pool_t **pool);

/* Has the work done and waits for it, for as long as ApiKeyTimeout; not at all while the
 * circuit breaker is open, which it is told where no connection was to be had. Unless it was
 * done,
 * `*why` says what happened; it lives as long as `pool`. Only after APIKEY_JOB_DONE may the
 * caller look at what the work writes: it may still be at it. */
apikey_job_end_t apikey_job_run(apikey_job_t *job, apikey_job_fn work, void *baton,
                                apr_pool_t *pool, const char **why);

/* For the work, before it changes anything: false where nobody waits any more, so that it must
 * not. What goes wrong after this is not tried again. */
bool apikey_job_may_change(apikey_job_t *job);

/* For the work: the change is made. Whatever fails after this, it may not be said that nothing
 * was changed. */
void apikey_job_changed(apikey_job_t *job);

/* The caller's share in the job and its pool. */
void apikey_job_release(apikey_job_t *job);

/* Where the breaker is open and no key has been looked up, so that no look-up closes it: has a
 * thread see, now and then, whether there are connections again. Returns at once. */
void apikey_job_probe(server_rec *s);

#endif
