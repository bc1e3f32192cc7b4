/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/facts.h"
#include "../../src/core/meter.h"
#include "../../src/core/tally.h"

#include <pthread.h>
#include <stdlib.h>

static apikey_meter_t make(size_t offset)
{
    unsigned char *memory = calloc(1, apikey_meter_size() + offset);
    apikey_meter_t meter;

    assert_non_null(memory);
    apikey_meter_map(&meter, memory + offset);
    assert_true((unsigned char *)meter.stripes +
                    APIKEY_METER_STRIPES * sizeof(*meter.stripes) <=
                memory + offset + apikey_meter_size());
    return meter;
}

static void stripes_begin_at_lines_wherever_the_memory_does(void **state)
{
    size_t offset;

    (void)state;
    for (offset = 0; offset < 128;
         offset += 8) { /* leaked: the memory's beginning is not kept */
        assert_int_equal((uintptr_t)make(offset).stripes % 64, 0);
    }
    assert_int_equal(sizeof(apikey_meter_stripe_t) % 64, 0);
}

static void totals_are_the_sum_of_all_stripes(void **state)
{
    const apikey_meter_t meter = make(0);
    apikey_meter_totals_t totals;
    uint64_t thread;

    (void)state;
    for (thread = 0; thread < 200; thread++) {
        apikey_meter_check(&meter, thread, APIKEY_VALID, APIKEY_LEARNED_HIT);
        apikey_meter_check(&meter, thread, APIKEY_REVOKED, APIKEY_LEARNED_ASKED);
        apikey_meter_wait(&meter, thread, APIKEY_WAIT_TIMEOUT, thread % 2 == 0);
    }
    apikey_meter_check(&meter, UINT64_MAX, APIKEY_VALID, APIKEY_LEARNED_HIT);
    apikey_meter_read(&meter, &totals);
    assert_int_equal(totals.checks[APIKEY_VALID][APIKEY_LEARNED_HIT], 201);
    assert_int_equal(totals.checks[APIKEY_REVOKED][APIKEY_LEARNED_ASKED], 200);
    assert_int_equal(totals.checks[APIKEY_VALID][APIKEY_LEARNED_ASKED], 0);
    assert_int_equal(totals.waits[APIKEY_WAIT_TIMEOUT], 200);
    assert_int_equal(totals.joined, 100);
}

static void a_query_is_in_the_first_bucket_that_holds_it(void **state)
{
    static const struct {
        uint64_t us;
        int bucket;
    } cases[] = {{0, 0},      {250, 0},      {251, 1},      {1000, 2},       {1001, 3},
                 {250000, 9}, {1000000, 11}, {1000001, 12}, {UINT32_MAX, 12}};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const apikey_meter_t meter = make(0);
        apikey_meter_totals_t totals;

        apikey_meter_query(&meter, i, cases[i].us, i % 2);
        apikey_meter_read(&meter, &totals);
        assert_int_equal(totals.queries[cases[i].bucket], 1);
        assert_int_equal(totals.query_us, cases[i].us);
        assert_int_equal(totals.failed_queries, i % 2);
    }
    for (i = 1; i < APIKEY_METER_TIMES; i++) {
        assert_true(apikey_meter_times_us[i] > apikey_meter_times_us[i - 1]);
    }
}

enum { THREADS = 4, ROUNDS = 50000 };

static apikey_meter_t shared;

static void *count(void *which)
{
    int i;

    for (i = 0; i < ROUNDS; i++) { /* two of them in one stripe */
        apikey_meter_check(&shared, (uintptr_t)which / 2, APIKEY_VALID, APIKEY_LEARNED_HIT);
    }
    return NULL;
}

static void nothing_is_lost_where_threads_share_a_stripe(void **state)
{
    pthread_t thread[THREADS];
    apikey_meter_totals_t totals;
    uintptr_t i;

    (void)state;
    shared = make(0);
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, count, (void *)i), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    apikey_meter_read(&shared, &totals);
    assert_int_equal(totals.checks[APIKEY_VALID][APIKEY_LEARNED_HIT], THREADS * ROUNDS);
}

