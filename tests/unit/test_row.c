/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/cli/row.h"

#define NOW INT64_C(1700000000000)
#define HEX "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" /* of "foo" */
#define BASE64 "LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564="

static const unsigned char foo[APIKEY_DIGEST_LEN] = {
    0x2c, 0x26, 0xb4, 0x6b, 0x68, 0xff, 0xc6, 0x8f, 0xf9, 0x9b, 0x45,
    0x3c, 0x1d, 0x30, 0x41, 0x34, 0x13, 0x42, 0x2d, 0x70, 0x64, 0x83,
    0xbf, 0xa0, 0xf9, 0x8a, 0x5e, 0x88, 0x62, 0x66, 0xe7, 0xae,
};

static void digests(void **state)
{
    static const char *const table[] = {
        HEX,
        "2C26B46B68FFC68FF99B453C1D30413413422D706483BFA0F98A5E886266E7AE",
        BASE64,
        "LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564",
        "LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
        "{SHA256}" BASE64,
        "{sha256}" HEX,
        "{SHA-256}" HEX,
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        unsigned char digest[APIKEY_DIGEST_LEN];
        check(table[i], cli_row_read_digest(digest, table[i]) == NULL);
        check(table[i], memcmp(digest, foo, sizeof(foo)) == 0);
    }
}

