/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include "metrics.h"

#include <apr_optional.h>
#include <apr_optional_hooks.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_protocol.h>
#include <mod_status.h>
#include <string.h>

/* One figure: in the table under `title`, in ?auto as `name`. */
typedef struct {
    const char *title;
    const char *name;
    const char *value;
} line_t;

static void add(apr_array_header_t *lines, const char *title, const char *name,
                const char *value)
{
    const line_t line = {title, name, value};
    APR_ARRAY_PUSH(lines, line_t) = line;
}

static void add_number(apr_array_header_t *lines, const char *title, const char *name,
                       uint64_t number)
{
    add(lines, title, name, apr_psprintf(lines->pool, "%" APR_UINT64_T_FMT, number));
}

/* insufficient_scope becomes ApiKeyRequestsInsufficientScope. */
static const char *camel(apr_pool_t *p, const char *before, const char *name)
{
    char *text = apr_pstrcat(p, before, name, NULL);
    char *out = text + strlen(before);
    bool first = true;

    for (; *name; name++) {
        if (*name != '_') {
            *out++ = (char)(first ? *name - 'a' + 'A' : *name);
        }
        first = *name == '_';
    }
    *out = '\0';
    return text;
}

static void add_requests(apr_array_header_t *lines, const apikey_figures_t *figures)
{
    apr_pool_t *p = lines->pool;
    int i;

    for (i = APIKEY_NO_VERDICT + 1; i < APIKEY_VERDICT_COUNT; i++) {
        const char *name = apikey_verdict_info((apikey_verdict_t)i)->name;

        add_number(lines, apr_pstrcat(p, "Requests: ", name, NULL),
                   camel(p, "ApiKeyRequests", name),
                   apikey_metrics_requests(figures, (apikey_verdict_t)i));
    }
}

static void add_cache(apr_array_header_t *lines, const apikey_figures_t *figures)
{
    add_number(lines, "Cache hits", "ApiKeyCacheHits", figures->hits);
    add_number(lines, "Cache hits: no such key", "ApiKeyCacheNegativeHits",
               figures->absent_hits);
    add_number(lines, "Cache hits: stale", "ApiKeyCacheStaleHits", figures->stale_hits);
    add_number(lines, "Cache misses", "ApiKeyCacheMisses", figures->misses);
    if (figures->has_cache) {
        add_number(lines, "Cache entries", "ApiKeyCacheEntries", figures->entries);
        add_number(lines, "Cache capacity", "ApiKeyCacheCapacity", figures->capacity);
        add_number(lines, "Cache evictions", "ApiKeyCacheEvictions", figures->evictions);
    }
}

static void add_database(apr_array_header_t *lines, const apikey_meter_totals_t *counted)
{
    uint64_t queries = 0;
    int i;

    for (i = 0; i <= APIKEY_METER_TIMES; i++) {
        queries += counted->queries[i];
    }
    add_number(lines, "Database queries", "ApiKeyQueries", queries);
    add_number(lines, "Database queries: failed", "ApiKeyQueryErrors", counted->failed_queries);
    add(lines, "Database query time, mean (ms)", "ApiKeyQueryMeanMs",
        apr_psprintf(lines->pool, "%.3f",
                     queries ? (double)counted->query_us / 1e3 / (double)queries : 0.0));
    add_number(lines, "Waits: timed out", "ApiKeyWaitTimeouts",
               counted->waits[APIKEY_WAIT_TIMEOUT]);
    add_number(lines, "Waits: refused", "ApiKeyWaitRefused",
               counted->waits[APIKEY_WAIT_REFUSED]);
}

static void add_realm(apr_array_header_t *lines, const apikey_realm_figures_t *realm)
{
    apr_pool_t *p = lines->pool;

    add(lines, apr_psprintf(p, "Database %d", realm->place),
        apr_psprintf(p, "ApiKeyDatabase%dUp", realm->place), realm->open ? "0" : "1");
    if (realm->has_feed) {
        add(lines, apr_psprintf(p, "Database %d: feed lag (s)", realm->place),
            apr_psprintf(p, "ApiKeyDatabase%dFeedLag", realm->place),
            apr_psprintf(p, "%.3f", (double)realm->feed_lag_ms / 1e3));
    }
    add_number(lines, apr_psprintf(p, "Database %d: uses to write", realm->place),
               apr_psprintf(p, "ApiKeyDatabase%dUsageBacklog", realm->place),
               realm->usage_backlog);
}

static int status(request_rec *r, int flags)
{
    apr_array_header_t *lines = apr_array_make(r->pool, 32, sizeof(line_t));
    apikey_figures_t figures;
    int i;

    apikey_metrics_gather(&figures);
    add_requests(lines, &figures);
    add_cache(lines, &figures);
    add_database(lines, &figures.counted);
    for (i = 0; i < figures.realms; i++) {
        add_realm(lines, &figures.realm[i]);
    }
    ap_rputs(flags & AP_STATUS_SHORT ? "" : "<hr />\n<h2>API keys</h2>\n<table>\n", r);
    for (i = 0; i < lines->nelts; i++) {
        const line_t *line = &APR_ARRAY_IDX(lines, i, line_t);

        if (flags & AP_STATUS_SHORT) {
            ap_rprintf(r, "%s: %s\n", line->name, line->value);
        }
        else {
            ap_rprintf(r, "<tr><th align=\"left\">%s</th><td align=\"right\">%s</td></tr>\n",
                       line->title, line->value);
        }
    }
    ap_rputs(flags & AP_STATUS_SHORT ? "" : "</table>\n", r);
    return OK;
}

void apikey_status_register(apr_pool_t *p)
{
    (void)p;
    APR_OPTIONAL_HOOK(ap, status_hook, status, NULL, NULL, APR_HOOK_MIDDLE);
}
