/* SPDX-License-Identifier: Apache-2.0 */
#include "lookup.h"

#include "board.h"
#include "breaker.h"
#include "cache.h"
#include "config.h"
#include "credential.h"
#include "dbd.h"
#include "mount.h"
#include "workers.h"

#include "../core/store.h"

#include <apr_strings.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* One question to the database, which any number of requests of this child may wait for. Done
 * with when the last one who has a share in it gives it up, the thread that asks included. */
typedef struct question_t {
    struct question_t *next;
    apikey_mac_t mac;
    server_rec *server;
    uint64_t sequence;   /* of the cache when this was asked first */
    int64_t too_late_ms; /* to join: what is known then may be too old for who comes */
    atomic_int shares;   /* changed with the mutex held */
    bool done;
    bool answered; /* done, and the database said something */
    bool known;    /* answered, and there is such a key */
    pthread_cond_t finished;
    apikey_digests_t digests;
    apikey_fact_t fact; /* where there is a key */
} question_t;

enum { SPARE_MAX = 16 };

/* Of this child. On the path of a request only where memory does not know the answer. */
static struct {
    pthread_mutex_t mutex;
    question_t *open;
    question_t *spare; /* to be used again: two kilobytes are no small piece for malloc() */
    int spares;
} asked = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* With the mutex held. */
static question_t *new_question(void)
{
    question_t *q = asked.spare;

    if (q) {
        asked.spare = q->next;
        asked.spares--;
    }
    else if ((q = malloc(sizeof(*q))) != NULL) {
        apikey_condition_init(&q->finished);
    }
    return q;
}

/* With the mutex held. */
static void drop_question(question_t *q)
{
    if (asked.spares < SPARE_MAX) {
        q->next = asked.spare;
        asked.spare = q;
        asked.spares++;
    }
    else {
        pthread_cond_destroy(&q->finished);
        free(q);
    }
}

void apikey_lookup_end(void)
{
    if (pthread_mutex_trylock(&asked.mutex) != 0) {
        return; /* it is the one that a signal has interrupted (apikey_workers_reachable()) */
    }
    while (asked.spare) {
        question_t *q = new_question(); /* a spare one */

        pthread_cond_destroy(&q->finished);
        free(q);
    }
    pthread_mutex_unlock(&asked.mutex);
}

/* With the mutex held. */
static void give_up_share(question_t *q)
{
    if (atomic_fetch_sub(&q->shares, 1) == 1) {
        drop_question(q);
    }
}

/* With the mutex held: no longer to be joined. */
static void close_question(question_t *q)
{
    question_t **at;

    for (at = &asked.open; *at && *at != q; at = &(*at)->next) {
    }
    if (*at) {
        *at = q->next;
    }
    q->done = true;
    pthread_cond_broadcast(&q->finished);
}

/* Whether nobody waits for the answer any more. */
static bool is_abandoned(question_t *q)
{
    bool abandoned;

    if (atomic_load(&q->shares) > 1) {
        return false;
    }
    pthread_mutex_lock(&asked.mutex);
    abandoned = atomic_load(&q->shares) == 1;
    if (abandoned) {
        close_question(q);
        give_up_share(q);
    }
    pthread_mutex_unlock(&asked.mutex);
    return abandoned;
}

typedef struct {
    const apikey_digests_t *digests;
    apr_pool_t *pool;
    const apikey_record_t *record;
    int64_t began_ms;
    uint64_t sequence; /* both from before the SELECT */
} asking_t;

static apikey_db_status_t find(apikey_db_t *db, void *baton)
{
    asking_t *asking = baton;

    asking->sequence = apikey_cache_sequence();
    return apikey_store_find(db, asking->digests, asking->pool, &asking->record);
}

static void meter_query(apr_time_t us, bool failed)
{
    apikey_meter_query(apikey_board_meter(), (uint64_t)(uintptr_t)pthread_self() >> 12,
                       us > 0 ? (uint64_t)us : 0, /* the clock was set back */
                       failed);
}

/* Asks, and tells the breaker how that went. */
static bool ask_database(server_rec *s, asking_t *asking)
{
    const int64_t timeout = apikey_server_conf(s)->timeout;
    const apr_time_t began = apr_time_now();
    apikey_db_status_t rv;
    apr_time_t ended;
    const char *why;

    asking->began_ms = apr_time_as_msec(began);
    rv = apikey_dbd_run_for(timeout > APIKEY_DBD_PATIENCE_MS ? timeout : APIKEY_DBD_PATIENCE_MS,
                            s, asking->pool, find, asking, &why);
    ended = apr_time_now();
    meter_query(ended - began, rv != APIKEY_DB_OK);
    if (rv == APIKEY_DB_OK) {
        apikey_breaker_succeeded(s, asking->began_ms, apr_time_as_msec(ended));
        return true;
    }
    if (!apikey_workers_hurry()) {
        apikey_breaker_failed(s, asking->began_ms, why);
    }
    return false;
}

