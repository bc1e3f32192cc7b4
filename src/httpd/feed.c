/* SPDX-License-Identifier: Apache-2.0 */
/* Rows get their ids when they are inserted, but appear when their transaction commits: a row
 * may come to light behind others, however long after. So every stretch of ids that was read is
 * looked at again until it cannot change any more: until no row in it is uncommitted, and a
 * while has passed in which a row whose id was taken would have been inserted. Whenever other
 * rows of it are committed than before, their keys are forgotten again: a request may have read
 * the old state meanwhile. */
#include "feed.h"

#include "board.h"
#include "breaker.h"
#include "cache.h"
#include "config.h"
#include "dbd.h"
#include "workers.h"

#include "../core/store.h"

#include <http_log.h>
#include <http_main.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

enum {
    AT_ONCE = 10000,        /* rows; where there are more, everything is forgotten instead */
    SETTLED_MS = 10 * 1000, /* far above the time from taking an id to inserting its row */
    TAKEN_IDS = 1000,       /* far above the number of ids taken by rows not yet inserted */
    STRETCH_MS = 1000,      /* what is read within this time is one stretch */
    PRUNE_ROWS = 1000,
    PRUNE_MS = 10 * 1000,
    DAY_S = 24 * 3600,
    HOUR_S = 3600
};

/* Rows that were not counted: no rows have this number. */
static const uint64_t unknown = 1;

typedef struct {
    server_rec *server;
    apr_pool_t *pool;
    int64_t now_ms;
    apikey_feed_state_t state; /* what the shared one will be */
    uint64_t highest;
    bool still_there;      /* the row that was known */
    const char *installed; /* a setting, read at the first reading */
    apikey_span_t *span;   /* what a step is about: this one, */
    int spans;             /* or so many side by side, */
    bool unchanged;        /* which are found to be as they were */
    uint64_t above, last;
    int rows;
} reading_t;

/* A step of a reading, on any connection; a feed may hold millions of rows, and no step is to
 * take long. One that fails may have been done in part: it is done again, now or next time. */
static apikey_db_status_t step(reading_t *reading, apikey_dbd_work_fn work, const char **why)
{
    apikey_workers_alive();
    apikey_board_renew(&apikey_board_realm(reading->server)->feed_lease);
    return apikey_dbd_run(reading->server, reading->pool, work, reading, why);
}

static bool drop_change(uint64_t id, uint64_t key_id, void *baton)
{
    (void)id;
    ((reading_t *)baton)->rows++;
    apikey_cache_drop(key_id);
    return true;
}

/* Forgets the keys of all changes in a stretch. */
static apikey_db_status_t drop_span(apikey_db_t *db, reading_t *reading, uint64_t low,
                                    uint64_t high)
{
    apikey_db_status_t rv;

    reading->rows = 0;
    rv = apikey_store_feed_read(db, low - 1, high, AT_ONCE, drop_change, reading);
    if (rv == APIKEY_DB_OK && reading->rows == AT_ONCE) {
        apikey_cache_flush();
    }
    return rv;
}

/* Where all places are taken, the two oldest stretches become one. */
static void unite_oldest(apikey_span_t *span)
{
    span[0].low = span[0].low < span[1].low ? span[0].low : span[1].low;
    span[0].high = span[0].high > span[1].high ? span[0].high : span[1].high;
    span[0].read_ms = span[1].read_ms;
    span[0].committed = unknown;
    memmove(&span[1], &span[2], (APIKEY_FEED_SPANS - 2) * sizeof(*span));
}

static void add_span(reading_t *reading, uint64_t low, uint64_t high, uint64_t committed)
{
    const apikey_span_t span = {low, high, reading->now_ms, reading->now_ms, committed};
    apikey_span_t *all = reading->state.span;
    int n = 0;

    while (n < APIKEY_FEED_SPANS && all[n].high) {
        n++;
    }
    if (n > 0 && all[n - 1].high + 1 == low &&
        reading->now_ms - all[n - 1].began_ms < STRETCH_MS) {
        all[n - 1].high = high;
        all[n - 1].read_ms = reading->now_ms;
        all[n - 1].committed = unknown;
        return;
    }
    if (n == APIKEY_FEED_SPANS) {
        unite_oldest(all);
        n--;
    }
    all[n] = span;
}

