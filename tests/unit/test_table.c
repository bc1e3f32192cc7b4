/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/table.h"

#include <stdatomic.h>

/* A slot's words, as table.h draws them. */
enum { LOCK, META, MAC0, MAC1, CHECKSUM, USED, PAYLOAD };

enum {
    WORDS = 5, /* of payload */
    SLOT_WORDS = APIKEY_TABLE_HEAD + WORDS,
    BUCKET_WORDS = APIKEY_TABLE_WAYS * (1 + SLOT_WORDS),
    BOTH = 2 * APIKEY_TABLE_WAYS /* places of an entry */
};

#define BUCKET_BYTES (BUCKET_WORDS * sizeof(uint64_t))

static const int64_t now = INT64_C(1790000000000);

static _Atomic uint64_t memory[2 * BUCKET_WORDS];

/* A new table of one bucket or of two. */
static apikey_table_t fresh(int buckets)
{
    apikey_table_t table;
    size_t i;

    for (i = 0; i < COUNT(memory); i++) {
        memory[i] = 0;
    }
    assert_true(apikey_table_map(&table, memory, (size_t)buckets * BUCKET_BYTES, WORDS));
    assert_int_equal(table.buckets, buckets);
    return table;
}

/* Of two buckets, it may be in both. */
static apikey_mac_t mac_of(uint64_t n)
{
    const apikey_mac_t mac = {{n + 1, (UINT64_C(1) << 63) + 1000 * (n + 1)}};
    return mac;
}

static bool put_n(const apikey_table_t *table, uint64_t n, uint64_t value, int64_t at,
                  int64_t worthless, bool *evicted)
{
    const uint64_t payload[WORDS] = {value, ~value, value * 3, value + n, n};
    return apikey_table_put(table, mac_of(n), payload, WORDS, at, worthless, evicted);
}

static bool put(const apikey_table_t *table, uint64_t n, uint64_t value)
{
    return put_n(table, n, value, now, 0, NULL);
}

/* The value of an entry, 0 for none; a payload that is not of one put stops the test. */
static uint64_t get(const apikey_table_t *table, uint64_t n)
{
    uint64_t payload[WORDS];
    int64_t put_ms;
    const unsigned int words = apikey_table_get(table, mac_of(n), payload, &put_ms);

    if (words == 0) {
        return 0;
    }
    assert_int_equal(words, WORDS);
    assert_int_equal(payload[1], ~payload[0]);
    assert_int_equal(payload[2], payload[0] * 3);
    assert_int_equal(payload[3], payload[0] + n);
    assert_int_equal(payload[4], n);
    return payload[0];
}

/* One of the sixteen places, wherever it is. */
static _Atomic uint64_t *tag_at(int place)
{
    return &memory[place / APIKEY_TABLE_WAYS * BUCKET_WORDS + place % APIKEY_TABLE_WAYS];
}

static _Atomic uint64_t *slot_at(int place)
{
    return &memory[place / APIKEY_TABLE_WAYS * BUCKET_WORDS + APIKEY_TABLE_WAYS +
                   place % APIKEY_TABLE_WAYS * SLOT_WORDS];
}

static int place_of(uint64_t n)
{
    const apikey_mac_t mac = mac_of(n);
    int found = -1;
    int i;

    for (i = 0; i < BOTH; i++) {
        if (*tag_at(i) == (mac.word[0] ^ mac.word[1])) {
            assert_int_equal(found, -1); /* never two */
            found = i;
        }
    }
    return found;
}

static void sizes(void **state)
{
    static const struct {
        const char *what;
        size_t bytes;
        unsigned int payload;
        uint64_t slots;
    } table[] = {
        {"nothing", 0, WORDS, 0},
        {"a byte too little", BUCKET_BYTES - 1, WORDS, 0},
        {"one bucket", BUCKET_BYTES, WORDS, 8},
        {"a byte less than two", 2 * BUCKET_BYTES - 1, WORDS, 8},
        {"two", 2 * BUCKET_BYTES, WORDS, 16},
        {"all there is", SIZE_MAX, 1, SIZE_MAX / 512 * 8},
        {"a huge payload", SIZE_MAX, 65535, SIZE_MAX / 8 / UINT64_C(524336) * 8},
        {"too huge a payload", 1 << 20, 65535, 0},
    };
    apikey_table_t t;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        check(table[i].what,
              apikey_table_slots(table[i].bytes, table[i].payload) == table[i].slots);
        check(table[i].what, apikey_table_map(&t, memory, table[i].bytes, table[i].payload) ==
                                 (table[i].slots > 0));
        check(table[i].what, t.buckets == table[i].slots / 8);
    }
}

