/* SPDX-License-Identifier: Apache-2.0 */
/* Minting: a new key string from the operating system's random numbers. */
#ifndef APIKEY_KEYGEN_H
#define APIKEY_KEYGEN_H

#include "keyfmt.h"

#include <apr_errno.h>

/* Picks one base62 character from a random byte, or returns 0 for the bytes (248 to 255)
 * that would favour some characters. */
char apikey_keygen_pick(unsigned char byte);

/* Writes a new key string to `out` (APIKEY_KEY_MAX + 1 bytes). The caller cleanses it.
 * APR_EINVAL for an illegal prefix or kind; else the random source's own error. */
apr_status_t apikey_keygen(char *out, const char *prefix, apikey_owner_t kind);

#endif
