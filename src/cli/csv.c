/* SPDX-License-Identifier: Apache-2.0 */
#include "csv.h"

#include <stdbool.h>
#include <string.h>

struct cli_csv_reader_t {
    FILE *file;
    uint64_t line; /* of the next character */
    bool lost;     /* it is not known where the next record begins */
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

static const char *keep(cli_csv_reader_t *reader, int c)
{
    if (reader->used == sizeof(reader->bytes)) {
        return "the line is longer than 16384 bytes";
    }
    reader->bytes[reader->used++] = (char)c;
    return NULL;
}

/* A field whose first quote was read; `*c` becomes what follows its last one. Whatever is wrong
 * in it, it is read to its end: a line feed inside it begins no record. */
static const char *read_quoted(cli_csv_reader_t *reader, int *c)
{
    const char *why = NULL;

    for (*c = next_char(reader); *c != EOF; *c = next_char(reader)) {
        if (*c == '"' && (*c = next_char(reader)) != '"') {
            if (*c == ',' || ends_record(*c)) {
                return why;
            }
            break;
        }
        if (!why) {
            why = *c == '\0' ? "a NUL byte" : keep(reader, *c);
        }
    }
    reader->lost = true;
    return *c == EOF
               ? "a quoted field does not end"
               : "text follows the quote of a field; nothing behind it was read, for where "
                 "the next line begins is not certain";
}

/* What is wrong is static text; what came before it is skipped with the rest of the record, in
 * which a field may begin with `c`. */
static cli_csv_status_t bad(cli_csv_reader_t *reader, cli_csv_t *record, int c,
                            bool field_begins, const char *why)
{
    while (!ends_record(c) && !reader->lost) {
        if (field_begins && c == '"') {
            (void)read_quoted(reader, &c);
        }
        else {
            field_begins = c == ',';
            c = next_char(reader);
        }
    }
    record->why = why;
    return CLI_CSV_BAD;
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
    if (reader->lost) {
        return CLI_CSV_END;
    }
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
            return bad(reader, record, c, true, "more than 32 fields");
        }
        why = c == '"' ? read_quoted(reader, &c) : read_plain(reader, &c);
        why = why ? why : keep(reader, '\0');
        if (why) {
            return bad(reader, record, c, false, why);
        }
        record->field[record->count++] = reader->bytes + begin;
        if (ends_record(c)) {
            return CLI_CSV_RECORD;
        }
        c = next_char(reader);
    }
}
