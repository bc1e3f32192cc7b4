/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/facts.h"

#include <stdlib.h>

static const int64_t now = INT64_C(1790000000000);
static const apikey_fact_terms_t terms = {300000, 10000, 3600000};
static const apikey_fact_terms_t no_stale = {300000, 10000, 0};

typedef struct {
    void *memory;
    apikey_facts_t facts;
} block_t;

static void make(block_t *block, size_t size)
{
    block->memory = calloc(1, size);
    assert_non_null(block->memory);
    assert_true(apikey_facts_map(&block->facts, block->memory, size));
}

static int setup(void **state)
{
    static block_t block;

    make(&block, apikey_facts_min_size());
    *state = &block;
    return 0;
}

static int teardown(void **state)
{
    free(((block_t *)*state)->memory);
    return 0;
}

static apikey_mac_t mac_of(uint64_t n)
{
    static const uint64_t key[2] = {1, 2};
    return apikey_mac(key, &n, sizeof(n), 0);
}

static apikey_record_t record_of(uint64_t id, const char *owner, const char *scopes)
{
    const apikey_record_t record = {.id = id,
                                    .owner_type = APIKEY_OWNER_USER,
                                    .owner = owner,
                                    .scopes = scopes,
                                    .expires_ms = APIKEY_NEVER};
    return record;
}

static void put(const apikey_facts_t *facts, uint64_t n, const char *owner, uint64_t sequence,
                int64_t at)
{
    const apikey_record_t record = record_of(n, owner, "a b");
    apikey_facts_put(facts, mac_of(n), owner ? &record : NULL, sequence, at, &terms);
}

/* The owner of a fresh fact, or what there is instead. */
static const char *get(const apikey_facts_t *facts, uint64_t n, int64_t at)
{
    static apikey_fact_t fact;

    switch (apikey_facts_get(facts, mac_of(n), &terms, at, &fact)) {
    case APIKEY_FACT_FRESH:
        return fact.record.owner;
    case APIKEY_FACT_STALE:
        return "(stale)";
    case APIKEY_FACT_ABSENT:
        return "(absent)";
    case APIKEY_FACT_UNKNOWN:
        break;
    }
    return "(unknown)";
}

#define is(n, at, owner) assert_string_equal(get(facts, n, at), owner)

static char *letters(size_t len, char letter)
{
    char *text = malloc(len + 1);

    assert_non_null(text);
    memset(text, letter, len);
    text[len] = '\0';
    return text;
}

static void lengths(void **state)
{
    const apikey_facts_t *facts = &((block_t *)*state)->facts;
    static const struct {
        const char *what;
        size_t owner, scopes;
        bool kept;
    } table[] = {
        {"shortest", 1, 0, true},
        {"a word's end", 3, 3, true},
        {"a byte past it", 4, 3, true},
        {"longest of the brief", 39, 39, true},
        {"longest of the brief, in the owner", 78, 0, true},
        {"shortest of the lengthy", 40, 39, true},
        {"shortest of the lengthy, in the scopes", 1, 78, true},
        {"longest owner", APIKEY_OWNER_MAX, 0, true},
        {"longest scopes", 1, APIKEY_SCOPES_MAX, true},
        {"longest of all", APIKEY_OWNER_MAX, APIKEY_SCOPES_MAX, true},
        {"owner too long", APIKEY_OWNER_MAX + 1, 0, false},
        {"scopes too long", 1, APIKEY_SCOPES_MAX + 1, false},
        {"far too long", 70000, 70000, false},
    };
    size_t i;

    for (i = 0; i < COUNT(table); i++) {
        char *owner = letters(table[i].owner, 'o');
        char *scopes = letters(table[i].scopes, 's');
        const apikey_record_t record = record_of(i + 1, owner, scopes);
        apikey_fact_t fact;

        memset(&fact, 0xee, sizeof(fact));
        apikey_facts_put(facts, mac_of(i), &record, 0, now, &terms);
        check(table[i].what, apikey_facts_get(facts, mac_of(i), &terms, now, &fact) ==
                                 (table[i].kept ? APIKEY_FACT_FRESH : APIKEY_FACT_UNKNOWN));
        check(table[i].what, !table[i].kept || (strcmp(fact.record.owner, owner) == 0 &&
                                                strcmp(fact.record.scopes, scopes) == 0));
        free(owner);
        free(scopes);
    }
}

