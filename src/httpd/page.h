/* SPDX-License-Identifier: Apache-2.0 */
/* The page for users and the files it consists of (src/web), out of the module itself. */
#ifndef APIKEY_PAGE_H
#define APIKEY_PAGE_H

#include <httpd.h>

/* Answers a request for `path`, relative to where the handler is mounted and without a leading
 * slash: "" is the page, "apikeys.js" its module, and so on. DECLINED where there is no such
 * file, 405 for anything but GET and HEAD, else OK or a status as handlers return it. Who may
 * see the page is decided before; it tells nothing about anybody. */
int apikey_page_handle(request_rec *r, const char *path);

#endif
