/* SPDX-License-Identifier: Apache-2.0 */
/* Two state machines with a shared beginning, and catch-ups from one to the other, chunk by chunk
 * through real frames. */
#ifndef TESTS_UNIT_MSG_TRANSFER_H
#define TESTS_UNIT_MSG_TRANSFER_H

#include "model.h"
#include "msg/install.h"
#include "store/raw.h"

/* Commands go to `leader`, and to `follower` too while it is up. */
struct pair {
    struct rig leader, follower;
    struct model model;
    struct history history;
    bool rocks;
};

void pair_open(struct pair *pair, uint64_t seed, bool rocks);
void pair_close(struct pair *pair);
/* So many random commands; `both`: to the follower as well. All is flushed after. */
void pair_run(struct pair *pair, uint32_t operations, bool both);
/* The same entry for both; index and time are the leader's. */
void pair_apply(struct pair *pair, uint32_t slot, const struct command *command, bool both);
void pair_fill(struct pair *pair, const char *channel, uint32_t n, bool both);
void pair_append(struct pair *pair, const char *channel, struct command_message message, bool both);
void pair_delete(struct pair *pair, const char *channel, const struct range *ranges, uint32_t count,
                 bool both);
void pair_delete_one(struct pair *pair, const char *channel, uint64_t start, uint64_t end,
                     bool both);

/* Every stored row of the slot's state, key and value, the delete log's index and the small values
 * included. */
void state_dump(struct rig *rig, uint32_t slot, struct buf *ret);
/* Fails the test unless all rows are equal and the follower's digest is that of its rows. */
void pair_compare(struct pair *pair, uint32_t slot);

/* One catch-up under way. */
struct transfer {
    struct rig *from, *to;
    uint32_t slot;
    struct msg_source *source;
    struct msg_sink *sink;
    uint32_t max_rows;
    size_t max_bytes;
    struct buf frame, cursor; /* of the chunk made last */
    bool done;                /* the source had nothing behind it */
    uint64_t chunks, bytes;   /* made in all */
};

/* Opens and starts the source, begins the sink and syncs its first batch. */
void transfer_begin(struct transfer *transfer, struct pair *pair, uint32_t slot,
                    enum msg_install_kind kind, uint64_t base, uint32_t max_rows);
/* A chunk from the source: the one the sink wants now. ret's slices live until the next call. */
void transfer_make(struct transfer *transfer, struct chunk *ret);
/* The same and writes it. */
void transfer_step(struct transfer *transfer);
/* Steps until the source is at its end. */
void transfer_run(struct transfer *transfer);
/* What the END of this stream says. */
void transfer_end_of(struct transfer *transfer, struct chunk_end *ret);
/* Ends the sink well (synced), and frees both. */
void transfer_finish(struct transfer *transfer);
/* The sink's store crashes; of its unsynced batches `keep` survive. The sink resumes. */
void transfer_crash(struct transfer *transfer, int64_t keep);
void transfer_drop(struct transfer *transfer); /* frees what is left of it */
/* All of it: begin, run, finish, compare. */
void pair_transfer(struct pair *pair, uint32_t slot, enum msg_install_kind kind, uint64_t base,
                   uint32_t max_rows);

void rig_sync(struct rig *rig);
bool rig_has_value(struct rig *rig, uint32_t slot, enum store_slot_key key);

#endif
