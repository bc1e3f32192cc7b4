/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of the management API: bodies read strictly, keys written. */
#ifndef APIKEY_MANAGE_JSON_H
#define APIKEY_MANAGE_JSON_H

#include "body.h"
#include "operation.h"

#include "../core/store.h"

typedef enum {
    APIKEY_FIELD_STRING = 1,
    APIKEY_FIELD_STRINGS,
    APIKEY_FIELD_INTEGER,
    APIKEY_FIELD_INTEGER_OR_NULL,
    APIKEY_FIELD_BOOLEAN
} apikey_field_type_t;

typedef struct {
    const char *name;
    apikey_field_type_t type;
    bool required;
} apikey_json_field_t;

/* Reads a body, which must be one JSON object in UTF-8: no name twice, no NUL, not deep.
 * `op->input` is it; false where it is none, with the operation refused. */
bool apikey_json_read(apikey_operation_t *op, const apikey_body_t *body);

/* Checks that the object has these fields, and no others, and each of its type. False with the
 * operation refused. */
bool apikey_json_check(apikey_operation_t *op, const apikey_json_field_t *fields, size_t count);

/* A key as the API shows it, its secret masked. NULL where there is no memory. */
json_t *apikey_json_key(const apikey_listed_t *key);

#endif
