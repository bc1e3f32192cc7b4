/* SPDX-License-Identifier: Apache-2.0 */
/* The directives: one setter each, which refuses a bad value with its remedy. */
#include "config.h"

#include "mount.h"
#include "scrub.h"

#include "../core/keyfmt.h"
#include "../core/scope.h"
#include "../core/sql.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define SERVER_ONLY(cmd)                                                                       \
    do {                                                                                       \
        const char *not_here_ = ap_check_cmd_context(cmd, NOT_IN_DIR_LOC_FILE);                \
        if (not_here_) {                                                                       \
            return not_here_;                                                                  \
        }                                                                                      \
    } while (0)

static apikey_server_conf_t *server_conf(cmd_parms *cmd)
{
    return ap_get_module_config(cmd->server->module_config, &authn_apikey_module);
}

/* The words of a line, in the order given; NULL where one is given twice. */
static apr_array_header_t *words(cmd_parms *cmd, int argc, char *const argv[])
{
    apr_array_header_t *list = apr_array_make(cmd->pool, argc, sizeof(const char *));
    int i, j;

    for (i = 0; i < argc; i++) {
        for (j = 0; j < i; j++) {
            if (ap_cstr_casecmp(argv[i], argv[j]) == 0) {
                return NULL;
            }
        }
        APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(cmd->pool, argv[i]);
    }
    return list;
}

static const char *set_prefix(cmd_parms *cmd, void *dummy, int argc, char *const argv[])
{
    apr_array_header_t *list;
    int i;

    (void)dummy;
    SERVER_ONLY(cmd);
    for (i = 0; i < argc; i++) {
        if (!apikey_keyfmt_prefix_ok(argv[i])) {
            return apr_psprintf(cmd->pool, "ApiKeyPrefix: '%s' is not 2 to 20 of a-z and 0-9",
                                argv[i]);
        }
    }
    list = words(cmd, argc, argv);
    if (argc == 0 || !list) {
        return "ApiKeyPrefix takes one or more prefixes, each once";
    }
    server_conf(cmd)->prefixes = list;
    return NULL;
}

static const char *set_foreign(cmd_parms *cmd, void *dummy, int on)
{
    (void)dummy;
    SERVER_ONLY(cmd);
    server_conf(cmd)->foreign = on;
    return NULL;
}

static const char *set_pepper_file(cmd_parms *cmd, void *dummy, int argc, char *const argv[])
{
    apikey_peppers_t *peppers = apr_pcalloc(cmd->pool, sizeof(*peppers));
    int i;

    (void)dummy;
    SERVER_ONLY(cmd);
    if (argc < 1 || argc > APIKEY_DIGESTS_MAX) {
        return apr_psprintf(cmd->pool, "ApiKeyPepperFile takes 1 to %d files or 'none'",
                            APIKEY_DIGESTS_MAX);
    }
    for (i = 0; i < argc; i++) {
        const char *path;
        const char *why;

        if (ap_cstr_casecmp(argv[i], "none") == 0) {
            if (i != argc - 1) {
                return "ApiKeyPepperFile: 'none' comes last";
            }
            continue; /* zeroed: no pepper */
        }
        path = ap_server_root_relative(cmd->pool, argv[i]);
        why = path ? apikey_pepper_read(&peppers->pepper[i], path, cmd->pool)
                   : apr_pstrcat(cmd->pool, "not a path: ", argv[i], NULL);
        if (why) {
            return apr_pstrcat(cmd->pool, "ApiKeyPepperFile: ", why, NULL);
        }
    }
    peppers->count = argc;
    server_conf(cmd)->peppers = peppers;
    return NULL;
}

static const char *set_header_prefix(cmd_parms *cmd, void *dummy, const char *prefix)
{
    const char *why = apikey_scrub_prefix_refused(prefix);

    (void)dummy;
    SERVER_ONLY(cmd);
    if (why) {
        return apr_psprintf(cmd->pool, "ApiKeyHeaderPrefix: '%s' %s", prefix, why);
    }
    server_conf(cmd)->header_prefix = prefix;
    return NULL;
}

/* A size with an optional K, M or G behind it, in bytes; 0 for anything else and for more than
 * any machine has. */
static size_t read_size(const char *text)
{
    static const char units[] = "KMG";
    static const apr_int64_t most = INT64_C(256) << 30;
    char *end;
    const apr_int64_t number = apr_strtoi64(text, &end, 10);
    const char *unit = *end ? strchr(units, apr_toupper(*end)) : NULL;
    const int shift = unit ? 10 * (int)(unit - units + 1) : 0;

    if (!apr_isdigit(*text) || number <= 0 || (*end && (!unit || end[1])) ||
        number > most >> shift) {
        return 0;
    }
    return (size_t)number << shift;
}

