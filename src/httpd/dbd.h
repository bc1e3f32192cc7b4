/* SPDX-License-Identifier: Apache-2.0 */
/* Connections from mod_dbd's pool, held for one piece of work and no longer. May wait for the
 * database for ever: for the threads of workers.c, never for a request's. */
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

/* Ends the conversation on every connection of this child: what waits for an answer gets an
 * error instead. For a server that hangs; the next use connects anew. */
void apikey_dbd_hang_up(void);

void apikey_dbd_register(apr_pool_t *p);

#endif
