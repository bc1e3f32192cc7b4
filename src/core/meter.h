/* SPDX-License-Identifier: Apache-2.0 */
/* What has happened, counted in shared memory for whoever watches a server. The counters stand
 * in stripes, of which a thread uses one: threads do not wait for each other's cache lines, and
 * a total is the sum of all stripes. Counters only grow, are never reset and may be read at any
 * time. */
#ifndef APIKEY_METER_H
#define APIKEY_METER_H

#include "verdict.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { APIKEY_METER_STRIPES = 64, APIKEY_METER_TIMES = 12 };

/* How a call learned what a credential is. */
typedef enum {
    APIKEY_LEARNED_NOTHING = 0, /* by its form alone, or there is none */
    APIKEY_LEARNED_HIT,         /* memory knew the key, */
    APIKEY_LEARNED_ABSENT,      /* or that there is none, */
    APIKEY_LEARNED_STALE,       /* or knew it once, and the database could not be asked */
    APIKEY_LEARNED_ASKED,       /* the database answered */
    APIKEY_LEARNED_FAILED,      /* it could not be asked, and memory did not help */
    APIKEY_LEARNED_COUNT
} apikey_learned_t;

/* What became of a request that memory could not answer. */
typedef enum {
    APIKEY_WAIT_ANSWERED = 0,
    APIKEY_WAIT_FAILED,  /* the database, or the way to it, gave an error */
    APIKEY_WAIT_TIMEOUT, /* ApiKeyTimeout passed */
    APIKEY_WAIT_REFUSED, /* it was not asked: known to be down, or too many wait */
    APIKEY_WAIT_COUNT
} apikey_wait_t;

typedef struct apikey_meter_stripe_t apikey_meter_stripe_t;

/* For one process; made by apikey_meter_map(). */
typedef struct {
    apikey_meter_stripe_t *stripes;
} apikey_meter_t;

/* The sum of all stripes. */
typedef struct {
    uint64_t checks[APIKEY_VERDICT_COUNT][APIKEY_LEARNED_COUNT];
    uint64_t waits[APIKEY_WAIT_COUNT];
    uint64_t joined;                          /* of those: waited for another's query */
    uint64_t queries[APIKEY_METER_TIMES + 1]; /* by time; the last: longer than all bounds */
    uint64_t query_us;                        /* all together */
    uint64_t failed_queries;
} apikey_meter_totals_t;

/* The upper bounds of `queries`, microseconds, each included. */
extern const uint32_t apikey_meter_times_us[APIKEY_METER_TIMES];

size_t apikey_meter_size(void);

/* Describes apikey_meter_size() bytes, zeroed where new. */
void apikey_meter_map(apikey_meter_t *meter, void *memory);

/* `thread` is any number that differs between threads that count at the same time. */
void apikey_meter_wait(const apikey_meter_t *meter, uint64_t thread, apikey_wait_t outcome,
                       bool joined);
void apikey_meter_query(const apikey_meter_t *meter, uint64_t thread, uint64_t us, bool failed);

void apikey_meter_read(const apikey_meter_t *meter, apikey_meter_totals_t *totals);

struct apikey_meter_stripe_t {
    _Alignas(64) _Atomic uint64_t checks[APIKEY_VERDICT_COUNT][APIKEY_LEARNED_COUNT];
    _Atomic uint64_t waits[APIKEY_WAIT_COUNT];
    _Atomic uint64_t joined;
    _Atomic uint64_t queries[APIKEY_METER_TIMES + 1];
    _Atomic uint64_t query_us;
    _Atomic uint64_t failed_queries;
};

/* One client's request, judged. On the path of every request: one addition. */
static inline void apikey_meter_check(const apikey_meter_t *meter, uint64_t thread,
                                      apikey_verdict_t verdict, apikey_learned_t learned)
{
    apikey_meter_stripe_t *stripe = &meter->stripes[thread % APIKEY_METER_STRIPES];

    atomic_fetch_add_explicit(&stripe->checks[verdict][learned], 1, memory_order_relaxed);
}

#endif
