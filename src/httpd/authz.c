/* SPDX-License-Identifier: Apache-2.0 */
#include "authz.h"

#include "challenge.h"
#include "config.h"
#include "identity.h"

#include "../core/scope.h"

#include <ap_expr.h>
#include <ap_provider.h>
#include <apr_strings.h>
#include <http_log.h>
#include <http_request.h>
#include <mod_auth.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

/* One Require line, parsed. Lives as long as its configuration. */
typedef struct {
    apr_array_header_t *words; /* of const char * */
    const ap_expr_info_t *expr;
    const ap_directive_t *container; /* the section it stands in; NULL: top of a .htaccess */
    bool negated;                    /* `Require not`, or inside RequireNone */
    bool forces;                     /* where nobody is known, it has to see to that */
} line_t;

/* A scope that a line missed, and where that line stands. */
typedef struct {
    const char *scope;
    const ap_directive_t *container;
} missing_t;

static bool is_directive(const ap_directive_t *d, const char *name)
{
    return d && ap_cstr_casecmp(d->directive, name) == 0;
}

static bool inside_require_none(const ap_directive_t *d)
{
    for (; d; d = d->parent) {
        if (is_directive(d, "<RequireNone")) {
            return true;
        }
    }
    return false;
}

/* The first word behind a directive: `not`, or the kind of a Require line. */
static const char *first_word(const ap_directive_t *d, apr_pool_t *p)
{
    const char *args = d->args;
    return ap_getword_conf(p, &args);
}

