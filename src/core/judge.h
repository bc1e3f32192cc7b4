/* SPDX-License-Identifier: Apache-2.0 */
/* The judgement: what a record is worth here and now. Pure; no clock, no I/O. */
#ifndef APIKEY_JUDGE_H
#define APIKEY_JUDGE_H

#include "apikey.h"
#include "verdict.h"

/* Which kinds of key are accepted. */
typedef struct {
    bool user_keys;
    bool team_keys;
} apikey_place_t;

/* Why an owner id of `len` bytes cannot be anybody's, or NULL. It becomes REMOTE_USER and a
 * header: no control characters, no white space at its ends, no user that looks like a team. */
const char *apikey_judge_owner(apikey_owner_t type, const char *owner, size_t len);

/* APIKEY_VALID, or the first that applies of: unknown (NULL), unusable, wrong kind, revoked,
 * expired (strictly before `now_ms`, milliseconds since 1970 UTC). */
apikey_verdict_t apikey_judge(const apikey_record_t *record, const apikey_place_t *place,
                              int64_t now_ms);

#endif
