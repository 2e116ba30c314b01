/* SPDX-License-Identifier: Apache-2.0 */
/* What waits to be sent on one link, in two lanes: URGENT frames leave before BULK ones, whatever
 * came first. Within a lane the order is that of the adds.
 *
 * Packets that are added between two seals share a frame, up to NET_FRAME_SOFT_BYTES. Knows frames
 * and bounds. Refuses to know sockets and peers. Owns the bytes. Thread: loop. Private to the room. */
#ifndef NET_SENDQ_H
#define NET_SENDQ_H

#include "base/buf.h"
#include "net/net.h"
#include "wire/packet.h"

struct evbuffer;

/* Sealed bytes: one or more whole frames. */
struct net_sealed {
    struct net_sealed *next;
    uint8_t *data; /* owned */
    size_t len;
};

struct net_sendq_lane {
    enum frame_kind packets_kind;
    size_t max_bytes;
    struct buf buf;                   /* frames of this turn */
    struct packet_out out;            /* the unfinished frame at the end of buf */
    bool is_open;                     /* there is one */
    struct net_sealed *first, **last; /* owned */
    size_t sealed_bytes;
};

struct net_sendq {
    struct net_sendq_lane lanes[NET_LANES];
};

void net_sendq_init(struct net_sendq *sendq, size_t urgent_max_bytes, size_t bulk_max_bytes);
void net_sendq_clear(struct net_sendq *sendq); /* forgets all bytes */
void net_sendq_done(struct net_sendq *sendq);

/* Bytes in the lane, sealed or not. */
size_t net_sendq_bytes(const struct net_sendq *sendq, enum net_lane lane);

/* False: the lane is full (already_bytes count as in it), or the packet is too large for its frame;
 * nothing was added. */
MUST_USE bool net_sendq_add_packet(struct net_sendq *sendq, enum net_lane lane,
                                   const struct raft_packet *packet, size_t already_bytes);
/* body must be within frame_max_bytes(kind) (asserts). */
MUST_USE bool net_sendq_add_frame(struct net_sendq *sendq, enum net_lane lane, uint8_t kind,
                                  struct bytes body, size_t already_bytes);

/* Completes the frames of this turn: they may be moved now. */
void net_sendq_seal(struct net_sendq *sendq);
bool net_sendq_has_sealed(const struct net_sendq *sendq);
/* Moves sealed frames to out, urgent ones first, until out holds ahead_bytes or more. Returns how
 * many bytes it moved. No copy: out takes the memory over. */
size_t net_sendq_move(struct net_sendq *sendq, struct evbuffer *out, size_t ahead_bytes);

#endif
