/* SPDX-License-Identifier: Apache-2.0 */
/* What the mod_auth.h of httpd's trunk has and that of 2.4 lacks, for `check-autht`: put before
 * every source by the compiler's -include. */
#ifndef TEST_AUTHT_H
#define TEST_AUTHT_H

#include <mod_auth.h>

#if !defined(AUTHT_PROVIDER_GROUP) || defined(AUTHT_COMPARE) /* same.c */
#define AUTHT_PROVIDER_GROUP "autht"
#define AUTHT_PROVIDER_VERSION "0"

typedef enum {
    AUTHT_DENIED = AUTH_DENIED,
    AUTHT_GRANTED = AUTH_GRANTED,
    AUTHT_GENERAL_ERROR = AUTH_GENERAL_ERROR,
    AUTHT_MISMATCH,
    AUTHT_EXPIRED,
    AUTHT_INVALID
} autht_status;

typedef struct {
    autht_status (*check_token)(request_rec *r, const char *type, const char *token);
} autht_provider;
#endif

#endif
