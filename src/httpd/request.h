/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about one request: its verdict and identity, and what the whole call (a
 * client's request with its redirects and subrequests) has learned so far.
 *
 * Everything here is allocated from the pool of the request it belongs to, or, for the call and
 * its records, from the initial request's; one thread at a time works on a call. */
#ifndef APIKEY_REQUEST_H
#define APIKEY_REQUEST_H

#include "config.h"

#include "../core/apikey.h"
#include "../core/facts.h"
#include "../core/digest.h"
#include "../core/keyfmt.h"
#include "../core/mac.h"
#include "../core/meter.h"
#include "../core/verdict.h"

#include <httpd.h>

/* The properties by which applications, logs and expressions know a caller. */
typedef enum {
    APIKEY_FIELD_ID,
    APIKEY_FIELD_OWNER_TYPE,
    APIKEY_FIELD_OWNER,
    APIKEY_FIELD_USER,
    APIKEY_FIELD_TEAM,
    APIKEY_FIELD_SCOPES,
    APIKEY_FIELD_EXPIRES,
    APIKEY_FIELD_STATUS, /* the last, and all there is of a caller who is not known */
    APIKEY_FIELD_COUNT
} apikey_field_t;

enum { APIKEY_NUMBER_SIZE = 21 }; /* sign or twentieth digit, and NUL */

/* What a header held. It is kept, without its text, for redirects: they come when the header
 * is gone. */
typedef struct apikey_credential_t {
    struct apikey_credential_t *next; /* that this call saw before */
    const char *header;               /* as configured */
    const char *text;                 /* only until it was looked up or digested */
    size_t len;
    bool is_shaped;    /* as our keys are (apikey_keyfmt_shaped()) */
    bool is_token;     /* it must be what RFC 6750 calls a b64token */
    bool may_be_known; /* by its look and length: to memory, by its mac */
    apikey_mac_t mac;

    /* Where memory does not know it (apikey_credential_examine()). */
    bool examined;
    bool malformed;
    bool checkable; /* not so where the form alone says that no such key exists */
    apikey_form_t form;
    const apikey_digests_t *digests; /* made when the database has to be asked */

    bool failed; /* the database could not be asked */
    bool looked_up;
    bool for_managing;             /* looked up where keys may manage keys: in the database */
    const apikey_record_t *record; /* once looked up; NULL: no such key */
} apikey_credential_t;

/* A subrequest that has a configuration of its own, as it went through its fixups: mod_dir and
 * mod_negotiation may put it into the request that it was made for, without another word. */
typedef struct apikey_followup_t {
    struct apikey_followup_t *next;
    struct apikey_followup_t **all; /* of its call, which it leaves with its pool */
    const request_rec *parent;
    const void *policy; /* its per_dir_config */
    apikey_verdict_t verdict;
    const apikey_record_t *record;
} apikey_followup_t;

typedef struct {
    apr_pool_t *pool;                 /* of the initial request */
    apikey_credential_t *credentials; /* all seen in this call, the latest first */
    const char *basic_header;         /* an Authorization of Basic that was taken away */
    const char *token_header;         /* an Authorization that mod_auth_bearer asked about */
    bool checked_by_basic;            /* our Basic provider judged a password in this call */
    bool counted;                     /* as a use of its key */
    bool metered;                     /* as a request, by its verdict */
    apikey_learned_t learned;         /* how what is known of its credential was */

    apikey_followup_t *followups; /* the latest first */

    apikey_credential_t room; /* for the first credential; seldom is there another */
    apikey_brief_t brief;     /* and for its record, where memory knows it */
} apikey_call_t;

typedef struct {
    apikey_verdict_t verdict;
    const void *policy;                    /* the per_dir_config that judged */
    const char *user;                      /* REMOTE_USER; NULL unless the caller is known */
    const char *value[APIKEY_FIELD_COUNT]; /* encoded; NULL: not to be had */
    uint64_t key_id;                       /* 0: unknown */
    const apikey_record_t *record;         /* what was judged, or NULL */
    apr_array_header_t *missing;           /* scopes that a Require line wanted (authz.c) */
    const void *auth_policy;               /* where `auth` was found out */
    apikey_auth_t auth;
    bool must_authenticate; /* a negated Require line was asked without a user */
    apikey_call_t *call;

    /* Not zeroed: text of two of the values. */
    char id[APIKEY_NUMBER_SIZE], expires[APIKEY_NUMBER_SIZE];
} apikey_request_t;

/* This request's own state, made when there is none. */
apikey_request_t *apikey_request_make(request_rec *r);

/* This request's own state or NULL. */
static inline apikey_request_t *apikey_request_own(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &authn_apikey_module);
}

/* The state that speaks for this request: its own if it was judged, else the nearest one it
 * came from by redirect or subrequest. NULL where nothing was judged. */
apikey_request_t *apikey_request_inherited(const request_rec *r);

static inline apikey_request_t *apikey_request_judged(const request_rec *r)
{
    apikey_request_t *own = apikey_request_own(r);
    return own && own->verdict != APIKEY_NO_VERDICT ? own : apikey_request_inherited(r);
}

/* As above, but only where the same policy judged: for authorization. */
apikey_request_t *apikey_request_authenticated(const request_rec *r);

/* AUTH_TYPE as it was where the state that speaks for this request was made; may be NULL. */
char *apikey_request_auth_type(const request_rec *r);

/* How the location of this request asks who calls; AuthType is an expression, evaluated once.
 */
apikey_auth_t apikey_request_find_auth(request_rec *r);

static inline apikey_auth_t apikey_request_auth(request_rec *r)
{
    const apikey_request_t *own = apikey_request_own(r);
    return own && own->auth_policy == r->per_dir_config ? own->auth
                                                        : apikey_request_find_auth(r);
}

/* What the call has learned; NULL before anything was. */
apikey_call_t *apikey_request_first_call(const request_rec *r);

static inline apikey_call_t *apikey_request_call(const request_rec *r)
{
    const apikey_request_t *own = apikey_request_own(r);
    return own ? own->call : apikey_request_first_call(r);
}

/* Records a verdict about this request and everything that follows from it but the answer:
 * user, values, one line in the error log. `record` may be NULL, and so may `why`, which adds a
 * reason to that line. */
apikey_request_t *apikey_request_decide(request_rec *r, apikey_verdict_t verdict,
                                        const apikey_record_t *record, const char *why);

/* The same without the line in the error log, for a verdict that was logged before. */
apikey_request_t *apikey_request_adopt(request_rec *r, apikey_verdict_t verdict,
                                       const apikey_record_t *record);

/* Counts a call by its verdict, once, for those who watch the server. A refusal is counted when
 * it is decided; a valid key, which Require lines may yet refuse, when it is let in. */
void apikey_request_meter(const request_rec *r, const apikey_request_t *state);

#endif
