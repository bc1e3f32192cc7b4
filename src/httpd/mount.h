/* SPDX-License-Identifier: Apache-2.0 */
/* Where the management API is mounted, and for whom: what ApiKeyManage says, and the section it
 * stands in. */
#ifndef APIKEY_MOUNT_H
#define APIKEY_MOUNT_H

#include <httpd.h>
#include <http_config.h>
#include <stdbool.h>

typedef enum {
    APIKEY_MANAGE_NONE = 0, /* nobody: 404 */
    APIKEY_MANAGE_SELF,
    APIKEY_MANAGE_ADMIN
} apikey_manage_t;

typedef struct apikey_mount_t {
    apikey_manage_t manage;
    bool by_key; /* a caller who logged in with an API key is served too */

    /* The section: a literal path without slashes at its end, or a pattern. */
    bool directory; /* matched against the file system's path, not the URL's */
    const char *path;
    const ap_regex_t *regex; /* NULL: literal */
} apikey_mount_t;

/* Fills in the section that a directive stands in. Returns NULL, or why it cannot be told where
 * an API would begin that is mounted there; `cmd->pool` has the strings. */
const char *apikey_mount_find(cmd_parms *cmd, apikey_mount_t *mount);

/* What follows the mount in the path of a request: "" for the mount itself, else it begins with
 * a slash. Where the section is given by a pattern, the mount is the shortest beginning of the
 * path, up to a slash, that the pattern matches. NULL where the request is not below it. */
const char *apikey_mount_path(const apikey_mount_t *mount, const request_rec *r);

#endif
