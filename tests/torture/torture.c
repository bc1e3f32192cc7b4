/* SPDX-License-Identifier: Apache-2.0 */
/* Torments the shared memory of src/core (facts, tally) and checks every answer against a
 * model.
 *
 *   torture [seconds [seed [threads]]]
 *
 * Several processes of several threads each ask, put, drop, flush and count over one mapping,
 * while the parent kills, stops and continues them at random and sets their clock forth and
 * back. With the word `threads` they are threads of one process that nobody kills, for
 * ThreadSanitizer. Exit status 0 only if nothing was wrong and enough of everything happened.
 *
 * The model of the database is a version per key. A change raises it, drops the key, and then
 * notes the version as the floor: who reads the floor first must get that version or a later
 * one. A key of which every version is known never has to be locked for that. The model of the
 * usage table is the parent's own memory: nobody kills the parent, so a batch is added to it
 * whole or not at all, and once for each of its numbers. */
#ifndef _GNU_SOURCE /* APR's flags define it */
#define _GNU_SOURCE
#endif
#include "../../src/core/facts.h"
#include "../../src/core/tally.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PROCESSES = 6,
    THREADS = 2,
    WORKERS = PROCESSES * THREADS,
    KEYS = 4096, /* more than the facts have room for */
    HOT = 16,    /* most of what happens, happens to these */
    COUNTED = 256,
    REALMS = 3, /* each with a process that writes its usage */
    CHILDREN = PROCESSES + REALMS,
    TALLY_BYTES = 64 * 32 * APIKEY_TALLY_STRIPES * 4,
    MAY_BE_ABSENT = 8, /* every eighth key: it is absent in its odd versions */
    UNFED = 4          /* every fourth but one: it changes all the time and is never dropped */
};

typedef struct {
    _Atomic uint64_t sequence, requested, done;
    _Atomic unsigned int count;
    apikey_tally_entry_t entry[APIKEY_TALLY_BATCH];
} batch_t;

enum {
    FRESH,
    STALE,
    ABSENT,
    UNKNOWN,
    PUTS,
    DROPS,
    FLUSHES,
    COUNTS,
    BATCHES,
    TIMED,
    TALLIES,
    TIMELESS = TALLIES
};

typedef struct {
    _Atomic int stop;
    _Atomic int64_t skew_ms;
    _Atomic uint64_t tally[16]; /* how often what happened */
    _Atomic uint64_t version[KEYS], floor[KEYS];
    _Atomic uint64_t begun[WORKERS][COUNTED], ended[WORKERS][COUNTED];
    batch_t batch[REALMS];
} shared_t;

static struct {
    shared_t *shared;
    void *tally_memory;
    apikey_facts_t facts;
    apikey_tally_t tally;
    uint64_t key[2];
    bool threads;
    /* The parent's: the usage table, and the last number of each writer. */
    uint64_t table[REALMS][COUNTED];
    uint64_t last[REALMS];
    uint64_t killed, stopped;
} all;

static const apikey_fact_terms_t terms = {2000, 1000, 2000};

