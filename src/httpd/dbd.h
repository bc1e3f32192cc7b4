/* SPDX-License-Identifier: Apache-2.0 */
/* Connections from mod_dbd's pool, held for one piece of work and no longer. May wait for the
 * database for ever: for the threads of workers.c, never for a request's. */
#ifndef APIKEY_DBD_H
#define APIKEY_DBD_H

#include "../core/db.h"

#include <httpd.h>
#include <stdbool.h>

/* Work on a connection; may be run again on another one after APIKEY_DB_UNREACHABLE, so it must
 * not keep anything of a run that failed. */
typedef apikey_db_status_t (*apikey_dbd_work_fn)(apikey_db_t *db, void *baton);

/* Runs `work` on a connection of the server's pool and gives the connection back before it
 * returns. A connection that turns out dead is replaced, as often as dead ones come up.
 * On failure `*why` says what happened and what can be done, allocated from `pool`.
 * `patience_ms` is how long the database is waited for, where that is not the usual. */
enum { APIKEY_DBD_PATIENCE_MS = 2000 };
apikey_db_status_t apikey_dbd_run(server_rec *s, apr_pool_t *pool, apikey_dbd_work_fn work,
                                  void *baton, const char **why);
apikey_db_status_t apikey_dbd_run_for(int64_t patience_ms, server_rec *s, apr_pool_t *pool,
                                      apikey_dbd_work_fn work, void *baton, const char **why);

/* Ends the conversations that have lasted too long, or all there are in this child: what waits
 * for an answer gets an error instead, and the next use connects anew. Only connecting cannot
 * be ended. */
void apikey_dbd_hang_up(bool all);

void apikey_dbd_register(apr_pool_t *p);

#endif
