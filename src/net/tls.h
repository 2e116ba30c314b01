/* SPDX-License-Identifier: Apache-2.0 */
/* TLS between members, both sides proving who they are by a certificate of the cluster's own
 * authority. A certificate names its node by a URI among its alternative names:
 *
 *     lethe://<cluster id>/<node id>
 *
 * and is good for that node alone. Knows OpenSSL, and no links. Private to the room.
 * Thread: any, but open and close. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/net.h"

struct ssl_st;
struct net_tls;

/* Reads the files; the own certificate must be good, and that of this node.
 * Errors: ERR_BAD_CONFIG  why has the file, and what to do
 *         ERR_NOT_FOUND, ERR_IO  a file cannot be read */
MUST_USE enum err net_tls_open(const struct net_tls_files *files, const char *cluster_id,
                               node_id self, struct net_tls **ret_tls, struct why *why);
void net_tls_close(struct net_tls *tls); /* no session is open. NULL is fine */
/* The same files again, for sessions that begin from now on; on a fault all stays as it is. */
MUST_USE enum err net_tls_reload(struct net_tls *tls, struct why *why);
uint64_t net_tls_expiry_s(struct net_tls *tls); /* of the own certificate, since 1970 */

/* A session that is about to begin; whoever takes it frees it. */
struct ssl_st *net_tls_session(struct net_tls *tls);
/* After the handshake: the node of this cluster that the other side proved to be.
 * Errors: ERR_WRONG_IDENTITY  its certificate names none */
MUST_USE enum err net_tls_identify(struct net_tls *tls, struct ssl_st *session, node_id *ret_node,
                                   struct why *why);
/* Whether the other side's certificate was taken back since the handshake; why then says so. Any other
 * fault that it has by now counts from the next handshake on. */
bool net_tls_is_revoked(struct net_tls *tls, struct ssl_st *session, struct why *why);
/* Whether a code is an error of TLS, and not of the system or of libevent. */
bool net_tls_is_error(unsigned long code);
/* Why a handshake failed, in words. True: it was this side that found the other's certificate bad. */
bool net_tls_explain(struct ssl_st *session, unsigned long error, struct why *why);

#endif
