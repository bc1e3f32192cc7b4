/* SPDX-License-Identifier: Apache-2.0 */
/* The figures in Prometheus' text format, version 0.0.4. */
#include "prometheus.h"

#include "config.h"
#include "metrics.h"
#include "mount.h"

#include <http_protocol.h>
#include <http_request.h>
#include <string.h>

static void family(request_rec *r, const char *name, const char *type, const char *help)
{
    ap_rprintf(r, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A family of one number. */
static void single(request_rec *r, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    family(r, name, type, help);
    ap_rprintf(r, "%s %" APR_UINT64_T_FMT "\n", name, value);
}

static void labelled(request_rec *r, const char *name, const char *label, const char *value,
                     uint64_t number)
{
    ap_rprintf(r, "%s{%s=\"%s\"} %" APR_UINT64_T_FMT "\n", name, label, value, number);
}

static void write_requests(request_rec *r, const apikey_figures_t *figures)
{
    static const char name[] = "apikey_requests_total";
    int i;

    family(r, name, "counter", "Requests judged, by APIKEY_STATUS.");
    for (i = APIKEY_NO_VERDICT + 1; i < APIKEY_VERDICT_COUNT; i++) {
        labelled(r, name, "status", apikey_verdict_info((apikey_verdict_t)i)->name,
                 apikey_metrics_requests(figures, (apikey_verdict_t)i));
    }
}

static void write_cache(request_rec *r, const apikey_figures_t *figures)
{
    static const char name[] = "apikey_cache_lookups_total";

    family(r, name, "counter",
           "Credentials looked up in memory: key known (hit), known not to exist (negative), "
           "known but out of date while the database cannot be asked (stale), not known "
           "(miss).");
    labelled(r, name, "result", "hit", figures->hits);
    labelled(r, name, "result", "negative", figures->absent_hits);
    labelled(r, name, "result", "stale", figures->stale_hits);
    labelled(r, name, "result", "miss", figures->misses);
    if (!figures->has_cache) {
        return;
    }
    single(r, "apikey_cache_entries", "gauge", "Places of the cache that are taken.",
           figures->entries);
    single(r, "apikey_cache_capacity", "gauge", "Places of the cache.", figures->capacity);
    single(r, "apikey_cache_evictions_total", "counter",
           "Keys forgotten to make room for others.", figures->evictions);
    single(r, "apikey_cache_invalidations_total", "counter",
           "Changes in the database that made keys, or all of them, be forgotten.",
           figures->invalidations);
}

static void write_query_times(request_rec *r, const apikey_meter_totals_t *counted)
{
    static const char name[] = "apikey_query_duration_seconds";
    uint64_t below = 0;
    int i;

    family(r, name, "histogram",
           "Time of look-ups in the database, waiting for a connection included.");
    for (i = 0; i < APIKEY_METER_TIMES; i++) {
        below += counted->queries[i];
        ap_rprintf(r, "%s_bucket{le=\"%g\"} %" APR_UINT64_T_FMT "\n", name,
                   apikey_meter_times_us[i] / 1e6, below);
    }
    below += counted->queries[APIKEY_METER_TIMES];
    ap_rprintf(r, "%s_bucket{le=\"+Inf\"} %" APR_UINT64_T_FMT "\n", name, below);
    ap_rprintf(r, "%s_sum %.6f\n", name, (double)counted->query_us / 1e6);
    ap_rprintf(r, "%s_count %" APR_UINT64_T_FMT "\n", name, below);
    single(r, "apikey_query_errors_total", "counter",
           "Look-ups in the database that gave no answer.", counted->failed_queries);
}

static void write_waits(request_rec *r, const apikey_meter_totals_t *counted)
{
    static const char name[] = "apikey_lookup_waits_total";
    static const char *const outcomes[APIKEY_WAIT_COUNT] = {"answered", "failed", "timeout",
                                                            "refused"};
    int i;

    family(r, name, "counter",
           "Requests that needed the database: it answered, it failed, it took longer than "
           "ApiKeyTimeout, it was not asked (known to be down, or too many wait).");
    for (i = 0; i < APIKEY_WAIT_COUNT; i++) {
        labelled(r, name, "outcome", outcomes[i], counted->waits[i]);
    }
    single(r, "apikey_lookup_joined_total", "counter",
           "Of these, requests that waited for a look-up another one had begun.",
           counted->joined);
}

static void write_realms(request_rec *r, const apikey_figures_t *figures)
{
    int i;

    family(r, "apikey_database_up", "gauge",
           "Whether the database answers (1) or is not asked for the time being (0).");
    for (i = 0; i < figures->realms; i++) {
        ap_rprintf(r, "apikey_database_up{realm=\"%d\"} %d\n", figures->realm[i].place,
                   !figures->realm[i].open);
    }
    family(r, "apikey_feed_lag_seconds", "gauge",
           "Time since the change feed was last read to its end.");
    for (i = 0; i < figures->realms; i++) {
        if (figures->realm[i].has_feed) {
            ap_rprintf(r, "apikey_feed_lag_seconds{realm=\"%d\"} %.3f\n",
                       figures->realm[i].place, (double)figures->realm[i].feed_lag_ms / 1e3);
        }
    }
    family(r, "apikey_usage_backlog", "gauge", "Uses of keys not yet written to the database.");
    for (i = 0; i < figures->realms; i++) {
        ap_rprintf(r, "apikey_usage_backlog{realm=\"%d\"} %" APR_UINT64_T_FMT "\n",
                   figures->realm[i].place, figures->realm[i].usage_backlog);
    }
}

static int answer(request_rec *r)
{
    apikey_figures_t figures;

    ap_set_content_type(r, "text/plain; version=0.0.4; charset=utf-8");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    if (r->header_only) {
        return OK;
    }
    apikey_metrics_gather(&figures);
    write_requests(r, &figures);
    write_cache(r, &figures);
    write_waits(r, &figures.counted);
    write_query_times(r, &figures.counted);
    write_realms(r, &figures);
    return OK;
}

static int handler(request_rec *r)
{
    const apikey_mount_t *mount;

    if (!apikey_conf_handler_is(r, "apikey-metrics")) {
        return DECLINED;
    }
    mount = apikey_dir_conf(r)->manage;
    if (!mount || mount->manage == APIKEY_MANAGE_NONE) {
        return HTTP_NOT_FOUND;
    }
    if (r->method_number != M_GET) {
        ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, -1);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    return answer(r);
}

void apikey_prometheus_register(apr_pool_t *p)
{
    static const char *const before_proxy[] = {"mod_proxy.c", NULL};

    (void)p;
    ap_hook_handler(handler, NULL, before_proxy, APR_HOOK_FIRST);
}
