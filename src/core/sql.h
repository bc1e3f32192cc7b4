/* SPDX-License-Identifier: Apache-2.0 */
/* Every SQL statement of the project, in one table. */
#ifndef APIKEY_SQL_H
#define APIKEY_SQL_H

/* The schema this code reads and writes; conf/schema.sql stores it in api_key_settings. */
#define APIKEY_SCHEMA_VERSION "1"

typedef enum {
    APIKEY_SQL_FIND,        /* (digest) -> the columns of apikey_find_col_t */
    APIKEY_SQL_FIND_ANY,    /* (digest, digest, digest, digest) -> the same */
    APIKEY_SQL_ADD_KEY,     /* (owner type, owner, description, scopes, last four, expiry us) */
    APIKEY_SQL_ADD_SECRET,  /* (digest, key id, pepper fingerprint, last four) */
    APIKEY_SQL_REVOKE,      /* (key id) */
    APIKEY_SQL_SHOW,        /* (key id) -> the columns of apikey_list_col_t */
    APIKEY_SQL_LIST,        /* (before id, status, status, limit) -> the same */
    APIKEY_SQL_LIST_OWNER,  /* (owner type, owner, its bytes, before id, status, status, limit)
                             */
    APIKEY_SQL_GET_SETTING, /* (name) -> value */
    APIKEY_SQL_SET_SETTING, /* (name, value) */
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

enum { APIKEY_SQL_USES = 25 };

/* The columns of a look-up, in their order. */
typedef enum {
    APIKEY_FIND_DIGEST,
    APIKEY_FIND_ID,
    APIKEY_FIND_OWNER_TYPE,
    APIKEY_FIND_OWNER,
    APIKEY_FIND_SCOPES,
    APIKEY_FIND_KEY_EXPIRES,
    APIKEY_FIND_SECRET_EXPIRES,
    APIKEY_FIND_REVOKED
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
    APIKEY_LIST_USES
} apikey_list_col_t;

/* The text of a statement; `?` are its arguments, in the order given above. */
const char *apikey_sql_text(apikey_sql_t statement);

/* Whether a statement only reads, so that it may be run twice. */
int apikey_sql_reads(apikey_sql_t statement);

#endif