static void entries_of_the_cache(void **state)
{
    static const apikey_fact_terms_t terms = {1000, 1000, 0};
    static const apikey_record_t record = {.id = 1,
                                           .owner_type = APIKEY_OWNER_USER,
                                           .owner = "alice",
                                           .scopes = "",
                                           .expires_ms = APIKEY_NEVER};
    const size_t size = 4 * 1024 * 1024;
    apikey_facts_t facts;
    uint64_t i;

    (void)state;
    assert_true(apikey_facts_map(&facts, calloc(1, size), size));
    assert_int_equal(apikey_facts_entries(&facts), 0);
    for (i = 1; i <= 1000; i++) {
        const apikey_mac_t mac = {
            {i * UINT64_C(0x9e3779b97f4a7c15), i * UINT64_C(0xbf58476d1ce4e5b9)}};
        apikey_facts_put(&facts, mac, i % 4 ? &record : NULL, 0, 1, &terms);
    }
    assert_int_equal(apikey_facts_entries(&facts), 1000);
    assert_true(apikey_facts_slots(&facts) > apikey_facts_capacity(size));
}

static void a_sample_of_a_large_table_is_near_enough(void **state)
{
    const size_t size = (size_t)200 * 1024 * 1024;
    apikey_table_t table;
    uint64_t word = 1;
    uint64_t i, taken;

    (void)state;
    assert_true(apikey_table_map(&table, calloc(1, size), size, 1));
    assert_true(table.buckets > 4 * (uint64_t)APIKEY_TABLE_SAMPLE);
    for (i = 1; i <= 300000; i++) {
        const apikey_mac_t mac = {
            {i * UINT64_C(0x9e3779b97f4a7c15), i * UINT64_C(0xbf58476d1ce4e5b9)}};
        apikey_table_put(&table, mac, &word, 1, 1, 0, NULL);
    }
    taken = apikey_table_taken(&table);
    assert_in_range(taken, 290000, 310000);
}

static void backlog_of_each_realm(void **state)
{
    static const apikey_address_t nowhere = {{0, 0}};
    static apikey_tally_entry_t entries[APIKEY_TALLY_BATCH];
    uint64_t backlog[APIKEY_TALLY_REALMS] = {0};
    apikey_tally_t tally;
    uint64_t from = 0;
    bool crowded;
    int i;

    (void)state;
    assert_true(apikey_tally_map(&tally, calloc(1, 1024 * 1024), 1024 * 1024));
    for (i = 0; i < 30; i++) {
        assert_true(apikey_tally_count(&tally, i % 3 ? 0 : 15, (uint64_t)i % 5 + 1, 1000 + i,
                                       &nowhere, (uint64_t)i, &crowded));
    }
    apikey_tally_backlog(&tally, backlog);
    assert_int_equal(backlog[0], 20);
    assert_int_equal(backlog[15], 10);
    apikey_tally_written(&tally, entries, apikey_tally_collect(&tally, 0, &from, entries));
    memset(backlog, 0, sizeof(backlog));
    apikey_tally_backlog(&tally, backlog);
    assert_int_equal(backlog[0], 0);
    assert_int_equal(backlog[15], 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stripes_begin_at_lines_wherever_the_memory_does),
        cmocka_unit_test(totals_are_the_sum_of_all_stripes),
        cmocka_unit_test(a_query_is_in_the_first_bucket_that_holds_it),
        cmocka_unit_test(nothing_is_lost_where_threads_share_a_stripe),
        cmocka_unit_test(entries_of_the_cache),
        cmocka_unit_test(a_sample_of_a_large_table_is_near_enough),
        cmocka_unit_test(backlog_of_each_realm),
    };
    return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
