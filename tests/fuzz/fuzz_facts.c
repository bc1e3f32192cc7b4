/* SPDX-License-Identifier: Apache-2.0 */
/* The shared memory, full of anything: what a process that died, was overtaken or has gone mad
 * may have left. Reading it ends, and what is read is whole. */
#include "fuzz.h"

#include "../../src/core/facts.h"
#include "../../src/core/tally.h"

enum { BYTES = 2 * 1024 * 1024 };

static uint64_t memory[BYTES / 8];

/* Scatters the input over the memory, again and again, from wherever it says. */
static void fill(fuzz_t *fuzz, size_t begin)
{
    const size_t size = (size_t)(fuzz->end - fuzz->at);
    unsigned char *bytes = (unsigned char *)memory;
    size_t at = begin;

    while (size && at + size <= BYTES) {
        memcpy(bytes + at, fuzz->at, size);
        at += size < 4096 ? 4096 : size;
    }
}

static void read_facts(fuzz_t *fuzz)
{
    static const apikey_fact_terms_t terms = {1000, 1000, 1000};
    const apikey_mac_t mac = {{fuzz_number(fuzz), fuzz_number(fuzz)}};
    const apikey_record_t record = {.id = 1,
                                    .owner_type = APIKEY_OWNER_USER,
                                    .owner = "alice",
                                    .scopes = "",
                                    .expires_ms = APIKEY_NEVER};
    apikey_fact_t fact;
    apikey_facts_t facts;
    int64_t now = (int64_t)(fuzz_number(fuzz) >> 16);

    fill(fuzz, 600 * 1024); /* behind the drops, where the tables are */
    must(apikey_facts_map(&facts, memory, BYTES));
    if (apikey_facts_get(&facts, mac, &terms, now, &fact) >= APIKEY_FACT_STALE) {
        must(strlen(fact.record.owner) <= sizeof(fact.words));
        must(strlen(fact.record.scopes) <= sizeof(fact.words));
    }
    apikey_facts_put(&facts, mac, &record, UINT64_MAX, now, &terms);
    if (apikey_facts_get(&facts, mac, &terms, now, &fact) == APIKEY_FACT_FRESH) {
        must(strcmp(fact.record.owner, "alice") == 0);
    }
}

static void read_tally(fuzz_t *fuzz)
{
    static apikey_tally_entry_t entries[APIKEY_TALLY_BATCH];
    const apikey_address_t address = {{1, 2}};
    apikey_tally_t tally;
    uint64_t from = 0;
    unsigned int n;
    bool crowded;

    fill(fuzz, 0);
    must(apikey_tally_map(&tally, memory, 64 * 1024));
    apikey_tally_count(&tally, fuzz_byte(fuzz), fuzz_number(fuzz), 1000, &address, 1, &crowded);
    do {
        n = apikey_tally_collect(&tally, 0, &from, entries);
        must(n <= APIKEY_TALLY_BATCH);
        apikey_tally_written(&tally, entries, n);
    } while (from);
    apikey_tally_sweep(&tally, 1000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t fuzz = fuzz_of(data, size);

    memset(memory, 0, sizeof(memory));
    if (fuzz_byte(&fuzz) & 1) {
        read_facts(&fuzz);
    }
    else {
        read_tally(&fuzz);
    }
    return 0;
}
