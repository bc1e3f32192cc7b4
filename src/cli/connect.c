/* SPDX-License-Identifier: Apache-2.0 */
/* Opens the connection of apikeyctl. A password comes from an option file or the terminal,
 * never from the command line. */
#include "cli.h"
#include "when.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <mysqld_error.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const char *host, *user, *dbname, *sock, *group;
    unsigned int port;
    unsigned int connect_s, answer_s; /* how long to wait; 0: for ever */
} dsn_t;

enum { CONNECT_S = 10, TIMEOUT_MAX_S = 24 * 3600, SERVER_LOST = 2013 /* CR_SERVER_LOST */ };

/* A parameter with its value; false where there is none of that name, or not of that value. */
static bool set_parameter(dsn_t *dsn, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **value;
    } texts[] = {
        {"host", &dsn->host}, {"user", &dsn->user},   {"dbname", &dsn->dbname},
        {"sock", &dsn->sock}, {"group", &dsn->group},
    };
    uint64_t port;
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].value = value;
            return true;
        }
    }
    if (strcmp(name, "port") != 0 || !cli_number(value, &port) || port > 65535) {
        return false;
    }
    dsn->port = (unsigned int)port;
    return true;
}

static cli_exit_t read_dsn(dsn_t *dsn, const char *text, apr_pool_t *pool)
{
    static const char separators[] = " \r\n\t;|,"; /* those of DBDParams */
    char *state;
    char *item = apr_strtok(apr_pstrdup(pool, text), separators, &state);

    for (; item; item = apr_strtok(NULL, separators, &state)) {
        char *value = strchr(item, '=');

        if (strncmp(item, "pass", 4) == 0) {
            return cli_fail(CLI_USAGE, "--dsn takes no password, which every user of this "
                                       "machine could read: it is asked for, or put it into "
                                       "an option file (--defaults-file)");
        }
        if (!value) {
            return cli_fail(CLI_USAGE, "--dsn: '%s' is not of the form name=value", item);
        }
        *value++ = '\0';
        if (!set_parameter(dsn, item, value)) {
            return cli_fail(CLI_USAGE,
                            "--dsn: '%s' is not one of host, port, sock, user, "
                            "dbname, group, or its value is not legal",
                            item);
        }
    }
    return CLI_DONE;
}

/* What the mysql client takes from the environment, MYSQL_PWD aside, which the library does. An
 * option file goes before it. */
static void take_environment(MYSQL *conn)
{
#ifdef LIBMARIADB
    const char *host = getenv("MYSQL_HOST");
    const char *sock = getenv("MYSQL_UNIX_PORT");
    const char *port_text = getenv("MYSQL_TCP_PORT");
    uint64_t port;

    if (host && *host) {
        mysql_optionsv(conn, MARIADB_OPT_HOST, host);
    }
    if (sock && *sock) {
        mysql_optionsv(conn, MARIADB_OPT_UNIXSOCKET, sock);
    }
    if (port_text && cli_number(port_text, &port) && port < 65536) {
        const unsigned int number = (unsigned int)port;
        mysql_optionsv(conn, MARIADB_OPT_PORT, &number);
    }
#else
    (void)conn; /* the library does not let an option file go before it */
#endif
}

static cli_exit_t read_timeout(const cli_t *cli, dsn_t *dsn)
{
    int64_t seconds = cli->patience_s;
    const char *why = cli->opt.timeout ? cli_when_read_span(cli->opt.timeout, &seconds) : NULL;

    if (!why && seconds > TIMEOUT_MAX_S) {
        why = "longer than a day";
    }
    if (why) {
        return cli_fail(CLI_USAGE, "--timeout: %s; say 60s, or 0 to wait for ever", why);
    }
    dsn->answer_s = (unsigned int)seconds;
    dsn->connect_s = cli->opt.timeout ? dsn->answer_s : CONNECT_S;
    return CLI_DONE;
}

