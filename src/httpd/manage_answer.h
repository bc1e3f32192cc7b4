/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the management API: JSON, never stored by anybody. */
#ifndef APIKEY_MANAGE_ANSWER_H
#define APIKEY_MANAGE_ANSWER_H

#include "operation.h"

/* Answers with what became of an operation. What handlers return. */
int apikey_answer(request_rec *r, const apikey_operation_t *op);

/* Answers with an error that needs no more words. */
int apikey_answer_error(request_rec *r, apikey_error_t error);

#endif
