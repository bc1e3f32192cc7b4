/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/digest.h"
#include "vectors.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/apikey-unit-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static const char *hex(const unsigned char *digest, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, 2 * APIKEY_DIGEST_LEN + 1);
    int i;

    for (i = 0; i < APIKEY_DIGEST_LEN; i++) {
        sprintf(out + 2 * i, "%02x", digest[i]);
    }
    return out;
}

/* The pepper of the vectors: the bytes 0, 1, 2, ... */
static const unsigned char *counting(size_t len)
{
    static unsigned char bytes[APIKEY_PEPPER_MAX + 1];
    size_t i;

    for (i = 0; i < len; i++) {
        bytes[i] = (unsigned char)i;
    }
    return bytes;
}

static const char *path_of(apr_pool_t *pool)
{
    return apr_pstrcat(pool, dir, "/pepper", NULL);
}

/* Reads a pepper file of these properties; returns what is wrong with it. */
static const char *read_pepper(apikey_pepper_t *pepper, size_t len, mode_t mode,
                               apr_pool_t *pool)
{
    const char *path = path_of(pool);
    FILE *file = fopen(path, "wb");
    const char *why;

    assert_non_null(file);
    assert_int_equal(fwrite(counting(len), 1, len, file), len);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    memset(pepper, 0, sizeof(*pepper));
    why = apikey_pepper_read(pepper, path, pool);
    unlink(path);
    return why;
}

static void vectors_without_pepper(void **state)
{
    size_t i;

    for (i = 0; i < COUNT(vectors); i++) {
        apikey_digests_t digests;
        const vector_t *v = &vectors[i];
        check(v->key, apikey_digest_all(&digests, &apikey_no_pepper, v->key, strlen(v->key)));
        check(v->key, digests.count == 1);
        check(v->key, strcmp(hex(digests.digest[0], *state), v->sha256) == 0);
    }
}

static void vectors_with_pepper(void **state)
{
    apikey_pepper_t pepper;
    size_t i;

    assert_null(read_pepper(&pepper, 32, 0600, *state));
    for (i = 0; i < COUNT(vectors); i++) {
        unsigned char digest[APIKEY_DIGEST_LEN];
        const vector_t *v = &vectors[i];
        check(v->key, apikey_digest(digest, &pepper, v->key, strlen(v->key)));
        check(v->key, strcmp(hex(digest, *state), v->hmac) == 0);
    }
}

static void one_digest_for_each_pepper_in_its_order(void **state)
{
    apikey_peppers_t peppers = {.count = 3};
    apikey_digests_t digests;
    const vector_t *v = &vectors[0];

    assert_null(read_pepper(&peppers.pepper[0], 33, 0600, *state));
    assert_null(read_pepper(&peppers.pepper[1], 32, 0600, *state));
    assert_true(apikey_digest_all(&digests, &peppers, v->key, strlen(v->key)));
    assert_int_equal(digests.count, 3);
    assert_string_not_equal(hex(digests.digest[0], *state), v->hmac);
    assert_string_equal(hex(digests.digest[1], *state), v->hmac);
    assert_string_equal(hex(digests.digest[2], *state), v->sha256);
}

static void pepper_files(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        mode_t mode;
        const char *why; /* NULL: accepted */
    } table[] = {
        {"private", 32, 0600, NULL},
        {"read only", 32, 0400, NULL},
        {"the owner may run it", 32, 0700, NULL},
        {"the longest", APIKEY_PEPPER_MAX, 0600, NULL},
        {"too long", APIKEY_PEPPER_MAX + 1, 0600, "longer than 4096"},
        {"too short", 31, 0600, "shorter than 32"},
        {"empty", 0, 0600, "shorter than 32"},
        {"group may read", 32, 0640, "chmod 600"},
        {"group may write", 32, 0620, "chmod 600"},
        {"group may run", 32, 0610, "chmod 600"},
        {"others may read", 32, 0604, "chmod 600"},
        {"others may write", 32, 0602, "chmod 600"},
        {"others may run", 32, 0601, "chmod 600"},
    };
    size_t i;

    for (i = 0; i < COUNT(table); i++) {
        apikey_pepper_t pepper;
        const char *why = read_pepper(&pepper, table[i].len, table[i].mode, *state);

        if (!table[i].why) {
            check(table[i].name, why == NULL && pepper.len == table[i].len);
            check(table[i].name, memcmp(pepper.bytes, counting(4096), pepper.len) == 0);
        }
        else {
            check(table[i].name, why != NULL && strstr(why, table[i].why));
            check(table[i].name, strstr(why, path_of(*state)) != NULL);
        }
    }
}

static void what_is_no_plain_file_is_refused(void **state)
{
    const char *path = path_of(*state);
    apikey_pepper_t pepper = {0};

    assert_non_null(strstr(apikey_pepper_read(&pepper, dir, *state), "not a plain file"));
    assert_non_null(strstr(apikey_pepper_read(&pepper, path, *state), "No such file"));
    assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for somebody to write to it */
    assert_non_null(strstr(apikey_pepper_read(&pepper, path, *state), "not a plain file"));
    unlink(path);
}

static void a_final_newline_is_part_of_the_pepper(void **state)
{
    apikey_pepper_t with, without;

    assert_null(read_pepper(&without, 10 + 32, 0600, *state));
    assert_null(read_pepper(&with, 11 + 32, 0600, *state));
    assert_string_not_equal(with.fingerprint, without.fingerprint);
}

static void fingerprints(void **state)
{
    apikey_pepper_t one, same;

    assert_null(read_pepper(&one, 32, 0600, *state));
    assert_null(read_pepper(&same, 32, 0400, *state));
    assert_string_equal(one.fingerprint, same.fingerprint);
    assert_int_equal(strlen(one.fingerprint), APIKEY_FINGERPRINT_LEN);
    assert_int_equal(strspn(one.fingerprint, "0123456789abcdef"), APIKEY_FINGERPRINT_LEN);
    assert_string_equal(apikey_no_pepper.pepper[0].fingerprint, "");
}

static void pepper_bytes_are_wiped_with_their_pool(void **state)
{
    apr_pool_t *pool;
    apikey_pepper_t pepper;

    apr_pool_create(&pool, *state);
    assert_null(read_pepper(&pepper, 32, 0600, pool));
    assert_memory_equal(pepper.bytes, counting(32), 32);
    apr_pool_clear(pool);
    /* A cleared pool keeps its memory: we may still look. */
    assert_memory_not_equal(pepper.bytes, counting(32), 32);
    apr_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pool_test(vectors_without_pepper),
        pool_test(vectors_with_pepper),
        pool_test(one_digest_for_each_pepper_in_its_order),
        pool_test(pepper_files),
        pool_test(what_is_no_plain_file_is_refused),
        pool_test(a_final_newline_is_part_of_the_pepper),
        pool_test(fingerprints),
        pool_test(pepper_bytes_are_wiped_with_their_pool),
    };
    return cmocka_run_group_tests_name("digest", tests, make_dir, remove_dir);
}
