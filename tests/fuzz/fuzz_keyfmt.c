/* SPDX-License-Identifier: Apache-2.0 */
/* The key string: first line a prefix, the rest the text. */
#include "fuzz.h"

#include "../../src/core/keyfmt.h"

/* What is ours can be written again from its parts, and nothing else is. */
static void is_written_alike(const char *text, size_t len, const char *prefix,
                             apikey_owner_t kind)
{
    char again[APIKEY_KEY_MAX + 1];
    const size_t plen = strlen(prefix);

    must(len == plen + 3 + APIKEY_RANDOM_LEN + APIKEY_CHECK_LEN);
    must(apikey_keyfmt_write(again, prefix, kind, text + plen + 3) == len);
    must(memcmp(again, text, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t fuzz = fuzz_of(data, size);
    size_t prefix_len, len;
    char *prefix = fuzz_line(&fuzz, &prefix_len);
    char *text = fuzz_line(&fuzz, &len);
    const bool legal = apikey_keyfmt_prefix_ok(prefix);
    const char *const prefixes[] = {"ak", legal ? prefix : "zz"};
    apikey_owner_t kind, mistyped_kind;
    const apikey_form_t form = apikey_keyfmt_parse(text, len, prefixes, 2, &kind);

    must((form == APIKEY_FORM_FOREIGN) == (kind == APIKEY_OWNER_NONE));
    if (form == APIKEY_FORM_OURS) {
        const bool first = strncmp(text, "ak_", 3) == 0;

        is_written_alike(text, len, first ? "ak" : prefixes[1], kind);
        must(apikey_keyfmt_resembles(text, len));
        /* Any one character wrong is seen. */
        text[len - 1 - data[size - 1] % (size_t)(APIKEY_RANDOM_LEN + APIKEY_CHECK_LEN)] ^= 1;
        must(apikey_keyfmt_parse(text, len, prefixes, 2, &mistyped_kind) ==
             APIKEY_FORM_DAMAGED);
    }
    apikey_keyfmt_resembles(text, len);
    free(prefix);
    free(text);
    return 0;
}
