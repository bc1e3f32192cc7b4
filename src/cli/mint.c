/* SPDX-License-Identifier: Apache-2.0 */
#include "mint.h"

#include <string.h>

cli_exit_t cli_read_peppers(cli_t *cli, apikey_peppers_t *peppers)
{
    int i;

    memset(peppers, 0, sizeof(*peppers));
    if (cli->opt.pepper_files == APIKEY_DIGESTS_MAX) {
        return cli_fail(CLI_USAGE, "at most %d --pepper files", APIKEY_DIGESTS_MAX - 1);
    }
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

cli_exit_t cli_read_prefix(cli_t *cli, const char **prefix)
{
    *prefix = cli->opt.prefix;
    if (!*prefix &&
        apikey_store_get_setting(cli->db, "prefix", cli->pool, prefix) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot read the settings");
    }
    if (!*prefix || !apikey_keyfmt_prefix_ok(*prefix)) {
        return cli_fail(CLI_USAGE, "a prefix is 2 to 20 of a-z and 0-9 (--prefix)");
    }
    return CLI_DONE;
}

cli_exit_t cli_check_pepper(cli_t *cli, const apikey_peppers_t *peppers)
{
    const char *mine = peppers->pepper[0].fingerprint;
    const char *recorded;

    if (apikey_store_get_setting(cli->db, "pepper", cli->pool, &recorded) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot read the settings");
    }
    if (!recorded) {
        recorded = "";
    }
    if (strcmp(recorded, mine) == 0) {
        return CLI_DONE;
    }
    if (!*mine) {
        return cli_fail(CLI_USAGE,
                        "the keys of this database are made with the pepper of fingerprint "
                        "%s; give its file with --pepper",
                        recorded);
    }
    return cli_fail(
        CLI_USAGE,
        "the pepper given has the fingerprint %s, the one recorded in "
        "api_key_settings is %s; record a new one with apikeyctl init --pepper FILE",
        mine, *recorded ? recorded : "none");
}
