/* SPDX-License-Identifier: Apache-2.0 */
/* Who may manage whose keys.
 *
 *   caller                         ApiKeyManage Self                      Admin
 *   a user                         own keys, and those of teams           everybody's
 *                                  with manage_api_keys
 *   an API key, without ByKey      none                                   none
 *   an API key, with ByKey         its owner's                            everybody's, but what
 *                                                                         has a secret as below
 *
 * A caller with an API key gets a secret only of a key of the same owner, whose scopes its own
 * has, and which expires no later. */
#ifndef APIKEY_MANAGE_ACCESS_H
#define APIKEY_MANAGE_ACCESS_H

#include "operation.h"

/* Whether this caller may use the API at all. False with the operation refused. */
bool apikey_access_caller(apikey_operation_t *op);

/* For the work, which may be run again. Looks the caller's key up anew, where there is one:
 * since it was checked its request may have taken its time. Refuses the operation where it is
 * not valid any more, or another owner's; else `op->key` is the key as it is now. */
apikey_db_status_t apikey_access_renew(apikey_db_t *db, apikey_operation_t *op);

/* Whether the location is an administrators' one. False with the operation refused. */
bool apikey_access_admin(apikey_operation_t *op);

/* Resolves the owner that was named (`me` is the caller), into `op->owner`. False with the
 * operation refused: nobody's id. */
bool apikey_access_resolve(apikey_operation_t *op, const char *named);

/* For the work. Whether the caller may manage the keys of an owner, `key_id` (0: any) above
 * all. Where not, `*may` is false and the operation refused. */
apikey_db_status_t apikey_access_owner(apikey_db_t *db, apikey_operation_t *op,
                                       apikey_owner_t type, const char *owner, uint64_t key_id,
                                       bool *may);

/* Whether the caller may get a secret of a key like this one. False with the operation refused.
 */
bool apikey_access_secret(apikey_operation_t *op, apikey_owner_t type, const char *owner,
                          const char *scopes, int64_t expires_ms, uint64_t key_id);

/* For the work: writes into the audit trail that the operation was refused for want of a right
 * (`op->denial`). */
apikey_db_status_t apikey_access_record(apikey_db_t *db, apikey_operation_t *op);

#endif
