/* SPDX-License-Identifier: Apache-2.0 */
/* What a handshake was given is used until that handshake is over, and the library has no word for
 * when that is. But every connection has an absolute deadline for its first header, the handshake
 * included: a pair that was replaced longer ago than RETIRED_MS is nobody's any more. */
#include "http/tls.h"

#include <gnutls/x509.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/list.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/thread.h"

enum { CHAIN_MAX = 8, FILE_MAX_BYTES = 256 * 1024, RETIRED_MS = 120000, KEY_ID_BYTES = 32 };

/* A certificate's chain and its key. */
struct pair {
    struct list item; /* in tls->retired */
    uint64_t retired_ms;
    struct buf certificate_pem, key_pem;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_len;
    gnutls_privkey_t key;
    uint64_t expiry_s;
};

struct tls {
    char *certificate, *key; /* owned: paths */
    struct mutex lock;
    struct pair *current; /* owned, under lock */
    struct list retired;  /* main's */
};

static _Thread_local struct tls *served;

static void pair_free(struct pair *pair)
{
    if (pair == NULL)
        return;
    for (unsigned i = 0; i < pair->chain_len; i++)
        gnutls_pcert_deinit(&pair->chain[i]);
    if (pair->key != NULL)
        gnutls_privkey_deinit(pair->key);
    buf_done(&pair->certificate_pem);
    buf_done(&pair->key_pem);
    free(pair);
}

static enum err refuse(struct why *why, const char *path, const char *what, int code)
{
    return why_set(why, ERR_BAD_CONFIG, "%s: %s: %s", path, what, gnutls_strerror(code));
}

static gnutls_datum_t datum_of(const struct buf *buf)
{
    return (gnutls_datum_t){.data = buf->data, .size = (unsigned)buf->len};
}

static enum err read_expiry(struct pair *pair, const char *path, struct why *why)
{
    gnutls_x509_crt_t first = NULL;
    gnutls_datum_t pem = datum_of(&pair->certificate_pem);
    int code = gnutls_x509_crt_init(&first);
    if (code == 0)
        code = gnutls_x509_crt_import(first, &pem, GNUTLS_X509_FMT_PEM);
    time_t end = code == 0 ? gnutls_x509_crt_get_expiration_time(first) : 0;
    if (first != NULL)
        gnutls_x509_crt_deinit(first);
    if (code != 0)
        return refuse(why, path, "no certificate", code);
    pair->expiry_s = end > 0 ? (uint64_t)end : 0;
    return OK;
}

static int key_id(gnutls_pubkey_t key, uint8_t ret_id[KEY_ID_BYTES])
{
    size_t size = KEY_ID_BYTES;
    return gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, ret_id, &size);
}

static enum err check_match(struct pair *pair, const char *certificate, const char *key,
                            struct why *why)
{
    uint8_t theirs[KEY_ID_BYTES] = {0}, ours[KEY_ID_BYTES] = {1};
    gnutls_pubkey_t public = NULL;
    int code = gnutls_pubkey_init(&public);
    if (code == 0)
        code = gnutls_pubkey_import_privkey(public, pair->key, 0, 0);
    if (code == 0)
        code = key_id(public, ours);
    if (code == 0)
        code = key_id(pair->chain[0].pubkey, theirs);
    if (public != NULL)
        gnutls_pubkey_deinit(public);
    if (code != 0)
        return refuse(why, key, "the key cannot be used", code);
    if (memcmp(ours, theirs, sizeof(ours)) != 0)
        return why_set(why, ERR_BAD_CONFIG, "%s is not the key of the certificate in %s", key,
                       certificate);
    return OK;
}

