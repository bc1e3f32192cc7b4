/* SPDX-License-Identifier: Apache-2.0 */
/* Keys in the database, in terms of records: find, create, list, show, revoke, settings. */
#ifndef APIKEY_STORE_H
#define APIKEY_STORE_H

#include "apikey.h"
#include "db.h"
#include "digest.h"

/* Finds the key of a credential by its digests, an earlier digest before a later one.
 * `*record` is allocated from `pool` with all its strings, or NULL where no such key is stored.
 * A row that identifies nobody is a record with `unusable` set. */
apikey_db_status_t apikey_store_find(apikey_db_t *db, const apikey_digests_t *digests,
                                     apr_pool_t *pool, const apikey_record_t **record);

typedef struct {
    apikey_owner_t owner_type;
    const char *owner;
    const char *description;
    const char *scopes;
    int64_t expires_ms; /* APIKEY_NEVER */
    unsigned char digest[APIKEY_DIGEST_LEN];
    const char *fingerprint; /* of the pepper; "" for none */
    const char *last_four;
} apikey_new_key_t;

/* Why a new key's fields cannot be stored, with the remedy, or NULL. */
const char *apikey_store_check_new(const apikey_new_key_t *key);

/* Stores a key with its secret, both or neither. */
apikey_db_status_t apikey_store_create(apikey_db_t *db, const apikey_new_key_t *key,
                                       uint64_t *id);

/* Revokes. A key revoked before keeps its first time. `*changed` says whether it was this call.
 */
apikey_db_status_t apikey_store_revoke(apikey_db_t *db, uint64_t id, bool *changed);

/* One key as an administrator sees it. Times are milliseconds since 1970 UTC; APIKEY_NEVER
 * where the column is NULL. */
typedef struct {
    uint64_t id;
    const char *owner_type, *owner, *description, *scopes, *last_four, *created_by;
    const char *revoked_by, *status, *used_ip;
    bool is_public;
    int64_t created_ms, expires_ms, revoked_ms, used_ms;
    uint64_t uses;
} apikey_listed_t;

/* Called for each key, whose strings are valid until it returns; false ends the listing. */
typedef bool (*apikey_listed_fn)(const apikey_listed_t *key, void *baton);

typedef struct {
    apikey_owner_t owner_type; /* APIKEY_OWNER_NONE: everybody's */
    const char *owner;
    const char *status; /* "" for any */
    uint64_t before;    /* only ids below this one; 0: from the newest */
    int limit;
} apikey_filter_t;

/* Newest first. */
apikey_db_status_t apikey_store_list(apikey_db_t *db, const apikey_filter_t *filter,
                                     apikey_listed_fn each, void *baton);

/* `*found` says whether there is such a key; `each` was then called once. */
apikey_db_status_t apikey_store_show(apikey_db_t *db, uint64_t id, apikey_listed_fn each,
                                     void *baton, bool *found);

/* `*value` is NULL where there is no such setting. */
apikey_db_status_t apikey_store_get_setting(apikey_db_t *db, const char *name, apr_pool_t *pool,
                                            const char **value);
apikey_db_status_t apikey_store_set_setting(apikey_db_t *db, const char *name,
                                            const char *value);

/* The change feed. "Dirty" calls see rows of transactions that are still open. */
typedef bool (*apikey_change_fn)(uint64_t id, uint64_t key_id, void *baton);

/* A row of the feed, and what tells it from another one that got its id; id 0: none. */
typedef struct {
    uint64_t id;
    uint64_t mark;
} apikey_change_t;

/* The highest id, dirty, 0 for an empty feed; and whether `known` is still there. */
apikey_db_status_t apikey_store_feed_top(apikey_db_t *db, apikey_change_t known,
                                         uint64_t *highest, bool *still_there);

/* The last committed row up to an id. */
apikey_db_status_t apikey_store_feed_last(apikey_db_t *db, uint64_t upto,
                                          apikey_change_t *last);

/* Calls `each` for up to `limit` changes above `above` up to `upto`, in their order, dirty. */
apikey_db_status_t apikey_store_feed_read(apikey_db_t *db, uint64_t above, uint64_t upto,
                                          int limit, apikey_change_fn each, void *baton);

/* A number that stands for the rows from `low` to `high`, committed ones or with open ones: as
 * long as it is the same, they are. */
apikey_db_status_t apikey_store_feed_rows(apikey_db_t *db, uint64_t low, uint64_t high,
                                          bool dirty, uint64_t *rows);

/* The same of the first `limit` committed rows above `above`, up to `*last`, which is `upto`
 * where there are fewer. */
apikey_db_status_t apikey_store_feed_page(apikey_db_t *db, uint64_t above, uint64_t upto,
                                          int limit, uint64_t *last, uint64_t *rows);

/* Deletes those of the `limit` first rows that are older than `age_s` seconds. Below `below` no
 * row may be open: a transaction that is would be waited for. `*more` says that there are. */
apikey_db_status_t apikey_store_feed_prune(apikey_db_t *db, uint64_t below, int64_t age_s,
                                           int limit, bool *more);

/* One key's share of a batch of uses. */
typedef struct {
    uint64_t key_id;
    uint64_t count;
    int64_t last_ms;
    const char *address;
} apikey_use_t;

/* Adds a batch, sorted by key id, in one transaction; one of the same writer and sequence that
 * was added before has no effect. */
apikey_db_status_t apikey_store_add_uses(apikey_db_t *db, const char *writer, uint64_t sequence,
                                         const apikey_use_t *uses, unsigned int count);

#endif
