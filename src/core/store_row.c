/* SPDX-License-Identifier: Apache-2.0 */
#include "store_row.h"

#include <string.h>

const char *apikey_store_text(const apikey_col_t *col)
{
    return col->null || col->truncated || memchr(col->data, '\0', col->len) ? NULL : col->data;
}

int64_t apikey_store_time(const apikey_col_t *col)
{
    return col->null ? APIKEY_NEVER : col->number;
}

apikey_owner_t apikey_store_owner_type(const char *text)
{
    if (text && strcmp(text, "user") == 0) {
        return APIKEY_OWNER_USER;
    }
    return text && strcmp(text, "team") == 0 ? APIKEY_OWNER_TEAM : APIKEY_OWNER_NONE;
}

const char *apikey_store_owner_name(apikey_owner_t type)
{
    static const char *const names[] = {NULL, "user", "team"};
    return names[type];
}

apikey_arg_t apikey_store_arg_time(int64_t ms)
{
    return ms == APIKEY_NEVER ? apikey_arg_text(NULL) : apikey_arg_int(ms * 1000);
}

bool apikey_store_keep_numbers(const apikey_col_t *cols, void *baton)
{
    apikey_numbers_t *numbers = baton;
    int i;

    numbers->found = true;
    for (i = 0; i < numbers->count; i++) {
        numbers->number[i] = cols[i].number; /* 0 for NULL */
    }
    return true;
}