/* Looks for a row that is not committed in a page of the feed as it is found. */
static apikey_db_status_t look_at_page(apikey_db_t *db, void *baton)
{
    reading_t *reading = baton;
    uint64_t committed, all;
    apikey_db_status_t rv = apikey_store_feed_page(db, reading->above, reading->highest,
                                                   AT_ONCE, &reading->last, &committed);

    if (rv == APIKEY_DB_OK) {
        rv = apikey_store_feed_rows(db, reading->above + 1, reading->last, true, &all);
    }
    if (rv == APIKEY_DB_OK && all != committed) {
        add_span(reading, reading->above + 1, reading->last, committed);
    }
    return rv;
}

/* Forgets everything and begins at the end of the feed: at the start, and where what is there
 * is not what was there. Rows that may yet appear, or be committed, are in one of the
 * stretches. */
static apikey_db_status_t begin(reading_t *reading, const char **why)
{
    const uint64_t highest = reading->highest;
    apikey_db_status_t rv = APIKEY_DB_OK;

    apikey_cache_flush();
    memset(&reading->state, 0, sizeof(reading->state));
    for (reading->above = 0; reading->above < highest && rv == APIKEY_DB_OK;
         reading->above = reading->last) {
        rv = step(reading, look_at_page, why);
    }
    if (highest) {
        add_span(reading, highest > TAKEN_IDS ? highest - TAKEN_IDS : 1, highest, unknown);
    }
    apikey_cache_flush(); /* what was put before it was committed and counted */
    if (rv == APIKEY_DB_OK) {
        apikey_cache_tended(reading->server, reading->now_ms);
    }
    return rv;
}

static apikey_db_status_t read_new(apikey_db_t *db, void *baton)
{
    reading_t *reading = baton;
    return drop_span(db, reading, reading->state.position + 1, reading->highest);
}

/* In this order: a row committed in between makes a difference, and the stretch is looked at
 * once more. */
static apikey_db_status_t count_rows(apikey_db_t *db, uint64_t low, uint64_t high,
                                     uint64_t *committed, uint64_t *all)
{
    const apikey_db_status_t rv = apikey_store_feed_rows(db, low, high, false, committed);
    return rv == APIKEY_DB_OK ? apikey_store_feed_rows(db, low, high, true, all) : rv;
}

/* Nothing in it is uncommitted: whether anything may still be inserted. */
static void settle(const reading_t *reading, apikey_span_t *span)
{
    if (span->read_ms > reading->now_ms) { /* the clock was set back */
        span->read_ms = reading->now_ms;
    }
    if (reading->now_ms - span->read_ms > SETTLED_MS) {
        memset(span, 0, sizeof(*span));
    }
}

static apikey_db_status_t look_again(apikey_db_t *db, void *baton)
{
    reading_t *reading = baton;
    apikey_span_t *span = reading->span;
    uint64_t committed, all;
    apikey_db_status_t rv = count_rows(db, span->low, span->high, &committed, &all);

    if (rv == APIKEY_DB_OK && committed != span->committed) {
        rv = drop_span(db, reading, span->low, span->high);
    }
    if (rv != APIKEY_DB_OK) {
        return rv;
    }
    span->committed = committed;
    if (all == committed) {
        settle(reading, span);
    }
    return rv;
}

/* Most of them never change again. All at once, that is two statements instead of two for each:
 * a database may be far away. */
static apikey_db_status_t look_over(apikey_db_t *db, void *baton)
{
    reading_t *reading = baton;
    const apikey_span_t *first = reading->span;
    const apikey_span_t *last = first + reading->spans - 1;
    const apikey_span_t *span;
    uint64_t committed, all;
    uint64_t known = 0;
    const apikey_db_status_t rv = count_rows(db, first->low, last->high, &committed, &all);

    for (span = first; span <= last; span++) {
        known = apikey_store_feed_rows_sum(known, span->committed);
    }
    reading->unchanged = rv == APIKEY_DB_OK && committed == known && all == committed;
    return rv;
}

/* How many are side by side from here on, with rows that were counted. */
static int run_of(const apikey_span_t *span, int most)
{
    int n = 1;

    while (n < most && span[n - 1].committed != unknown && span[n].high &&
           span[n].committed != unknown && span[n].low == span[n - 1].high + 1) {
        n++;
    }
    return n;
}

