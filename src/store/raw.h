/* SPDX-License-Identifier: Apache-2.0 */
/* Whole rows as bytes, for installs: copied from one store to another without being made anew.
 * What is read here passed its CRC; what is written is for the caller to have checked with
 * store_row_decode. Only rows of a slot's state can be seen this way: messages, channels, deleted,
 * the delete log's records (not their index, which store_put_delete_record makes), dedup, and the
 * small values FLOOR, GENERATIONS and STATE.
 * Thread: as store.h. */
#ifndef STORE_RAW_H
#define STORE_RAW_H

#include "store/store.h"

/* A row with its key taken apart. Slices point into the key and value it was decoded from. */
struct store_row {
    enum store_family family;
    uint32_t slot;
    struct channel channel; /* not of small values */
    uint64_t number;        /* messages: seq, deleted: start, delete log: log index, dedup:
                             * generation, small values: enum store_slot_key */
    struct bytes from_uid, client_msg_no; /* dedup */
    union {
        struct row_message message;
        struct row_channel channel_row;
        struct row_deleted deleted;
        struct row_delete_record record;
        struct row_dedup dedup;
        struct bytes small; /* STORE_SLOTS */
    };
};

/* Errors: ERR_CORRUPT (CRC, fields, or no key of such a row), ERR_WRONG_FORMAT. extra: becomes the
 * memory that a record's ranges point into. */
MUST_USE enum err store_row_decode(enum store_family family, struct bytes key, struct bytes value,
                                   struct buf *extra, struct store_row *ret);
/* Key and value of a row (replaces what is in both), as the store_put_x functions write it. */
void store_row_encode(const struct store_row *row, struct buf *key, struct buf *value);
void store_batch_put_raw(struct store_batch *batch, enum store_family family, struct bytes key,
                         struct bytes value);

/* ---- raw iterators -------------------------------------------------------------------------------
 *     while (store_raw_next(raw)) { ... }   err = store_raw_done(raw); */
struct store_raw;

struct store_raw_range {
    enum store_family family; /* messages, channels, deleted, delete log, dedup */
    uint32_t slot;
    const struct channel *channel; /* not NULL: dedup rows of one generation and channel */
    uint64_t generation;
    struct bytes after; /* exclusive; empty: from the beginning */
};

struct store_raw *store_raw_open(struct store *store, const struct store_snapshot *snapshot,
                                 const struct store_raw_range *range);
bool store_raw_next(struct store_raw *raw);
struct bytes store_raw_key(const struct store_raw *raw);
struct bytes store_raw_value(const struct store_raw *raw);
/* Frees it. OK, or ERR_CORRUPT or ERR_DISK_FAILED: then what was seen is not all; ERR_BAD_FORMAT:
 * `after` is longer than any key. NULL is fine. */
MUST_USE enum err store_raw_done(struct store_raw *raw);

#endif
