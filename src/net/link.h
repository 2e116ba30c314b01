/* SPDX-License-Identifier: Apache-2.0 */
/* One connection, made or accepted: bytes to frames and back, its handshake's time, pings, silence.
 *
 * Knows the socket, its TLS session and how alive it is. Refuses to know who is at the other end
 * (but for what a certificate says) and what frames mean: its owner does. What the socket is made of
 * is decided in one function of link.c. Thread: loop. Private to the room. */
#ifndef NET_LINK_H
#define NET_LINK_H

#include "base/list.h"
#include "net/address.h"
#include "net/net.h"
#include "net/sendq.h"
#include "wire/frame.h"

struct bufferevent;
struct net_peer;
struct net_outlet;

enum net_link_state {
    NET_LINK_CONNECTING, /* made by us and not connected yet; with TLS: nobody has proven who it is */
    NET_LINK_GREETING,   /* connected, the handshake is under way */
    NET_LINK_OPEN,
    NET_LINK_ENDING /* a refusal was written; it goes as soon as that left */
};

enum net_close {
    NET_CLOSE_GONE,    /* the other side closed it */
    NET_CLOSE_FAILED,  /* the network did */
    NET_CLOSE_SILENT,  /* nothing came for too long, or no handshake */
    NET_CLOSE_GARBAGE, /* what came was not to be understood */
    NET_CLOSE_REFUSED, /* handshake, by either side */
    NET_CLOSE_OURS     /* replaced, idle, removed, stopping */
};

struct net_link {
    unsigned magic;
    struct list item; /* in net->links */
    struct net *net;
    const struct net_link_owner *owner;
    struct bufferevent *bev; /* owned */
    struct ssl_st *session;  /* borrowed from bev; NULL: plain */
    node_id certified;       /* who the other side proved to be by TLS; 0: nobody yet */
    struct evbuffer *ready;  /* owned: on its way to the socket, past bev */
    struct frame_reader reader;
    enum net_link_state state;
    bool is_ours;              /* made by us: we send, and ping */
    bool is_busy, is_closed;   /* inside a callback of the owner; to be freed after it */
    bool peer_was_known;       /* once OPEN: no stranger any more */
    bool is_connecting_now;    /* inside bufferevent_socket_connect */
    uint8_t lane;              /* enum hello_lane; of an accepted one once it said HELLO */
    struct net_peer *peer;     /* borrowed; NULL: not known yet, or no more */
    struct net_outlet *outlet; /* borrowed; of ours */
    void *arg;                 /* the owner's; of a probe */
    uint64_t opened_ms, heard_ms, pinged_ms;
    uint64_t given_bytes,
        written_bytes; /* to the socket's buffer; what had left it at the last check */
    char remote[NET_ADDRESS_TEXT_SIZE];
};

struct net_link_owner {
    void (*on_connected)(struct net_link *link); /* of ours */
    /* An error drops the link as garbage. Never PING or PONG. */
    enum err (*on_frame)(struct net_link *link, const struct frame *frame, struct why *why);
    void (*on_writable)(struct net_link *link); /* its buffer is nearly empty */
    /* The last call; the link is freed after it. Not for net_link_free. */
    void (*on_closed)(struct net_link *link, enum net_close cause, const struct why *why);
};

/* A connection that is being made. ERR_IO: it could not even begin; nothing is left behind. */
MUST_USE enum err net_link_connect(struct net *net, const struct net_link_owner *owner,
                                   const struct net_address *address, struct net_link **ret_link,
                                   struct why *why);
/* One that was accepted; takes fd over. */
struct net_link *net_link_accept_take(struct net *net, const struct net_link_owner *owner, int fd,
                                      const struct sockaddr *remote, socklen_t remote_len);
/* Closes without on_closed. Fine inside the owner's callbacks. NULL is fine. */
void net_link_free(struct net_link *link);
/* Closes with on_closed. */
void net_link_close(struct net_link *link, enum net_close cause, const struct why *why);
/* The same when the other side's certificate was taken back; false: it was not. */
bool net_link_close_revoked(struct net_link *link);

/* The handshake is over: frames of all kinds and sizes. */
void net_link_open(struct net_link *link);
/* Writes bytes (a whole frame) behind what is in the socket's buffer. */
void net_link_write(struct net_link *link, struct bytes bytes);
/* The same, and then the link goes, at latest a second later. */
void net_link_write_last(struct net_link *link, struct bytes bytes);
/* Moves sealed frames to the socket: at once when it takes them. */
void net_link_pump(struct net_link *link, struct net_sendq *sendq);
size_t net_link_waiting_bytes(const struct net_link *link); /* in the socket's buffer */
/* Called each NET_CHECK_MS: pings, and closes what is too late. */
void net_link_check(struct net_link *link, uint64_t now_ms, uint64_t pause_ms);

#endif
