/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the configuration as a whole, once it is read: what httpd and mod_dbd would accept
 * silently and then fail at every request. Also run by `httpd -t`. */
#include "config.h"

#include "identity.h"

#include <apr_strings.h>
#include <http_log.h>
#include <stdlib.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

/* What mod_dbd will work with in one server, and where it was said. Its own records are private,
 * but the tree of directives is not. */
typedef struct {
    const ap_directive_t *driver, *params, *min, *keep, *max;
} dbd_t;

/* The first line in a (sub)tree that makes this module check keys. */
static const ap_directive_t *find_use(const ap_directive_t *node, bool into_hosts)
{
    for (; node; node = node->next) {
        const bool host = ap_cstr_casecmp(node->directive, "<VirtualHost") == 0;
        const ap_directive_t *found = NULL;

        if (ap_cstr_casecmp(node->directive, "AuthType") == 0) {
            found = ap_cstr_casecmp(node->args, "Bearer") == 0 ||
                            ap_cstr_casecmp(node->args, "ApiKey") == 0
                        ? node
                        : NULL;
        }
        else if (ap_cstr_casecmp(node->directive, "AuthBasicProvider") == 0) {
            found = ap_strcasestr(node->args, "apikey") ? node : NULL;
        }
        else if (node->first_child && (into_hosts || !host)) {
            found = find_use(node->first_child, into_hosts);
        }
        if (found) {
            return found;
        }
    }
    return NULL;
}

static void read_dbd(const ap_directive_t *node, dbd_t *dbd)
{
    for (; node; node = node->next) {
        if (ap_cstr_casecmp(node->directive, "DBDriver") == 0) {
            dbd->driver = node;
        }
        else if (ap_cstr_casecmp(node->directive, "DBDParams") == 0) {
            dbd->params = node;
        }
        else if (ap_cstr_casecmp(node->directive, "DBDMin") == 0) {
            dbd->min = node;
        }
        else if (ap_cstr_casecmp(node->directive, "DBDKeep") == 0) {
            dbd->keep = node;
        }
        else if (ap_cstr_casecmp(node->directive, "DBDMax") == 0) {
            dbd->max = node;
        }
        else if (ap_cstr_casecmpn(node->directive, "<If", 3) == 0) {
            read_dbd(node->first_child, dbd);
        }
    }
}

static int refuse(const ap_directive_t *at, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, NULL, "AK0100: %s:%d: %s",
                 at->filename, at->line_num, what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static const char *word(const ap_directive_t *node, apr_pool_t *p)
{
    const char *args = node->args;
    return ap_getword_conf(p, &args);
}

static int number(const ap_directive_t *node, int otherwise)
{
    return node ? atoi(node->args) : otherwise;
}

/* mod_dbd notices only when a child starts, and then answers every request with 500. */
static int check_pool(const dbd_t *dbd, apr_pool_t *p)
{
    const int min = number(dbd->min, 1);
    const int keep = number(dbd->keep, 2);
    const int max = number(dbd->max, 10);
    const ap_directive_t *at = dbd->max ? dbd->max : dbd->keep ? dbd->keep : dbd->min;

    if (min <= keep && keep <= max) {
        return OK;
    }
    return refuse(at, apr_psprintf(p,
                                   "DBDMin %d, DBDKeep %d and DBDMax %d do not go together; "
                                   "mod_dbd needs DBDMin <= DBDKeep <= DBDMax (1, 2 and 10 "
                                   "where nothing is said)",
                                   min, keep, max));
}

/* The names apr_dbd_mysql knows. It ignores all others without a word. */
static const char *const known_params[] = {
    "host",     "user",           "pass",        "dbname",       "port",      "sock", "flags",
    "fldsz",    "group",          "reconnect",   "connecttimeout", "readtimeout",
    "writetimeout", NULL,
};

/* Names that mean one of those to everybody but apr_dbd_mysql. */
static const struct {
    const char *wrong, *right;
} mistaken_params[] = {
    {"password", "pass"},   {"passwd", "pass"},     {"pwd", "pass"},  {"socket", "sock"},
    {"unix_socket", "sock"}, {"database", "dbname"}, {"db", "dbname"}, {"hostname", "host"},
    {"username", "user"},   {"hostaddr", "host"},
};

static int check_param(const ap_directive_t *at, const char *name, apr_pool_t *p)
{
    size_t i;

    for (i = 0; known_params[i]; i++) {
        if (strcmp(known_params[i], name) == 0) {
            return OK;
        }
    }
    for (i = 0; i < sizeof(mistaken_params) / sizeof(mistaken_params[0]); i++) {
        if (ap_cstr_casecmp(mistaken_params[i].wrong, name) == 0) {
            return refuse(at, apr_psprintf(p, "DBDParams: %s= is ignored by the MySQL driver; "
                                              "write %s=", name, mistaken_params[i].right));
        }
    }
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, NULL,
                 "AK0101: %s:%d: DBDParams: %s= is unknown to the MySQL driver, which ignores "
                 "it; options of its client library go into a group of my.cnf (group=)",
                 at->filename, at->line_num, name);
    return OK;
}

