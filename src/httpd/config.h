/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration records, their merging, and the module's own symbol. */
#ifndef APIKEY_CONFIG_H
#define APIKEY_CONFIG_H

#include "../core/digest.h"
#include "../core/facts.h"

#include <httpd.h>
#include <http_config.h>
#include <string.h>

extern module AP_MODULE_DECLARE_DATA authn_apikey_module;

/* "Not said", in every place where something else could be: never a value of its own. */
#define APIKEY_UNSET (-1)

/* The least memory ApiKeyCache can do with: its fixed parts and some thousand keys. */
enum { APIKEY_CACHE_MIN = 4 * 1024 * 1024 };

typedef enum {
    APIKEY_EXPORT_NONE = 0,
    APIKEY_EXPORT_ENV = 1,
    APIKEY_EXPORT_HEADERS = 2
} apikey_export_t;

/* One for each server and virtual host. After apikey_conf_complete() nothing is unset. */
typedef struct {
    const apr_array_header_t *prefixes; /* of const char *; the first one mints; NULL: unset */
    int foreign;
    const apikey_peppers_t *peppers; /* NULL: unset */
    const char *header_prefix;       /* NULL: unset */
    const char *teams_table;         /* NULL: unset */

    /* Milliseconds; 0 where Off is said. */
    apikey_fact_terms_t terms;
    int64_t timeout, refresh, usage;

    /* Filled in by board.c: which database this server asks, and how it digests. */
    int realm;
    uint64_t realm_id;
    apikey_mac_state_t mac; /* of its credentials */
} apikey_server_conf_t;

struct apikey_mount_t; /* mount.h */

/* One for each directory, location and .htaccess. */
typedef struct {
    const apr_array_header_t *headers; /* of const char *; NULL: unset */
    int user_keys;
    int team_keys;
    int optional;
    int forward;
    int exports; /* bits of apikey_export_t */

    /* Of the management handler; never from a .htaccess. */
    const struct apikey_mount_t *manage; /* ApiKeyManage; NULL: unset */
    const apr_array_header_t *scopes;    /* of const char *: ApiKeyScopes; NULL: unset */
    int max_keys;
} apikey_dir_conf_t;

/* ApiKeyCache: bytes, 0 for Off; one for all servers. */
size_t apikey_conf_cache_size(void);
void apikey_conf_set_cache_size(size_t bytes);

void *apikey_conf_create_server(apr_pool_t *p, server_rec *s);
void *apikey_conf_merge_server(apr_pool_t *p, void *base, void *add);
void *apikey_conf_create_dir(apr_pool_t *p, char *dir);
void *apikey_conf_merge_dir(apr_pool_t *p, void *base, void *add);

/* Forgets what an earlier reading of the configuration said for all servers (pre_config). */
void apikey_conf_reset(void);

/* Puts the defaults where nothing was said, in every server's record (post_config). */
void apikey_conf_complete(server_rec *main_server, apr_pool_t *pconf);

static inline const apikey_server_conf_t *apikey_server_conf(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &authn_apikey_module);
}

/* The record as merged for this request; its members may be unset, so read them with these. */
static inline const apikey_dir_conf_t *apikey_dir_conf(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &authn_apikey_module);
}

static inline int apikey_conf_flag(int flag, int otherwise)
{
    return flag == APIKEY_UNSET ? otherwise : flag;
}

const apr_array_header_t *apikey_conf_headers(const apikey_dir_conf_t *conf);
const apr_array_header_t *apikey_conf_scopes(const apikey_dir_conf_t *conf);
int apikey_conf_max_keys(const apikey_dir_conf_t *conf);

/* "Authorization". Wherever we keep a header's name, this one is this very string: to compare
 * addresses will do. */
extern const char apikey_authorization[];

/* How the location asks who calls. */
typedef enum {
    APIKEY_AUTH_OTHER = 0, /* not by us */
    APIKEY_AUTH_BEARER,    /* AuthType Bearer or ApiKey */
    APIKEY_AUTH_BASIC,     /* AuthType Basic, perhaps with our provider */
    APIKEY_AUTH_TOKEN      /* AuthType Bearer where mod_auth_bearer asks our provider */
} apikey_auth_t;

apikey_auth_t apikey_auth_of(request_rec *r);

/* Says that AuthType Bearer is mod_auth_bearer's on this server: ours then is what its line
 * AuthBearerProvider asks. For check_config. */
void apikey_conf_yield_bearer(void);

extern const command_rec apikey_directives[]; /* directives.c */

/* Registers the checks of the whole configuration, which refuse to start (config_check.c). */
void apikey_config_check_register(apr_pool_t *p);

/* Whether `SetHandler name` is in force. Asked of every request there is: the first byte tells
 * most others, whose handler is a content type. */
static inline bool apikey_conf_handler_is(const request_rec *r, const char *name)
{
    return r->handler && *r->handler == *name && strcmp(r->handler, name) == 0;
}

#endif