static enum err parse_pair(struct pair *pair, const char *certificate, const char *key,
                           struct why *why)
{
    gnutls_datum_t certificate_pem = datum_of(&pair->certificate_pem);
    gnutls_datum_t key_pem = datum_of(&pair->key_pem);
    unsigned count = CHAIN_MAX;
    int code = gnutls_pcert_list_import_x509_raw(pair->chain, &count, &certificate_pem,
                                                 GNUTLS_X509_FMT_PEM, 0);
    if (code != 0)
        return refuse(why, certificate, "no certificate in PEM, or more than 8", code);
    pair->chain_len = count;
    code = gnutls_privkey_init(&pair->key);
    if (code == 0)
        code = gnutls_privkey_import_x509_raw(pair->key, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (code != 0)
        return refuse(why, key, "no key in PEM without a password", code);
    enum err err = check_match(pair, certificate, key, why);
    return err == OK ? read_expiry(pair, certificate, why) : err;
}

static enum err load_pair(const char *certificate, const char *key, struct pair **ret_pair,
                          struct why *why)
{
    struct pair *pair = alloc_zero(sizeof(*pair));
    list_init(&pair->item);
    enum err err = file_read(certificate, FILE_MAX_BYTES, &pair->certificate_pem, why);
    if (err == OK)
        err = file_read(key, FILE_MAX_BYTES, &pair->key_pem, why);
    if (err == OK)
        err = parse_pair(pair, certificate, key, why);
    if (err != OK) {
        pair_free(pair);
        return err;
    }
    if (pair->expiry_s < clock_wall_ms() / 1000)
        log_warn("http", "the certificate is over: clients that look will not connect", "file=%s",
                 LOG_QUOTED(certificate));
    *ret_pair = pair;
    return OK;
}

enum err tls_open(const char *certificate, const char *key, struct tls **ret_tls, struct why *why)
{
    struct pair *pair = NULL;
    enum err err = load_pair(certificate, key, &pair, why);
    if (err != OK)
        return err;
    struct tls *tls = alloc_zero(sizeof(*tls));
    tls->certificate = alloc_string(certificate);
    tls->key = alloc_string(key);
    mutex_init(&tls->lock);
    list_init(&tls->retired);
    tls->current = pair;
    *ret_tls = tls;
    return OK;
}

/* Frees the pairs that were replaced before before_ms. */
static void free_retired(struct tls *tls, uint64_t before_ms)
{
    struct list *item = tls->retired.next;
    while (item != &tls->retired) {
        struct pair *pair = CONTAINER_OF(item, struct pair, item);
        item = item->next;
        if (pair->retired_ms < before_ms) {
            list_remove(&pair->item);
            pair_free(pair);
        }
    }
}

void tls_close(struct tls *tls)
{
    if (tls == NULL)
        return;
    free_retired(tls, UINT64_MAX);
    pair_free(tls->current);
    mutex_done(&tls->lock);
    free(tls->certificate);
    free(tls->key);
    free(tls);
}

static bool is_same(const struct pair *a, const struct pair *b)
{
    return bytes_is_equal(buf_bytes(&a->certificate_pem), buf_bytes(&b->certificate_pem)) &&
           bytes_is_equal(buf_bytes(&a->key_pem), buf_bytes(&b->key_pem));
}

enum err tls_reload(struct tls *tls, struct why *why)
{
    struct pair *fresh = NULL;
    enum err err = load_pair(tls->certificate, tls->key, &fresh, why);
    if (err != OK)
        return err;
    if (is_same(tls->current, fresh)) {
        pair_free(fresh);
        return OK;
    }
    uint64_t now_ms = clock_mono_ms();
    mutex_lock(&tls->lock);
    struct pair *before = tls->current;
    tls->current = fresh;
    mutex_unlock(&tls->lock);
    before->retired_ms = now_ms;
    list_append(&tls->retired, &before->item);
    free_retired(tls, now_ms > RETIRED_MS ? now_ms - RETIRED_MS : 0);
    log_info("http", "the certificate was read again", "expiry=%llu",
             (unsigned long long)fresh->expiry_s);
    return OK;
}

uint64_t tls_expiry_s(struct tls *tls)
{
    mutex_lock(&tls->lock);
    uint64_t ret = tls->current->expiry_s;
    mutex_unlock(&tls->lock);
    return ret;
}

void tls_serve(struct tls *tls)
{
    served = tls;
}

/* The library gives no argument: a handshake is on the thread of its connection's loop. */
int tls_on_handshake(gnutls_session_t session, const gnutls_datum_t *authorities,
                     int authorities_count, const gnutls_pk_algorithm_t *algorithms,
                     int algorithms_count, gnutls_pcert_st **ret_chain, unsigned *ret_chain_len,
                     gnutls_privkey_t *ret_key)
{
    (void)session, (void)authorities, (void)authorities_count;
    (void)algorithms, (void)algorithms_count;
    struct tls *tls = served;
    assert(tls != NULL);
    mutex_lock(&tls->lock);
    *ret_chain = tls->current->chain;
    *ret_chain_len = tls->current->chain_len;
    *ret_key = tls->current->key;
    mutex_unlock(&tls->lock);
    return 0;
}
