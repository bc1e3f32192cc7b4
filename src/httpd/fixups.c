/* SPDX-License-Identifier: Apache-2.0 */
#include "fixups.h"

#include "check.h"
#include "config.h"
#include "credential.h"
#include "identity.h"
#include "scrub.h"
#include "usage.h"
#include "withhold.h"

#include <http_request.h>
#include <string.h>

/* The verdict that counts here. A place of ours that a redirect leads to and that let it in
 * without asking judges, from what the call knows, whether the caller is one for it. */
static const apikey_request_t *state_of(request_rec *r)
{
    const apikey_request_t *state = apikey_request_judged(r);

    if (!state || state == apikey_request_own(r) || apikey_request_authenticated(r) ||
        !apikey_verdict_knows_caller(state->verdict) ||
        apikey_request_auth(r) != APIKEY_AUTH_BEARER) {
        return state;
    }
    if (apikey_check(r, apikey_credential_get(r)) == APIKEY_VALID) {
        r->ap_auth_type = (char *)"Bearer";
    }
    return apikey_request_own(r);
}

/* ThreadSanitizer sees nothing of how APR's allocator hands memory from one thread to the next,
 * and this is the only place where we write to memory that is about to be handed over. */
__attribute__((no_sanitize_thread)) static apr_status_t forget(void *data)
{
    const apikey_followup_t *this = data;
    apikey_followup_t **at = this->all;

    while (*at != this) {
        at = &(*at)->next;
    }
    *at = this->next;
    return APR_SUCCESS;
}

/* For the one that may be made of it (take_over). */
static void note(request_rec *r)
{
    const apikey_request_t *own = apikey_request_own(r);
    apikey_call_t *call = apikey_request_call(r);
    apikey_followup_t *this;

    if (!call || !r->main || r->prev || r->main->per_dir_config == r->per_dir_config) {
        return;
    }
    this = apr_palloc(r->pool, sizeof(*this));
    this->all = &call->followups;
    this->next = call->followups;
    this->parent = r->main;
    this->policy = r->per_dir_config;
    this->verdict = own ? own->verdict : APIKEY_NO_VERDICT;
    this->record = own ? own->record : NULL;
    call->followups = this;
    apr_pool_cleanup_register(r->pool, this, forget, apr_pool_cleanup_null);
}

static void become(request_rec *r, const apikey_request_t *state, char *auth_type)
{
    r->user = (char *)state->user;
    r->ap_auth_type = state->user ? auth_type : NULL;
}

/* The subrequest that this request has been made of since it was judged, or NULL. */
static const apikey_followup_t *promoted(const request_rec *r)
{
    const apikey_call_t *call = apikey_request_call(r);
    const apikey_request_t *own = apikey_request_own(r);
    const apikey_followup_t *at = call ? call->followups : NULL;

    if (!at || (own && own->policy == r->per_dir_config)) {
        return NULL;
    }
    while (at && !(at->parent == r && at->policy == r->per_dir_config)) {
        at = at->next;
    }
    return at;
}

/* mod_negotiation (before the fixups) and mod_dir (in them) find a file by a subrequest and put
 * the file's configuration, handler and environment into this request, but neither its user nor
 * its headers. Where another policy judged the file, its verdict counts. Whether that was so.
 */
static bool take_over(request_rec *r)
{
    const apikey_followup_t *from = promoted(r);

    if (from && from->verdict != APIKEY_NO_VERDICT) {
        const apikey_request_t *own = apikey_request_adopt(r, from->verdict, from->record);

        become(r, own,
               (char *)(apikey_request_auth(r) == APIKEY_AUTH_BASIC ? "Basic" : "Bearer"));
        apikey_identity_export(r, own);
    }
    return from != NULL;
}

/* Once for a call. */
static void count(request_rec *r, const apikey_request_t *state)
{
    apikey_request_meter(r, state);
    if (state->verdict == APIKEY_VALID && !r->main) {
        apikey_usage_count(r, state->key_id);
    }
}

/* Before mod_rewrite's per-directory rules, which may ask for the environment. */
__attribute__((flatten)) static int fixups(request_rec *r)
{
    const apikey_request_t *state;

    take_over(r);
    state = state_of(r);
    apikey_withhold(r);
    if (!ap_is_initial_req(r)) {
        apikey_scrub(r); /* what we told a proxied application before */
        note(r);
    }
    if (state && state != apikey_request_own(r)) {
        apikey_identity_export(r, state); /* a redirect has renamed it all */
    }
    if (state) {
        count(r, state);
    }
    if (state && !r->user && apikey_verdict_knows_caller(state->verdict)) {
        become(r, state, apikey_request_auth_type(r));
    }
    return DECLINED;
}

/* What mod_proxy is to pass this request to ("ajp://…", "balancer://…"), "" where that is not
 * known yet, NULL where it is not proxied. */
static const char *proxied_to(const request_rec *r)
{
    static const char mark[] = "proxy:";
    const size_t len = sizeof(mark) - 1;

    if (r->filename && strncmp(r->filename, mark, len) == 0) {
        return r->filename + len;
    }
    if (r->handler && strncmp(r->handler, mark, len) == 0) {
        return r->handler + len;
    }
    return r->proxyreq != PROXYREQ_NONE ? "" : NULL;
}

static bool begins(const char *text, const char *with)
{
    return ap_cstr_casecmpn(text, with, strlen(with)) == 0;
}

/* After mod_rewrite ([P] in a directory) has said whether this is proxied, and before
 * mod_headers, which may edit what we say. Not to the sites behind a forward proxy: who calls
 * is no business of theirs. */
static int fixups_proxied(request_rec *r)
{
    const char *to = r->proxyreq == PROXYREQ_PROXY ? NULL : proxied_to(r);

    if (!to) {
        return DECLINED;
    }
    if (begins(to, "ajp:") || begins(to, "balancer:")) { /* whose members may speak AJP */
        apikey_identity_set_ajp(r);
    }
    apikey_identity_set_headers(r);
    return DECLINED;
}

/* After mod_dir. Nothing is done to a request that is still itself: what mod_headers has set
 * since is to stay. */
static int fixups_promoted(request_rec *r)
{
    const apikey_request_t *own;

    if (!take_over(r)) {
        return DECLINED;
    }
    own = apikey_request_own(r);
    if (own && own->verdict != APIKEY_NO_VERDICT) {
        count(r, own);
    }
    note(r); /* the index of an index */
    apikey_withhold(r);
    return fixups_proxied(r);
}

void apikey_fixups_register(apr_pool_t *p)
{
    static const char *const before_rewrite[] = {"mod_rewrite.c", NULL};

    (void)p;
    ap_hook_fixups(fixups, NULL, before_rewrite, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(fixups_proxied, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_fixups(fixups_promoted, NULL, NULL, APR_HOOK_REALLY_LAST);
}
