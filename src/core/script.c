/* SPDX-License-Identifier: Apache-2.0 */
#include "script.h"

#include <apr_strings.h>
#include <stdbool.h>
#include <string.h>

static const char word[] = "DELIMITER ";

void apikey_script_open(apikey_script_t *script, const char *text)
{
    script->next = text;
    script->delimiter = ";";
}

/* Whether a line ends with the delimiter; `*len` becomes that of what is before it. */
static bool ends(const char *line, size_t *len, const char *delimiter)
{
    const size_t size = strlen(delimiter);
    size_t end = *len;
    size_t i;

    for (i = size; i + 3 < end; i++) {
        if (strncmp(line + i, " -- ", 4) == 0 &&
            strncmp(line + i - size, delimiter, size) == 0) {
            end = i;
        }
    }
    if (end < size || strncmp(line + end - size, delimiter, size) != 0) {
        return false;
    }
    *len = end - size;
    return true;
}

const char *apikey_script_next(apikey_script_t *script, apr_pool_t *pool)
{
    const char *statement = NULL;

    while (*script->next) {
        const char *line = script->next;
        size_t len = strcspn(line, "\n");

        script->next = line + len + (line[len] == '\n');
        if (!statement && strncmp(line, word, sizeof(word) - 1) == 0) {
            script->delimiter =
                apr_pstrmemdup(pool, line + sizeof(word) - 1, len - (sizeof(word) - 1));
            continue;
        }
        if (!statement && (len == 0 || strncmp(line, "--", 2) == 0)) {
            continue;
        }
        statement = statement ? statement : line;
        if (ends(line, &len, script->delimiter)) {
            return apr_pstrmemdup(pool, statement, (size_t)(line - statement) + len);
        }
    }
    return statement ? apr_pstrdup(pool, statement) : NULL;
}
