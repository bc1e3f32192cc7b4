/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "encode.h"
#include "judge.h"
#include "keyfmt.h"
#include "scope.h"
#include "utf8.h"

#include <apr_strings.h>
#include <string.h>

/* A text column that has the whole value and no NUL inside, or NULL. */
static const char *whole_text(const apikey_col_t *col)
{
    return col->null || col->truncated || memchr(col->data, '\0', col->len) ? NULL : col->data;
}

static apikey_owner_t owner_type_of(const char *text)
{
    if (text && strcmp(text, "user") == 0) {
        return APIKEY_OWNER_USER;
    }
    return text && strcmp(text, "team") == 0 ? APIKEY_OWNER_TEAM : APIKEY_OWNER_NONE;
}

static int64_t time_of(const apikey_col_t *col)
{
    return col->null ? APIKEY_NEVER : col->number;
}

/* The tables may be a site's own views, without our CHECKs: nothing in a row is taken on
 * trust. */
static const char *why_unusable(const apikey_col_t *cols, apikey_owner_t type)
{
    const apikey_col_t *owner = &cols[APIKEY_FIND_OWNER];
    const apikey_col_t *scopes = &cols[APIKEY_FIND_SCOPES];

    if (cols[APIKEY_FIND_ID].null || cols[APIKEY_FIND_ID].number <= 0) {
        return "the key has no id, which is a whole number above 0";
    }
    if (!whole_text(owner)) {
        return "the owner id is NULL, too long or contains a NUL byte";
    }
    if (!whole_text(scopes) || scopes->len > APIKEY_SCOPES_MAX ||
        !apikey_scope_list_ok(scopes->data, scopes->len)) {
        return "the scopes are not a list of RFC 6750 scope-tokens of at most 1000 bytes";
    }
    return apikey_judge_owner(type, owner->data, owner->len);
}

static apikey_record_t *record_of(const apikey_col_t *cols, apr_pool_t *pool)
{
    apikey_record_t *record = apr_pcalloc(pool, sizeof(*record));
    const int64_t key_ms = time_of(&cols[APIKEY_FIND_KEY_EXPIRES]);
    const int64_t secret_ms = time_of(&cols[APIKEY_FIND_SECRET_EXPIRES]);

    record->id = (uint64_t)cols[APIKEY_FIND_ID].number;
    record->owner_type = owner_type_of(whole_text(&cols[APIKEY_FIND_OWNER_TYPE]));
    record->unusable = why_unusable(cols, record->owner_type);
    record->owner = record->unusable ? "" : apr_pstrdup(pool, cols[APIKEY_FIND_OWNER].data);
    record->scopes = record->unusable ? "" : apr_pstrdup(pool, cols[APIKEY_FIND_SCOPES].data);
    record->expires_ms = key_ms < secret_ms ? key_ms : secret_ms;
    record->revoked = cols[APIKEY_FIND_REVOKED].null || cols[APIKEY_FIND_REVOKED].number != 0;
    record->plain =
        apikey_encode_is_plain(record->owner) && apikey_encode_is_plain(record->scopes);
    return record;
}

typedef struct {
    const apikey_digests_t *digests;
    int best; /* index of the digest the record was found by */
    apr_pool_t *pool;
    apikey_record_t *record;
} find_t;

static bool find_row(const apikey_col_t *cols, void *baton)
{
    find_t *find = baton;
    const apikey_col_t *digest = &cols[APIKEY_FIND_DIGEST];
    int i;

    for (i = 0; i < find->best; i++) {
        /* Equal to us, not only to the column's collation. */
        if (digest->len == APIKEY_DIGEST_LEN &&
            memcmp(digest->data, find->digests->digest[i], APIKEY_DIGEST_LEN) == 0) {
            find->best = i;
            find->record = record_of(cols, find->pool);
        }
    }
    return true;
}

