/* SPDX-License-Identifier: Apache-2.0 */
/* The query of a URL: names and values, as application/x-www-form-urlencoded has them. */
#ifndef APIKEY_QUERY_H
#define APIKEY_QUERY_H

#include <apr_tables.h>

/* Reads a query (NULL: none) into `*table`, from `pool`. Returns NULL, or why it cannot be
 * read: something is not decodable or not UTF-8, or a name comes twice. */
const char *apikey_query_read(apr_pool_t *pool, const char *args, apr_table_t **table);

#endif
