/* SPDX-License-Identifier: Apache-2.0 */
#include "print.h"

#include "when.h"

#include "../core/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jansson takes UTF-8 only; a site's own view may hold anything. */
static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("(not UTF-8)");
}

static json_t *time_json(int64_t ms)
{
    char text[CLI_WHEN_SIZE];
    return ms == APIKEY_NEVER ? json_null() : json_string(cli_when_write(text, ms));
}

static json_t *scopes_json(const char *scopes)
{
    json_t *list = json_array();

    while (*scopes) {
        const size_t n = strcspn(scopes, " ");
        json_array_append_new(list, json_stringn(scopes, n));
        scopes += n + (scopes[n] == ' ');
    }
    return list;
}

json_t *cli_json_key(const apikey_listed_t *key)
{
    char id[24];

    snprintf(id, sizeof(id), "%" PRIu64, key->id);
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}",
        "id", id, "owner_type", text_json(key->owner_type), "owner_id", text_json(key->owner),
        "description", text_json(key->description), "scopes", scopes_json(key->scopes),
        "last_four", text_json(key->last_four), "status", key->status, "is_public",
        (int)key->is_public, "created_at", time_json(key->created_ms), "created_by",
        text_json(key->created_by), "expires_at", time_json(key->expires_ms), "revoked_at",
        time_json(key->revoked_ms), "revoked_by",
        key->revoked_ms == APIKEY_NEVER ? json_null() : text_json(key->revoked_by),
        "last_used_at", time_json(key->used_ms), "last_used_ip",
        key->used_ms == APIKEY_NEVER ? json_null() : text_json(key->used_ip), "use_count",
        (json_int_t)key->uses);
}

cli_exit_t cli_print_json(json_t *json)
{
    char *text = json ? json_dumps(json, JSON_ENSURE_ASCII) : NULL;
    const int rc = text ? puts(text) : -1;

    if (text) {
        /* It may hold a new secret. */
        memset(text, 0, strlen(text));
    }
    free(text);
    json_decref(json);
    return rc < 0 ? cli_fail(CLI_NOT_DONE, "cannot print JSON") : CLI_DONE;
}

/* Control characters, those of ISO 8859 (U+0080 to U+009F) too, and the ones that turn the
 * direction of what follows (U+202A to U+202E, U+2066 to U+2069). */
static bool drives_terminal(const unsigned char *c, size_t len)
{
    if (len == 3) {
        return c[0] == 0xe2 && ((c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) ||
                                (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
    }
    return len == 1 ? c[0] < 0x20 || c[0] == 0x7f : len == 2 && c[0] == 0xc2 && c[1] < 0xa0;
}

void cli_print_cell(const char *text, int width)
{
    int columns;

    for (columns = 0; *text; columns++) {
        const size_t len = apikey_utf8_length(text);

        if (len == 0 || drives_terminal((const unsigned char *)text, len)) {
            putchar('?');
        }
        else {
            fwrite(text, 1, len, stdout);
        }
        text += len ? len : 1;
    }
    for (; columns < width; columns++) {
        putchar(' ');
    }
}

static void line(const char *label, const char *text)
{
    printf("%-12s ", label);
    cli_print_cell(text, 0);
    putchar('\n');
}

static void time_line(const char *label, int64_t ms, const char *by)
{
    char text[CLI_WHEN_SIZE];

    if (ms != APIKEY_NEVER) {
        printf("%-12s %s%s", label, cli_when_write(text, ms), *by ? " by " : "");
        cli_print_cell(by, 0);
        putchar('\n');
    }
}

void cli_print_key(const apikey_listed_t *key)
{
    printf("%-12s %" PRIu64 "\n", "id", key->id);
    line("owner type", key->owner_type);
    line("owner", key->owner);
    line("status", key->status);
    line("description", key->description);
    line("scopes", key->scopes);
    line("last four", key->last_four);
    time_line("created", key->created_ms, key->created_by);
    if (key->expires_ms == APIKEY_NEVER) {
        line("expires", "never");
    }
    time_line("expires", key->expires_ms, "");
    time_line("revoked", key->revoked_ms, key->revoked_by);
    time_line("last used", key->used_ms, "");
    if (key->used_ms != APIKEY_NEVER) {
        line("from", key->used_ip);
        printf("%-12s %" PRIu64 "\n", "uses", key->uses);
    }
}