apikey_db_status_t apikey_store_find(apikey_db_t *db, const apikey_digests_t *digests,
                                     apr_pool_t *pool, const apikey_record_t **record)
{
    apikey_arg_t args[APIKEY_DIGESTS_MAX];
    find_t find = {digests, digests->count, pool, NULL};
    apikey_db_status_t rv;
    int i;

    for (i = 0; i < APIKEY_DIGESTS_MAX; i++) {
        args[i] =
            apikey_arg_bytes(digests->digest[i < digests->count ? i : 0], APIKEY_DIGEST_LEN);
    }
    rv = apikey_db_run(db, digests->count == 1 ? APIKEY_SQL_FIND : APIKEY_SQL_FIND_ANY, args,
                       find_row, &find);
    *record = rv == APIKEY_DB_OK ? find.record : NULL;
    return rv;
}

const char *apikey_store_check_new(const apikey_new_key_t *key)
{
    const char *why = apikey_judge_owner(key->owner_type, key->owner, strlen(key->owner));
    const int owner_chars = apikey_utf8_chars(key->owner);
    const int description_chars = apikey_utf8_chars(key->description);

    if (why) {
        return why;
    }
    if (owner_chars < 0) {
        return "the owner id is not UTF-8";
    }
    if (owner_chars > 255) {
        return "the owner id is longer than 255 characters";
    }
    if (description_chars < 0) {
        return "the description is not UTF-8";
    }
    if (description_chars > 255) {
        return "the description is longer than 255 characters";
    }
    if (strlen(key->scopes) > APIKEY_SCOPES_MAX) {
        return "the scopes are longer than 1000 bytes";
    }
    return apikey_scope_list_ok(key->scopes, strlen(key->scopes))
               ? NULL
               : "scopes are words of printable ASCII without quote and backslash, one space "
                 "between two, and no bare *";
}

static const char *const owner_types[] = {NULL, "user", "team"};

apikey_db_status_t apikey_store_create(apikey_db_t *db, const apikey_new_key_t *key,
                                       uint64_t *id)
{
    const apikey_arg_t key_args[] = {
        apikey_arg_text(owner_types[key->owner_type]),
        apikey_arg_text(key->owner),
        apikey_arg_text(key->description),
        apikey_arg_text(key->scopes),
        apikey_arg_text(key->last_four),
        key->expires_ms == APIKEY_NEVER ? apikey_arg_text(NULL)
                                        : apikey_arg_int(key->expires_ms * 1000),
    };
    apikey_db_status_t rv = apikey_db_begin(db);

    if (rv != APIKEY_DB_OK) {
        return rv;
    }
    rv = apikey_db_run(db, APIKEY_SQL_ADD_KEY, key_args, NULL, NULL);
    if (rv == APIKEY_DB_OK) {
        const apikey_arg_t secret_args[] = {
            apikey_arg_bytes(key->digest, APIKEY_DIGEST_LEN),
            apikey_arg_int((int64_t)(*id = apikey_db_insert_id(db))),
            apikey_arg_text(*key->fingerprint ? key->fingerprint : NULL),
            apikey_arg_text(key->last_four),
        };
        rv = apikey_db_run(db, APIKEY_SQL_ADD_SECRET, secret_args, NULL, NULL);
    }
    if (rv != APIKEY_DB_OK) {
        apikey_db_rollback(db);
        return rv;
    }
    return apikey_db_commit(db);
}

apikey_db_status_t apikey_store_revoke(apikey_db_t *db, uint64_t id, bool *changed)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)id)};
    const apikey_db_status_t rv = apikey_db_run(db, APIKEY_SQL_REVOKE, args, NULL, NULL);

    *changed = rv == APIKEY_DB_OK && apikey_db_affected(db) == 1;
    return rv;
}

typedef struct {
    apikey_listed_fn each;
    void *baton;
    bool called;
} list_t;

