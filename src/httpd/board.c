/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#include "dbd_settings.h"

#include <apr_hash.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <errno.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

APLOG_USE_MODULE(authn_apikey);

static const uint64_t layout = UINT64_C(0x61706b6579000005);
static const char retained[] = "mod_authn_apikey segment"; /* an apr_shm_t */

enum {
    LEASE_S = 30,
    LATER_MS = 1000 /* that two readings of the clock by two processes may be apart */
};

/* Set in post_config, only read by children. */
static struct {
    apikey_board_t *board;
    apikey_facts_t facts;
    bool has_facts;
    apikey_tally_t tally;
    apikey_meter_t meter;
} here;

apikey_board_t *apikey_board(void)
{
    return here.board;
}

const apikey_facts_t *apikey_board_facts(void)
{
    return here.has_facts && !atomic_load_explicit(&here.board->retired, memory_order_relaxed)
               ? &here.facts
               : NULL;
}

const apikey_tally_t *apikey_board_tally(void)
{
    return &here.tally;
}

const apikey_meter_t *apikey_board_meter(void)
{
    return &here.meter;
}

apikey_realm_t *apikey_board_realm(const server_rec *s)
{
    return &here.board->realm[apikey_server_conf(s)->realm];
}

uint64_t apikey_board_realm_id(const server_rec *s)
{
    return apikey_server_conf(s)->realm_id;
}

static uint64_t now_s(void)
{
    return (uint64_t)apr_time_sec(apr_time_now());
}

static bool is_dead(uint64_t held)
{
    const pid_t pid = (pid_t)(held & 0xffffffff);
    const int64_t age = (int64_t)(now_s() - (held >> 32)); /* negative: a clock set back */

    return age >= LEASE_S || (kill(pid, 0) != 0 && errno == ESRCH);
}

bool apikey_board_take(apikey_lease_t *lease)
{
    const uint64_t mine = now_s() << 32 | (uint32_t)getpid();
    uint64_t held = atomic_load(lease);

    return (held == 0 || is_dead(held)) && atomic_compare_exchange_strong(lease, &held, mine);
}

bool apikey_board_holds(apikey_lease_t *lease)
{
    return (uint32_t)atomic_load(lease) == (uint32_t)getpid();
}

void apikey_board_renew(apikey_lease_t *lease)
{
    uint64_t held = atomic_load(lease);

    if ((uint32_t)held == (uint32_t)getpid()) {
        atomic_compare_exchange_strong(lease, &held, now_s() << 32 | (uint32_t)getpid());
    }
}

void apikey_board_give_back(apikey_lease_t *lease)
{
    uint64_t held = atomic_load(lease);

    if ((uint32_t)held == (uint32_t)getpid()) {
        atomic_compare_exchange_strong(lease, &held, 0);
    }
}

bool apikey_board_due(_Atomic int64_t *due_ms, int64_t now_ms, int64_t interval_ms)
{
    int64_t due = atomic_load(due_ms);

    /* Also where the clock was set back by more than it could be due in; a little more, as who
     * was here before may have read a later time. */
    return (now_ms >= due || due > now_ms + interval_ms + LATER_MS) &&
           atomic_compare_exchange_strong(due_ms, &due, now_ms + interval_ms);
}

/* All that decides which keys a credential may be: two servers share a realm only where all of
 * it is the same. */
static const char *realm_text(const server_rec *s, apr_pool_t *p)
{
    const apikey_server_conf_t *conf = apikey_server_conf(s);
    const char *text =
        apr_pstrcat(p, apikey_dbd_settings_text(s, p), "\n", conf->foreign ? "foreign\n" : "\n",
                    apr_array_pstrcat(p, conf->prefixes, ' '), "\n", NULL);
    int i;

    for (i = 0; i < conf->peppers->count; i++) {
        text = apr_pstrcat(p, text, conf->peppers->pepper[i].fingerprint, "\n", NULL);
    }
    return text;
}

static uint64_t realm_id(const server_rec *s, apr_pool_t *p)
{
    const char *text = realm_text(s, p);
    const apikey_mac_t mac = apikey_mac(here.board->key, text, strlen(text), 0);

    return mac.word[0] ? mac.word[0] : 1;
}

/* A place for a realm: its old one, or one that no realm of this configuration has. */
static int place_of(uint64_t id, const server_rec *main_server, const server_rec *upto)
{
    apikey_realm_t *realm = here.board->realm;
    const server_rec *s;
    int i;

    for (i = 0; i < APIKEY_REALMS; i++) {
        if (atomic_load(&realm[i].id) == id) {
            return i;
        }
    }
    for (i = 0; i < APIKEY_REALMS; i++) {
        bool taken = atomic_load(&realm[i].batch_count) > 0 || atomic_load(&realm[i].id) != 0;
        for (s = main_server; s != upto; s = s->next) {
            taken = taken || apikey_server_conf(s)->realm == i;
        }
        if (!taken) {
            atomic_store(&realm[i].id, id);
            return i;
        }
    }
    return -1;
}

/* False where there are more than places left. */
static bool assign_realms(server_rec *main_server, apr_pool_t *ptemp)
{
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        apikey_server_conf_t *conf =
            ap_get_module_config(s->module_config, &authn_apikey_module);

        conf->realm_id = realm_id(s, ptemp);
        conf->mac = apikey_mac_begin(here.board->key, conf->realm_id);
        conf->realm = place_of(conf->realm_id, main_server, s);
        if (conf->realm < 0) {
            return false;
        }
    }
    return true;
}

