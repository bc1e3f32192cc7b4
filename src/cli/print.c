/* SPDX-License-Identifier: Apache-2.0 */
#include "print.h"

#include "when.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jansson takes UTF-8 only; a site's own view may hold anything. */
json_t *cli_json_text(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("(not UTF-8)");
}

json_t *cli_json_time(int64_t ms)
{
    char text[CLI_WHEN_SIZE];
    return ms == APIKEY_NEVER ? json_null() : json_string(cli_when_write(text, ms));
}

json_t *cli_json_id(uint64_t id)
{
    return json_sprintf("%" PRIu64, id);
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
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}",
        "id", cli_json_id(key->id), "owner_type", cli_json_text(key->owner_type), "owner_id",
        cli_json_text(key->owner), "description", cli_json_text(key->description), "scopes",
        scopes_json(key->scopes), "last_four", cli_json_text(key->last_four), "status",
        key->status, "is_public", (int)key->is_public, "created_at",
        cli_json_time(key->created_ms), "created_by", cli_json_text(key->created_by),
        "expires_at", cli_json_time(key->expires_ms), "revoked_at",
        cli_json_time(key->revoked_ms), "revoked_by",
        key->revoked_ms == APIKEY_NEVER ? json_null() : cli_json_text(key->revoked_by),
        "last_used_at", cli_json_time(key->used_ms), "last_used_ip",
        key->used_ms == APIKEY_NEVER ? json_null() : cli_json_text(key->used_ip), "use_count",
        (json_int_t)key->uses);
}

json_t *cli_json_secret(const apikey_secret_t *secret, const char *current)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:b}", "last_four", cli_json_text(secret->last_four),
                     "created_at", cli_json_time(secret->created_ms), "expires_at",
                     cli_json_time(secret->expires_ms), "pepper",
                     *secret->pepper ? cli_json_text(secret->pepper) : json_null(),
                     "pepper_is_current", strcmp(secret->pepper, current) == 0);
}

/* Prints and frees; the text is cleansed, for it may hold a new secret. Whether it was written
 * is seen at the end (main.c). */
static cli_exit_t print(json_t *json, size_t flags)
{
    char *text = json ? json_dumps(json, JSON_ENSURE_ASCII | flags) : NULL;

    json_decref(json);
    if (!text) {
        return cli_fail(CLI_NOT_DONE, "cannot make JSON of it");
    }
    fputs(text, stdout);
    OPENSSL_cleanse(text, strlen(text));
    free(text);
    return CLI_DONE;
}

cli_exit_t cli_print_json(json_t *json)
{
    const cli_exit_t rc = print(json, 0);

    putchar('\n');
    return rc;
}

cli_exit_t cli_json_item(cli_json_list_t *list, json_t *item)
{
    fputs(list->count++ == 0 ? "{\"items\": [\n" : ",\n", stdout);
    return print(item, 0);
}

cli_exit_t cli_json_end(cli_json_list_t *list, json_t *end)
{
    cli_exit_t rc;

    fputs(list->count == 0 ? "{\"items\": [" : "\n", stdout);
    fputs(json_object_size(end) ? "], " : "]", stdout);
    rc = print(end, JSON_EMBED);
    puts("}");
    return rc;
}

static void line(const char *label, const char *text, cli_paint_t paint)
{
    printf("%-12s ", label);
    cli_print_cell(text, cli_text_width(text), false, paint);
    putchar('\n');
}

static void time_line(const char *label, int64_t ms, const char *by)
{
    char text[CLI_WHEN_SIZE];

    if (ms != APIKEY_NEVER) {
        printf("%-12s %s%s", label, cli_when_write(text, ms), *by ? " by " : "");
        cli_print_safe(stdout, by);
        putchar('\n');
    }
}

void cli_print_key(const apikey_listed_t *key)
{
    printf("%-12s %" PRIu64 "\n", "id", key->id);
    line("owner type", key->owner_type, CLI_PLAIN);
    line("owner", key->owner, CLI_PLAIN);
    line("status", key->status, cli_paint_of(key->status));
    line("description", key->description, CLI_PLAIN);
    line("scopes", key->scopes, CLI_PLAIN);
    line("public", key->is_public ? "yes" : "no", CLI_PLAIN);
    time_line("created", key->created_ms, key->created_by);
    if (key->expires_ms == APIKEY_NEVER) {
        line("expires", "never", CLI_PLAIN);
    }
    time_line("expires", key->expires_ms, "");
    time_line("revoked", key->revoked_ms, key->revoked_by);
    if (key->used_ms == APIKEY_NEVER) {
        line("last used", "never", CLI_PLAIN);
    }
    else {
        time_line("last used", key->used_ms, "");
        line("from", key->used_ip, CLI_PLAIN);
        printf("%-12s %" PRIu64 "\n", "uses", key->uses);
    }
}

void cli_print_secret(const apikey_secret_t *secret, const char *current)
{
    char text[CLI_WHEN_SIZE];

    printf("%-12s ...", "secret");
    cli_print_safe(stdout, *secret->last_four ? secret->last_four : "(unknown)");
    printf(" made %s", cli_when_write(text, secret->created_ms));
    if (secret->expires_ms != APIKEY_NEVER) {
        printf(", until %s", cli_when_write(text, secret->expires_ms));
    }
    if (*secret->pepper) {
        printf(", pepper ");
        cli_print_safe(stdout, secret->pepper);
    }
    else {
        printf(", no pepper");
    }
    puts(strcmp(secret->pepper, current) != 0 ? ", not current" : *current ? ", current" : "");
}
