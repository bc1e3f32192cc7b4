/* SPDX-License-Identifier: Apache-2.0 */
/* The check itself, the same for Bearer and Basic: credential in, verdict recorded. */
#ifndef APIKEY_CHECK_H
#define APIKEY_CHECK_H

#include "request.h"

#include <httpd.h>

/* Judges a credential (NULL: there is none) under this request's policy, records the verdict
 * and, for a valid key, sets user and identity. */
apikey_verdict_t apikey_check(request_rec *r, apikey_credential_t *cred);

#endif
