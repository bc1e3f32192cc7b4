/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as text for people and as JSON for programs. */
#ifndef APIKEY_CLI_PRINT_H
#define APIKEY_CLI_PRINT_H

#include "cli.h"

#include <jansson.h>

/* A key as a JSON object; NULL only without memory. */
json_t *cli_json_key(const apikey_listed_t *key);

/* Prints JSON on one line and frees it; CLI_NOT_DONE where that fails. */
cli_exit_t cli_print_json(json_t *json);

/* Prints text with control characters and what is not UTF-8 replaced, so that a description
 * cannot drive the terminal, and pads it to `width` columns. */
void cli_print_cell(const char *text, int width);

/* One key, a line for each property. */
void cli_print_key(const apikey_listed_t *key);

#endif
