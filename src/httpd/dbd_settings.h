/* SPDX-License-Identifier: Apache-2.0 */
/* What mod_dbd was told for a server. Its own records are private, but the tree of directives
 * is not. */
#ifndef APIKEY_DBD_SETTINGS_H
#define APIKEY_DBD_SETTINGS_H

#include <httpd.h>
#include <http_config.h>
#include <stdbool.h>

/* The lines that count; NULL where there is none. */
typedef struct {
    const ap_directive_t *driver, *params, *persist, *min, *keep, *max;
    const ap_directive_t *init; /* the last DBDInitSQL */
} apikey_dbd_settings_t;

/* Reads the lines of one level of the tree; a line overrides the one that was there. */
void apikey_dbd_settings_read(const ap_directive_t *node, apikey_dbd_settings_t *settings);

/* Which database a server asks, as text: equal for equal databases. */
const char *apikey_dbd_settings_text(const server_rec *s, apr_pool_t *p);

#endif
