/* SPDX-License-Identifier: Apache-2.0 */
/* The witness: what every replica did at every index of every slot, and what that means, worked out
 * by a model without cleverness: arrays and linear scans. Whatever a node shows at an applied index
 * must be what the model says of that index. */
#ifndef SIM_NODE_WITNESS_H
#define SIM_NODE_WITNESS_H

#include "base/arena.h"
#include "msg/types.h"
#include "node_world.h"
#include "wire/command.h"

struct witness_message {
    uint64_t append_index, delete_index; /* delete_index 0: not deleted */
    uint64_t id, timestamp_ms;
    struct bytes payload, from_uid, client_msg_no;
};

struct witness_channel {
    struct channel name;
    struct witness_message *messages; /* owned; seq 1 is [0] */
    uint64_t last_seq, capacity, last_timestamp_ms;
};

struct witness_dedup {
    struct witness_channel *channel;
    struct bytes from_uid, client_msg_no, payload;
    uint64_t seq, log_index, timestamp_ms, generation;
    uint32_t position;
};

struct witness_record {
    uint64_t log_index, deleted_count;
};

/* One index of one slot. */
struct witness_entry {
    bool is_applied, has_digest;
    uint8_t kind;
    raft_term term;                    /* of the entry */
    raft_term committed_by;            /* the term in which it was seen committed; 0: not yet */
    raft_term committed_term;          /* its own term, as seen then */
    uint64_t hash;                     /* of kind and payload */
    struct hash128 digest;             /* of the state after it */
    struct msg_append_result *appends; /* what a client must be told */
    uint32_t appends_count;
    struct msg_delete_result deleted;
};

enum { WITNESS_CHANNELS_MAX = 16, WITNESS_GENERATIONS_MAX = 64 };

struct witness_slot {
    struct witness_entry *entries; /* owned; index 0 is unused */
    uint64_t applied, committed, capacity;
    struct witness_channel channels[WITNESS_CHANNELS_MAX];
    uint32_t channels_count;
    struct witness_dedup *dedup; /* owned */
    size_t dedup_count, dedup_capacity;
    uint64_t generations[WITNESS_GENERATIONS_MAX], started_ms[WITNESS_GENERATIONS_MAX];
    uint32_t generations_count;
    struct witness_record *records; /* owned */
    size_t records_count, records_capacity;
};

struct witness {
    struct world *world;
    struct witness_slot slots[WORLD_SLOTS_MAX];
    struct map *log;     /* (slot, term, index) -> hash of the entry, wherever it was seen */
    struct map *leaders; /* (slot, term) -> node */
    struct arena arena;
};

struct witness *witness_new(struct world *world);
void witness_free(struct witness *witness);
struct witness_entry *witness_at(struct witness *witness, slot_id slot, uint64_t index);
uint64_t witness_hash(uint8_t kind, struct bytes payload);
/* An entry was seen in some log or packet: one (index, term), one entry (I3). */
void witness_saw(struct witness *witness, slot_id slot, struct raft_pos pos, uint64_t hash);
/* A node applied this entry; the first one to do so moves the model (I5). */
void witness_apply(struct witness *witness, node_id node, slot_id slot,
                   const struct row_entry *row);
/* A node's digest after index (I12). */
void witness_digest(struct witness *witness, node_id node, slot_id slot, uint64_t index,
                    struct hash128 digest);
struct witness_channel *witness_channel(struct witness *witness, slot_id slot,
                                        struct channel name); /* NULL: never written to */
/* Everything a page over the whole channel shows, against the model at the page's applied index. */
void witness_page(struct witness *witness, node_id node, slot_id slot, struct channel name,
                  const struct msg_page *page);
/* What the client was told of the command at that index (I35). */
void witness_result(struct witness *witness, slot_id slot, const struct msg_result *result,
                    uint64_t op);

#endif
