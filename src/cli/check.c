/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl check`: a key on standard input, what it is worth on standard output. */
#include "cli.h"
#include "mint.h"
#include "print.h"
#include "when.h"

#include "../core/judge.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_time.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 8192 };

/* What was found out; strings live as long as the command. */
typedef struct {
    apr_pool_t *pool;
    apikey_form_t form;
    apikey_verdict_t verdict;
    const char *prefix; /* that of this database */
    const char *pepper; /* the fingerprint of that new keys are made with; "" for none */
    const char *reason; /* why not, where the verdict alone does not say; "" */
    const apikey_record_t *record;
    apikey_listed_t key;    /* of the record */
    apikey_secret_t secret; /* that was read */
    int secrets, place;     /* how many the key has, and which of them it is: 1 the oldest */
} finding_t;

/* -- finding out ------------------------------------------------------------------------------
 */

/* The prefix that a key of another one begins with, or NULL. */
static const char *other_prefix(const char *key, size_t len, apr_pool_t *pool)
{
    const char *end = memchr(key, '_', len);
    const char *prefix = end ? apr_pstrmemdup(pool, key, (apr_size_t)(end - key)) : NULL;
    apikey_owner_t kind;

    return prefix && apikey_keyfmt_prefix_ok(prefix) &&
                   apikey_keyfmt_parse(key, len, &prefix, 1, &kind) == APIKEY_FORM_OURS
               ? prefix
               : NULL;
}

static bool has_space_around(const char *key, size_t len)
{
    return apr_isspace(key[0]) || apr_isspace(key[len - 1]);
}

/* Why a well-formed or foreign key is not stored. */
static void explain_unknown(const apikey_peppers_t *peppers, const char *key, size_t len,
                            finding_t *f)
{
    const char *prefix = f->form == APIKEY_FORM_OURS ? NULL : other_prefix(key, len, f->pool);
    bool without = *f->pepper != '\0';
    int i;

    for (i = 0; without && i < peppers->count; i++) {
        without = strcmp(peppers->pepper[i].fingerprint, f->pepper) != 0;
    }
    if (without) {
        f->reason = "no such key is stored without a pepper; give the file of the one in use "
                    "with --pepper";
    }
    else if (prefix) {
        f->reason = apr_psprintf(f->pool,
                                 "no such key is stored; its prefix is %s, that of this "
                                 "database is %s",
                                 prefix, f->prefix);
    }
    else if (has_space_around(key, len)) {
        f->reason = "no such key is stored; there is white space before or behind it";
    }
    else {
        f->reason = "no such key is stored";
    }
}

static void keep_found(const apikey_listed_t *key, const apikey_secret_t *secret, void *baton)
{
    finding_t *f = baton;

    f->key = *key;
    f->key.revoked_by = apr_pstrdup(f->pool, key->revoked_by);
    f->key.owner = apr_pstrdup(f->pool, key->owner);
    f->key.owner_type = apr_pstrdup(f->pool, key->owner_type);
    f->key.description = apr_pstrdup(f->pool, key->description);
    f->secret = *secret;
    f->secret.pepper = apr_pstrdup(f->pool, secret->pepper);
    f->secret.last_four = apr_pstrdup(f->pool, secret->last_four);
}

static bool count_secret(const apikey_secret_t *secret, void *baton)
{
    finding_t *f = baton;

    f->secrets++;
    if (secret->created_ms == f->secret.created_ms &&
        strcmp(secret->last_four, f->secret.last_four) == 0) {
        f->place = f->secrets;
    }
    return true;
}

static cli_exit_t look_up(cli_t *cli, const apikey_digests_t *digests, finding_t *f)
{
    bool found = false;

    if (apikey_store_find(cli->db, digests, cli->pool, &f->record) != APIKEY_DB_OK ||
        (f->record &&
         apikey_store_find_listed(cli->db, digests, keep_found, f, &found) != APIKEY_DB_OK) ||
        (found && apikey_store_secrets(cli->db, f->key.id, count_secret, f) != APIKEY_DB_OK)) {
        return cli_fail_db(cli, "cannot look the key up");
    }
    if (!found) {
        f->record = NULL; /* or it was deleted this moment */
    }
    else if (f->record->unusable) {
        f->reason = f->record->unusable;
    }
    return CLI_DONE;
}

static cli_exit_t judge(cli_t *cli, const char *key, size_t len, finding_t *f)
{
    static const apikey_place_t anywhere = {true, true};
    apikey_peppers_t peppers;
    apikey_digests_t digests;
    apikey_owner_t kind;
    cli_exit_t rc = cli_read_peppers(cli, &peppers);

    if (rc != CLI_DONE || (rc = cli_read_prefix(cli, &f->prefix)) != CLI_DONE ||
        (rc = cli_read_fingerprint(cli, &f->pepper)) != CLI_DONE) {
        return rc;
    }
    f->verdict = APIKEY_NOT_FOUND;
    f->form = apikey_keyfmt_parse(key, len, &f->prefix, 1, &kind);
    if (f->form == APIKEY_FORM_DAMAGED) {
        f->reason = has_space_around(key, len)
                        ? "there is white space before or behind it"
                        : "wrong length or check digits, probably mistyped or cut";
        return CLI_DONE;
    }
    if (!apikey_digest_all(&digests, &peppers, key, len)) {
        return cli_fail(CLI_NOT_DONE, "libcrypto cannot compute the digest");
    }
    if ((rc = look_up(cli, &digests, f)) != CLI_DONE) {
        return rc;
    }
    f->verdict = apikey_judge(f->record, &anywhere, apr_time_as_msec(apr_time_now()));
    if (!f->record) {
        explain_unknown(&peppers, key, len, f);
    }
    return CLI_DONE;
}

/* -- saying so --------------------------------------------------------------------------------
 */

/* Whether it is not the key but this secret of it that ends first. */
static bool secret_ends_first(const finding_t *f)
{
    return f->secret.expires_ms < f->key.expires_ms;
}

static cli_exit_t print_json(const finding_t *f)
{
    json_t *json = json_pack("{s:s}", "status", apikey_verdict_info(f->verdict)->name);

    if (*f->reason) {
        json_object_set_new(json, "reason", cli_json_text(f->reason));
    }
    if (f->record) {
        json_t *secret = cli_json_secret(&f->secret, f->pepper);

        json_object_update_new(json, cli_json_key(&f->key));
        json_object_set_new(json, "status", json_string(apikey_verdict_info(f->verdict)->name));
        json_object_set_new(json, "expires_at", cli_json_time(f->record->expires_ms));
        json_object_set_new(secret, "newest", json_boolean(f->place == f->secrets));
        json_object_set_new(json, "secret", secret);
        json_object_set_new(json, "secrets", json_integer(f->secrets));
    }
    return cli_print_json(json);
}

/* Where the key stands in a rotation. */
static void print_rotation(const finding_t *f)
{
    char when[CLI_WHEN_SIZE];

    if (f->secrets < 2) {
        return;
    }
    printf("It is secret %d of %d of this key, ", f->place, f->secrets);
    if (f->place == f->secrets) {
        puts("the newest.");
        return;
    }
    fputs("replaced by rotation", stdout);
    if (f->verdict == APIKEY_VALID && f->secret.expires_ms != APIKEY_NEVER) {
        printf("; it works until %s", cli_when_write(when, f->secret.expires_ms));
    }
    puts(".");
}

static void print_key_line(const finding_t *f)
{
    char when[CLI_WHEN_SIZE];

    printf(": key %" PRIu64 " of %s ", f->key.id, f->key.owner_type);
    cli_print_safe(stdout, f->key.owner);
    if (f->verdict == APIKEY_REVOKED) {
        printf(", revoked %s by ", cli_when_write(when, f->key.revoked_ms));
        cli_print_safe(stdout, *f->key.revoked_by ? f->key.revoked_by : "nobody knows whom");
    }
    else if (f->verdict == APIKEY_EXPIRED) {
        printf(", %s %s",
               secret_ends_first(f) ? "whose newer secret works; this one ended" : "expired",
               cli_when_write(when, f->record->expires_ms));
    }
    else if (f->key.expires_ms != APIKEY_NEVER) {
        printf(", expires %s", cli_when_write(when, f->key.expires_ms));
    }
}

static void print_text(const finding_t *f)
{
    const char *name = apikey_verdict_info(f->verdict)->name;

    cli_print_cell(name, cli_text_width(name), false, cli_paint_of(name));
    if (f->record) {
        print_key_line(f);
    }
    if (*f->reason) {
        printf(": %s", f->reason);
    }
    putchar('\n');
    if (f->record) {
        print_rotation(f);
        if (f->form == APIKEY_FORM_FOREIGN) {
            printf("It does not begin with %s_u_ or %s_t_: servers take it where ApiKeyForeign "
                   "is On.\n",
                   f->prefix, f->prefix);
        }
    }
}

/* -- reading ----------------------------------------------------------------------------------
 */

/* The first line of standard input without its end; 0 where there is none. A NUL or a line too
 * long for any credential stays part of it and makes it a bad key. Typed or pasted, it is not
 * shown. */
static size_t read_key(char *line, size_t size)
{
    size_t len = 0;
    int c;

    if (cli_is_terminal(stdin)) {
        return apr_password_get("Key (not shown): ", line, &size) == APR_SUCCESS ? strlen(line)
                                                                                 : 0;
    }
    while (len < size && (c = getchar()) != EOF && c != '\n') {
        line[len++] = (char)c;
    }
    return len > 0 && line[len - 1] == '\r' ? len - 1 : len;
}

cli_exit_t cli_check(cli_t *cli)
{
    char key[LINE_MAX_BYTES];
    finding_t finding = {.pool = cli->pool, .reason = ""};
    const size_t len = read_key(key, sizeof(key));
    cli_exit_t rc = len ? judge(cli, key, len, &finding)
                        : cli_fail(CLI_USAGE, "give the key on standard input, on one line");

    OPENSSL_cleanse(key, sizeof(key));
    if (rc != CLI_DONE) {
        return rc;
    }
    if (cli->opt.json) {
        rc = print_json(&finding);
    }
    else {
        print_text(&finding);
    }
    return rc != CLI_DONE ? rc : finding.verdict == APIKEY_VALID ? CLI_DONE : CLI_NOT_DONE;
}
