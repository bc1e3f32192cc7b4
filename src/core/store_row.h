/* SPDX-License-Identifier: Apache-2.0 */
/* Rows to values, for the files of the store alone. */
#ifndef APIKEY_STORE_ROW_H
#define APIKEY_STORE_ROW_H

#include "apikey.h"
#include "db.h"

/* A text column that has the whole value and no NUL inside, or NULL. */
const char *apikey_store_text(const apikey_col_t *col);

/* Milliseconds since 1970 UTC; APIKEY_NEVER for NULL. */
int64_t apikey_store_time(const apikey_col_t *col);

/* "user" and "team" from and to the database; NULL for APIKEY_OWNER_NONE. */
apikey_owner_t apikey_store_owner_type(const char *text);
const char *apikey_store_owner_name(apikey_owner_t type);

/* A time as the argument of a statement: microseconds, NULL for APIKEY_NEVER. */
apikey_arg_t apikey_store_arg_time(int64_t ms);

/* The only row of a statement that yields numbers; 0 for NULL. */
typedef struct {
    int64_t number[4];
    int count;
    bool found; /* there was a row */
} apikey_numbers_t;

/* A row function for them. */
bool apikey_store_keep_numbers(const apikey_col_t *cols, void *baton);

#endif