static void no_digests(void **state)
{
    static const struct {
        const char *text, *why;
    } table[] = {
        {"", "there is no digest"},
        {"{SHA256}", "another scheme"},
        {HEX "0", "not SHA-256"},
        {" " HEX, "not SHA-256"},
        {HEX " ", "not SHA-256"},
        {"g" HEX, "not SHA-256"},
        {"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7a", "not SHA-256"},
        {"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ag", "not SHA-256"},
        {"LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm56", "not SHA-256"},
        {"LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm565=", "not SHA-256"}, /* a bit too many */
        {BASE64 "=", "not SHA-256"},
        {"LCa0a2j*xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=", "not SHA-256"},
        {"0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33", "SHA-1"},
        {"{SHA}C+7Hteo/D9vJXQ3UfzxbwnXaijM=", "SHA-1"},
        {"{SSHA}C+7Hteo/D9vJXQ3UfzxbwnXaijNzYWx0", "salted"},
        {"{SSHA256}" BASE64, "salted"},
        {"$2y$10$abcdefghijklmnopqrstuv", "salted"},
        {"pbkdf2_sha256$100$salt$" BASE64, "salted"},
        {"{SHA512}" BASE64, "another scheme"},
        {"ak_u_000000000000000000000000000000004cVnH7", "a key itself"},
        {"ak_u_000000000000000000000000000000050EV6Z0", "a key itself"}, /* and base64 */
        {"{SHA256}ak_u_000000000000000000000000000000050EV6Z0", "a key itself"},
        {"password", "not SHA-256"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        unsigned char digest[APIKEY_DIGEST_LEN];
        const char *why = cli_row_read_digest(digest, table[i].text);
        check(table[i].text, why && strstr(why, table[i].why));
    }
}

static cli_csv_t record_of(const char *const *fields)
{
    cli_csv_t record = {.line = 1};

    for (; fields[record.count]; record.count++) {
        record.field[record.count] = fields[record.count];
    }
    return record;
}

#define RECORD(...) record_of((const char *const[]){__VA_ARGS__, NULL})

static void headers(void **state)
{
    const struct {
        cli_csv_t record;
        const char *why;
    } table[] = {
        {RECORD("digest", "owner_type", "owner_id"), NULL},
        {RECORD("is_public", "expires_at", "scopes", "description", "owner_id", "owner_type",
                "digest"),
         NULL},
        {RECORD("digest", "owner_type"), "no column owner_id"},
        {RECORD("owner_type", "owner_id"), "no column digest"},
        {RECORD("digest", "owner_type", "owner_id", "digest"), "digest is there twice"},
        {RECORD("digest", "owner_type", "owner_id", "comment"), "another one"},
        {RECORD("digest;owner_type;owner_id"), "commas between"},
        {RECORD("Digest", "owner_type", "owner_id"), "another one"},
        {RECORD(HEX, "user", "alice"), "the first line names the columns"},
    };
    size_t i;

    for (i = 0; i < COUNT(table); i++) {
        cli_row_header_t header;
        const char *why = cli_row_read_header(&header, &table[i].record, *state);
        check(table[i].record.field[0], table[i].why ? why && strstr(why, table[i].why) : !why);
    }
}

static const char *read_row(cli_csv_t record, apikey_new_key_t *key, apr_pool_t *pool)
{
    const cli_csv_t names = RECORD("digest", "owner_type", "owner_id", "description", "scopes",
                                   "expires_at", "is_public");
    cli_row_header_t header;
    apikey_new_secret_t secret;
    const char *why;

    assert_null(cli_row_read_header(&header, &names, pool));
    why = cli_row_read(&header, &record, NOW, key, &secret, pool);
    if (!why) {
        assert_memory_equal(secret.digest, foo, sizeof(foo));
        assert_string_equal(secret.fingerprint, "");
        assert_string_equal(secret.last_four, "");
    }
    return why;
}

static void rows(void **state)
{
    apikey_new_key_t key;

    assert_null(read_row(RECORD(HEX, "team", "blue", "old one", "a b", "2099-01-31", "1"), &key,
                         *state));
    assert_int_equal(key.owner_type, APIKEY_OWNER_TEAM);
    assert_string_equal(key.owner, "blue");
    assert_string_equal(key.description, "old one");
    assert_string_equal(key.scopes, "a b");
    assert_true(key.expires_ms == INT64_C(4073500800000) && key.is_public);
    assert_null(read_row(RECORD(HEX, "user", "alice", "", "", "", ""), &key, *state));
    assert_true(key.owner_type == APIKEY_OWNER_USER && key.expires_ms == APIKEY_NEVER);
    assert_false(key.is_public);
}

static void bad_rows(void **state)
{
    const struct {
        cli_csv_t record;
        const char *why;
    } table[] = {
        {RECORD(HEX, "user", "alice"), "3 fields instead of 7"},
        {RECORD("hunter2", "user", "alice", "", "", "", ""), "not SHA-256"},
        {RECORD(HEX, "User", "alice", "", "", "", ""), "owner_type is user or team"},
        {RECORD(HEX, "", "alice", "", "", "", ""), "owner_type is user or team"},
        {RECORD(HEX, "user", "", "", "", "", ""), "owner id is empty"},
        {RECORD(HEX, "user", " alice", "", "", "", ""), "space"},
        {RECORD(HEX, "user", "team:x", "", "", "", ""), "must not begin with team:"},
        {RECORD(HEX, "user", "al\xff", "", "", "", ""), "not UTF-8"},
        {RECORD(HEX, "user", "alice", "\xff", "", "", ""), "description is not UTF-8"},
        {RECORD(HEX, "user", "alice", "", "a  b", "", ""), "scopes"},
        {RECORD(HEX, "user", "alice", "", "*", "", ""), "no bare *"},
        {RECORD(HEX, "user", "alice", "", "", "soon", ""), "expires_at: write"},
        {RECORD(HEX, "user", "alice", "", "", "31/01/2099", ""), "day or month first"},
        {RECORD(HEX, "user", "alice", "", "", "", "yes"), "is_public is 0 or 1"},
    };
    size_t i;

    for (i = 0; i < COUNT(table); i++) {
        apikey_new_key_t key;
        const char *why = read_row(table[i].record, &key, *state);
        check(table[i].why, why && strstr(why, table[i].why));
        check(table[i].why, !strstr(why, "hunter2"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests), cmocka_unit_test(no_digests), pool_test(headers),
        pool_test(rows),           pool_test(bad_rows),
    };
    return cmocka_run_group_tests_name("row", tests, NULL, NULL);
}
