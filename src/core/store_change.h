/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store that change something share. */
#ifndef APIKEY_STORE_CHANGE_H
#define APIKEY_STORE_CHANGE_H

#include "store.h"

/* One try of a change, inside a transaction. */
typedef apikey_db_status_t (*apikey_change_fn_t)(apikey_db_t *db, void *baton,
                                                 apikey_outcome_t *outcome);

/* Runs a change in a transaction, again where others were in the way; committed where its
 * outcome is APIKEY_OUTCOME_DONE, else undone. */
apikey_db_status_t apikey_store_in_transaction(apikey_db_t *db, apikey_change_fn_t change,
                                               void *baton, apikey_outcome_t *outcome);

/* Inserts a key, whose newest secret will be that one, and a secret of it; inside a
 * transaction. */
apikey_db_status_t apikey_store_add_key(apikey_db_t *db, const apikey_new_key_t *key,
                                        const apikey_new_secret_t *secret, uint64_t *id);
apikey_db_status_t apikey_store_add_secret(apikey_db_t *db, uint64_t id,
                                           const apikey_new_secret_t *secret,
                                           const char *idempotency_key);

#endif
