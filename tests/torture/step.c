/* SPDX-License-Identifier: Apache-2.0 */
/* Stops somebody before every single access to shared memory that src/core makes, lets others
 * do their work, and then lets the first go on, or kills it. What torture.c leaves to chance,
 * tried exhaustively, with one who is overtaken. One thread: hooks.h makes the accesses call
 * us. */
#include "../../src/core/facts.h"
#include "../../src/core/tally.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORDS = 6,
    BUCKET_BYTES = APIKEY_TABLE_WAYS * (1 + APIKEY_TABLE_HEAD + WORDS) * 8,
    STRIPE = 32,
    TALLY_BYTES = 64 * STRIPE * APIKEY_TALLY_STRIPES,
    KEYS = 2 * STRIPE
};

static const int64_t now = INT64_C(1790000000000);
static const apikey_fact_terms_t terms = {300000, 10000, 0};

static _Alignas(64) unsigned char table_memory[BUCKET_BYTES];
static _Alignas(64) unsigned char tally_memory[TALLY_BYTES];

/* What the victim found. */
static uint64_t payload_found[WORDS];
static unsigned int words_found;
static apikey_tally_entry_t batch_found[APIKEY_TALLY_BATCH];
static unsigned int batch_count;
static uint64_t sequence_found;

static void *facts_memory;
static apikey_table_t table;
static apikey_tally_t tally;
static apikey_facts_t facts;
static uint64_t written[KEYS + 1]; /* the usage table */
static bool killed;

static const char *scenario;
static long step_number;

static void check_at(bool condition, const char *text, int line)
{
    if (!condition) {
        fprintf(stderr, "step: WRONG: %s, %s before access %ld: line %d: not so: %s\n",
                scenario, killed ? "killed" : "stopped", step_number, line, text);
        exit(1);
    }
}

#define check(condition) check_at(condition, #condition, __LINE__)

/* ---- the table ---- */

static apikey_mac_t mac_of(uint64_t n)
{
    const apikey_mac_t mac = {{n, ~n * 7}};
    return mac;
}

static bool put(uint64_t n, uint64_t value, int64_t at)
{
    const uint64_t payload[WORDS] = {value, value * 3, value + 7, ~value, value ^ n, n};
    return apikey_table_put(&table, mac_of(n), payload, WORDS, at, 0, NULL);
}

static uint64_t value_in(const uint64_t *payload, unsigned int words, uint64_t n)
{
    const uint64_t value = payload[0];

    if (words == 0) {
        return 0;
    }
    check(words == WORDS && payload[1] == value * 3 && payload[2] == value + 7);
    check(payload[3] == ~value && payload[4] == (value ^ n) && payload[5] == n);
    return value;
}

static uint64_t get(uint64_t n)
{
    uint64_t payload[WORDS];
    int64_t put_ms;

    return value_in(payload, apikey_table_get(&table, mac_of(n), payload, &put_ms), n);
}

static void fill_table(void)
{
    uint64_t n;

    memset(table_memory, 0, BUCKET_BYTES);
    for (n = 1; n <= APIKEY_TABLE_WAYS; n++) {
        check(put(n, 10, now - 1000 + (int64_t)n));
    }
}

static void put_one(void)
{
    put(1, 11, now);
}

/* The same, and those that have its place. */
static void others_put(void)
{
    uint64_t n;

    for (n = 1; n <= 3; n++) {
        const uint64_t value = get(n);
        check(value == 0 || value == 10 || (n == 1 && value == 11));
    }
    put(1, 12, now + 5000);
    check(get(1) == 12);
    for (n = 20; n < 22; n++) {
        put(n, 13, now + 5000);
        check(get(n) == 13);
    }
}

static void table_is_whole(void)
{
    uint64_t n;

    for (n = 1; n < 30; n++) {
        const uint64_t value = get(n);
        check(value == 0 || (value >= 10 && value <= 13));
    }
    /* and of use: nothing stays locked */
    for (n = 1; n <= APIKEY_TABLE_WAYS; n++) {
        check(put(n, 14, now + 9000) && get(n) == 14);
    }
}

/* Others only evict it: what was there must not come back under another's name. */
static void others_evict(void)
{
    uint64_t n;

    for (n = 20; n < 20 + APIKEY_TABLE_WAYS; n++) {
        put(n, 13, now + 5000);
    }
}

static void get_one(void)
{
    int64_t put_ms;
    words_found = apikey_table_get(&table, mac_of(1), payload_found, &put_ms);
}

static void got_one(void)
{
    if (!killed) {
        const uint64_t value = value_in(payload_found, words_found, 1);
        check(value == 0 || value == 10 || value == 12);
    }
}

/* ---- facts ---- */

