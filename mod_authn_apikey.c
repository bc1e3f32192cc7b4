/* SPDX-License-Identifier: Apache-2.0 */
/* The module: its record and the list of its parts. Start reading at src/README.md. */
#include "src/httpd/authn.h"
#include "src/httpd/authz.h"
#include "src/httpd/basic.h"
#include "src/httpd/board.h"
#include "src/httpd/caching.h"
#include "src/httpd/challenge.h"
#include "src/httpd/config.h"
#include "src/httpd/dbd.h"
#include "src/httpd/fixups.h"
#include "src/httpd/manage.h"
#include "src/httpd/prometheus.h"
#include "src/httpd/scrub.h"
#include "src/httpd/status.h"
#include "src/httpd/timer.h"
#include "src/httpd/token.h"
#include "src/httpd/vars.h"

static void register_hooks(apr_pool_t *p)
{
    apikey_config_check_register(p);
    apikey_dbd_register(p);
    apikey_board_register(p);
    apikey_timer_register(p);
    apikey_authn_register(p);
    apikey_basic_register(p);
    apikey_token_register(p);
    apikey_challenge_register(p);
    apikey_authz_register(p);
    apikey_scrub_register(p);
    apikey_fixups_register(p);
    apikey_caching_register(p);
    apikey_vars_register(p);
    apikey_manage_register(p);
    apikey_prometheus_register(p);
    apikey_status_register(p);
}

/* The one symbol that leaves this shared object. */
__attribute__((visibility("default"))) AP_DECLARE_MODULE(authn_apikey) = {
    STANDARD20_MODULE_STUFF,  apikey_conf_create_dir,
    apikey_conf_merge_dir,    apikey_conf_create_server,
    apikey_conf_merge_server, apikey_directives,
    register_hooks,
#if defined(AP_MODULE_FLAG_NONE)
    AP_MODULE_FLAG_NONE,
#endif
};
