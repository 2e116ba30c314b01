/* SPDX-License-Identifier: Apache-2.0 */
/* All maxima of the room. What comes from outside is compared with these before anything is
 * allocated; what goes out is asserted against them, so that no node sends what its peer must
 * refuse. A count in a message is also compared with the bytes that are left: no element takes
 * less than its smallest encoding. */
#ifndef WIRE_LIMITS_H
#define WIRE_LIMITS_H

enum {
    /* Protocol versions: this build speaks both ends and all between (N and N-1). */
    WIRE_VERSION_MAX = 1,
    WIRE_VERSION_MIN = 1,

    WIRE_NODE_ID_MAX = 65535,

    /* ---- commands ---- */
    COMMAND_MAX_BYTES = 8 * 1024 * 1024, /* header and body: the hard limit of an entry */
    COMMAND_RANGES_MAX = 10000,
    COMMAND_FROM_UID_MAX_BYTES = 255,
    COMMAND_CLIENT_MSG_NO_MAX_BYTES = 128,
    COMMAND_TOPIC_MAX_BYTES = 255,
    COMMAND_TEXT_MAX_BYTES = 256, /* operator, reason, request id */

    /* ---- frames ---- */
    /* One entry at its hard limit and what else an APPEND may carry beside it. */
    WIRE_BODY_MAX_BYTES = COMMAND_MAX_BYTES + 1024 * 1024,
    WIRE_HELLO_MAX_BYTES = 4096, /* all that is read from a peer that is not known yet */
    WIRE_HEARTBEATS_MAX_BYTES = 1024 * 1024,
    WIRE_DIGESTS_MAX_BYTES = 256 * 1024,
    WIRE_PING_MAX_BYTES = 64,

    /* ---- packets ---- */
    WIRE_PACKETS_MAX = 8192,        /* in a frame: 4,096 slots, twice */
    WIRE_PACKET_ENTRIES_MAX = 4096, /* in a packet; the core's own limit is 1,024 */
    WIRE_FRAME_ENTRIES_MAX = 65536, /* in all packets of a frame */

    /* ---- calls ---- */
    WIRE_HOPS_MAX = 8,
    WIRE_SLUG_MAX_BYTES = 64,
    WIRE_WHY_MAX_BYTES = 255,
    WIRE_RESULT_RANGES_MAX = COMMAND_RANGES_MAX,

    /* ---- hello ---- */
    WIRE_CLUSTER_ID_MAX_BYTES = 128,
    WIRE_ADDRESS_MAX_BYTES = 512,
    WIRE_SOFTWARE_MAX_BYTES = 31,
    WIRE_ZONE_MAX_BYTES = 64,

    /* ---- catch-up ---- */
    WIRE_CURSOR_MAX_BYTES = 4096,
    WIRE_ROW_KEY_MAX_BYTES = 4096,
    WIRE_CHUNK_SOFT_BYTES = 256 * 1024, /* where a sender ends a chunk; one row may go beyond */
    WIRE_CHUNK_ROWS_MAX = 65536,
    WIRE_CREDITS_MAX = 64,
    WIRE_COUNTS_MAX = 32 /* row counts in an END, one a family */
};

#endif
