/* SPDX-License-Identifier: Apache-2.0 */
/* Rows get their ids when they are inserted, but appear when their transaction commits: a row
 * may come to light behind others, however long after. So every stretch of ids that was read is
 * looked at again until it cannot change any more: until no row in it is uncommitted, and a
 * while has passed in which a row whose id was taken would have been inserted. Whenever more
 * rows of it are committed than before, their keys are forgotten again: a request may have read
 * the old state meanwhile. */
#include "feed.h"

#include "board.h"
#include "breaker.h"
#include "cache.h"
#include "config.h"
#include "dbd.h"

#include "../core/store.h"

#include <http_log.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

enum {
    AT_ONCE = 10000,        /* rows; where there are more, everything is forgotten instead */
    SETTLED_MS = 10 * 1000, /* far above the time from taking an id to inserting its row */
    PRUNE_ROWS = 1000,
    PRUNE_MS = 10 * 1000,
    DAY_S = 24 * 3600,
    HOUR_S = 3600
};

typedef struct {
    server_rec *server;
    apr_pool_t *pool;
    int64_t now_ms;
    apikey_feed_state_t state; /* what the shared one will be */
    int rows;
    const char *installed; /* a setting, read at the first reading */
} reading_t;

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

/* Forgets everything and begins at the end of the feed: at the start, and where what is there is
 * not what was there. */
static void begin_at(reading_t *reading, uint64_t highest)
{
    memset(&reading->state, 0, sizeof(reading->state));
    reading->state.position = highest;
    /* Not even the rows before the end are all committed. */
    reading->state.span[0].low = highest > AT_ONCE ? highest - AT_ONCE : 1;
    reading->state.span[0].high = highest;
    reading->state.span[0].since_ms = reading->now_ms;
    reading->state.span[0].committed = -1;
    apikey_cache_flush();
}

/* A place for one more stretch; the two oldest become one where there is none. */
static apikey_span_t *free_span(apikey_feed_state_t *state)
{
    apikey_span_t *span = state->span;
    int i;

    for (i = 0; i < APIKEY_FEED_SPANS; i++) {
        if (span[i].high == 0) {
            return &span[i];
        }
    }
    span[0].high = span[1].high; /* they stand in the order of their ids */
    span[0].since_ms = span[1].since_ms;
    span[0].committed = -1;
    memmove(&span[1], &span[2], (APIKEY_FEED_SPANS - 2) * sizeof(*span));
    return &span[APIKEY_FEED_SPANS - 1];
}

static apikey_db_status_t read_new(apikey_db_t *db, reading_t *reading, uint64_t highest)
{
    apikey_feed_state_t *state = &reading->state;
    const uint64_t low = state->position + 1;
    apikey_db_status_t rv;
    apikey_span_t *span;

    if (highest < low) {
        return APIKEY_DB_OK;
    }
    rv = drop_span(db, reading, low, highest);
    if (rv == APIKEY_DB_OK) {
        span = free_span(state);
        span->low = low;
        span->high = highest;
        span->since_ms = reading->now_ms;
        span->committed = -1;
        state->position = highest;
    }
    return rv;
}

static apikey_db_status_t look_again(apikey_db_t *db, reading_t *reading, apikey_span_t *span)
{
    int64_t committed, all;
    apikey_db_status_t rv =
        apikey_store_feed_count(db, span->low, span->high, false, &committed);

    /* In this order: a row committed in between makes the second number the larger one, and
     * the stretch is looked at once more. */
    if (rv == APIKEY_DB_OK) {
        rv = apikey_store_feed_count(db, span->low, span->high, true, &all);
    }
    if (rv == APIKEY_DB_OK && committed != span->committed) {
        rv = drop_span(db, reading, span->low, span->high);
        span->committed = committed;
    }
    if (rv == APIKEY_DB_OK && all == committed &&
        reading->now_ms - span->since_ms > SETTLED_MS) {
        memset(span, 0, sizeof(*span));
    }
    return rv;
}

/* Keeps the stretches in the order of their ids, without gaps between them. */
static void close_ranks(apikey_feed_state_t *state)
{
    int i;
    int n = 0;

    for (i = 0; i < APIKEY_FEED_SPANS; i++) {
        if (state->span[i].high) {
            const apikey_span_t span = state->span[i];
            memset(&state->span[i], 0, sizeof(span));
            state->span[n++] = span;
        }
    }
}

