/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#define MINTING (CLI_TAKES(QUIET) | CLI_TAKES(PREFIX) | CLI_TAKES(PEPPER))
#define OWNER (CLI_TAKES(USER) | CLI_TAKES(TEAM))

/* clang-format off */
static const cli_command_t commands[] = {
    {"init", cli_init, CLI_NEEDS_CONNECTION, CLI_FOR_EVER,
     CLI_TAKES(PREFIX) | CLI_TAKES(PEPPER), 0, 0,
     "[--prefix PREFIX] [--pepper FILE]",
     "create the tables, or bring older ones up to date",
     "What is there is kept: keys, grants, settings. Run it as an account that has all\n"
     "privileges on the database and that stays: the triggers run with its rights. All other\n"
     "commands need no more than apikey_admin of grants.sql has.",
     "apikeyctl init\n"
     "apikeyctl init --prefix acme\n"},
    {"create", cli_create, CLI_CHANGES_TABLES, CLI_ONE_KEY,
     OWNER | MINTING | CLI_TAKES(DESCRIPTION) | CLI_TAKES(SCOPES) | CLI_TAKES(EXPIRES) |
         CLI_TAKES(PUBLIC), 0, 0,
     "--user USER|--team TEAM [--description TEXT] [--scopes SCOPES] [--expires WHEN]",
     "make a key; its secret is printed, this once",
     "Only the digest of the secret is stored: what is printed now cannot be printed again.",
     "apikeyctl create --user alice --description 'nightly export' --expires 90d\n"
     "apikeyctl create --team blue --scopes 'orders:read orders:write' --expires 2027-01-31\n"
     "apikeyctl create --user alice --quiet > key.txt\n"},
    {"list", cli_list, CLI_READS_TABLES, CLI_MANY_KEYS,
     OWNER | CLI_TAKES(STATUS) | CLI_TAKES(LIMIT) | CLI_TAKES(AFTER), 0, 0,
     "[--user USER|--team TEAM] [--status STATUS] [--limit N] [--after ID]",
     "list keys, newest first",
     "Columns are aligned, and cut where the terminal is narrow; in a pipe they are whole and\n"
     "have tabs between them.",
     "apikeyctl list --user alice\n"
     "apikeyctl list --status valid --limit 20\n"
     "apikeyctl list --json | jq '.items[].id'\n"},
    {"show", cli_show, CLI_READS_TABLES, CLI_ONE_KEY, 0, 1, 1,
     "ID",
     "show one key, its secrets and their use",
     "",
     "apikeyctl show 7\n"},
    {"update", cli_update, CLI_CHANGES_TABLES, CLI_ONE_KEY, CLI_TAKES(DESCRIPTION), 1, 1,
     "ID --description TEXT",
     "change what a key is for",
     "Scopes and expiry are changed at a mysql prompt, or by making a new key.",
     "apikeyctl update 7 --description 'nightly export, new host'\n"},
    {"revoke", cli_revoke, CLI_CHANGES_TABLES, CLI_ONE_KEY, 0, 1, 1000,
     "ID ...",
     "revoke keys, for good",
     "Every server refuses them within a second. There is no way back: make a new key.",
     "apikeyctl revoke 7\n"
     "apikeyctl revoke 7 9 12\n"},
    {"rotate", cli_rotate, CLI_CHANGES_TABLES, CLI_ONE_KEY, MINTING | CLI_TAKES(GRACE), 1, 1,
     "ID [--grace SPAN]",
     "give a key a new secret; it is printed, this once",
     "The key keeps its id, owner, scopes and history. The old secret works until its\n"
     "grace ends; --grace 0 ends all other secrets of the key at once.",
     "apikeyctl rotate 7\n"
     "apikeyctl rotate 7 --grace 0\n"},
    {"check", cli_check, CLI_READS_TABLES, CLI_ONE_KEY,
     CLI_TAKES(PREFIX) | CLI_TAKES(PEPPER), 0, 0,
     "",
     "read a key from standard input; say whether it is valid, or why not",
     "On a terminal the key is asked for and not shown. It is never an argument, which every\n"
     "user of this machine could read. Exit status 0: valid, 1: not.",
     "apikeyctl check\n"
     "apikeyctl check < key.txt\n"},
    {"import", cli_import, CLI_CHANGES_TABLES, CLI_MANY_KEYS,
     CLI_TAKES(ALL_OR_NOTHING) | CLI_TAKES(DRY_RUN), 1, 1,
     "FILE [--dry-run] [--all-or-nothing]",
     "import digests of keys from another system, as CSV",
     "The first line names the columns: digest, owner_type (user or team) and owner_id, and as\n"
     "you like description, scopes, expires_at, last_four and is_public (0 or 1). A digest is\n"
     "the SHA-256 of a whole key, without salt: 64 hexadecimal digits, base64, or {SHA256} and\n"
     "either. FILE may be - for standard input.\n\n"
     "Good lines are imported 1,000 at a time. Bad ones are reported, each with its number and\n"
     "what is wrong, and the exit status is 1. A digest that is there already is left alone: an\n"
     "import that broke off, or a corrected file, is simply imported again.\n\n"
     "--all-or-nothing makes one transaction of it, undone where a line is bad. A million lines\n"
     "are then some 800 MB in one piece for the binary log, for which replicas wait, and more\n"
     "than Group Replication takes by itself: there leave it out. Try --dry-run first.",
     "apikeyctl import keys.csv --dry-run\n"
     "apikeyctl import keys.csv\n"},
    {"prune", cli_prune, CLI_CHANGES_TABLES, CLI_MANY_KEYS,
     CLI_TAKES(OLDER_THAN) | CLI_TAKES(DRY_RUN), 0, 0,
     "[--older-than SPAN] [--dry-run]",
     "delete keys that are revoked or expired since long",
     "With their use; the audit trail keeps what became of them. In batches of 1,000, so that\n"
     "nobody waits for it. Try --dry-run first.",
     "apikeyctl prune --dry-run\n"
     "apikeyctl prune --older-than 365d\n"},
    {"gen-pepper", cli_gen_pepper, CLI_NEEDS_NO_DATABASE, CLI_FOR_EVER, 0, 1, 1,
     "FILE",
     "write a new pepper file; say how to use it",
     "64 random bytes, readable by nobody else. A file that exists is never overwritten.",
     "apikeyctl gen-pepper /etc/apache2/apikey.pepper\n"},
    {"pepper use", cli_pepper_use, CLI_CHANGES_TABLES, CLI_ONE_KEY, 0, 1, 1,
     "FILE",
     "record the pepper that new keys are made with",
     "Its fingerprint is recorded, not the pepper. Tell every server first (ApiKeyPepperFile,\n"
     "with the previous file, or the word none, behind the new one).",
     "apikeyctl pepper use /etc/apache2/apikey.pepper\n"},
    {"team add", cli_team_add, CLI_CHANGES_TABLES, CLI_ONE_KEY, CLI_TAKES(MANAGE), 2, 2,
     "TEAM USER [--manage]",
     "make a user a member of a team",
     "With --manage the user may create and revoke the team's keys. Of a member, the command\n"
     "sets or, without --manage, takes this right.",
     "apikeyctl team add blue alice --manage\n"},
    {"team remove", cli_team_remove, CLI_CHANGES_TABLES, CLI_ONE_KEY, 0, 2, 2,
     "TEAM USER",
     "end a user's membership of a team",
     "The team's keys stay as they are.",
     "apikeyctl team remove blue alice\n"},
    {"team list", cli_team_list, CLI_READS_TABLES, CLI_MANY_KEYS, 0, 0, 1,
     "[TEAM]",
     "list the members of a team, or of all",
     "",
     "apikeyctl team list blue\n"},
    {"events", cli_events, CLI_READS_TABLES, CLI_MANY_KEYS,
     CLI_TAKES(KEY) | CLI_TAKES(SINCE) | CLI_TAKES(LIMIT) | CLI_TAKES(AFTER), 0, 0,
     "[--key ID] [--since WHEN] [--limit N] [--after ID]",
     "show the audit trail, newest first",
     "What was done to which key, by whom and from where, whatever tool they used.",
     "apikeyctl events --key 7\n"
     "apikeyctl events --since 7d\n"},
};
/* clang-format on */

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* How many of the words make up `name`, 0 for another name. */
static int words_of(const char *name, const cli_words_t *words)
{
    const char *space = strchr(name, ' ');
    const size_t first = space ? (size_t)(space - name) : strlen(name);

    if (words->count < 1 || strncmp(words->word[0], name, first) != 0 ||
        words->word[0][first]) {
        return 0;
    }
    if (!space) {
        return 1;
    }
    return words->count > 1 && strcmp(words->word[1], space + 1) == 0 ? 2 : 0;
}

