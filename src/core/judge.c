/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include <string.h>

static const char team_mark[] = "team:";

/* What [[:cntrl:]] means to the database: U+0000 to U+001F and U+007F to U+009F. */
static bool is_control(const char *text, size_t len)
{
    const unsigned char *c = (const unsigned char *)text;

    if (c[0] < 0x7f) { /* nearly all there are */
        return c[0] < 0x20;
    }
    return c[0] == 0x7f || (len > 1 && c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f);
}

const char *apikey_judge_owner(apikey_owner_t type, const char *owner, size_t len)
{
    size_t i;

    if (type != APIKEY_OWNER_USER && type != APIKEY_OWNER_TEAM) {
        return "the owner type is neither user nor team";
    }
    if (len == 0) {
        return "the owner id is empty";
    }
    if (len > APIKEY_OWNER_MAX) {
        return "the owner id is longer than 255 characters";
    }
    for (i = 0; i < len; i++) {
        if (is_control(owner + i, len - i)) {
            return "the owner id contains a control character";
        }
    }
    if (owner[0] == ' ' || owner[len - 1] == ' ') {
        return "the owner id begins or ends with a space";
    }
    if (type == APIKEY_OWNER_USER && strncmp(owner, team_mark, sizeof(team_mark) - 1) == 0) {
        return "a user id must not begin with team:";
    }
    return NULL;
}

apikey_verdict_t apikey_judge(const apikey_record_t *record, const apikey_place_t *place,
                              int64_t now_ms)
{
    if (!record) {
        return APIKEY_NOT_FOUND;
    }
    if (record->unusable || record->owner_type == APIKEY_OWNER_NONE) {
        return APIKEY_UNUSABLE;
    }
    if (record->owner_type == APIKEY_OWNER_USER ? !place->user_keys : !place->team_keys) {
        return APIKEY_WRONG_TYPE;
    }
    if (record->revoked) {
        return APIKEY_REVOKED;
    }
    return record->expires_ms < now_ms ? APIKEY_EXPIRED : APIKEY_VALID;
}
