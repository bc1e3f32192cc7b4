/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it. */
#ifndef APIKEY_UTF8_H
#define APIKEY_UTF8_H

#include <stddef.h>

/* Length of the well-formed character that NUL-terminated `text` begins with; 0 where it does
 * not begin with one: an overlong form, a surrogate, a stray or missing byte, the NUL. */
size_t apikey_utf8_length(const char *text);

/* Number of characters; -1 where the text is not UTF-8. */
int apikey_utf8_chars(const char *text);

#endif
