/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test needs: cmocka with the headers it wants before it, and a few helpers. */
#ifndef APIKEY_UNIT_H
#define APIKEY_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_pools.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Stops the test with the name of the table's row that is wrong. */
#define check(row, condition)                                                                  \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fail_msg("%s: not so: %s", (row), #condition);                                     \
        }                                                                                      \
    } while (0)

/* Setup and teardown for tests that allocate: a pool of the test's own in *state. */
static inline int pool_setup(void **state)
{
    apr_pool_t *pool;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return -1;
    }
    *state = pool;
    return 0;
}

static inline int pool_teardown(void **state)
{
    apr_pool_destroy(*state);
    apr_terminate();
    return 0;
}

#define pool_test(f) cmocka_unit_test_setup_teardown(f, pool_setup, pool_teardown)

#endif
