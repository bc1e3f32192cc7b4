/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl create` and `rotate`: new secrets, each printed once. */
#include "cli.h"
#include "mint.h"
#include "print.h"
#include "when.h"

#include <apr_time.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

static cli_exit_t read_new_key(cli_t *cli, apikey_new_key_t *key)
{
    const char *why;
    cli_exit_t rc = cli_read_owner(cli, true, &key->owner_type, &key->owner);

    if (rc != CLI_DONE) {
        return rc;
    }
    key->description = cli->opt.description ? cli->opt.description : "";
    key->scopes = cli->opt.scopes ? cli->opt.scopes : "";
    key->is_public = cli->opt.is_public;
    key->expires_ms = APIKEY_NEVER;
    if (cli->opt.expires) {
        why = cli_when_read(cli->opt.expires, apr_time_as_msec(apr_time_now()), CLI_WHEN_AHEAD,
                            &key->expires_ms);
        if (why) {
            return cli_fail(CLI_USAGE, "--expires '%s': %s", cli->opt.expires, why);
        }
    }
    why = apikey_store_check_new(key);
    return why ? cli_fail(CLI_USAGE, "%s", why) : CLI_DONE;
}

/* A secret that could not be shown is lost: its key is of no use. */
static cli_exit_t check_shown(cli_exit_t rc, uint64_t id)
{
    return fflush(stdout) == 0 && !ferror(stdout)
               ? rc
               : cli_fail(CLI_NOT_DONE,
                          "cannot write to standard output: the new secret of key %" PRIu64
                          " is lost; apikeyctl rotate %" PRIu64 " makes another",
                          id, id);
}

static cli_exit_t print_created(const cli_t *cli, const apikey_new_key_t *key, uint64_t id,
                                const char *secret)
{
    const char *type = key->owner_type == APIKEY_OWNER_USER ? "user" : "team";

    if (cli->opt.json) {
        return cli_print_json(json_pack("{s:o, s:s, s:s, s:s}", "id", cli_json_id(id),
                                        "api_key", secret, "owner_type", type, "owner_id",
                                        key->owner));
    }
    if (cli->opt.quiet) {
        puts(secret);
        return CLI_DONE;
    }
    printf("Key %" PRIu64 " of %s ", id, type);
    cli_print_safe(stdout, key->owner);
    printf(". Its secret, shown this once:\n\n%s\n", secret);
    return CLI_DONE;
}

/* Stores the key with a new secret, and prints that. */
static cli_exit_t create(cli_t *cli, const apikey_new_key_t *key, cli_minted_t *minted)
{
    apikey_outcome_t outcome = APIKEY_OUTCOME_NONE;
    uint64_t id = 0;
    cli_exit_t rc = cli_mint(cli, key->owner_type, minted);

    if (rc != CLI_DONE) {
        return rc;
    }
    if (apikey_store_create(cli->db, key, &minted->stored, 0, &id, &outcome) != APIKEY_DB_OK ||
        outcome != APIKEY_OUTCOME_DONE) {
        return cli_fail_db(cli, "no key was created");
    }
    return check_shown(print_created(cli, key, id, minted->text), id);
}

cli_exit_t cli_create(cli_t *cli)
{
    apikey_new_key_t key = {0};
    cli_minted_t minted;
    cli_exit_t rc = read_new_key(cli, &key);

    if (rc == CLI_DONE) {
        rc = create(cli, &key, &minted);
        OPENSSL_cleanse(&minted, sizeof(minted));
    }
    return rc;
}

static bool note_owner_type(const apikey_listed_t *key, void *baton)
{
    *(apikey_owner_t *)baton =
        strcmp(key->owner_type, "team") == 0 ? APIKEY_OWNER_TEAM : APIKEY_OWNER_USER;
    return true;
}

static cli_exit_t read_grace(const cli_t *cli, int64_t *grace_s)
{
    const char *why = NULL;

    *grace_s = 24 * 3600;
    if (cli->opt.grace) {
        why = cli_when_read_span(cli->opt.grace, grace_s);
        if (!why && *grace_s > APIKEY_GRACE_MAX_S) {
            why = "30d is the longest";
        }
    }
    return why ? cli_fail(CLI_USAGE, "--grace '%s': %s", cli->opt.grace, why) : CLI_DONE;
}

static cli_exit_t refuse_rotation(uint64_t id, apikey_outcome_t outcome)
{
    switch (outcome) {
    case APIKEY_OUTCOME_NOT_FOUND:
        return cli_no_such_key(id);
    case APIKEY_OUTCOME_REVOKED:
        return cli_fail(CLI_NOT_DONE, "key %" PRIu64 " is revoked: make a new key", id);
    case APIKEY_OUTCOME_EXPIRED:
        return cli_fail(CLI_NOT_DONE, "key %" PRIu64 " has expired: make a new key", id);
    case APIKEY_OUTCOME_TOO_MANY:
        return cli_fail(CLI_NOT_DONE,
                        "key %" PRIu64 " has %d secrets that still work: wait until the grace "
                        "of one ends, or end all others with --grace 0",
                        id, APIKEY_SECRETS_MAX);
    default:
        return cli_fail(CLI_NOT_DONE, "key %" PRIu64 " was not rotated", id);
    }
}

static cli_exit_t print_rotated(const cli_t *cli, uint64_t id, int64_t grace_s,
                                const char *secret)
{
    if (cli->opt.json) {
        return cli_print_json(
            json_pack("{s:o, s:s}", "id", cli_json_id(id), "api_key", secret));
    }
    if (cli->opt.quiet) {
        puts(secret);
        return CLI_DONE;
    }
    printf("Key %" PRIu64 " has a new secret, shown this once:\n\n%s\n\n", id, secret);
    if (grace_s == 0) {
        puts("All its other secrets have ended.");
    }
    else {
        char until[CLI_WHEN_SIZE];
        cli_when_write(until, apr_time_as_msec(apr_time_now()) + grace_s * 1000);
        printf("Its other secrets end by %s at the latest; apikeyctl show %" PRIu64 " tells.\n",
               until, id);
    }
    return CLI_DONE;
}

static cli_exit_t rotate(cli_t *cli, uint64_t id, int64_t grace_s, cli_minted_t *minted)
{
    apikey_outcome_t outcome = APIKEY_OUTCOME_NONE;
    apikey_owner_t type = APIKEY_OWNER_NONE;
    bool found;
    cli_exit_t rc;

    if (apikey_store_show(cli->db, id, note_owner_type, &type, &found) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "the key was not rotated");
    }
    if (!found) {
        return cli_no_such_key(id);
    }
    if ((rc = cli_mint(cli, type, minted)) != CLI_DONE) {
        return rc;
    }
    if (apikey_store_rotate(cli->db, id, grace_s, &minted->stored, NULL, &outcome) !=
        APIKEY_DB_OK) {
        return cli_fail_db(cli, "the key was not rotated");
    }
    return outcome == APIKEY_OUTCOME_DONE
               ? check_shown(print_rotated(cli, id, grace_s, minted->text), id)
               : refuse_rotation(id, outcome);
}

cli_exit_t cli_rotate(cli_t *cli)
{
    cli_minted_t minted;
    int64_t grace_s;
    uint64_t id;
    cli_exit_t rc = cli_read_id(cli->argv[0], &id);

    if (rc == CLI_DONE && (rc = read_grace(cli, &grace_s)) == CLI_DONE) {
        rc = rotate(cli, id, grace_s, &minted);
        OPENSSL_cleanse(&minted, sizeof(minted));
    }
    return rc;
}
