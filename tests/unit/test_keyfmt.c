/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "../../src/core/keyfmt.h"
#include "vectors.h"

#include <stdlib.h>

static const char good[] = "ak_u_0123456789ABCDEFGHIJKLMNOPQRSTUV2LoxWw";

static apikey_owner_t owner_of(char kind)
{
    return kind == 'u' ? APIKEY_OWNER_USER : APIKEY_OWNER_TEAM;
}

static apikey_form_t parse(const char *text, size_t len, apikey_owner_t *kind)
{
    static const char *const prefixes[] = {"ak", "acme", "x1"};
    /* On the heap and without a NUL behind, so that valgrind sees a read past the end. */
    char *copy = malloc(len ? len : 1);
    apikey_form_t form;

    memcpy(copy, text, len);
    form = apikey_keyfmt_parse(copy, len, prefixes, COUNT(prefixes), kind);
    assert_int_equal(apikey_keyfmt_resembles(copy, len), apikey_keyfmt_resembles(text, len));
    free(copy);
    return form;
}

static void vectors_are_read(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(vectors); i++) {
        const vector_t *v = &vectors[i];
        apikey_owner_t kind;
        check(v->key, parse(v->key, strlen(v->key), &kind) == APIKEY_FORM_OURS);
        check(v->key, kind == owner_of(v->kind));
        check(v->key, apikey_keyfmt_resembles(v->key, strlen(v->key)));
    }
}

static void vectors_are_written(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(vectors); i++) {
        const vector_t *v = &vectors[i];
        char out[APIKEY_KEY_MAX + 1];
        const char *random = v->key + strlen(v->prefix) + 3;
        const size_t len = apikey_keyfmt_write(out, v->prefix, owner_of(v->kind), random);
        check(v->key, len == strlen(v->key) && strcmp(out, v->key) == 0);
    }
}

/* The check, most significant digit first, is the CRC-32 of the vector. */
static void check_digits_are_the_crc(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(vectors); i++) {
        const char *c = vectors[i].key + strlen(vectors[i].key) - APIKEY_CHECK_LEN;
        unsigned long value = 0;
        for (; *c; c++) {
            value = value * 62 + (unsigned long)(strchr(apikey_base62, *c) - apikey_base62);
        }
        check(vectors[i].key, value == strtoul(vectors[i].crc32, NULL, 16));
    }
}

#define RANDOM32 "0123456789ABCDEFGHIJKLMNOPQRSTUV"

static void forms(void **state)
{
    static const struct {
        const char *text;
        apikey_form_t form;
    } table[] = {
        {good, APIKEY_FORM_OURS},
        {"", APIKEY_FORM_FOREIGN},
        {"a", APIKEY_FORM_FOREIGN},
        {"ak", APIKEY_FORM_FOREIGN},
        {"ak_", APIKEY_FORM_FOREIGN},
        {"ak_u", APIKEY_FORM_FOREIGN},
        {"ak_u_", APIKEY_FORM_DAMAGED},
        {"ak_t_", APIKEY_FORM_DAMAGED},
        {"ak_x_" RANDOM32 "2LoxWw", APIKEY_FORM_FOREIGN},
        {"ak_U_" RANDOM32 "2LoxWw", APIKEY_FORM_FOREIGN},
        {"AK_u_" RANDOM32 "2LoxWw", APIKEY_FORM_FOREIGN},
        {"ak-u-" RANDOM32 "2LoxWw", APIKEY_FORM_FOREIGN},
        {"other_u_" RANDOM32 "2LoxWw", APIKEY_FORM_FOREIGN},
        {"aku_" RANDOM32 "2LoxWw", APIKEY_FORM_FOREIGN},
        {" ak_u_" RANDOM32 "2LoxWw", APIKEY_FORM_FOREIGN},
        {"ak_t_" RANDOM32 "2LoxWw", APIKEY_FORM_DAMAGED}, /* the check covers the kind */
        {"x1_u_" RANDOM32 "2LoxWw", APIKEY_FORM_DAMAGED}, /* and the prefix */
        {"ak_u_" RANDOM32 "2LoxWW", APIKEY_FORM_DAMAGED},
        {"ak_u_" RANDOM32 "2LoxW", APIKEY_FORM_DAMAGED},
        {"ak_u_" RANDOM32 "2LoxWwA", APIKEY_FORM_DAMAGED},
        {"ak_u_" RANDOM32 "2LoxWw ", APIKEY_FORM_DAMAGED},
        {"ak_u_" RANDOM32 "2LoxWw\n", APIKEY_FORM_DAMAGED},
        {"ak_u_" RANDOM32, APIKEY_FORM_DAMAGED},
        {"ak_u_0123456789ABCDEFGHIJKLMNOPQRSTUv2LoxWw", APIKEY_FORM_DAMAGED},
        {"ak_u_0123456789ABCDEFGHIJKLMNOPQRST_V2LoxWw", APIKEY_FORM_DAMAGED},
        {"ak_u_0123456789ABCDEFGHIJKLMNOPQRST\xc3\xa9"
         "2LoxWw",
         APIKEY_FORM_DAMAGED},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        apikey_owner_t kind;
        check(table[i].text,
              parse(table[i].text, strlen(table[i].text), &kind) == table[i].form);
        check(table[i].text,
              (kind == APIKEY_OWNER_NONE) == (table[i].form == APIKEY_FORM_FOREIGN));
    }
}

