/* SPDX-License-Identifier: Apache-2.0 */
#include "usage.h"

#include "board.h"
#include "config.h"
#include "dbd.h"
#include "request.h"
#include "workers.h"

#include "../core/store.h"

#include <apr_strings.h>
#include <arpa/inet.h>
#include <http_log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

enum {
    TRIES_MAX = 5,
    WRITE_MS = 20 * 1000, /* how long a batch may take; the database may be far away */
    SWEEP_BATCHES = 8
};

/* Bits of a realm's usage_trouble: what has been logged and not got better since. */
enum { NOT_WRITTEN = 1, NO_ROOM = 2 };

_Static_assert(APIKEY_REALMS <= 256, "a realm's number is two digits of its writer's name");

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
    apikey_realm_t *realm = apikey_board_realm(r->server);
    apikey_address_t address;
    bool crowded;

    if (call->counted || conf->usage == 0) {
        return;
    }
    call->counted = true;
    address = address_of(r->useragent_addr);
    if (!apikey_tally_count(apikey_board_tally(), (unsigned int)conf->realm, key_id,
                            apikey_now_ms(), &address,
                            (uint64_t)(uintptr_t)pthread_self() >> 12, &crowded) &&
        !(atomic_fetch_or(&realm->usage_trouble, NO_ROOM) & NO_ROOM)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "AK0040: no room to count the use of more API keys; enlarge ApiKeyCache "
                      "or shorten ApiKeyUsage");
    }
    /* Room is made before it is needed, where that can be. */
    if (crowded && !(atomic_load(&realm->usage_trouble) & NOT_WRITTEN)) {
        atomic_store(&realm->usage_due_ms, 0);
    }
}

static const char *address_text(const apikey_address_t *address, apr_pool_t *pool)
{
    char text[INET6_ADDRSTRLEN] = "";
    struct in6_addr in6;

    memcpy(&in6, address, sizeof(in6));
    if (IN6_IS_ADDR_UNSPECIFIED(&in6)) { /* none was known */
        return "";
    }
    if (IN6_IS_ADDR_V4MAPPED(&in6)) {
        inet_ntop(AF_INET, &in6.s6_addr[12], text, sizeof(text));
    }
    else {
        inet_ntop(AF_INET6, &in6, text, sizeof(text));
    }
    return apr_pstrdup(pool, text);
}

/* A batch as it was when it was this process's turn: should the turn be lost in the middle, the
 * shared one is somebody else's to change. */
typedef struct {
    char writer[sizeof(((apikey_board_t *)NULL)->writer)];
    uint64_t sequence;
    unsigned int count;
    apikey_tally_entry_t *entry;
    apr_pool_t *pool;
} batch_t;

/* A sequence is the realm's, so a writer is too: two realms may share a database. */
static void name_writer(char *writer, int realm)
{
    static const char digits[] = "0123456789abcdef";

    memcpy(writer, apikey_board()->writer, sizeof(apikey_board()->writer));
    writer[30] = digits[realm >> 4];
    writer[31] = digits[realm & 15];
}

static batch_t copy_batch(const server_rec *s, apr_pool_t *pool)
{
    const apikey_realm_t *realm = apikey_board_realm(s);
    batch_t batch;

    name_writer(batch.writer, apikey_server_conf(s)->realm);
    batch.sequence = realm->batch_sequence;
    batch.count = atomic_load(&realm->batch_count);
    batch.entry = apr_pmemdup(pool, realm->batch, batch.count * sizeof(*batch.entry));
    batch.pool = pool;
    return batch;
}

/* Entries of one key stand side by side and become one. */
static unsigned int merge(const batch_t *batch, apikey_use_t *uses)
{
    unsigned int n = 0;
    unsigned int i;

    for (i = 0; i < batch->count; i++) {
        const apikey_tally_entry_t *entry = &batch->entry[i];
        /* 0 where the thread that counted has not come to note the time. */
        const int64_t last_ms = entry->last_ms ? entry->last_ms : apikey_now_ms();
        apikey_use_t *use = n ? &uses[n - 1] : NULL;

        if (!use || use->key_id != entry->key_id) {
            use = &uses[n++];
            memset(use, 0, sizeof(*use));
            use->key_id = entry->key_id;
            use->address = "";
        }
        use->count += entry->count;
        if (last_ms >= use->last_ms) {
            use->last_ms = last_ms;
            use->address = address_text(&entry->address, batch->pool);
        }
    }
    return n;
}