static int check_params(const ap_directive_t *at, apr_pool_t *p)
{
    char *state;
    char *item = apr_strtok((char *)word(at, p), " \r\n\t;|,", &state);

    for (; item; item = apr_strtok(NULL, " \r\n\t;|,", &state)) {
        char *equals = strchr(item, '=');
        int rc;

        if (equals) {
            *equals = '\0';
        }
        if (!equals || !equals[1]) {
            return refuse(at, apr_psprintf(p, "DBDParams: %s has no value; write name=value "
                                              "without spaces", item));
        }
        if ((rc = check_param(at, item, p)) != OK) {
            return rc;
        }
    }
    return OK;
}

/* One server whose keys are checked: `use` is the line that says so. */
static int check_server(const ap_directive_t *use, const dbd_t *dbd, apr_pool_t *p)
{
    int rc;

    if (!ap_find_linked_module("mod_dbd.c")) {
        return refuse(use, "API keys are looked up through mod_dbd, which is not loaded; add "
                           "LoadModule dbd_module (a2enmod dbd)");
    }
    if (!dbd->driver || ap_cstr_casecmp(word(dbd->driver, p), "mysql") != 0) {
        return refuse(dbd->driver ? dbd->driver : use,
                      "API keys are looked up in MySQL or MariaDB; add DBDriver mysql and "
                      "DBDParams to this server");
    }
    if (dbd->params && (rc = check_params(dbd->params, p)) != OK) {
        return rc;
    }
    return check_pool(dbd, p);
}

/* Trunk's mod_auth_bearer answers every AuthType Bearer itself. */
static int check_bearer(const ap_directive_t *node)
{
    int rc = OK;

    for (; node && rc == OK; node = node->next) {
        if (ap_cstr_casecmp(node->directive, "AuthType") == 0 &&
            ap_cstr_casecmp(node->args, "Bearer") == 0) {
            return refuse(node, "mod_auth_bearer is loaded too and answers AuthType Bearer; "
                                "write AuthType ApiKey, which is the same for clients");
        }
        rc = check_bearer(node->first_child);
    }
    return rc;
}

static int check_servers(apr_pool_t *ptemp)
{
    const ap_directive_t *main_use = find_use(ap_conftree, false);
    const ap_directive_t *node;
    dbd_t main_dbd = {0};
    bool any_host = false;
    int rc;

    read_dbd(ap_conftree, &main_dbd);
    for (node = ap_conftree; node; node = node->next) {
        if (ap_cstr_casecmp(node->directive, "<VirtualHost") == 0) {
            const ap_directive_t *use = find_use(node->first_child, false);
            dbd_t dbd = main_dbd;

            read_dbd(node->first_child, &dbd);
            any_host = true;
            /* What the main server asks for holds here too, if there is a database here. */
            use = use ? use : dbd.driver ? main_use : NULL;
            if (use && (rc = check_server(use, &dbd, ptemp)) != OK) {
                return rc;
            }
        }
    }
    /* With virtual hosts, the main server may well serve nothing itself. */
    return main_use && (main_dbd.driver || !any_host) ? check_server(main_use, &main_dbd, ptemp)
                                                      : OK;
}

static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const char *conflict;

    (void)plog;
    apikey_conf_complete(s, pconf);
    apikey_identity_collect(s, pconf);
    conflict = apikey_identity_conflict();
    if (conflict) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, NULL,
                     "AK0102: ApiKeyHeader %s begins like an ApiKeyHeaderPrefix, under which "
                     "everything a client sends is removed; take another name or prefix",
                     conflict);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (ap_find_linked_module("mod_auth_bearer.c") && check_bearer(ap_conftree) != OK) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return check_servers(ptemp);
}

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    apikey_identity_reset(pconf);
    return OK;
}

void apikey_config_check_register(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
}
