/* SPDX-License-Identifier: Apache-2.0 */
/* Scope lists: first line what a key carries, second line what is wanted. */
#include "fuzz.h"

#include "../../src/core/scope.h"

/* The rule once more, by looking at words. */
static bool covers(const char *list, const char *wanted)
{
    char *copy = strdup(list);
    char *state;
    char *word;
    bool found = false;

    must(copy);
    for (word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state)) {
        const size_t len = strlen(word);

        found = found || strcmp(word, wanted) == 0 ||
                (len > 2 && strcmp(word + len - 2, ":*") == 0 && strlen(wanted) >= len &&
                 strncmp(word, wanted, len - 1) == 0);
    }
    free(copy);
    return found;
}

static bool has_only(const char *text, size_t len, bool space)
{
    size_t i;

    for (i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\' || (c == ' ' && !space)) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t fuzz = fuzz_of(data, size);
    size_t list_len, wanted_len;
    char *list = fuzz_line(&fuzz, &list_len);
    char *wanted = fuzz_line(&fuzz, &wanted_len);

    if (apikey_scope_token_ok(wanted, wanted_len)) {
        must(wanted_len > 0 && strcmp(wanted, "*") != 0);
        must(has_only(wanted, wanted_len, false));
        must(apikey_scope_covers(wanted, wanted));
        if (apikey_scope_list_ok(list, list_len)) {
            must(has_only(list, list_len, true));
            must(apikey_scope_covers(list, wanted) == covers(list, wanted));
            must(!strstr(list, "  "));
        }
    }
    apikey_scope_covers(list, wanted); /* of a site's own view perhaps: anything */
    free(list);
    free(wanted);
    return 0;
}
