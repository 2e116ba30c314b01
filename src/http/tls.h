/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate that clients are shown: a chain and its key from two PEM files, replaced while
 * connections go on. The handshake itself is the library's (libmicrohttpd, by GnuTLS).
 * Thread: main for open, reload and close; a loop's own for tls_serve. */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdint.h>

#include "base/why.h"

/* TLS 1.2 and 1.3. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

struct tls;

/* Reads both files. On success the caller owns *ret_tls.
 * Errors: ERR_BAD_CONFIG  no certificate or key in them, or they do not belong together
 *         ERR_NOT_FOUND, ERR_IO, ERR_TOO_LARGE  a file cannot be read */
MUST_USE enum err tls_open(const char *certificate, const char *key, struct tls **ret_tls,
                           struct why *why);
/* The loops have ended. NULL is fine. */
void tls_close(struct tls *tls);
/* Reads both again; handshakes from now on show what is new. On a fault all stays as it is. */
MUST_USE enum err tls_reload(struct tls *tls, struct why *why);
/* When the certificate ends, in seconds since 1970. Thread: any */
uint64_t tls_expiry_s(struct tls *tls);

/* From now on this thread's handshakes are served by tls, which outlives the thread. */
void tls_serve(struct tls *tls);
/* What the library asks in each handshake. */
int tls_on_handshake(gnutls_session_t session, const gnutls_datum_t *authorities,
                     int authorities_count, const gnutls_pk_algorithm_t *algorithms,
                     int algorithms_count, gnutls_pcert_st **ret_chain, unsigned *ret_chain_len,
                     gnutls_privkey_t *ret_key);

#endif
