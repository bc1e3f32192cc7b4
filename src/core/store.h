/* SPDX-License-Identifier: Apache-2.0 */
/* Keys in the database, in terms of records. A file for each part: store.c (look-up, settings),
 * store_list.c, store_change.c, store_bulk.c, store_teams.c, store_events.c, store_feed.c,
 * store_usage.c.
 *
 * Whatever changes something is one transaction of its own, begun again a few times where
 * others were in the way. APIKEY_DB_UNREACHABLE leaves open whether it took effect. */
#ifndef APIKEY_STORE_H
#define APIKEY_STORE_H

#include "apikey.h"
#include "db.h"
#include "digest.h"

/* -- look-up and settings: store.c ----------------------------------------------------------
 */

/* Finds the key of a credential by its digests, an earlier digest before a later one.
 * `*record` is allocated from `pool` with all its strings, or NULL where no such key is stored.
 * A row that identifies nobody is a record with `unusable` set. */
apikey_db_status_t apikey_store_find(apikey_db_t *db, const apikey_digests_t *digests,
                                     apr_pool_t *pool, const apikey_record_t **record);

/* `*value` is NULL where there is no such setting. */
apikey_db_status_t apikey_store_get_setting(apikey_db_t *db, const char *name, apr_pool_t *pool,
                                            const char **value);
apikey_db_status_t apikey_store_set_setting(apikey_db_t *db, const char *name,
                                            const char *value);

/* Calls `each` for every setting. */
typedef void (*apikey_setting_fn)(const char *name, const char *value, void *baton);
apikey_db_status_t apikey_store_settings(apikey_db_t *db, apikey_setting_fn each, void *baton);

/* -- keys as an administrator sees them: store_list.c ----------------------------------------
 */

/* Times are milliseconds since 1970 UTC; APIKEY_NEVER where the column is NULL. */
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

/* A secret of a key, without its digest. Times as above; `pepper` is the fingerprint of the one
 * it was digested with, "" for none. */
typedef struct {
    const char *pepper, *last_four;
    int64_t created_ms, expires_ms;
} apikey_secret_t;

typedef bool (*apikey_secret_fn)(const apikey_secret_t *secret, void *baton);

/* The secrets of a key, the oldest first. */
apikey_db_status_t apikey_store_secrets(apikey_db_t *db, uint64_t id, apikey_secret_fn each,
                                        void *baton);

/* Called with the key of a credential and that secret of it which the credential is. */
typedef void (*apikey_found_fn)(const apikey_listed_t *key, const apikey_secret_t *secret,
                                void *baton);

/* The key of a credential, as listed; by its digests, an earlier one before a later one. */
apikey_db_status_t apikey_store_find_listed(apikey_db_t *db, const apikey_digests_t *digests,
                                            apikey_found_fn each, void *baton, bool *found);

/* -- changes of keys: store_change.c ---------------------------------------------------------
 */

/* What became of a change. Nothing was changed but where it is APIKEY_OUTCOME_DONE. */
typedef enum {
    APIKEY_OUTCOME_NONE = 0,
    APIKEY_OUTCOME_NOT_FOUND,
    APIKEY_OUTCOME_REVOKED,
    APIKEY_OUTCOME_EXPIRED,
    APIKEY_OUTCOME_TOO_MANY, /* live keys of the owner, or live secrets of the key */
    APIKEY_OUTCOME_REPEATED, /* an idempotency key seen before */
    APIKEY_OUTCOME_UNCHANGED,
    APIKEY_OUTCOME_DONE
} apikey_outcome_t;

enum {
    APIKEY_SECRETS_MAX = 5,              /* live ones of a key */
    APIKEY_GRACE_MAX_S = 30 * 24 * 3600, /* of a rotation */
    APIKEY_REQUEST_MAX = 255             /* bytes of an idempotency key */
};

typedef struct {
    apikey_owner_t owner_type;
    const char *owner;
    const char *description;
    const char *scopes;
    int64_t expires_ms; /* APIKEY_NEVER */
    bool is_public;
    const char *created_by; /* NULL: whom the session acts for, else its account */
} apikey_new_key_t;

typedef struct {
    unsigned char digest[APIKEY_DIGEST_LEN];
    const char *fingerprint; /* of the pepper; "" for none */
    const char *last_four;   /* "" where unknown */
} apikey_new_secret_t;

/* Why a new key's fields cannot be stored, with the remedy, or NULL. */
const char *apikey_store_check_new(const apikey_new_key_t *key);

/* Why this cannot be a description, with the remedy, or NULL. */
const char *apikey_store_check_description(const char *description);

/* Stores a key with its secret, both or neither: DONE, or TOO_MANY where the owner has
 * `max_live` keys (0: any number) that are neither revoked nor expired. */
apikey_db_status_t apikey_store_create(apikey_db_t *db, const apikey_new_key_t *key,
                                       const apikey_new_secret_t *secret, int max_live,
                                       uint64_t *id, apikey_outcome_t *outcome);

/* Gives a key a new secret, its others ending in `grace_s` seconds (0 to APIKEY_GRACE_MAX_S),
 * at the key's own end, or when they were told before, whichever comes first; with grace 0 at
 * once. DONE, NOT_FOUND, REVOKED, EXPIRED, TOO_MANY (with grace 0 never), or REPEATED where the
 * key has a secret made with the same `idempotency_key` (or NULL). */
apikey_db_status_t apikey_store_rotate(apikey_db_t *db, uint64_t id, int64_t grace_s,
                                       const apikey_new_secret_t *secret,
                                       const char *idempotency_key, apikey_outcome_t *outcome);

/* Changes the description (NULL: leaves it) and revokes, both or neither: DONE, NOT_FOUND, or
 * UNCHANGED. A key revoked before keeps its first time. */
