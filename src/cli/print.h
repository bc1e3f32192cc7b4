/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as text for people and as JSON for programs. */
#ifndef APIKEY_CLI_PRINT_H
#define APIKEY_CLI_PRINT_H

#include "cli.h"
#include "terminal.h"

#include <jansson.h>

/* Text as a JSON string, whatever its bytes; a time, null for APIKEY_NEVER; an id. NULL only
 * without memory. */
json_t *cli_json_text(const char *text);
json_t *cli_json_time(int64_t ms);
json_t *cli_json_id(uint64_t id);

/* A key, and a secret of a key, as a JSON object. `current`: the fingerprint of the pepper that
 * new keys are made with, "" for none. */
json_t *cli_json_key(const apikey_listed_t *key);
json_t *cli_json_secret(const apikey_secret_t *secret, const char *current);

/* Prints JSON on one line and frees it; CLI_NOT_DONE where that fails. */
cli_exit_t cli_print_json(json_t *json);

/* A list of any length as one object: each item when it comes, then what goes with them, which
 * `end` (an object) has. Both free what they are given. */
typedef struct {
    uint64_t count;
} cli_json_list_t;

cli_exit_t cli_json_item(cli_json_list_t *list, json_t *item);
cli_exit_t cli_json_end(cli_json_list_t *list, json_t *end);

/* One key, and then one secret, a line for each property. */
void cli_print_key(const apikey_listed_t *key);
void cli_print_secret(const apikey_secret_t *secret, const char *current);

#endif
