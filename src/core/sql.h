/* SPDX-License-Identifier: Apache-2.0 */
/* Every SQL statement of the project, in one table. */
#ifndef APIKEY_SQL_H
#define APIKEY_SQL_H

#include <apr_pools.h>
#include <stdbool.h>

/* The schema this code reads and writes; conf/schema.sql stores it in api_key_settings. */
#define APIKEY_SCHEMA_VERSION "2"

typedef enum {
    APIKEY_SQL_FIND,        /* (digest) -> the values of apikey_find_col_t */
    APIKEY_SQL_FIND_ANY,    /* (digest, digest, digest, digest) -> the same */
    APIKEY_SQL_ADD_KEY,     /* (owner type, owner, description, scopes, last four, is public,
                             * created by or NULL, expiry us) */
    APIKEY_SQL_ADD_SECRET,  /* (digest, key id, pepper fingerprint, last four, request) */
    APIKEY_SQL_FIRST_KEY,   /* (owner type, owner) -> the lowest id of a key, or NULL */
    APIKEY_SQL_COUNT_LIVE,  /* (owner type, owner) -> live keys, which stay as they are */
    APIKEY_SQL_LOCK_KEY,    /* (key id) -> id; nobody else changes the key until the end */
    APIKEY_SQL_DESCRIBE,    /* (description, key id) */
    APIKEY_SQL_REVOKE,      /* (key id) */
    APIKEY_SQL_ROTATABLE,   /* (request, key id) -> revoked, expired, live secrets, repeats */
    APIKEY_SQL_END_OTHERS,  /* (key id, digest) the other secrets end now */
    APIKEY_SQL_GRACE,       /* (grace s, key id, digest) the other secrets end then */
    APIKEY_SQL_LAST_FOUR,   /* (last four, key id) */
    APIKEY_SQL_KNOWN,       /* (digest, APIKEY_SQL_BATCH times) -> those that are stored */
    APIKEY_SQL_ADD_SECRETS, /* (digest, key id, pepper, last four), APIKEY_SQL_BATCH times */
    APIKEY_SQL_DEAD,        /* (above id, age s, age s, limit) -> ids of keys dead so long */
    APIKEY_SQL_DELETE_DEAD, /* (key id, age s, age s) */
    APIKEY_SQL_DELETE_USE,  /* (key id) */
    APIKEY_SQL_SHOW,        /* (key id) -> the columns of apikey_list_col_t */
    APIKEY_SQL_SHOW_FOUND,  /* (digest) -> the same, then those of apikey_secret_col_t */
    APIKEY_SQL_SECRETS,     /* (key id) -> the columns of apikey_secret_col_t, oldest first */
    APIKEY_SQL_LIST,        /* (before id, status, status, limit) -> the same */
    APIKEY_SQL_LIST_OWNER,  /* (owner type, owner, its bytes, before id, status, status, limit)
                             */
    APIKEY_SQL_GET_SETTING, /* (name) -> value */
    APIKEY_SQL_SET_SETTING, /* (name, value) */
    APIKEY_SQL_SETTINGS,    /* () -> name, value */
    APIKEY_SQL_ACT_AS,      /* (actor, client) */
    APIKEY_SQL_DENIED,      /* (what, owner type, owner, key id) */
    APIKEY_SQL_EVENTS,      /* (before id, key id, key id, since us, limit) -> the columns of
                             * apikey_event_col_t */
    APIKEY_SQL_TEAM_SET,    /* (team, user, manage) */
    APIKEY_SQL_TEAM_REMOVE, /* (team, user) */
    APIKEY_SQL_TEAM_LIST,   /* (team, team) -> team, user, manage */
    APIKEY_SQL_MAY_MANAGE,  /* on a teams table: (team, user) -> team, user, manage */
    APIKEY_SQL_TEAMS_OF,    /* on a teams table: (user) -> the same */
    APIKEY_SQL_FEED_TOP,    /* (known id) -> highest id, mark of the known row */
    APIKEY_SQL_FEED_LAST,   /* (up to id) -> the last id, its mark */
    APIKEY_SQL_FEED_READ,   /* (above id, up to id, limit) -> id, key id */
    APIKEY_SQL_FEED_COUNT,  /* (from id, to id) -> rows, which ones */
    APIKEY_SQL_FEED_PAGE,   /* (above id, up to id, limit) -> rows, which ones, the last id */
    APIKEY_SQL_FEED_OLD,    /* (below id, limit, seconds) -> the last id of the oldest rows */
    APIKEY_SQL_FEED_PRUNE,  /* (below id, seconds) */
    APIKEY_SQL_DIRTY_READS, /* () the next statement sees what is not committed yet */
    APIKEY_SQL_WRITER_MAKE, /* (writer) */
    APIKEY_SQL_WRITER_SEEN, /* (writer) -> last sequence */
    APIKEY_SQL_WRITER_NOTE, /* (sequence, writer) */
    APIKEY_SQL_ADD_USE,     /* (key id, last us, address, count) */
    APIKEY_SQL_ADD_USES,    /* the same, APIKEY_SQL_USES times */
    APIKEY_SQL_COUNT
} apikey_sql_t;

