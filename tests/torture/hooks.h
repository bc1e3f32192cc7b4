/* SPDX-License-Identifier: Apache-2.0 */
/* Put before the sources of src/core by the compiler's -include, for step.c: before every
 * access to shared memory something else may happen. Only for a program of one thread, in which
 * the accesses need not be atomic. */
#ifndef TORTURE_HOOKS_H
#define TORTURE_HOOKS_H

#include <stdatomic.h>
#include <stdbool.h>

void torture_hook(void);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_fetch_add_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit

#define atomic_load_explicit(at, order) (torture_hook(), *(at))
#define atomic_store_explicit(at, value, order) (torture_hook(), (void)(*(at) = (value)))
/* Expressions whose value may be ignored. */
#define atomic_fetch_add_explicit(at, value, order)                                            \
    __extension__({                                                                            \
        torture_hook();                                                                        \
        *(at) += (value);                                                                      \
        *(at) - (value);                                                                       \
    })
#define atomic_compare_exchange_strong_explicit(at, expected, value, success, failure)         \
    __extension__({                                                                            \
        torture_hook();                                                                        \
        const bool equal = *(at) == *(expected);                                               \
        if (equal) {                                                                           \
            *(at) = (value);                                                                   \
        }                                                                                      \
        else {                                                                                 \
            *(expected) = *(at);                                                               \
        }                                                                                      \
        equal;                                                                                 \
    })
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit

#endif
