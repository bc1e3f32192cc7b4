/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmark needs inside httpd: marks for callgrind between requests, an
 * authentication that does nothing (the floor for those that do something), and a slow
 * application. */
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include <valgrind/callgrind.h>

#define MARK "/.mark"

/* GET /.mark?begin starts counting instructions, GET /.mark?end stops it, GET /.mark?<name>
 * writes down what was counted since the last mark. Before anything else looks at the request,
 * so on every port alike. */
static int mark(request_rec *r, int lookup)
{
    if (lookup || strcmp(r->uri, MARK) != 0 || !r->args) {
        return DECLINED;
    }
    if (strcmp(r->args, "begin") == 0) {
        CALLGRIND_START_INSTRUMENTATION;
        CALLGRIND_ZERO_STATS;
    }
    else if (strcmp(r->args, "end") == 0) {
        CALLGRIND_STOP_INSTRUMENTATION;
    }
    else {
        CALLGRIND_DUMP_STATS_AT(r->args);
    }
    ap_set_content_length(r, 0);
    return OK;
}

/* AuthType Bench: everybody is "bench". */
static int check_authn(request_rec *r)
{
    const char *type = ap_auth_type(r);

    if (!type || strcmp(type, "Bench") != 0) {
        return DECLINED;
    }
    r->user = "bench";
    return OK;
}

/* SetHandler bench-slow: an application that says that it runs, and goes on when its client
 * has sent a byte of the request's body. */
static int slow(request_rec *r)
{
    char byte;

    if (!r->handler || strcmp(r->handler, "bench-slow") != 0) {
        return DECLINED;
    }
    if (ap_setup_client_block(r, REQUEST_CHUNKED_ERROR) != OK) {
        return HTTP_BAD_REQUEST;
    }
    ap_rputs("running\n", r);
    ap_rflush(r);
    if (!ap_should_client_block(r) || ap_get_client_block(r, &byte, 1) != 1) {
        return HTTP_BAD_REQUEST;
    }
    ap_rputs("done\n", r);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_quick_handler(mark, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_check_authn(check_authn, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_handler(slow, NULL, NULL, APR_HOOK_MIDDLE);
}

__attribute__((visibility("default"))) AP_DECLARE_MODULE(bench) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
#if defined(AP_MODULE_FLAG_NONE)
    AP_MODULE_FLAG_NONE,
#endif
};
