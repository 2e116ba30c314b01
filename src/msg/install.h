/* SPDX-License-Identifier: Apache-2.0 */
/* The data side of catch-up: what a delta or a full install of a slot consists of.
 * A source (on the leader) reads rows from one snapshot; a sink (on the receiver) writes them and
 * keeps digest and counts as it goes. Knows rows, what each step sends, when a stream is complete
 * and right. Refuses to know peers, sessions, frames, credits, rates, pins, who chooses: src/node.
 *
 *   source: msg_source_open, msg_source_estimate, msg_source_start,
 *           then msg_source_next from cursor to cursor until done, msg_source_end.
 *   sink:   msg_sink_begin (its batch written and synced), msg_sink_rows for each chunk in order,
 *           msg_sink_finish (its batch written and synced); after a restart msg_sink_resume.
 *
 * A cursor is opaque, at most WIRE_CURSOR_MAX_BYTES; empty: the beginning. Chunks are numbered 0,
 * 1, ... within a session. Errors of all: ERR_CORRUPT, ERR_DISK_FAILED as the reads and writes.
 * Thread: a source belongs to one thread at a time, any; a sink to the apply thread. */
#ifndef MSG_INSTALL_H
#define MSG_INSTALL_H

#include "msg/msg.h"
#include "wire/chunk.h"

enum msg_install_kind { MSG_INSTALL_DELTA = 1, MSG_INSTALL_FULL = 2 }; /* as RAFT_DELTA, _FULL */

/* ---- source ------------------------------------------------------------------------------------ */
struct msg_source;

struct msg_source_info {
    uint64_t applied_index, applied_term; /* T: the target */
    struct hash128 digest;                /* of the slot at T */
    uint64_t floor;                       /* of the delete log */
};

struct msg_source_estimate {
    bool delta_possible;              /* floor <= base <= T */
    uint64_t full_bytes, delta_bytes; /* about; delta_bytes is UINT64_MAX when not possible */
    uint64_t full_rows, delta_rows;   /* likewise */
};

/* Takes the snapshot: constant time. End it with msg_source_close, before the store closes. */
MUST_USE enum err msg_source_open(struct msg *msg, uint32_t slot, struct msg_source **ret,
                                  struct why *why);
void msg_source_close(struct msg_source *source); /* NULL is fine */
void msg_source_info(const struct msg_source *source, struct msg_source_info *ret);
/* What either step since `base` would send. Costs a few seeks for each channel of the slot. */
MUST_USE enum err msg_source_estimate(struct msg_source *source, uint64_t base,
                                      struct msg_source_estimate *ret, struct why *why);
/* Sets what is streamed; once, before the first msg_source_next. base: of a delta (FULL: 0).
 * ERR_CONFLICT: a delta from there is not possible. */
MUST_USE enum err msg_source_start(struct msg_source *source, enum msg_install_kind kind,
                                   uint64_t base, struct why *why);
/* Adds the rows behind cursor to chunk (begun with chunk_out_init; end it with chunk_out_end and
 * *ret_cursor), up to max_rows and about max_bytes (0: the chunk's own bounds), at least one unless
 * it is done. The same rows for the same cursor, however often. *ret_cursor is replaced; *ret_done:
 * nothing is behind it (this chunk may hold rows; it must be sent also when it is empty, as the sink
 * ends at its cursor). ERR_BAD_FORMAT: no cursor of this source. */
MUST_USE enum err msg_source_next(struct msg_source *source, struct bytes cursor, uint32_t max_rows,
                                  size_t max_bytes, struct chunk_out *chunk, struct buf *ret_cursor,
                                  bool *ret_done, struct why *why);
/* Fills number's neighbours in an END: target, digest, counts and counts_count, from the cursor that
 * was done (ERR_BAD_FORMAT for another). number, config and config_pos are the caller's. */
MUST_USE enum err msg_source_end(const struct msg_source *source, struct bytes cursor,
                                 struct chunk_end *ret, struct why *why);

