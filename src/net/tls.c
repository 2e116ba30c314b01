/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions are never resumed: each link's handshake looks at the certificate anew, so that one that
 * is over, or an authority that was replaced, counts from the next link on. Links that are open stay
 * open. That a connection ends without TLS's own farewell is no fault: frames have lengths and
 * checksums of their own, and a killed process says no farewell. */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "sys/log.h"
#include "sys/thread.h"

enum { URI_MAX_BYTES = 512, VERIFY_DEPTH_MAX = 4 };

struct net_tls {
    char *authority, *certificate, *key, *cluster_id; /* owned */
    char *revoked;                                    /* owned; NULL: no lists */
    node_id self;
    struct mutex lock;
    SSL_CTX *context; /* owned, under lock; sessions hold it too */
    uint64_t expiry_s;
};

/* OpenSSL's first words about what went wrong; its list is empty after that. */
static const char *reason(unsigned long error)
{
    const char *text = error != 0 ? ERR_reason_error_string(error) : NULL;
    return text != NULL ? text : "no reason given";
}

static enum err refuse(struct why *why, const char *path, const char *what)
{
    unsigned long error = ERR_get_error();
    enum err err = ERR_GET_LIB(error) == ERR_LIB_SYS ? ERR_IO : ERR_BAD_CONFIG;
    (void)why_set(why, err, "%s: %s: %s", path, what, reason(error));
    ERR_clear_error();
    return err;
}

/* ---- who a certificate is for ------------------------------------------------------------------ */

/* "lethe://cluster/17", and nothing else. */
static bool parse_uri(struct bytes uri, const char *cluster_id, node_id *ret_node)
{
    char prefix[URI_MAX_BYTES];
    int len = snprintf(prefix, sizeof(prefix), "lethe://%s/", cluster_id);
    if (len < 0 || (size_t)len >= sizeof(prefix) || uri.len <= (size_t)len ||
        uri.len - (size_t)len > 5 || memcmp(uri.data, prefix, (size_t)len) != 0) {
        return false;
    }
    node_id node = 0;
    for (size_t i = (size_t)len; i < uri.len; i++) {
        if (uri.data[i] < '0' || uri.data[i] > '9') {
            return false;
        }
        node = node * 10 + (node_id)(uri.data[i] - '0');
    }
    *ret_node = node;
    return node > 0 && uri.data[len] != '0';
}

/* The node that the certificate is for; 0: none of this cluster, or more than one. */
static node_id node_of(X509 *certificate, const char *cluster_id)
{
    node_id ret = 0;
    unsigned found = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        node_id node = 0;
        if (name->type != GEN_URI) {
            continue;
        }
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        struct bytes text = bytes_of(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
        if (parse_uri(text, cluster_id, &node)) {
            ret = node;
            found++;
        }
    }
    GENERAL_NAMES_free(names);
    return found == 1 ? ret : 0;
}

/* ---- reading the files -------------------------------------------------------------------------- */

static uint64_t expiry_of(X509 *certificate)
{
    struct tm end;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) {
        return 0;
    }
    time_t seconds = timegm(&end);
    return seconds > 0 ? (uint64_t)seconds : 0;
}

/* That the authority vouches for the own certificate: else every peer would refuse this node. One
 * that is over is told and taken: the node can still serve clients. */
static enum err check_own(const struct net_tls *tls, SSL_CTX *context, struct why *why)
{
    X509 *own = SSL_CTX_get0_certificate(context);
    node_id node = node_of(own, tls->cluster_id);
    if (node != tls->self) {
        return why_set(why, ERR_BAD_CONFIG,
                       "%s is not the certificate of this node: it needs the URI lethe://%s/%llu "
                       "among its alternative names",
                       tls->certificate, tls->cluster_id, (unsigned long long)tls->self);
    }
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_get0_chain_certs(context, &chain);
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    bool is_ready = check != NULL &&
                    X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(context), own, chain) == 1;
    bool is_good = is_ready && X509_verify_cert(check) == 1;
    int fault = is_ready ? X509_STORE_CTX_get_error(check) : X509_V_ERR_OUT_OF_MEM;
    X509_STORE_CTX_free(check);
    ERR_clear_error();
    if (!is_good && fault == X509_V_ERR_CERT_HAS_EXPIRED) {
        log_error("net", "the certificate for peers is over: none will talk to this node",
                  "file=%s", LOG_QUOTED(tls->certificate));
        return OK;
    }
    if (!is_good) {
        return why_set(why, ERR_BAD_CONFIG, "the authority in %s does not vouch for %s: %s",
                       tls->authority, tls->certificate, X509_verify_cert_error_string(fault));
    }
    return OK;
}

