/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of a catch-up (delta or full), in INSTALL frames on a link of its own. The offer and
 * its acceptance are Raft packets; here is what follows: the receiver pulls with FETCH, the sender
 * answers with CHUNKs (as many as there are credits) and at last with END, or breaks off with STOP.
 *
 * Knows rows as (family, key, value). Refuses to know what a family, a key or a cursor means: they
 * are those of src/store and src/node. A chunk has a CRC32C of its own beside the frame's: it also
 * binds the rows to slot, session, term, number and cursor on the way from the sender's snapshot to the
 * receiver's batch. Owns nothing. Thread: any. */
#ifndef WIRE_CHUNK_H
#define WIRE_CHUNK_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/why.h"
#include "raft/types.h"
#include "wire/limits.h"

enum chunk_kind { CHUNK_FETCH = 1, CHUNK_ROWS = 2, CHUNK_END = 3, CHUNK_STOP = 4 };

/* Receiver to sender: go on behind cursor; credits more chunks may be on the way. */
struct chunk_fetch {
    uint64_t number;     /* of the next chunk wanted; 0: the first */
    struct bytes cursor; /* where the last written chunk ended; empty: from the beginning */
    uint32_t credits;    /* 1 to WIRE_CREDITS_MAX */
};

struct chunk_row {
    uint8_t family;
    struct bytes key, value; /* borrowed */
};

struct chunk_rows {
    uint64_t number;     /* 0, 1, ... within the session */
    struct bytes cursor; /* where this chunk ends */
    uint32_t count;
    uint32_t crc32c;
    struct bytes rows; /* encoded: read with chunk_row_next; at most WIRE_CHUNK_ROWS_MAX of them */
};

/* Nothing is behind this: the stream is only done well when T, counts and digest all agree. */
struct chunk_end {
    uint64_t number; /* how many chunks there were */
    struct raft_pos target, config_pos;
    struct raft_config config;
    struct hash128 digest;            /* of the slot at target */
    uint64_t counts[WIRE_COUNTS_MAX]; /* rows sent, by family */
    uint8_t counts_count;
};

struct chunk {
    uint8_t kind; /* enum chunk_kind */
    slot_id slot;
    uint64_t session;
    raft_term term; /* the leader's */
    union {
        struct chunk_fetch fetch;
        struct chunk_rows rows;
        struct chunk_end end;
        enum err stop; /* why there is no more */
    };
};

/* Appends a whole frame to buf: any kind, rows already encoded (then count and crc32c must be
 * theirs: relays and tests; a sender uses chunk_out). Bounds are asserted. */
void chunk_encode(struct buf *buf, const struct chunk *chunk);
/* Decodes the body of an INSTALL frame; slices borrow from it. Every row was checked, and the
 * CRC32C agreed. *ret is untouched on failure.
 * Errors: ERR_BAD_FORMAT    impossible bytes: drop the link.
 *         ERR_CORRUPT       the frame is fine, its rows are not what the sender read: fetch again. */
MUST_USE enum err chunk_decode(struct bytes body, struct chunk *ret, struct why *why);

/* The rows one after another: begin with reader_of(rows.rows). False: no more. */
bool chunk_row_next(struct reader *rows, struct chunk_row *ret);

/* ---- a chunk that is being filled row by row ------------------------------------------------ */

struct chunk_out {
    struct chunk head;
    struct buf rows; /* owned */
};

void chunk_out_init(struct chunk_out *out, slot_id slot, uint64_t session, raft_term term,
                    uint64_t number);
/* False: the chunk has WIRE_CHUNK_SOFT_BYTES or WIRE_CHUNK_ROWS_MAX already and nothing was
 * written: end it and begin the next. A first row always fits. Key and value within
 * WIRE_ROW_KEY_MAX_BYTES and chunk_max_value_bytes() (asserts). */
MUST_USE bool chunk_out_add(struct chunk_out *out, const struct chunk_row *row);
bool chunk_out_is_empty(const struct chunk_out *out);
/* Appends the whole frame to buf, with the cursor to go on from, and empties out for the next
 * number. */
void chunk_out_end(struct chunk_out *out, struct bytes cursor, struct buf *buf);
void chunk_out_done(struct chunk_out *out);
size_t chunk_max_value_bytes(void);

#endif
