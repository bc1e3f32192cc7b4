/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs apikeyctl, for the audit trail. The database account is on record beside it. */
#include "cli.h"

#include <apr_strings.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

enum { HOST_SIZE = 256 };

static const char *login_name(apr_pool_t *pool)
{
    const struct passwd *entry = getpwuid(getuid());

    return entry ? apr_pstrdup(pool, entry->pw_name)
                 : apr_psprintf(pool, "uid %lu", (unsigned long)getuid());
}

cli_exit_t cli_act(cli_t *cli)
{
    char host[HOST_SIZE] = "";
    const char *login = login_name(cli->pool);
    /* Only root is believed in whose name it acts: anybody can set the variable. */
    const char *sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    const char *actor;

    if (gethostname(host, sizeof(host)) != 0 || !*host) {
        apr_cpystrn(host, "localhost", sizeof(host));
    }
    host[sizeof(host) - 1] = '\0';
    actor = sudo && *sudo ? apr_psprintf(cli->pool, "apikeyctl:%s(%s)@%s", sudo, login, host)
                          : apr_psprintf(cli->pool, "apikeyctl:%s@%s", login, host);
    return apikey_store_act_as(cli->db, actor, NULL) == APIKEY_DB_OK
               ? CLI_DONE
               : cli_fail_db(cli, "cannot say who acts");
}