/* A line that never grants to a caller nobody knows. */
static bool needs_user(const ap_directive_t *d, apr_pool_t *p)
{
    static const char *const kinds[] = {
        "apikey",    "apikey-user", "apikey-team", "apikey-scope",
        "apikey-id", "apikey-expr", "valid-user",  "user",
    };
    const char *word = is_directive(d, "Require") ? first_word(d, p) : "";
    size_t i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(word, kinds[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether some RequireAll around this line refuses callers nobody knows without its help. Then
 * it need not force anybody to log in, and `Require ip` beside that RequireAll may let an
 * address in. */
static bool user_needed_anyway(const ap_directive_t *section, apr_pool_t *p)
{
    const ap_directive_t *d;

    for (; section; section = section->parent) {
        if (!is_directive(section, "<RequireAll") || inside_require_none(section)) {
            continue;
        }
        for (d = section->first_child; d; d = d->next) {
            if (needs_user(d, p)) {
                return true;
            }
        }
    }
    return false;
}

static line_t *new_line(cmd_parms *cmd)
{
    const ap_directive_t *d = cmd->directive;
    line_t *line = apr_pcalloc(cmd->pool, sizeof(*line));

    if (is_directive(d, "<AuthzProviderAlias")) {
        /* Where the alias is used, and whether negated, cannot be seen from here. */
        line->container = d;
        line->forces = true;
        return line;
    }
    line->container = d->parent;
    line->negated = ap_cstr_casecmp(first_word(d, cmd->temp_pool), "not") == 0 ||
                    inside_require_none(d->parent);
    line->forces = line->negated && !user_needed_anyway(d->parent, cmd->temp_pool);
    return line;
}

static const char *parse_words(cmd_parms *cmd, const char *args, const void **parsed)
{
    line_t *line = new_line(cmd);

    line->words = apr_array_make(cmd->pool, 2, sizeof(const char *));
    while (*args) {
        const char *word = ap_getword_conf(cmd->pool, &args);
        if (!*word) { /* left out, it would make the line grant more: any team, say */
            return "an empty name in a Require apikey line; name whom it grants access";
        }
        APR_ARRAY_PUSH(line->words, const char *) = word;
    }
    *parsed = line;
    return NULL;
}

static const char *parse_none(cmd_parms *cmd, const char *args, const void **parsed)
{
    const char *err = parse_words(cmd, args, parsed);

    if (!err && ((const line_t *)*parsed)->words->nelts > 0) {
        return "Require apikey takes no arguments; perhaps apikey-user, apikey-team, "
               "apikey-scope or apikey-id was meant";
    }
    return err;
}

static const char *parse_scopes(cmd_parms *cmd, const char *args, const void **parsed)
{
    const char *err = parse_words(cmd, args, parsed);
    const apr_array_header_t *words = err ? NULL : ((const line_t *)*parsed)->words;
    int i;

    if (err) {
        return err;
    }
    if (words->nelts == 0) {
        return "Require apikey-scope takes one or more scopes";
    }
    for (i = 0; i < words->nelts; i++) {
        const char *word = APR_ARRAY_IDX(words, i, const char *);
        if (!apikey_scope_token_ok(word, strlen(word))) {
            return apr_psprintf(cmd->pool,
                                "Require apikey-scope: '%s' is not a scope-token (printable "
                                "ASCII without space, quote and backslash; not *)",
                                word);
        }
    }
    return NULL;
}

static const char *parse_ids(cmd_parms *cmd, const char *args, const void **parsed)
{
    const char *err = parse_words(cmd, args, parsed);
    const apr_array_header_t *words = err ? NULL : ((const line_t *)*parsed)->words;
    int i;

    if (err) {
        return err;
    }
    if (words->nelts == 0) {
        return "Require apikey-id takes one or more ids of keys";
    }
    for (i = 0; i < words->nelts; i++) {
        const char *word = APR_ARRAY_IDX(words, i, const char *);
        if (*word == '0' || strspn(word, "0123456789") != strlen(word)) {
            return apr_psprintf(cmd->pool, "Require apikey-id: '%s' is not the id of a key",
                                word);
        }
    }
    return NULL;
}

/* As `Require expr` takes it: with or without quotes around the whole. An expression may also
 * begin with a string of its own. */
static const char *unquoted(apr_pool_t *p, const char *args)
{
    const char *rest = args;
    const char *word = *args == '"' || *args == '\'' ? ap_getword_conf(p, &rest) : args;

    return *rest && rest != args ? args : word;
}

static const char *parse_expr(cmd_parms *cmd, const char *args, const void **parsed)
{
    line_t *line = new_line(cmd);
    const char *text = unquoted(cmd->pool, args);
    const char *err = NULL;

    if (!*text) {
        return "Require apikey-expr takes an expression";
    }
    line->expr = ap_expr_parse_cmd(cmd, text, 0, &err, NULL);
    *parsed = line;
    return err ? apr_psprintf(cmd->pool, "Require apikey-expr: %s", err) : NULL;
}

/* Whether check_authn() is still to come. Then a user is there all the same where mod_ssl has
 * taken it from a certificate (SSLUserName), before anybody was asked. */
static bool is_to_be_asked(request_rec *r)
{
    const apikey_request_t *own = apikey_request_own(r);
    return (!own || own->verdict == APIKEY_NO_VERDICT) &&
           apikey_request_auth(r) == APIKEY_AUTH_BEARER;
}

/* The caller this line is about; NULL where there is none, with what to answer then. */
static const apikey_request_t *caller(request_rec *r, const line_t *line, authz_status *none)
{
    const apikey_request_t *state = r->user ? apikey_request_authenticated(r) : NULL;

    if (state) {
        return state;
    }
    if (r->user && !is_to_be_asked(r)) {
        *none = AUTHZ_DENIED; /* logged in some other way */
        return NULL;
    }
    if (line->forces) {
        apikey_request_make(r)->must_authenticate = true;
    }
    *none = AUTHZ_DENIED_NO_USER;
    return NULL;
}

static bool stands_in(const ap_directive_t *d, const ap_directive_t *section)
{
    for (; d && d != section; d = d->parent) {
    }
    return d == section;
}

/* What lines in or below the same RequireAny missed does not matter once one of them grants. */
static void forget_missing(request_rec *r, const line_t *line)
{
    const apikey_request_t *state = apikey_request_own(r);
    apr_array_header_t *all = state ? state->missing : NULL;
    int kept = 0;
    int i;

    if (!all || line->negated || is_directive(line->container, "<RequireAll")) {
        return;
    }
    for (i = 0; i < all->nelts; i++) {
        const missing_t one = APR_ARRAY_IDX(all, i, missing_t);
        if (!stands_in(one.container, line->container)) {
            APR_ARRAY_IDX(all, kept++, missing_t) = one;
        }
    }
    all->nelts = kept;
}

static authz_status granted_if(request_rec *r, const line_t *line, bool condition)
{
    if (!condition) {
        return AUTHZ_DENIED;
    }
    forget_missing(r, line);
    return AUTHZ_GRANTED;
}

static authz_status check_any(request_rec *r, const char *args, const void *parsed)
{
    authz_status none;

    (void)args;
    return caller(r, parsed, &none) ? granted_if(r, parsed, true) : none;
}

static bool has_word(const line_t *line, const char *word)
{
    int i;
    for (i = 0; i < line->words->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(line->words, i, const char *), word) == 0) {
            return true;
        }
    }
    return false;
}

static authz_status check_owner(request_rec *r, const line_t *line, apikey_owner_t type)
{
    authz_status none;
    const apikey_request_t *state = caller(r, line, &none);

    if (!state) {
        return none;
    }
    return granted_if(r, line,
                      state->record->owner_type == type &&
                          (line->words->nelts == 0 || has_word(line, state->record->owner)));
}

static authz_status check_user(request_rec *r, const char *args, const void *parsed)
{
    (void)args;
    return check_owner(r, parsed, APIKEY_OWNER_USER);
}

static authz_status check_team(request_rec *r, const char *args, const void *parsed)
{
    (void)args;
    return check_owner(r, parsed, APIKEY_OWNER_TEAM);
}

static authz_status check_id(request_rec *r, const char *args, const void *parsed)
{
    authz_status none;
    const apikey_request_t *state = caller(r, parsed, &none);

    (void)args;
    return state ? granted_if(r, parsed, has_word(parsed, state->value[APIKEY_FIELD_ID]))
                 : none;
}

static void note_missing(request_rec *r, const line_t *line)
{
    apikey_request_t *state = apikey_request_make(r);
    int i;

    if (line->negated) {
        return;
    }
    if (!state->missing) {
        state->missing = apr_array_make(r->pool, 2, sizeof(missing_t));
    }
    for (i = 0; i < line->words->nelts; i++) {
        missing_t *one = apr_array_push(state->missing);
        one->scope = APR_ARRAY_IDX(line->words, i, const char *);
        one->container = line->container;
    }
}

static bool has_any_scope(const char *scopes, const line_t *line)
{
    int i;
    for (i = 0; i < line->words->nelts; i++) {
        if (apikey_scope_covers(scopes, APR_ARRAY_IDX(line->words, i, const char *))) {
            return true;
        }
    }
    return false;
}

static authz_status check_scope(request_rec *r, const char *args, const void *parsed)
{
    const line_t *line = parsed;
    authz_status none;
    const apikey_request_t *state = caller(r, line, &none);
    bool granted;

    (void)args;
    if (!state) {
        return none;
    }
    granted = has_any_scope(state->record->scopes, line);
    if (!granted) {
        note_missing(r, line);
    }
    return granted_if(r, line, granted);
}

static authz_status check_expr(request_rec *r, const char *args, const void *parsed)
{
    const line_t *line = parsed;
    const char *err = NULL;
    authz_status none;
    int rc;

    (void)args;
    if (!caller(r, line, &none)) {
        return none;
    }
    rc = ap_expr_exec(r, line->expr, &err);
    if (rc < 0) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "AK0030: Require apikey-expr cannot be evaluated: %s", err);
        return AUTHZ_GENERAL_ERROR;
    }
    return granted_if(r, line, rc > 0);
}

