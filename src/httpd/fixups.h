/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps before an application runs, once it is certain which one: whose verdict counts
 * after redirects, the credential taken away, the application told who calls. */
#ifndef APIKEY_FIXUPS_H
#define APIKEY_FIXUPS_H

#include <httpd.h>

void apikey_fixups_register(apr_pool_t *p);

#endif