static const char *set_cache(cmd_parms *cmd, void *dummy, const char *size)
{
    const char *not_here = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    size_t bytes = 0;

    (void)dummy;
    if (not_here) {
        return not_here;
    }
    if (ap_cstr_casecmp(size, "Off") != 0) {
        bytes = read_size(size);
        if (bytes < APIKEY_CACHE_MIN) {
            return apr_psprintf(cmd->pool,
                                "ApiKeyCache takes Off or a size from 4M to 256G (16M, 1G), "
                                "not '%s'",
                                size);
        }
    }
    apikey_conf_set_cache_size(bytes);
    return NULL;
}

/* The intervals, all alike: what they are called, where they go, the least they may be, and
 * whether they may be Off. */
typedef struct {
    const char *name;
    size_t offset;
    int64_t least;
    bool off;
} interval_t;

#define INTERVAL(name, member, least, off)                                                     \
    {                                                                                          \
        name, APR_OFFSETOF(apikey_server_conf_t, member), least, off                           \
    }

static const interval_t intervals[] = {
    INTERVAL("ApiKeyCacheTTL", terms.ttl, 1, false),
    INTERVAL("ApiKeyNegativeTTL", terms.negative_ttl, 0, false),
    INTERVAL("ApiKeyStale", terms.stale, 0, false),
    INTERVAL("ApiKeyTimeout", timeout, 10, false),
    INTERVAL("ApiKeyRefresh", refresh, 100, true),
    INTERVAL("ApiKeyUsage", usage, 1000, true),
};

/* httpd's interval syntax, but for the zero the unit must be said: `300` may mean anything. */
static bool read_interval(const char *text, int64_t *ms)
{
    const size_t digits = strspn(text, "0123456789");
    apr_interval_time_t t;

    if (digits == 0 || (text[digits] == '\0' && strspn(text, "0") != digits) ||
        ap_timeout_parameter_parse(text, &t, "s") != APR_SUCCESS) {
        return false;
    }
    *ms = apr_time_as_msec(t);
    return *ms <= INT64_C(366) * 24 * 3600 * 1000;
}

static const char *set_interval(cmd_parms *cmd, void *dummy, const char *text)
{
    const interval_t *what = cmd->info;
    int64_t ms = 0;

    (void)dummy;
    SERVER_ONLY(cmd);
    if (!(what->off && ap_cstr_casecmp(text, "Off") == 0) &&
        (!read_interval(text, &ms) || ms < what->least)) {
        return apr_psprintf(cmd->pool,
                            "%s takes %sa time with its unit (500ms, 10s, 5min) of at least "
                            "%" APR_INT64_T_FMT "ms and at most a year, not '%s'",
                            what->name, what->off ? "Off or " : "", what->least, text);
    }
    *(int64_t *)(void *)((char *)server_conf(cmd) + what->offset) = ms;
    return NULL;
}

/* RFC 9110 section 5.6.2, less the characters no header of this kind is named with. */
static int is_header_name(const char *name)
{
    const size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789-_");
    return len > 0 && name[len] == '\0';
}

static const char *set_header(cmd_parms *cmd, void *conf, int argc, char *const argv[])
{
    apr_array_header_t *list;
    int i;

    for (i = 0; i < argc; i++) {
        if (!is_header_name(argv[i])) {
            return apr_psprintf(cmd->pool, "ApiKeyHeader: '%s' is not the name of a header",
                                argv[i]);
        }
        if (ap_cstr_casecmp(argv[i], "Host") == 0 || ap_cstr_casecmp(argv[i], "Cookie") == 0 ||
            ap_cstr_casecmp(argv[i], "Content-Length") == 0 ||
            ap_cstr_casecmp(argv[i], "Transfer-Encoding") == 0 ||
            ap_cstr_casecmp(argv[i], "Proxy-Authorization") == 0) {
            return apr_psprintf(cmd->pool,
                                "ApiKeyHeader: %s has another meaning; take a header of your "
                                "own, X-API-Key for example",
                                argv[i]);
        }
        if (!apikey_scrub_allows_header(cmd, argv[i])) {
            return apr_psprintf(cmd->pool,
                                "ApiKeyHeader: %s begins like the headers that tell "
                                "applications who calls, which are removed from every request; "
                                "take another name or another ApiKeyHeaderPrefix",
                                argv[i]);
        }
    }
    list = words(cmd, argc, argv);
    if (argc == 0 || !list) {
        return "ApiKeyHeader takes one or more header names, each once";
    }
    for (i = 0; i < list->nelts; i++) {
        const char **name = &APR_ARRAY_IDX(list, i, const char *);
        *name =
            ap_cstr_casecmp(*name, apikey_authorization) == 0 ? apikey_authorization : *name;
    }
    ((apikey_dir_conf_t *)conf)->headers = list;
    return NULL;
}

