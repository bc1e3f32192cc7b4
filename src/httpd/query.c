/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include "../core/utf8.h"

#include <apr_strings.h>
#include <httpd.h>
#include <string.h>

/* In place; a NUL and whatever is not UTF-8 are refused too. */
static int decode(char *text)
{
    return ap_unescape_urlencoded(text) == OK && apikey_utf8_chars(text) >= 0;
}

const char *apikey_query_read(apr_pool_t *pool, const char *args, apr_table_t **table)
{
    char *state = NULL;
    char *item = args ? apr_strtok(apr_pstrdup(pool, args), "&", &state) : NULL;

    *table = apr_table_make(pool, 4);
    for (; item; item = apr_strtok(NULL, "&", &state)) {
        char *value = strchr(item, '=');

        if (value) {
            *value++ = '\0';
        }
        if (!decode(item) || (value && !decode(value))) {
            return "the query of the URL is not percent-encoded UTF-8";
        }
        if (apr_table_get(*table, item)) {
            return "a parameter comes twice";
        }
        apr_table_set(*table, item, value ? value : "");
    }
    return NULL;
}
