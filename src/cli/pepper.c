/* SPDX-License-Identifier: Apache-2.0 */
/* `apikeyctl gen-pepper` and `pepper use`: the secret that keys are digested with. */
#include "cli.h"
#include "mint.h"
#include "print.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PEPPER_BYTES = 64 };

/* Writes the bytes so that they are on the disk when it returns. */
static bool write_bytes(int fd, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        const ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) == 0;
}

static cli_exit_t make_file(const char *path)
{
    unsigned char bytes[PEPPER_BYTES];
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool written;

    if (fd < 0) {
        return cli_fail(CLI_NOT_DONE, "cannot create %s: %s", path,
                        errno == EEXIST ? "it exists, and keys may depend on it"
                                        : strerror(errno));
    }
    /* Whatever the umask. */
    written = fchmod(fd, 0600) == 0 &&
              apr_generate_random_bytes(bytes, sizeof(bytes)) == APR_SUCCESS &&
              write_bytes(fd, bytes, sizeof(bytes));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    if (close(fd) != 0 || !written) {
        const int why = errno;
        unlink(path);
        return cli_fail(CLI_NOT_DONE, "cannot write %s: %s", path, strerror(why));
    }
    return CLI_DONE;
}

static cli_exit_t print_made(const cli_t *cli, const char *path, const char *fingerprint)
{
    if (cli->opt.json) {
        return cli_print_json(
            json_pack("{s:o, s:s}", "file", cli_json_text(path), "fingerprint", fingerprint));
    }
    fputs("The pepper is in ", stdout);
    cli_print_safe(stdout, path);
    printf("; its fingerprint is %s.\n\n"
           "1. Copy the file to every server, readable by root alone, and keep a copy where\n"
           "   backups of the database are not: without it no key made with it is valid.\n"
           "2. Tell every server, and reload it:\n\n"
           "       ApiKeyPepperFile \"",
           fingerprint);
    cli_print_safe(stdout, path);
    fputs("\" none\n\n"
          "   With the word none keys made without a pepper stay valid. Where there was a\n"
          "   pepper before, name its file before the word.\n"
          "3. Then have new keys made with it:\n\n"
          "       apikeyctl pepper use ",
          stdout);
    cli_print_safe(stdout, path);
    putchar('\n');
    return CLI_DONE;
}

cli_exit_t cli_gen_pepper(cli_t *cli)
{
    apikey_pepper_t pepper;
    const char *why;
    char *path;
    cli_exit_t rc = make_file(cli->argv[0]);

    if (rc != CLI_DONE) {
        return rc;
    }
    why = apikey_pepper_read(&pepper, cli->argv[0], cli->pool);
    if (why) {
        return cli_fail(CLI_NOT_DONE, "%s", why);
    }
    /* Servers take a relative path from their ServerRoot. */
    path = realpath(cli->argv[0], NULL);
    rc = print_made(cli, path ? path : cli->argv[0], pepper.fingerprint);
    free(path);
    return rc;
}

cli_exit_t cli_pepper_use(cli_t *cli)
{
    apikey_pepper_t pepper;
    const char *recorded;
    const char *why = apikey_pepper_read(&pepper, cli->argv[0], cli->pool);
    cli_exit_t rc;

    if (why) {
        return cli_fail(CLI_USAGE, "%s", why);
    }
    if ((rc = cli_read_fingerprint(cli, &recorded)) != CLI_DONE) {
        return rc;
    }
    if (apikey_store_set_setting(cli->db, "pepper", pepper.fingerprint) != APIKEY_DB_OK) {
        return cli_fail_db(cli, "cannot record the pepper's fingerprint");
    }
    printf("New keys are made with the pepper %s; before: ", pepper.fingerprint);
    cli_print_safe(stdout, *recorded ? recorded : "none");
    puts(".");
    return CLI_DONE;
}
