/* SPDX-License-Identifier: Apache-2.0 */
/* A file of SQL, statement by statement, as the mysql client reads it. */
#ifndef APIKEY_SCRIPT_H
#define APIKEY_SCRIPT_H

#include <apr_pools.h>

typedef struct {
    const char *next;      /* what is left */
    const char *delimiter; /* that ends a statement, at the end of a line */
} apikey_script_t;

/* Begins with the delimiter `;`. The text must outlive the script. */
void apikey_script_open(apikey_script_t *script, const char *text);

/* The next statement without its delimiter, from `pool`; NULL at the end. Lines `DELIMITER x`
 * are obeyed, comments between statements left out. A delimiter counts at the end of a line
 * alone, or before a comment that ends it: a statement needs a line of its own. */
const char *apikey_script_next(apikey_script_t *script, apr_pool_t *pool);

#endif
