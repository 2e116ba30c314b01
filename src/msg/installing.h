/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a catch-up share: cursors, the source, the sink.
 * Thread: as install.h. */
#ifndef MSG_INSTALLING_H
#define MSG_INSTALLING_H

#include "msg/inner.h"
#include "msg/install.h"
#include "store/raw.h"

/* ---- cursors (cursor.c) -------------------------------------------------------------------------- */
/* What is being sent. A full install goes through VALUES to DEDUP, a delta through VALUES, RECORDS
 * and CHANGES. */
enum install_step {
    STEP_VALUES = 1,
    STEP_MESSAGES,
    STEP_CHANNELS,
    STEP_DELETED,
    STEP_DELETE_LOG,
    STEP_DEDUP,
    STEP_RECORDS,
    STEP_CHANGES, /* of one changed channel after the other */
    STEP_DONE
};

/* Of one changed channel, in this order. NAME: the dedup row of the message just sent. NAMES: dedup
 * rows found by a scan, when their messages may be gone. */
enum install_part { PART_INTERVALS = 1, PART_MESSAGES, PART_NAME, PART_ROW, PART_NAMES, PART_END };

enum { INSTALL_KEY_MAX_BYTES = 2048 };

struct install_cursor {
    uint8_t kind, step, part;
    uint64_t base, target;           /* of the session: another's cursor does not pass */
    uint64_t counts[STORE_FAMILIES]; /* rows sent before it */
    uint64_t number;                 /* last value, record, end of interval or seq */
    uint64_t generation;             /* NAMES: of the last row */
    uint8_t channel_type;            /* CHANGES: where it is; no id: before the first one */
    uint32_t id_len, key_len;
    uint8_t id[CHANNEL_ID_MAX_BYTES];
    uint8_t key[INSTALL_KEY_MAX_BYTES]; /* last row of the step; none: before the first one */
};

void cursor_encode(const struct install_cursor *cursor, struct buf *ret);
MUST_USE enum err cursor_decode(struct bytes bytes, struct install_cursor *ret, struct why *why);
void cursor_set_key(struct install_cursor *cursor, struct bytes key);
void cursor_set_channel(struct install_cursor *cursor, struct channel channel);
struct channel cursor_channel(const struct install_cursor *cursor);
/* Whether rows of the family come in this step of a full install, as a number that grows. */
uint8_t step_of_family(enum store_family family);

/* ---- source ------------------------------------------------------------------------------------- */
/* What a delta knows of the channel it is at: found again from the snapshot when it comes back. */
struct changes {
    bool is_loaded;
    uint8_t channel_type;
    uint32_t id_len;
    uint8_t id[CHANNEL_ID_MAX_BYTES];
    uint64_t first;        /* seq of the first message row above the base; 0: none */
    uint64_t below;        /* seq of the last one that is not; 0: none */
    uint64_t max_end;      /* of the ranges deleted above the base */
    uint64_t *starts;      /* owned; starts of such ranges, ascending: a window of them */
    uint32_t starts_count; /* at most CHANGES_WINDOW */
    bool is_cut;           /* there are more behind the window */
    uint64_t window_after; /* starts are above this */
};

struct msg_source {
    struct store *store;             /* borrowed */
    struct store_snapshot *snapshot; /* owned */
    uint32_t slot;
    struct row_applied applied;
    struct slot_state_row state;
    enum msg_install_kind kind; /* 0: not started */
    uint64_t base;
    struct changes changes;
    struct store_value value; /* owned; of the message or row last read */
    struct buf key, row;      /* owned; of the row being encoded */
};

/* A chunk being filled. */
struct feed {
    struct msg_source *source;
    struct install_cursor at;
    struct chunk_out *chunk;
    uint32_t max_rows;
    size_t max_bytes;
    bool is_full;
};

/* False: there was no room, and is_full is set. */
bool feed_add(struct feed *feed, enum store_family family, struct bytes key, struct bytes value);
bool feed_add_row(struct feed *feed, const struct store_row *row);
/* source_delta.c: one step as far as there is room. */
MUST_USE enum err feed_records(struct feed *feed, struct why *why);
MUST_USE enum err feed_changes(struct feed *feed, struct why *why);
/* First message row above base and last one that is not; 0: none. */
MUST_USE enum err source_find_suffix(struct msg_source *source, struct channel channel,
                                     uint64_t base, uint64_t *ret_first, uint64_t *ret_below,
                                     struct why *why);
enum err source_fault(const struct msg_source *source, enum err err, const char *what,
                      struct why *why);

/* ---- sink --------------------------------------------------------------------------------------- */
/* What the rows written so far amount to. */
struct sink_run {
    struct hash128 digest;
    struct slot_state_row state;
};

/* What a delta knows of the channel whose messages come in. */
struct sink_channel {
    uint8_t type;
    uint32_t id_len;
    uint8_t id[CHANNEL_ID_MAX_BYTES];
    bool is_loaded;
    uint64_t last_seq; /* of its own rows before this chunk */
    bool has_interval; /* own intervals: the next one that is not behind the messages */
    struct row_deleted interval;
    struct store_iter *intervals; /* owned */
};

struct msg_sink {
    struct msg *msg;     /* borrowed */
    struct store *store; /* borrowed */
    uint32_t slot;
    enum msg_install_kind kind;
    uint64_t base;
    struct raft_pos target;
    bool has_changed;
    /* As of the last chunk that was written whole. */
    uint64_t next_number, rows, bytes;
    uint64_t counts[STORE_FAMILIES];
    struct buf cursor; /* owned */

    struct sink_run run;       /* with the open batch */
    struct sink_run saved;     /* as stored */
    struct store_batch *batch; /* owned; open within msg_sink_rows alone */
    bool has_intervals;        /* the open batch changes intervals */
    struct sink_channel channel;
    struct store_value value, scrap; /* owned */
    struct buf extra;                /* owned; ranges of a record */
};

/* sink_state.c: cursor, digest and counts as they are now. */
void sink_put_state(const struct msg_sink *sink, struct store_batch *batch);
/* Writes the open batch with the digest as it is now; the cursor stays. */
MUST_USE enum err sink_write(struct msg_sink *sink, struct why *why);
void sink_add(struct msg_sink *sink, struct hash128 hash);
void sink_sub(struct msg_sink *sink, struct hash128 hash);
enum err sink_fault(const struct msg_sink *sink, enum err err, const char *what, struct why *why);
/* The live dedup generation, or NULL. */
struct generation *sink_find_generation(struct msg_sink *sink, uint64_t id);
/* Takes over a list of live generations; figures of those that stay are kept. */
MUST_USE enum err sink_set_generations(struct msg_sink *sink, struct bytes value, struct why *why);
/* sink_delta.c: one row of a delta. */
MUST_USE enum err sink_merge(struct msg_sink *sink, const struct store_row *row,
                             const struct chunk_row *raw, struct why *why);
void sink_channel_leave(struct msg_sink *sink);

#endif
