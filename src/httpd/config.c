/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <apr_strings.h>
#include <http_core.h>
#include <string.h>

/* Built once and only read afterwards: shared by all servers and requests. */
static const char *default_prefix[] = {"ak"};
const char apikey_authorization[] = "Authorization";
static const char *default_header[] = {apikey_authorization};
static const apr_array_header_t default_prefixes = {NULL, sizeof(char *), 1, 1,
                                                    (char *)default_prefix};
static const apr_array_header_t default_headers = {NULL, sizeof(char *), 1, 1,
                                                   (char *)default_header};
static const apr_array_header_t no_scopes = {NULL, sizeof(char *), 0, 0, NULL};

static const size_t default_cache_size = 16 * 1024 * 1024;
static size_t cache_size;
static bool bearer_yielded; /* AuthType Bearer is mod_auth_bearer's */

size_t apikey_conf_cache_size(void)
{
    return cache_size;
}

void apikey_conf_set_cache_size(size_t bytes)
{
    cache_size = bytes;
}

void apikey_conf_yield_bearer(void)
{
    bearer_yielded = true;
}

void apikey_conf_reset(void)
{
    bearer_yielded = false;
    cache_size = default_cache_size;
}

void *apikey_conf_create_server(apr_pool_t *p, server_rec *s)
{
    apikey_server_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)s;
    conf->foreign = APIKEY_UNSET;
    conf->terms.ttl = APIKEY_UNSET;
    conf->terms.negative_ttl = APIKEY_UNSET;
    conf->terms.stale = APIKEY_UNSET;
    conf->timeout = APIKEY_UNSET;
    conf->refresh = APIKEY_UNSET;
    conf->usage = APIKEY_UNSET;
    return conf;
}

#define FLAG(member) conf->member = add->member != APIKEY_UNSET ? add->member : base->member
#define POINTER(member) conf->member = add->member ? add->member : base->member

void *apikey_conf_merge_server(apr_pool_t *p, void *base_conf, void *add_conf)
{
    const apikey_server_conf_t *base = base_conf;
    const apikey_server_conf_t *add = add_conf;
    apikey_server_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    POINTER(prefixes);
    FLAG(foreign);
    POINTER(peppers);
    POINTER(header_prefix);
    POINTER(teams_table);
    FLAG(terms.ttl);
    FLAG(terms.negative_ttl);
    FLAG(terms.stale);
    FLAG(timeout);
    FLAG(refresh);
    FLAG(usage);
    return conf;
}

void *apikey_conf_create_dir(apr_pool_t *p, char *dir)
{
    apikey_dir_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)dir;
    conf->user_keys = APIKEY_UNSET;
    conf->team_keys = APIKEY_UNSET;
    conf->optional = APIKEY_UNSET;
    conf->forward = APIKEY_UNSET;
    conf->exports = APIKEY_UNSET;
    conf->max_keys = APIKEY_UNSET;
    return conf;
}

void *apikey_conf_merge_dir(apr_pool_t *p, void *base_conf, void *add_conf)
{
    const apikey_dir_conf_t *base = base_conf;
    const apikey_dir_conf_t *add = add_conf;
    apikey_dir_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    POINTER(headers);
    FLAG(user_keys);
    FLAG(team_keys);
    FLAG(optional);
    FLAG(forward);
    FLAG(exports);
    POINTER(manage);
    POINTER(scopes);
    FLAG(max_keys);
    return conf;
}

static int64_t interval(int64_t ms, int64_t otherwise)
{
    return ms == APIKEY_UNSET ? otherwise : ms;
}

void apikey_conf_complete(server_rec *main_server, apr_pool_t *pconf)
{
    server_rec *s;

    apikey_digest_init(pconf);
    for (s = main_server; s; s = s->next) {
        /* A virtual host without a directive of ours shares the main server's record, but not
         * necessarily its database: each gets a record of its own. */
        apikey_server_conf_t *conf = apr_pmemdup(pconf, apikey_server_conf(s), sizeof(*conf));

        ap_set_module_config(s->module_config, &authn_apikey_module, conf);
        conf->prefixes = conf->prefixes ? conf->prefixes : &default_prefixes;
        conf->foreign = apikey_conf_flag(conf->foreign, 0);
        conf->peppers = conf->peppers ? conf->peppers : &apikey_no_pepper;
        conf->terms.ttl = interval(conf->terms.ttl, 300 * 1000);
        conf->terms.negative_ttl = interval(conf->terms.negative_ttl, 10 * 1000);
        conf->terms.stale = interval(conf->terms.stale, 0);
        conf->timeout = interval(conf->timeout, 500);
        conf->refresh = interval(conf->refresh, 500);
        conf->usage = interval(conf->usage, 60 * 1000);
        conf->header_prefix = conf->header_prefix ? conf->header_prefix : "X-ApiKey-";
        conf->teams_table = conf->teams_table ? conf->teams_table : "api_key_team_members";
    }
}

const apr_array_header_t *apikey_conf_headers(const apikey_dir_conf_t *conf)
{
    return conf->headers ? conf->headers : &default_headers;
}

const apr_array_header_t *apikey_conf_scopes(const apikey_dir_conf_t *conf)
{
    return conf->scopes ? conf->scopes : &no_scopes;
}

int apikey_conf_max_keys(const apikey_dir_conf_t *conf)
{
    return conf->max_keys == APIKEY_UNSET ? 1000 : conf->max_keys;
}

/* In any case; written as everybody writes it, at the price of one comparison. */
static bool is_type(const char *type, const char *name)
{
    return strcmp(type, name) == 0 || ap_cstr_casecmp(type, name) == 0;
}

apikey_auth_t apikey_auth_of(request_rec *r)
{
    const char *type = ap_auth_type(r);

    if (!type) {
        return APIKEY_AUTH_OTHER;
    }
    if (is_type(type, "Bearer")) {
        return bearer_yielded ? APIKEY_AUTH_TOKEN : APIKEY_AUTH_BEARER;
    }
    if (is_type(type, "ApiKey")) {
        return APIKEY_AUTH_BEARER;
    }
    return is_type(type, "Basic") ? APIKEY_AUTH_BASIC : APIKEY_AUTH_OTHER;
}
