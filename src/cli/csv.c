/* SPDX-License-Identifier: Apache-2.0 */
#include "csv.h"

#include <stdbool.h>
#include <string.h>

struct cli_csv_reader_t {
    FILE *file;
    uint64_t line; /* of the next character */
    size_t used;
    char bytes[CLI_CSV_BYTES]; /* of the fields, each with its NUL */
};

cli_csv_reader_t *cli_csv_open(FILE *file, apr_pool_t *pool)
{
    cli_csv_reader_t *reader = apr_pcalloc(pool, sizeof(*reader));
    const int c = getc(file);

    reader->file = file;
    reader->line = 1;
    /* The other two bytes of a byte order mark belong to it, whatever they are: no column of
     * ours begins with half of one. */
    if (c != 0xef) {
        ungetc(c, file);
    }
    else if (getc(file) != EOF) {
        (void)getc(file);
    }
    return reader;
}

/* The next character; CRLF is LF. */
static int next_char(cli_csv_reader_t *reader)
{
    int c = getc(reader->file);

    if (c == '\r') {
        const int after = getc(reader->file);
        if (after == '\n') {
            c = after;
        }
        else if (after != EOF) {
            ungetc(after, reader->file);
        }
    }
    if (c == '\n') {
        reader->line++;
    }
    return c;
}

static bool ends_record(int c)
{
    return c == '\n' || c == EOF;
}

/* What is wrong is static text; what came before it is skipped with the line. */
static cli_csv_status_t bad(cli_csv_reader_t *reader, cli_csv_t *record, int c, const char *why)
{
    while (!ends_record(c)) {
        c = next_char(reader);
    }
    record->why = why;
    return CLI_CSV_BAD;
}

static const char *keep(cli_csv_reader_t *reader, int c)
{
    if (reader->used == sizeof(reader->bytes)) {
        return "the line is longer than 16384 bytes";
    }
    reader->bytes[reader->used++] = (char)c;
    return NULL;
}

/* A field whose first quote was read; `*c` becomes what follows its last one. */
static const char *read_quoted(cli_csv_reader_t *reader, int *c)
{
    const char *why = NULL;

    for (*c = next_char(reader); !why; *c = next_char(reader)) {
        if (*c == EOF) {
            return "a quoted field does not end";
        }
        if (*c == '"' && (*c = next_char(reader)) != '"') {
            return *c == ',' || ends_record(*c) ? NULL : "text follows the quote of a field";
        }
        if (*c == '\0') {
            return "a NUL byte";
        }
        why = keep(reader, *c);
    }
    return why;
}

/* A field that begins with `*c`, which becomes what follows it. */
static const char *read_plain(cli_csv_reader_t *reader, int *c)
{
    const char *why = NULL;

    for (; *c != ',' && !ends_record(*c) && !why; *c = next_char(reader)) {
        if (*c == '"') {
            return "a quote inside a field that is not quoted";
        }
        if (*c == '\r' || *c == '\0') {
            return *c ? "a carriage return inside a field that is not quoted" : "a NUL byte";
        }
        why = keep(reader, *c);
    }
    return why;
}

cli_csv_status_t cli_csv_next(cli_csv_reader_t *reader, cli_csv_t *record)
{
    int c;

    memset(record, 0, sizeof(*record));
    reader->used = 0;
    do {
        record->line = reader->line;
        c = next_char(reader);
    } while (c == '\n');
    if (c == EOF) {
        return CLI_CSV_END;
    }
    for (;;) {
        const size_t begin = reader->used;
        const char *why;

        if (record->count == CLI_CSV_FIELDS) {
            return bad(reader, record, c, "more than 32 fields");
        }
        why = c == '"' ? read_quoted(reader, &c) : read_plain(reader, &c);
        why = why ? why : keep(reader, '\0');
        if (why) {
            return bad(reader, record, c, why);
        }
        record->field[record->count++] = reader->bytes + begin;
        if (ends_record(c)) {
            return CLI_CSV_RECORD;
        }
        c = next_char(reader);
    }
}
