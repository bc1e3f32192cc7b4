/* SPDX-License-Identifier: Apache-2.0 */
/* How applications learn who calls, and what they must not see: look-alikes sent by the client
 * and the credential. */
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

/* Why a header prefix cannot be taken, or NULL. */
const char *apikey_identity_prefix_refused(const char *prefix);

/* Whether a header may carry credentials: not where it is removed as a look-alike. In the
 * server's configuration, where not all prefixes are known yet, this only takes note of it. */
bool apikey_identity_allows_header(cmd_parms *cmd, const char *name);

/* A credential header, noted above, that some prefix covers; NULL: none. For after
 * apikey_identity_collect(). */
const char *apikey_identity_conflict(void);

/* Forgets what an earlier reading of the configuration noted (pre_config). */
void apikey_identity_reset(apr_pool_t *pconf);

/* Collects the header prefixes of all servers (after the configuration is read). */
void apikey_identity_collect(server_rec *main_server, apr_pool_t *pconf);

void apikey_identity_register(apr_pool_t *p);

#endif