static void every_field(void **state)
{
    const apikey_facts_t *facts = &((block_t *)*state)->facts;
    static const struct {
        const char *what;
        apikey_record_t record;
    } table[] = {
        {"usual",
         {1, APIKEY_OWNER_USER, "alice", "orders:read", APIKEY_NEVER, false, true, NULL}},
        {"revoked", {2, APIKEY_OWNER_TEAM, "team", "", 0, true, true, NULL}},
        {"largest id",
         {UINT64_MAX, APIKEY_OWNER_USER, "\xf0\x9f\x94\x91", "a", -1, true, false, NULL}},
        {"earliest expiry", {0, APIKEY_OWNER_TEAM, "x", "", INT64_MIN, false, false, NULL}},
        {"nobody", {5, APIKEY_OWNER_NONE, "x", "", INT64_C(1790000000123), false, false, NULL}},
    };
    apikey_fact_t fact;
    size_t i;

    for (i = 0; i < COUNT(table); i++) {
        const char *what = table[i].what;
        const apikey_record_t *in = &table[i].record;
        const apikey_record_t *out = &fact.record;

        apikey_facts_put(facts, mac_of(i), in, 0, now, &terms);
        check(what,
              apikey_facts_get(facts, mac_of(i), &terms, now, &fact) == APIKEY_FACT_FRESH);
        check(what, out->id == in->id && out->owner_type == in->owner_type);
        check(what, out->expires_ms == in->expires_ms);
        check(what, out->revoked == in->revoked && out->plain == in->plain);
        check(what, out->unusable == NULL);
        check(what, strcmp(out->owner, in->owner) == 0);
        check(what, strcmp(out->scopes, in->scopes) == 0);
    }
}

static void ages(void **state)
{
    const apikey_facts_t *facts = &((block_t *)*state)->facts;
    static const struct {
        const char *what;
        const apikey_fact_terms_t *terms;
        int64_t age;
        apikey_fact_state_t fact, absent;
    } table[] = {
        {"new", &terms, 0, APIKEY_FACT_FRESH, APIKEY_FACT_ABSENT},
        {"end of the negative ttl", &terms, 9999, APIKEY_FACT_FRESH, APIKEY_FACT_ABSENT},
        {"past it", &terms, 10000, APIKEY_FACT_FRESH, APIKEY_FACT_UNKNOWN},
        {"end of the ttl", &terms, 299999, APIKEY_FACT_FRESH, APIKEY_FACT_UNKNOWN},
        {"past it", &terms, 300000, APIKEY_FACT_STALE, APIKEY_FACT_UNKNOWN},
        {"past it without stale", &no_stale, 300000, APIKEY_FACT_UNKNOWN, APIKEY_FACT_UNKNOWN},
        {"end of stale", &terms, 3899999, APIKEY_FACT_STALE, APIKEY_FACT_UNKNOWN},
        {"past it", &terms, 3900000, APIKEY_FACT_UNKNOWN, APIKEY_FACT_UNKNOWN},
        {"clock set back a little", &terms, -1, APIKEY_FACT_UNKNOWN, APIKEY_FACT_UNKNOWN},
        {"clock set back", &terms, -86400000, APIKEY_FACT_UNKNOWN, APIKEY_FACT_UNKNOWN},
        {"clock set forth", &terms, INT64_C(86400000) * 36500, APIKEY_FACT_UNKNOWN,
         APIKEY_FACT_UNKNOWN},
    };
    apikey_fact_t fact;
    size_t i;

    put(facts, 1, "alice", 0, now);
    put(facts, 2, NULL, 0, now);
    for (i = 0; i < COUNT(table); i++) {
        check(table[i].what, apikey_facts_get(facts, mac_of(1), table[i].terms,
                                              now + table[i].age, &fact) == table[i].fact);
        check(table[i].what, apikey_facts_get(facts, mac_of(2), table[i].terms,
                                              now + table[i].age, &fact) == table[i].absent);
    }
}

