/* SPDX-License-Identifier: Apache-2.0 */
#include "lookup.h"

#include "config.h"
#include "dbd.h"

#include "../core/store.h"

#include <http_log.h>

APLOG_USE_MODULE(authn_apikey);

typedef struct {
    const apikey_credential_t *cred;
    apr_pool_t *pool;
    const apikey_record_t *record;
} lookup_t;

static apikey_db_status_t find(apikey_db_t *db, void *baton)
{
    lookup_t *lookup = baton;
    return apikey_store_find(db, &lookup->cred->digests, lookup->pool, &lookup->record);
}

bool apikey_lookup(request_rec *r, apikey_credential_t *cred)
{
    /* The record outlives redirects, as the credential does. */
    lookup_t lookup = {cred, apikey_request_call(r)->credentials->pool, NULL};
    const char *why;

    if (cred->looked_up) {
        return true;
    }
    if (apikey_dbd_run(r->server, r->pool, find, &lookup, &why) != APIKEY_DB_OK) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "AK0020: the database cannot be asked about an API key: %s", why);
        return false;
    }
    cred->record = lookup.record;
    cred->looked_up = true;
    return true;
}