static MYSQL *try_connect(MYSQL *conn, const cli_options_t *opt, const dsn_t *dsn,
                          const char *password)
{
    if (dsn->connect_s) {
        mysql_options(conn, MYSQL_OPT_CONNECT_TIMEOUT, &dsn->connect_s);
    }
    if (dsn->answer_s) {
        mysql_options(conn, MYSQL_OPT_READ_TIMEOUT, &dsn->answer_s);
        mysql_options(conn, MYSQL_OPT_WRITE_TIMEOUT, &dsn->answer_s);
    }
    mysql_options(conn, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    take_environment(conn);
    if (opt->defaults_file) {
        mysql_options(conn, MYSQL_READ_DEFAULT_FILE, opt->defaults_file);
    }
    mysql_options(conn, MYSQL_READ_DEFAULT_GROUP, dsn->group ? dsn->group : "apikeyctl");
    return mysql_real_connect(conn, dsn->host, dsn->user, password, dsn->dbname, dsn->port,
                              dsn->sock, 0);
}

/* Without a terminal of its own the process would read the password from standard input. */
static bool has_terminal(void)
{
    const int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

    return fd >= 0 && close(fd) == 0;
}

/* Asks on the terminal, not on standard input: `check` reads a key from there. */
static MYSQL *connect_asking(MYSQL *conn, const cli_options_t *opt, const dsn_t *dsn)
{
    char password[128];
    apr_size_t size = sizeof(password);
    MYSQL *connected = NULL;

    if (has_terminal() && apr_password_get("Password: ", password, &size) == APR_SUCCESS) {
        connected = try_connect(conn, opt, dsn, password);
    }
    OPENSSL_cleanse(password, sizeof(password));
    return connected;
}

static apr_status_t close_connection(void *data)
{
    mysql_close(data);
    return APR_SUCCESS;
}

cli_exit_t cli_connect(cli_t *cli)
{
    dsn_t dsn = {0};
    MYSQL *conn;
    cli_exit_t rc = cli->opt.dsn ? read_dsn(&dsn, cli->opt.dsn, cli->pool) : CLI_DONE;

    if (rc != CLI_DONE || (rc = read_timeout(cli, &dsn)) != CLI_DONE) {
        return rc;
    }
    if (cli->opt.defaults_file && access(cli->opt.defaults_file, R_OK) != 0) {
        return cli_fail(CLI_USAGE, "cannot read --defaults-file %s", cli->opt.defaults_file);
    }
    conn = mysql_init(NULL);
    if (!conn) {
        return cli_fail(CLI_NOT_DONE, "out of memory");
    }
    apr_pool_cleanup_register(cli->pool, conn, close_connection, apr_pool_cleanup_null);
    if (!try_connect(conn, &cli->opt, &dsn, NULL) &&
        !(mysql_errno(conn) == ER_ACCESS_DENIED_ERROR &&
          connect_asking(conn, &cli->opt, &dsn))) {
        const char *remedy = apikey_db_remedy(mysql_errno(conn));
        return cli_fail(CLI_NO_DATABASE, "cannot connect to the database: %s (error %u)%s%s",
                        mysql_error(conn), mysql_errno(conn), *remedy ? "; " : "", remedy);
    }
    /* An option file's default-character-set goes before what was asked for. */
    if (mysql_set_character_set(conn, "utf8mb4") != 0) {
        return cli_fail(CLI_NO_DATABASE, "the database does not take utf8mb4: %s",
                        mysql_error(conn));
    }
    cli->conn = conn;
    cli->db = apikey_db_make(conn, cli->pool);
    return CLI_DONE;
}

cli_exit_t cli_fail_db(const cli_t *cli, const char *doing)
{
    const unsigned int code = apikey_db_errno(cli->db);
    const char *remedy = code == SERVER_LOST ? "whether it was done is not known; it may take "
                                               "longer with --timeout"
                                             : apikey_db_remedy(code);
    const bool no_database = code == ER_NO_SUCH_TABLE || code == ER_BAD_FIELD_ERROR ||
                             code == ER_NO_DB_ERROR || (code >= 2000 && code < 3000);

    return cli_fail(no_database ? CLI_NO_DATABASE : CLI_NOT_DONE, "%s: %s (error %u)%s%s",
                    doing, apikey_db_error(cli->db), code, *remedy ? "; " : "", remedy);
}

static cli_exit_t other_version(const char *version)
{
    const bool older = strtol(version, NULL, 10) < strtol(APIKEY_SCHEMA_VERSION, NULL, 10);

    return cli_fail(CLI_NO_DATABASE,
                    "the tables are of schema version %s, this apikeyctl is for %s; %s",
                    version, APIKEY_SCHEMA_VERSION,
                    older ? "apikeyctl init brings them up to date"
                          : "use the apikeyctl that came with them");
}

cli_exit_t cli_check_schema(cli_t *cli)
{
    const char *version;

    if (apikey_store_get_setting(cli->db, "schema_version", cli->pool, &version) ==
        APIKEY_DB_OK) {
        return version && strcmp(version, APIKEY_SCHEMA_VERSION) != 0 ? other_version(version)
                                                                      : CLI_DONE;
    }
    /* A site's own views may come without settings; that there are no tables at all is what
     * the command itself will be told. */
    return apikey_db_errno(cli->db) == ER_NO_SUCH_TABLE
               ? CLI_DONE
               : cli_fail_db(cli, "cannot read the settings");
}
