/* SPDX-License-Identifier: Apache-2.0 */
/* Raft packets as bytes: a PACKETS or HEARTBEATS frame holds many, of many slots.
 *
 * Only fields that are not zero travel, whatever the kind: a heartbeat takes 16 to 32 bytes.
 * Local fields stay at home: wait_seq and bytes_max are 0 after decoding; first and last name the
 * range of the entries that came (first > last: none). Entries of a packet follow each other, the
 * first one comes right after pos. Thread: any, one at a time for each struct. */
#ifndef WIRE_PACKET_H
#define WIRE_PACKET_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/why.h"
#include "raft/types.h"
#include "wire/frame.h"

/* ---- out: a frame that is being filled ------------------------------------------------------ */

struct packet_out {
    struct buf *buf; /* borrowed */
    size_t begin, count_at;
    uint32_t max_bytes, count, entries_count;
};

/* Appends the head of a frame of this kind (FRAME_PACKETS or FRAME_HEARTBEATS) to buf. Nobody else
 * may write to buf until packet_out_end. */
void packet_out_begin(struct packet_out *out, struct buf *buf, enum frame_kind kind);
/* Appends one packet. False: it does not fit any more (bytes, packets or entries; limits.h) and
 * nothing was written: end this frame and begin another. A packet that is valid always fits into
 * an empty PACKETS frame when its payloads are at most COMMAND_MAX_BYTES together, and into an
 * empty HEARTBEATS frame when it has no entries.
 * Valid (asserts): slot < 4096, from and to 1 to 65535, a known kind; entries: kind, ascending by
 * one from pos, terms never falling, at most WIRE_PACKET_ENTRIES_MAX; payload or, for CONFIG, at
 * least config (it is then encoded here); an install's config sorted. */
MUST_USE bool packet_out_add(struct packet_out *out, const struct raft_packet *packet);
/* Completes the frame, even one without packets. */
void packet_out_end(struct packet_out *out);

/* At most how many bytes packet_out_add would write for it. */
size_t packet_max_bytes(const struct raft_packet *packet);

/* ---- in: all packets of one frame ----------------------------------------------------------- */

/* Owns the packets, their arrays, the decoded memberships, and one reference to each payload: all
 * is freed as one by packet_in_done. Who keeps a payload longer takes a reference of its own
 * (blob_ref); who keeps a config copies it. */
struct packet_in {
    struct raft_packet *packets; /* in arena */
    uint32_t packets_count;
    struct arena arena; /* owned */
};

/* Decodes the body of a frame. Each payload is copied into a new blob, so that the frame's buffer
 * may go. *ret is untouched on failure, and nothing is left behind.
 * Errors: ERR_BAD_FORMAT    impossible bytes: drop the link.
 *         ERR_WRONG_FORMAT  a CONFIG entry of a version this build does not know. */
MUST_USE enum err packet_in_decode(struct bytes body, struct packet_in *ret, struct why *why);
/* A zeroed one is fine. */
void packet_in_done(struct packet_in *in);

#endif
