/* SPDX-License-Identifier: Apache-2.0 */
/* What the management API does with keys. Each operation is a function that reads the request's
 * fields into the operation, on the request's thread, false where they are refused; and one that
 * does the work, on a thread that may wait for the database. */
#ifndef APIKEY_MANAGE_KEYS_H
#define APIKEY_MANAGE_KEYS_H

#include "operation.h"

typedef bool (*apikey_read_fn)(apikey_operation_t *op);
typedef apikey_db_status_t (*apikey_work_fn)(apikey_db_t *db, apikey_operation_t *op);

bool apikey_manage_read_create(apikey_operation_t *op);
bool apikey_manage_read_list(apikey_operation_t *op);
bool apikey_manage_read_list_all(apikey_operation_t *op);
bool apikey_manage_read_update(apikey_operation_t *op);
bool apikey_manage_read_rotate(apikey_operation_t *op);
bool apikey_manage_read_check(apikey_operation_t *op);
bool apikey_manage_read_me(apikey_operation_t *op); /* does it all: there is no work */

apikey_db_status_t apikey_manage_create(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_list(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_show(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_update(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_rotate(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_check(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_teams(apikey_db_t *db, apikey_operation_t *op);

#endif