static apikey_db_status_t look_at_run(reading_t *reading, const char **why)
{
    apikey_span_t *first = reading->span;
    const int spans = reading->spans;
    apikey_db_status_t rv = APIKEY_DB_OK;
    int i;

    reading->unchanged = false;
    if (spans > 1) {
        rv = step(reading, look_over, why);
    }
    for (i = 0; i < spans && rv == APIKEY_DB_OK; i++) {
        reading->span = &first[i];
        if (reading->unchanged) {
            settle(reading, reading->span);
        }
        else {
            rv = step(reading, look_again, why);
        }
    }
    return rv;
}

static void close_ranks(apikey_span_t *span)
{
    int n = 0;
    int i;

    for (i = 0; i < APIKEY_FEED_SPANS; i++) {
        if (span[i].high) {
            const apikey_span_t kept = span[i];
            memset(&span[i], 0, sizeof(kept));
            span[n++] = kept;
        }
    }
}

/* What is new comes first: it is what somebody may be waiting for. */
static apikey_db_status_t go_on(reading_t *reading, const char **why)
{
    apikey_feed_state_t *state = &reading->state;
    const bool any_new = reading->highest > state->position;
    apikey_db_status_t rv = any_new ? step(reading, read_new, why) : APIKEY_DB_OK;
    int i;

    if (rv == APIKEY_DB_OK) {
        apikey_cache_tended(reading->server, reading->now_ms);
    }
    for (i = 0; i < APIKEY_FEED_SPANS && state->span[i].high && rv == APIKEY_DB_OK;
         i += reading->spans) {
        reading->span = &state->span[i];
        reading->spans = run_of(reading->span, APIKEY_FEED_SPANS - i);
        rv = look_at_run(reading, why);
    }
    close_ranks(state->span);
    if (any_new) {
        add_span(reading, state->position + 1, reading->highest, unknown);
    }
    return rv;
}

/* Facts may be as old as the longest terms of a server allow. */
static int64_t retention_s(void)
{
    int64_t longest = DAY_S;
    const server_rec *s;

    for (s = ap_server_conf; s; s = s->next) {
        const apikey_server_conf_t *conf = apikey_server_conf(s);
        const int64_t needed = (conf->terms.ttl + conf->terms.stale) / 1000 + HOUR_S;
        longest = needed > longest ? needed : longest;
    }
    return longest;
}

static apikey_db_status_t look_at_top(apikey_db_t *db, void *baton)
{
    reading_t *reading = baton;
    const apikey_change_t known = {reading->state.known_id, reading->state.known_mark};
    const apikey_db_status_t rv =
        apikey_store_feed_top(db, known, &reading->highest, &reading->still_there);

    return rv == APIKEY_DB_OK && reading->state.read_ms == 0
               ? apikey_store_get_setting(db, "feed", reading->pool, &reading->installed)
               : rv;
}

/* Restored from a dump, emptied, another server's, or not read for longer than rows are kept.
 */
static bool is_another_feed(const reading_t *reading)
{
    const apikey_feed_state_t *state = &reading->state;

    return state->read_ms == 0 || !reading->still_there ||
           (state->position == 0 &&
            reading->highest > 0) || /* there was nothing to know it by */
           reading->now_ms - state->read_ms > retention_s() * 1000;
}

/* A row by which to tell next time whether this is still the same feed. */
static apikey_db_status_t note_last(apikey_db_t *db, void *baton)
{
    reading_t *reading = baton;
    apikey_change_t last;
    const apikey_db_status_t rv = apikey_store_feed_last(db, reading->state.position, &last);

    reading->state.known_id = last.id;
    reading->state.known_mark = last.mark;
    return rv;
}

static apikey_db_status_t read_feed(reading_t *reading, const char **why)
{
    apikey_feed_state_t *state = &reading->state;
    apikey_db_status_t rv = step(reading, look_at_top, why);

    if (rv == APIKEY_DB_OK) {
        rv = is_another_feed(reading) ? begin(reading, why) : go_on(reading, why);
    }
    /* Lower than it was where a transaction was rolled back, whose ids may be given again. */
    state->position = reading->highest;
    state->read_ms = reading->now_ms;
    return rv == APIKEY_DB_OK && state->span[0].high ? step(reading, note_last, why) : rv;
}

/* Below all stretches, where nothing is uncommitted. */
static uint64_t may_be_pruned(const apikey_feed_state_t *state)
{
    uint64_t below = state->known_id;
    int i;

    for (i = 0; i < APIKEY_FEED_SPANS && state->span[i].high; i++) {
        below = state->span[i].low < below ? state->span[i].low : below;
    }
    return below;
}

