/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include "check.h"
#include "config.h"
#include "credential.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <http_request.h>
#include <string.h>

const apikey_field_names_t apikey_field_names[APIKEY_FIELD_COUNT] = {
    [APIKEY_FIELD_ID] = {"id", "APIKEY_ID", "Id"},
    [APIKEY_FIELD_OWNER_TYPE] = {"owner_type", "APIKEY_OWNER_TYPE", "Owner-Type"},
    [APIKEY_FIELD_OWNER] = {"owner", "APIKEY_OWNER", "Owner"},
    [APIKEY_FIELD_USER] = {"user", "APIKEY_USER", "User"},
    [APIKEY_FIELD_TEAM] = {"team", "APIKEY_TEAM", "Team"},
    [APIKEY_FIELD_SCOPES] = {"scopes", "APIKEY_SCOPES", "Scopes"},
    [APIKEY_FIELD_EXPIRES] = {"expires", "APIKEY_EXPIRES", "Expires"},
    [APIKEY_FIELD_STATUS] = {"status", "APIKEY_STATUS", NULL},
};

/* Written while the configuration is read, only read afterwards. */
static struct {
    apr_array_header_t *prefixes;           /* of const char *, of all servers */
    apr_array_header_t *credential_headers; /* of const char *, named by any ApiKeyHeader */
} known;

void apikey_identity_reset(apr_pool_t *pconf)
{
    known.prefixes = apr_array_make(pconf, 2, sizeof(const char *));
    known.credential_headers = apr_array_make(pconf, 2, sizeof(const char *));
}

void apikey_identity_collect(server_rec *main_server, apr_pool_t *pconf)
{
    const server_rec *s;

    known.prefixes = apr_array_make(pconf, 2, sizeof(const char *));
    for (s = main_server; s; s = s->next) {
        APR_ARRAY_PUSH(known.prefixes, const char *) = apikey_server_conf(s)->header_prefix;
    }
}

static int fold(char c)
{
    return c == '_' ? '-' : apr_tolower(c);
}

/* Whether a header's name begins with a prefix, in any case and with `_` for `-`, as WSGI, PHP
 * and others fold names. */
static bool covers(const char *prefix, const char *name)
{
    while (*prefix && fold(*prefix) == fold(*name)) {
        prefix++;
        name++;
    }
    return *prefix == '\0';
}

static bool is_look_alike(const char *name)
{
    int i;
    for (i = 0; i < known.prefixes->nelts; i++) {
        if (covers(APR_ARRAY_IDX(known.prefixes, i, const char *), name)) {
            return true;
        }
    }
    return false;
}

bool apikey_identity_allows_header(cmd_parms *cmd, const char *name)
{
    if (cmd->pool == cmd->temp_pool) { /* .htaccess, read while serving */
        return !is_look_alike(name);
    }
    APR_ARRAY_PUSH(known.credential_headers, const char *) = apr_pstrdup(cmd->pool, name);
    return true;
}

const char *apikey_identity_conflict(void)
{
    int i;
    for (i = 0; i < known.credential_headers->nelts; i++) {
        const char *name = APR_ARRAY_IDX(known.credential_headers, i, const char *);
        if (is_look_alike(name)) {
            return name;
        }
    }
    return NULL;
}

const char *apikey_identity_prefix_refused(const char *prefix)
{
    static const char *const others[] = {
        "Accept-Encoding",    "Access-Control-Request-Method", "Cache-Control",
        "Content-Length",     "If-Modified-Since",             "Max-Forwards",
        "Proxy-Authorization", "Sec-Fetch-Site",               "Transfer-Encoding",
        "User-Agent",         "X-Forwarded-For",               "X-Requested-With",
    };
    const size_t len = strlen(prefix);
    size_t i;

    if (len < 4 || prefix[len - 1] != '-') {
        return "must have at least four characters and end in '-'";
    }
    if (strspn(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != len) {
        return "may hold letters, digits and '-' only";
    }
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (covers(prefix, others[i])) {
            return "would remove headers that have another meaning; take one of your own, "
                   "X-ApiKey- for example";
        }
    }
    return NULL;
}