static int64_t retention_s(const server_rec *s)
{
    const apikey_server_conf_t *conf = apikey_server_conf(s);
    const int64_t needed = (conf->ttl + conf->stale) / 1000 + HOUR_S;
    return needed > DAY_S ? needed : DAY_S;
}

/* One reading. May be run again from the start on another connection. */
static apikey_db_status_t read_feed(apikey_db_t *db, void *baton)
{
    reading_t *reading = baton;
    apikey_realm_t *realm = apikey_board_realm(reading->server);
    uint64_t lowest, highest;
    apikey_db_status_t rv = apikey_store_feed_bounds(db, &lowest, &highest);
    int i;

    reading->state = realm->feed[atomic_load(&realm->feed_state) & 1];
    if (rv == APIKEY_DB_OK && reading->state.read_ms == 0) {
        rv = apikey_store_get_setting(db, "feed", reading->pool, &reading->installed);
    }
    if (rv != APIKEY_DB_OK) {
        return rv;
    }
    if (reading->state.read_ms == 0 || highest < reading->state.position ||
        lowest > reading->state.position + 1 ||
        reading->now_ms - reading->state.read_ms > retention_s(reading->server) * 1000) {
        begin_at(reading, highest);
    }
    for (i = 0; i < APIKEY_FEED_SPANS && rv == APIKEY_DB_OK; i++) {
        if (reading->state.span[i].high) {
            rv = look_again(db, reading, &reading->state.span[i]);
        }
    }
    close_ranks(&reading->state);
    if (rv == APIKEY_DB_OK) {
        rv = read_new(db, reading, highest);
    }
    reading->state.read_ms = reading->now_ms;
    return rv;
}

static apikey_db_status_t prune(apikey_db_t *db, void *baton)
{
    const reading_t *reading = baton;
    return apikey_store_feed_prune(db, retention_s(reading->server), reading->state.position,
                                   PRUNE_ROWS);
}

static void prune_sometimes(reading_t *reading, apikey_realm_t *realm)
{
    const char *why;

    if (apikey_board_due(&realm->prune_due_ms, reading->now_ms, PRUNE_MS) &&
        apikey_dbd_run(reading->server, reading->pool, prune, reading, &why) ==
            APIKEY_DB_FAILED &&
        !atomic_exchange(&realm->prune_trouble, 1)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, reading->server,
                     "AK0053: old rows of api_key_changes cannot be deleted; it will grow: %s",
                     why);
    }
}

static void publish(apikey_realm_t *realm, const reading_t *reading)
{
    const unsigned int next = atomic_load(&realm->feed_state) + 1;

    realm->feed[next & 1] = reading->state;
    atomic_store(&realm->feed_state, next);
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

void apikey_feed_read(server_rec *s, apr_pool_t *pool)
{
    apikey_realm_t *realm = apikey_board_realm(s);
    reading_t *reading = apr_pcalloc(pool, sizeof(*reading));
    const char *why;
    apikey_db_status_t rv;

    if (!apikey_board_take(&realm->feed_lease)) {
        return;
    }
    reading->server = s;
    reading->pool = pool;
    reading->now_ms = apr_time_as_msec(apr_time_now());
    rv = apikey_dbd_run(s, pool, read_feed, reading, &why);
    if (rv == APIKEY_DB_OK && apikey_board_holds(&realm->feed_lease)) {
        publish(realm, reading);
        if (reading->installed && strcmp(reading->installed, "triggers") != 0) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         "AK0052: the triggers of the change feed are not installed; a key that "
                         "is revoked is refused when ApiKeyCacheTTL has passed (load "
                         "schema.sql as an account that may create triggers)");
        }
        if (atomic_exchange(&realm->feed_trouble, 0)) {
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "AK0051: the change feed is read again");
        }
        apikey_breaker_succeeded(s, apr_time_as_msec(apr_time_now()));
        prune_sometimes(reading, realm);
    }
    else if (rv == APIKEY_DB_UNREACHABLE) {
        apikey_breaker_failed(s, apr_time_as_msec(apr_time_now()), why);
    }
    else if (rv == APIKEY_DB_FAILED) {
        log_trouble(s, realm, why);
    }
    apikey_board_give_back(&realm->feed_lease);
}

bool apikey_feed_due(const server_rec *s, int64_t now_ms)
{
    const apikey_server_conf_t *conf = apikey_server_conf(s);

    return conf->refresh && apikey_board_facts() &&
           apikey_board_due(&apikey_board_realm(s)->feed_due_ms, now_ms, conf->refresh);
}
