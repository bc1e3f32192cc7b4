/* SPDX-License-Identifier: Apache-2.0 */
/* How applications learn who calls: environment and request headers. */
#ifndef APIKEY_IDENTITY_H
#define APIKEY_IDENTITY_H

#include "request.h"

#include <httpd.h>
#include <http_config.h>

/* The one table of names for a property: in logs (`%{name}^AK`), in the environment and
 * expressions, and behind the header prefix (NULL: no header). */
typedef struct {
    const char *log_name;
    const char *env_name;
    const char *header_suffix;
} apikey_field_names_t;

extern const apikey_field_names_t apikey_field_names[APIKEY_FIELD_COUNT];

/* Sets the environment of this request from a verdict, its own or one it inherits. */
void apikey_identity_export(request_rec *r, const apikey_request_t *state);

/* The same for what gets other things than the environment: X-ApiKey-… headers for proxied
 * applications, where they are to be told; AJP_APIKEY_… for mod_proxy_ajp, which forwards no
 * environment but AJP_NAME, as request attribute NAME. */
void apikey_identity_set_headers(request_rec *r);
void apikey_identity_set_ajp(request_rec *r);

#endif
