/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl show`, `update`, `revoke`: keys by their ids. */
#include "cli.h"
#include "print.h"

#include "../core/judge.h"

#include <inttypes.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <string.h>

cli_exit_t cli_read_owner(const cli_t *cli, bool required, apikey_owner_t *type,
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

cli_exit_t cli_read_id(const char *text, uint64_t *id)
{
    return cli_number(text, id) ? CLI_DONE
                                : cli_fail(CLI_USAGE, "'%s' is not the id of a key", text);
}

cli_exit_t cli_no_such_key(uint64_t id)
{
    return cli_fail(CLI_NOT_DONE, "there is no key %" PRIu64, id);
}

typedef struct {
    json_t *key;        /* NULL: as text */
    json_t *secrets;    /* of it, a list */
    const char *pepper; /* that new ones are made with */
} showing_t;

static bool show_one(const apikey_listed_t *key, void *baton)
{
    showing_t *showing = baton;

    if (showing->secrets) {
        showing->key = cli_json_key(key);
    }
    else {
        cli_print_key(key);
    }
    return true;
}

static bool show_secret(const apikey_secret_t *secret, void *baton)
{
    showing_t *showing = baton;

    if (showing->secrets) {
        json_array_append_new(showing->secrets, cli_json_secret(secret, showing->pepper));
    }
    else {
        cli_print_secret(secret, showing->pepper);
    }
    return true;
}

/* As recorded; none where a site's own views come without settings. */
static cli_exit_t read_current_pepper(cli_t *cli, const char **fingerprint)
{
    const apikey_db_status_t rv =
        apikey_store_get_setting(cli->db, "pepper", cli->pool, fingerprint);

    if (rv != APIKEY_DB_OK && apikey_db_errno(cli->db) != ER_NO_SUCH_TABLE) {
        return cli_fail_db(cli, "cannot read the settings");
    }
    if (rv != APIKEY_DB_OK || !*fingerprint) {
        *fingerprint = "";
    }
    return CLI_DONE;
}

cli_exit_t cli_show(cli_t *cli)
{
    showing_t showing = {NULL, cli->opt.json ? json_array() : NULL, ""};
    uint64_t id;
    bool found = false;
    cli_exit_t rc = cli_read_id(cli->argv[0], &id);

    if (rc != CLI_DONE || (rc = read_current_pepper(cli, &showing.pepper)) != CLI_DONE) {
        json_decref(showing.secrets);
        return rc;
    }
    if (apikey_store_show(cli->db, id, show_one, &showing, &found) != APIKEY_DB_OK ||
        (found && apikey_store_secrets(cli->db, id, show_secret, &showing) != APIKEY_DB_OK)) {
        rc = cli_fail_db(cli, "cannot show the key");
    }
    else if (!found) {
        rc = cli_no_such_key(id);
    }
    if (rc != CLI_DONE || !cli->opt.json) {
        json_decref(showing.key);
        json_decref(showing.secrets);
        return rc;
    }
    json_object_set_new(showing.key, "secrets", showing.secrets);
    return cli_print_json(showing.key);
}

cli_exit_t cli_update(cli_t *cli)
{
    apikey_outcome_t outcome = APIKEY_OUTCOME_NONE;
    const char *why;
    uint64_t id;
    cli_exit_t rc = cli_read_id(cli->argv[0], &id);

    if (rc != CLI_DONE) {
        return rc;
    }
    if (!cli->opt.description) {
        return cli_fail(CLI_USAGE, "say what to change: --description TEXT");
    }
    why = apikey_store_check_description(cli->opt.description);
    if (why) {
        return cli_fail(CLI_USAGE, "%s", why);
    }
    if (apikey_store_change(cli->db, id, cli->opt.description, false, &outcome) !=
        APIKEY_DB_OK) {
        return cli_fail_db(cli, "the key was not changed");
    }
    if (outcome == APIKEY_OUTCOME_NOT_FOUND) {
        return cli_no_such_key(id);
    }
    printf(outcome == APIKEY_OUTCOME_DONE ? "Key %" PRIu64 " is changed.\n"
                                          : "Key %" PRIu64 " said so before.\n",
           id);
    return CLI_DONE;
}

static cli_exit_t revoke_one(cli_t *cli, uint64_t id)
{
    apikey_outcome_t outcome = APIKEY_OUTCOME_NONE;

    if (apikey_store_change(cli->db, id, NULL, true, &outcome) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot revoke the key");
    }
    if (outcome == APIKEY_OUTCOME_NOT_FOUND) {
        return cli_no_such_key(id);
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
        rc = one > rc ? one : rc; /* the database being gone says most */
        if (one == CLI_NO_DATABASE) {
            break;
        }
    }
    return rc;
}
