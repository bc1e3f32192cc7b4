/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the configuration as a whole, once it is read: what httpd and mod_dbd would accept
 * silently and then fail at every request. Also run by `httpd -t`. */
#include "config.h"

#include "dbd_settings.h"
#include "scrub.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_log.h>
#include <mod_auth.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

static bool is_directive(const ap_directive_t *node, const char *name)
{
    return ap_cstr_casecmp(node->directive, name) == 0;
}

/* Whether a directive has an argument, quoted or not. */
static bool has_word(const ap_directive_t *node, const char *wanted, apr_pool_t *p)
{
    const char *args = node->args;

    while (*args) {
        if (ap_cstr_casecmp(ap_getword_conf(p, &args), wanted) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_use(const ap_directive_t *node, apr_pool_t *p)
{
    if (is_directive(node, "AuthType")) {
        return has_word(node, "Bearer", p) || has_word(node, "ApiKey", p);
    }
    if (is_directive(node, "ApiKeyManage")) {
        return !has_word(node, "None", p);
    }
    return (is_directive(node, "AuthBasicProvider") ||
            is_directive(node, "<AuthnProviderAlias")) &&
           has_word(node, "apikey", p);
}

/* The first line in a (sub)tree that makes this module ask for keys; virtual hosts are looked
 * at one by one. */
static const ap_directive_t *find_use(const ap_directive_t *node, apr_pool_t *p)
{
    const ap_directive_t *found = NULL;

    for (; node && !found; node = node->next) {
        found = is_use(node, p)                      ? node
                : is_directive(node, "<VirtualHost") ? NULL
                                                     : find_use(node->first_child, p);
    }
    return found;
}

static int refuse(const ap_directive_t *at, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, NULL, "AK0100: %s:%d: %s: %s",
                 at->filename, at->line_num, at->directive, what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static const char *word(const ap_directive_t *node, apr_pool_t *p)
{
    const char *args = node->args;
    return ap_getword_conf(p, &args);
}

static int number(const ap_directive_t *node, int otherwise, apr_pool_t *p)
{
    return node ? (int)apr_atoi64(word(node, p)) : otherwise;
}

/* mod_dbd notices only when a child starts, and then answers every request with 500. */
static int check_pool(const apikey_dbd_settings_t *dbd, apr_pool_t *p)
{
    const int min = number(dbd->min, 0, p);
    const int keep = number(dbd->keep, 2, p);
    const int max = number(dbd->max, 10, p);
    const ap_directive_t *at = dbd->max ? dbd->max : dbd->keep ? dbd->keep : dbd->min;

    if ((min <= keep && keep <= max) || (dbd->persist && has_word(dbd->persist, "Off", p))) {
        return OK;
    }
    return refuse(at, apr_psprintf(p,
                                   "DBDMin %d, DBDKeep %d and DBDMax %d do not go together; "
                                   "mod_dbd needs DBDMin <= DBDKeep <= DBDMax (0, 2 and 10 "
                                   "where nothing is said)",
                                   min, keep, max));
}

/* The names apr_dbd_mysql knows, of some versions. It ignores all others without a word. */
static const char *const known_params[] = {
    "host",  "user",  "pass",      "dbname",         "port",        "sock",         "flags",
    "fldsz", "group", "reconnect", "connecttimeout", "readtimeout", "writetimeout",
};

/* Names that mean one of those to everybody but apr_dbd_mysql. */
static const struct {
    const char *wrong, *right;
} mistaken_params[] = {
    {"password", "pass"},    {"passwd", "pass"},     {"pwd", "pass"},      {"socket", "sock"},
    {"unix_socket", "sock"}, {"database", "dbname"}, {"hostname", "host"}, {"hostaddr", "host"},
    {"server", "host"},      {"username", "user"},
};

/* Whether the driver takes a name, as it does: by any beginning of one it knows. */
static bool driver_knows(const char *name)
{
    const size_t len = strlen(name);
    size_t i;

    for (i = 0; i < sizeof(known_params) / sizeof(known_params[0]); i++) {
        if (strncmp(known_params[i], name, len) == 0) {
            return true;
        }
    }
    return false;
}

static const char *right_name(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(mistaken_params) / sizeof(mistaken_params[0]); i++) {
        if (ap_cstr_casecmp(mistaken_params[i].wrong, name) == 0) {
            return mistaken_params[i].right;
        }
    }
    for (i = 0; i < sizeof(known_params) / sizeof(known_params[0]); i++) {
        if (ap_cstr_casecmp(known_params[i], name) == 0) {
            return known_params[i];
        }
    }
    return NULL;
}

static int check_param(const ap_directive_t *at, const char *name, apr_pool_t *p)
{
    const char *right;

    if (driver_knows(name)) {
        return OK;
    }
    right = right_name(name);
    if (right) {
        return refuse(
            at, apr_psprintf(p, "%s= is ignored by the MySQL driver; write %s=", name, right));
    }
    if (!apr_isalpha(name[strlen(name) - 1])) {
        /* The driver reads letters backwards from the equals sign. None: the first name. */
        return refuse(at, apr_psprintf(p,
                                       "the MySQL driver takes %s= for host=; options of its "
                                       "client library go into a group of my.cnf (group=)",
                                       name));
    }
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, NULL,
                 "AK0101: %s:%d: DBDParams: %s= is unknown to the MySQL driver, which ignores "
                 "it; options of its client library go into a group of my.cnf (group=)",
                 at->filename, at->line_num, name);
    return OK;
}

/* Values are not looked at, and what may be a piece of a password is not printed. */
static int check_params(const ap_directive_t *at, apr_pool_t *p)
{
    static const char delimiters[] = " \r\n\t;|,";
    static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_-.";
    char *state;
    char *item = apr_strtok(apr_pstrdup(p, word(at, p)), delimiters, &state);

    for (; item; item = apr_strtok(NULL, delimiters, &state)) {
        const size_t len = strspn(item, name_chars);
        int rc;

        if (len == 0 || item[len] != '=' || !item[len + 1]) {
            return refuse(at, "not a list of name=value; no value may be empty, or hold spaces "
                              "or one of ; | , (passwords that do can stand in a group of "
                              "my.cnf, see group=)");
        }
        item[len] = '\0';
        if ((rc = check_param(at, item, p)) != OK) {
            return rc;
        }
    }
    return OK;
}

/* One server whose keys are checked: `use` is the line that says so. */
static int check_server(const ap_directive_t *use, const apikey_dbd_settings_t *dbd,
                        apr_pool_t *p)
{
    int rc;

    if (!ap_find_linked_module("mod_dbd.c")) {
        return refuse(use, "API keys are looked up through mod_dbd, which is not loaded; add "
                           "LoadModule dbd_module (a2enmod dbd)");
    }
    if (!dbd->driver || !has_word(dbd->driver, "mysql", p)) {
        return refuse(dbd->driver ? dbd->driver : use,
                      "API keys are looked up in MySQL or MariaDB; add DBDriver mysql and "
                      "DBDParams to this server");
    }
    if (dbd->params && (rc = check_params(dbd->params, p)) != OK) {
        return rc;
    }
    return check_pool(dbd, p);
}

/* The first line with such a directive and an argument of it, wherever it stands. */
static const ap_directive_t *find_line(const ap_directive_t *node, const char *directive,
                                       const char *argument, apr_pool_t *p)
{
    const ap_directive_t *found = NULL;

    for (; node && !found; node = node->next) {
        found = is_directive(node, directive) && has_word(node, argument, p)
                    ? node
                    : find_line(node->first_child, directive, argument, p);
    }
    return found;
}

/* Whether mod_auth_bearer is told to ask us somewhere, where there is a way to (token.c). */
static bool asks_us(apr_pool_t *p)
{
#ifdef AUTHT_PROVIDER_GROUP
    return find_line(ap_conftree, "AuthBearerProvider", "apikey", p) != NULL;
#else
    (void)p;
    return false;
#endif
}

/* Trunk's mod_auth_bearer answers every AuthType Bearer itself. */
static int check_bearer(apr_pool_t *p)
{
    const ap_directive_t *at = find_line(ap_conftree, "AuthType", "Bearer", p);

    return at ? refuse(at, "mod_auth_bearer is loaded too and answers AuthType Bearer; write "
                           "AuthType ApiKey, which is the same for clients")
              : OK;
}

/* What mod_auth_form keeps in its session are the password and the name that was typed. */
static int check_form(apr_pool_t *p)
{
    const ap_directive_t *at = find_line(ap_conftree, "AuthFormProvider", "apikey", p);

    return at ? refuse(at, "API keys do not log in by a form, whose session may outlive them; "
                           "take another provider")
              : OK;
}

/* Reading a line, one cannot know yet what prefixes there will be. */
static int check_headers(apr_pool_t *p)
{
    const char *name = apikey_scrub_conflict();
    const ap_directive_t *at = name ? find_line(ap_conftree, "ApiKeyHeader", name, p) : NULL;

    return at ? refuse(at, apr_psprintf(p,
                                        "%s begins like an ApiKeyHeaderPrefix, under which "
                                        "everything a client sends is removed; take another "
                                        "name or another prefix",
                                        name))
              : OK;
}

/* What the main server asks for holds in virtual hosts too, in those that have a database: not
 * every host serves what is protected there, but one server at least must be able to. */
static int check_servers(apr_pool_t *p)
{
    const ap_directive_t *main_use = find_use(ap_conftree, p);
    const ap_directive_t *node;
    apikey_dbd_settings_t main_dbd = {0};
    bool served_by_host = false;
    int rc;

    apikey_dbd_settings_read(ap_conftree, &main_dbd);
    for (node = ap_conftree; node; node = node->next) {
        if (is_directive(node, "<VirtualHost")) {
            const ap_directive_t *use = find_use(node->first_child, p);
            apikey_dbd_settings_t dbd = main_dbd;

            apikey_dbd_settings_read(node->first_child, &dbd);
            served_by_host = served_by_host || dbd.driver;
            use = use ? use : dbd.driver ? main_use : NULL;
            if (use && (rc = check_server(use, &dbd, p)) != OK) {
                return rc;
            }
        }
    }
    return main_use && (main_dbd.driver || !served_by_host)
               ? check_server(main_use, &main_dbd, p)
               : OK;
}

static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    int rc;

    (void)plog;
    apikey_conf_complete(s, pconf);
    apikey_scrub_collect(s, pconf);
    if ((rc = check_headers(ptemp)) != OK || (rc = check_form(ptemp)) != OK) {
        return rc;
    }
    if (ap_find_linked_module("mod_auth_bearer.c")) {
        if (asks_us(ptemp)) {
            apikey_conf_yield_bearer();
        }
        else if ((rc = check_bearer(ptemp)) != OK) {
            return rc;
        }
    }
    return check_servers(ptemp);
}

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    apikey_conf_reset();
    apikey_scrub_reset(pconf);
    return OK;
}

void apikey_config_check_register(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
}