static bool list_row(const apikey_col_t *cols, void *baton)
{
    list_t *list = baton;
    const apikey_listed_t key = {
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
        .created_ms = time_of(&cols[APIKEY_LIST_CREATED]),
        .expires_ms = time_of(&cols[APIKEY_LIST_EXPIRES]),
        .revoked_ms = time_of(&cols[APIKEY_LIST_REVOKED]),
        .used_ms = time_of(&cols[APIKEY_LIST_USED]),
        .uses = (uint64_t)cols[APIKEY_LIST_USES].number,
    };

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
        apikey_arg_text(owner_types[filter->owner_type]),
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

typedef struct {
    apr_pool_t *pool;
    const char *value;
} setting_t;

static bool setting_row(const apikey_col_t *cols, void *baton)
{
    setting_t *setting = baton;
    const char *value = whole_text(&cols[0]);

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

/* The only row of a statement that yields numbers. */
typedef struct {
    int64_t number[3];
    int count;
} numbers_t;

static bool keep_numbers(const apikey_col_t *cols, void *baton)
{
    numbers_t *numbers = baton;
    int i;

    for (i = 0; i < numbers->count; i++) {
        numbers->number[i] = cols[i].number; /* 0 for NULL */
    }
    return true;
}

/* Runs a statement that is to see what is not committed yet. The setting is for the one next
 * transaction: it does not stay with the pooled session. */
static apikey_db_status_t run_dirty(apikey_db_t *db, apikey_sql_t statement,
                                    const apikey_arg_t *args, apikey_row_fn row, void *baton)
{
    apikey_db_status_t rv = apikey_db_run(db, APIKEY_SQL_DIRTY_READS, NULL, NULL, NULL);
    const unsigned long session = apikey_db_session(db);

    if (rv != APIKEY_DB_OK) {
        return rv;
    }
    rv = apikey_db_run(db, statement, args, row, baton);
    if (rv == APIKEY_DB_FAILED) {
        apikey_db_rollback(db); /* a statement that did not begin has not used the setting up */
    }
    /* The statement was run again in a new session, which knows nothing of the setting. */
    return rv == APIKEY_DB_OK && apikey_db_session(db) != session ? APIKEY_DB_UNREACHABLE : rv;
}

apikey_db_status_t apikey_store_feed_top(apikey_db_t *db, apikey_change_t known,
                                         uint64_t *highest, bool *still_there)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)known.id)};
    numbers_t found = {.count = 2};
    const apikey_db_status_t rv =
        run_dirty(db, APIKEY_SQL_FEED_TOP, args, keep_numbers, &found);

    *highest = (uint64_t)found.number[0];
    *still_there = (uint64_t)found.number[1] == known.mark;
    return rv;
}

apikey_db_status_t apikey_store_feed_last(apikey_db_t *db, uint64_t upto, apikey_change_t *last)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)upto)};
    numbers_t found = {.count = 2};
    const apikey_db_status_t rv =
        apikey_db_run(db, APIKEY_SQL_FEED_LAST, args, keep_numbers, &found);

    last->id = (uint64_t)found.number[0];
    last->mark = (uint64_t)found.number[1];
    return rv;
}

typedef struct {
    apikey_change_fn each;
    void *baton;
} changes_t;

static bool change_row(const apikey_col_t *cols, void *baton)
{
    const changes_t *changes = baton;
    return changes->each((uint64_t)cols[0].number, (uint64_t)cols[1].number, changes->baton);
}

apikey_db_status_t apikey_store_feed_read(apikey_db_t *db, uint64_t above, uint64_t upto,
                                          int limit, apikey_change_fn each, void *baton)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)above), apikey_arg_int((int64_t)upto),
                                 apikey_arg_int(limit)};
    changes_t changes = {each, baton};

    return run_dirty(db, APIKEY_SQL_FEED_READ, args, change_row, &changes);
}

static uint64_t rows_of(const numbers_t *found)
{
    return (uint64_t)found->number[0] << 32 | (uint64_t)found->number[1];
}

apikey_db_status_t apikey_store_feed_rows(apikey_db_t *db, uint64_t low, uint64_t high,
                                          bool dirty, uint64_t *rows)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)low), apikey_arg_int((int64_t)high)};
    numbers_t found = {.count = 2};
    const apikey_db_status_t rv =
        dirty ? run_dirty(db, APIKEY_SQL_FEED_COUNT, args, keep_numbers, &found)
              : apikey_db_run(db, APIKEY_SQL_FEED_COUNT, args, keep_numbers, &found);

    *rows = rows_of(&found);
    return rv;
}

