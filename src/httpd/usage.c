/* SPDX-License-Identifier: Apache-2.0 */
#include "usage.h"

#include "board.h"
#include "breaker.h"
#include "config.h"
#include "dbd.h"
#include "request.h"
#include "workers.h"

#include "../core/store.h"

#include <apr_strings.h>
#include <arpa/inet.h>
#include <http_log.h>
#include <pthread.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

enum { TRIES_MAX = 5 };

static int64_t now_ms(void)
{
    return apr_time_as_msec(apr_time_now());
}

static apikey_address_t address_of(const apr_sockaddr_t *addr)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    apikey_address_t address = {{0, 0}};
    unsigned char *bytes = (unsigned char *)address.word;

    if (addr && addr->family == APR_INET) {
        memcpy(bytes, mapped, sizeof(mapped));
        memcpy(bytes + sizeof(mapped), addr->ipaddr_ptr, 4);
    }
    else if (addr && addr->ipaddr_len == sizeof(address)) {
        memcpy(bytes, addr->ipaddr_ptr, sizeof(address));
    }
    return address;
}

void apikey_usage_count(request_rec *r, uint64_t key_id)
{
    apikey_call_t *call = apikey_request_call(r);
    const apikey_server_conf_t *conf = apikey_server_conf(r->server);
    const apikey_address_t address = address_of(r->useragent_addr);
    bool crowded;

    if (call->counted || conf->usage == 0) {
        return;
    }
    call->counted = true;
    if (!apikey_tally_count(apikey_board_tally(), (unsigned int)conf->realm, key_id, now_ms(),
                            &address, (uint64_t)(uintptr_t)pthread_self() >> 12, &crowded)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "AK0040: no room to count a use of key %" APR_UINT64_T_FMT
                      "; enlarge ApiKeyCache or shorten ApiKeyUsage",
                      key_id);
    }
    if (crowded) { /* make room before it is needed */
        atomic_store(&apikey_board_realm(r->server)->usage_due_ms, 0);
    }
}

static const char *address_text(const apikey_address_t *address, apr_pool_t *pool)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr in6;

    memcpy(&in6, address, sizeof(in6));
    if (IN6_IS_ADDR_V4MAPPED(&in6)) {
        inet_ntop(AF_INET, &in6.s6_addr[12], text, sizeof(text));
    }
    else {
        inet_ntop(AF_INET6, &in6, text, sizeof(text));
    }
    return apr_pstrdup(pool, text);
}

typedef struct {
    const apikey_realm_t *realm;
    apr_pool_t *pool;
} writing_t;

/* Entries of one key stand side by side and become one. */
static unsigned int merge(const writing_t *writing, apikey_use_t *uses)
{
    const apikey_tally_entry_t *batch = writing->realm->batch;
    const unsigned int count = atomic_load(&writing->realm->batch_count);
    unsigned int n = 0;
    unsigned int i;

    for (i = 0; i < count; i++) {
        apikey_use_t *use = n ? &uses[n - 1] : NULL;

        if (!use || use->key_id != batch[i].key_id) {
            use = &uses[n++];
            memset(use, 0, sizeof(*use));
            use->key_id = batch[i].key_id;
        }
        use->count += batch[i].count;
        if (batch[i].last_ms >= use->last_ms) {
            use->last_ms = batch[i].last_ms;
            use->address = address_text(&batch[i].address, writing->pool);
        }
    }
    return n;
}

static apikey_db_status_t write_batch(apikey_db_t *db, void *baton)
{
    const writing_t *writing = baton;
    apikey_use_t uses[APIKEY_TALLY_BATCH];
    const unsigned int n = merge(writing, uses);
    apikey_db_status_t rv;
    int tries = 0;

    do {
        rv = apikey_store_add_uses(db, apikey_board()->writer, writing->realm->batch_sequence,
                                   uses, n);
    } while (rv == APIKEY_DB_FAILED && apikey_db_try_again(db) && ++tries < TRIES_MAX);
    return rv;
}

/* Fills the realm's batch from the counters. Until its count is set there is no batch: whoever
 * dies before that leaves nothing behind, and after it the batch is written by somebody. */
static bool fill(apikey_realm_t *realm, unsigned int place, uint64_t *from)
{
    const unsigned int n =
        apikey_tally_collect(apikey_board_tally(), place, from, realm->batch);

    if (n > 0) {
        realm->batch_sequence++;
        atomic_store(&realm->batch_count, n);
    }
    return n > 0;
}

static bool write_out(server_rec *s, apikey_realm_t *realm, apr_pool_t *pool)
{
    writing_t writing = {realm, pool};
    const char *why;

    if (apikey_dbd_run(s, pool, write_batch, &writing, &why) != APIKEY_DB_OK) {
        if (!atomic_exchange(&realm->usage_trouble, 1)) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                         "AK0041: the use of API keys cannot be written down, and is kept in "
                         "memory until it can: %s",
                         why);
        }
        return false;
    }
    atomic_store(&realm->usage_trouble, 0);
    apikey_tally_written(apikey_board_tally(), realm->batch, atomic_load(&realm->batch_count));
    atomic_store(&realm->batch_count, 0);
    return true;
}

static bool take_turn(apikey_realm_t *realm, bool insist)
{
    bool taken = apikey_board_take(&realm->usage_lease);

    while (!taken && insist && !apikey_workers_hurry()) {
        apr_sleep(apr_time_from_msec(10)); /* the lease is another process's: no condition here */
        taken = apikey_board_take(&realm->usage_lease);
    }
    return taken;
}

void apikey_usage_write(server_rec *s, apr_pool_t *pool, bool insist)
{
    const apikey_server_conf_t *conf = apikey_server_conf(s);
    apikey_realm_t *realm = apikey_board_realm(s);
    uint64_t from = 0;
    bool more = true;

    if (!take_turn(realm, insist)) {
        return;
    }
    while (more && apikey_board_holds(&realm->usage_lease)) {
        if (atomic_load(&realm->batch_count) == 0 &&
            !fill(realm, (unsigned int)conf->realm, &from)) {
            break;
        }
        more = write_out(s, realm, pool) && from != 0;
        apr_pool_clear(pool);
        apikey_board_renew(&realm->usage_lease);
        apikey_workers_alive();
    }
    apikey_tally_sweep(apikey_board_tally(), now_ms() - conf->usage);
    apikey_board_give_back(&realm->usage_lease);
}

bool apikey_usage_due(const server_rec *s, int64_t now)
{
    const apikey_server_conf_t *conf = apikey_server_conf(s);

    return conf->usage &&
           apikey_board_due(&apikey_board_realm(s)->usage_due_ms, now, conf->usage);
}
