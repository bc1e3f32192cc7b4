/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "encode.h"
#include "judge.h"
#include "packed.h"
#include "scope.h"
#include "store_row.h"

#include <apr_strings.h>
#include <string.h>

/* The tables may be a site's own views, without our CHECKs: nothing in a row is taken on
 * trust. */
static const char *why_unusable(const apikey_col_t *cols, uint64_t id, apikey_owner_t type)
{
    const apikey_col_t *owner = &cols[APIKEY_FIND_OWNER];
    const apikey_col_t *scopes = &cols[APIKEY_FIND_SCOPES];

    if (id == 0 || id > INT64_MAX) {
        return "the key has no id, which is a whole number above 0";
    }
    if (!apikey_store_text(owner)) {
        return "the owner id is NULL, too long or contains a NUL byte";
    }
    if (!apikey_store_text(scopes) || scopes->len > APIKEY_SCOPES_MAX ||
        !apikey_scope_list_ok(scopes->data, scopes->len)) {
        return "the scopes are not a list of RFC 6750 scope-tokens of at most 1000 bytes";
    }
    return apikey_judge_owner(type, owner->data, owner->len);
}

/* A time that is no number has long passed. */
static int64_t expiry(const apikey_col_t *col)
{
    return col->null ? APIKEY_NEVER : apikey_packed_number(col);
}

/* Owner and scopes lie side by side in the row: one piece. */
static void copy_texts(apikey_record_t *record, const apikey_col_t *owner,
                       const apikey_col_t *scopes, apr_pool_t *pool)
{
    const char *end = scopes->data + scopes->len + 1;

    record->owner = apr_pmemdup(pool, owner->data, (size_t)(end - owner->data));
    record->scopes = record->owner + (scopes->data - owner->data);
    record->plain =
        apikey_encode_is_plain(record->owner) && apikey_encode_is_plain(record->scopes);
}

static apikey_record_t *record_of(const apikey_col_t *cols, apr_pool_t *pool)
{
    apikey_record_t *record = apr_palloc(pool, sizeof(*record));
    const int64_t key_ms = expiry(&cols[APIKEY_FIND_KEY_EXPIRES]);
    const int64_t secret_ms = expiry(&cols[APIKEY_FIND_SECRET_EXPIRES]);
    const apikey_col_t *revoked = &cols[APIKEY_FIND_REVOKED];

    record->id = (uint64_t)apikey_packed_number(&cols[APIKEY_FIND_ID]);
    record->owner_type =
        apikey_store_owner_type(apikey_store_text(&cols[APIKEY_FIND_OWNER_TYPE]));
    record->expires_ms = key_ms < secret_ms ? key_ms : secret_ms;
    record->revoked = revoked->len != 1 || *revoked->data != '0';
    record->owner = record->scopes = "";
    record->plain = false;
    record->unusable = why_unusable(cols, record->id, record->owner_type);
    if (!record->unusable) {
        copy_texts(record, &cols[APIKEY_FIND_OWNER], &cols[APIKEY_FIND_SCOPES], pool);
    }
    return record;
}

typedef struct {
    const apikey_digests_t *digests;
    int best; /* index of the digest the record was found by */
    apr_pool_t *pool;
    const apikey_record_t *record;
} find_t;

/* Longer than the server sends (max_allowed_packet), say. */
static const apikey_record_t unreadable = {
    .owner = "", .scopes = "", .unusable = "the database's answer cannot be read"};

static bool find_row(const apikey_col_t *packed, void *baton)
{
    find_t *find = baton;
    apikey_col_t cols[APIKEY_FIND_COUNT];
    const apikey_col_t *digest = &cols[APIKEY_FIND_DIGEST];
    int i;

    if (!apikey_packed_read(packed, cols, APIKEY_FIND_COUNT)) {
        find->record = &unreadable;
        return false;
    }
    for (i = 0; i < find->best; i++) {
        /* Equal to us, not only to the column's collation. */
        if (digest->len == APIKEY_DIGEST_LEN &&
            memcmp(digest->data, find->digests->digest[i], APIKEY_DIGEST_LEN) == 0) {
            find->best = i;
            find->record = record_of(cols, find->pool);
        }
    }
    return find->best > 0; /* else there can be no better one */
}

apikey_db_status_t apikey_store_find(apikey_db_t *db, const apikey_digests_t *digests,
                                     apr_pool_t *pool, const apikey_record_t **record)
{
    const int args_wanted = digests->count == 1 ? 1 : APIKEY_DIGESTS_MAX;
    apikey_arg_t args[APIKEY_DIGESTS_MAX];
    find_t find = {digests, digests->count, pool, NULL};
    apikey_db_status_t rv;
    int i;

    for (i = 0; i < args_wanted; i++) {
        args[i] =
            apikey_arg_bytes(digests->digest[i < digests->count ? i : 0], APIKEY_DIGEST_LEN);
    }
    rv = apikey_db_run(db, args_wanted == 1 ? APIKEY_SQL_FIND : APIKEY_SQL_FIND_ANY, args,
                       find_row, &find);
    *record = rv == APIKEY_DB_OK ? find.record : NULL;
    return rv;
}

typedef struct {
    apr_pool_t *pool;
    const char *value;
} setting_t;

static bool setting_row(const apikey_col_t *cols, void *baton)
{
    setting_t *setting = baton;
    const char *value = apikey_store_text(&cols[0]);

    setting->value = value ? apr_pstrdup(setting->pool, value) : NULL;
    return true;
}

apikey_db_status_t apikey_store_get_setting(apikey_db_t *db, const char *name, apr_pool_t *pool,
                                            const char **value)
{
    const apikey_arg_t args[] = {apikey_arg_text(name)};
    setting_t setting = {pool, NULL};
    const apikey_db_status_t rv =
        apikey_db_run(db, APIKEY_SQL_GET_SETTING, args, setting_row, &setting);

    *value = setting.value;
    return rv;
}

apikey_db_status_t apikey_store_set_setting(apikey_db_t *db, const char *name,
                                            const char *value)
{
    const apikey_arg_t args[] = {apikey_arg_text(name), apikey_arg_text(value)};
    return apikey_db_run(db, APIKEY_SQL_SET_SETTING, args, NULL, NULL);
}

typedef struct {
    apikey_setting_fn each;
    void *baton;
} settings_t;

static bool settings_row(const apikey_col_t *cols, void *baton)
{
    const settings_t *settings = baton;
    const char *name = apikey_store_text(&cols[0]);
    const char *value = apikey_store_text(&cols[1]);

    if (name && value) {
        settings->each(name, value, settings->baton);
    }
    return true;
}

apikey_db_status_t apikey_store_settings(apikey_db_t *db, apikey_setting_fn each, void *baton)
{
    settings_t settings = {each, baton};

    return apikey_db_run(db, APIKEY_SQL_SETTINGS, NULL, settings_row, &settings);
}
