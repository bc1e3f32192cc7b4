/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "store_row.h"

#include <string.h>

static apikey_listed_t listed(const apikey_col_t *cols)
{
    return (apikey_listed_t){
        .id = (uint64_t)cols[APIKEY_LIST_ID].number,
        .owner_type = cols[APIKEY_LIST_OWNER_TYPE].data,
        .owner = cols[APIKEY_LIST_OWNER].data,
        .description = cols[APIKEY_LIST_DESCRIPTION].data,
        .scopes = cols[APIKEY_LIST_SCOPES].data,
        .last_four = cols[APIKEY_LIST_LAST_FOUR].data,
        .created_by = cols[APIKEY_LIST_CREATED_BY].data,
        .revoked_by = cols[APIKEY_LIST_REVOKED_BY].data,
        .status = cols[APIKEY_LIST_STATUS].data,
        .used_ip = cols[APIKEY_LIST_USED_IP].data,
        .is_public = cols[APIKEY_LIST_PUBLIC].number != 0,
        .created_ms = apikey_store_time(&cols[APIKEY_LIST_CREATED]),
        .expires_ms = apikey_store_time(&cols[APIKEY_LIST_EXPIRES]),
        .revoked_ms = apikey_store_time(&cols[APIKEY_LIST_REVOKED]),
        .used_ms = apikey_store_time(&cols[APIKEY_LIST_USED]),
        .uses = (uint64_t)cols[APIKEY_LIST_USES].number,
    };
}

typedef struct {
    apikey_listed_fn each;
    void *baton;
    bool called;
} list_t;

static bool list_row(const apikey_col_t *cols, void *baton)
{
    list_t *list = baton;
    const apikey_listed_t key = listed(cols);

    list->called = true;
    return list->each(&key, list->baton);
}

apikey_db_status_t apikey_store_list(apikey_db_t *db, const apikey_filter_t *filter,
                                     apikey_listed_fn each, void *baton)
{
    const bool owned = filter->owner_type != APIKEY_OWNER_NONE;
    const uint64_t before =
        filter->before && filter->before < INT64_MAX ? filter->before : INT64_MAX;
    const apikey_arg_t args[] = {
        apikey_arg_text(apikey_store_owner_name(filter->owner_type)),
        apikey_arg_text(filter->owner),
        apikey_arg_bytes(filter->owner, owned ? strlen(filter->owner) : 0),
        apikey_arg_int((int64_t)before),
        apikey_arg_text(filter->status),
        apikey_arg_text(filter->status),
        apikey_arg_int(filter->limit),
    };
    list_t list = {each, baton, false};

    return apikey_db_run(db, owned ? APIKEY_SQL_LIST_OWNER : APIKEY_SQL_LIST,
                         args + (owned ? 0 : 3), list_row, &list);
}

apikey_db_status_t apikey_store_show(apikey_db_t *db, uint64_t id, apikey_listed_fn each,
                                     void *baton, bool *found)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)id)};
    list_t list = {each, baton, false};
    const apikey_db_status_t rv = apikey_db_run(db, APIKEY_SQL_SHOW, args, list_row, &list);

    *found = list.called;
    return rv;
}

static apikey_secret_t secret_of(const apikey_col_t *cols)
{
    return (apikey_secret_t){
        .pepper = cols[APIKEY_SECRET_PEPPER].data,
        .last_four = cols[APIKEY_SECRET_LAST_FOUR].data,
        .created_ms = apikey_store_time(&cols[APIKEY_SECRET_CREATED]),
        .expires_ms = apikey_store_time(&cols[APIKEY_SECRET_EXPIRES]),
    };
}

typedef struct {
    apikey_secret_fn each;
    void *baton;
} secrets_t;

static bool secret_row(const apikey_col_t *cols, void *baton)
{
    const secrets_t *secrets = baton;
    const apikey_secret_t secret = secret_of(cols);

    return secrets->each(&secret, secrets->baton);
}

apikey_db_status_t apikey_store_secrets(apikey_db_t *db, uint64_t id, apikey_secret_fn each,
                                        void *baton)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)id)};
    secrets_t secrets = {each, baton};

    return apikey_db_run(db, APIKEY_SQL_SECRETS, args, secret_row, &secrets);
}

typedef struct {
    const unsigned char *digest;
    apikey_found_fn each;
    void *baton;
    bool called;
} found_t;

static bool found_row(const apikey_col_t *cols, void *baton)
{
    found_t *found = baton;
    const apikey_listed_t key = listed(cols);
    const apikey_secret_t secret = secret_of(cols + APIKEY_LIST_COLS);
    const apikey_col_t *digest = &cols[APIKEY_LIST_COLS + APIKEY_SECRET_DIGEST];

    if (digest->len != APIKEY_DIGEST_LEN ||
        memcmp(digest->data, found->digest, APIKEY_DIGEST_LEN) != 0) {
        return true;
    }
    found->called = true;
    found->each(&key, &secret, found->baton);
    return false;
}

apikey_db_status_t apikey_store_find_listed(apikey_db_t *db, const apikey_digests_t *digests,
                                            apikey_found_fn each, void *baton, bool *found)
{
    apikey_db_status_t rv = APIKEY_DB_OK;
    int i;

    *found = false;
    for (i = 0; i < digests->count && rv == APIKEY_DB_OK && !*found; i++) {
        const apikey_arg_t args[] = {apikey_arg_bytes(digests->digest[i], APIKEY_DIGEST_LEN)};
        found_t f = {digests->digest[i], each, baton, false};

        rv = apikey_db_run(db, APIKEY_SQL_SHOW_FOUND, args, found_row, &f);
        *found = f.called;
    }
    return rv;
}