/* Every header under a prefix of ours is ours alone to set: on paths without authentication
 * too, for applications cannot tell them apart. */
static void scrub(request_rec *r)
{
    const apr_array_header_t *headers = apr_table_elts(r->headers_in);
    int i = 0;

    while (i < headers->nelts) {
        const char *name = APR_ARRAY_IDX(headers, i, apr_table_entry_t).key;
        if (is_look_alike(name)) {
            apr_table_unset(r->headers_in, name);
            i = 0; /* the entries behind it have moved */
        }
        else {
            i++;
        }
    }
}

static int post_read_request(request_rec *r)
{
    scrub(r);
    return DECLINED;
}

void apikey_identity_export(request_rec *r, const apikey_request_t *state)
{
    const int exports = apikey_conf_flag(apikey_dir_conf(r)->exports,
                                         APIKEY_EXPORT_ENV | APIKEY_EXPORT_HEADERS);
    const int known_caller = apikey_verdict_knows_caller(state->verdict);
    int i;

    if (known_caller) {
        /* mod_cache must not hand one owner's answer to another (caching.c). */
        apr_table_setn(r->subprocess_env, "no-cache", "1");
    }
    for (i = 0; i < APIKEY_FIELD_COUNT; i++) {
        const bool tell = (exports & APIKEY_EXPORT_ENV) && state->value[i] &&
                          (known_caller || i == APIKEY_FIELD_STATUS);
        if (tell) {
            apr_table_setn(r->subprocess_env, apikey_field_names[i].env_name, state->value[i]);
        }
        else {
            /* A subrequest inherits what its parent exported. */
            apr_table_unset(r->subprocess_env, apikey_field_names[i].env_name);
        }
    }
}

/* `REDIRECT_` is put before each name at each redirect. */
static const char *without_redirect(const char *name)
{
    static const char mark[] = "REDIRECT_";
    while (strncmp(name, mark, sizeof(mark) - 1) == 0) {
        name += sizeof(mark) - 1;
    }
    return name;
}

/* Whether an environment variable is the one that CGI makes of a header. */
static bool is_env_of(const char *env, const char *header)
{
    static const char http[] = "HTTP_";

    env = without_redirect(env);
    if (strncmp(env, http, sizeof(http) - 1) != 0) {
        return false;
    }
    for (env += sizeof(http) - 1; *header && fold(*env) == fold(*header); env++, header++) {
    }
    return *header == '\0' && *env == '\0';
}

static void unset_env_of(request_rec *r, const char *header)
{
    const apr_array_header_t *env = apr_table_elts(r->subprocess_env);
    int i = 0;

    while (i < env->nelts) {
        const char *name = APR_ARRAY_IDX(env, i, apr_table_entry_t).key;
        if (is_env_of(name, header)) {
            apr_table_unset(r->subprocess_env, name);
            i = 0;
        }
        else {
            i++;
        }
    }
}

static void take_away(request_rec *r, const char *name)
{
    const char *header = apikey_credential_header(r, name);
    const char *value = apr_table_get(r->headers_in, header);

    if (!value || apikey_credential_is(name, value)) {
        apr_table_unset(r->headers_in, header);
        /* Also one that a SetEnvIf or RewriteRule line copied into the environment. */
        unset_env_of(r, header);
    }
}

static void take_away_basic(request_rec *r, apikey_call_t *call)
{
    const char *header = apikey_credential_header(r, "Authorization");
    const char *value = apr_table_get(r->headers_in, header);

    if (value) {
        call->basic_header = value;
        apr_table_unset(r->headers_in, header);
    }
    unset_env_of(r, header);
}

/* The application does not see the credential: neither where this location asks for it nor where
 * an earlier request of the call did, an error document of a refused one for example. */
