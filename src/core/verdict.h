/* SPDX-License-Identifier: Apache-2.0 */
/* Every outcome of a check and what follows from it, in one table. */
#ifndef APIKEY_VERDICT_H
#define APIKEY_VERDICT_H

typedef enum {
    APIKEY_NO_VERDICT = 0, /* nothing was judged */
    APIKEY_MISSING,
    APIKEY_MALFORMED,
    APIKEY_NOT_FOUND,
    APIKEY_WRONG_TYPE,
    APIKEY_REVOKED,
    APIKEY_EXPIRED,
    APIKEY_UNUSABLE,
    APIKEY_UNAVAILABLE,
    /* From here on the caller is known. */
    APIKEY_INSUFFICIENT_SCOPE,
    APIKEY_FORBIDDEN,
    APIKEY_VALID,
    APIKEY_VERDICT_COUNT
} apikey_verdict_t;

typedef struct {
    const char *name;  /* APIKEY_STATUS */
    int http_status;   /* 0: as the application answers */
    const char *error; /* RFC 6750 section 3.1 error code, NULL: none */
    int challenge;     /* whether a WWW-Authenticate goes with it */
    int severity;      /* log level: 3 error, 4 warn, 6 info, 7 debug (RFC 5424) */
} apikey_verdict_info_t;

/* Never NULL; an unknown value reads as APIKEY_NO_VERDICT, which refuses. */
const apikey_verdict_info_t *apikey_verdict_info(apikey_verdict_t verdict);

/* Whether the caller was established: a valid key, let in or not. */
static inline int apikey_verdict_knows_caller(apikey_verdict_t verdict)
{
    return verdict == APIKEY_INSUFFICIENT_SCOPE || verdict == APIKEY_FORBIDDEN ||
           verdict == APIKEY_VALID;
}

#endif
