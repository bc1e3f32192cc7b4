/* SPDX-License-Identifier: Apache-2.0 */
#include "row.h"

#include "when.h"

#include "../core/keyfmt.h"

#include <apr_strings.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *const names[CLI_ROW_COLUMNS] = {
    [CLI_ROW_DIGEST] = "digest",       [CLI_ROW_OWNER_TYPE] = "owner_type",
    [CLI_ROW_OWNER_ID] = "owner_id",   [CLI_ROW_DESCRIPTION] = "description",
    [CLI_ROW_SCOPES] = "scopes",       [CLI_ROW_EXPIRES_AT] = "expires_at",
    [CLI_ROW_IS_PUBLIC] = "is_public",
};

static int column_of(const char *name)
{
    int i;

    for (i = 0; i < CLI_ROW_COLUMNS && strcmp(names[i], name) != 0; i++) {
    }
    return i;
}

const char *cli_row_read_header(cli_row_header_t *header, const cli_csv_t *record,
                                apr_pool_t *pool)
{
    int i;

    for (i = 0; i < CLI_ROW_COLUMNS; i++) {
        header->place[i] = -1;
    }
    header->count = record->count;
    for (i = 0; i < record->count; i++) {
        const int column = column_of(record->field[i]);
        if (column == CLI_ROW_COLUMNS) {
            return "the first line names the columns, with commas between: digest, owner_type, "
                   "owner_id, and as you like description, scopes, expires_at, is_public; it "
                   "has another one";
        }
        if (header->place[column] >= 0) {
            return apr_psprintf(pool, "the column %s is there twice", names[column]);
        }
        header->place[column] = i;
    }
    for (i = CLI_ROW_DIGEST; i <= CLI_ROW_OWNER_ID; i++) {
        if (header->place[i] < 0) {
            return apr_psprintf(pool, "there is no column %s", names[i]);
        }
    }
    return NULL;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(unsigned char *digest, const char *text)
{
    int i;

    for (i = 0; i < APIKEY_DIGEST_LEN; i++) {
        const int high = hex_value(text[2 * i]);
        const int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        digest[i] = (unsigned char)(high << 4 | low);
    }
    return text[2 * APIKEY_DIGEST_LEN] == '\0';
}

/* Both alphabets; with or without the `=` at the end. */
static int base64_value(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(alphabet, c == '-' ? '+' : c == '_' ? '/' : c);

    return c && at ? (int)(at - alphabet) : -1;
}

static bool read_base64(unsigned char *digest, const char *text)
{
    enum { CHARS = 43 }; /* for 32 bytes; two bits are left */
    unsigned int bits = 0;
    int have = 0;
    int out = 0;
    int i;

    for (i = 0; i < CHARS; i++) {
        const int value = base64_value(text[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (unsigned int)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            digest[out++] = (unsigned char)(bits >> have & 0xff);
        }
    }
    return (bits & 3) == 0 && (!text[CHARS] || strcmp(text + CHARS, "=") == 0);
}

static bool begins(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

static const char a_key[] = "the digest is a key itself: give its SHA-256 instead, and revoke "
                            "that key, for it was written to a file";

/* One in four that are as long as base64 of 32 bytes would pass for it, and could be read from
 * the table. */
static bool is_key(const char *text)
{
    const size_t len = strlen(text);

    return apikey_keyfmt_resembles(text, len) &&
           len >= APIKEY_PREFIX_MIN + 3 + APIKEY_RANDOM_LEN + APIKEY_CHECK_LEN &&
           apikey_keyfmt_intact(text, len);
}

/* What it is instead, where that can be told. */
static const char *explain_digest(const char *text)
{
    const size_t len = strlen(text);

    if (len == 0) {
        return "there is no digest";
    }
    if (apikey_keyfmt_resembles(text, len)) {
        return a_key;
    }
    if (begins(text, "{SSHA") || strchr(text, '$')) {
        return "the digest is salted: no key can be looked up by it";
    }
    if (begins(text, "{SHA}") || len == 40) {
        return "the digest is SHA-1; only SHA-256 can be imported";
    }
    if (*text == '{') {
        return "the digest is of another scheme than {SHA256}";
    }
    return "the digest is not SHA-256: 64 hexadecimal digits, or base64 of 32 bytes";
}

const char *cli_row_read_digest(unsigned char digest[APIKEY_DIGEST_LEN], const char *text)
{
    const char *bare = begins(text, "{SHA256}")    ? text + strlen("{SHA256}")
                       : begins(text, "{SHA-256}") ? text + strlen("{SHA-256}")
                                                   : text;

    if (is_key(bare)) {
        return a_key;
    }
    return read_hex(digest, bare) || read_base64(digest, bare) ? NULL : explain_digest(text);
}

/* The field of a column, "" where the file has none. */
static const char *field_of(const cli_row_header_t *header, const cli_csv_t *record,
                            cli_row_column_t column)
{
    return header->place[column] < 0 ? "" : record->field[header->place[column]];
}

static const char *read_owner(const char *type, apikey_owner_t *owner_type)
{
    *owner_type = strcmp(type, "user") == 0   ? APIKEY_OWNER_USER
                  : strcmp(type, "team") == 0 ? APIKEY_OWNER_TEAM
                                              : APIKEY_OWNER_NONE;
    return *owner_type == APIKEY_OWNER_NONE ? "owner_type is user or team" : NULL;
}

static const char *read_expiry(const char *text, int64_t now_ms, int64_t *ms, apr_pool_t *pool)
{
    const char *why = NULL;

    *ms = APIKEY_NEVER;
    if (*text) {
        why = cli_when_read(text, now_ms, CLI_WHEN_AHEAD, ms);
    }
    return why ? apr_pstrcat(pool, "expires_at: ", why, NULL) : NULL;
}

static const char *read_public(const char *text, bool *is_public)
{
    *is_public = strcmp(text, "1") == 0;
    return *is_public || !*text || strcmp(text, "0") == 0 ? NULL : "is_public is 0 or 1";
}

const char *cli_row_read(const cli_row_header_t *header, const cli_csv_t *record,
                         int64_t now_ms, apikey_new_key_t *key, apikey_new_secret_t *secret,
                         apr_pool_t *pool)
{
    const char *why;

    if (record->count != header->count) {
        return apr_psprintf(pool, "%d fields instead of %d", record->count, header->count);
    }
    memset(key, 0, sizeof(*key));
    key->owner = field_of(header, record, CLI_ROW_OWNER_ID);
    key->description = field_of(header, record, CLI_ROW_DESCRIPTION);
    key->scopes = field_of(header, record, CLI_ROW_SCOPES);
    secret->fingerprint = "";
    secret->last_four = "";
    why = cli_row_read_digest(secret->digest, field_of(header, record, CLI_ROW_DIGEST));
    why =
        why ? why : read_owner(field_of(header, record, CLI_ROW_OWNER_TYPE), &key->owner_type);
    why = why ? why
              : read_expiry(field_of(header, record, CLI_ROW_EXPIRES_AT), now_ms,
                            &key->expires_ms, pool);
    why = why ? why : read_public(field_of(header, record, CLI_ROW_IS_PUBLIC), &key->is_public);
    return why ? why : apikey_store_check_new(key);
}