static void lengths(void **state)
{
    const apikey_table_t table = fresh(2);
    unsigned int words;

    (void)state;
    for (words = 0; words < WORDS + 3; words++) {
        const uint64_t in[WORDS + 2] = {1, 2, 3, 4, 5, 6, 7};
        uint64_t out[WORDS] = {0, 0, 0, 0, 0};
        const bool fits = words >= 1 && words <= WORDS;
        int64_t put_ms = 0;

        assert_int_equal(
            apikey_table_put(&table, mac_of(words), in, words, now + words, 0, NULL), fits);
        assert_int_equal(apikey_table_get(&table, mac_of(words), out, &put_ms),
                         fits ? words : 0);
        assert_memory_equal(out, in, fits ? words * sizeof(*in) : 0);
        assert_int_equal(put_ms, fits ? now + words : 0);
    }
    for (words = 0; words < BOTH; words++) { /* what was refused left nothing locked */
        assert_int_equal(*slot_at((int)words) & 1, 0);
    }
}

static void replacing(void **state)
{
    const apikey_table_t table = fresh(2);
    bool evicted = true;
    uint64_t value;

    (void)state;
    assert_int_equal(get(&table, 7), 0);
    for (value = 1; value < 100; value++) {
        assert_true(put_n(&table, 7, value, now, 0, &evicted));
        assert_false(evicted);
        assert_int_equal(get(&table, 7), value);
    }
    assert_true(place_of(7) >= 0);
    assert_int_equal(get(&table, 8), 0);
}

/* Words in the other order have the same tag, and in a table of one bucket the same places. */
static void equal_tags(void **state)
{
    const apikey_table_t table = fresh(1);
    const apikey_mac_t mac = {{1, 2}}, mirrored = {{2, 1}}, zero = {{5, 5}};
    const uint64_t payload[1] = {42};
    uint64_t out[WORDS];
    int64_t put_ms;

    (void)state;
    assert_true(apikey_table_put(&table, mac, payload, 1, now, 0, NULL));
    assert_int_equal(apikey_table_get(&table, mac, out, &put_ms), 1);
    assert_int_equal(apikey_table_get(&table, mirrored, out, &put_ms), 0);
    /* words that are alike give no tag of 0, which would be nothing */
    assert_int_equal(apikey_table_get(&table, zero, out, &put_ms), 0);
    assert_true(apikey_table_put(&table, zero, payload, 1, now, 0, NULL));
    assert_int_equal(apikey_table_get(&table, zero, out, &put_ms), 1);
}

/* Both places of an entry are the same bucket: it must survive that. */
static void one_bucket(void **state)
{
    const apikey_table_t table = fresh(1);
    uint64_t n;

    (void)state;
    for (n = 0; n < APIKEY_TABLE_WAYS; n++) {
        bool evicted = true;
        assert_true(put_n(&table, n, n + 1, now, 0, &evicted));
        assert_false(evicted);
    }
    for (n = 0; n < APIKEY_TABLE_WAYS; n++) {
        assert_int_equal(get(&table, n), n + 1);
    }
}

