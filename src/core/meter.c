/* SPDX-License-Identifier: Apache-2.0 */
#include "meter.h"

#include <string.h>

enum { LINE = 64 }; /* of the processor's cache */

const uint32_t apikey_meter_times_us[APIKEY_METER_TIMES] = {
    250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
};

size_t apikey_meter_size(void)
{
    return APIKEY_METER_STRIPES * sizeof(apikey_meter_stripe_t) + LINE - 1;
}

void apikey_meter_map(apikey_meter_t *meter, void *memory)
{
    /* Stripes begin at lines, which the memory need not. */
    meter->stripes = (void *)((unsigned char *)memory + (-(uintptr_t)memory & (LINE - 1)));
}

static apikey_meter_stripe_t *stripe_of(const apikey_meter_t *meter, uint64_t thread)
{
    return &meter->stripes[thread % APIKEY_METER_STRIPES];
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void apikey_meter_wait(const apikey_meter_t *meter, uint64_t thread, apikey_wait_t outcome,
                       bool joined)
{
    apikey_meter_stripe_t *stripe = stripe_of(meter, thread);

    add(&stripe->waits[outcome], 1);
    if (joined) {
        add(&stripe->joined, 1);
    }
}

void apikey_meter_query(const apikey_meter_t *meter, uint64_t thread, uint64_t us, bool failed)
{
    apikey_meter_stripe_t *stripe = stripe_of(meter, thread);
    int i = 0;

    while (i < APIKEY_METER_TIMES && us > apikey_meter_times_us[i]) {
        i++;
    }
    add(&stripe->queries[i], 1);
    add(&stripe->query_us, us);
    if (failed) {
        add(&stripe->failed_queries, 1);
    }
}

static void sum(uint64_t *totals, const _Atomic uint64_t *counters, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        totals[i] += atomic_load_explicit(&counters[i], memory_order_relaxed);
    }
}

void apikey_meter_read(const apikey_meter_t *meter, apikey_meter_totals_t *totals)
{
    int i;

    memset(totals, 0, sizeof(*totals));
    for (i = 0; i < APIKEY_METER_STRIPES; i++) {
        const apikey_meter_stripe_t *stripe = &meter->stripes[i];

        sum(totals->checks[0], stripe->checks[0],
            (size_t)APIKEY_VERDICT_COUNT * APIKEY_LEARNED_COUNT);
        sum(totals->waits, stripe->waits, APIKEY_WAIT_COUNT);
        sum(&totals->joined, &stripe->joined, 1);
        sum(totals->queries, stripe->queries, APIKEY_METER_TIMES + 1);
        sum(&totals->query_us, &stripe->query_us, 1);
        sum(&totals->failed_queries, &stripe->failed_queries, 1);
    }
}
