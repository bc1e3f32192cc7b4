/* SPDX-License-Identifier: Apache-2.0 */
/* Scope lists: RFC 6749 section 3.3 scope-tokens with one space between two. */
#ifndef APIKEY_SCOPE_H
#define APIKEY_SCOPE_H

#include "apikey.h"

/* Whether `len` bytes are one legal scope-token that a key may carry: not the bare `*`. */
bool apikey_scope_token_ok(const char *token, size_t len);

/* Whether `len` bytes are a legal list, the empty one included. */
bool apikey_scope_list_ok(const char *list, size_t len);

/* Whether a key with the scopes `list` may do `wanted`: it carries that token, or one ending
 * in `:*` whose part before the `*` begins it (`orders:*` covers `orders:read`). */
bool apikey_scope_covers(const char *list, const char *wanted);

#endif
