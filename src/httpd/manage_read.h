/* SPDX-License-Identifier: Apache-2.0 */
/* What requests to the management API say, read into the operation: fields of bodies and
 * queries. Each function is for one operation, on the request's thread, and returns false with
 * the operation refused. */
#ifndef APIKEY_MANAGE_READ_H
#define APIKEY_MANAGE_READ_H

#include "operation.h"

typedef bool (*apikey_read_fn)(apikey_operation_t *op);

/* Whether `len` bytes at `text` are a whole number from 1 to `most`, in the one way to write
 * it. */
bool apikey_read_number(const char *text, size_t len, uint64_t most, uint64_t *number);

/* The field that names the owner of keys of the operation's kind: user_id or team_id. */
const char *apikey_read_owner_field(const apikey_operation_t *op);

bool apikey_read_create(apikey_operation_t *op);
bool apikey_read_update(apikey_operation_t *op);
bool apikey_read_rotate(apikey_operation_t *op);
bool apikey_read_check(apikey_operation_t *op);
bool apikey_read_list(apikey_operation_t *op);
bool apikey_read_list_all(apikey_operation_t *op);
bool apikey_read_me(apikey_operation_t *op); /* answers, too: nothing is left to do */

#endif