/* Sixteen entries, of which number n was put at now + n; then one more. */
static void eviction(void **state)
{
    enum { NOBODY = -1 };
    static const struct {
        const char *what;
        unsigned int used; /* a bit for each entry that was read */
        int64_t worthless; /* in terms of n */
        int forgotten, busy;
        int victim;
        bool evicted;
    } table[] = {
        {"the oldest", 0x0000, 0, NOBODY, NOBODY, 0, true},
        {"the oldest that was not read", 0x0007, 0, NOBODY, NOBODY, 3, true},
        {"the only one that was not read", 0xffdf, 0, NOBODY, NOBODY, 5, true},
        {"all were read", 0xffff, 0, NOBODY, NOBODY, 0, true},
        {"one is worthless, read or not", 0xffff, 1, NOBODY, NOBODY, 0, false},
        {"the worthless before the unread", 0x00ff, 4, NOBODY, NOBODY, 0, false},
        {"all are worthless", 0xffff, 99, NOBODY, NOBODY, 0, false},
        {"an empty place before the worthless", 0x0000, 99, 9, NOBODY, 9, false},
        {"not what is being written", 0x0000, 0, NOBODY, 0, 1, true},
        {"not an empty place that is being written", 0x0000, 0, 0, 0, 1, true},
    };
    size_t i;
    int n;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        const apikey_table_t t = fresh(2);
        bool evicted;

        for (n = 0; n < BOTH; n++) {
            evicted = true;
            check(table[i].what, put_n(&t, (uint64_t)n, 1, now + n, 0, &evicted) && !evicted);
        }
        for (n = 0; n < BOTH; n++) {
            check(table[i].what, !(table[i].used >> n & 1) || get(&t, (uint64_t)n) == 1);
        }
        if (table[i].busy != NOBODY) {
            *slot_at(place_of((uint64_t)table[i].busy)) = (uint64_t)now / 1000 << 32 | 1;
        }
        if (table[i].forgotten != NOBODY) {
            apikey_table_forget(&t, mac_of((uint64_t)table[i].forgotten));
        }
        check(table[i].what, put_n(&t, 99, 1, now + 99, now + table[i].worthless, &evicted));
        check(table[i].what, evicted == table[i].evicted);
        for (n = 0; n < BOTH; n++) {
            const bool gone = place_of((uint64_t)n) < 0;
            check(table[i].what, gone == (n == table[i].victim || n == table[i].forgotten));
        }
        check(table[i].what, get(&t, 99) == 1);
    }
}

/* When all were read, all have to prove themselves again: who does, stays. */
static void second_chance(void **state)
{
    const apikey_table_t table = fresh(2);
    uint64_t n;

    (void)state;
    for (n = 0; n < BOTH; n++) {
        assert_true(put_n(&table, n, 1, now + (int64_t)n, 0, NULL));
        assert_int_equal(get(&table, n), 1);
    }
    assert_true(
        put_n(&table, 100, 1, now + 100, 0, NULL)); /* evicts 0, the oldest of all read */
    assert_int_equal(get(&table, 1), 1);
    for (n = 101; n < 101 + BOTH - 2; n++) { /* a scan: none of these is read */
        assert_true(put_n(&table, n, 1, now + (int64_t)n, 0, NULL));
    }
    assert_int_equal(get(&table, 0), 0);
    assert_int_equal(get(&table, 1), 1);
    assert_int_equal(get(&table, 2), 0);
}

/* A slot that a writer left odd so many seconds before now. */
static void stealing(void **state)
{
    static const struct {
        const char *what;
        int64_t seconds;
        uint32_t sequence;
        bool stolen;
    } table[] = {
        {"just now", 0, 1, false},
        {"a second ago", 1, 1, false},
        {"two seconds ago", 2, 1, true},
        {"an hour ago", 3600, 1, true},
        {"by a clock that is a little ahead", -1, 1, false},
        {"before the clock was set back", -2, 1, true},
        {"before the clock was set back by a day", -86400, 1, true},
        {"by the last writer before the sequence wraps", 2, UINT32_MAX, true},
    };
    size_t i;
    int n;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        const apikey_table_t t = fresh(2);
        const uint64_t lock =
            (uint64_t)(uint32_t)(now / 1000 - table[i].seconds) << 32 | table[i].sequence;

        check(table[i].what, put(&t, 1, 11));
        *slot_at(place_of(1)) = lock;
        check(table[i].what, get(&t, 1) == 0);
        check(table[i].what, put(&t, 1, 12) == table[i].stolen);
        check(table[i].what, get(&t, 1) == (table[i].stolen ? 12 : 0));
        check(table[i].what, *slot_at(place_of(1)) != lock || !table[i].stolen);

        for (n = 0; n < BOTH; n++) { /* and where every place is like that */
            *slot_at(n) = lock;
        }
        check(table[i].what, put(&t, 2, 21) == table[i].stolen);
        check(table[i].what, get(&t, 2) == (table[i].stolen ? 21 : 0));
    }
}

static void sequence_wraps(void **state)
{
    const apikey_table_t table = fresh(2);

    (void)state;
    assert_true(put(&table, 1, 11));
    *slot_at(place_of(1)) = UINT32_MAX - 1;
    assert_int_equal(get(&table, 1), 11);
    assert_true(put(&table, 1, 12));
    assert_int_equal((uint32_t)*slot_at(place_of(1)), 0);
    assert_int_equal(get(&table, 1), 12);
    assert_true(put(&table, 1, 13));
    assert_int_equal(get(&table, 1), 13);
}