static void publish(apikey_realm_t *realm, const reading_t *reading)
{
    const unsigned int next = atomic_load(&realm->feed_state) + 1;

    realm->feed[next & 1] = reading->state;
    atomic_store(&realm->feed_state, next);
    atomic_store(&realm->feed_read_ms, reading->now_ms);
    atomic_store(&realm->prune_below, may_be_pruned(&reading->state));
}

static void log_success(server_rec *s, apikey_realm_t *realm, const char *installed, bool first)
{
    if (first && (!installed || strcmp(installed, "triggers") != 0)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "AK0052: the triggers of the change feed are not installed; a key that is "
                     "revoked is refused when ApiKeyCacheTTL has passed (load schema.sql as an "
                     "account that may create triggers)");
    }
    if (atomic_exchange(&realm->feed_trouble, 0)) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "AK0051: the change feed is read again");
    }
}

static void log_trouble(server_rec *s, apikey_realm_t *realm, const char *why)
{
    if (!atomic_exchange(&realm->feed_trouble, 1)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "AK0050: the change feed cannot be read; a key that is revoked is refused "
                     "when ApiKeyCacheTTL has passed: %s",
                     why);
    }
}

bool apikey_feed_read(server_rec *s, apr_pool_t *pool)
{
    apikey_realm_t *realm = apikey_board_realm(s);
    reading_t *reading = apr_pcalloc(pool, sizeof(*reading));
    const char *why;
    apikey_db_status_t rv;
    bool first;

    if (!apikey_board_take(&realm->feed_lease)) {
        return true;
    }
    reading->server = s;
    reading->pool = pool;
    reading->now_ms = apikey_now_ms();
    reading->state = realm->feed[atomic_load(&realm->feed_state) & 1];
    first = reading->state.read_ms == 0;
    rv = read_feed(reading, &why);
    if (rv == APIKEY_DB_OK && apikey_board_holds(&realm->feed_lease)) {
        publish(realm, reading);
        log_success(s, realm, reading->installed, first);
        apikey_breaker_succeeded(s, reading->now_ms, apikey_now_ms());
    }
    else if (rv == APIKEY_DB_FAILED) {
        apikey_cache_tended(s, reading->now_ms);
        log_trouble(s, realm, why);
    }
    apikey_board_give_back(&realm->feed_lease);
    return rv != APIKEY_DB_UNREACHABLE;
}

bool apikey_feed_due(const server_rec *s, int64_t now_ms)
{
    const apikey_server_conf_t *conf = apikey_server_conf(s);

    return conf->refresh && apikey_board_facts() &&
           apikey_board_due(&apikey_board_realm(s)->feed_due_ms, now_ms, conf->refresh);
}

typedef struct {
    uint64_t below;
    bool more;
} pruning_t;

static apikey_db_status_t prune(apikey_db_t *db, void *baton)
{
    pruning_t *pruning = baton;
    return apikey_store_feed_prune(db, pruning->below, retention_s(), PRUNE_ROWS,
                                   &pruning->more);
}

void apikey_feed_prune(server_rec *s, apr_pool_t *pool)
{
    apikey_realm_t *realm = apikey_board_realm(s);
    pruning_t pruning = {atomic_load(&realm->prune_below), false};
    const char *why;
    const apikey_db_status_t rv = apikey_dbd_run(s, pool, prune, &pruning, &why);

    if (rv == APIKEY_DB_FAILED && !atomic_exchange(&realm->prune_trouble, 1)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "AK0053: old rows of api_key_changes cannot be deleted; it will grow: %s",
                     why);
    }
    else if (rv == APIKEY_DB_OK) {
        atomic_store(&realm->prune_trouble, 0);
        if (pruning.more) {
            atomic_store(&realm->prune_due_ms, 0); /* the next tick goes on */
        }
    }
}

bool apikey_feed_prune_due(const server_rec *s, int64_t now_ms)
{
    apikey_realm_t *realm = apikey_board_realm(s);

    return apikey_server_conf(s)->refresh && atomic_load(&realm->feed_read_ms) &&
           !atomic_load(&realm->feed_trouble) &&
           apikey_board_due(&realm->prune_due_ms, now_ms, PRUNE_MS);
}
