/* SPDX-License-Identifier: Apache-2.0 */
/* The store from the command line, a line of tab-separated values for each answer, for the
 * tests of SQL: `store OPTION-FILE command argument ...`. STORE_ACTOR and STORE_CLIENT are whom
 * it acts for. Exit status 1 and the error's number and text where the database said no. */
#include "../../src/core/keygen.h"
#include "../../src/core/store.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static apr_pool_t *pool;
static apikey_db_t *db;
static char **arg; /* of the command */

static const char *const outcomes[] = {"none",     "not found", "revoked",   "expired",
                                       "too many", "repeated",  "unchanged", "done"};

static apikey_owner_t type_of(const char *text)
{
    return strcmp(text, "user") == 0   ? APIKEY_OWNER_USER
           : strcmp(text, "team") == 0 ? APIKEY_OWNER_TEAM
                                       : APIKEY_OWNER_NONE;
}

static apikey_new_secret_t mint(apikey_owner_t type, char *key)
{
    apikey_new_secret_t secret = {.fingerprint = ""};

    if (apikey_keygen(key, "ak", type) != APR_SUCCESS ||
        !apikey_digest(secret.digest, &apikey_no_pepper.pepper[0], key, strlen(key))) {
        exit(2);
    }
    secret.last_four = key + strlen(key) - APIKEY_LAST_LEN;
    return secret;
}

/* create TYPE OWNER DESCRIPTION SCOPES EXPIRES_MS|never MAX_LIVE */
static apikey_db_status_t create(void)
{
    char text[APIKEY_KEY_MAX + 1];
    const apikey_new_key_t key = {
        .owner_type = type_of(arg[0]),
        .owner = arg[1],
        .description = arg[2],
        .scopes = arg[3],
        .expires_ms = strcmp(arg[4], "never") == 0 ? APIKEY_NEVER : strtoll(arg[4], NULL, 10),
    };
    const char *why = apikey_store_check_new(&key);
    apikey_new_secret_t secret;
    apikey_outcome_t outcome;
    apikey_db_status_t rv;
    uint64_t id = 0;

    if (why) {
        printf("refused\t%s\n", why);
        return APIKEY_DB_OK;
    }
    secret = mint(key.owner_type, text);
    rv = apikey_store_create(db, &key, &secret, atoi(arg[5]), &id, &outcome);
    if (rv == APIKEY_DB_OK) {
        printf("%s\t%" PRIu64 "\t%s\n", outcomes[outcome], id, text);
    }
    return rv;
}

/* rotate ID GRACE [REQUEST] */
static apikey_db_status_t rotate(void)
{
    char text[APIKEY_KEY_MAX + 1];
    const apikey_new_secret_t secret = mint(APIKEY_OWNER_USER, text);
    apikey_outcome_t outcome;
    const apikey_db_status_t rv = apikey_store_rotate(
        db, strtoull(arg[0], NULL, 10), strtoll(arg[1], NULL, 10), &secret, arg[2], &outcome);

    if (rv == APIKEY_DB_OK) {
        printf("%s\t%s\n", outcomes[outcome], text);
    }
    return rv;
}

/* change ID DESCRIPTION|- revoke|keep */
static apikey_db_status_t change(void)
{
    apikey_outcome_t outcome;
    const apikey_db_status_t rv =
        apikey_store_change(db, strtoull(arg[0], NULL, 10), strcmp(arg[1], "-") ? arg[1] : NULL,
                            strcmp(arg[2], "revoke") == 0, &outcome);

    if (rv == APIKEY_DB_OK) {
        puts(outcomes[outcome]);
    }
    return rv;
}