/* How the segment is divided, all from its two sizes. */
typedef struct {
    size_t meter_at, tally_at, tally, facts_at, facts, size;
} plan_t;

static plan_t plan_for(size_t cache)
{
    plan_t plan;

    plan.meter_at = (sizeof(apikey_board_t) + 63) & ~(size_t)63;
    plan.tally_at = (plan.meter_at + apikey_meter_size() + 63) & ~(size_t)63;
    plan.tally = (cache ? cache / 16 : 2 * 1024 * 1024) & ~(size_t)63;
    plan.facts_at = plan.tally_at + plan.tally;
    plan.facts = cache > plan.facts_at ? cache - plan.facts_at : 0;
    plan.size = cache ? cache : plan.facts_at;
    return plan;
}

static bool fill_segment(apikey_board_t *board, size_t size)
{
    unsigned char id[16];

    /* Anonymous memory of the kernel's is zero, but nobody promises that it is. */
    memset(board, 0, size);
    if (apr_generate_random_bytes((unsigned char *)board->key, sizeof(board->key)) !=
            APR_SUCCESS ||
        apr_generate_random_bytes(id, sizeof(id)) != APR_SUCCESS) {
        return false;
    }
    ap_bin2hex(id, sizeof(id), board->writer);
    board->size = size;
    board->layout = layout;
    return true;
}

static apikey_board_t *make_segment(const plan_t *plan, apr_pool_t *process)
{
    apr_shm_t *shm;
    apikey_board_t *board;

    if (apr_shm_create(&shm, plan->size, NULL, process) != APR_SUCCESS) {
        return NULL;
    }
    board = apr_shm_baseaddr_get(shm);
    if (!fill_segment(board, plan->size)) {
        apr_shm_destroy(shm);
        return NULL;
    }
    apr_pool_userdata_set(shm, retained, apr_pool_cleanup_null, process);
    return board;
}

/* The segment of the last start where it is of the size wanted and not to be made anew, else a
 * new one. The old one is told that it is retired, for the children who still use it. */
static apikey_board_t *get_segment(const plan_t *plan, bool anew, apr_pool_t *process)
{
    void *data = NULL;
    apr_shm_t *shm;
    apikey_board_t *board;

    apr_pool_userdata_get(&data, retained, process);
    shm = data;
    board = shm ? apr_shm_baseaddr_get(shm) : NULL;
    if (!anew && board && board->layout == layout && board->size == plan->size) {
        return board;
    }
    if (board) {
        atomic_store(&board->retired, 1);
        apr_pool_userdata_set(NULL, retained, apr_pool_cleanup_null, process);
        apr_shm_destroy(shm); /* for this process alone */
    }
    return make_segment(plan, process);
}

/* Gets a segment and describes its parts. */
static bool use_segment(const plan_t *plan, bool anew, server_rec *s)
{
    unsigned char *base;

    here.board = get_segment(plan, anew, s->process->pool);
    base = (unsigned char *)here.board;
    here.has_facts = plan->facts != 0;
    if (!here.board || !apikey_tally_map(&here.tally, base + plan->tally_at, plan->tally) ||
        (here.has_facts &&
         !apikey_facts_map(&here.facts, base + plan->facts_at, plan->facts))) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     "AK0111: ApiKeyCache: %" APR_SIZE_T_FMT
                     " bytes of shared memory cannot be "
                     "had; choose another size",
                     plan->size);
        return false;
    }
    apikey_meter_map(&here.meter, base + plan->meter_at);
    return true;
}

/* Also by `httpd -t`: a graceful restart that then fails would end the server. */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    apr_hash_t *realms = apr_hash_make(ptemp);
    const server_rec *each;

    (void)pconf;
    (void)plog;
    for (each = s; each; each = each->next) {
        apr_hash_set(realms, realm_text(each, ptemp), APR_HASH_KEY_STRING, each);
    }
    if (apr_hash_count(realms) > APIKEY_REALMS) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s,
                     "AK0110: more than %d different databases, peppers or prefixes; let "
                     "virtual hosts share them",
                     APIKEY_REALMS);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* A place is not given to another realm as long as an old child may use it, so graceful
 * restarts use them up. Then there is a new segment, as for another ApiKeyCache; all fit into
 * that. */
static bool make_room(const plan_t *plan, server_rec *s, apr_pool_t *ptemp)
{
    return use_segment(plan, false, s) &&
           (assign_realms(s, ptemp) || (use_segment(plan, true, s) && assign_realms(s, ptemp)));
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const size_t cache = apikey_conf_cache_size();
    const plan_t plan = plan_for(cache);

    (void)pconf;
    (void)plog;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK; /* the first of two readings */
    }
    if (!make_room(&plan, s, ptemp)) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (cache) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "AK0112: ApiKeyCache of %" APR_SIZE_T_FMT " bytes holds %" APR_UINT64_T_FMT
                     " keys",
                     cache, apikey_facts_capacity(plan.facts));
    }
    return OK;
}

void apikey_board_register(apr_pool_t *p)
{
    (void)p;
    /* After the configuration is completed (config_check.c). */
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_LAST);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
}
