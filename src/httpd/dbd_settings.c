/* SPDX-License-Identifier: Apache-2.0 */
#include "dbd_settings.h"

#include <apr_strings.h>
#include <string.h>

/* mod_dbd's directives may stand in no section but a virtual host; <IfModule> and its like are
 * gone from the tree. */
void apikey_dbd_settings_read(const ap_directive_t *node, apikey_dbd_settings_t *settings)
{
    const struct {
        const char *name;
        const ap_directive_t **slot;
    } directives[] = {
        {"DBDriver", &settings->driver},    {"DBDParams", &settings->params},
        {"DBDPersist", &settings->persist}, {"DBDMin", &settings->min},
        {"DBDKeep", &settings->keep},       {"DBDMax", &settings->max},
        {"DBDInitSQL", &settings->init},
    };
    size_t i;

    for (; node; node = node->next) {
        for (i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
            if (ap_cstr_casecmp(node->directive, directives[i].name) == 0) {
                *directives[i].slot = node;
            }
        }
    }
}

static bool is_host_of(const ap_directive_t *node, const server_rec *s)
{
    return ap_cstr_casecmp(node->directive, "<VirtualHost") == 0 && s->defn_name &&
           node->line_num == (int)s->defn_line_number &&
           strcmp(node->filename, s->defn_name) == 0;
}

/* How many hosts were read before this one from the same line of the same file: one that is
 * included several times, with other values of its variables. httpd's list begins with the host
 * read last. */
static int namesakes_before(const server_rec *s)
{
    const server_rec *other;
    int n = 0;

    for (other = s->next; other; other = other->next) {
        n += other->defn_name && s->defn_name &&
             other->defn_line_number == s->defn_line_number &&
             strcmp(other->defn_name, s->defn_name) == 0;
    }
    return n;
}

static const ap_directive_t *host_section(const server_rec *s)
{
    const ap_directive_t *node;
    int skip = namesakes_before(s);

    for (node = ap_conftree; node; node = node->next) {
        if (is_host_of(node, s) && skip-- == 0) {
            break;
        }
    }
    return node;
}

static const char *args(const ap_directive_t *node)
{
    return node ? node->args : "";
}

const char *apikey_dbd_settings_text(const server_rec *s, apr_pool_t *p)
{
    apikey_dbd_settings_t settings;
    const ap_directive_t *host = s->is_virtual ? host_section(s) : NULL;

    memset(&settings, 0, sizeof(settings));
    apikey_dbd_settings_read(ap_conftree, &settings);
    if (host) {
        apikey_dbd_settings_read(host->first_child, &settings);
    }
    return apr_pstrcat(p, args(settings.driver), "\n", args(settings.params), "\n",
                       args(settings.init), NULL);
}