/* import FIRST LAST: keys of user u<n>, whose digest is that of "<n>" */
static apikey_db_status_t import(void)
{
    const int first = atoi(arg[0]);
    const unsigned int count = (unsigned int)(atoi(arg[1]) - first + 1);
    apikey_new_key_t *keys = apr_pcalloc(pool, count * sizeof(*keys));
    apikey_new_secret_t *secrets = apr_pcalloc(pool, count * sizeof(*secrets));
    apikey_db_status_t rv;
    unsigned int i, added;

    for (i = 0; i < count; i++) {
        const char *text = apr_itoa(pool, first + (int)i);
        keys[i] = (apikey_new_key_t){.owner_type = APIKEY_OWNER_USER,
                                     .owner = apr_pstrcat(pool, "u", text, NULL),
                                     .description = "",
                                     .scopes = "",
                                     .expires_ms = APIKEY_NEVER};
        secrets[i] = (apikey_new_secret_t){.fingerprint = "", .last_four = ""};
        apikey_digest(secrets[i].digest, &apikey_no_pepper.pepper[0], text, strlen(text));
    }
    rv = apikey_store_import(db, keys, secrets, count, &added);
    if (rv == APIKEY_DB_OK) {
        printf("%u\n", added);
    }
    return rv;
}

/* prune AGE_S LIMIT dry|wet: until there are no more; the size of each batch */
static apikey_db_status_t prune(void)
{
    const int limit = atoi(arg[1]);
    apikey_db_status_t rv;
    uint64_t after = 0;
    bool more;
    int count;

    do {
        rv = apikey_store_prune(db, strtoll(arg[0], NULL, 10), limit,
                                strcmp(arg[2], "dry") == 0, &after, &count, &more);
        if (rv == APIKEY_DB_OK) {
            printf("%d\n", count);
        }
    } while (rv == APIKEY_DB_OK && more);
    return rv;
}

/* denied WHAT TYPE OWNER KEY */
static apikey_db_status_t denied(void)
{
    return apikey_store_denied(db, arg[0], type_of(arg[1]), *arg[2] ? arg[2] : NULL,
                               strtoull(arg[3], NULL, 10));
}

static void print_found(const apikey_listed_t *key, const apikey_secret_t *secret, void *baton)
{
    (void)baton;
    printf("%" PRIu64 "\t%s\t%s\t%s\n", key->id, key->owner, key->status, secret->last_four);
}

/* check: a key on each line of standard input */
static apikey_db_status_t check(void)
{
    static const char *const prefixes[] = {"ak", "acme"};
    apikey_db_status_t rv = APIKEY_DB_OK;
    char line[128];

    while (rv == APIKEY_DB_OK && fgets(line, sizeof(line), stdin)) {
        const size_t len = strcspn(line, "\n");
        apikey_digests_t digests;
        apikey_owner_t kind;
        bool found;

        if (apikey_keyfmt_parse(line, len, prefixes, 2, &kind) != APIKEY_FORM_OURS) {
            puts("not ours");
            continue;
        }
        apikey_digest_all(&digests, &apikey_no_pepper, line, len);
        rv = apikey_store_find_listed(db, &digests, print_found, NULL, &found);
        if (!found) {
            puts("not found");
        }
    }
    return rv;
}

static bool print_secret(const apikey_secret_t *secret, void *baton)
{
    (void)baton;
    printf("%s\t%s\t%" PRId64 "\t%" PRId64 "\n", secret->last_four, secret->pepper,
           secret->created_ms, secret->expires_ms == APIKEY_NEVER ? 0 : secret->expires_ms);
    return true;
}

/* secrets ID */
static apikey_db_status_t secrets_of(void)
{
    return apikey_store_secrets(db, strtoull(arg[0], NULL, 10), print_secret, NULL);
}

static bool print_event(const apikey_event_t *event, void *baton)
{
    (void)baton;
    printf("%s\t%" PRIu64 "\t%s\t%s\t%s\t%s\t%s\t%s\n", event->what, event->key_id,
           event->owner_type, event->owner, event->actor, event->account, event->client,
           event->detail);
    return true;
}

/* events KEY SINCE_MS BEFORE LIMIT */
static apikey_db_status_t events(void)
{
    const apikey_event_filter_t filter = {strtoull(arg[0], NULL, 10), strtoll(arg[1], NULL, 10),
                                          strtoull(arg[2], NULL, 10), atoi(arg[3])};
    return apikey_store_events(db, &filter, print_event, NULL);
}

