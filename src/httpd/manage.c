/* SPDX-License-Identifier: Apache-2.0 */
#include "manage.h"

#include "body.h"
#include "cache.h"
#include "config.h"
#include "manage_access.h"
#include "manage_answer.h"
#include "manage_json.h"
#include "manage_keys.h"
#include "manage_read.h"
#include "mount.h"
#include "operation.h"
#include "origin.h"
#include "page.h"
#include "query.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <openssl/crypto.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

static const char handler_name[] = "apikey-manage";

/* -- routes -------------------------------------------------------------------------------- */

/* What a URL is. */
typedef enum {
    NOTHING = 0, /* of ours; perhaps the page */
    KEYS,        /* of an owner */
    KEY,
    ROTATION,
    CHECK,
    ALL_KEYS,
    ME,
    TEAMS
} resource_t;

typedef struct {
    resource_t resource;
    int method;
    bool of_owner;   /* whom the query names */
    bool empty_body; /* is as good as {} */
    const char *name;
    const char *parameters; /* of the query, one space behind each */
    apikey_read_fn read;
    apikey_manage_fn work;
} route_t;

static const route_t routes[] = {
    {KEYS, M_GET, true, false, "list", "limit cursor ", apikey_read_list, apikey_manage_list},
    {KEYS, M_POST, false, false, "create", "", apikey_read_create, apikey_manage_create},
    {KEY, M_GET, false, false, "show", "", NULL, apikey_manage_show},
    {KEY, M_PATCH, false, false, "update", "", apikey_read_update, apikey_manage_update},
    {ROTATION, M_POST, false, true, "rotate", "", apikey_read_rotate, apikey_manage_rotate},
    {CHECK, M_POST, false, false, "check", "", apikey_read_check, apikey_manage_check},
    {ALL_KEYS, M_GET, false, false, "list", "user_id team_id status limit cursor ",
     apikey_read_list_all, apikey_manage_list},
    {ME, M_GET, false, false, "me", "", apikey_read_me, NULL},
    {TEAMS, M_GET, false, false, "teams", "", NULL, apikey_manage_teams},
};

/* What was asked for. */
typedef struct {
    resource_t resource;
    apikey_owner_t type;
    uint64_t id; /* 0: the URL names none, or one that cannot be */
} target_t;

/* Below `user-api-keys` or `team-api-keys`: nothing, `/`, `/check`, `/7`, `/7/rotate`. */
static void find_key(const char *path, target_t *target)
{
    size_t len;

    if (!*path || strcmp(path, "/") == 0) {
        target->resource = KEYS;
        return;
    }
    path++;
    len = strcspn(path, "/");
    if (strcmp(path, "check") == 0) {
        target->resource = CHECK;
    }
    else if (len > 0 && (!path[len] || strcmp(path + len, "/rotate") == 0)) {
        target->resource = path[len] ? ROTATION : KEY;
        if (!apikey_read_number(path, len, INT64_MAX, &target->id)) {
            target->id = 0;
        }
    }
}

static target_t find_target(const char *path)
{
    static const struct {
        const char *name;
        resource_t resource;
        apikey_owner_t type;
    } first[] = {
        {"/user-api-keys", KEYS, APIKEY_OWNER_USER},
        {"/team-api-keys", KEYS, APIKEY_OWNER_TEAM},
        {"/keys", ALL_KEYS, APIKEY_OWNER_NONE},
        {"/me", ME, APIKEY_OWNER_NONE},
        {"/teams", TEAMS, APIKEY_OWNER_TEAM},
    };
    target_t target = {NOTHING, APIKEY_OWNER_NONE, 0};
    size_t i;

    for (i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        const size_t len = strlen(first[i].name);

        if (strncmp(path, first[i].name, len) != 0 || (path[len] && path[len] != '/')) {
            continue;
        }
        target.type = first[i].type;
        if (first[i].resource == KEYS) {
            find_key(path + len, &target);
        }
        else {
            target.resource = path[len] ? NOTHING : first[i].resource;
        }
    }
    return target;
}

static const route_t *find_route(const request_rec *r, resource_t resource)
{
    size_t i;

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (routes[i].resource == resource && routes[i].method == r->method_number) {
            return &routes[i];
        }
    }
    return NULL;
}

static const char *allowed_methods(resource_t resource, apr_pool_t *p)
{
    const char *list = NULL;
    size_t i;

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (routes[i].resource == resource) {
            const char *name = routes[i].method == M_GET
                                   ? "GET, HEAD"
                                   : ap_method_name_of(p, routes[i].method);
            list = list ? apr_pstrcat(p, list, ", ", name, NULL) : name;
        }
    }
    return list;
}

