/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include "board.h"
#include "config.h"
#include "dbd.h"

#include "../core/store.h"

#include <apr_strings.h>
#include <http_log.h>
#include <stdlib.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

enum { AGAIN_MS = 10000 };

typedef struct {
    apr_pool_t *pool;
    const char *version, *prefix, *pepper, *events; /* NULL: there is no such setting */
} settings_t;

static void keep(const char *name, const char *value, void *baton)
{
    settings_t *settings = baton;
    const char **place = strcmp(name, "schema_version") == 0 ? &settings->version
                         : strcmp(name, "prefix") == 0       ? &settings->prefix
                         : strcmp(name, "pepper") == 0       ? &settings->pepper
                         : strcmp(name, "events") == 0       ? &settings->events
                                                             : NULL;
    if (place) {
        *place = apr_pstrdup(settings->pool, value);
    }
}

static apikey_db_status_t read_settings(apikey_db_t *db, void *baton)
{
    return apikey_store_settings(db, keep, baton);
}

static void compare_version(server_rec *s, const char *version)
{
    if (strcmp(version, APIKEY_SCHEMA_VERSION) != 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "AK0113: the tables are of schema version %s, this module is for %s; %s",
                     version, APIKEY_SCHEMA_VERSION,
                     strtol(version, NULL, 10) < strtol(APIKEY_SCHEMA_VERSION, NULL, 10)
                         ? "run apikeyctl init, or load schema.sql"
                         : "install the module that came with them");
    }
}

static void compare_prefix(server_rec *s, const char *prefix)
{
    const apr_array_header_t *accepted = apikey_server_conf(s)->prefixes;
    int i;

    for (i = 0; i < accepted->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(accepted, i, const char *), prefix) == 0) {
            return;
        }
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 "AK0114: SQL and apikeyctl make keys with the prefix '%s', which ApiKeyPrefix "
                 "does not name: they are refused here; add it, or change the setting with "
                 "apikeyctl init --prefix %s",
                 prefix, APR_ARRAY_IDX(accepted, 0, const char *));
}

static void compare_pepper(server_rec *s, const char *fingerprint)
{
    const apikey_peppers_t *peppers = apikey_server_conf(s)->peppers;
    int i;

    for (i = 0; i < peppers->count; i++) {
        if (strcmp(peppers->pepper[i].fingerprint, fingerprint) == 0) {
            return;
        }
    }
    if (*fingerprint) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "AK0115: SQL and apikeyctl make keys with the pepper of fingerprint %s, "
                     "which is not one of ApiKeyPepperFile: they are refused here; name its "
                     "file there",
                     fingerprint);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "AK0116: SQL and apikeyctl make keys without a pepper, which "
                     "ApiKeyPepperFile asks for: they are refused here; record its "
                     "fingerprint (%s) with apikeyctl, or add the word none",
                     peppers->pepper[0].fingerprint);
    }
}

void apikey_settings_check(server_rec *s, apr_pool_t *pool)
{
    settings_t settings = {.pool = pool};
    const char *why;
    const apikey_db_status_t rv = apikey_dbd_run(s, pool, read_settings, &settings, &why);

    if (rv == APIKEY_DB_UNREACHABLE) {
        return; /* it is asked again */
    }
    atomic_store(&apikey_board_realm(s)->settings_checked, 1);
    if (rv == APIKEY_DB_FAILED) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "AK0117: api_key_settings cannot be read: %s", why);
        return;
    }
    if (settings.version) {
        compare_version(s, settings.version);
    }
    if (settings.prefix) {
        compare_prefix(s, settings.prefix);
    }
    if (settings.pepper) {
        compare_pepper(s, settings.pepper);
    }
    if (!settings.events || strcmp(settings.events, "triggers") != 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "AK0118: the triggers of the audit trail are not installed: what is done "
                     "to keys is not put on record (load schema.sql as an account that may "
                     "create triggers)");
    }
}

bool apikey_settings_due(const server_rec *s, int64_t now_ms)
{
    apikey_realm_t *realm = apikey_board_realm(s);

    return apikey_server_conf(s)->refresh && apikey_board_facts() &&
           !atomic_load(&realm->settings_checked) &&
           apikey_board_due(&realm->settings_due_ms, now_ms, AGAIN_MS);
}