static void take_credentials_away(request_rec *r)
{
    const apikey_dir_conf_t *conf = apikey_dir_conf(r);
    apikey_call_t *call;
    int i;

    if (apikey_conf_flag(conf->forward, 0)) {
        return;
    }
    if (apikey_auth_of(r) == APIKEY_AUTH_BEARER) {
        const apr_array_header_t *names = apikey_conf_headers(conf);

        if (apikey_credential_present(r)) {
            apikey_credential_get(r); /* remembered for a redirect to a stricter place */
        }
        for (i = 0; i < names->nelts; i++) {
            take_away(r, APR_ARRAY_IDX(names, i, const char *));
        }
    }
    call = apikey_request_call(r);
    for (i = 0; call && i < call->credentials->nelts; i++) {
        take_away(r, APR_ARRAY_IDX(call->credentials, i, apikey_credential_t *)->header);
    }
    if (call && call->checked_by_basic) {
        take_away_basic(r, call);
    }
}

/* The verdict that counts here. A place of ours that a redirect leads to and that let it in
 * without asking judges, from what the call knows, whether the caller is one for it. */
static const apikey_request_t *state_of(request_rec *r)
{
    apikey_request_t *state = apikey_request_judged(r);

    if (state && state != apikey_request_own(r) && !apikey_request_authenticated(r) &&
        apikey_verdict_knows_caller(state->verdict) &&
        apikey_auth_of(r) == APIKEY_AUTH_BEARER) {
        apikey_check(r, apikey_credential_get(r));
        state = apikey_request_own(r);
    }
    return state;
}

/* Before mod_rewrite's per-directory rules, which may ask for the environment. */
static int fixups(request_rec *r)
{
    const apikey_request_t *state = state_of(r);

    if (r->prev) {
        scrub(r); /* what we told a proxied application before the redirect */
    }
    take_credentials_away(r);
    if (state && state != apikey_request_own(r)) {
        apikey_identity_export(r, state); /* a redirect has renamed it all */
    }
    if (state && !r->user && apikey_verdict_knows_caller(state->verdict)) {
        r->user = (char *)state->user;
        r->ap_auth_type = (char *)"Bearer";
    }
    return DECLINED;
}

/* Something that gets the request's headers but not its environment will answer. */
static bool is_proxied(const request_rec *r)
{
    return r->proxyreq != PROXYREQ_NONE ||
           (r->filename && strncmp(r->filename, "proxy:", 6) == 0) ||
           (r->handler && strncmp(r->handler, "proxy", 5) == 0);
}

/* After mod_rewrite ([P] in a directory) has said whether this is proxied, and before
 * mod_headers, which may edit what we say. Not to the sites behind a forward proxy: who calls is
 * no business of theirs. */
static int fixups_headers(request_rec *r)
{
    const apikey_request_t *state;
    const char *prefix;
    int i;

    if (!is_proxied(r) || r->proxyreq == PROXYREQ_PROXY ||
        !(apikey_conf_flag(apikey_dir_conf(r)->exports, APIKEY_EXPORT_HEADERS) &
          APIKEY_EXPORT_HEADERS)) {
        return DECLINED;
    }
    state = apikey_request_judged(r);
    if (!state || !apikey_verdict_knows_caller(state->verdict)) {
        return DECLINED;
    }
    prefix = apikey_server_conf(r->server)->header_prefix;
    for (i = 0; i < APIKEY_FIELD_COUNT; i++) {
        if (state->value[i] && apikey_field_names[i].header_suffix) {
            apr_table_setn(
                r->headers_in,
                apr_pstrcat(r->pool, prefix, apikey_field_names[i].header_suffix, NULL),
                state->value[i]);
        }
    }
    return DECLINED;
}

void apikey_identity_register(apr_pool_t *p)
{
    static const char *const before_rewrite[] = {"mod_rewrite.c", NULL};

    (void)p;
    ap_hook_post_read_request(post_read_request, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(fixups, NULL, before_rewrite, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(fixups_headers, NULL, NULL, APR_HOOK_MIDDLE);
}
