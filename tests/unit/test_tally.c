/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/tally.h"

#include <stdatomic.h>

enum {
    SLOTS = 32 * APIKEY_TALLY_STRIPES, /* the fewest there may be: a window in each stripe */
    SLOT_WORDS = 8
};

/* A slot's words, as tally.c has them, for the states that processes leave when they die. */
enum { KEY, TOTAL, WRITTEN, LAST, ADDRESS0, ADDRESS1, BUSY };

#define CLOSING (UINT64_C(1) << 63)
#define GENERATION (UINT64_C(1) << 48)

static const int64_t now = INT64_C(1790000000000);

static _Alignas(64) _Atomic uint64_t memory[SLOTS * SLOT_WORDS];

#define BYTES sizeof(memory)

static apikey_tally_t fresh(void)
{
    apikey_tally_t tally;
    size_t i;

    for (i = 0; i < COUNT(memory); i++) {
        memory[i] = 0;
    }
    assert_true(apikey_tally_map(&tally, memory, sizeof(memory)));
    return tally;
}

static apikey_address_t address_of(uint64_t n)
{
    const apikey_address_t address = {{n, ~n}};
    return address;
}

static bool count_at(const apikey_tally_t *tally, unsigned int realm, uint64_t id, int64_t at,
                     uint64_t thread)
{
    const apikey_address_t address = address_of((uint64_t)at);
    bool crowded;
    return apikey_tally_count(tally, realm, id, at, &address, thread, &crowded);
}

static bool count(const apikey_tally_t *tally, uint64_t id, int times)
{
    bool ok = true;

    while (times-- > 0) {
        ok = count_at(tally, 0, id, now, 0) && ok;
    }
    return ok;
}

/* What there is to write for a key, in one call of collect; 0 for nothing. */
static uint64_t unwritten(const apikey_tally_t *tally, unsigned int realm, uint64_t id)
{
    apikey_tally_entry_t batch[APIKEY_TALLY_BATCH];
    uint64_t from = 0;
    const unsigned int n = apikey_tally_collect(tally, realm, &from, batch);
    uint64_t sum = 0;
    unsigned int i;

    assert_int_equal(from, 0);
    for (i = 0; i < n; i++) {
        sum += batch[i].key_id == id ? batch[i].count : 0;
    }
    return sum;
}

/* The one entry there is. */
static apikey_tally_entry_t only(const apikey_tally_t *tally)
{
    apikey_tally_entry_t batch[APIKEY_TALLY_BATCH];
    uint64_t from = 0;

    assert_int_equal(apikey_tally_collect(tally, 0, &from, batch), 1);
    return batch[0];
}

static void write_all(const apikey_tally_t *tally)
{
    apikey_tally_entry_t batch[APIKEY_TALLY_BATCH];
    uint64_t from = 0;
    unsigned int realm;

    for (realm = 0; realm < 16; realm++) {
        do {
            const unsigned int n = apikey_tally_collect(tally, realm, &from, batch);
            apikey_tally_written(tally, batch, n);
        } while (from != 0);
    }
}

/* The slot in use, of which there is one. */
static _Atomic uint64_t *slot_in_use(void)
{
    _Atomic uint64_t *found = NULL;
    size_t i;

    for (i = 0; i < SLOTS; i++) {
        if (memory[i * SLOT_WORDS]) {
            assert_null(found);
            found = &memory[i * SLOT_WORDS];
        }
    }
    return found;
}

static void sizes(void **state)
{
    static const struct {
        const char *what;
        size_t offset, bytes;
        bool ok;
    } table[] = {
        {"nothing", 0, 0, false},
        {"less than an alignment", 8, 8, false},
        {"a byte too little", 0, BYTES - 1, false},
        {"the least", 0, BYTES, true},
        {"the least, badly aligned", 8, BYTES, false},
        {"badly aligned, with room for it", 8, BYTES + 56, true},
    };
    static _Alignas(64) unsigned char bytes[BYTES + 128];
    apikey_tally_t tally;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        check(table[i].what,
              apikey_tally_map(&tally, bytes + table[i].offset, table[i].bytes) == table[i].ok);
        check(table[i].what, !table[i].ok || ((uintptr_t)tally.slots & 63) == 0);
        check(table[i].what, !table[i].ok || count(&tally, 1, 1));
    }
}

static void keys_and_realms(void **state)
{
    static const struct {
        uint64_t id;
        unsigned int realm;
        bool ok;
    } table[] = {
        {1, 0, true},
        {1, 1, true},
        {1, 15, true},
        {(UINT64_C(1) << 59) - 1, 0, true},
        {(UINT64_C(1) << 59) - 1, 15, true},
        {0, 0, false},
        {0, 1, false},
        {1, 16, false},
        {1, UINT32_MAX, false},
        {UINT64_C(1) << 59, 0, false},
        {UINT64_MAX, 0, false},
    };
    const apikey_tally_t tally = fresh();
    size_t i, n;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        for (n = 0; n <= i; n++) {
            assert_int_equal(count_at(&tally, table[i].realm, table[i].id, now, n),
                             table[i].ok);
        }
    }
    for (i = 0; i < COUNT(table); i++) {
        if (table[i].realm < 16) {
            assert_int_equal(unwritten(&tally, table[i].realm, table[i].id),
                             table[i].ok ? i + 1 : 0);
        }
    }
}

