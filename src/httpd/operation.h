/* SPDX-License-Identifier: Apache-2.0 */
/* One thing that somebody wants done by the management API: who, where, what, and what became
 * of it. It belongs to its job (job.h): the request that it came with may be gone before it is
 * done, so nothing here points to that. */
#ifndef APIKEY_OPERATION_H
#define APIKEY_OPERATION_H

#include "job.h"
#include "mount.h"
#include "request.h"

#include <jansson.h>

/* Why something was not done. The table of code, status and text is in operation.c. */
typedef enum {
    APIKEY_ERROR_INTERNAL = 0,
    APIKEY_ERROR_SCHEMA,       /* the request is not well-formed */
    APIKEY_ERROR_SWITCHED_OFF, /* ApiKeyUserKeys or ApiKeyTeamKeys */
    APIKEY_ERROR_WRONG_TYPE,   /* of a key that was to be checked */
    APIKEY_ERROR_NO_USER,
    APIKEY_ERROR_CHECKED_REVOKED,
    APIKEY_ERROR_CHECKED_EXPIRED,
    APIKEY_ERROR_FORBIDDEN,
    APIKEY_ERROR_ORIGIN,
    APIKEY_ERROR_CONTENT_TYPE,
    APIKEY_ERROR_NO_ROUTE,
    APIKEY_ERROR_NO_KEY,
    APIKEY_ERROR_NO_TEAM,
    APIKEY_ERROR_METHOD,
    APIKEY_ERROR_TIMEOUT,
    APIKEY_ERROR_REVOKED, /* so it cannot be rotated */
    APIKEY_ERROR_EXPIRED,
    APIKEY_ERROR_TOO_MANY_KEYS,
    APIKEY_ERROR_TOO_MANY_SECRETS,
    APIKEY_ERROR_REPEATED, /* an Idempotency-Key */
    APIKEY_ERROR_TOO_LARGE,
    APIKEY_ERROR_UNAVAILABLE, /* the database; nothing was changed */
    APIKEY_ERROR_OUTCOME_UNKNOWN,
    APIKEY_ERROR_NONE /* it was done */
} apikey_error_t;

typedef struct {
    const char *code;
    int status;
    const char *text;
} apikey_error_info_t;

const apikey_error_info_t *apikey_error_info(apikey_error_t error);

typedef struct {
    apikey_job_t *job;
    apr_pool_t *pool; /* the job's */

    /* Where. Configuration, which outlives all jobs. */
    const apikey_server_conf_t *server;
    const apikey_mount_t *mount;
    const apr_array_header_t *grantable; /* ApiKeyScopes */
    int max_keys;
    bool user_keys, team_keys; /* the switches */

    /* Who. */
    const char *user;           /* REMOTE_USER */
    const char *actor;          /* the same for the audit trail, in UTF-8 whatever it is */
    const char *client;         /* address */
    const apikey_record_t *key; /* the key that logged in, or NULL */
    /* To ask about it again; NULL where it was looked up elsewhere, in memory perhaps. */
    const apikey_digests_t *key_digests;

    /* What. */
    const char *name;    /* of the operation, for the audit trail: "create" */
    apikey_owner_t type; /* of the keys it is about; APIKEY_OWNER_NONE: any */
    const char *owner;   /* NULL: not said */
    uint64_t id;         /* of the key it is about; 0: none */
    apr_table_t *query;
    json_t *input; /* the body, an object; NULL where there is none */
    const char *description, *scopes, *status, *idempotency_key; /* NULL: not said */
    int64_t expires_ms, grace_s;
    bool is_public, revoke;
    uint64_t before; /* a page of a list: keys below this id, */
    int limit;       /* at most so many; 0: not said */
    apikey_digests_t digests;

    /* What became of it. */
    apikey_error_t error;
    const char *text;      /* instead of the error's own */
    json_t *details;       /* of the error, or NULL */
    json_t *answer;        /* unless there is an error */
    bool changed;          /* for the log */
    const char *complaint; /* for the log, or NULL */
    struct {
        bool denied; /* the error is that the caller may not do this with keys of: */
        apikey_owner_t type;
        const char *owner;
        uint64_t id;
    } denial;
    char secret[APIKEY_KEY_MAX + 1]; /* a new one; cleansed with the job */
} apikey_operation_t;

/* An operation of this request's caller at this request's location. The caller releases its
 * job, and with it all that belongs to it. */
apikey_operation_t *apikey_operation_make(request_rec *r, const apikey_mount_t *mount);

/* Says that it is not done and why. `text` may be NULL for the error's own, `details` too; the
 * latter's reference is taken. False, for the convenience of who returns that. */
bool apikey_operation_refuse(apikey_operation_t *op, apikey_error_t error, const char *text,
                             json_t *details);

/* The same for a request that is not well-formed: which field, and what is wrong with it. */
bool apikey_operation_refuse_field(apikey_operation_t *op, const char *field, const char *text);

/* Says that it is done, with the answer (whose reference is taken). */
void apikey_operation_answer(apikey_operation_t *op, json_t *answer);

#endif