static apikey_db_status_t write_batch(apikey_db_t *db, void *baton)
{
    const batch_t *batch = baton;
    apikey_use_t uses[APIKEY_TALLY_BATCH];
    const unsigned int n = merge(batch, uses);
    apikey_db_status_t rv;
    int tries = 0;

    do {
        rv = apikey_store_add_uses(db, batch->writer, batch->sequence, uses, n);
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

static bool still_ours(apikey_realm_t *realm)
{
    apikey_board_renew(&realm->usage_lease);
    return apikey_board_holds(&realm->usage_lease);
}

static bool write_out(server_rec *s, apikey_realm_t *realm, apr_pool_t *pool)
{
    batch_t batch = copy_batch(s, pool);
    const char *why;

    if (apikey_dbd_run_for(WRITE_MS, s, pool, write_batch, &batch, &why) != APIKEY_DB_OK) {
        if (!(atomic_fetch_or(&realm->usage_trouble, NOT_WRITTEN) & NOT_WRITTEN)) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                         "AK0041: the use of API keys cannot be written down, and is kept in "
                         "memory until it can: %s",
                         why);
        }
        return false;
    }
    if (!still_ours(realm)) {
        return false; /* whoever has it now finds it written */
    }
    apikey_tally_written(apikey_board_tally(), batch.entry, batch.count);
    atomic_store(&realm->batch_count, 0);
    if (atomic_exchange(&realm->usage_trouble, 0) & NOT_WRITTEN) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     "AK0042: the use of API keys is written down again");
    }
    return true;
}

/* The lease tells processes apart, this the threads of one. */
static atomic_flag busy[APIKEY_REALMS];

static bool try_turn(apikey_realm_t *realm, int place)
{
    if (atomic_flag_test_and_set(&busy[place])) {
        return false;
    }
    if (!apikey_board_take(&realm->usage_lease)) {
        atomic_flag_clear(&busy[place]);
        return false;
    }
    return true;
}

static bool take_turn(apikey_realm_t *realm, int place, bool insist)
{
    bool taken = try_turn(realm, place);

    while (!taken && insist && !apikey_workers_hurry()) {
        /* The lease is another process's: there is no condition to wait for. */
        apr_sleep(apr_time_from_msec(10));
        taken = try_turn(realm, place);
    }
    return taken;
}

/* Counters that have nothing left to write make room for others. */
static void sweep(void)
{
    apikey_tally_sweep(apikey_board_tally(), apikey_now_ms());
}

/* All there is: first the batch that somebody left behind, if so. */
static void write_all(server_rec *s, apikey_realm_t *realm, apr_pool_t *pool)
{
    uint64_t from = 0;
    bool seen_all = false;
    int batches;

    for (batches = 1; !seen_all && still_ours(realm); batches++) {
        if (atomic_load(&realm->batch_count) == 0) {
            if (!fill(realm, (unsigned int)apikey_server_conf(s)->realm, &from)) {
                return;
            }
            seen_all = from == 0;
        }
        if (!write_out(s, realm, pool)) {
            return;
        }
        if (batches % SWEEP_BATCHES == 0) {
            sweep();
        }
        apr_pool_clear(pool);
        apikey_workers_alive();
    }
}

void apikey_usage_write(server_rec *s, apr_pool_t *pool, bool insist)
{
    const int place = apikey_server_conf(s)->realm;
    apikey_realm_t *realm = apikey_board_realm(s);

    if (!take_turn(realm, place, insist)) {
        return;
    }
    write_all(s, realm, pool);
    sweep();
    apikey_board_give_back(&realm->usage_lease);
    atomic_flag_clear(&busy[place]);
}

bool apikey_usage_due(const server_rec *s, int64_t now)
{
    const apikey_server_conf_t *conf = apikey_server_conf(s);

    return conf->usage &&
           apikey_board_due(&apikey_board_realm(s)->usage_due_ms, now, conf->usage);
}
