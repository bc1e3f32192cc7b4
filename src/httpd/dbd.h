/* SPDX-License-Identifier: Apache-2.0 */
/* Connections from mod_dbd's pool, held for one piece of work and no longer. */
#ifndef APIKEY_DBD_H
#define APIKEY_DBD_H

#include "../core/db.h"

#include <httpd.h>

/* Work on a connection; may be run again on another one after APIKEY_DB_UNREACHABLE, so it must
 * not keep anything of a run that failed. */
typedef apikey_db_status_t (*apikey_dbd_work_fn)(apikey_db_t *db, void *baton);

/* Runs `work` on a connection of the server's pool and gives the connection back before it
 * returns. A connection that turns out dead is replaced, as often as dead ones come up.
 * On failure `*why` says what happened and what can be done, allocated from `pool`. */
apikey_db_status_t apikey_dbd_run(server_rec *s, apr_pool_t *pool, apikey_dbd_work_fn work,
                                  void *baton, const char **why);

void apikey_dbd_register(apr_pool_t *p);

#endif
