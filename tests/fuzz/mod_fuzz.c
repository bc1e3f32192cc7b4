/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz targets that need httpd: the module once more, with this file in it, loaded into a real
 * httpd (fuzz.sh). When the configuration is read the target named by FUZZ_TARGET is run with
 * the arguments of FUZZ_ARGS, and httpd ends.
 *
 * "request": first byte the place asked for, then header lines. Goes the whole way through
 * post_read_request, authentication, authorization and fixups; the database is "down", and one
 * key is known.
 * "manage": first byte which: a JSON body, a query, headers that say where a browser comes
 * from. "config": a line of a configuration: one of our directives, or of our kinds of Require.
 */
#include "fuzz.h"

#include "../../src/httpd/board.h"
#include "../../src/httpd/breaker.h"
#include "../../src/httpd/cache.h"
#include "../../src/httpd/manage_json.h"
#include "../../src/httpd/origin.h"
#include "../../src/httpd/query.h"
#include "../../src/httpd/request.h"
#include "../../src/httpd/scrub.h"

#include <ap_provider.h>
#include <apr_strings.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_auth.h>
#include <scoreboard.h>

static const char known_key[] = "ak_u_0123456789ABCDEFGHIJKLMNOPQRSTUV2LoxWw";
static server_rec *server;
static apr_pool_t *pool;

/* -- request ----------------------------------------------------------------------------------
 */

static void know_a_key(void)
{
    const apikey_record_t record = {.id = 7,
                                    .owner_type = APIKEY_OWNER_USER,
                                    .owner = "alice",
                                    .scopes = "orders:read",
                                    .expires_ms = APIKEY_NEVER};
    const int64_t now = apr_time_as_msec(apr_time_now());

    apikey_cache_put(
        server,
        apikey_mac_of(&apikey_server_conf(server)->mac, known_key, sizeof(known_key) - 1),
        &record, apikey_cache_sequence(), now);
    apikey_breaker_failed(server, now, "this is a fuzz run");
}

/* Asked about any other key, nobody waits for a database that is not there. */
static void keep_breaker_open(void)
{
    atomic_store(&apikey_board_realm(server)->next_probe_ms,
                 apr_time_as_msec(apr_time_now()) + 200);
}

static conn_rec *make_connection(void)
{
    conn_rec *c = apr_pcalloc(pool, sizeof(*c));

    c->pool = pool;
    c->base_server = server;
    c->notes = apr_table_make(pool, 2);
    c->conn_config = ap_create_conn_config(pool);
    c->bucket_alloc = apr_bucket_alloc_create(pool);
    apr_sockaddr_info_get(&c->client_addr, "127.0.0.1", APR_INET, 80, 0, pool);
    c->local_addr = c->client_addr;
    c->client_ip = apr_pstrdup(pool, "127.0.0.1");
    c->local_ip = c->client_ip;
    ap_create_sb_handle((ap_sb_handle_t **)&c->sbh, pool, 0, 0);
    return c;
}

static request_rec *make_request(const char *uri)
{
    request_rec *r = ap_create_request(make_connection());

    r->method = "GET";
    r->method_number = M_GET;
    r->protocol = (char *)"HTTP/1.1";
    r->proto_num = HTTP_VERSION(1, 1);
    r->the_request = apr_pstrcat(r->pool, "GET ", uri, " HTTP/1.1", NULL);
    r->hostname = "localhost";
    r->request_time = apr_time_now();
    ap_parse_uri(r, uri);
    return r;
}

/* As httpd would have read them: no control characters, names of token characters. */
static void add_headers(request_rec *r, fuzz_t *fuzz)
{
    while (fuzz->at < fuzz->end) {
        size_t len;
        char *line = fuzz_line(fuzz, &len);
        char *colon = strchr(line, ':');
        unsigned char *c;

        for (c = (unsigned char *)line; *c; c++) {
            *c = *c < 0x20 || *c == 0x7f ? ' ' : *c;
        }
        if (colon && colon > line && !memchr(line, ' ', (size_t)(colon - line))) {
            char *value = apr_pstrdup(r->pool, colon + 1);

            apr_collapse_spaces(line, line);
            *colon = '\0';
            while (*value == ' ') {
                value++;
            }
            apr_table_mergen(r->headers_in, apr_pstrdup(r->pool, line), value);
        }
        free(line);
    }
}

/* Somebody is somebody only by the one key there is. */
static void claim_identity(request_rec *r, bool let_in, bool own_header, bool sent)
{
    const apikey_request_t *state = apikey_request_judged(r);
    const apr_array_header_t *list = apr_table_elts(r->headers_in);
    int i;

    for (i = 0; i < list->nelts; i++) {
        const apr_table_entry_t *header = &APR_ARRAY_IDX(list, i, apr_table_entry_t);

        must(!apikey_scrub_covers("X-ApiKey-", header->key));
        must(!state || !apikey_verdict_knows_caller(state->verdict) || own_header ||
             ap_cstr_casecmp(header->key, "Authorization") != 0 ||
             ap_cstr_casecmpn(header->val, "Bearer ", 7) != 0);
    }
    /* Of a refused one mod_auth_basic leaves the name that was sent. */
    if ((let_in && r->user) || apr_table_get(r->subprocess_env, "APIKEY_OWNER")) {
        must(sent);
        must(state && apikey_verdict_knows_caller(state->verdict));
        must(strcmp(r->user, "alice") == 0);
        must(strcmp(apr_table_get(r->subprocess_env, "APIKEY_USER"), "alice") == 0);
        must(!apr_table_get(r->subprocess_env, "APIKEY_TEAM"));
    }
}

