/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "config.h"
#include "identity.h"
#include "lookup.h"

#include "../core/judge.h"

static apikey_verdict_t verdict_of(request_rec *r, apikey_credential_t *cred)
{
    const apikey_dir_conf_t *conf = apikey_dir_conf(r);
    const apikey_place_t place = {apikey_conf_flag(conf->user_keys, 1) != 0,
                                  apikey_conf_flag(conf->team_keys, 1) != 0};

    int64_t now_ms;

    if (!cred) {
        return APIKEY_MISSING;
    }
    if (!apikey_lookup(r, cred, &now_ms)) {
        return APIKEY_UNAVAILABLE;
    }
    return cred->malformed ? APIKEY_MALFORMED : apikey_judge(cred->record, &place, now_ms);
}

static const char *why_not_ours(const apikey_credential_t *cred)
{
    if (!cred || !cred->examined || cred->malformed || cred->record) {
        return NULL;
    }
    if (cred->form == APIKEY_FORM_DAMAGED) {
        return "wrong length or check digits";
    }
    return cred->checkable ? NULL : "not of our format";
}

apikey_verdict_t apikey_check(request_rec *r, apikey_credential_t *cred)
{
    const apikey_verdict_t verdict = verdict_of(r, cred);
    const apikey_request_t *state =
        apikey_request_decide(r, verdict, cred ? cred->record : NULL, why_not_ours(cred));

    if (verdict == APIKEY_VALID) {
        r->user = (char *)state->user;
    }
    apikey_identity_export(r, state);
    return verdict;
}
