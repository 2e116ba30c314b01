/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake: who connects says who it is and whom it means, the other answers the same, or
 * refuses. Both frames keep the layout of the oldest version that any build can talk to; what a
 * later version adds goes behind the fields here and is skipped by older ones.
 *
 * Knows the fields and their bounds. Refuses to know what makes a peer acceptable: that is the
 * node's (cluster, identity, roll-back, slot count). Owns nothing. Thread: any. */
#ifndef WIRE_HELLO_H
#define WIRE_HELLO_H

#include "base/buf.h"
#include "base/why.h"
#include "raft/types.h"

enum { HELLO_NONCE_BYTES = 16 };

enum hello_lane {
    HELLO_LANE_MAIN = 1,    /* packets, calls, digests */
    HELLO_LANE_INSTALL = 2, /* catch-up has a link of its own: it must not delay heartbeats */
    HELLO_LANES             /* one more than the last */
};

enum hello_flag {
    HELLO_BLANK = 1,
    /* its data folder holds nothing of a cluster yet */ HELLO_FLAGS = 1
};

struct hello {
    uint16_t version_min, version_max; /* of the protocol, both spoken */
    uint8_t lane;                      /* enum hello_lane */
    node_id node, to;                  /* to: whom the sender believes to talk to; 0: not known */
    uint64_t incarnation;              /* random number of the data folder */
    uint64_t boot;                     /* start counter, durable before the first hello */
    uint8_t nonce[HELLO_NONCE_BYTES];  /* of this start: the same boot with another one: a copy */
    uint32_t feature_level;            /* highest command level that this build can apply */
    uint32_t slot_count;
    struct bytes cluster_id;                 /* borrowed; 1-128 bytes, printable UTF-8 */
    struct bytes peer_address, http_address; /* borrowed; may be empty; printable UTF-8 */
    /* Behind those since 0.2; empty from builds before it. Borrowed, printable UTF-8. */
    struct bytes software, zone; /* the build's version; where the node stands */
    uint8_t flags;               /* behind those: enum hello_flag; unknown ones are left out */
};

struct hello_reply {
    enum err err;       /* OK: welcome. Any other: refused, and the link is closed */
    struct bytes text;  /* why; borrowed */
    uint16_t version;   /* chosen: the highest that both speak; 0 when refused */
    struct hello hello; /* of who answers */
};

/* Append a whole frame to buf. Bounds are asserted; a longer text is cut. */
void hello_encode(struct buf *buf, const struct hello *hello);
void hello_encode_reply(struct buf *buf, const struct hello_reply *reply);
/* Decode the body of a HELLO or HELLO_REPLY frame; slices borrow from it. *ret is untouched on
 * failure. Errors: ERR_BAD_FORMAT    impossible bytes: drop the link. */
MUST_USE enum err hello_decode(struct bytes body, struct hello *ret, struct why *why);
MUST_USE enum err hello_decode_reply(struct bytes body, struct hello_reply *ret, struct why *why);
/* The highest version that both this build and the peer speak; 0: none. */
uint16_t hello_common_version(const struct hello *peer);

#endif