/* -- the rules of requests ----------------------------------------------------------------- */

static bool switched_on(apikey_operation_t *op)
{
    return (op->type == APIKEY_OWNER_USER   ? op->user_keys
            : op->type == APIKEY_OWNER_TEAM ? op->team_keys
                                            : true) ||
           apikey_operation_refuse(op, APIKEY_ERROR_SWITCHED_OFF, NULL, NULL);
}

/* Whether `name` is one of the words in a list that has a space behind each. */
static bool is_listed(const char *list, const char *name)
{
    const size_t len = strlen(name);

    for (; *list; list += strcspn(list, " ") + 1) {
        if (strcspn(list, " ") == len && strncmp(list, name, len) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_query(request_rec *r, const route_t *route, apikey_operation_t *op)
{
    const char *why = apikey_query_read(op->pool, r->args, &op->query);
    const apr_array_header_t *names;
    int i;

    if (why) {
        return apikey_operation_refuse_field(op, "query", why);
    }
    names = apr_table_elts(op->query);
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, apr_table_entry_t).key;

        if (!is_listed(route->parameters, name) &&
            !(route->of_owner && strcmp(name, apikey_read_owner_field(op)) == 0)) {
            return apikey_operation_refuse_field(op, name, "is not known here");
        }
    }
    return true;
}

static apikey_error_t error_of_body(int status)
{
    return status == HTTP_REQUEST_ENTITY_TOO_LARGE ? APIKEY_ERROR_TOO_LARGE
           : status == HTTP_REQUEST_TIME_OUT       ? APIKEY_ERROR_TIMEOUT
                                                   : APIKEY_ERROR_SCHEMA;
}

/* Of a request that may change something: where it comes from, and its body. */
static bool read_body(request_rec *r, const route_t *route, apikey_operation_t *op)
{
    static char nothing[] = "{}";
    apikey_body_t body;
    int status;
    bool ok;

    if (!apikey_origin_is_here(r)) {
        return apikey_operation_refuse(op, APIKEY_ERROR_ORIGIN, NULL, NULL);
    }
    if (!apikey_origin_sends_json(r)) {
        return apikey_operation_refuse(op, APIKEY_ERROR_CONTENT_TYPE, NULL, NULL);
    }
    status = apikey_body_read(r, &body);
    if (status != OK) {
        return apikey_operation_refuse(op, error_of_body(status), NULL, NULL);
    }
    if (body.len == 0 && route->empty_body) {
        body.bytes = nothing;
        body.len = sizeof(nothing) - 1;
    }
    ok = apikey_json_read(op, &body);
    if (body.bytes != nothing) {
        OPENSSL_cleanse(body.bytes, body.len); /* it may be a key that is to be checked */
    }
    return ok;
}

/* All that can be said without the database. */
static bool admit(request_rec *r, const route_t *route, const target_t *target,
                  apikey_operation_t *op)
{
    op->name = route->name;
    op->type = target->type;
    op->id = target->id;
    op->idempotency_key =
        apr_pstrdup(op->pool, apr_table_get(r->headers_in, "Idempotency-Key"));
    if (!apikey_access_caller(op) || !switched_on(op)) {
        return false;
    }
    if ((target->resource == KEY || target->resource == ROTATION) && !op->id) {
        return apikey_operation_refuse(op, APIKEY_ERROR_NO_KEY, NULL, NULL);
    }
    return read_query(r, route, op) && (route->method == M_GET || read_body(r, route, op)) &&
           (!route->read || route->read(op));
}

/* -- doing it ------------------------------------------------------------------------------ */

typedef struct {
    const route_t *route;
    apikey_operation_t *op;
} errand_t;

/* On a thread that may wait. */
static apikey_db_status_t run(apikey_db_t *db, void *baton)
{
    const errand_t *errand = baton;
    apikey_operation_t *op = errand->op;
    apikey_db_status_t rv = apikey_db_check_charset(db);

    if (rv == APIKEY_DB_OK && !op->denial.denied) {
        rv = apikey_access_renew(db, op);
    }
    if (rv == APIKEY_DB_OK && !op->denial.denied) {
        rv = errand->route->work(db, op);
    }
    return rv == APIKEY_DB_OK && op->denial.denied ? apikey_access_record(db, op) : rv;
}

static void log_end(request_rec *r, const apikey_operation_t *op)
{
    if (op->complaint) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "AK0070: managing API keys (%s): %s",
                      op->name, op->complaint);
    }
    if (op->denial.denied) {
        ap_log_rerror(
            APLOG_MARK, APLOG_NOTICE, 0, r,
            "AK0071: managing API keys (%s): user %s is not allowed to, key %" APR_UINT64_T_FMT,
            op->name, ap_escape_logitem(r->pool, r->user), op->denial.id);
    }
    if (op->changed) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "AK0072: managing API keys (%s): key %" APR_UINT64_T_FMT " by user %s",
                      op->name, op->id, ap_escape_logitem(r->pool, r->user));
    }
}

