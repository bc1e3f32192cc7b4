/* SPDX-License-Identifier: Apache-2.0 */
/* What the management API does with keys. Each function is the work of one operation, on a
 * thread that may wait for the database, and answers or refuses the operation. */
#ifndef APIKEY_MANAGE_KEYS_H
#define APIKEY_MANAGE_KEYS_H

#include "operation.h"

typedef apikey_db_status_t (*apikey_manage_fn)(apikey_db_t *db, apikey_operation_t *op);

apikey_db_status_t apikey_manage_create(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_list(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_show(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_update(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_rotate(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_check(apikey_db_t *db, apikey_operation_t *op);
apikey_db_status_t apikey_manage_teams(apikey_db_t *db, apikey_operation_t *op);

#endif