apikey_db_status_t apikey_store_feed_page(apikey_db_t *db, uint64_t above, uint64_t upto,
                                          int limit, uint64_t *last, uint64_t *rows)
{
    const apikey_arg_t args[] = {apikey_arg_int((int64_t)above), apikey_arg_int((int64_t)upto),
                                 apikey_arg_int(limit)};
    numbers_t found = {.count = 3};
    const apikey_db_status_t rv =
        apikey_db_run(db, APIKEY_SQL_FEED_PAGE, args, keep_numbers, &found);

    *rows = rows_of(&found);
    *last = found.number[0] < limit ? upto : (uint64_t)found.number[2];
    return rv;
}

apikey_db_status_t apikey_store_feed_prune(apikey_db_t *db, uint64_t below, int64_t age_s,
                                           int limit, bool *more)
{
    const apikey_arg_t oldest[] = {apikey_arg_int((int64_t)below), apikey_arg_int(limit),
                                   apikey_arg_int(age_s)};
    numbers_t found = {.count = 1};
    apikey_db_status_t rv =
        apikey_db_run(db, APIKEY_SQL_FEED_OLD, oldest, keep_numbers, &found);

    *more = false;
    if (rv == APIKEY_DB_OK) {
        /* Also where nothing is old: who may not delete should hear of it at once. */
        const apikey_arg_t args[] = {apikey_arg_int(found.number[0]), apikey_arg_int(age_s)};

        rv = apikey_db_run(db, APIKEY_SQL_FEED_PRUNE, args, NULL, NULL);
        *more = rv == APIKEY_DB_OK && apikey_db_affected(db) + 1 >= (uint64_t)limit;
    }
    return rv;
}

/* Many in one statement as long as there are as many: each one is a journey to the database. */
static apikey_db_status_t add_uses(apikey_db_t *db, const apikey_use_t *uses,
                                   unsigned int count)
{
    apikey_arg_t args[4 * APIKEY_SQL_USES];
    apikey_db_status_t rv = APIKEY_DB_OK;
    unsigned int i, j, rows;

    for (i = 0; i < count && rv == APIKEY_DB_OK; i += rows) {
        rows = count - i < APIKEY_SQL_USES ? 1 : APIKEY_SQL_USES;
        for (j = 0; j < rows; j++) {
            args[4 * j] = apikey_arg_int((int64_t)uses[i + j].key_id);
            args[4 * j + 1] = apikey_arg_int(uses[i + j].last_ms * 1000);
            args[4 * j + 2] = apikey_arg_text(uses[i + j].address);
            args[4 * j + 3] = apikey_arg_int((int64_t)uses[i + j].count);
        }
        rv = apikey_db_run(db, rows == 1 ? APIKEY_SQL_ADD_USE : APIKEY_SQL_ADD_USES, args, NULL,
                           NULL);
    }
    return rv;
}

apikey_db_status_t apikey_store_add_uses(apikey_db_t *db, const char *writer, uint64_t sequence,
                                         const apikey_use_t *uses, unsigned int count)
{
    const apikey_arg_t who[] = {apikey_arg_text(writer)};
    const apikey_arg_t done[] = {apikey_arg_int((int64_t)sequence), apikey_arg_text(writer)};
    numbers_t seen = {.count = 1};
    apikey_db_status_t rv;

    /* The writer's row is locked first: of two processes with the same batch, one waits and
     * then finds it written. The row is made beforehand, as to look for one that is not there
     * locks a gap, in which other writers would block each other. */
    if ((rv = apikey_db_run(db, APIKEY_SQL_WRITER_MAKE, who, NULL, NULL)) != APIKEY_DB_OK ||
        (rv = apikey_db_begin(db)) != APIKEY_DB_OK) {
        return rv;
    }
    rv = apikey_db_run(db, APIKEY_SQL_WRITER_SEEN, who, keep_numbers, &seen);
    if (rv == APIKEY_DB_OK && seen.number[0] < (int64_t)sequence) {
        rv = add_uses(db, uses, count);
        if (rv == APIKEY_DB_OK) {
            rv = apikey_db_run(db, APIKEY_SQL_WRITER_NOTE, done, NULL, NULL);
        }
    }
    if (rv != APIKEY_DB_OK) {
        apikey_db_rollback(db);
        return rv;
    }
    return apikey_db_commit(db);
}
