/* SPDX-License-Identifier: Apache-2.0 */
/* What keys of this database look like: prefix and peppers, from the options and settings. */
#ifndef APIKEY_CLI_MINT_H
#define APIKEY_CLI_MINT_H

#include "cli.h"

#include "../core/keyfmt.h"

/* The peppers of --pepper in their order, then "no pepper"; the first one mints. */
cli_exit_t cli_read_peppers(cli_t *cli, apikey_peppers_t *peppers);

/* --prefix, else the one recorded by init. */
cli_exit_t cli_read_prefix(cli_t *cli, const char **prefix);

/* The fingerprint of the pepper that new keys are to be made with, "" for none. */
cli_exit_t cli_read_fingerprint(cli_t *cli, const char **fingerprint);

/* A new secret: the text, and what of it is stored. The caller cleanses it. */
typedef struct {
    char text[APIKEY_KEY_MAX + 1];
    apikey_new_secret_t stored;
} cli_minted_t;

/* Mints by --prefix and --pepper, or what the settings say. Refuses another pepper than the
 * recorded one: nobody could use the key. */
cli_exit_t cli_mint(cli_t *cli, apikey_owner_t kind, cli_minted_t *minted);

#endif
