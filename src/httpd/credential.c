/* SPDX-License-Identifier: Apache-2.0 */
#include "credential.h"

#include "config.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_log.h>
#include <string.h>

APLOG_USE_MODULE(authn_apikey);

static bool is_authorization(const char *name)
{
    return name == apikey_authorization;
}

const char *apikey_credential_header(const request_rec *r, const char *name)
{
    return r->proxyreq == PROXYREQ_PROXY && is_authorization(name) ? "Proxy-Authorization"
                                                                   : name;
}

/* RFC 6750 section 2.1: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=". The comma
 * by which httpd joins repeated headers is not among them. */
static bool is_b64token(const char *text, size_t len)
{
    static const bool legal[256] = {
        ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
        ['-'] = true,         ['.'] = true,         ['_'] = true,
        ['~'] = true,         ['+'] = true,         ['/'] = true};
    bool all = true;
    size_t i;

    while (len > 1 && text[len - 1] == '=') {
        len--;
    }
#pragma GCC unroll 8
    for (i = 0; i < len; i++) { /* without a branch: nearly all there are are legal */
        all &= legal[(unsigned char)text[i]];
    }
    return all && len > 0;
}

/* RFC 9110 section 5.6.2: what a scheme's name consists of. */
static bool is_tchar(char c)
{
    return c && (apr_isalnum(c) || strchr("!#$%&'*+-.^_`|~", c));
}

/* Where the scheme is Bearer (RFC 9110 section 11.1: in any case), what follows the word. */
static const char *after_bearer(const char *value)
{
    static const char scheme[] = "Bearer";
    const size_t len = sizeof(scheme) - 1;

    if (value[0] == 'B' && value[1] == 'e' && value[2] == 'a' && value[3] == 'r' &&
        value[4] == 'e' && value[5] == 'r' && value[6] == ' ') {
        return value + len; /* as everybody writes it */
    }
    if (ap_cstr_casecmpn(value, scheme, len) != 0) {
        return NULL;
    }
    /* `Bearertoken` and `Bearer-x` are other schemes; any other sequel is ours to refuse. */
    return is_tchar(value[len]) ? NULL : value + len;
}

/* Whether Bearer follows another scheme: of repeated headers httpd makes one, with a comma. */
static bool bearer_joined(const char *value)
{
    while ((value = strchr(value, ',')) != NULL) {
        const char *rest;

        value += 1 + strspn(value + 1, " \t");
        rest = after_bearer(value);
        if (rest && *rest == ' ') {
            return true;
        }
    }
    return false;
}

bool apikey_credential_is(const char *name, const char *value)
{
    return !is_authorization(name) || after_bearer(value) || bearer_joined(value);
}

/* What stands in a key's place in a header's value, "" for nothing; NULL where the header holds
 * no credential. */
static const char *text_of(const char *name, const char *value)
{
    const char *rest;

    if (!is_authorization(name)) {
        return value;
    }
    rest = after_bearer(value);
    if (!rest) {
        return bearer_joined(value) ? "" : NULL;
    }
    if (*rest != ' ') {
        return "";
    }
    while (*rest == ' ') { /* RFC 6750: 1*SP */
        rest++;
    }
    return rest;
}

static apikey_form_t form_of(const apikey_server_conf_t *conf, const apikey_credential_t *cred)
{
    apikey_owner_t kind;

    if (cred->is_shaped) {
        return apikey_keyfmt_intact(cred->text, cred->len) ? APIKEY_FORM_OURS
                                                           : APIKEY_FORM_DAMAGED;
    }
    return apikey_keyfmt_parse(cred->text, cred->len, (const char *const *)conf->prefixes->elts,
                               conf->prefixes->nelts, &kind);
}

void apikey_credential_examine(const request_rec *r, apikey_credential_t *cred)
{
    const apikey_server_conf_t *conf = apikey_server_conf(r->server);

    if (cred->examined || !cred->text) {
        return;
    }
    cred->examined = true;
    cred->form = form_of(conf, cred);
    if (cred->form != APIKEY_FORM_OURS) { /* which are tokens all */
        cred->malformed = cred->is_token ? !is_b64token(cred->text, cred->len) : cred->len == 0;
    }
    cred->checkable =
        !cred->malformed && (cred->form == APIKEY_FORM_OURS ||
                             (cred->form == APIKEY_FORM_FOREIGN && conf->foreign));
}

