/* SPDX-License-Identifier: Apache-2.0 */
#include "breaker.h"

#include "board.h"

#include <http_log.h>

APLOG_USE_MODULE(authn_apikey);

enum { PROBE_MS = 250 };

bool apikey_breaker_allows(const server_rec *s, int64_t now_ms)
{
    apikey_realm_t *realm = apikey_board_realm(s);

    return atomic_load_explicit(&realm->open_since_ms, memory_order_relaxed) == 0 ||
           apikey_board_due(&realm->next_probe_ms, now_ms, PROBE_MS);
}

void apikey_breaker_failed(const server_rec *s, int64_t now_ms, const char *why)
{
    apikey_realm_t *realm = apikey_board_realm(s);
    int64_t closed = 0;

    atomic_store(&realm->next_probe_ms, now_ms + PROBE_MS);
    if (atomic_compare_exchange_strong(&realm->open_since_ms, &closed, now_ms)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "AK0020: the database cannot be asked about API keys: %s", why);
    }
}

void apikey_breaker_succeeded(const server_rec *s, int64_t now_ms)
{
    apikey_realm_t *realm = apikey_board_realm(s);
    int64_t since = atomic_load_explicit(&realm->open_since_ms, memory_order_relaxed);

    if (since && atomic_compare_exchange_strong(&realm->open_since_ms, &since, 0)) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     "AK0021: the database answers about API keys again, after %" APR_INT64_T_FMT
                     " ms",
                     now_ms - since);
    }
}