/* Counting and writing in any order; what is not written is collected again, no more and no
 * less. */
static void exactness(void **state)
{
    const apikey_tally_t tally = fresh();
    apikey_tally_entry_t first, second;

    (void)state;
    assert_true(count(&tally, 7, 3));
    first = only(&tally);
    assert_int_equal(first.count, 3);
    assert_int_equal(only(&tally).count, 3); /* whoever collected died */

    assert_true(count(&tally, 7, 2)); /* while it is being written */
    apikey_tally_written(&tally, &first, 1);
    second = only(&tally);
    assert_int_equal(second.count, 2);

    apikey_tally_written(&tally, &first, 1); /* said again by a successor */
    assert_int_equal(only(&tally).count, 2);
    apikey_tally_written(&tally, &second, 1);
    apikey_tally_written(&tally, &second, 1);
    apikey_tally_written(&tally, &first, 1); /* by somebody who was stopped for long */
    assert_int_equal(unwritten(&tally, 0, 7), 0);
    assert_true(count(&tally, 7, 1));
    assert_int_equal(only(&tally).count, 1);
}

/* A batch that is replayed when its slots have long been freed and are others'. */
static void replay_after_sweep(void **state)
{
    const apikey_tally_t tally = fresh();
    apikey_tally_entry_t old;
    uint64_t id;

    (void)state;
    assert_true(count(&tally, 7, 100));
    old = only(&tally);
    apikey_tally_written(&tally, &old, 1);
    apikey_tally_sweep(&tally, now + 1);
    assert_null(slot_in_use());
    for (id = 1; id <= 200; id++) { /* one of them has its slot */
        assert_true(count(&tally, id, 2));
    }
    apikey_tally_written(&tally, &old, 1);
    for (id = 1; id <= 200; id++) {
        assert_int_equal(unwritten(&tally, 0, id), 2);
    }
}

static void batches(void **state)
{
    enum { STEPS = 50, KEYS = 600 };
    static _Alignas(64) unsigned char large[4096 * 64];
    apikey_tally_t tally;
    unsigned int seen[KEYS] = {0};
    uint64_t from = 0;
    int rounds = 0;
    unsigned int k;

    (void)state;
    assert_true(apikey_tally_map(&tally, large, sizeof(large)));
    for (k = 0; k < KEYS; k++) {
        assert_true(count_at(&tally, 3, k + 1, now, k % 5));
        assert_true(count_at(&tally, 3, k + 1, now, k % 3));
    }
    do {
        apikey_tally_entry_t batch[APIKEY_TALLY_BATCH];
        const unsigned int n = apikey_tally_collect(&tally, 3, &from, batch);
        for (k = 0; k < n; k++) {
            seen[batch[k].key_id - 1] += (unsigned int)batch[k].count;
            assert_true(k == 0 || batch[k].key_id >= batch[k - 1].key_id);
        }
        apikey_tally_written(&tally, batch, n);
        assert_true(++rounds < STEPS);
    } while (from != 0);
    assert_true(rounds >= KEYS / APIKEY_TALLY_BATCH);
    for (k = 0; k < KEYS; k++) {
        assert_int_equal(seen[k], 2);
    }
    assert_int_equal(unwritten(&tally, 3, 1), 0);
}

static void last_use(void **state)
{
    static const struct {
        const char *what;
        int64_t first, second, last;
    } table[] = {
        {"later", 0, 1, 1},
        {"at once", 0, 0, 0},
        {"by a clock that is a little behind", 100, 99, 100},
        {"after the clock was set back", 3600000, 5, 5},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        const apikey_tally_t tally = fresh();
        apikey_tally_entry_t entry;

        assert_true(count_at(&tally, 0, 7, now + table[i].first, 0));
        assert_true(count_at(&tally, 0, 7, now + table[i].second, 0));
        entry = only(&tally);
        check(table[i].what, entry.count == 2 && entry.last_ms == now + table[i].last);
        check(table[i].what, entry.address.word[0] == (uint64_t)entry.last_ms &&
                                 entry.address.word[1] == ~(uint64_t)entry.last_ms);
    }
}

