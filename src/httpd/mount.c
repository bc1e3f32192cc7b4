/* SPDX-License-Identifier: Apache-2.0 */
#include "mount.h"

#include <apr_fnmatch.h>
#include <apr_strings.h>
#include <string.h>

enum { SEGMENTS_MAX = 64 }; /* of a path that a pattern is tried on */

static const struct {
    const char *name;
    bool directory, regex;
} sections[] = {
    {"<Location", false, false},
    {"<LocationMatch", false, true},
    {"<Directory", true, false},
    {"<DirectoryMatch", true, true},
};

/* The nearest section with a path around a directive, its kind in `*kind`; <If> and <Files> may
 * stand between. */
static const ap_directive_t *find_section(const ap_directive_t *node, size_t *kind)
{
    for (node = node ? node->parent : NULL; node; node = node->parent) {
        for (*kind = 0; *kind < sizeof(sections) / sizeof(sections[0]); (*kind)++) {
            if (ap_cstr_casecmp(node->directive, sections[*kind].name) == 0) {
                return node;
            }
        }
    }
    return NULL;
}

/* The one argument of a section, after a `~` perhaps. */
static char *argument(cmd_parms *cmd, const ap_directive_t *section, bool *regex)
{
    const char *args = section->args;
    char *word = ap_getword_conf(cmd->pool, &args);

    if (strcmp(word, "~") == 0) {
        *regex = true;
        word = ap_getword_conf(cmd->pool, &args);
    }
    return word;
}

const char *apikey_mount_find(cmd_parms *cmd, apikey_mount_t *mount)
{
    size_t kind;
    const ap_directive_t *section = find_section(cmd->directive, &kind);
    bool regex;
    char *path;
    size_t len;

    if (!section) {
        return "must stand in a <Location> or <Directory>, below whose path the API is";
    }
    regex = sections[kind].regex;
    path = argument(cmd, section, &regex);
    mount->directory = sections[kind].directory;
    mount->path = path;
    if (regex) {
        mount->regex = ap_pregcomp(cmd->pool, path, AP_REG_EXTENDED);
        return mount->regex ? NULL : "stands in a section whose pattern cannot be compiled";
    }
    for (len = strlen(path); len > 0 && path[len - 1] == '/'; len--) {
        path[len - 1] = '\0';
    }
    return apr_fnmatch_test(path)
               ? "stands in a section with wildcards, which match one path and none below it; "
                 "write <LocationMatch> or <DirectoryMatch>"
               : NULL;
}

static bool matches(const apikey_mount_t *mount, const char *path)
{
    return ap_regexec(mount->regex, path, 0, NULL, 0) == 0;
}

/* Whether the pattern matches the first `len` bytes of a path, or these and the slash behind.
 */
static bool matches_beginning(const apikey_mount_t *mount, char *path, size_t len)
{
    const char end = path[len];
    bool found;

    path[len] = '\0';
    found = matches(mount, path);
    path[len] = end;
    if (!found && end == '/') {
        const char after = path[len + 1];

        path[len + 1] = '\0';
        found = matches(mount, path);
        path[len + 1] = after;
    }
    return found;
}

static const char *after_pattern(const apikey_mount_t *mount, char *path)
{
    size_t len = 0;
    int i;

    for (i = 0; i < SEGMENTS_MAX; i++) {
        if (matches_beginning(mount, path, len)) {
            return path + len;
        }
        if (!path[len]) {
            break;
        }
        len++;
        len += strcspn(path + len, "/");
    }
    return NULL;
}

const char *apikey_mount_path(const apikey_mount_t *mount, const request_rec *r)
{
    char *path = mount->directory ? apr_pstrcat(r->pool, r->filename ? r->filename : "",
                                                r->path_info ? r->path_info : "", NULL)
                                  : apr_pstrdup(r->pool, r->uri);
    const size_t len = strlen(mount->path);

    if (mount->regex) {
        return after_pattern(mount, path);
    }
    if (strncmp(path, mount->path, len) != 0 || (path[len] && path[len] != '/')) {
        return NULL;
    }
    return path + len;
}