static void set_rules(SSL_CTX *context)
{
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                           SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_num_tickets(context, 0);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    /* What waits may have moved when libevent tries again. */
    (void)SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify_depth(context, VERIFY_DEPTH_MAX);
#ifndef LETHE_MUTANT_any_certificate
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
#endif
}

/* A list that is over still says what was taken back, and an authority without one took nothing back:
 * neither is a reason to cut a cluster's links. Everything else is. */
static int on_verify(int is_good, X509_STORE_CTX *check)
{
    int fault = X509_STORE_CTX_get_error(check);
    if (!is_good &&
        (fault == X509_V_ERR_CRL_HAS_EXPIRED || fault == X509_V_ERR_UNABLE_TO_GET_CRL)) {
        X509_STORE_CTX_set_error(check, X509_V_OK);
        return 1;
    }
    return is_good;
}

static enum err load_revoked(const struct net_tls *tls, SSL_CTX *context, struct why *why)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    if (tls->revoked == NULL) {
        return OK;
    }
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (lookup == NULL || X509_load_crl_file(lookup, tls->revoked, X509_FILETYPE_PEM) < 1) {
        return refuse(why, tls->revoked, "no list of revoked certificates");
    }
#ifndef LETHE_MUTANT_revoked_welcome
    (void)X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
#endif
    X509_STORE_set_verify_cb(store, on_verify);
    return OK;
}

static enum err fill_context(const struct net_tls *tls, SSL_CTX *context, struct why *why)
{
    set_rules(context);
    if (SSL_CTX_load_verify_locations(context, tls->authority, NULL) != 1) {
        return refuse(why, tls->authority, "no certificates of an authority");
    }
    enum err err = load_revoked(tls, context, why);
    if (err != OK) {
        return err;
    }
    if (SSL_CTX_use_certificate_chain_file(context, tls->certificate) != 1) {
        return refuse(why, tls->certificate, "no certificate");
    }
    if (SSL_CTX_use_PrivateKey_file(context, tls->key, SSL_FILETYPE_PEM) != 1) {
        return refuse(why, tls->key, "no key, or not that of the certificate");
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        return refuse(why, tls->key, "not the key of the certificate");
    }
    return check_own(tls, context, why);
}

static int no_password(char *text, int size, int for_writing, void *arg)
{
    (void)text, (void)size, (void)for_writing, (void)arg;
    return 0; /* never ask on a terminal */
}

static enum err load(const struct net_tls *tls, SSL_CTX **ret_context, struct why *why)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context == NULL) {
        return refuse(why, tls->certificate, "TLS cannot begin");
    }
    SSL_CTX_set_default_passwd_cb(context, no_password);
    enum err err = fill_context(tls, context, why);
    if (err != OK) {
        SSL_CTX_free(context);
        return err;
    }
    *ret_context = context;
    return OK;
}

enum err net_tls_open(const struct net_tls_files *files, const char *cluster_id, node_id self,
                      struct net_tls **ret_tls, struct why *why)
{
    struct net_tls *tls = alloc_zero(sizeof(*tls));
    tls->authority = alloc_string(files->authority);
    tls->certificate = alloc_string(files->certificate);
    tls->key = alloc_string(files->key);
    bool has_lists = files->revoked != NULL && files->revoked[0] != '\0';
    tls->revoked = has_lists ? alloc_string(files->revoked) : NULL;
    tls->cluster_id = alloc_string(cluster_id);
    tls->self = self;
    mutex_init(&tls->lock);
    enum err err = load(tls, &tls->context, why);
    if (err != OK) {
        net_tls_close(tls);
        return err;
    }
    tls->expiry_s = expiry_of(SSL_CTX_get0_certificate(tls->context));
    *ret_tls = tls;
    return OK;
}

