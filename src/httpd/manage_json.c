/* SPDX-License-Identifier: Apache-2.0 */
#include "manage_json.h"

#include <apr_strings.h>
#include <string.h>

/* Far above what any request of the API needs, far below what costs much. */
enum { DEPTH_MAX = 16 };

/* How deep objects and arrays lie inside each other, strings apart; for text that may be
 * broken. */
static int depth_of(const char *text, size_t len)
{
    const char *end = text + len;
    bool quoted = false;
    int deepest = 0;
    int depth = 0;

    for (; text < end; text++) {
        if (quoted) {
            quoted = *text != '"';
            text += *text == '\\';
        }
        else if (*text == '"') {
            quoted = true;
        }
        else if (*text == '{' || *text == '[') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        }
        else if (*text == '}' || *text == ']') {
            depth--;
        }
    }
    return deepest;
}

/* jansson's own texts quote what they are about, which may be a secret. */
static const char *problem(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        return "a name comes twice in an object";
    case json_error_invalid_utf8:
        return "not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character";
    case json_error_numeric_overflow:
        return "a number that is too large";
    case json_error_premature_end_of_input:
        return "it ends too early";
    case json_error_end_of_input_expected:
        return "something follows the object";
    default:
        return "not JSON";
    }
}

bool apikey_json_read(apikey_operation_t *op, const apikey_body_t *body)
{
    json_error_t error;

    if (depth_of(body->bytes, body->len) > DEPTH_MAX) {
        return apikey_operation_refuse_field(op, "body", "objects or arrays lie too deep");
    }
    op->input = json_loadb(body->bytes, body->len, JSON_REJECT_DUPLICATES, &error);
    if (!op->input) {
        return apikey_operation_refuse_field(op, "body",
                                             apr_psprintf(op->pool, "%s (line %d, column %d)",
                                                          problem(&error), error.line,
                                                          error.column));
    }
    return json_is_object(op->input) ||
           apikey_operation_refuse_field(op, "body", "not a JSON object");
}

static bool is_strings(const json_t *value)
{
    size_t i;

    for (i = 0; i < json_array_size(value); i++) {
        if (!json_is_string(json_array_get(value, i))) {
            return false;
        }
    }
    return json_is_array(value);
}

/* NULL, or what a value should have been. */
static const char *not_a(apikey_field_type_t type, const json_t *value)
{
    switch (type) {
    case APIKEY_FIELD_STRING:
        return json_is_string(value) ? NULL : "must be a string";
    case APIKEY_FIELD_STRINGS:
        return is_strings(value) ? NULL : "must be an array of strings";
    case APIKEY_FIELD_INTEGER:
        return json_is_integer(value) ? NULL : "must be a whole number";
    case APIKEY_FIELD_INTEGER_OR_NULL:
        return json_is_integer(value) || json_is_null(value)
                   ? NULL
                   : "must be a whole number, or null";
    case APIKEY_FIELD_BOOLEAN:
        return json_is_boolean(value) ? NULL : "must be true or false";
    default:
        return "is not known";
    }
}

static const apikey_json_field_t *find_field(const char *name,
                                             const apikey_json_field_t *fields, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

bool apikey_json_check(apikey_operation_t *op, const apikey_json_field_t *fields, size_t count)
{
    const char *name;
    json_t *value;
    size_t i;

    json_object_foreach(op->input, name, value)
    {
        const apikey_json_field_t *field = find_field(name, fields, count);
        const char *why = field ? not_a(field->type, value) : "is not known here";

        if (why) {
            return apikey_operation_refuse_field(op, apr_pstrdup(op->pool, name), why);
        }
    }
    for (i = 0; i < count; i++) {
        if (fields[i].required && !json_object_get(op->input, fields[i].name)) {
            return apikey_operation_refuse_field(op, fields[i].name, "is missing");
        }
    }
    return true;
}

/* jansson takes UTF-8 only; a site's own view may hold anything. */
static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("(not UTF-8)");
}

static json_t *scopes_json(const char *scopes)
{
    json_t *list = json_array();

    while (*scopes) {
        const size_t n = strcspn(scopes, " ");
        json_array_append_new(list, json_stringn(scopes, n));
        scopes += n + (scopes[n] == ' ');
    }
    return list;
}

/* Absent where there is no such time. */
static void set_time(json_t *object, const char *name, int64_t ms)
{
    if (ms != APIKEY_NEVER) {
        json_object_set_new(object, name, json_integer(ms));
    }
}

json_t *apikey_json_key(const apikey_listed_t *key)
{
    const bool team = strcmp(key->owner_type, "team") == 0;
    char id[24];
    json_t *object;

    apr_snprintf(id, sizeof(id), "%" APR_UINT64_T_FMT, key->id);
    object =
        json_pack("{s:s, s:s, s:o, s:o, s:b, s:o, s:I, s:{s:o}}", "id", id, "type",
                  team ? "team" : "user", team ? "team_id" : "user_id", text_json(key->owner),
                  "description", text_json(key->description), "is_public", (int)key->is_public,
                  "scopes", scopes_json(key->scopes), "created_at_millis",
                  (json_int_t)key->created_ms, "value", "last_four", text_json(key->last_four));
    if (object) {
        set_time(object, "expires_at_millis", key->expires_ms);
        set_time(object, "manually_revoked_at_millis", key->revoked_ms);
        set_time(object, "last_used_at_millis", key->used_ms);
    }
    return object;
}