/* A key's fact, another key's, and an absentee, before and after something is forgotten. */
static void forgetting(void **state)
{
    const apikey_facts_t *facts = &((block_t *)*state)->facts;
    enum { KEY = 1, OTHER = 2, NOBODY = 3 };
    static const struct {
        const char *what;
        bool drop, flush;
        bool early; /* its number was taken before that, its put came after it */
        const char *key, *other, *absent;
    } table[] = {
        {"nothing", false, false, false, "k", "o", "(absent)"},
        {"a drop", true, false, false, "(unknown)", "o", "(absent)"},
        {"a flush", false, true, false, "(unknown)", "(unknown)", "(unknown)"},
        {"both", true, true, false, "(unknown)", "(unknown)", "(unknown)"},
        {"late puts after a drop", true, false, true, "(unknown)", "o", "(absent)"},
        {"late puts after a flush", false, true, true, "(unknown)", "(unknown)", "(unknown)"},
    };
    size_t i;

    for (i = 0; i < COUNT(table); i++) {
        const uint64_t sequence = apikey_facts_sequence(facts);
        int puts;

        for (puts = 0; puts < 2; puts++) {
            if (puts == 0 ? !table[i].early : table[i].early) {
                put(facts, KEY, "k", sequence, now);
                put(facts, OTHER, "o", sequence, now);
                put(facts, NOBODY, NULL, sequence, now);
            }
            if (puts == 0 && table[i].drop) {
                apikey_facts_drop(facts, KEY);
            }
            if (puts == 0 && table[i].flush) {
                apikey_facts_flush(facts);
            }
        }
        check(table[i].what, strcmp(get(facts, KEY, now), table[i].key) == 0);
        check(table[i].what, strcmp(get(facts, OTHER, now), table[i].other) == 0);
        check(table[i].what, strcmp(get(facts, NOBODY, now), table[i].absent) == 0);
        /* What is asked again afterwards is remembered again. */
        put(facts, KEY, "again", apikey_facts_sequence(facts), now);
        check(table[i].what, strcmp(get(facts, KEY, now), "again") == 0);
        apikey_facts_flush(facts);
    }
}

/* Stale facts are no exception: what was dropped is not used while the database is away. */
static void dropped_stale(void **state)
{
    const apikey_facts_t *facts = &((block_t *)*state)->facts;

    put(facts, 1, "alice", 0, now);
    is(1, now + terms.ttl, "(stale)");
    apikey_facts_drop(facts, 1);
    is(1, now + terms.ttl, "(unknown)");
}

static void late_put_changes_nothing(void **state)
{
    const apikey_facts_t *facts = &((block_t *)*state)->facts;
    const uint64_t early = apikey_facts_sequence(facts);

    apikey_facts_drop(facts, 1);
    put(facts, 1, "new", apikey_facts_sequence(facts), now);
    put(facts, 1, "old", early, now + 1);
    is(1, now + 1, "new");
    apikey_facts_flush(facts);
    put(facts, 1, "newer", apikey_facts_sequence(facts), now);
    put(facts, 1, NULL, early, now + 1);
    is(1, now + 1, "newer");
}

/* Where the change feed is not there, what is known of a mac is what was learnt last, wherever
 * it is kept, stale or fresh. */
static void learnt_last(void **state)
{
    const apikey_facts_t *facts = &((block_t *)*state)->facts;
    static const char *const owners[] = {
        "short", "0123456789012345678901234567890123456789012345678901234567890123456789012345",
        NULL};
    const int64_t later = now + terms.ttl + 1;
    size_t i, j;

    for (i = 0; i < COUNT(owners); i++) {
        for (j = 0; j < COUNT(owners); j++) {
            const char *expected = owners[j] ? owners[j] : "(absent)";
            put(facts, 1, owners[i], 0, now);
            put(facts, 1, owners[j], 0, later);
            check(expected, strcmp(get(facts, 1, later), expected) == 0);
        }
        {
            apikey_record_t unusable = record_of(1, "", "");
            unusable.unusable = "no owner";
            put(facts, 1, owners[i], 0, now);
            apikey_facts_put(facts, mac_of(1), &unusable, 0, now, &terms);
            is(1, now, "(unknown)");
        }
    }
}

