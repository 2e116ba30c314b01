/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: arrays in memory, linear scans, no cleverness. It says what every command must
 * answer and what every query must show. */
#ifndef TESTS_UNIT_MSG_MODEL_H
#define TESTS_UNIT_MSG_MODEL_H

#include "rig.h"

enum { MODEL_CHANNELS = 8 };

struct model_message {
    uint64_t id, timestamp_ms;
    struct bytes payload, from_uid, client_msg_no; /* in the model's arena */
    bool deleted;
    uint64_t delete_index; /* of the delete that took it */
};

struct model_channel {
    char name[16];
    uint32_t slot;
    struct model_message *messages; /* seq 1 is [0] */
    uint64_t last_seq, capacity, last_timestamp_ms, created_ms, delete_version;
    bool exists;
    uint64_t retention[3];
};

struct model_dedup {
    uint32_t channel;
    struct bytes from_uid, client_msg_no, payload;
    uint64_t seq, log_index, timestamp_ms, generation;
    uint32_t position;
};

struct model_record {
    uint32_t channel;
    uint64_t log_index, deleted_at_ms, deleted_count, already_deleted;
    struct range *ranges;
    uint32_t ranges_count;
};

struct model_slot {
    uint64_t generations[64], started_ms[64];
    uint32_t generations_count;
    struct model_dedup *dedup;
    size_t dedup_count, dedup_capacity;
    struct model_record *records;
    size_t records_count, records_capacity;
    uint64_t floor;
};

struct model {
    struct model_channel channels[MODEL_CHANNELS];
    struct model_slot slots[RIG_SLOTS];
    struct arena arena;
};

void model_init(struct model *model);
void model_done(struct model *model);
/* Carries the command out in the model and compares what the state machine answered. */
void model_apply(struct model *model, uint32_t slot, uint64_t index, const struct command *command,
                 const struct msg_result *result);
/* Compares all kinds of queries on one channel, with windows drawn from rng. */
void model_compare_channel(const struct model *model, struct rig *rig, uint32_t channel,
                           struct rng *rng);
/* Delete log, floor, counts, channel list, and the recomputed digest. */
void model_compare_slot(const struct model *model, struct rig *rig, uint32_t slot);

/* ---- random histories: history.c ---------------------------------------------------------------- */
struct history {
    struct rng rng;
    struct arena arena; /* of the command made last */
    uint64_t time_ms;
};

/* Draws the next command; *ret_slot is where it goes. Its slices live until the next call. */
struct command history_next(struct history *history, const struct model *model, uint32_t *ret_slot);

#endif