static int fuzz_request(const uint8_t *data, size_t size)
{
    enum { BEARER, OWN, BOTH, OPTIONAL, BASIC, SCOPED, OPEN };
    static const char *const places[] = {
        [BEARER] = "/bearer", [OWN] = "/own",       [BOTH] = "/both", [OPTIONAL] = "/optional",
        [BASIC] = "/basic",   [SCOPED] = "/scoped", [OPEN] = "/open"};
    fuzz_t fuzz = fuzz_of(data, size);
    const uint8_t place = fuzz_byte(&fuzz) % (sizeof(places) / sizeof(places[0]));
    /* Inside a Basic credential it is not seen. */
    const bool sent = place == BASIC ||
                      (size && memmem(data, size, known_key, sizeof(known_key) - 1) != NULL);
    request_rec *r = make_request(places[place]);
    int rc;

    keep_breaker_open();
    add_headers(r, &fuzz);
    ap_run_post_read_request(r);
    rc = ap_process_request_internal(r);
    must(rc == OK || rc == HTTP_UNAUTHORIZED || rc == HTTP_FORBIDDEN ||
         rc == HTTP_BAD_REQUEST || rc == HTTP_SERVICE_UNAVAILABLE ||
         rc == HTTP_INTERNAL_SERVER_ERROR);
    if (rc == OK && place != OPTIONAL && place != OPEN) {
        must(r->user);
    }
    must(rc != HTTP_INTERNAL_SERVER_ERROR);
    claim_identity(r, rc == OK, place == OWN, sent);
    apr_pool_clear(pool);
    return 0;
}

/* -- manage -----------------------------------------------------------------------------------
 */

static void read_json(const uint8_t *data, size_t size)
{
    static const apikey_json_field_t fields[] = {
        {"description", APIKEY_FIELD_STRING, true},
        {"scopes", APIKEY_FIELD_STRINGS, false},
        {"grace_seconds", APIKEY_FIELD_INTEGER, false},
        {"revoked", APIKEY_FIELD_BOOLEAN, false},
        {"expires_at_millis", APIKEY_FIELD_INTEGER_OR_NULL, false}};
    apikey_operation_t op = {.pool = pool};
    apikey_body_t body = {apr_pstrmemdup(pool, (const char *)data, size), size};

    if (apikey_json_read(&op, &body) &&
        apikey_json_check(&op, fields, sizeof(fields) / sizeof(fields[0]))) {
        const char *text = json_string_value(json_object_get(op.input, "description"));

        must(text &&
             strlen(text) == json_string_length(json_object_get(op.input, "description")));
    }
    json_decref(op.input);
    json_decref(op.details);
}

static void read_query(const uint8_t *data, size_t size)
{
    apr_table_t *table = NULL;
    const char *args = apr_pstrmemdup(pool, (const char *)data, size);

    must(apikey_query_read(pool, args, &table) || table);
}

static void read_origin(fuzz_t *fuzz)
{
    request_rec *r = make_request("/open");
    const char *site;

    apr_table_setn(r->headers_in, "Host", "localhost");
    add_headers(r, fuzz);
    site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    if (apikey_origin_is_here(r)) {
        must(!site || ap_cstr_casecmp(site, "same-origin") == 0);
    }
    apikey_origin_sends_json(r);
}

static int fuzz_manage(const uint8_t *data, size_t size)
{
    fuzz_t fuzz = fuzz_of(data, size);

    switch (fuzz_byte(&fuzz) % 3) {
    case 0:
        read_json(fuzz.at, (size_t)(fuzz.end - fuzz.at));
        break;
    case 1:
        read_query(fuzz.at, (size_t)(fuzz.end - fuzz.at));
        break;
    default:
        read_origin(&fuzz);
    }
    apr_pool_clear(pool);
    return 0;
}

/* -- config -----------------------------------------------------------------------------------
 */

static const char *const requires[] = {"apikey",       "apikey-user", "apikey-team",
                                       "apikey-scope", "apikey-id",   "apikey-expr"};
enum { REQUIRES = sizeof(requires) / sizeof(requires[0]) };

/* httpd 2.4's scanner of expressions calls exit() ("flex scanner jammed") where it has no rule:
 * at a quote inside the argument of a variable, %{HTTP:x"}, and at a backslash that is the last
 * character. `Require expr` does it too, and trunk's scanner no longer. What may come to that
 * is left out: any quote or backslash after %{ and before its }, and a backslash at the end,
 * before or after the quotes around the whole are off. What is left is parsed, not evaluated:
 * an expression may read any file of this machine. */
