/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

#include <stddef.h>

/* What names no key is logged at info: whoever sends junk must not fill the log, and a line
 * costs more than the check. Somebody's key that is refused is a warning. */
static const apikey_verdict_info_t table[] = {
    [APIKEY_NO_VERDICT] = {"", 500, NULL, 0, 3},
    [APIKEY_MISSING] = {"missing", 401, NULL, 1, 6},
    [APIKEY_MALFORMED] = {"malformed", 400, "invalid_request", 1, 6},
    [APIKEY_NOT_FOUND] = {"not_found", 401, "invalid_token", 1, 6},
    [APIKEY_WRONG_TYPE] = {"wrong_type", 401, "invalid_token", 1, 4},
    [APIKEY_REVOKED] = {"revoked", 401, "invalid_token", 1, 4},
    [APIKEY_EXPIRED] = {"expired", 401, "invalid_token", 1, 4},
    [APIKEY_UNUSABLE] = {"unusable", 401, "invalid_token", 1, 3},
    [APIKEY_UNAVAILABLE] = {"unavailable", 503, NULL, 0, 6}, /* breaker.c says why, once */
    [APIKEY_INSUFFICIENT_SCOPE] = {"insufficient_scope", 403, "insufficient_scope", 1, 6},
    [APIKEY_FORBIDDEN] = {"forbidden", 403, NULL, 0, 6},
    [APIKEY_VALID] = {"valid", 0, NULL, 0, 7},
};

const apikey_verdict_info_t *apikey_verdict_info(apikey_verdict_t verdict)
{
    const unsigned int i = (unsigned int)verdict;
    return &table[i < sizeof(table) / sizeof(table[0]) ? i : 0];
}
