/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl check`: a key on standard input, what it is worth on standard output. */
#include "cli.h"
#include "mint.h"
#include "print.h"
#include "when.h"

#include "../core/judge.h"

#include <apr_time.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 8192 };

typedef struct {
    apikey_form_t form;
    apikey_verdict_t verdict;
    const apikey_record_t *record;
    bool without_pepper; /* the pepper that keys of this database are made with was not given */
} finding_t;

static const char *explain(const finding_t *f)
{
    if (f->form == APIKEY_FORM_DAMAGED) {
        return "wrong length or check digits, probably mistyped or cut";
    }
    if (f->verdict == APIKEY_NOT_FOUND) {
        return f->without_pepper ? "no such key is stored without a pepper; give the file of "
                                   "the one in use with --pepper"
                                 : "no such key is stored";
    }
    return f->record && f->record->unusable ? f->record->unusable : "";
}

static cli_exit_t print_json(const finding_t *f)
{
    const char *status = apikey_verdict_info(f->verdict)->name;
    char when[CLI_WHEN_SIZE];
    json_t *json = json_pack("{s:s}", "status", status);

    if (*explain(f)) {
        json_object_set_new(json, "reason", json_string(explain(f)));
    }
    if (f->record && !f->record->unusable) {
        const bool user = f->record->owner_type == APIKEY_OWNER_USER;
        json_object_set_new(json, "id", json_sprintf("%" PRIu64, f->record->id));
        json_object_set_new(json, "owner_type", json_string(user ? "user" : "team"));
        json_object_set_new(json, "owner_id", json_string(f->record->owner));
        json_object_set_new(json, "scopes", json_string(f->record->scopes));
        json_object_set_new(json, "expires_at",
                            f->record->expires_ms == APIKEY_NEVER
                                ? json_null()
                                : json_string(cli_when_write(when, f->record->expires_ms)));
    }
    return cli_print_json(json);
}

static void print_text(const finding_t *f)
{
    char when[CLI_WHEN_SIZE];

    fputs(apikey_verdict_info(f->verdict)->name, stdout);
    if (f->record) {
        printf(": key %" PRIu64, f->record->id);
    }
    if (*explain(f)) {
        printf("%s%s", f->record ? ", " : ": ", explain(f));
    }
    if (f->record && !f->record->unusable) {
        printf(" of %s ", f->record->owner_type == APIKEY_OWNER_USER ? "user" : "team");
        cli_print_cell(f->record->owner, 0);
        if (f->record->expires_ms != APIKEY_NEVER) {
            printf(f->verdict == APIKEY_EXPIRED ? ", expired %s" : ", expires %s",
                   cli_when_write(when, f->record->expires_ms));
        }
    }
    putchar('\n');
}

static cli_exit_t look_for_pepper(cli_t *cli, const apikey_peppers_t *peppers, bool *without)
{
    const char *recorded;
    int i;

    if (apikey_store_get_setting(cli->db, "pepper", cli->pool, &recorded) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot read the settings");
    }
    *without = recorded && *recorded;
    for (i = 0; *without && i < peppers->count; i++) {
        *without = strcmp(peppers->pepper[i].fingerprint, recorded) != 0;
    }
    return CLI_DONE;
}

static cli_exit_t judge(cli_t *cli, const char *key, size_t len, finding_t *f)
{
    static const apikey_place_t anywhere = {true, true};
    apikey_peppers_t peppers;
    apikey_digests_t digests;
    const char *prefix;
    apikey_owner_t kind;
    cli_exit_t rc = cli_read_peppers(cli, &peppers);

    if (rc != CLI_DONE || (rc = cli_read_prefix(cli, &prefix)) != CLI_DONE) {
        return rc;
    }
    f->verdict = APIKEY_NOT_FOUND;
    f->form = apikey_keyfmt_parse(key, len, &prefix, 1, &kind);
    if (f->form == APIKEY_FORM_DAMAGED) {
        return CLI_DONE;
    }
    if (!apikey_digest_all(&digests, &peppers, key, len)) {
        return cli_fail(CLI_NOT_DONE, "libcrypto cannot compute the digest");
    }
    if (apikey_store_find(cli->db, &digests, cli->pool, &f->record) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot look the key up");
    }
    f->verdict = apikey_judge(f->record, &anywhere, apr_time_as_msec(apr_time_now()));
    return f->record ? CLI_DONE : look_for_pepper(cli, &peppers, &f->without_pepper);
}

/* The first line of standard input without its end; 0 where there is none. A NUL or a line too
 * long for any credential stays part of it and makes it a bad key. */
static size_t read_line(char *line, size_t size)
{
    size_t len = 0;
    int c;

    while (len < size && (c = getchar()) != EOF && c != '\n') {
        line[len++] = (char)c;
    }
    return len > 0 && line[len - 1] == '\r' ? len - 1 : len;
}

cli_exit_t cli_check(cli_t *cli)
{
    char key[LINE_MAX_BYTES];
    finding_t finding = {0};
    const size_t len = read_line(key, sizeof(key));
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