static bool may_jam(const char *args)
{
    size_t len = strlen(args);
    int open = 0;

    for (; *args; args++, len--) {
        if (args[0] == '%' && args[1] == '{') {
            open++;
        }
        else if (*args == '}' && open) {
            open--;
        }
        else if (strchr("\\\"'", *args) && open) {
            return true;
        }
        if (*args == '\\' && strspn(args, "\\\"' \t") == len) {
            return true;
        }
    }
    return false;
}

static void parse_require(cmd_parms *parms, const char *kind, const char *args)
{
    const authz_provider *provider =
        ap_lookup_provider(AUTHZ_PROVIDER_GROUP, kind, AUTHZ_PROVIDER_VERSION);
    ap_directive_t line = {.directive = "Require",
                           .args = apr_pstrcat(pool, kind, " ", args, NULL)};
    const void *parsed = NULL;

    must(provider && provider->parse_require_line);
    parms->directive = &line;
    if (strcmp(kind, "apikey-expr") != 0 || !may_jam(args)) {
        must(provider->parse_require_line(parms, args, &parsed) || parsed);
    }
}

static void read_directive(cmd_parms *parms, const char *name, const char *args)
{
    ap_conf_vector_t *vector = ap_create_per_dir_config(pool);
    ap_directive_t line = {.directive = name, .args = args, .filename = "fuzz", .line_num = 1};

    parms->directive = &line;
    parms->path = "/";
    /* The real reader: it splits the words and finds the function. */
    ap_walk_config(&line, parms, vector);
}

/* One of our lines, given to what reads it. Which pepper file is read is the administrator's to
 * say: not any on this machine. */
static void read_line(cmd_parms *parms, const char *name, const char *args)
{
    size_t i;

    for (i = 0; i < REQUIRES; i++) {
        if (strcmp(name, requires[i]) == 0) {
            parse_require(parms, requires[i], args);
        }
    }
    for (i = 0; apikey_directives[i].name; i++) {
        if (strcmp(name, apikey_directives[i].name) == 0 &&
            strcmp(name, "ApiKeyPepperFile") != 0) {
            read_directive(parms, apikey_directives[i].name, args);
        }
    }
}

static int fuzz_config(const uint8_t *data, size_t size)
{
    void *conf = ap_get_module_config(server->module_config, &authn_apikey_module);
    fuzz_t fuzz = fuzz_of(data, size);
    cmd_parms parms = {.pool = pool,
                       .temp_pool = NULL,
                       .server = server,
                       .override = RSRC_CONF | OR_ALL,
                       .override_opts = OPT_ALL | OPT_UNSET,
                       .limited = -1};
    size_t len;
    char *line = fuzz_line(&fuzz, &len);
    const char *rest = line;
    const char *name;

    apr_pool_create(&parms.temp_pool, pool);
    name = ap_getword_white(pool, &rest);
    if (strcmp(name, "Require") == 0) {
        name = ap_getword_white(pool, &rest);
    }
    ap_set_module_config(server->module_config, &authn_apikey_module,
                         apikey_conf_create_server(pool, server));
    apikey_scrub_reset(pool); /* of use for this input only */
    read_line(&parms, name, rest);
    must(apikey_conf_cache_size() == 0 || apikey_conf_cache_size() >= APIKEY_CACHE_MIN);
    ap_set_module_config(server->module_config, &authn_apikey_module, conf);
    free(line);
    apr_pool_clear(pool);
    return 0;
}

/* -- inside httpd -----------------------------------------------------------------------------
 */

static int (*target)(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return target(data, size);
}

#ifdef FUZZ_LIBFUZZER
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *, size_t));
#else
int fuzz_replay(int argc, char **argv);
#endif

static int run(const char *args)
{
    char **argv;
    int argc;

    apr_tokenize_to_argv(args, &argv, server->process->pool);
    for (argc = 0; argv[argc]; argc++) {
    }
#ifdef FUZZ_LIBFUZZER
    return LLVMFuzzerRunDriver(&argc, &argv, LLVMFuzzerTestOneInput);
#else
    return fuzz_replay(argc, argv);
#endif
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const char *name = getenv("FUZZ_TARGET");
    const char *args = getenv("FUZZ_ARGS");

    (void)plog;
    (void)ptemp;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    server = s;
    must(name && args);
    target = strcmp(name, "config") == 0   ? fuzz_config
             : strcmp(name, "manage") == 0 ? fuzz_manage
                                           : fuzz_request;
    apr_pool_create(&pool, pconf);
    know_a_key();
    exit(run(apr_pstrcat(pconf, name, " ", args, NULL)));
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_REALLY_LAST);
}

/* A second module in the same shared object. */
module AP_MODULE_DECLARE_DATA fuzz_module;
__attribute__((visibility("default"))) AP_DECLARE_MODULE(fuzz) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0};
