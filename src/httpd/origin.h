/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a request may change something, as far as that depends on where it comes from:
 * browsers send Basic credentials and cookies along with what pages of other sites make them
 * send. Such a page can send no JSON without asking first, and cannot say it is another. */
#ifndef APIKEY_ORIGIN_H
#define APIKEY_ORIGIN_H

#include <httpd.h>
#include <stdbool.h>

/* Whether the request is from this site or from no browser: Sec-Fetch-Site, if sent, is
 * `same-origin`; otherwise the authority of Origin, if sent, is the Host. The scheme does not
 * count: TLS may end elsewhere. */
bool apikey_origin_is_here(const request_rec *r);

/* Whether the body is said to be application/json, with any parameters. */
bool apikey_origin_sends_json(const request_rec *r);

#endif
