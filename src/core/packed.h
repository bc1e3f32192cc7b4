/* SPDX-License-Identifier: Apache-2.0 */
/* Several values in one column. For each column of a row the client library reads metadata, at
 * every execution anew, which costs more than the value; a look-up has eight values.
 *
 * A value is its length in decimal, ':', its bytes and a NUL; NULL is '-'. Nothing that a value
 * holds can be taken for another one. */
#ifndef APIKEY_PACKED_H
#define APIKEY_PACKED_H

#include "db.h"

/* What a statement selects to pack one value, an SQL expression without a character set: text
 * as BINARY, or a number. Hexadecimal, for literals have the connection's character set. */
#define APIKEY_PACKED(value)                                                                   \
    "COALESCE(CONCAT(CAST(LENGTH(" value ") AS BINARY), x'3A', " value ", x'00'), x'2D')"

/* Takes a packed column apart into `count` others, whose data point into it and have a NUL
 * behind. Where the column was cut, so are those from the cut on. False where it is not what it
 * should be. */
bool apikey_packed_read(const apikey_col_t *packed, apikey_col_t *cols, int count);

/* The whole number that a value is; 0 where it is NULL, none, or does not fit. */
int64_t apikey_packed_number(const apikey_col_t *col);

#endif
