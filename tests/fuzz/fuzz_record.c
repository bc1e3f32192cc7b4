/* SPDX-License-Identifier: Apache-2.0 */
/* Rows turned into records: a database that answers every statement with whatever the input
 * says, as a site's own view may. The library that reads rows is not asked: this file has an
 * apikey_db_run() of its own. A record that is not called unusable is good for everything that
 * is done with one: judging, remembering, telling applications. */
#include "fuzz.h"

#include "../../src/core/facts.h"
#include "../../src/core/judge.h"
#include "../../src/core/scope.h"
#include "../../src/core/store.h"

#include <apr_general.h>

enum { COLS = 20, ROWS_MAX = 3 };

static fuzz_t rows;
static const apikey_digests_t *asked;

static void make_col(apikey_col_t *col, char **text)
{
    const uint8_t shape = fuzz_byte(&rows);
    size_t len = 0;

    memset(col, 0, sizeof(*col));
    *text = fuzz_line(&rows, &len);
    col->null = (shape & 7) == 7;
    col->truncated = !col->null && (shape & 56) == 56;
    col->number = 0;
    if (shape & 64) { /* a number */
        col->data = "";
        col->number = col->null     ? 0
                      : shape & 128 ? strtoll(*text, NULL, 10)
                                    : (int64_t)fuzz_number(&rows);
    }
    else {
        col->data = col->null ? "" : *text;
        col->len = col->null ? 0 : len;
    }
}

apikey_db_status_t apikey_db_run(apikey_db_t *db, apikey_sql_t statement,
                                 const apikey_arg_t *args, apikey_row_fn row, void *baton)
{
    int n;

    (void)db;
    (void)args;
    for (n = fuzz_byte(&rows) % (ROWS_MAX + 1); row && n > 0; n--) {
        apikey_col_t col[COLS];
        char *text[COLS];
        bool more;
        int i;

        for (i = 0; i < COLS; i++) {
            make_col(&col[i], &text[i]);
        }
        /* Else nothing would ever be found. */
        if ((statement == APIKEY_SQL_FIND || statement == APIKEY_SQL_FIND_ANY) &&
            fuzz_byte(&rows) % 4) {
            col[APIKEY_FIND_DIGEST].data =
                (const char *)asked->digest[fuzz_byte(&rows) % asked->count];
            col[APIKEY_FIND_DIGEST].len = APIKEY_DIGEST_LEN;
        }
        more = row(col, baton);
        for (i = 0; i < COLS; i++) {
            free(text[i]);
        }
        if (!more) {
            break;
        }
    }
    return fuzz_byte(&rows) % 8 == 7 ? APIKEY_DB_FAILED : APIKEY_DB_OK;
}

static size_t read_all(const char *text)
{
    return text ? strlen(text) : 0;
}

static bool look_at_listed(const apikey_listed_t *key, void *baton)
{
    size_t *total = baton;

    *total += read_all(key->owner_type) + read_all(key->owner) + read_all(key->description) +
              read_all(key->scopes) + read_all(key->last_four) + read_all(key->created_by) +
              read_all(key->revoked_by) + read_all(key->status) + read_all(key->used_ip);
    return true;
}

/* As the cache gives it back, under whatever terms. */
static void remember(const apikey_record_t *record)
{
    static uint64_t memory[4 * 1024 * 1024 / 8];
    static apikey_facts_t facts;
    static const apikey_fact_terms_t terms = {1000, 1000, 0};
    static uint64_t next;
    apikey_mac_t mac;
    apikey_fact_t fact;

    next++;
    mac.word[0] = next * UINT64_C(0x9e3779b97f4a7c15);
    mac.word[1] = ~next;
    if (!facts.header) {
        must(apikey_facts_map(&facts, memory, sizeof(memory)));
    }
    apikey_facts_put(&facts, mac, record, apikey_facts_sequence(&facts), 1, &terms);
    if (apikey_facts_get(&facts, mac, &terms, 2, &fact) == APIKEY_FACT_FRESH) {
        must(fact.record.id == record->id && fact.record.owner_type == record->owner_type);
        must(fact.record.revoked == record->revoked);
        must(fact.record.expires_ms == record->expires_ms);
        must(strcmp(fact.record.owner, record->owner) == 0);
        must(strcmp(fact.record.scopes, record->scopes) == 0);
    }
    else {
        must(false); /* it was just put, and nobody else puts */
    }
}

static void claim_usable(const apikey_record_t *record)
{
    const size_t owner_len = strlen(record->owner);

    must(record->id > 0 && record->id <= INT64_MAX);
    must(record->owner_type == APIKEY_OWNER_USER || record->owner_type == APIKEY_OWNER_TEAM);
    must(owner_len > 0 && owner_len <= APIKEY_OWNER_MAX);
    must(!strpbrk(record->owner, "\r\n\t\x7f"));
    must(record->owner_type == APIKEY_OWNER_TEAM || strncmp(record->owner, "team:", 5) != 0);
    must(apikey_scope_list_ok(record->scopes, strlen(record->scopes)));
    remember(record);
}

static void find(apikey_db_t *db, apr_pool_t *pool)
{
    static const apikey_place_t everybody = {true, true};
    static const apikey_place_t nobody = {false, false};
    apikey_digests_t digests = {.count = 1 + fuzz_byte(&rows) % APIKEY_DIGESTS_MAX};
    const apikey_record_t *record = NULL;
    int i;

    for (i = 0; i < digests.count; i++) {
        memset(digests.digest[i], 'a' + i, APIKEY_DIGEST_LEN);
    }
    asked = &digests;
    if (apikey_store_find(db, &digests, pool, &record) != APIKEY_DB_OK) {
        must(!record);
        return;
    }
    if (record && !record->unusable) {
        claim_usable(record);
    }
    must(apikey_judge(record, &nobody, 0) != APIKEY_VALID);
    must(apikey_judge(record, &everybody, 0) != APIKEY_VALID ||
         (record && !record->unusable && !record->revoked && record->expires_ms >= 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *pool;
    const apikey_filter_t filter = {.status = "", .owner = "", .limit = 10};
    const char *value = NULL;
    apikey_db_t *db = NULL; /* nobody here looks at it */
    size_t total = 0;
    bool found;

    if (!pool) {
        apr_initialize();
        apr_pool_create(&pool, NULL);
    }
    rows = fuzz_of(data, size);
    switch (fuzz_byte(&rows) % 4) {
    case 0:
    case 1:
        find(db, pool);
        break;
    case 2:
        apikey_store_list(db, &filter, look_at_listed, &total);
        apikey_store_show(db, 1, look_at_listed, &total, &found);
        break;
    default:
        apikey_store_get_setting(db, "feed", pool, &value);
        total += read_all(value);
    }
    apr_pool_clear(pool);
    return 0;
}