static bool put_fact(const char *owner, uint64_t sequence)
{
    const apikey_record_t record = {
        1, APIKEY_OWNER_USER, owner, "", APIKEY_NEVER, false, false, NULL};
    apikey_facts_put(&facts, mac_of(1), &record, sequence, now, &terms);
    return true;
}

static const char *get_fact(void)
{
    static apikey_fact_t fact;
    return apikey_facts_get(&facts, mac_of(1), &terms, now, &fact) == APIKEY_FACT_FRESH
               ? fact.record.owner
               : "";
}

static void one_fact(void)
{
    memset(facts_memory, 0, apikey_facts_min_size());
    put_fact("old", 0);
    sequence_found = apikey_facts_sequence(&facts);
}

static void late_put(void)
{
    put_fact("old", sequence_found);
}

static void others_drop(void)
{
    apikey_facts_drop(&facts, 1);
    check(strcmp(get_fact(), "") == 0);
}

static void others_flush(void)
{
    apikey_facts_flush(&facts);
    check(strcmp(get_fact(), "") == 0);
}

static void others_renew(void)
{
    apikey_facts_drop(&facts, 1);
    put_fact("new", apikey_facts_sequence(&facts));
    /* not where the slot is another's for the moment: then there is nothing */
    check(strcmp(get_fact(), "old") != 0);
}

/* A fact from between two drops, of which the earlier may end after the later. */
static void others_put_and_drop(void)
{
    put_fact("old", apikey_facts_sequence(&facts));
    apikey_facts_drop(&facts, 1);
    check(strcmp(get_fact(), "old") != 0);
}

static void nothing_old(void)
{
    check(strcmp(get_fact(), "old") != 0);
}

static void drop_one(void)
{
    apikey_facts_drop(&facts, 1);
}

static void dropped(void)
{
    check(killed || strcmp(get_fact(), "old") != 0);
}

/* ---- the tally ---- */

static bool count(uint64_t id, int64_t at)
{
    const apikey_address_t address = {
        {id << 32 | (uint64_t)at % 65536, ~(id << 32 | (uint64_t)at % 65536)}};
    bool crowded;
    return apikey_tally_count(&tally, 0, id, at, &address, 0, &crowded);
}

static void commit(const apikey_tally_entry_t *batch, unsigned int n)
{
    unsigned int i;

    for (i = 0; i < n; i++) {
        check(batch[i].key_id >= 1 && batch[i].key_id <= KEYS && batch[i].count < 100);
        written[batch[i].key_id] += batch[i].count;
    }
}

/* `whole`: nobody was killed while noting an address, or taken for dead. */
static void write_all(bool whole)
{
    apikey_tally_entry_t batch[APIKEY_TALLY_BATCH];
    uint64_t from = 0;
    const unsigned int n = apikey_tally_collect(&tally, 0, &from, batch);
    unsigned int i;

    for (i = 0; i < n; i++) {
        const uint64_t *word = batch[i].address.word;
        check(!whole || batch[i].last_ms == 0 ||
              (word[0] >> 32 == batch[i].key_id && word[1] == ~word[0]));
    }
    commit(batch, n);
    apikey_tally_written(&tally, batch, n);
}

static void one_counter(void)
{
    memset(tally_memory, 0, TALLY_BYTES);
    memset(written, 0, sizeof(written));
    check(count(1, now));
    write_all(true);
}

static void count_one(void)
{
    count(1, now + 100);
}

/* All that can happen to a slot: written, freed, and taken by another key, all there are. */
static void turn_over(int64_t at)
{
    uint64_t id;

    apikey_tally_sweep(&tally, at);
    for (id = 2; id <= STRIPE + 1; id++) {
        check(count(id, at));
    }
}

static void others_turn_over(void)
{
    write_all(false);
    turn_over(now + 150);
}

/* So long afterwards that it is taken for dead. */
static void others_turn_over_late(void)
{
    write_all(false);
    turn_over(now + 10000);
}

static void finish(uint64_t least, uint64_t most, bool whole)
{
    uint64_t id;

    write_all(whole);
    check(written[1] >= least && written[1] <= most);
    for (id = 2; id <= STRIPE + 1; id++) {
        check(written[id] == 1);
    }
    apikey_tally_sweep(&tally, now + 100000);
    for (id = 0; id < TALLY_BYTES; id += 64) {
        check(*(_Atomic uint64_t *)(void *)(tally_memory + id) == 0);
    }
}

static void counted(void)
{
    finish(killed ? 1 : 2, 2, !killed);
}

static void counted_late(void)
{
    finish(killed ? 1 : 2, 2, false);
}

/* Every slot was another's before. */
static void used_counters(void)
{
    uint64_t id;

    memset(tally_memory, 0, TALLY_BYTES);
    memset(written, 0, sizeof(written));
    for (id = 2; id <= STRIPE + 1; id++) {
        check(count(id, now));
    }
    write_all(true);
    apikey_tally_sweep(&tally, now + 50);
}

