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

/* Refuses to mint by another pepper than the recorded one: nobody could use the key. */
cli_exit_t cli_check_pepper(cli_t *cli, const apikey_peppers_t *peppers);

#endif
