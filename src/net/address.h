/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as people write them: "10.0.0.7:7101", "[::1]:7101", "node2:7101", ":7101".
 * Knows the resolver of the C library, which may block for seconds: names of peers are asked for in
 * a thread of their own each time. Owns nothing that outlives a call but the questions that are
 * open. Private to the room. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <sys/socket.h>

#include "base/check.h"
#include "base/why.h"
#include "net/limits.h"

struct net_loop;

struct net_address {
    struct sockaddr_storage raw;
    socklen_t len;
};

struct net_addresses {
    struct net_address items[NET_ADDRESSES_MAX];
    unsigned count;
};

enum { NET_ADDRESS_TEXT_SIZE = 64 };

/* "127.0.0.1:7101", "[::1]:7101". */
void net_address_format(const struct sockaddr *raw, socklen_t len,
                        char ret_text[NET_ADDRESS_TEXT_SIZE]);

/* What to listen on; an empty host means all of them. May block on a name.
 * Errors: ERR_BAD_PARAMETER  not host:port, or the host is not known. */
MUST_USE enum err net_address_of_listener(const char *text, struct net_address *ret,
                                          struct why *why);

/* A question that is open. */
struct net_question;
typedef void net_on_addresses(const struct net_addresses *found, const struct why *why, void *arg);

/* Numbers are answered at once, by *ret; returns NULL then, with *ret_err. A name is asked for
 * elsewhere: on_done(found, NULL, arg) or on_done(NULL, why, arg) comes on the loop and ends the
 * question, unless net_address_forget ended it before. Thread: loop */
struct net_question *net_address_ask(struct net_loop *loop, const char *text,
                                     net_on_addresses *on_done, void *arg,
                                     struct net_addresses *ret, enum err *ret_err, struct why *why);
void net_address_forget(struct net_question *question); /* NULL is fine. Thread: loop */

#endif