/* In the same slot; and it is written at once, where nobody has noted the time yet. */
static void others_count_too(void)
{
    check(count(1, now + 100));
    write_all(true);
}

static void counted_twice(void)
{
    finish(killed ? 1 : 2, 2, true);
}

static void sweep(void)
{
    apikey_tally_sweep(&tally, now + 50);
}

static void others_count(void)
{
    check(count(1, now + 100) && count(1, now + 101));
    turn_over(now + 102); /* a second sweeper */
    check(count(1, now + 103));
}

static void swept(void)
{
    finish(4, 4, true);
}

static void one_unwritten(void)
{
    one_counter();
    check(count(1, now + 10));
}

static void collect(void)
{
    uint64_t from = 0;
    batch_count = apikey_tally_collect(&tally, 0, &from, batch_found);
}

static void others_use(void)
{
    check(count(1, now + 100));
    turn_over(now + 150);
}

static void collected(void)
{
    unsigned int i;

    for (i = 0; !killed && i < batch_count; i++) {
        const uint64_t *word = batch_found[i].address.word;
        check(word[0] >> 32 == batch_found[i].key_id && word[1] == ~word[0]);
    }
    if (!killed) {
        commit(batch_found, batch_count);
        apikey_tally_written(&tally, batch_found, batch_count);
    }
    finish(3, 3, true);
}

static void one_batch(void)
{
    one_unwritten();
    collect();
    commit(batch_found, batch_count);
}

static void say_written(void)
{
    apikey_tally_written(&tally, batch_found, batch_count);
}

/* Who succeeds says it too, and goes on. */
static void others_succeed(void)
{
    say_written();
    check(count(1, now + 20));
    write_all(true);
    turn_over(now + 150);
}

static void said(void)
{
    finish(3, 3, true);
}

/* ---- stepping ---- */

typedef struct {
    const char *name;
    void (*prepare)(void), (*victim)(void), (*others)(void), (*judge)(void);
} scenario_t;

static const scenario_t scenarios[] = {
    {"put, replaced by others", fill_table, put_one, others_put, table_is_whole},
    {"put, evicted by others", fill_table, put_one, others_evict, table_is_whole},
    {"get, replaced by others", fill_table, get_one, others_put, got_one},
    {"get, evicted by others", fill_table, get_one, others_evict, got_one},
    {"late put, dropped", one_fact, late_put, others_drop, nothing_old},
    {"late put, flushed", one_fact, late_put, others_flush, nothing_old},
    {"late put, renewed", one_fact, late_put, others_renew, nothing_old},
    {"drop, renewed", one_fact, drop_one, others_renew, dropped},
    {"drop, dropped", one_fact, drop_one, others_drop, dropped},
    {"drop, put and dropped", one_fact, drop_one, others_put_and_drop, nothing_old},
    {"count, turned over", one_counter, count_one, others_turn_over, counted},
    {"count, turned over late", one_counter, count_one, others_turn_over_late, counted_late},
    {"count, counted", used_counters, count_one, others_count_too, counted_twice},
    {"sweep, used", one_counter, sweep, others_count, swept},
    {"collect, used", one_unwritten, collect, others_use, collected},
    {"written, succeeded", one_batch, say_written, others_succeed, said},
};

static const scenario_t *playing; /* NULL: nobody is watched */
static long accesses;
static jmp_buf death;

void torture_hook(void)
{
    const scenario_t *s = playing;

    if (s && accesses++ == step_number) {
        playing = NULL;
        s->others();
        if (killed) {
            longjmp(death, 1);
        }
    }
}

/* One life of a victim. False where it ended before its time. */
static bool live(const scenario_t *s)
{
    s->prepare();
    accesses = 0;
    playing = s;
    if (setjmp(death) == 0) {
        s->victim();
    }
    if (playing) {
        playing = NULL;
        return false;
    }
    s->judge();
    return true;
}

int main(void)
{
    size_t i;
    int end;

    facts_memory = malloc(apikey_facts_min_size());
    if (!facts_memory || !apikey_table_map(&table, table_memory, BUCKET_BYTES, WORDS) ||
        !apikey_tally_map(&tally, tally_memory, TALLY_BYTES) ||
        !apikey_facts_map(&facts, facts_memory, apikey_facts_min_size())) {
        fputs("step: no memory\n", stderr);
        return 1;
    }
    for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        scenario = scenarios[i].name;
        for (end = 0; end < 2; end++) {
            killed = end == 1;
            step_number = 0;
            while (live(&scenarios[i])) {
                step_number++;
            }
            check(step_number > 0); /* else it looked at nothing */
        }
        printf("step: %-24s %5ld accesses\n", scenario, step_number);
    }
    free(facts_memory);
    return 0;
}