/* ---- sink -------------------------------------------------------------------------------------- */
struct msg_sink;

struct msg_sink_options {
    uint32_t slot;
    enum msg_install_kind kind;
    uint64_t base;          /* A; FULL: 0 */
    struct raft_pos target; /* as offered */
    struct bytes marker;    /* STORE_SLOT_INSTALLING, the caller's words; not empty */
};

struct msg_sink_info {
    enum msg_install_kind kind;
    uint64_t base;
    struct raft_pos target;
    uint64_t next_number; /* of the chunk that is wanted now */
    struct bytes cursor;  /* where the last written chunk ended; lives until the next call */
    bool has_changed;     /* rows were changed: only an install can end this */
    uint64_t rows, bytes; /* received in this session */
};

/* Begins a session. Writes the open apply batch, then puts into `batch` (the caller's, written
 * with sync before the first chunk and before it accepts) marker, own state and, for FULL, the removal
 * of the slot's whole state with its applied index (0). A delta over an unfinished delta goes on
 * with that one's digest, rows are idempotent; FULL may begin over anything. Until the last batch
 * was written nothing may be applied to the slot.
 * On success the caller owns *ret. Errors:
 *   ERR_CONFLICT  base <= applied <= target does not hold, or a delta over an unfinished
 *                 full, or up to less than the unfinished delta. */
MUST_USE enum err msg_sink_begin(struct msg *msg, const struct msg_sink_options *options,
                                 struct store_batch *batch, struct msg_sink **ret, struct why *why);
/* After a restart: the unfinished session goes on behind its cursor (same session id: the caller's
 * marker has it). ERR_NOT_FOUND: none is unfinished in this slot. */
MUST_USE enum err msg_sink_resume(struct msg *msg, uint32_t slot, struct msg_sink **ret,
                                  struct why *why);
void msg_sink_info(const struct msg_sink *sink, struct msg_sink_info *ret);
/* Writes a chunk (not synced): rows, cursor, running digest and counts in one batch. A number that
 * was written already is OK and counts once. Afterwards msg_sink_info tells what is wanted next.
 * Errors: ERR_IGNORED   a later number than wanted: nothing changed, fetch again.
 *         ERR_CORRUPT   a row of another slot, a bad CRC, a wrong order, a cursor that does not fit
 *                       its rows: nothing of it counts; fetch again or begin a full one. */
MUST_USE enum err msg_sink_rows(struct msg_sink *sink, const struct chunk_rows *rows,
                                struct why *why);
/* Puts into `batch` (the caller's: base, config, hard state go beside it; one write, synced) the
 * applied index, term and digest, and the removal of marker and own state. Afterwards nothing but
 * msg_sink_free. Forgets what was cached of the slot: apply to it again once the batch is written.
 * Errors: ERR_CORRUPT  the stream was not complete, or target, counts, digest or derived figures
 *                      differ: nothing was put, the slot is still installing. */
MUST_USE enum err msg_sink_finish(struct msg_sink *sink, const struct chunk_end *end,
                                  struct store_batch *batch, struct why *why);
/* Puts the removal of marker and own state into batch: only while nothing was changed (a delta
 * before its first row). ERR_CONFLICT: it must stay. Afterwards nothing but msg_sink_free. */
MUST_USE enum err msg_sink_abandon(struct msg_sink *sink, struct store_batch *batch,
                                   struct why *why);
/* Writes the open apply batch, then puts into batch the removal of the slot's whole state, with its
 * applied index (0) and what an unfinished install stored, and marker in its place: a full install that
 * nobody has begun. Nothing may be applied to the slot until one has ended. */
MUST_USE enum err msg_drop(struct msg *msg, uint32_t slot, struct bytes marker,
                           struct store_batch *batch, struct why *why);
/* Frees the memory alone; what is stored stays for msg_sink_resume. NULL is fine. */
void msg_sink_free(struct msg_sink *sink);

#endif
