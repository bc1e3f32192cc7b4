/* SPDX-License-Identifier: Apache-2.0 */
/* As much of trunk's module of this name as a provider meets: AuthType Bearer, one line
 * AuthBearerProvider, and what becomes of each status. Trunk's acts earlier, before access
 * control, and has no place in the order of 2.4's hooks. */
#include "autht.h"

#include <ap_provider.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_request.h>

static void *create_dir(apr_pool_t *p, char *dir)
{
    (void)dir;
    return apr_pcalloc(p, sizeof(const char *));
}

static const command_rec directives[] = {
    AP_INIT_TAKE1("AuthBearerProvider", ap_set_string_slot, NULL, OR_AUTHCFG, "a provider"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL}};

module AP_MODULE_DECLARE_DATA auth_bearer_module;

static int check_authn(request_rec *r)
{
    const char *const *name = ap_get_module_config(r->per_dir_config, &auth_bearer_module);
    const char *type = ap_auth_type(r);
    const char *header = apr_table_get(r->headers_in, "Authorization");
    const autht_provider *provider;
    autht_status status;

    if (!type || ap_cstr_casecmp(type, "Bearer") != 0) {
        return DECLINED;
    }
    provider =
        *name ? ap_lookup_provider(AUTHT_PROVIDER_GROUP, *name, AUTHT_PROVIDER_VERSION) : NULL;
    if (!provider) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (!header || ap_cstr_casecmpn(header, "Bearer ", 7) != 0) {
        apr_table_setn(r->err_headers_out, "WWW-Authenticate",
                       apr_pstrcat(r->pool, "Bearer realm=\"", ap_auth_name(r), "\"", NULL));
        return HTTP_UNAUTHORIZED;
    }
    status = provider->check_token(r, "bearer", header + 7);
    apr_table_setn(r->err_headers_out, "X-Autht", apr_itoa(r->pool, status));
    if (status == AUTHT_GRANTED) {
        r->ap_auth_type = (char *)"Bearer";
        return OK;
    }
    return status == AUTHT_GENERAL_ERROR ? HTTP_INTERNAL_SERVER_ERROR : HTTP_UNAUTHORIZED;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_check_authn(check_authn, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
}

__attribute__((visibility("default"))) AP_DECLARE_MODULE(auth_bearer) = {
    STANDARD20_MODULE_STUFF, create_dir, NULL, NULL, NULL, directives, register_hooks, 0};