static _Noreturn void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void wrong(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("torture: WRONG: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    _exit(1);
}

static void happened(int what)
{
    atomic_fetch_add_explicit(&all.shared->tally[what], 1, memory_order_relaxed);
}

static uint64_t how_often(int what)
{
    return atomic_load(&all.shared->tally[what]);
}

static uint64_t scramble(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

typedef struct {
    uint64_t state;
    unsigned int worker;
} self_t;

static uint64_t random_below(self_t *self, uint64_t n)
{
    self->state += UINT64_C(0x9e3779b97f4a7c15);
    return scramble(self->state) % n;
}

static int64_t clock_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t now_ms(void)
{
    return clock_ms() + atomic_load(&all.shared->skew_ms);
}

/* ---- facts ---- */

static apikey_mac_t mac_of(uint64_t k)
{
    return apikey_mac(all.key, &k, sizeof(k), 0);
}

typedef struct {
    char owner[APIKEY_OWNER_MAX + 1], scopes[APIKEY_SCOPES_MAX + 1];
    apikey_record_t record;
} row_t;

static void fill_text(char *text, size_t len, uint64_t seed)
{
    size_t i;

    for (i = 0; i < len; i++) {
        text[i] = (char)('a' + (seed >> i % 48) % 16);
    }
    text[len] = '\0';
}

/* Of such keys all versions are good, so that every mixture of two would be seen. */
static bool is_unfed(uint64_t k)
{
    return k % UNFED == 1;
}

/* All of a row follows from the key and its version. Some are long, so that a key moves from
 * one table to the other. */
static void make_row(row_t *row, uint64_t k, uint64_t version)
{
    const uint64_t seed = scramble(k * 1000003 + version);
    const bool is_long = seed % (is_unfed(k) ? 2 : 8) == 0;

    fill_text(row->owner, 1 + (seed >> 8) % (is_long ? APIKEY_OWNER_MAX : 39), seed);
    fill_text(row->scopes, (seed >> 20) % (is_long ? APIKEY_SCOPES_MAX + 1 : 40), seed >> 3);
    row->record.id = k + 1;
    row->record.owner_type = seed >> 33 & 1 ? APIKEY_OWNER_USER : APIKEY_OWNER_TEAM;
    row->record.owner = row->owner;
    row->record.scopes = row->scopes;
    row->record.expires_ms = (int64_t)version;
    row->record.revoked = seed >> 34 & 1;
    row->record.unusable = NULL;
}

static bool is_absent(uint64_t k, uint64_t version)
{
    return k % MAY_BE_ABSENT == 0 && version % 2 == 1;
}

static void check_fact(uint64_t k, const apikey_record_t *record, uint64_t floor)
{
    const uint64_t version = (uint64_t)record->expires_ms;
    row_t row;

    make_row(&row, k, version);
    if (record->id != k + 1 || strcmp(record->owner, row.owner) != 0 ||
        strcmp(record->scopes, row.scopes) != 0 || record->revoked != row.record.revoked ||
        record->owner_type != row.record.owner_type || is_absent(k, version)) {
        wrong("the fact of key %lu, version %lu, is not of one piece: id %lu owner %.40s",
              (unsigned long)k, (unsigned long)version, (unsigned long)record->id,
              record->owner);
    }
    if (version < floor) {
        wrong("key %lu: version %lu was found, but all before %lu had been dropped",
              (unsigned long)k, (unsigned long)version, (unsigned long)floor);
    }
    if (version > atomic_load(&all.shared->version[k])) {
        wrong("key %lu: version %lu has never been", (unsigned long)k, (unsigned long)version);
    }
}

static void ask_database(self_t *self, uint64_t k)
{
    const uint64_t sequence = apikey_facts_sequence(&all.facts);
    const uint64_t version =
        atomic_fetch_add(&all.shared->version[k], is_unfed(k)) + is_unfed(k);
    const int64_t now = now_ms();
    row_t row;

    make_row(&row, k, version);
    if (random_below(self, 8) == 0) {
        sched_yield(); /* a slow answer */
    }
    apikey_facts_put(&all.facts, mac_of(k), is_absent(k, version) ? NULL : &row.record,
                     sequence, now, &terms);
    happened(PUTS);
}

static void request(self_t *self, uint64_t k)
{
    const uint64_t floor = atomic_load(&all.shared->floor[k]);
    apikey_fact_t fact;
    const apikey_fact_state_t state =
        apikey_facts_get(&all.facts, mac_of(k), &terms, now_ms(), &fact);

    if (state == APIKEY_FACT_FRESH || state == APIKEY_FACT_STALE) {
        check_fact(k, &fact.record, floor);
        happened(state == APIKEY_FACT_FRESH ? FRESH : STALE);
    }
    else if (state == APIKEY_FACT_ABSENT) {
        /* There must be a version at which it was: the floor's or a later one. */
        if (k % MAY_BE_ABSENT != 0 ||
            (atomic_load(&all.shared->version[k]) == floor && floor % 2 == 0)) {
            wrong("key %lu exists, but is said to be absent", (unsigned long)k);
        }
        happened(ABSENT);
    }
    else {
        happened(UNKNOWN);
    }
    if (state == APIKEY_FACT_UNKNOWN || state == APIKEY_FACT_STALE ||
        random_below(self, is_unfed(k) ? 2 : 16) == 0) {
        ask_database(self, k);
    }
}

static void raise_to(_Atomic uint64_t *number, uint64_t to)
{
    uint64_t now = atomic_load(number);

    while (now < to && !atomic_compare_exchange_weak(number, &now, to)) {
    }
}

/* A drop does not reach absentees: who is born is made known by a flush. */
static void change(uint64_t k)
{
    const uint64_t version = atomic_fetch_add(&all.shared->version[k], 1) + 1;

    if (is_unfed(k)) {
        return;
    }
    if (k % MAY_BE_ABSENT == 0) {
        apikey_facts_flush(&all.facts);
        happened(FLUSHES);
    }
    else {
        apikey_facts_drop(&all.facts, k + 1);
        happened(DROPS);
    }
    raise_to(&all.shared->floor[k], version);
}

/* ---- usage ---- */

static apikey_address_t address_of(uint64_t id, uint64_t salt)
{
    const apikey_address_t address = {{id << 32 | salt, ~(id << 32 | salt)}};
    return address;
}

static void use(self_t *self)
{
    const uint64_t n = random_below(self, random_below(self, 8) ? COUNTED : 4);
    const apikey_address_t address = address_of(n + 1, random_below(self, 1 << 30));
    _Atomic uint64_t *begun = &all.shared->begun[self->worker][n];
    bool crowded;

    atomic_fetch_add(begun, 1);
    if (apikey_tally_count(&all.tally, (unsigned int)(n % REALMS), n + 1, clock_ms(), &address,
                           self->worker, &crowded)) {
        atomic_fetch_add(&all.shared->ended[self->worker][n], 1);
        happened(COUNTS);
    }
    else {
        atomic_fetch_sub(begun, 1);
    }
}

static void check_entry(const apikey_tally_entry_t *entry, unsigned int realm)
{
    const uint64_t *word = entry->address.word;

    if (entry->key_id - 1 >= COUNTED || (entry->key_id - 1) % REALMS != realm ||
        entry->count == 0 || entry->count > UINT64_C(1) << 40) {
        wrong("realm %u: %lu uses of key %lu", realm, (unsigned long)entry->count,
              (unsigned long)entry->key_id);
    }
    /* Who dies while noting an address leaves half of it, but of the same key. */
    if ((word[0] && word[0] >> 32 != entry->key_id) ||
        (word[1] && ~word[1] >> 32 != entry->key_id) ||
        (all.threads && word[0] && word[0] != ~word[1])) {
        wrong("key %lu was used from %016lx %016lx", (unsigned long)entry->key_id,
              (unsigned long)word[0], (unsigned long)word[1]);
    }
    if (entry->last_ms < 0 || entry->last_ms > clock_ms()) {
        wrong("key %lu was used at %ld", (unsigned long)entry->key_id, (long)entry->last_ms);
    }
    happened(entry->last_ms == 0 ? TIMELESS : TIMED);
}

/* Writes a realm's usage, as the module does: the batch stays until it is known to be in the
 * table, for whoever comes after us. False where there is nothing to write. */
static bool write_usage(unsigned int realm, uint64_t *from)
{
    batch_t *batch = &all.shared->batch[realm];
    unsigned int i;

    if (atomic_load(&batch->count) == 0) {
        const unsigned int n = apikey_tally_collect(&all.tally, realm, from, batch->entry);
        if (n == 0) {
            return false;
        }
        for (i = 0; i < n; i++) {
            check_entry(&batch->entry[i], realm);
        }
        atomic_fetch_add(&batch->sequence, 1);
        atomic_store(&batch->count, n);
    }
    atomic_store(&batch->requested, atomic_load(&batch->sequence));
    while (atomic_load(&batch->done) != atomic_load(&batch->sequence)) {
        sched_yield();
    }
    apikey_tally_written(&all.tally, batch->entry, atomic_load(&batch->count));
    if (atomic_load(&batch->sequence) % 7 == 0) { /* and again, as a successor would */
        apikey_tally_written(&all.tally, batch->entry, atomic_load(&batch->count));
    }
    atomic_store(&batch->count, 0);
    return true;
}

/* In the parent: adds what is asked for, unless it has been. */
static void serve_database(void)
{
    unsigned int realm, i;

    for (realm = 0; realm < REALMS; realm++) {
        batch_t *batch = &all.shared->batch[realm];
        const uint64_t number = atomic_load(&batch->requested);

        if (number > all.last[realm]) {
            for (i = 0; i < atomic_load(&batch->count); i++) {
                all.table[realm][batch->entry[i].key_id - 1] += batch->entry[i].count;
            }
            all.last[realm] = number;
            happened(BATCHES);
        }
        atomic_store(&batch->done, all.last[realm]);
    }
}

/* ---- who does all that ---- */

static void *work(void *baton)
{
    self_t *self = baton;

    while (!atomic_load(&all.shared->stop)) {
        const uint64_t k = random_below(self, random_below(self, 4) ? HOT : KEYS);
        const uint64_t what = random_below(self, 1000);

        if (what < 300) {
            use(self);
        }
        else if (what < 320) {
            /* changes of keys that may be absent flush everything: seldom */
            if (k % MAY_BE_ABSENT != 0 || random_below(self, 8) == 0) {
                change(k);
            }
        }
        else {
            request(self, k);
        }
    }
    return NULL;
}

static void *write_and_sweep(void *baton)
{
    const unsigned int realm = ((self_t *)baton)->worker;
    uint64_t from = 0;

    while (!atomic_load(&all.shared->stop)) {
        write_usage(realm, &from);
        apikey_tally_sweep(&all.tally, clock_ms()); /* far sooner than anybody would */
        sched_yield();
    }
    return NULL;
}

static self_t self_of(unsigned int child, unsigned int thread, uint64_t seed)
{
    const unsigned int worker =
        child < PROCESSES ? child * THREADS + thread : child - PROCESSES;
    const self_t self = {scramble(seed + child * UINT64_C(64) + thread), worker};
    return self;
}

/* The threads of one child, which is a process or not. */
typedef struct {
    pthread_t thread[THREADS];
    self_t self[THREADS];
    unsigned int count;
} crew_t;

static void start_crew(crew_t *crew, unsigned int child, uint64_t seed)
{
    unsigned int t;

    crew->count = child < PROCESSES ? THREADS : 1;
    for (t = 0; t < crew->count; t++) {
        crew->self[t] = self_of(child, t, seed);
        if (pthread_create(&crew->thread[t], NULL, child < PROCESSES ? work : write_and_sweep,
                           &crew->self[t]) != 0) {
            wrong("no thread");
        }
    }
}

static void join_crew(crew_t *crew)
{
    unsigned int t;

    for (t = 0; t < crew->count; t++) {
        pthread_join(crew->thread[t], NULL);
    }
}

static pid_t start_process(unsigned int child, uint64_t seed)
{
    const pid_t parent = getpid();
    const pid_t pid = fork();

    if (pid == 0) {
        crew_t crew;
        /* A parent that found something wrong just ends, maybe already. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(1);
        }
        start_crew(&crew, child, seed);
        join_crew(&crew);
        _exit(0);
    }
    if (pid < 0) {
        wrong("no process");
    }
    return pid;
}

/* Waits for a process, which may be waiting for the database. */
static void reap(pid_t pid, bool killed)
{
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        serve_database();
        sched_yield();
    }
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0) &&
        !(killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) {
        wrong("process %d ended with status %#x", (int)pid, (unsigned int)status);
    }
}

static int64_t some_skew(self_t *self)
{
    return (int64_t)random_below(self, 7) * 1000 - 3000;
}

/* Stops a process for what its clock will say were seconds: what it was writing is taken by
 * others, and then it goes on, or is killed. The tally is told the true time: it relies on
 * nobody standing still for two seconds. */
static void stop(pid_t pid, bool for_ever, self_t *self)
{
    kill(pid, SIGSTOP);
    atomic_store(&all.shared->skew_ms, some_skew(self));
    poll(NULL, 0, (int)random_below(self, 4));
    serve_database();
    if (for_ever) {
        kill(pid, SIGKILL);
    }
    kill(pid, SIGCONT);
    all.stopped++;
}

/* Something happens to somebody. */
static void mishap(pid_t *pids, self_t *self)
{
    const unsigned int child = (unsigned int)random_below(self, CHILDREN);
    const uint64_t what = random_below(self, 10);

    if (what < 8) {
        stop(pids[child], what == 0, self);
    }
    else {
        kill(pids[child], SIGKILL);
    }
    if (what == 0 || what >= 8) {
        reap(pids[child], true);
        all.killed++;
        pids[child] = start_process(child, scramble(self->state));
    }
}

static void look_for_the_dead(const pid_t *pids)
{
    unsigned int i;
    int status;

    for (i = 0; i < CHILDREN; i++) {
        if (waitpid(pids[i], &status, WNOHANG) != 0) {
            wrong("process %d ended with status %#x", (int)pids[i], (unsigned int)status);
        }
    }
}

/* The parent serves the database all the time; poll() only lets the others run. */
static void run_processes(int64_t until, self_t *self)
{
    pid_t pids[CHILDREN];
    unsigned int i;

    for (i = 0; i < CHILDREN; i++) {
        pids[i] = start_process(i, scramble(self->state + i));
    }
    while (clock_ms() < until) {
        serve_database();
        poll(NULL, 0, 1);
        mishap(pids, self);
        look_for_the_dead(pids);
    }
    atomic_store(&all.shared->stop, 1);
    for (i = 0; i < CHILDREN; i++) {
        reap(pids[i], false);
    }
}

static void run_threads(int64_t until, self_t *self)
{
    static crew_t crews[CHILDREN];
    unsigned int i;

    for (i = 0; i < CHILDREN; i++) {
        start_crew(&crews[i], i, scramble(self->state + i));
    }
    while (clock_ms() < until) {
        serve_database();
        poll(NULL, 0, 1);
        atomic_store(&all.shared->skew_ms, some_skew(self));
    }
    atomic_store(&all.shared->stop, 1);
    for (i = 0; i < CHILDREN; i++) { /* the writers may be waiting for the database */
        while (pthread_tryjoin_np(crews[i].thread[0], NULL) == EBUSY) {
            serve_database();
            sched_yield();
        }
        if (crews[i].count > 1) {
            pthread_join(crews[i].thread[1], NULL);
        }
    }
}

/* ---- afterwards ---- */

/* Nobody is left. Whoever was killed at it left slots behind that must be of use again. */
static void check_facts_afterwards(void)
{
    const int64_t later = clock_ms() + INT64_C(3600) * 1000;
    uint64_t k;

    for (k = 0; k < KEYS; k++) {
        const uint64_t version = atomic_load(&all.shared->version[k]);
        apikey_fact_t fact;
        row_t row;

        make_row(&row, k, version);
        apikey_facts_put(&all.facts, mac_of(k), is_absent(k, version) ? NULL : &row.record,
                         apikey_facts_sequence(&all.facts), later, &terms);
        if (apikey_facts_get(&all.facts, mac_of(k), &terms, later, &fact) !=
            (is_absent(k, version) ? APIKEY_FACT_ABSENT : APIKEY_FACT_FRESH)) {
            wrong("key %lu cannot be remembered any more", (unsigned long)k);
        }
        if (!is_absent(k, version)) {
            check_fact(k, &fact.record, version);
        }
    }
}

static void write_the_rest(void)
{
    unsigned int realm;

    for (realm = 0; realm < REALMS; realm++) {
        batch_t *batch = &all.shared->batch[realm];
        uint64_t from = 0;
        bool more = true;

        while (more) {
            const unsigned int left = atomic_load(&batch->count);
            if (left) { /* somebody was killed at it */
                atomic_store(&batch->requested, atomic_load(&batch->sequence));
                serve_database();
                apikey_tally_written(&all.tally, batch->entry, left);
                atomic_store(&batch->count, 0);
            }
            atomic_store(&batch->count,
                         apikey_tally_collect(&all.tally, realm, &from, batch->entry));
            atomic_fetch_add(&batch->sequence, 1);
            more = atomic_load(&batch->count) > 0 || from != 0;
        }
    }
}

/* A use that was counted is in the table once; one that somebody was killed at, or not. */
static void check_uses_afterwards(void)
{
    uint64_t in_doubt = 0;
    uint64_t n;
    unsigned int w;

    for (n = 0; n < COUNTED; n++) {
        const uint64_t found = all.table[n % REALMS][n];
        uint64_t begun = 0;
        uint64_t ended = 0;

        for (w = 0; w < WORKERS; w++) {
            begun += atomic_load(&all.shared->begun[w][n]);
            ended += atomic_load(&all.shared->ended[w][n]);
        }
        if (found < ended || found > begun) {
            wrong("key %lu: %lu uses in the table, but %lu were counted and %lu begun",
                  (unsigned long)n + 1, (unsigned long)found, (unsigned long)ended,
                  (unsigned long)begun);
        }
        in_doubt += begun - ended;
    }
    if (in_doubt > all.killed * THREADS) {
        wrong("%lu uses in doubt after %lu kills", (unsigned long)in_doubt,
              (unsigned long)all.killed);
    }
}

static void check_slots_afterwards(void)
{
    const _Atomic uint64_t *word = all.tally_memory;
    size_t i;

    apikey_tally_sweep(&all.tally, clock_ms() + INT64_C(3600) * 1000);
    for (i = 0; i < TALLY_BYTES / 8; i += 8) {
        if (atomic_load(&word[i]) != 0) {
            wrong("counter %lu is not free: %016lx", (unsigned long)i / 8,
                  (unsigned long)atomic_load(&word[i]));
        }
    }
}

/* A run in which nothing happened proves nothing. */
static void check_enough(void)
{
    static const char *const names[TALLIES] = {"fresh",   "stale",  "absent",  "unknown",
                                               "puts",    "drops",  "flushes", "uses",
                                               "batches", "entries"};
    int i;

    printf("torture:");
    for (i = 0; i < TALLIES; i++) {
        printf(" %lu %s,", (unsigned long)how_often(i), names[i]);
    }
    printf(" %lu timeless,", (unsigned long)how_often(TIMELESS));
    printf(" %lu evictions, %lu kills, %lu stops\n",
           (unsigned long)apikey_facts_evictions(&all.facts), (unsigned long)all.killed,
           (unsigned long)all.stopped);
    for (i = 0; i < TALLIES; i++) {
        if (how_often(i) < 10) {
            wrong("hardly any %s: this run proves nothing", names[i]);
        }
    }
    /* tally.h allows it where somebody is stopped for long or killed: it must not be usual */
    if (how_often(TIMELESS) > 10 + how_often(TIMED) / 1000) {
        wrong("%lu uses without a time", (unsigned long)how_often(TIMELESS));
    }
    if (apikey_facts_evictions(&all.facts) < 10 ||
        (!all.threads && (all.killed < 10 || all.stopped < 10))) {
        wrong("hardly anything went wrong: this run proves nothing");
    }
}

static void *map_zeroed(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        wrong("no memory");
    }
    return memory;
}

int main(int argc, char **argv)
{
    const int64_t seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)clock_ms();
    const size_t facts_size = apikey_facts_min_size();
    self_t self = {seed, 0};

    all.threads = argc > 3 && strcmp(argv[3], "threads") == 0;
    all.key[0] = scramble(seed);
    all.key[1] = scramble(seed + 1);
    all.shared = map_zeroed(sizeof(shared_t));
    all.tally_memory = map_zeroed(TALLY_BYTES);
    if (!apikey_facts_map(&all.facts, map_zeroed(facts_size), facts_size) ||
        !apikey_tally_map(&all.tally, all.tally_memory, TALLY_BYTES)) {
        wrong("no room");
    }
    printf("torture: %d s of %s, seed %lu\n", (int)seconds,
           all.threads ? "threads" : "processes", (unsigned long)seed);
    fflush(stdout);
    (all.threads ? run_threads : run_processes)(clock_ms() + seconds * 1000, &self);
    check_facts_afterwards();
    write_the_rest();
    check_uses_afterwards();
    check_slots_afterwards();
    check_enough();
    return 0;
}
