/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the credential from the application. */
#ifndef APIKEY_WITHHOLD_H
#define APIKEY_WITHHOLD_H

#include <httpd.h>

/* Takes credentials out of the request's headers and environment, unless ApiKeyForward is On:
 * those this location asks for and those that an earlier request of the call was judged by (the
 * error document of a refused key must not see it either). They are remembered for redirects.
 */
void apikey_withhold(request_rec *r);

#endif