/* Copies a record into a question, which outlives the thread's pool. */
static void keep(question_t *q, const apikey_record_t *record)
{
    q->known = record != NULL;
    if (record) {
        char *text = (char *)q->fact.words;
        const size_t owner_size = strlen(record->owner) + 1;

        q->fact.record = *record;
        memcpy(text, record->owner, owner_size);
        memcpy(text + owner_size, record->scopes, strlen(record->scopes) + 1);
        q->fact.record.owner = text;
        q->fact.record.scopes = text + owner_size;
    }
}

/* On a thread of workers.c. */
__attribute__((flatten)) static void ask(void *baton, apr_pool_t *pool)
{
    question_t *q = baton;
    asking_t asking = {&q->digests, pool, NULL, 0, 0};
    bool answered;

    if (is_abandoned(q)) {
        return;
    }
    answered = ask_database(q->server, &asking);
    if (answered) {
        apikey_cache_put(q->server, q->mac, asking.record, asking.sequence, asking.began_ms);
    }
    pthread_mutex_lock(&asked.mutex);
    if (answered) {
        keep(q, asking.record);
    }
    q->answered = answered;
    close_question(q);
    give_up_share(q);
    pthread_mutex_unlock(&asked.mutex);
}

void apikey_lookup_probe(server_rec *s, apr_pool_t *pool)
{
    static const apikey_digests_t of_nobody = {.count = 1};
    asking_t asking = {&of_nobody, pool, NULL, 0, 0};

    ask_database(s, &asking);
}

/* With the mutex held: a share in the question about this credential, asked now unless it is
 * being asked already, not for long, and with no key changed since. NULL where it cannot be. */
static question_t *share(server_rec *s, const apikey_credential_t *cred, int64_t now,
                         bool *joined)
{
    const uint64_t sequence = apikey_cache_sequence();
    question_t *q;

    for (q = asked.open; q; q = q->next) {
        if (memcmp(&q->mac, &cred->mac, sizeof(q->mac)) == 0 && q->sequence == sequence &&
            now < q->too_late_ms) {
            *joined = true;
            atomic_fetch_add(&q->shares, 1);
            return q;
        }
    }
    q = new_question();
    if (!q) {
        return NULL;
    }
    q->done = q->answered = q->known = false;
    q->mac = cred->mac;
    q->digests.count = cred->digests->count;
    memcpy(q->digests.digest, cred->digests->digest,
           (size_t)cred->digests->count * sizeof(q->digests.digest[0]));
    q->server = s;
    q->sequence = sequence;
    q->too_late_ms = now + apikey_server_conf(s)->timeout;
    atomic_store(&q->shares, 2); /* ours and the thread's */
    if (!apikey_workers_do((unsigned int)apikey_server_conf(s)->realm, ask, q)) {
        drop_question(q);
        return NULL;
    }
    q->next = asked.open;
    asked.open = q;
    return q;
}

/* With both strings behind it, which stand side by side in a fact. */
static const apikey_record_t *copy_record(const apikey_fact_t *fact, apr_pool_t *pool)
{
    const apikey_record_t *record = &fact->record;
    const size_t owner_size = (size_t)(record->scopes - record->owner);
    const size_t size = owner_size + strlen(record->scopes) + 1;
    apikey_record_t *copy = apr_palloc(pool, sizeof(*copy) + size);
    char *text = (char *)(copy + 1);

    *copy = *record;
    copy->owner = memcpy(text, record->owner, size);
    copy->scopes = text + owner_size;
    return copy;
}

/* With the mutex held. */
static void wait_for(question_t *q, int64_t until_ms)
{
    const struct timespec deadline = apikey_deadline(until_ms);

    while (!q->done &&
           pthread_cond_timedwait(&q->finished, &asked.mutex, &deadline) != ETIMEDOUT) {
    }
}

static bool may_ask(const request_rec *r, int64_t now)
{
    const bool allowed = apikey_breaker_allows(r->server, now);

    if (!allowed) {
        apikey_meter_wait(apikey_board_meter(), (uint64_t)r->connection->id,
                          APIKEY_WAIT_REFUSED, false);
    }
    return allowed;
}

