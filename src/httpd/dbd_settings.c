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
        {"DBDriver", &settings->driver},   {"DBDParams", &settings->params},
        {"DBDPersist", &settings->persist}, {"DBDMin", &settings->min},
        {"DBDKeep", &settings->keep},      {"DBDMax", &settings->max},
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
           node->line_num == (int)s->defn_line_number && strcmp(node->filename, s->defn_name) == 0;
}

static const char *args(const ap_directive_t *node)
{
    return node ? node->args : "";
}

const char *apikey_dbd_settings_text(const server_rec *s, apr_pool_t *p)
{
    apikey_dbd_settings_t settings;
    const ap_directive_t *node;

    memset(&settings, 0, sizeof(settings));
    apikey_dbd_settings_read(ap_conftree, &settings);
    for (node = s->is_virtual ? ap_conftree : NULL; node; node = node->next) {
        if (is_host_of(node, s)) {
            apikey_dbd_settings_read(node->first_child, &settings);
        }
    }
    return apr_pstrcat(p, args(settings.driver), "\n", args(settings.params), "\n",
                       args(settings.init), NULL);
}
