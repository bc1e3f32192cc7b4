/* SPDX-License-Identifier: Apache-2.0 */
#include "breaker.h"

#include "board.h"
#include "workers.h"

#include <http_log.h>

APLOG_USE_MODULE(authn_apikey);

enum {
    PROBE_MS = 250,        /* at first, */
    PROBE_MAX_MS = 1000,   /* and later; the database is noticed to be back within this */
    SETTLED_MS = 60 * 1000 /* no asking takes as long: what looks like it is a clock set back */
};

static int64_t probe_interval(int64_t open_ms)
{
    const int64_t interval = open_ms / 16;
    return interval < PROBE_MS ? PROBE_MS : interval < PROBE_MAX_MS ? interval : PROBE_MAX_MS;
}

bool apikey_breaker_is_open(const server_rec *s)
{
    return atomic_load_explicit(&apikey_board_realm(s)->open_since_ms, memory_order_relaxed) !=
           0;
}

bool apikey_breaker_allows(const server_rec *s, int64_t now_ms)
{
    apikey_realm_t *realm = apikey_board_realm(s);
    const int64_t since = atomic_load_explicit(&realm->open_since_ms, memory_order_relaxed);

    return since == 0 ||
           apikey_board_due(&realm->next_probe_ms, now_ms, probe_interval(now_ms - since));
}

/* While the breaker is closed, the time of the next probe is that of the last answer. */
static bool answered_since(const apikey_realm_t *realm, int64_t asked_ms)
{
    const int64_t answered = atomic_load(&realm->next_probe_ms);
    return answered > asked_ms && answered - asked_ms < SETTLED_MS;
}

void apikey_breaker_failed(const server_rec *s, int64_t asked_ms, const char *why)
{
    const int64_t now_ms = apikey_now_ms();
    apikey_realm_t *realm = apikey_board_realm(s);
    int64_t closed = 0;

    if (apikey_breaker_is_open(s) || answered_since(realm, asked_ms)) {
        return;
    }
    if (atomic_compare_exchange_strong(&realm->open_since_ms, &closed, now_ms)) {
        atomic_store(&realm->next_probe_ms, now_ms + PROBE_MS);
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "AK0020: the database cannot be asked about API keys: %s", why);
    }
}

void apikey_breaker_succeeded(const server_rec *s, int64_t asked_ms, int64_t now_ms)
{
    apikey_realm_t *realm = apikey_board_realm(s);
    int64_t since = atomic_load_explicit(&realm->open_since_ms, memory_order_relaxed);

    /* Where this answer is of an earlier time, it is worth asking at once. */
    atomic_store(&realm->next_probe_ms, now_ms);
    if (since && (asked_ms >= since || since > now_ms) &&
        atomic_compare_exchange_strong(&realm->open_since_ms, &since, 0)) {
        ap_log_error(
            APLOG_MARK, APLOG_NOTICE, 0, s,
            "AK0021: the database answers about API keys again, after %" APR_INT64_T_FMT " ms",
            now_ms - since);
    }
}
