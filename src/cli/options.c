/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <apr_getopt.h>
#include <apr_strings.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name;
    const char *value; /* what its value is called; NULL: it has none */
    const char *what;
    size_t member; /* of cli_options_t: a bool, or a string where there is a value */
} option_t;

#define FLAG(name, member, what)                                                               \
    {                                                                                          \
        name, NULL, what, offsetof(cli_options_t, member)                                      \
    }
#define TEXT(name, value, member, what)                                                        \
    {                                                                                          \
        name, value, what, offsetof(cli_options_t, member)                                     \
    }

/* clang-format off */
static const option_t table[CLI_OPT_COUNT] = {
    [CLI_OPT_DEFAULTS_FILE] = TEXT("defaults-file", "FILE", defaults_file,
        "take the connection from this option file alone"),
    [CLI_OPT_DSN] = TEXT("dsn", "PARAMS", dsn,
        "connect by host= port= sock= user= dbname= group="),
    [CLI_OPT_TIMEOUT] = TEXT("timeout", "SPAN", timeout,
        "how long to wait for each answer of the database; 0: for ever"),
    [CLI_OPT_JSON] = FLAG("json", json, "print JSON"),
    [CLI_OPT_HELP] = FLAG("help", help, "print this"),
    [CLI_OPT_USER] = TEXT("user", "USER", user, "the owner: a user"),
    [CLI_OPT_TEAM] = TEXT("team", "TEAM", team, "the owner: a team"),
    [CLI_OPT_DESCRIPTION] = TEXT("description", "TEXT", description, "what the key is for"),
    [CLI_OPT_SCOPES] = TEXT("scopes", "SCOPES", scopes, "scopes, with spaces between"),
    [CLI_OPT_EXPIRES] = TEXT("expires", "WHEN", expires,
        "90d, 12h, 2w, a date or time (UTC), or never, the default"),
    [CLI_OPT_PUBLIC] = FLAG("public", is_public, "note that it is embedded in public clients"),
    [CLI_OPT_QUIET] = FLAG("quiet", quiet, "print the secret alone"),
    [CLI_OPT_PREFIX] = TEXT("prefix", "PREFIX", prefix,
        "prefix of keys; without it the one recorded by init"),
    [CLI_OPT_PEPPER] = TEXT("pepper", "FILE", pepper_file,
        "pepper file; may be repeated, the first one mints"),
    [CLI_OPT_STATUS] = TEXT("status", "STATUS", status, "only valid, revoked or expired keys"),
    [CLI_OPT_LIMIT] = TEXT("limit", "N", limit, "at most so many; without it all"),
    [CLI_OPT_AFTER] = TEXT("after", "ID", after, "go on after this id"),
    [CLI_OPT_GRACE] = TEXT("grace", "SPAN", grace,
        "how long the old secret still works: 24h (default), up to 30d, or 0"),
    [CLI_OPT_KEY] = TEXT("key", "ID", key, "only of this key"),
    [CLI_OPT_SINCE] = TEXT("since", "WHEN", since, "only from then on: 7d (ago), a date or time"),
    [CLI_OPT_OLDER_THAN] = TEXT("older-than", "SPAN", older_than,
        "how long they must have been dead: 90d, the default"),
    [CLI_OPT_DRY_RUN] = FLAG("dry-run", dry_run, "say what would be done, change nothing"),
    [CLI_OPT_ALL_OR_NOTHING] = FLAG("all-or-nothing", all_or_nothing,
        "one transaction, undone where a line is bad"),
    [CLI_OPT_MANAGE] = FLAG("manage", manage, "who may manage the team's keys"),
};
/* clang-format on */

static const uint32_t common_options = CLI_TAKES(DEFAULTS_FILE) | CLI_TAKES(DSN) |
                                       CLI_TAKES(TIMEOUT) | CLI_TAKES(JSON) | CLI_TAKES(HELP);

enum { FIRST_LETTER = 256 }; /* beyond any character: there are no short options */