/* The database has not said how it ended, or that it has. */
static void log_failure(request_rec *r, const route_t *route, apikey_job_end_t end,
                        const char *why)
{
    ap_log_rerror(
        APLOG_MARK, APLOG_ERR, 0, r,
        "AK0073: managing API keys (%s): the database cannot be asked%s: %s", route->name,
        end == APIKEY_JOB_UNKNOWN ? ", and what was asked of it may have been done" : "", why);
}

/* Does what was admitted; what was refused for want of a right is written down. */
static int finish(request_rec *r, const route_t *route, apikey_operation_t *op)
{
    const bool denied = op->denial.denied;
    const uint64_t id = op->id;
    errand_t *errand = apr_palloc(op->pool, sizeof(*errand));
    apikey_job_end_t end;
    const char *why;

    errand->route = route;
    errand->op = op;
    end = apikey_job_run(op->job, run, errand, r->pool, &why);
    if (end == APIKEY_JOB_DONE) {
        log_end(r, op);
        return apikey_answer(r, op);
    }
    log_failure(r, route, end, why);
    if (denied) {
        return apikey_answer(r, op); /* the thread does not touch what this says */
    }
    if (end == APIKEY_JOB_UNKNOWN && id) {
        apikey_cache_drop(id); /* and the work again, should it still be done */
    }
    return apikey_answer_error(r, end == APIKEY_JOB_UNKNOWN ? APIKEY_ERROR_OUTCOME_UNKNOWN
                                                            : APIKEY_ERROR_UNAVAILABLE);
}

static int serve(request_rec *r, const apikey_mount_t *mount, const route_t *route,
                 const target_t *target)
{
    apikey_operation_t *op = apikey_operation_make(r, mount);
    const bool admitted = admit(r, route, target, op);
    int status;

    if (op->denial.denied || (admitted && route->work)) {
        status = finish(r, route, op);
    }
    else {
        log_end(r, op);
        status = apikey_answer(r, op);
    }
    apikey_job_release(op->job);
    return status;
}

/* -- the handler --------------------------------------------------------------------------- */

/* Relative, so that it is right behind a proxy too, and cannot lead elsewhere. */
static int add_slash(request_rec *r)
{
    const char *last = strrchr(r->uri, '/');
    const char *to = apr_pstrcat(r->pool, "./", ap_escape_uri(r->pool, last ? last + 1 : ""),
                                 "/", r->args ? "?" : "", r->args ? r->args : "", NULL);

    apr_table_setn(r->headers_out, "Location", to);
    return HTTP_MOVED_PERMANENTLY;
}

static int handle(request_rec *r)
{
    const apikey_mount_t *mount;
    const route_t *route;
    const char *path;
    target_t target;
    int status;

    if (!apikey_conf_handler_is(r, handler_name)) {
        return DECLINED;
    }
    mount = apikey_dir_conf(r)->manage;
    path = mount && mount->manage != APIKEY_MANAGE_NONE ? apikey_mount_path(mount, r) : NULL;
    if (!path) {
        return HTTP_NOT_FOUND;
    }
    if (!*path) {
        return add_slash(r);
    }
    target = find_target(path);
    if (target.resource == NOTHING) {
        status = apikey_page_handle(r, path + 1);
        return status == DECLINED ? apikey_answer_error(r, APIKEY_ERROR_NO_ROUTE) : status;
    }
    route = find_route(r, target.resource);
    if (!route) {
        apr_table_setn(r->headers_out, "Allow", allowed_methods(target.resource, r->pool));
        return apikey_answer_error(r, APIKEY_ERROR_METHOD);
    }
    return serve(r, mount, route, &target);
}

/* The URLs are ours whatever lies in the file system under these names: mod_dir would otherwise
 * redirect them, or look for an index. */
static int hide_files(request_rec *r)
{
    if (apikey_conf_handler_is(r, handler_name)) {
        r->finfo.filetype = APR_NOFILE;
    }
    return DECLINED;
}

void apikey_manage_register(apr_pool_t *p)
{
    static const char *const before_proxy[] = {"mod_proxy.c", NULL};

    (void)p;
    ap_hook_fixups(hide_files, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handle, NULL, before_proxy, APR_HOOK_FIRST);
}
