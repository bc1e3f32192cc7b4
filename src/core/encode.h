/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding of whatever is outside printable ASCII, and of the percent sign: nothing
 * that a database holds can end a header or a log line. */
#ifndef APIKEY_ENCODE_H
#define APIKEY_ENCODE_H

#include <stdbool.h>

/* Whether there is nothing to encode in a text. */
bool apikey_encode_is_plain(const char *text);

/* Writes a text, encoded, with its NUL to `out`, which has room for three times its length. */
void apikey_encode(char *out, const char *text);

#endif
