/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "store_row.h"

apikey_db_status_t apikey_store_act_as(apikey_db_t *db, const char *actor, const char *client)
{
    const apikey_arg_t args[] = {apikey_arg_text(actor), apikey_arg_text(client)};
    apikey_db_status_t rv;

    apikey_db_bind_session(db, false);
    rv = apikey_db_run(db, APIKEY_SQL_ACT_AS, args, NULL, NULL);
    apikey_db_bind_session(db, rv == APIKEY_DB_OK && (actor || client));
    return rv;
}

apikey_db_status_t apikey_store_denied(apikey_db_t *db, const char *what,
                                       apikey_owner_t owner_type, const char *owner,
                                       uint64_t key_id)
{
    const apikey_arg_t args[] = {
        apikey_arg_text(what),
        apikey_arg_text(apikey_store_owner_name(owner_type)),
        apikey_arg_text(owner),
        key_id ? apikey_arg_int((int64_t)key_id) : apikey_arg_text(NULL),
    };
    return apikey_db_run(db, APIKEY_SQL_DENIED, args, NULL, NULL);
}

typedef struct {
    apikey_event_fn each;
    void *baton;
} events_t;

static bool event_row(const apikey_col_t *cols, void *baton)
{
    const events_t *events = baton;
    const apikey_event_t event = {
        .id = (uint64_t)cols[APIKEY_EVENT_ID].number,
        .at_ms = apikey_store_time(&cols[APIKEY_EVENT_AT]),
        .what = cols[APIKEY_EVENT_WHAT].data,
        .key_id = (uint64_t)cols[APIKEY_EVENT_KEY].number,
        .owner_type = cols[APIKEY_EVENT_OWNER_TYPE].data,
        .owner = cols[APIKEY_EVENT_OWNER].data,
        .actor = cols[APIKEY_EVENT_ACTOR].data,
        .account = cols[APIKEY_EVENT_ACCOUNT].data,
        .client = cols[APIKEY_EVENT_CLIENT].data,
        .detail = cols[APIKEY_EVENT_DETAIL].data,
    };
    return events->each(&event, events->baton);
}

apikey_db_status_t apikey_store_events(apikey_db_t *db, const apikey_event_filter_t *filter,
                                       apikey_event_fn each, void *baton)
{
    const uint64_t before =
        filter->before && filter->before < INT64_MAX ? filter->before : INT64_MAX;
    const apikey_arg_t args[] = {
        apikey_arg_int((int64_t)before),         apikey_arg_int((int64_t)filter->key_id),
        apikey_arg_int((int64_t)filter->key_id), apikey_arg_int(filter->since_ms * 1000),
        apikey_arg_int(filter->limit),
    };
    events_t events = {each, baton};

    return apikey_db_run(db, APIKEY_SQL_EVENTS, args, event_row, &events);
}