static void every_single_changed_byte_is_noticed(void **state)
{
    char text[sizeof(good)];
    size_t at;
    int byte;

    (void)state;
    for (at = 0; at < sizeof(good) - 1; at++) {
        for (byte = 0; byte < 256; byte++) {
            apikey_owner_t kind;
            strcpy(text, good);
            text[at] = (char)byte;
            if (text[at] != good[at]) {
                check(good, parse(text, sizeof(good) - 1, &kind) != APIKEY_FORM_OURS);
            }
        }
    }
}

static void every_cut_is_noticed(void **state)
{
    size_t len;
    apikey_owner_t kind;

    (void)state;
    for (len = 0; len < sizeof(good) - 1; len++) {
        check(good, parse(good, len, &kind) != APIKEY_FORM_OURS);
    }
    check(good, parse(good, sizeof(good), &kind) == APIKEY_FORM_DAMAGED); /* a NUL behind */
}

static void only_listed_prefixes_are_ours(void **state)
{
    static const char *const acme[] = {"acme"};
    apikey_owner_t kind;

    (void)state;
    assert_int_equal(apikey_keyfmt_parse(good, sizeof(good) - 1, acme, 1, &kind),
                     APIKEY_FORM_FOREIGN);
    assert_int_equal(apikey_keyfmt_parse(good, sizeof(good) - 1, NULL, 0, &kind),
                     APIKEY_FORM_FOREIGN);
}

static void prefixes(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } table[] = {
        {"ak", true},   {"00", true},         {"abcdefghij0123456789", true},
        {"", false},    {"a", false},         {"abcdefghij0123456789x", false},
        {"Ak", false},  {"a_k", false},       {"a-k", false},
        {"ak ", false}, {"\xc3\xa9x", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        char out[APIKEY_KEY_MAX + 1];
        check(table[i].text, apikey_keyfmt_prefix_ok(table[i].text) == table[i].ok);
        check(table[i].text, (apikey_keyfmt_write(out, table[i].text, APIKEY_OWNER_TEAM,
                                                  RANDOM32) > 0) == table[i].ok);
    }
}

static void no_key_without_a_kind(void **state)
{
    char out[APIKEY_KEY_MAX + 1];

    (void)state;
    assert_int_equal(apikey_keyfmt_write(out, "ak", APIKEY_OWNER_NONE, RANDOM32), 0);
}

static void the_longest_key_fits(void **state)
{
    char out[APIKEY_KEY_MAX + 1];

    (void)state;
    assert_int_equal(
        apikey_keyfmt_write(out, "abcdefghij0123456789", APIKEY_OWNER_USER, RANDOM32),
        APIKEY_KEY_MAX);
    assert_int_equal(strlen(out), APIKEY_KEY_MAX);
}

static void what_must_not_be_logged(void **state)
{
    static const struct {
        const char *text;
        bool looks;
    } table[] = {
        {good, true},
        {"other_t_" RANDOM32 "2LoxWw", true},            /* of any prefix */
        {"ak_u_" RANDOM32, true},                        /* cut */
        {"ak_u_" RANDOM32 "2LoxWw and more", true},      /* with something behind */
        {"ak_u_0123456789ABCDEFGHIJKLMNOPQRST!V", true}, /* mistyped */
        {"ak_u_0123", false},                            /* nothing worth hiding */
        {"alice", false},
        {"ak_x_" RANDOM32 "2LoxWw", false},
        {"abcdefghij0123456789x_u_" RANDOM32 "2LoxWw", false},
        {"", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        check(table[i].text,
              apikey_keyfmt_resembles(table[i].text, strlen(table[i].text)) == table[i].looks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_read),
        cmocka_unit_test(vectors_are_written),
        cmocka_unit_test(check_digits_are_the_crc),
        cmocka_unit_test(forms),
        cmocka_unit_test(every_single_changed_byte_is_noticed),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(only_listed_prefixes_are_ours),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(no_key_without_a_kind),
        cmocka_unit_test(the_longest_key_fits),
        cmocka_unit_test(what_must_not_be_logged),
    };
    return cmocka_run_group_tests_name("keyfmt", tests, NULL, NULL);
}
