/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: HTTPS of the load. A session sits between a connection's socket, which does not
 * block, and its buffers; it begins its handshake with the first bytes that are sent. Whom to believe
 * is said once for all connections. Thread: tls_new and tls_free main; a session is its worker's. */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/why.h"

struct tls;
struct tls_session;

/* ca_file: PEM, who may vouch for servers; NULL: the system's. is_insecure: believe anybody.
 * Errors: ERR_BAD_PARAMETER  the file has no certificate, or cannot be read: why names it */
MUST_USE enum err tls_new(const char *ca_file, bool is_insecure, struct tls **ret_tls,
                          struct why *why);
void tls_free(struct tls *tls); /* all sessions have ended; NULL is fine */

/* host: its certificate must be for this name or address. Borrows fd; the caller owns the session. */
struct tls_session *tls_open(struct tls *tls, int fd, const char *host);
void tls_close(struct tls_session *session); /* says farewell if it can; NULL is fine */
/* As read(2) and send(2): -1 with EAGAIN: when there is more to read, or room to write, try both
 * again; 0: the end; -1 with EPROTO: no certificate that can be believed, or senseless bytes. */
ssize_t tls_read(struct tls_session *session, void *data, size_t len);
ssize_t tls_write(struct tls_session *session, const void *data, size_t len);
/* The last of them waits for room to write, not for bytes to read. */
bool tls_wants_room(const struct tls_session *session);
/* What went wrong with the first session of all that could not be begun; "": nothing did. */
const char *tls_fault(const struct tls *tls);

#endif