static void no_room(void **state)
{
    const apikey_tally_t tally = fresh();
    const apikey_address_t address = address_of(1);
    bool crowded = true;
    uint64_t id;

    (void)state;
    for (id = 1; id <= SLOTS; id++) { /* one thread may use all the stripes */
        assert_true(apikey_tally_count(&tally, 0, id, now, &address, 0, &crowded));
        assert_true(crowded || id <= 32);
        assert_true(!crowded || id > 16);
    }
    assert_false(apikey_tally_count(&tally, 0, id, now, &address, 0, &crowded));
    assert_true(crowded);
    assert_true(apikey_tally_count(&tally, 0, 1, now, &address, 0, &crowded));
    write_all(&tally);
    apikey_tally_sweep(&tally, now + 1);
    assert_null(slot_in_use());
    assert_true(apikey_tally_count(&tally, 0, id, now, &address, 0, &crowded));
    assert_false(crowded);
}

/* What sweeping makes of a slot of key 7, last used now, with so many uses counted and written,
 * and then written over with what somebody who died or was stopped left behind. */
static void sweeping(void **state)
{
    enum { NONE = -1 };
    static const struct {
        const char *what;
        int64_t idle;
        int counted;
        bool written, freed;
        int word; /* to be changed */
        uint64_t value;
    } table[] = {
        {"used lately", 0, 2, true, false, NONE, 0},
        {"idle", 1, 2, true, true, NONE, 0},
        {"idle, not written", 1, 2, false, false, NONE, 0},
        {"taken, not yet counted", 0, 1, true, true, TOTAL, GENERATION},
        {"left closing by a sweeper", 0, 2, true, true, KEY, 7 | CLOSING},
        {"left closing and used after all", 0, 2, false, false, KEY, 7 | CLOSING},
        {"somebody is noting a use", 1, 2, true, false, BUSY, 1790000000000},
        {"somebody died noting a use", 1, 2, true, true, BUSY, 1790000000000 - 2001},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        const apikey_tally_t tally = fresh();
        _Atomic uint64_t *slot;

        assert_true(count(&tally, 7, table[i].counted));
        slot = slot_in_use();
        if (table[i].written) {
            write_all(&tally);
        }
        if (table[i].word != NONE) {
            slot[table[i].word] = table[i].value;
        }
        apikey_tally_sweep(&tally, now + table[i].idle);
        check(table[i].what, (slot_in_use() == NULL) == table[i].freed);
        check(table[i].what, slot[KEY] == (table[i].freed ? 0 : 7));
        check(table[i].what,
              unwritten(&tally, 0, 7) == (table[i].written ? 0 : (uint64_t)table[i].counted));
        /* Whatever it was, uses are counted, of this key and of another. */
        check(table[i].what, count(&tally, 7, 5) && count(&tally, 8, 6));
        check(table[i].what, unwritten(&tally, 0, 7) ==
                                 5 + (table[i].written ? 0 : (uint64_t)table[i].counted));
        check(table[i].what, unwritten(&tally, 0, 8) == 6);
    }
}

/* A slot that is closing is not counted in, but what it holds is written. */
static void closing(void **state)
{
    const apikey_tally_t tally = fresh();
    _Atomic uint64_t *slot;

    (void)state;
    assert_true(count(&tally, 7, 2));
    slot = slot_in_use();
    slot[KEY] = 7 | CLOSING;
    assert_true(count(&tally, 7, 3));
    assert_int_equal(slot[TOTAL], 2);
    assert_int_equal(unwritten(&tally, 0, 7), 5);
    apikey_tally_sweep(&tally, now + 1);
    assert_int_equal(slot[KEY], 7);
    assert_int_equal(unwritten(&tally, 0, 7), 5);
}

/* A process that died while it noted a use: the next ones do not wait, and after two seconds
 * times and addresses are noted again. */
static void dead_while_noting(void **state)
{
    const apikey_tally_t tally = fresh();
    apikey_tally_entry_t entry;
    _Atomic uint64_t *slot;

    (void)state;
    assert_true(count(&tally, 7, 1));
    slot = slot_in_use();
    slot[BUSY] = (uint64_t)now;
    assert_true(count_at(&tally, 0, 7, now + 2000, 0));
    assert_int_equal(only(&tally).last_ms, now);
    assert_true(count_at(&tally, 0, 7, now + 2001, 0));
    entry = only(&tally);
    assert_int_equal(entry.count, 3);
    assert_int_equal(entry.last_ms, now + 2001);
    assert_int_equal(entry.address.word[0], now + 2001);
    assert_int_equal(slot[BUSY], 0);

    /* At the very first use: it counts even so. */
    slot[LAST] = 0;
    slot[BUSY] = (uint64_t)now;
    assert_true(count_at(&tally, 0, 7, now, 0));
    entry = only(&tally);
    assert_int_equal(entry.count, 4);
    assert_int_equal(entry.last_ms, 0);
    assert_true(entry.address.word[0] == 0 && entry.address.word[1] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),     cmocka_unit_test(keys_and_realms),
        cmocka_unit_test(exactness), cmocka_unit_test(replay_after_sweep),
        cmocka_unit_test(batches),   cmocka_unit_test(last_use),
        cmocka_unit_test(no_room),   cmocka_unit_test(sweeping),
        cmocka_unit_test(closing),   cmocka_unit_test(dead_while_noting),
    };
    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
