/* SPDX-License-Identifier: Apache-2.0 */
/* Headers under the prefixes by which applications learn who calls: ours alone to set, so what
 * a client sends there is removed from every request. */
#ifndef APIKEY_SCRUB_H
#define APIKEY_SCRUB_H

#include <httpd.h>
#include <http_config.h>
#include <stdbool.h>

/* Whether a name begins with a prefix, in any case and with `_` for `-`, as CGI, WSGI, PHP and
 * others fold names. */
bool apikey_scrub_covers(const char *prefix, const char *name);

/* Why a header prefix cannot be taken, or NULL. */
const char *apikey_scrub_prefix_refused(const char *prefix);

/* Whether a header may carry credentials: not where it is removed as a look-alike. In the
 * server's configuration, where not all prefixes are known yet, this only takes note of it. */
bool apikey_scrub_allows_header(cmd_parms *cmd, const char *name);

/* A credential header, noted above, that some prefix covers; NULL: none. For after
 * apikey_scrub_collect(). */
const char *apikey_scrub_conflict(void);

/* Forgets what an earlier reading of the configuration noted (pre_config). */
void apikey_scrub_reset(apr_pool_t *pconf);

/* Collects the header prefixes of all servers (after the configuration is read). */
void apikey_scrub_collect(server_rec *main_server, apr_pool_t *pconf);

/* Removes the look-alikes of a request. Done for every request that arrives: on paths without
 * authentication too, for applications cannot tell them apart. */
void apikey_scrub(request_rec *r);

void apikey_scrub_register(apr_pool_t *p);

#endif
