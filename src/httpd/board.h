/* SPDX-License-Identifier: Apache-2.0 */
/* The module's one segment of shared memory: made by the parent, kept across graceful restarts,
 * so that old and new children look at the same facts, as long as it is of the right size and
 * has a place for every realm.
 *
 *   +-------+------------------------+-------+----------+---------------------+
 *   | board | realms 0 to 15         | meter | tally    | facts (ApiKeyCache) |
 *   +-------+------------------------+-------+----------+---------------------+
 *
 * A realm is a database together with the way its keys are digested. */
#ifndef APIKEY_BOARD_H
#define APIKEY_BOARD_H

#include "config.h"

#include "../core/facts.h"
#include "../core/meter.h"
#include "../core/tally.h"

#include <httpd.h>
#include <stdatomic.h>

enum { APIKEY_REALMS = 16, APIKEY_FEED_SPANS = 32 };

/* Whose turn it is to do something: the process and when it began, or 0. */
typedef _Atomic uint64_t apikey_lease_t;

/* A stretch of the change feed in which a row may yet appear or be committed (feed.c). */
typedef struct {
    uint64_t low, high;        /* ids, both included; 0: unused */
    int64_t began_ms, read_ms; /* when its first and its last ids were read */
    uint64_t committed; /* the rows seen committed (apikey_store_feed_rows()), or unknown */
} apikey_span_t;

typedef struct {
    uint64_t position;             /* the rows up to here were seen, or are in a span */
    uint64_t known_id, known_mark; /* a committed row that must be there next time; 0: none */
    int64_t read_ms;               /* when it was last read; 0: never */
    apikey_span_t span[APIKEY_FEED_SPANS];
} apikey_feed_state_t;

typedef struct {
    _Atomic int active; /* asked about at least once: there is something to refresh */

    /* The circuit breaker (breaker.c). */
    _Atomic int64_t open_since_ms; /* 0: closed */
    _Atomic int64_t next_probe_ms;

    /* api_key_settings (settings.c) */
    _Atomic int64_t settings_due_ms;
    _Atomic int settings_checked;

    /* The change feed (feed.c). Two states: a reader that dies while it writes the next one
     * leaves the present one whole. */
    apikey_lease_t feed_lease;
    _Atomic int64_t feed_due_ms;
    _Atomic int64_t prune_due_ms;
    _Atomic int feed_trouble;              /* logged once, not every time */
    _Atomic int64_t feed_read_ms;          /* up to when it is known; 0: never read */
    _Atomic int64_t tended_ms, doubted_ms; /* whether facts are fresh (cache.h) */
    _Atomic int prune_trouble;
    _Atomic uint64_t prune_below; /* ids of rows that are of no use to a reader any more */
    _Atomic unsigned int feed_state;
    apikey_feed_state_t feed[2];

    /* Usage (usage.c): a batch stays until it is known to be committed. */
    apikey_lease_t usage_lease;
    _Atomic int64_t usage_due_ms;
    _Atomic int usage_trouble;
    uint64_t batch_sequence;
    _Atomic unsigned int batch_count; /* 0: none */
    apikey_tally_entry_t batch[APIKEY_TALLY_BATCH];

    _Atomic uint64_t id; /* the realm's number for the hash; 0: place not taken */
} apikey_realm_t;

typedef struct {
    uint64_t layout; /* raised with every change of layout: a segment may outlive its module */
    uint64_t size;
    uint64_t key[2];     /* of the mac */
    char writer[33];     /* this segment's name in api_key_usage_writers */
    _Atomic int retired; /* another segment has taken its place: its facts count no more */
    apikey_realm_t realm[APIKEY_REALMS];
} apikey_board_t;

/* NULL before post_config and where the segment could not be had. */
apikey_board_t *apikey_board(void);

/* The facts, or NULL: ApiKeyCache Off, or the segment is retired. */
const apikey_facts_t *apikey_board_facts(void);

const apikey_tally_t *apikey_board_tally(void);
const apikey_meter_t *apikey_board_meter(void);

/* The realm of a server: its place (the same for all children) and its number. */
apikey_realm_t *apikey_board_realm(const server_rec *s);
uint64_t apikey_board_realm_id(const server_rec *s);

/* Takes a lease for this process, from a process that is dead or has held it for half a minute
 * if need be. False while somebody else has it. */
bool apikey_board_take(apikey_lease_t *lease);
bool apikey_board_holds(apikey_lease_t *lease);
void apikey_board_renew(apikey_lease_t *lease);
void apikey_board_give_back(apikey_lease_t *lease);

/* Whether it is time, and this caller's turn to do it: at most one gets true for each interval.
 */
bool apikey_board_due(_Atomic int64_t *due_ms, int64_t now_ms, int64_t interval_ms);

void apikey_board_register(apr_pool_t *p);

#endif