/* Asks the database, for as long as ApiKeyTimeout allows. */
static bool ask_and_wait(request_rec *r, const apikey_credential_t *cred, int64_t began_ms,
                         apr_pool_t *pool, const apikey_record_t **record)
{
    server_rec *s = r->server;
    const int64_t timeout = apikey_server_conf(s)->timeout;
    const int64_t now = apikey_steady_ms();
    const char *why = NULL;
    apikey_wait_t outcome = APIKEY_WAIT_REFUSED;
    bool joined = false;
    bool answered = false;
    question_t *q;

    pthread_mutex_lock(&asked.mutex);
    q = share(s, cred, now, &joined);
    if (q) {
        wait_for(q, now + timeout + 1); /* now was cut to the millisecond */
        answered = q->answered;
        outcome = answered  ? APIKEY_WAIT_ANSWERED
                  : q->done ? APIKEY_WAIT_FAILED
                            : APIKEY_WAIT_TIMEOUT;
        *record = answered && q->known ? copy_record(&q->fact, pool) : NULL;
        why = q->done ? NULL
                      : apr_psprintf(pool,
                                     "no answer within %" APR_INT64_T_FMT " ms (ApiKeyTimeout)",
                                     timeout);
        give_up_share(q);
    }
    else if (!apikey_workers_ending()) {
        why = "too many ask at once, or no thread can be started (ulimit -u)";
    }
    pthread_mutex_unlock(&asked.mutex);
    if (why) {
        apikey_breaker_failed(s, began_ms, why);
    }
    apikey_meter_wait(apikey_board_meter(), (uint64_t)r->connection->id, outcome, joined);
    return answered;
}

static bool found(apikey_call_t *call, apikey_credential_t *cred, const apikey_record_t *record,
                  apikey_learned_t how)
{
    call->learned = how;
    cred->record = record;
    cred->text = NULL;
    cred->looked_up = true;
    return true;
}

/* Whether only the database will do: where a key may make others (ApiKeyManage ByKey), one that
 * has been revoked but is still remembered would leave a successor behind. */
static bool must_ask(const request_rec *r)
{
    const apikey_mount_t *mount = apikey_dir_conf(r)->manage;
    return mount && mount->by_key;
}

/* The rest of what memory may know, and the database. */
__attribute__((noinline, cold)) static bool
find_elsewhere(request_rec *r, apikey_credential_t *cred, int64_t began_ms)
{
    apikey_call_t *call = apikey_request_call(r);
    apr_pool_t *pool = call->pool;
    const apikey_record_t *record;
    apikey_fact_state_t state;
    apikey_fact_t fact;

    apikey_credential_examine(r, cred);
    if (!cred->checkable) {
        return found(call, cred, NULL, APIKEY_LEARNED_NOTHING); /* by its text alone */
    }
    state = apikey_cache_get(r->server, cred->mac, began_ms, &fact);
    if (state == APIKEY_FACT_ABSENT) {
        return found(call, cred, NULL, APIKEY_LEARNED_ABSENT);
    }
    if (must_ask(r)) {
        state = APIKEY_FACT_UNKNOWN;
    }
    if (state == APIKEY_FACT_FRESH) {
        return found(call, cred, copy_record(&fact, pool), APIKEY_LEARNED_HIT);
    }
    if (!atomic_exchange(&apikey_board_realm(r->server)->active, 1)) {
        apikey_cache_tended(r->server, began_ms);
    }
    if (apikey_credential_digest(r, cred) && may_ask(r, began_ms) &&
        ask_and_wait(r, cred, began_ms, pool, &record)) {
        cred->for_managing = must_ask(r);
        return found(call, cred, record, APIKEY_LEARNED_ASKED);
    }
    /* ApiKeyStale. Looked up again: the key may have been dropped while we waited. */
    if (state == APIKEY_FACT_STALE &&
        apikey_cache_get(r->server, cred->mac, began_ms, &fact) >= APIKEY_FACT_STALE) {
        return found(call, cred, copy_record(&fact, pool), APIKEY_LEARNED_STALE);
    }
    call->learned = APIKEY_LEARNED_FAILED;
    cred->failed = true;
    return false;
}

bool apikey_lookup(request_rec *r, apikey_credential_t *cred, int64_t *now_ms)
{
    apikey_call_t *call;
    apikey_brief_t *brief;
    bool rv;

    *now_ms = apikey_now_ms();
    if (cred->looked_up || cred->failed) {
        return cred->looked_up;
    }
    if (cred->may_be_known && !must_ask(r)) {
        /* The record outlives redirects, as the credential does. */
        call = apikey_request_call(r);
        brief = cred == &call->room ? &call->brief : apr_palloc(call->pool, sizeof(*brief));
        if (apikey_cache_get_brief(r->server, cred->mac, *now_ms, brief) == APIKEY_FACT_FRESH) {
            return found(call, cred, &brief->record, APIKEY_LEARNED_HIT);
        }
    }
    rv = find_elsewhere(r, cred, *now_ms);
    *now_ms = apikey_now_ms();
    return rv;
}