static bool print_member(const char *team, const char *user, bool manage, void *baton)
{
    (void)baton;
    printf("%s\t%s\t%d\n", team, user, manage);
    return true;
}

/* team-set TEAM USER MANAGE, team-remove TEAM USER, team-list [TEAM] */
static apikey_db_status_t team_set(void)
{
    return apikey_store_team_set(db, arg[0], arg[1], atoi(arg[2]));
}

static apikey_db_status_t team_remove(void)
{
    apikey_outcome_t outcome;
    const apikey_db_status_t rv = apikey_store_team_remove(db, arg[0], arg[1], &outcome);

    puts(outcomes[outcome]);
    return rv;
}

static apikey_db_status_t team_list(void)
{
    return apikey_store_team_list(db, arg[0], print_member, NULL);
}

/* may TABLE TEAM USER ..., teams TABLE USER ...: for several tables over one connection */
static apikey_db_status_t may(void)
{
    apikey_db_status_t rv = APIKEY_DB_OK;
    bool yes;

    for (; *arg && rv == APIKEY_DB_OK; arg += 3) {
        rv = apikey_store_may_manage(db, arg[0], arg[1], arg[2], &yes);
        puts(yes ? "yes" : "no");
    }
    return rv;
}

static apikey_db_status_t teams(void)
{
    apikey_db_status_t rv = APIKEY_DB_OK;

    for (; *arg && rv == APIKEY_DB_OK; arg += 2) {
        rv = apikey_store_teams_of(db, arg[0], arg[1], print_member, NULL);
    }
    return rv;
}

/* act: sets whom it acts for, waits for a line of input, then creates: create's arguments */
static apikey_db_status_t late(void)
{
    puts("ready");
    fflush(stdout);
    while (getchar() != '\n') {
    }
    return create();
}

static const struct {
    const char *name;
    apikey_db_status_t (*run)(void);
    int args;
} commands[] = {
    {"create", create, 6},       {"rotate", rotate, 2},
    {"change", change, 3},       {"import", import, 2},
    {"prune", prune, 3},         {"denied", denied, 4},
    {"check", check, 0},         {"secrets", secrets_of, 1},
    {"events", events, 4},       {"may", may, 0},
    {"teams", teams, 0},         {"team-set", team_set, 3},
    {"late", late, 6},           {"team-remove", team_remove, 2},
    {"team-list", team_list, 0},
};

static int run(const char *name, int args)
{
    const char *actor = getenv("STORE_ACTOR");
    size_t i;

    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0 && args >= commands[i].args) {
            if ((!actor ||
                 apikey_store_act_as(db, actor, getenv("STORE_CLIENT")) == APIKEY_DB_OK) &&
                commands[i].run() == APIKEY_DB_OK &&
                (!actor || apikey_store_act_as(db, NULL, NULL) == APIKEY_DB_OK)) {
                return 0;
            }
            fprintf(stderr, "ERROR %u: %s\n", apikey_db_errno(db), apikey_db_error(db));
            return 1;
        }
    }
    fprintf(stderr, "no such command: %s with %d arguments\n", name, args);
    return 2;
}

int main(int argc, char **argv)
{
    const unsigned int reconnect = 1;
    MYSQL *conn = mysql_init(NULL);
    int status;

    if (argc < 3 || !conn || apr_initialize() != APR_SUCCESS) {
        return 2;
    }
    apr_pool_create(&pool, NULL);
    mysql_options(conn, MYSQL_READ_DEFAULT_FILE, argv[1]);
    mysql_options(conn, MYSQL_READ_DEFAULT_GROUP, "client");
    mysql_options(conn, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(conn, MYSQL_OPT_RECONNECT, &reconnect);
    if (!mysql_real_connect(conn, NULL, NULL, NULL, NULL, 0, NULL, 0)) {
        fprintf(stderr, "ERROR %u: %s\n", mysql_errno(conn), mysql_error(conn));
        return 1;
    }
    db = apikey_db_make(conn, pool);
    arg = argv + 3;
    status = run(argv[2], argc - 3);
    apr_pool_destroy(pool);
    mysql_close(conn);
    apr_terminate();
    return status;
}