static bool complain(const char *name, const char *what)
{
    fprintf(stderr, "apikeyctl: --%s %s\n", name, what);
    return false;
}

static bool store(cli_options_t *opt, cli_option_t which, const char *value)
{
    const option_t *o = &table[which];
    void *member = (char *)opt + o->member;
    const bool again = (opt->given & (UINT32_C(1) << which)) != 0;

    opt->given |= UINT32_C(1) << which;
    if (which == CLI_OPT_PEPPER) {
        const int room = (int)(sizeof(opt->pepper_file) / sizeof(opt->pepper_file[0]));
        if (opt->pepper_files == room) {
            return complain(o->name, "is given more than three times");
        }
        opt->pepper_file[opt->pepper_files++] = value;
        return true;
    }
    if (!o->value) {
        *(bool *)member = true;
        return true;
    }
    if (again) {
        return complain(o->name, "is given twice");
    }
    *(const char **)member = value;
    return true;
}

__attribute__((format(printf, 2, 3))) static void print_getopt_error(void *unused,
                                                                     const char *format, ...)
{
    va_list args;

    (void)unused;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("see apikeyctl --help\n", stderr);
}

/* APR takes a lone `-` for an option without a name: it is given another word meanwhile. */
static const char lone_hyphen[] = "(hyphen)";

static const char *const *hide_hyphens(int argc, const char *const *argv, apr_pool_t *pool)
{
    const char **copy = apr_pmemdup(pool, argv, ((apr_size_t)argc + 1) * sizeof(*argv));
    int i;

    for (i = 0; i < argc; i++) {
        copy[i] = strcmp(argv[i], "-") == 0 ? lone_hyphen : argv[i];
    }
    return copy;
}

static const char *show_hyphen(const char *word)
{
    return word == lone_hyphen ? "-" : word;
}

bool cli_options_read(cli_options_t *opt, cli_words_t *words, int argc, const char *const *argv,
                      apr_pool_t *pool)
{
    const char **left;
    apr_getopt_option_t wanted[CLI_OPT_COUNT + 1] = {{NULL, 0, 0, NULL}};
    apr_getopt_t *os;
    apr_status_t rv;
    const char *value;
    int which;

    for (which = 0; which < CLI_OPT_COUNT; which++) {
        wanted[which] = (apr_getopt_option_t){table[which].name, FIRST_LETTER + which,
                                              table[which].value != NULL, NULL};
    }
    apr_getopt_init(&os, pool, argc, hide_hyphens(argc, argv, pool));
    os->interleave = 1;
    os->errfn = print_getopt_error;
    while ((rv = apr_getopt_long(os, wanted, &which, &value)) == APR_SUCCESS) {
        if (!store(opt, (cli_option_t)(which - FIRST_LETTER), show_hyphen(value))) {
            return false;
        }
    }
    words->count = argc - os->ind;
    words->word = left = apr_pcalloc(pool, ((apr_size_t)words->count + 1) * sizeof(*left));
    for (which = 0; which < words->count; which++) {
        left[which] = show_hyphen(os->argv[os->ind + which]);
    }
    return rv == APR_EOF;
}

void cli_options_print(uint32_t set, bool common)
{
    int i;

    set = common ? common_options : set & ~common_options;
    for (i = 0; i < CLI_OPT_COUNT; i++) {
        if (set & (UINT32_C(1) << i)) {
            const char *value = table[i].value ? table[i].value : "";
            printf("  --%s%s%-*s %s\n", table[i].name, *value ? " " : "",
                   (int)(22 - strlen(table[i].name) - (*value ? 1 : 0)), value, table[i].what);
        }
    }
}

const char *cli_options_stray(const cli_options_t *opt, uint32_t set)
{
    const uint32_t stray = opt->given & ~(set | common_options);
    int i;

    for (i = 0; i < CLI_OPT_COUNT; i++) {
        if (stray & (UINT32_C(1) << i)) {
            return table[i].name;
        }
    }
    return NULL;
}