static const char *set_export(cmd_parms *cmd, void *conf, const char *what)
{
    static const struct {
        const char *name;
        int bits;
    } values[] = {
        {"None", APIKEY_EXPORT_NONE},
        {"Env", APIKEY_EXPORT_ENV},
        {"Headers", APIKEY_EXPORT_HEADERS},
        {"All", APIKEY_EXPORT_ENV | APIKEY_EXPORT_HEADERS},
    };
    size_t i;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (ap_cstr_casecmp(what, values[i].name) == 0) {
            ((apikey_dir_conf_t *)conf)->exports = values[i].bits;
            return NULL;
        }
    }
    return apr_psprintf(cmd->pool, "ApiKeyExport takes None, Env, Headers or All, not '%s'",
                        what);
}

/* What decides who may manage keys, and which, is for the server's own configuration. */
static const char *check_section(cmd_parms *cmd, apikey_mount_t *mount)
{
    const char *why = ap_check_cmd_context(cmd, NOT_IN_HTACCESS);

    if (!why && (why = apikey_mount_find(cmd, mount)) != NULL) {
        why = apr_pstrcat(cmd->pool, cmd->cmd->name, " ", why, NULL);
    }
    return why;
}

static const char *set_manage(cmd_parms *cmd, void *conf, const char *whom, const char *how)
{
    apikey_mount_t *mount = apr_pcalloc(cmd->pool, sizeof(*mount));
    const char *why = check_section(cmd, mount);

    if (why) {
        return why;
    }
    mount->by_key = how && ap_cstr_casecmp(how, "ByKey") == 0;
    mount->manage = ap_cstr_casecmp(whom, "Self") == 0    ? APIKEY_MANAGE_SELF
                    : ap_cstr_casecmp(whom, "Admin") == 0 ? APIKEY_MANAGE_ADMIN
                                                          : APIKEY_MANAGE_NONE;
    if ((how && !mount->by_key) ||
        (mount->manage == APIKEY_MANAGE_NONE && (how || ap_cstr_casecmp(whom, "None") != 0))) {
        return apr_psprintf(
            cmd->pool,
            "ApiKeyManage takes Self or Admin, with ByKey behind it perhaps, or "
            "None, not '%s%s%s'",
            whom, how ? " " : "", how ? how : "");
    }
    ((apikey_dir_conf_t *)conf)->manage = mount;
    return NULL;
}

static const char *set_scopes(cmd_parms *cmd, void *conf, int argc, char *const argv[])
{
    apikey_mount_t unused = {0};
    const char *why = check_section(cmd, &unused);
    apr_array_header_t *list = apr_array_make(cmd->pool, argc, sizeof(const char *));
    int i, j;

    if (why) {
        return why;
    }
    for (i = 0; i < argc; i++) {
        if (!apikey_scope_token_ok(argv[i], strlen(argv[i]))) {
            return apr_psprintf(cmd->pool,
                                "ApiKeyScopes: '%s' is not a scope: printable ASCII without "
                                "space, quote and backslash, and no bare *",
                                argv[i]);
        }
        for (j = 0; j < i && strcmp(argv[i], argv[j]) != 0; j++) {
        }
        if (j < i) {
            return apr_psprintf(cmd->pool, "ApiKeyScopes: '%s' is given twice", argv[i]);
        }
        APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(cmd->pool, argv[i]);
    }
    if (argc == 0) {
        return "ApiKeyScopes takes one or more scopes, or None";
    }
    if (argc == 1 && ap_cstr_casecmp(argv[0], "None") == 0) {
        apr_array_clear(list);
    }
    ((apikey_dir_conf_t *)conf)->scopes = list;
    return NULL;
}

static const char *set_max_keys(cmd_parms *cmd, void *conf, const char *text)
{
    static const apr_int64_t most = 1000000;
    apikey_mount_t unused = {0};
    const char *why = check_section(cmd, &unused);
    char *end;
    const apr_int64_t number = apr_strtoi64(text, &end, 10);

    if (why) {
        return why;
    }
    if (!apr_isdigit(*text) || *end || number < 1 || number > most) {
        return apr_psprintf(cmd->pool,
                            "ApiKeyMaxKeys takes a number from 1 to 1000000, not '%s'", text);
    }
    ((apikey_dir_conf_t *)conf)->max_keys = (int)number;
    return NULL;
}

