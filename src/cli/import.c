/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl import`: a file of digests of keys from elsewhere. */
#include "cli.h"
#include "csv.h"
#include "print.h"
#include "row.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { BATCH = 1000 };

typedef struct {
    cli_t *cli;
    const char *name; /* of the file, for messages */
    FILE *file;
    uint64_t size; /* bytes; 0: not known */
    cli_csv_reader_t *reader;
    cli_row_header_t header;
    apr_pool_t *batch_pool;
    apikey_new_key_t key[BATCH];
    apikey_new_secret_t secret[BATCH];
    int64_t now_ms;
    uint64_t good, bad, added;
} import_t;

/* -- the file ---------------------------------------------------------------------------------
 */

/* Of a pipe nobody knows. */
static uint64_t size_of(FILE *file)
{
    struct stat is;
    return fstat(fileno(file), &is) == 0 && S_ISREG(is.st_mode) ? (uint64_t)is.st_size : 0;
}

static cli_exit_t open_file(import_t *import)
{
    const bool standard = strcmp(import->name, "-") == 0;
    FILE *file = standard ? stdin : fopen(import->name, "re");

    if (standard) {
        import->name = "standard input";
    }
    if (!file) {
        return cli_fail(CLI_USAGE, "cannot read %s: %s", import->name, strerror(errno));
    }
    import->file = file;
    import->size = size_of(file);
    return CLI_DONE;
}

/* -- its lines --------------------------------------------------------------------------------
 */

static void report(import_t *import, uint64_t line, const char *why)
{
    import->bad++;
    cli_progress(NULL, 0, 0);
    (void)cli_fail(CLI_NOT_DONE, "%s, line %" PRIu64 ": %s", import->name, line, why);
}

/* The line that names the columns. */
static cli_exit_t read_header(import_t *import)
{
    cli_csv_t record;
    cli_csv_status_t status;
    const char *why;

    import->reader = cli_csv_open(import->file, import->cli->pool);
    status = cli_csv_next(import->reader, &record);
    if (ferror(import->file)) {
        return cli_fail(CLI_USAGE, "cannot read %s: %s", import->name, strerror(errno));
    }
    if (status == CLI_CSV_END) {
        return cli_fail(CLI_USAGE, "%s is empty: the first line names the columns",
                        import->name);
    }
    why = status == CLI_CSV_BAD
              ? record.why
              : cli_row_read_header(&import->header, &record, import->cli->pool);
    return why ? cli_fail(CLI_USAGE, "%s, line %" PRIu64 ": %s", import->name, record.line, why)
               : CLI_DONE;
}

/* Keeps a key beyond its line. */
static void keep_strings(apikey_new_key_t *key, apr_pool_t *pool)
{
    key->owner = apr_pstrdup(pool, key->owner);
    key->description = apr_pstrdup(pool, key->description);
    key->scopes = apr_pstrdup(pool, key->scopes);
}

/* Reads up to BATCH good lines; 0 at the end. */
static unsigned int read_batch(import_t *import, const char *doing)
{
    cli_csv_t record;
    cli_csv_status_t status = CLI_CSV_END;
    unsigned int count = 0;

    apr_pool_clear(import->batch_pool);
    while (count < BATCH && (status = cli_csv_next(import->reader, &record)) != CLI_CSV_END) {
        const char *why = record.why;

        if (status == CLI_CSV_RECORD) {
            why = cli_row_read(&import->header, &record, import->now_ms, &import->key[count],
                               &import->secret[count], import->batch_pool);
        }
        if (why) {
            report(import, record.line, why);
        }
        else {
            keep_strings(&import->key[count++], import->batch_pool);
        }
        cli_progress(doing,
                     import->size ? (uint64_t)ftello(import->file) : import->good + count,
                     import->size);
    }
    import->good += count;
    return count;
}

/* -- what becomes of them ---------------------------------------------------------------------
 */

/* The end of what is read, if it is the end of the file. */
static cli_exit_t check_end(const import_t *import)
{
    return ferror(import->file)
               ? cli_fail(CLI_NOT_DONE, "cannot read %s to its end", import->name)
               : CLI_DONE;
}

static cli_exit_t check_all(import_t *import)
{
    while (read_batch(import, "Checking") > 0) {
    }
    cli_progress(NULL, 0, 0);
    return check_end(import);
}

/* After a bad line only to see what else is bad. */
static bool next_batch(const apikey_new_key_t **keys, const apikey_new_secret_t **secrets,
                       unsigned int *count, void *baton)
{
    import_t *import = baton;

    *keys = import->key;
    *secrets = import->secret;
    do {
        *count = read_batch(import, "Importing");
    } while (import->bad > 0 && *count > 0);
    return import->bad == 0 && !ferror(import->file);
}

static void say_how_to_go_on(const import_t *import)
{
    cli_progress(NULL, 0, 0);
    if (import->added > 0) {
        fprintf(stderr,
                "%" PRIu64 " keys were imported. Import the file again to go on: "
                "what is there is left alone.\n",
                import->added);
    }
}

static cli_exit_t import_batches(import_t *import)
{
    unsigned int count, added;
    cli_exit_t rc;

    while ((count = read_batch(import, "Importing")) > 0) {
        if (apikey_store_import(import->cli->db, import->key, import->secret, count, &added) !=
            APIKEY_DB_OK) {
            say_how_to_go_on(import);
            return cli_fail_db(import->cli, "the import broke off");
        }
        import->added += added;
    }
    cli_progress(NULL, 0, 0);
    if ((rc = check_end(import)) != CLI_DONE) {
        say_how_to_go_on(import);
    }
    return rc;
}

static cli_exit_t import_all(import_t *import)
{
    const apikey_db_status_t rv =
        apikey_store_import_all(import->cli->db, next_batch, import, &import->added);

    cli_progress(NULL, 0, 0);
    return rv == APIKEY_DB_OK ? check_end(import)
                              : cli_fail_db(import->cli, "nothing was imported");
}

static cli_exit_t say(const import_t *import, bool imported)
{
    if (import->cli->opt.json) {
        return cli_print_json(
            json_pack("{s:I, s:I, s:I, s:I}", "good", (json_int_t)import->good, "bad",
                      (json_int_t)import->bad, "imported", (json_int_t)import->added, "present",
                      (json_int_t)(imported ? import->good - import->added : 0)));
    }
    printf("%" PRIu64 " good lines, %" PRIu64 " bad ones. ", import->good, import->bad);
    if (imported) {
        printf("%" PRIu64 " keys imported, %" PRIu64 " were there already.\n", import->added,
               import->good - import->added);
    }
    else {
        puts("Nothing was imported.");
    }
    return CLI_DONE;
}

static cli_exit_t run(import_t *import)
{
    const cli_options_t *opt = &import->cli->opt;
    cli_exit_t rc = read_header(import);

    if (rc == CLI_DONE) {
        rc = opt->dry_run          ? check_all(import)
             : opt->all_or_nothing ? import_all(import)
                                   : import_batches(import);
    }
    if (rc == CLI_DONE) {
        rc = say(import, !opt->dry_run && !(opt->all_or_nothing && import->bad > 0));
    }
    return rc == CLI_DONE && import->bad > 0 ? CLI_NOT_DONE : rc;
}

cli_exit_t cli_import(cli_t *cli)
{
    import_t *import = apr_pcalloc(cli->pool, sizeof(*import));
    cli_exit_t rc;

    import->cli = cli;
    import->name = cli->argv[0];
    import->now_ms = apr_time_as_msec(apr_time_now());
    apr_pool_create(&import->batch_pool, cli->pool);
    rc = open_file(import);
    if (rc == CLI_DONE) {
        rc = run(import);
        fclose(import->file);
    }
    return rc;
}