bool apikey_credential_digest(const request_rec *r, apikey_credential_t *cred)
{
    const apikey_server_conf_t *conf = apikey_server_conf(r->server);
    apikey_digests_t *digests;

    apikey_credential_examine(r, cred);
    if (cred->text && cred->checkable && !cred->digests) {
        digests = apr_palloc(apikey_request_call(r)->pool, sizeof(*digests));
        if (apikey_digest_all(
                digests, cred->form == APIKEY_FORM_OURS ? conf->peppers : &apikey_no_pepper,
                cred->text, cred->len)) {
            cred->digests = digests;
        }
        else {
            ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "AK0010: libcrypto cannot digest a key");
        }
    }
    cred->text = NULL;
    return cred->digests != NULL;
}

static bool is_header(const char *a, const char *b)
{
    return a == b || ap_cstr_casecmp(a, b) == 0;
}

static apikey_credential_t *find_seen(const apikey_call_t *call, const char *header,
                                      apikey_mac_t mac)
{
    apikey_credential_t *kept;

    for (kept = call->credentials; kept; kept = kept->next) {
        if (kept->may_be_known && memcmp(&kept->mac, &mac, sizeof(mac)) == 0 &&
            is_header(kept->header, header)) {
            break;
        }
    }
    return kept;
}

static apikey_credential_t *add(apikey_call_t *call)
{
    apikey_credential_t *cred =
        call->credentials ? apr_palloc(call->pool, sizeof(*cred)) : &call->room;

    *cred = (apikey_credential_t){.next = call->credentials};
    call->credentials = cred;
    return cred;
}

static apikey_credential_t *recall(const request_rec *r, const char *header)
{
    const apikey_call_t *call = apikey_request_call(r);
    apikey_credential_t *kept = call ? call->credentials : NULL;

    while (kept && !is_header(kept->header, header)) {
        kept = kept->next;
    }
    return kept;
}

/* Adds what was read to what the call has seen, or gives back what it has: the database is
 * asked once for each credential of a call. */
static apikey_credential_t *take(request_rec *r, const char *header, const char *text,
                                 bool is_token)
{
    const apikey_server_conf_t *conf = apikey_server_conf(r->server);
    apikey_call_t *call = apikey_request_make(r)->call;
    const size_t len = strlen(text);
    const bool is_shaped = apikey_keyfmt_shaped(
        text, len, (const char *const *)conf->prefixes->elts, conf->prefixes->nelts);
    const bool may_be_known = is_shaped || conf->foreign;
    apikey_credential_t *cred = NULL;
    apikey_mac_t mac = {{0, 0}};

    if (may_be_known) {
        mac = apikey_mac_of(&conf->mac, text, len);
        cred = find_seen(call, header, mac);
    }
    if (!cred) {
        cred = add(call);
        /* What a .htaccess says lives as long as the subrequest that has read it. */
        cred->header = r->main && header != apikey_authorization
                           ? apr_pstrdup(call->pool, header)
                           : header;
        cred->is_token = is_token;
        cred->is_shaped = is_shaped;
        cred->may_be_known = may_be_known;
        cred->mac = mac;
    }
    if (!cred->looked_up) {
        cred->text = text;
        cred->len = len;
    }
    return cred;
}

apikey_credential_t *apikey_credential_from_text(request_rec *r, const char *header,
                                                 const char *text)
{
    return take(r, header, text, false);
}

apikey_credential_t *apikey_credential_get(request_rec *r)
{
    const apr_array_header_t *names = apikey_conf_headers(apikey_dir_conf(r));
    apikey_credential_t *found = NULL;
    int i;

    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const char *value = apr_table_get(r->headers_in, apikey_credential_header(r, name));
        const char *text = value ? text_of(name, value) : NULL;
        apikey_credential_t *cred = text    ? take(r, name, text, true)
                                    : value ? NULL
                                            : recall(r, name);

        if (found && cred) {
            return take(r, name, "", true); /* RFC 6750 section 2: one method in each request */
        }
        found = cred ? cred : found;
    }
    return found;
}

bool apikey_credential_present(request_rec *r)
{
    const apr_array_header_t *names = apikey_conf_headers(apikey_dir_conf(r));
    int i;

    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const char *value = apr_table_get(r->headers_in, apikey_credential_header(r, name));

        if (value ? apikey_credential_is(name, value) : recall(r, name) != NULL) {
            return true;
        }
    }
    return false;
}