static const char *set_teams_table(cmd_parms *cmd, void *dummy, const char *name)
{
    (void)dummy;
    SERVER_ONLY(cmd);
    if (!apikey_sql_table_ok(name)) {
        return apr_psprintf(cmd->pool,
                            "ApiKeyTeamsTable takes the name of a table or view, `name` or "
                            "`schema.name`, of letters, digits and _, not '%s'",
                            name);
    }
    server_conf(cmd)->teams_table = name;
    return NULL;
}

#define DIR_FLAG(name, member, help)                                                           \
    AP_INIT_FLAG(name, ap_set_flag_slot, (void *)APR_OFFSETOF(apikey_dir_conf_t, member),      \
                 OR_AUTHCFG, help)

const command_rec apikey_directives[] = {
    AP_INIT_TAKE_ARGV("ApiKeyPrefix", set_prefix, NULL, RSRC_CONF,
                      "prefixes of keys; the first one mints, all are accepted"),
    AP_INIT_FLAG("ApiKeyForeign", set_foreign, NULL, RSRC_CONF,
                 "On: credentials of another format are looked up by their SHA-256"),
    AP_INIT_TAKE_ARGV("ApiKeyPepperFile", set_pepper_file, NULL, RSRC_CONF,
                      "file of the secret keys are digested with, previous ones, 'none'"),
    AP_INIT_TAKE1("ApiKeyHeaderPrefix", set_header_prefix, NULL, RSRC_CONF,
                  "prefix of the headers that tell proxied applications who calls"),
    AP_INIT_TAKE1("ApiKeyCache", set_cache, NULL, RSRC_CONF,
                  "size of the shared memory that keys are remembered in, or Off"),
    AP_INIT_TAKE1("ApiKeyCacheTTL", set_interval, (void *)&intervals[0], RSRC_CONF,
                  "longest time a key is known without asking the database again"),
    AP_INIT_TAKE1("ApiKeyNegativeTTL", set_interval, (void *)&intervals[1], RSRC_CONF,
                  "longest time it is known that there is no such key"),
    AP_INIT_TAKE1("ApiKeyStale", set_interval, (void *)&intervals[2], RSRC_CONF,
                  "how long past that, while the database cannot be asked"),
    AP_INIT_TAKE1("ApiKeyTimeout", set_interval, (void *)&intervals[3], RSRC_CONF,
                  "longest time a request waits for the database"),
    AP_INIT_TAKE1("ApiKeyRefresh", set_interval, (void *)&intervals[4], RSRC_CONF,
                  "how often the change feed is read, or Off"),
    AP_INIT_TAKE1("ApiKeyUsage", set_interval, (void *)&intervals[5], RSRC_CONF,
                  "how often the use of keys is written to the database, or Off"),
    AP_INIT_TAKE_ARGV("ApiKeyHeader", set_header, NULL, OR_AUTHCFG,
                      "request headers in which a credential is looked for"),
    DIR_FLAG("ApiKeyUserKeys", user_keys, "Off: keys of users are refused here"),
    DIR_FLAG("ApiKeyTeamKeys", team_keys, "Off: keys of teams are refused here"),
    DIR_FLAG("ApiKeyOptional", optional,
             "On: a credential is checked even where none is asked for"),
    DIR_FLAG("ApiKeyForward", forward, "On: the application sees the credential too"),
    AP_INIT_TAKE1("ApiKeyExport", set_export, NULL, OR_AUTHCFG,
                  "None, Env, Headers or All: how applications learn who calls"),
    AP_INIT_TAKE12(
        "ApiKeyManage", set_manage, NULL, ACCESS_CONF,
        "Self, Admin or None: whom the handler apikey-manage serves; ByKey: also who "
        "logged in with an API key"),
    AP_INIT_TAKE_ARGV("ApiKeyScopes", set_scopes, NULL, ACCESS_CONF,
                      "scopes that callers may put on keys where ApiKeyManage is Self"),
    AP_INIT_TAKE1("ApiKeyMaxKeys", set_max_keys, NULL, ACCESS_CONF,
                  "live keys that an owner may have where ApiKeyManage is Self"),
    AP_INIT_TAKE1("ApiKeyTeamsTable", set_teams_table, NULL, RSRC_CONF,
                  "table or view that says who manages the keys of which team"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};
