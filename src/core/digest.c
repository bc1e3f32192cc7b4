/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdatomic.h>
#include <string.h>

const apikey_peppers_t apikey_no_pepper = {1, {{NULL, 0, ""}}};

/* Set before there are threads; NULL: libcrypto looks SHA-256 up each time. */
static EVP_MD *fetched;

/* A context that nobody uses at the moment: making one costs as much as a digest. */
static _Atomic(EVP_MD_CTX *) spare;

static apr_status_t release(void *unused)
{
    (void)unused;
    EVP_MD_CTX_free(atomic_exchange(&spare, NULL));
    EVP_MD_free(fetched);
    fetched = NULL;
    return APR_SUCCESS;
}

void apikey_digest_init(apr_pool_t *pool)
{
    if (!fetched) {
        fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
        apr_pool_cleanup_register(pool, NULL, release, apr_pool_cleanup_null);
    }
}

static const EVP_MD *sha256(void)
{
    return fetched ? fetched : EVP_sha256();
}

static bool plain_digest(unsigned char out[APIKEY_DIGEST_LEN], const char *text, size_t len)
{
    EVP_MD_CTX *ctx = atomic_exchange(&spare, NULL);
    bool done;

    if (!ctx) {
        ctx = EVP_MD_CTX_new();
    }
    done = ctx && EVP_DigestInit_ex(ctx, sha256(), NULL) == 1 &&
           EVP_DigestUpdate(ctx, text, len) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    /* One that failed is not used again. Only where a context outlives its digest, for it is
     * released with what was fetched. */
    EVP_MD_CTX_free(done && fetched ? atomic_exchange(&spare, ctx) : ctx);
    return done;
}

bool apikey_digest(unsigned char out[APIKEY_DIGEST_LEN], const apikey_pepper_t *pepper,
                   const char *text, size_t len)
{
    unsigned int outlen = 0;

    if (!pepper->bytes) {
        return plain_digest(out, text, len);
    }
    return HMAC(sha256(), pepper->bytes, (int)pepper->len, (const unsigned char *)text, len,
                out, &outlen) &&
           outlen == APIKEY_DIGEST_LEN;
}

bool apikey_digest_all(apikey_digests_t *out, const apikey_peppers_t *peppers, const char *text,
                       size_t len)
{
    for (out->count = 0; out->count < peppers->count; out->count++) {
        if (!apikey_digest(out->digest[out->count], &peppers->pepper[out->count], text, len)) {
            return false;
        }
    }
    return true;
}

/* The first half of HMAC(pepper, a fixed text): equal for equal peppers, of no use to anyone
 * who wants to compute digests. */
static bool fingerprint(apikey_pepper_t *pepper)
{
    static const char what[] = "mod_authn_apikey pepper fingerprint";
    static const char hex[] = "0123456789abcdef";
    unsigned char mac[APIKEY_DIGEST_LEN];
    size_t i;

    if (!apikey_digest(mac, pepper, what, sizeof(what) - 1)) {
        return false;
    }
    for (i = 0; i < sizeof(mac) / 4; i++) {
        pepper->fingerprint[2 * i] = hex[mac[i] >> 4];
        pepper->fingerprint[2 * i + 1] = hex[mac[i] & 15];
    }
    pepper->fingerprint[APIKEY_FINGERPRINT_LEN] = '\0';
    return true;
}

static apr_status_t cleanse(void *data)
{
    const apikey_pepper_t *copy = data;
    OPENSSL_cleanse((void *)copy->bytes, copy->len);
    return APR_SUCCESS;
}

static const char *why_refused(const apr_finfo_t *info)
{
    if (info->filetype != APR_REG) {
        return "it is not a plain file";
    }
    if (info->protection & 0x0077) {
        return "group or others have access to it; chmod 600 it";
    }
    if (info->size < APIKEY_PEPPER_MIN) {
        return "it is shorter than 32 bytes; make one of 32 random bytes";
    }
    return info->size > APIKEY_PEPPER_MAX ? "it is longer than 4096 bytes" : NULL;
}

const char *apikey_pepper_read(apikey_pepper_t *pepper, const char *path, apr_pool_t *pool)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t len;
    unsigned char *bytes;
    apikey_pepper_t *copy;
    const char *why;
    char buf[120];
    /* Opening a FIFO would wait for its writer. */
    apr_status_t rv = apr_stat(&info, path, APR_FINFO_TYPE, pool);

    if (rv == APR_SUCCESS && info.filetype != APR_REG) {
        return apr_psprintf(pool, "pepper file %s cannot be used: it is not a plain file",
                            path);
    }
    rv = apr_file_open(&file, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, pool);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(pool, "cannot open pepper file %s: %s", path,
                            apr_strerror(rv, buf, sizeof(buf)));
    }
    /* Of the open file, not of its name: nobody can change it in between. */
    rv = apr_file_info_get(&info, APR_FINFO_TYPE | APR_FINFO_PROT | APR_FINFO_SIZE, file);
    why = rv == APR_SUCCESS ? why_refused(&info) : apr_strerror(rv, buf, sizeof(buf));
    if (why) {
        apr_file_close(file);
        return apr_psprintf(pool, "pepper file %s cannot be used: %s", path, why);
    }
    bytes = apr_palloc(pool, (apr_size_t)info.size);
    rv = apr_file_read_full(file, bytes, (apr_size_t)info.size, &len);
    apr_file_close(file);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(pool, "cannot read pepper file %s: %s", path,
                            apr_strerror(rv, buf, sizeof(buf)));
    }
    pepper->bytes = bytes;
    pepper->len = len;
    copy = apr_pmemdup(pool, pepper, sizeof(*pepper));
    apr_pool_cleanup_register(pool, copy, cleanse, apr_pool_cleanup_null);
    return fingerprint(pepper) ? NULL : "libcrypto cannot compute HMAC-SHA-256";
}