/* Any bit that is not as it was written is a miss; but the reader's mark and the sequence,
 * while it is even, are not part of what was written. */
static void damage(void **state)
{
    int word, bit;

    (void)state;
    for (word = 0; word < SLOT_WORDS; word++) {
        for (bit = 0; bit < 64; bit++) {
            const apikey_table_t table = fresh(2);
            const bool harmless = word == USED || (word == LOCK && bit != 0);
            char row[32];

            snprintf(row, sizeof(row), "word %d bit %d", word, bit);
            assert_true(put(&table, 3, 33));
            slot_at(place_of(3))[word] ^= UINT64_C(1) << bit;
            check(row, get(&table, 3) == (harmless ? 33 : 0));
            check(row, put(&table, 3, 34) || (word == LOCK && bit == 0));
        }
    }
}

static void copy_words(_Atomic uint64_t *to, const _Atomic uint64_t *from, int begin, int end)
{
    int i;

    for (i = begin; i < end; i++) {
        to[i] = from[i];
    }
}

/* A writer whose slot was taken goes on, and is stopped again, at any point of its work: what
 * is found is the one entry or the other, whole, or none; and the next writer repairs it. */
static void resumed_writer(void **state)
{
    _Atomic uint64_t late[SLOT_WORDS];
    int begin, end;
    int torn = 0;

    (void)state;
    for (begin = META; begin <= SLOT_WORDS; begin++) {
        for (end = begin; end <= SLOT_WORDS; end++) {
            const apikey_table_t table = fresh(1);
            uint64_t found;

            assert_true(put_n(&table, 3, 31, now - 5000, 0, NULL));
            copy_words(late, slot_at(place_of(3)), 0, SLOT_WORDS);
            assert_true(put(&table, 3, 32));
            copy_words(slot_at(place_of(3)), late, begin, end); /* its own unlocking fails */
            found = get(&table, 3);
            assert_true(found == 0 || found == 31 || found == 32);
            assert_true(found == 32 || begin != end);
            assert_true(found == 31 || begin != META || end != SLOT_WORDS);
            torn += found == 0;
            assert_true(put(&table, 3, 33));
            assert_int_equal(get(&table, 3), 33);
        }
    }
    assert_true(torn > 40);
}

static void forgetting(void **state)
{
    const apikey_table_t table = fresh(2);
    uint64_t n;

    (void)state;
    for (n = 0; n < BOTH; n++) {
        assert_true(put(&table, n, n + 1));
    }
    apikey_table_forget(&table, mac_of(99)); /* nobody */
    for (n = 0; n < BOTH; n++) {
        assert_int_equal(get(&table, n), n + 1);
    }
    for (n = 0; n < BOTH; n += 2) {
        apikey_table_forget(&table, mac_of(n));
    }
    for (n = 0; n < BOTH; n++) {
        assert_int_equal(get(&table, n), n % 2 ? n + 1 : 0);
    }
}

/* Two writers may have put the same mac in two places: the next one leaves one, its own. */
static void duplicates(void **state)
{
    int other;

    (void)state;
    for (other = 0; other < BOTH; other++) {
        const apikey_table_t table = fresh(2);
        int place;

        assert_true(put(&table, 3, 31));
        place = place_of(3);
        if (place != other) {
            copy_words(slot_at(other), slot_at(place), 0, SLOT_WORDS);
            *tag_at(other) = *tag_at(place);
        }
        assert_true(put_n(&table, 3, 32, now + 1, 0, NULL));
        assert_int_equal(get(&table, 3), 32);
        assert_true(place_of(3) >= 0); /* which looks for two */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),          cmocka_unit_test(lengths),
        cmocka_unit_test(replacing),      cmocka_unit_test(equal_tags),
        cmocka_unit_test(one_bucket),     cmocka_unit_test(eviction),
        cmocka_unit_test(second_chance),  cmocka_unit_test(stealing),
        cmocka_unit_test(sequence_wraps), cmocka_unit_test(damage),
        cmocka_unit_test(resumed_writer), cmocka_unit_test(forgetting),
        cmocka_unit_test(duplicates),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
