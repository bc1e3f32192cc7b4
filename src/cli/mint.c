/* SPDX-License-Identifier: Apache-2.0 */
#include "mint.h"

#include "../core/keygen.h"

#include <apr_strings.h>
#include <string.h>

cli_exit_t cli_read_peppers(cli_t *cli, apikey_peppers_t *peppers)
{
    int i;

    memset(peppers, 0, sizeof(*peppers));
    for (i = 0; i < cli->opt.pepper_files; i++) {
        const char *why =
            apikey_pepper_read(&peppers->pepper[i], cli->opt.pepper_file[i], cli->pool);
        if (why) {
            return cli_fail(CLI_USAGE, "%s", why);
        }
    }
    peppers->count = cli->opt.pepper_files + 1;
    return CLI_DONE;
}

static cli_exit_t read_setting(cli_t *cli, const char *name, const char **value)
{
    return apikey_store_get_setting(cli->db, name, cli->pool, value) == APIKEY_DB_OK
               ? CLI_DONE
               : cli_fail_db(cli, "cannot read the settings");
}

cli_exit_t cli_read_prefix(cli_t *cli, const char **prefix)
{
    cli_exit_t rc;

    *prefix = cli->opt.prefix;
    if (!*prefix && (rc = read_setting(cli, "prefix", prefix)) != CLI_DONE) {
        return rc;
    }
    if (!*prefix || !apikey_keyfmt_prefix_ok(*prefix)) {
        return cli_fail(CLI_USAGE, "a prefix is 2 to 20 of a-z and 0-9 (--prefix)");
    }
    return CLI_DONE;
}

cli_exit_t cli_read_fingerprint(cli_t *cli, const char **fingerprint)
{
    const cli_exit_t rc = read_setting(cli, "pepper", fingerprint);

    if (rc == CLI_DONE && !*fingerprint) {
        *fingerprint = "";
    }
    return rc;
}

static cli_exit_t check_pepper(cli_t *cli, const char *mine)
{
    const char *recorded;
    cli_exit_t rc = cli_read_fingerprint(cli, &recorded);

    if (rc != CLI_DONE || strcmp(recorded, mine) == 0) {
        return rc;
    }
    if (!*mine) {
        return cli_fail(CLI_USAGE,
                        "the keys of this database are made with the pepper of fingerprint "
                        "%s; give its file with --pepper",
                        recorded);
    }
    return cli_fail(CLI_USAGE,
                    "the pepper given has the fingerprint %s, the one recorded is %s; record "
                    "a new one with apikeyctl pepper use FILE",
                    mine, *recorded ? recorded : "none");
}

cli_exit_t cli_mint(cli_t *cli, apikey_owner_t kind, cli_minted_t *minted)
{
    apikey_peppers_t peppers;
    const char *prefix;
    size_t len;
    cli_exit_t rc = cli_read_peppers(cli, &peppers);

    if (rc != CLI_DONE || (rc = cli_read_prefix(cli, &prefix)) != CLI_DONE ||
        (rc = check_pepper(cli, peppers.pepper[0].fingerprint)) != CLI_DONE) {
        return rc;
    }
    if (apikey_keygen(minted->text, prefix, kind) != APR_SUCCESS) {
        return cli_fail(CLI_NOT_DONE, "the operating system has no random numbers for us");
    }
    len = strlen(minted->text);
    if (!apikey_digest(minted->stored.digest, &peppers.pepper[0], minted->text, len)) {
        return cli_fail(CLI_NOT_DONE, "libcrypto cannot compute the digest");
    }
    minted->stored.fingerprint = apr_pstrdup(cli->pool, peppers.pepper[0].fingerprint);
    minted->stored.last_four = apr_pstrdup(cli->pool, minted->text + len - APIKEY_LAST_LEN);
    return CLI_DONE;
}
