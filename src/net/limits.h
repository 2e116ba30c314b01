/* SPDX-License-Identifier: Apache-2.0 */
/* All maxima and times of the room, and what happens at each. */
#ifndef NET_LIMITS_H
#define NET_LIMITS_H

enum {
    NET_MEMBERS_MAX = 64, /* net_set_members asserts it */
    NET_ADDRESS_MAX_BYTES = 256,
    NET_SOFTWARE_MAX_BYTES = 31, /* of a build's version, as peers tell it */
    NET_CLUSTER_ID_MAX_BYTES = 128,
    NET_ZONE_MAX_BYTES = 64,
    NET_NONCE_BYTES = 16,  /* of one start of a process */
    NET_ADDRESSES_MAX = 8, /* of one name: the rest is not tried */

    /* ---- send queues of one link ---- */
    NET_BULK_MAX_BYTES = 64 * 1024 * 1024,  /* beyond: dropped and reported; Raft sends again */
    NET_URGENT_MAX_BYTES = 8 * 1024 * 1024, /* the same: 100,000 heartbeats that nobody reads */
    NET_INSTALL_MAX_BYTES =
        12 * 1024 * 1024,              /* of the catch-up link: its sender waits for credit */
    NET_FRAME_SOFT_BYTES = 256 * 1024, /* a frame this long is closed: what is urgent gets in */
    NET_AHEAD_BYTES = 256 * 1024,      /* given to the socket's buffer at most, but for one frame */
    NET_UNSENT_BYTES = 128 * 1024,     /* that the kernel may hold without sending it */
    NET_ANSWER_MAX_BYTES = 64 * 1024,  /* PONGs that the other side does not read: link closed */

    /* ---- reading ---- */
    NET_READ_BYTES = 256 * 1024,    /* at once from one link, so that none starves the others */
    NET_STRANGER_READ_BYTES = 8192, /* before its HELLO was accepted */

    /* ---- connections from outside ---- */
    NET_INBOUND_MAX = 256,  /* all: beyond, closed at once and counted */
    NET_STRANGERS_MAX = 64, /* those before their HELLO: likewise */
    NET_BACKLOG = 128,

    /* ---- times ---- */
    NET_CHECK_MS = 250,          /* how often links are looked at */
    NET_HANDSHAKE_MS = 3000,     /* connect and HELLO together */
    NET_PING_MS = 1000,          /* on each link, by the side that made it */
    NET_SILENT_MS = 5000,        /* nothing came, nothing could be written: closed */
    NET_GOODBYE_MS = 1000,       /* for a refusal to be written */
    NET_INSTALL_IDLE_MS = 30000, /* a catch-up link without a frame: closed */
    NET_BACKOFF_MIN_MS = 50,
    NET_BACKOFF_MAX_MS = 2000,
    NET_STEADY_MS = 5000,      /* open for this long: the back-off begins anew */
    NET_ACCEPT_PAUSE_MS = 100, /* after accept failed: no descriptors left */
    NET_COMPLAIN_MS = 30000    /* between lines that say the same of one peer */
};

#endif