const cli_command_t *cli_command_find(const cli_words_t *words, int *used)
{
    int i;

    for (i = 0; i < COMMANDS; i++) {
        if ((*used = words_of(commands[i].name, words)) > 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* Every line of a text, moved to the right. */
static void print_indented(const char *text)
{
    while (*text) {
        const int len = (int)strcspn(text, "\n");
        printf("  %.*s\n", len, text);
        text += len + (text[len] == '\n');
    }
}

static void help_one(const cli_command_t *command)
{
    printf("usage: apikeyctl %s %s\n\n%s\n", command->name, command->synopsis, command->what);
    if (*command->more) {
        printf("\n%s\n", command->more);
    }
    puts("\nOptions:");
    cli_options_print(command->options, false);
    cli_options_print(command->options, true);
    puts("\nExamples:");
    print_indented(command->examples);
}

static void help_all(void)
{
    int i;

    puts("usage: apikeyctl COMMAND [options]\n\n"
         "Administers the API keys of mod_authn_apikey.\n\nCommands:");
    for (i = 0; i < COMMANDS; i++) {
        printf("  %-12s %s\n", commands[i].name, commands[i].what);
    }
    puts("\nOptions of every command:");
    cli_options_print(0, true);
    puts("\napikeyctl COMMAND --help says more. Without --dsn and --defaults-file the "
         "connection\n"
         "is that of ~/.my.cnf, groups [client] and [apikeyctl], and of MYSQL_HOST,\n"
         "MYSQL_TCP_PORT, MYSQL_UNIX_PORT and MYSQL_PWD.\n"
         "Exit status: 0 done, 1 not done, 2 usage, 3 database unreachable.");
}

void cli_command_help(const cli_command_t *command)
{
    if (command) {
        help_one(command);
    }
    else {
        help_all();
    }
}