/* Payloads that no put makes: whatever they say, nothing outside of them is read. */
static void hostile_payloads(void **state)
{
    const apikey_facts_t *facts = &((block_t *)*state)->facts;
    static const struct {
        const char *what;
        uint64_t shape;
        unsigned int words;
    } table[] = {
        {"cut before the text", 0, 4},
        {"cut before the shape", 0, 3},
        {"one word", 0, 1},
        {"owner to the end", 8, 5},
        {"owner past the end", 0xffff, 5},
        {"scopes past the end", 0xffff0000, 5},
        {"both past the end", 0xffffffff, 14},
        {"a byte past the end", 7 | 8 << 16, 6},
        {"owner without its NUL", 2 | 1 << 16, 5},
        {"scopes without their NUL", 3 | 2 << 16, 5},
    };
    size_t i;

    for (i = 0; i < COUNT(table); i++) {
        uint64_t words[14] = {1, 0, 0, table[i].shape};
        apikey_fact_t fact;

        memcpy(&words[4], "abc\0abcd", 8); /* 3 and 4 letters */
        check(table[i].what,
              apikey_table_put(&facts->brief, mac_of(i), words, table[i].words, now, 0, NULL));
        check(table[i].what,
              apikey_facts_get(facts, mac_of(i), &terms, now, &fact) == APIKEY_FACT_UNKNOWN);
    }
}

/* A block of any alignment the system may give; nothing is written outside of it. */
static void alignments(void **state)
{
    const size_t size = apikey_facts_min_size();
    size_t offset;

    (void)state;
    for (offset = 0; offset <= 64; offset += 8) {
        unsigned char *memory = aligned_alloc(64, (size + 192) / 64 * 64);
        apikey_facts_t block;
        const apikey_facts_t *facts = &block;
        uint64_t n;

        assert_non_null(memory);
        memset(memory, 0xee, size + 128);
        memset(memory + offset, 0, size);
        assert_true(apikey_facts_map(&block, memory + offset, size));
        assert_int_equal((uintptr_t)block.brief.base % 64, 0);
        for (n = 1; n < 20000; n++) {
            put(facts, n, n % 3 ? "alice" : NULL, 0, now);
            apikey_facts_drop(facts, n * 7);
        }
        for (n = 0; n < 64; n++) {
            assert_true(n >= offset || memory[n] == 0xee);
            assert_int_equal(memory[offset + size + n], 0xee);
        }
        free(memory);
    }
}

static void sizes(void **state)
{
    const size_t least = apikey_facts_min_size();
    static const size_t table[] = {0, 1, 63, 64, 524288, 655360};
    apikey_facts_t facts;
    void *memory = calloc(1, least);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        assert_false(apikey_facts_map(&facts, memory, table[i]));
    }
    assert_false(apikey_facts_map(&facts, memory, least - 1));
    assert_true(apikey_facts_map(&facts, memory, least));
    assert_true(apikey_facts_capacity(0) == 0 && apikey_facts_capacity(1) == 0);
    assert_int_equal(apikey_facts_capacity(least), facts.brief.buckets * APIKEY_TABLE_WAYS);
    assert_true(apikey_facts_capacity((size_t)240 << 20) > 1300000);
    free(memory);
}

/* Filled to three quarters, which is what a million keys in 256 MiB are. */
static void filling(void **state)
{
    const size_t size = (size_t)8 << 20;
    const uint64_t keys = apikey_facts_capacity(size) * 3 / 4;
    block_t block;
    const apikey_facts_t *facts = &block.facts;
    uint64_t n;
    uint64_t missing = 0;

    (void)state;
    make(&block, size);
    for (n = 1; n <= keys; n++) {
        put(facts, n, "alice", 0, now + (int64_t)n / 1000);
    }
    for (n = 1; n <= keys; n++) {
        missing += strcmp(get(facts, n, now + 1000), "alice") != 0;
    }
    assert_int_equal(apikey_facts_evictions(facts), missing);
    assert_true(missing <= 2);

    /* Credentials that nobody has push out no key's facts ... */
    for (n = 1; n <= keys; n++) {
        put(facts, keys + n, NULL, 0, now);
    }
    assert_int_equal(apikey_facts_evictions(facts), missing);
    /* ... as other keys do. */
    for (n = 1; n <= keys; n++) {
        put(facts, keys + n, "bob", 0, now);
    }
    assert_true(apikey_facts_evictions(facts) > keys / 3);
    free(block.memory);
}

#define block_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        block_test(lengths),
        block_test(every_field),
        block_test(ages),
        block_test(forgetting),
        block_test(dropped_stale),
        block_test(late_put_changes_nothing),
        block_test(learnt_last),
        block_test(hostile_payloads),
        cmocka_unit_test(alignments),
        cmocka_unit_test(sizes),
        cmocka_unit_test(filling),
    };
    return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
