/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions are resumed by nobody: a load with new connections pays for each handshake in full, as a
 * client that comes for the first time does. */
#include "bench/tls.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct tls {
    SSL_CTX *context; /* owned */
    bool is_insecure;
    atomic_flag has_fault;
    char fault[256]; /* written once, by who set has_fault; read when the workers have ended */
};

struct tls_session {
    struct tls *tls; /* borrowed */
    SSL *ssl;        /* owned */
};

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());
    return text != NULL ? text : "no reason given";
}

enum err tls_new(const char *ca_file, bool is_insecure, struct tls **ret_tls, struct why *why)
{
    struct tls *tls = alloc_zero(sizeof(*tls));
    tls->is_insecure = is_insecure;
    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->context == NULL)
        abort(); /* out of memory */
    (void)SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    (void)SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                             SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                             SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(tls->context, is_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    bool is_read = ca_file != NULL ? SSL_CTX_load_verify_locations(tls->context, ca_file, NULL) == 1
                                   : SSL_CTX_set_default_verify_paths(tls->context) == 1;
    if (!is_read && !is_insecure) {
        (void)why_set(why, ERR_BAD_PARAMETER, "no certificates can be read from '%s': %s",
                      ca_file != NULL ? ca_file : "the system's store", reason());
        ERR_clear_error();
        tls_free(tls);
        return ERR_BAD_PARAMETER;
    }
    ERR_clear_error();
    *ret_tls = tls;
    return OK;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

const char *tls_fault(const struct tls *tls)
{
    return tls->fault;
}

/* A name is sent to the server, too; an address is not. */
static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    bool is_address =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    if (is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct tls_session *tls_open(struct tls *tls, int fd, const char *host)
{
    struct tls_session *session = alloc_zero(sizeof(*session));
    session->tls = tls;
    session->ssl = SSL_new(tls->context);
    if (session->ssl == NULL || SSL_set_fd(session->ssl, fd) != 1 ||
        !expect_host(session->ssl, host))
        abort(); /* out of memory */
    SSL_set_connect_state(session->ssl);
    return session;
}

void tls_close(struct tls_session *session)
{
    if (session == NULL)
        return;
    ERR_clear_error();
    if (SSL_is_init_finished(session->ssl))
        (void)SSL_shutdown(session->ssl);
    ERR_clear_error();
    SSL_free(session->ssl);
    free(session);
}

static void keep_fault(struct tls_session *session)
{
    struct tls *tls = session->tls;
    long verified = SSL_get_verify_result(session->ssl);
    bool is_distrust = !tls->is_insecure && verified != X509_V_OK;
    if (atomic_flag_test_and_set(&tls->has_fault))
        return;
    snprintf(tls->fault, sizeof(tls->fault), "%s%s",
             is_distrust ? "the server's certificate cannot be believed: " : "TLS: ",
             is_distrust ? X509_verify_cert_error_string(verified) : reason());
}

/* What a call of SSL_read or SSL_write gave, in errno's words. */
static ssize_t result_of(struct tls_session *session, int code)
{
    if (code > 0)
        return code;
    int error = SSL_get_error(session->ssl, code), fault = errno;
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (error == SSL_ERROR_SSL)
        keep_fault(session);
    ERR_clear_error();
    errno = error == SSL_ERROR_SYSCALL && fault != 0 ? fault : EPROTO;
    return -1;
}

bool tls_wants_room(const struct tls_session *session)
{
    return SSL_want_write(session->ssl);
}

ssize_t tls_read(struct tls_session *session, void *data, size_t len)
{
    ERR_clear_error();
    errno = 0;
    return result_of(session, SSL_read(session->ssl, data, len > INT_MAX ? INT_MAX : (int)len));
}

ssize_t tls_write(struct tls_session *session, const void *data, size_t len)
{
    ERR_clear_error();
    errno = 0;
    return result_of(session, SSL_write(session->ssl, data, len > INT_MAX ? INT_MAX : (int)len));
}
