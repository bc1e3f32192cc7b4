/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/cli/csv.h"

/* The text as a file. */
static FILE *file_of(const char *text, size_t len)
{
    FILE *file = tmpfile();

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    rewind(file);
    return file;
}

/* Everything in a file as one line of text: fields in brackets, "!why" for what is no record,
 * each with the line it begins in. */
static const char *read_all(const char *text, size_t len, char *out, size_t size,
                            apr_pool_t *pool)
{
    FILE *file = file_of(text, len);
    cli_csv_reader_t *reader = cli_csv_open(file, pool);
    cli_csv_t record;
    cli_csv_status_t status;
    size_t used = 0;
    int i;

    *out = '\0';
    while ((status = cli_csv_next(reader, &record)) != CLI_CSV_END) {
        used += (size_t)snprintf(out + used, size - used, "%u", (unsigned int)record.line);
        for (i = 0; i < record.count && status == CLI_CSV_RECORD; i++) {
            used += (size_t)snprintf(out + used, size - used, "[%s]", record.field[i]);
        }
        if (status == CLI_CSV_BAD) {
            used += (size_t)snprintf(out + used, size - used, "!%s", record.why);
        }
        used += (size_t)snprintf(out + used, size - used, " ");
        assert_true(used < size);
    }
    fclose(file);
    return out;
}

#define LOST                                                                                   \
    "text follows the quote of a field; nothing behind it was read, for where the next line "  \
    "begins is not certain"

static void records(void **state)
{
    static const struct {
        const char *text, *read;
    } table[] = {
        {"", ""},
        {"\n\r\n\n", ""},
        {"a", "1[a] "},
        {"a,b\n", "1[a][b] "},
        {"a,b\r\nc,d\r\n", "1[a][b] 2[c][d] "},
        {"a,,\n,\n", "1[a][][] 2[][] "},
        {"\xef\xbb\xbf"
         "a,b",
         "1[a][b] "},
        {"\n\na\n\nb", "3[a] 5[b] "},
        {" a , b ", "1[ a ][ b ] "}, /* spaces belong to the field */
        {"\"a\",\"b\"\n", "1[a][b] "},
        {"\"a,b\",c", "1[a,b][c] "},
        {"\"a \"\"quoted\"\" word\"", "1[a \"quoted\" word] "},
        {"\"\",\"\"\"\"", "1[][\"] "},
        {"\"two\nlines\",x\ny", "1[two\nlines][x] 3[y] "},
        {"\"two\r\nlines\"", "1[two\nlines] "},
        {"\xc3\xa9,\xf0\x9f\x94\x91", "1[\xc3\xa9][\xf0\x9f\x94\x91] "},
        {"a;b", "1[a;b] "},
        /* what is not a record, and how it goes on after that */
        {"a\"b,c\nd", "1!a quote inside a field that is not quoted 2[d] "},
        {"\"a\"b\nd", "1!" LOST " "},
        {"\"a\" ,b\nd", "1!" LOST " "},
        {"\"a\\\"b\nd\n\"\n", "1!" LOST " "}, /* a backslash is no escape */
        {"a\"b,\"c\nd\"\ne", "1!a quote inside a field that is not quoted 3[e] "},
        {"a\"b,\"c\"d\ne", "1!a quote inside a field that is not quoted "},
        {"a\rb\nd", "1!a carriage return inside a field that is not quoted 2[d] "},
        {"x\n\"a\nb\n", "1[x] 2!a quoted field does not end "},
        {"\"", "1!a quoted field does not end "},
    };
    char out[1000];
    size_t i;

    for (i = 0; i < COUNT(table); i++) {
        const char *got =
            read_all(table[i].text, strlen(table[i].text), out, sizeof(out), *state);
        assert_string_equal(got, table[i].read);
    }
}

static void nul_bytes(void **state)
{
    char out[200];

    assert_string_equal(read_all("a\0b\nc", 5, out, sizeof(out), *state), "1!a NUL byte 2[c] ");
    assert_string_equal(read_all("\"a\0b\"\nc", 7, out, sizeof(out), *state),
                        "1!a NUL byte 2[c] ");
    /* inside the quotes there is no record */
    assert_string_equal(read_all("\"\0\nx\n\",b\nc", 10, out, sizeof(out), *state),
                        "1!a NUL byte 4[c] ");
    assert_string_equal(read_all("\0,\"\nx\n\",b\nc", 11, out, sizeof(out), *state),
                        "1!a NUL byte 4[c] ");
}

static void limits(void **state)
{
    enum { LONG = CLI_CSV_BYTES + 10 };
    static char text[LONG + 100];
    char out[200];

    /* one byte is the end of the field */
    memset(text, 'x', CLI_CSV_BYTES - 1);
    {
        FILE *file = file_of(text, CLI_CSV_BYTES - 1);
        cli_csv_t record;
        assert_int_equal(cli_csv_next(cli_csv_open(file, *state), &record), CLI_CSV_RECORD);
        assert_int_equal(strlen(record.field[0]), CLI_CSV_BYTES - 1);
        fclose(file);
    }
    memset(text, 'x', LONG);
    memcpy(text + LONG, "\nd", 2);
    assert_string_equal(read_all(text, LONG + 2, out, sizeof(out), *state),
                        "1!the line is longer than 16384 bytes 2[d] ");
    text[0] = '"';
    assert_string_equal(read_all(text, LONG + 2, out, sizeof(out), *state),
                        "1!a quoted field does not end ");
    memcpy(text + LONG - 4, "\nx\n\"", 4);
    assert_string_equal(read_all(text, LONG + 2, out, sizeof(out), *state),
                        "1!the line is longer than 16384 bytes 4[d] ");
    memset(text, ',', CLI_CSV_FIELDS - 1);
    memcpy(text + CLI_CSV_FIELDS - 1, "\nd", 2);
    assert_non_null(
        strstr(read_all(text, CLI_CSV_FIELDS + 1, out, sizeof(out), *state), "2[d]"));
    assert_null(strchr(out, '!'));
    memset(text, ',', CLI_CSV_FIELDS);
    memcpy(text + CLI_CSV_FIELDS, "\nd", 2);
    assert_string_equal(read_all(text, CLI_CSV_FIELDS + 2, out, sizeof(out), *state),
                        "1!more than 32 fields 2[d] ");
    memcpy(text + CLI_CSV_FIELDS, "\"\nx\n\"\nd", 7);
    assert_string_equal(read_all(text, CLI_CSV_FIELDS + 7, out, sizeof(out), *state),
                        "1!more than 32 fields 4[d] ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pool_test(records),
        pool_test(nul_bytes),
        pool_test(limits),
    };
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
