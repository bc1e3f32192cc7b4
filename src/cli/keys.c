/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl create`, `list`, `show`, `revoke`. */
#include "cli.h"
#include "mint.h"
#include "print.h"
#include "when.h"

#include "../core/judge.h"
#include "../core/keygen.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

/* --user or --team into type and id; `required` says whether one must be there. */
static cli_exit_t read_owner(const cli_t *cli, bool required, apikey_owner_t *type,
                             const char **owner)
{
    const char *why;

    if (cli->opt.user && cli->opt.team) {
        return cli_fail(CLI_USAGE, "--user and --team exclude each other");
    }
    *type = cli->opt.user   ? APIKEY_OWNER_USER
            : cli->opt.team ? APIKEY_OWNER_TEAM
                            : APIKEY_OWNER_NONE;
    *owner = cli->opt.user ? cli->opt.user : cli->opt.team;
    if (*type == APIKEY_OWNER_NONE) {
        return required ? cli_fail(CLI_USAGE, "give the owner with --user U or --team T")
                        : CLI_DONE;
    }
    why = apikey_judge_owner(*type, *owner, strlen(*owner));
    return why ? cli_fail(CLI_USAGE, "%s", why) : CLI_DONE;
}

static cli_exit_t read_new_key(cli_t *cli, apikey_new_key_t *key)
{
    const char *why;
    cli_exit_t rc = read_owner(cli, true, &key->owner_type, &key->owner);

    if (rc != CLI_DONE) {
        return rc;
    }
    key->description = cli->opt.description ? cli->opt.description : "";
    key->scopes = cli->opt.scopes ? cli->opt.scopes : "";
    key->expires_ms = APIKEY_NEVER;
    if (cli->opt.expires &&
        !cli_when_read(cli->opt.expires, apr_time_as_msec(apr_time_now()), &key->expires_ms)) {
        return cli_fail(CLI_USAGE,
                        "--expires takes 90d, 12h, 2w, 2027-01-31, 2027-01-31T12:00:00Z or "
                        "never, not '%s'",
                        cli->opt.expires);
    }
    why = apikey_store_check_new(key);
    return why ? cli_fail(CLI_USAGE, "%s", why) : CLI_DONE;
}

static cli_exit_t print_created(const cli_t *cli, const apikey_new_key_t *key, uint64_t id,
                                const char *secret)
{
    if (cli->opt.json) {
        return cli_print_json(json_pack(
            "{s:o, s:s, s:s, s:s}", "id", json_sprintf("%" PRIu64, id), "api_key", secret,
            "owner_type", key->owner_type == APIKEY_OWNER_USER ? "user" : "team", "owner_id",
            key->owner));
    }
    if (cli->opt.quiet) {
        puts(secret);
        return CLI_DONE;
    }
    printf("Key %" PRIu64 " of %s ", id,
           key->owner_type == APIKEY_OWNER_USER ? "user" : "team");
    cli_print_cell(key->owner, 0);
    printf(". Its secret, shown this once:\n\n%s\n", secret);
    return CLI_DONE;
}

/* Mints and stores; `secret` (APIKEY_KEY_MAX + 1 bytes) is the caller's to cleanse. */
static cli_exit_t mint(cli_t *cli, const apikey_new_key_t *key, char *secret, uint64_t *id)
{
    apikey_peppers_t peppers;
    apikey_new_secret_t minted;
    apikey_outcome_t outcome;
    const char *prefix;
    cli_exit_t rc = cli_read_peppers(cli, &peppers);
    size_t len;

    if (rc != CLI_DONE || (rc = cli_read_prefix(cli, &prefix)) != CLI_DONE ||
        (rc = cli_check_pepper(cli, &peppers)) != CLI_DONE) {
        return rc;
    }
    if (apikey_keygen(secret, prefix, key->owner_type) != APR_SUCCESS) {
        return cli_fail(CLI_NOT_DONE, "the operating system has no random numbers for us");
    }
    len = strlen(secret);
    if (!apikey_digest(minted.digest, &peppers.pepper[0], secret, len)) {
        return cli_fail(CLI_NOT_DONE, "libcrypto cannot compute the digest");
    }
    minted.fingerprint = apr_pstrdup(cli->pool, peppers.pepper[0].fingerprint);
    minted.last_four = apr_pstrdup(cli->pool, secret + len - APIKEY_LAST_LEN);
    return apikey_store_create(cli->db, key, &minted, 0, id, &outcome) == APIKEY_DB_OK
               ? CLI_DONE
               : cli_fail_db(cli, "no key was created");
}

cli_exit_t cli_create(cli_t *cli)
{
    apikey_new_key_t key = {0};
    char secret[APIKEY_KEY_MAX + 1];
    uint64_t id = 0;
    cli_exit_t rc = read_new_key(cli, &key);

    if (rc == CLI_DONE) {
        rc = mint(cli, &key, secret, &id);
        if (rc == CLI_DONE) {
            rc = print_created(cli, &key, id, secret);
        }
        OPENSSL_cleanse(secret, sizeof(secret));
    }
    return rc;
}

typedef struct {
    json_t *items; /* NULL: print a table */
    int count;
    uint64_t last;
} listing_t;

static bool list_one(const apikey_listed_t *key, void *baton)
{
    listing_t *listing = baton;
    char expires[CLI_WHEN_SIZE] = "never";

    listing->count++;
    listing->last = key->id;
    if (listing->items) {
        return json_array_append_new(listing->items, cli_json_key(key)) == 0;
    }
    if (listing->count == 1) {
        puts("ID         STATUS   OWNER                    LAST  EXPIRES                   "
             "DESCRIPTION");
    }
    if (key->expires_ms != APIKEY_NEVER) {
        cli_when_write(expires, key->expires_ms);
    }
    printf("%-10" PRIu64 " %-8s ", key->id, key->status);
    cli_print_cell(key->owner_type, 4);
    putchar(' ');
    cli_print_cell(key->owner, 19);
    putchar(' ');
    cli_print_cell(key->last_four, 5);
    printf(" %-25s ", expires);
    cli_print_cell(key->description, 0);
    putchar('\n');
    return true;
}

static cli_exit_t read_filter(cli_t *cli, apikey_filter_t *filter)
{
    uint64_t limit = 100;
    cli_exit_t rc = read_owner(cli, false, &filter->owner_type, &filter->owner);

    if (rc != CLI_DONE) {
        return rc;
    }
    filter->status = cli->opt.status ? cli->opt.status : "";
    if (cli->opt.status && strcmp(cli->opt.status, "valid") != 0 &&
        strcmp(cli->opt.status, "revoked") != 0 && strcmp(cli->opt.status, "expired") != 0) {
        return cli_fail(CLI_USAGE, "--status takes valid, revoked or expired");
    }
    if (cli->opt.limit && (!cli_number(cli->opt.limit, &limit) || limit > 10000)) {
        return cli_fail(CLI_USAGE, "--limit takes a number from 1 to 10000");
    }
    if (cli->opt.after && !cli_number(cli->opt.after, &filter->before)) {
        return cli_fail(CLI_USAGE, "--after takes the id of a key");
    }
    filter->limit = (int)limit;
    return CLI_DONE;
}

cli_exit_t cli_list(cli_t *cli)
{
    apikey_filter_t filter = {0};
    listing_t listing = {0};
    cli_exit_t rc = read_filter(cli, &filter);

    if (rc != CLI_DONE) {
        return rc;
    }
    listing.items = cli->opt.json ? json_array() : NULL;
    if (apikey_store_list(cli->db, &filter, list_one, &listing) != APIKEY_DB_OK) {
        json_decref(listing.items);
        return cli_fail_db(cli, "cannot list the keys");
    }
    if (cli->opt.json) {
        json_t *next = listing.count == filter.limit ? json_sprintf("%" PRIu64, listing.last)
                                                     : json_null();
        return cli_print_json(
            json_pack("{s:o, s:o}", "items", listing.items, "next_after", next));
    }
    if (listing.count == filter.limit) {
        printf("There may be more: --after %" PRIu64 "\n", listing.last);
    }
    return CLI_DONE;
}

typedef struct {
    bool json;
    cli_exit_t rc;
} showing_t;

static bool show_one(const apikey_listed_t *key, void *baton)
{
    showing_t *showing = baton;

    if (showing->json) {
        showing->rc = cli_print_json(cli_json_key(key));
    }
    else {
        cli_print_key(key);
    }
    return true;
}

cli_exit_t cli_show(cli_t *cli)
{
    showing_t showing = {cli->opt.json, CLI_DONE};
    uint64_t id;
    bool found;

    if (!cli_number(cli->argv[0], &id)) {
        return cli_fail(CLI_USAGE, "'%s' is not the id of a key", cli->argv[0]);
    }
    if (apikey_store_show(cli->db, id, show_one, &showing, &found) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot show the key");
    }
    return found ? showing.rc : cli_fail(CLI_NOT_DONE, "there is no key %" PRIu64, id);
}

static cli_exit_t revoke_one(cli_t *cli, uint64_t id)
{
    apikey_outcome_t outcome;

    if (apikey_store_change(cli->db, id, NULL, true, &outcome) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot revoke the key");
    }
    if (outcome == APIKEY_OUTCOME_NOT_FOUND) {
        return cli_fail(CLI_NOT_DONE, "there is no key %" PRIu64, id);
    }
    printf(outcome == APIKEY_OUTCOME_DONE ? "Key %" PRIu64 " is revoked.\n"
                                          : "Key %" PRIu64 " was revoked before.\n",
           id);
    return CLI_DONE;
}

cli_exit_t cli_revoke(cli_t *cli)
{
    cli_exit_t rc = CLI_DONE;
    uint64_t id;
    int i;

    /* All of the line is read before any of it is done. */
    for (i = 0; i < cli->argc; i++) {
        if (!cli_number(cli->argv[i], &id)) {
            return cli_fail(CLI_USAGE, "'%s' is not the id of a key; nothing was revoked",
                            cli->argv[i]);
        }
    }
    for (i = 0; i < cli->argc; i++) {
        cli_exit_t one;
        cli_number(cli->argv[i], &id);
        one = revoke_one(cli, id);
        rc = one == CLI_DONE ? rc : one;
    }
    return rc;
}