enum { APIKEY_SQL_USES = 25, APIKEY_SQL_BATCH = 25, APIKEY_SQL_NAME_MAX = 64 };

/* The values of a look-up, packed into one column (packed.h), in their order. */
typedef enum {
    APIKEY_FIND_DIGEST,
    APIKEY_FIND_ID,
    APIKEY_FIND_OWNER_TYPE,
    APIKEY_FIND_KEY_EXPIRES,
    APIKEY_FIND_SECRET_EXPIRES,
    APIKEY_FIND_REVOKED,
    APIKEY_FIND_OWNER,
    APIKEY_FIND_SCOPES,
    APIKEY_FIND_COUNT
} apikey_find_col_t;

/* The columns of a listed key, in their order. */
typedef enum {
    APIKEY_LIST_ID,
    APIKEY_LIST_OWNER_TYPE,
    APIKEY_LIST_OWNER,
    APIKEY_LIST_DESCRIPTION,
    APIKEY_LIST_SCOPES,
    APIKEY_LIST_LAST_FOUR,
    APIKEY_LIST_PUBLIC,
    APIKEY_LIST_CREATED,
    APIKEY_LIST_CREATED_BY,
    APIKEY_LIST_EXPIRES,
    APIKEY_LIST_REVOKED,
    APIKEY_LIST_REVOKED_BY,
    APIKEY_LIST_STATUS,
    APIKEY_LIST_USED,
    APIKEY_LIST_USED_IP,
    APIKEY_LIST_USES,
    APIKEY_LIST_COLS
} apikey_list_col_t;

/* The columns of a secret, in their order; behind those of a key where both are read. */
typedef enum {
    APIKEY_SECRET_DIGEST,
    APIKEY_SECRET_PEPPER,
    APIKEY_SECRET_LAST_FOUR,
    APIKEY_SECRET_CREATED,
    APIKEY_SECRET_EXPIRES
} apikey_secret_col_t;

/* The columns of an event, in their order. */
typedef enum {
    APIKEY_EVENT_ID,
    APIKEY_EVENT_AT,
    APIKEY_EVENT_WHAT,
    APIKEY_EVENT_KEY,
    APIKEY_EVENT_OWNER_TYPE,
    APIKEY_EVENT_OWNER,
    APIKEY_EVENT_ACTOR,
    APIKEY_EVENT_ACCOUNT,
    APIKEY_EVENT_CLIENT,
    APIKEY_EVENT_DETAIL
} apikey_event_col_t;

/* The text of a statement; `?` are its arguments, in the order given above. In one that is run
 * on a table of the configuration's choice, APIKEY_SQL_TABLE stands for that table. */
const char *apikey_sql_text(apikey_sql_t statement);

#define APIKEY_SQL_TABLE "{table}"

/* Whether `name` is that of a table, `name` or `schema.name`, each of 1 to 64 of A-Z, a-z, 0-9,
 * `_` and `$`, not digits alone. */
bool apikey_sql_table_ok(const char *name);

/* The text of a statement with the table in it, quoted, from `pool`; NULL where the name is not
 * that of a table. */
const char *apikey_sql_on(apikey_sql_t statement, const char *table, apr_pool_t *pool);

#endif