static const authz_provider any_provider = {check_any, parse_none};
static const authz_provider user_provider = {check_user, parse_words};
static const authz_provider team_provider = {check_team, parse_words};
static const authz_provider id_provider = {check_id, parse_ids};
static const authz_provider scope_provider = {check_scope, parse_scopes};
static const authz_provider expr_provider = {check_expr, parse_expr};

static int check_auth(request_rec *r);

/* Runs the hooks behind this one; mod_authz_core's, which asks the lines above, is the last. */
static int run_the_others(request_rec *r)
{
    const apr_array_header_t *hooks = ap_hook_get_auth_checker();
    const ap_LINK_auth_checker_t *hook = (const ap_LINK_auth_checker_t *)hooks->elts;
    int rc = DECLINED;
    int i;

    for (i = 0; i < hooks->nelts && hook[i].pFunc != check_auth; i++) {
    }
    for (i++; i < hooks->nelts && rc == DECLINED; i++) {
        rc = hook[i].pFunc(r);
    }
    return rc;
}

/* Each scope once, in the order of the lines. */
static void unique_scopes(apikey_request_t *state, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));
    int i, j;

    for (i = 0; state->missing && i < state->missing->nelts; i++) {
        const char *scope = APR_ARRAY_IDX(state->missing, i, missing_t).scope;
        for (j = 0; j < list->nelts; j++) {
            if (strcmp(scope, APR_ARRAY_IDX(list, j, const char *)) == 0) {
                break;
            }
        }
        if (j == list->nelts) {
            APR_ARRAY_PUSH(list, const char *) = scope;
        }
    }
    state->missing = list;
}

int apikey_authz_refused(request_rec *r, apikey_request_t *state, int rc)
{
    apikey_auth_t auth = apikey_request_auth(r);

    unique_scopes(state, r->pool);
    apikey_request_decide(r,
                          state->missing->nelts ? APIKEY_INSUFFICIENT_SCOPE : APIKEY_FORBIDDEN,
                          state->record, NULL);
    apikey_identity_export(r, state);
    return auth == APIKEY_AUTH_BEARER || auth == APIKEY_AUTH_TOKEN ? apikey_challenge(r, state)
                                                                   : rc;
}

/* A valid key that is not let in is answered 403, whatever AuthzSendForbiddenOnFailure says:
 * asking for credentials again would not help (RFC 6750 section 3.1). */
static int check_auth(request_rec *r)
{
    apikey_request_t *state = apikey_request_own(r);
    int rc;

    if (!state || state->verdict != APIKEY_VALID) {
        return DECLINED;
    }
    state->missing = NULL;
    rc = run_the_others(r);
    return rc == HTTP_UNAUTHORIZED || rc == HTTP_FORBIDDEN ? apikey_authz_refused(r, state, rc)
                                                           : rc;
}

void apikey_authz_register(apr_pool_t *p)
{
    static const struct {
        const char *name;
        const authz_provider *provider;
    } lines[] = {
        {"apikey", &any_provider},         {"apikey-user", &user_provider},
        {"apikey-team", &team_provider},   {"apikey-id", &id_provider},
        {"apikey-scope", &scope_provider}, {"apikey-expr", &expr_provider},
    };
    size_t i;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, lines[i].name,
                                  AUTHZ_PROVIDER_VERSION, lines[i].provider,
                                  AP_AUTH_INTERNAL_PER_CONF);
    }
    ap_hook_check_authz(check_auth, NULL, NULL, APR_HOOK_REALLY_FIRST,
                        AP_AUTH_INTERNAL_PER_CONF);
}