apikey_db_status_t apikey_store_change(apikey_db_t *db, uint64_t id, const char *description,
                                       bool revoke, apikey_outcome_t *outcome);

/* -- many keys: store_bulk.c -----------------------------------------------------------------
 */

/* Stores keys with a secret each in one transaction, but for those whose digest is stored
 * already. `*added` counts the others. */
apikey_db_status_t apikey_store_import(apikey_db_t *db, const apikey_new_key_t *keys,
                                       const apikey_new_secret_t *secrets, unsigned int count,
                                       unsigned int *added);

/* Gives the next keys with a secret each, valid until it is called again; a count of 0: no
 * more. False has all of them undone. */
typedef bool (*apikey_batch_fn)(const apikey_new_key_t **keys,
                                const apikey_new_secret_t **secrets, unsigned int *count,
                                void *baton);

/* The same of all that `next` gives, in one transaction, which is not begun again. Undone
 * because `next` said so is APIKEY_DB_OK with nothing added. */
apikey_db_status_t apikey_store_import_all(apikey_db_t *db, apikey_batch_fn next, void *baton,
                                           uint64_t *added);

enum { APIKEY_PRUNE_MAX = 1000 }; /* keys in one go */

/* Deletes the first `limit` keys (at most APIKEY_PRUNE_MAX) with an id above `*after` that have
 * been revoked or expired for `older_than_s` seconds, with their secrets and usage, in one
 * transaction, and counts them; with `dry_run` only counts them. `*after` becomes the last id
 * looked at; there may be `*more` behind it. */
apikey_db_status_t apikey_store_prune(apikey_db_t *db, int64_t older_than_s, int limit,
                                      bool dry_run, uint64_t *after, int *count, bool *more);

/* -- teams: store_teams.c --------------------------------------------------------------------
 */

typedef bool (*apikey_member_fn)(const char *team, const char *user, bool manage, void *baton);

/* Members of the teams of api_key_team_members: adds or changes, removes (DONE or NOT_FOUND),
 * lists those of a team or (NULL) all. */
apikey_db_status_t apikey_store_team_set(apikey_db_t *db, const char *team, const char *user,
                                         bool manage);
apikey_db_status_t apikey_store_team_remove(apikey_db_t *db, const char *team, const char *user,
                                            apikey_outcome_t *outcome);
apikey_db_status_t apikey_store_team_list(apikey_db_t *db, const char *team,
                                          apikey_member_fn each, void *baton);

/* Whether a user may manage the keys of a team, by a table or view of the site's choice (see
 * apikey_sql_table_ok()). Names are compared byte for byte. */
apikey_db_status_t apikey_store_may_manage(apikey_db_t *db, const char *teams_table,
                                           const char *team, const char *user, bool *may);

/* Calls `each` (with manage true) for the teams whose keys the user may manage, by their names.
 */
apikey_db_status_t apikey_store_teams_of(apikey_db_t *db, const char *teams_table,
                                         const char *user, apikey_member_fn each, void *baton);

/* -- the audit trail: store_events.c ---------------------------------------------------------
 */

/* Whom the session acts for, and for which client (an address), in the audit trail; NULL, NULL:
 * for itself. Cut to 255 characters. While it acts for somebody, every call fails with
 * APIKEY_DB_UNREACHABLE where the session was replaced by another one. Pooled connections set
 * it before and clear it after every change. */
apikey_db_status_t apikey_store_act_as(apikey_db_t *db, const char *actor, const char *client);

/* Puts the attempt of whom the session acts for on record, unless there was one within a
 * minute. `what` is a few words; `owner` NULL and `key_id` 0 where it is about none. */
apikey_db_status_t apikey_store_denied(apikey_db_t *db, const char *what,
                                       apikey_owner_t owner_type, const char *owner,
                                       uint64_t key_id);

typedef struct {
    uint64_t id;
    int64_t at_ms; /* since 1970 UTC */
    const char
        *what;       /* created, imported, updated, rotated, revoked, deleted, pruned, denied */
    uint64_t key_id; /* 0: of none */
    const char *owner_type, *owner; /* "" for none */
    const char *actor, *account, *client, *detail;
} apikey_event_t;

typedef bool (*apikey_event_fn)(const apikey_event_t *event, void *baton);

typedef struct {
    uint64_t key_id;  /* 0: of all keys */
    int64_t since_ms; /* since 1970 UTC; 0: from the first */
    uint64_t before;  /* only ids below this one; 0: from the newest */
    int limit;
} apikey_event_filter_t;

/* Newest first. */
apikey_db_status_t apikey_store_events(apikey_db_t *db, const apikey_event_filter_t *filter,
                                       apikey_event_fn each, void *baton);

/* -- the change feed: store_feed.c -----------------------------------------------------------
 */

/* "Dirty" calls see rows of transactions that are still open. */
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

/* That of two stretches together. */
uint64_t apikey_store_feed_rows_sum(uint64_t one, uint64_t other);

/* The same of the first `limit` committed rows above `above`, up to `*last`, which is `upto`
 * where there are fewer. */
apikey_db_status_t apikey_store_feed_page(apikey_db_t *db, uint64_t above, uint64_t upto,
                                          int limit, uint64_t *last, uint64_t *rows);

/* Deletes those of the `limit` first rows that are older than `age_s` seconds. Below `below` no
 * row may be open: a transaction that is would be waited for. `*more` says that there are. */
apikey_db_status_t apikey_store_feed_prune(apikey_db_t *db, uint64_t below, int64_t age_s,
                                           int limit, bool *more);

/* -- usage: store_usage.c --------------------------------------------------------------------
 */

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
