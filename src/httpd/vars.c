/* SPDX-License-Identifier: Apache-2.0 */
#include "vars.h"

#include "identity.h"

#include <ap_expr.h>
#include <apr_optional.h>
#include <apr_strings.h>
#include <http_config.h>
#include <mod_log_config.h>
#include <string.h>

/* What an expression, on which access may depend, gets to know: of a caller who is known, or
 * the status alone. */
static const char *expr_value(ap_expr_eval_ctx_t *ctx, const void *data)
{
    const apikey_field_names_t *names = data;
    const apikey_request_t *state = apikey_request_judged(ctx->r);
    const apikey_field_t field = (apikey_field_t)(names - apikey_field_names);

    if (!state ||
        !(apikey_verdict_knows_caller(state->verdict) || field == APIKEY_FIELD_STATUS)) {
        return "";
    }
    return state->value[field] ? state->value[field] : "";
}

static int expr_lookup(ap_expr_lookup_parms *parms)
{
    int i;

    if (parms->type != AP_EXPR_FUNC_VAR) {
        return DECLINED;
    }
    for (i = 0; i < APIKEY_FIELD_COUNT; i++) {
        if (ap_cstr_casecmp(parms->name, apikey_field_names[i].env_name) == 0) {
            *parms->func = (const void *)expr_value;
            *parms->data = &apikey_field_names[i];
            return OK;
        }
    }
    return DECLINED;
}

/* What a log gets to know: also whose key it was that was refused. */
static const char *log_value(request_rec *r, char *name)
{
    const apikey_request_t *state = apikey_request_judged(r);
    int i;

    for (i = 0; state && i < APIKEY_FIELD_COUNT; i++) {
        if (strcmp(name, apikey_field_names[i].log_name) == 0) {
            const char *value = state->value[i];
            return value && *value ? value : NULL; /* logged as `-` */
        }
    }
    return NULL;
}

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    APR_OPTIONAL_FN_TYPE(ap_register_log_handler) *register_item =
        APR_RETRIEVE_OPTIONAL_FN(ap_register_log_handler);

    (void)plog;
    (void)ptemp;
    if (register_item) {
        register_item(pconf, "^AK", log_value, 0);
    }
    return OK;
}

void apikey_vars_register(apr_pool_t *p)
{
    static const char *const after_log_config[] = {"mod_log_config.c", NULL};

    (void)p;
    ap_hook_pre_config(pre_config, after_log_config, NULL, APR_HOOK_MIDDLE);
    ap_hook_expr_lookup(expr_lookup, NULL, NULL, APR_HOOK_MIDDLE);
}