void net_tls_close(struct net_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_CTX_free(tls->context);
    mutex_done(&tls->lock);
    free(tls->authority);
    free(tls->certificate);
    free(tls->key);
    free(tls->revoked);
    free(tls->cluster_id);
    free(tls);
}

enum err net_tls_reload(struct net_tls *tls, struct why *why)
{
    SSL_CTX *fresh = NULL;
    enum err err = load(tls, &fresh, why);
    if (err != OK) {
        return err;
    }
    uint64_t expiry_s = expiry_of(SSL_CTX_get0_certificate(fresh));
    mutex_lock(&tls->lock);
    SSL_CTX *before = tls->context;
    tls->context = fresh;
    tls->expiry_s = expiry_s;
    mutex_unlock(&tls->lock);
    SSL_CTX_free(before);
    log_info("net", "the certificate for peers was read again", "expiry=%llu",
             (unsigned long long)expiry_s);
    return OK;
}

uint64_t net_tls_expiry_s(struct net_tls *tls)
{
    mutex_lock(&tls->lock);
    uint64_t ret = tls->expiry_s;
    mutex_unlock(&tls->lock);
    return ret;
}

/* ---- sessions ----------------------------------------------------------------------------------- */

struct ssl_st *net_tls_session(struct net_tls *tls)
{
    mutex_lock(&tls->lock);
    SSL *session = SSL_new(tls->context);
    mutex_unlock(&tls->lock);
    if (session == NULL) {
        abort(); /* out of memory */
    }
    return session;
}

enum err net_tls_identify(struct net_tls *tls, struct ssl_st *session, node_id *ret_node,
                          struct why *why)
{
    X509 *certificate = SSL_get0_peer_certificate(session);
    node_id node = certificate != NULL ? node_of(certificate, tls->cluster_id) : 0;
    if (node == 0) {
        return why_set(why, ERR_WRONG_IDENTITY,
                       "its certificate is not that of a node of cluster '%s': it needs one URI "
                       "like lethe://%s/1 among its alternative names",
                       tls->cluster_id, tls->cluster_id);
    }
    *ret_node = node;
    return OK;
}

bool net_tls_is_revoked(struct net_tls *tls, struct ssl_st *session, struct why *why)
{
    X509 *certificate = SSL_get0_peer_certificate(session);
    if (tls->revoked == NULL || certificate == NULL) {
        return false;
    }
    mutex_lock(&tls->lock);
    X509_STORE *store = SSL_CTX_get_cert_store(tls->context);
    (void)X509_STORE_up_ref(store);
    mutex_unlock(&tls->lock);
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    bool is_ready = check != NULL && X509_STORE_CTX_init(check, store, certificate,
                                                         SSL_get_peer_cert_chain(session)) == 1;
    bool is_revoked = is_ready && X509_verify_cert(check) != 1 &&
                      X509_STORE_CTX_get_error(check) == X509_V_ERR_CERT_REVOKED;
    X509_STORE_CTX_free(check);
    X509_STORE_free(store);
    ERR_clear_error();
    if (is_revoked) {
        (void)why_set(why, ERR_WRONG_IDENTITY, "its certificate was revoked: %s has it",
                      tls->revoked);
    }
    return is_revoked;
}

bool net_tls_is_error(unsigned long code)
{
    return ERR_GET_LIB(code) != 0 && !ERR_SYSTEM_ERROR(code);
}

bool net_tls_explain(struct ssl_st *session, unsigned long error, struct why *why)
{
    long verdict = SSL_get_verify_result(session);
    if (verdict != X509_V_OK) {
        (void)why_set(why, ERR_WRONG_IDENTITY, "its certificate is not good here: %s",
                      X509_verify_cert_error_string(verdict));
        return true;
    }
    bool has_none = ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
    (void)why_set(why, ERR_WRONG_IDENTITY, "no TLS session: %s", reason(error));
    return has_none;
}
