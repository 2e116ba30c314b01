/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void model_init(struct model *model)
{
    *model = (struct model){0};
    arena_init(&model->arena);
    for (uint32_t i = 0; i < MODEL_CHANNELS; i++) {
        struct model_channel *channel = &model->channels[i];
        snprintf(channel->name, sizeof(channel->name), "room-%u", i);
        channel->slot = rig_slot(channel_of(channel->name));
    }
    for (uint32_t i = 0; i < RIG_SLOTS; i++) {
        model->slots[i].generations_count = 1;
    }
}

void model_done(struct model *model)
{
    for (uint32_t i = 0; i < MODEL_CHANNELS; i++) {
        free(model->channels[i].messages);
    }
    for (uint32_t i = 0; i < RIG_SLOTS; i++) {
        free(model->slots[i].dedup);
        free(model->slots[i].records);
    }
    arena_done(&model->arena);
}

static struct model_channel *channel_at(struct model *model, struct channel channel,
                                        uint32_t *ret_index)
{
    for (uint32_t i = 0; i < MODEL_CHANNELS; i++) {
        if (bytes_is_equal(channel.id, bytes_of_string(model->channels[i].name))) {
            *ret_index = i;
            return &model->channels[i];
        }
    }
    ck_abort_msg("the command names an unknown channel");
    return NULL;
}

/* ---- appends ------------------------------------------------------------------------------------ */
static struct model_dedup *find_dedup(struct model_slot *slot, uint32_t channel,
                                      const struct command_message *message)
{
    for (size_t i = 0; i < slot->dedup_count; i++) {
        struct model_dedup *dedup = &slot->dedup[i];
        if (dedup->channel == channel && bytes_is_equal(dedup->from_uid, message->from_uid) &&
            bytes_is_equal(dedup->client_msg_no, message->client_msg_no)) {
            return dedup;
        }
    }
    return NULL;
}

static void append_one(struct model *model, struct model_channel *channel, uint32_t channel_index,
                       uint64_t index, uint32_t position, uint64_t time_ms,
                       const struct command_message *message)
{
    if (!channel->exists) {
        channel->exists = true;
        channel->created_ms = time_ms;
    }
    if (channel->last_seq == channel->capacity) {
        channel->capacity = channel->capacity * 2 + 64;
        channel->messages =
            alloc_resize(channel->messages, channel->capacity, sizeof(*channel->messages));
    }
    uint64_t timestamp_ms =
        time_ms > channel->last_timestamp_ms ? time_ms : channel->last_timestamp_ms;
    channel->last_timestamp_ms = timestamp_ms;
    channel->messages[channel->last_seq++] = (struct model_message){
        .id = message_id_of(channel->slot, index, position),
        .timestamp_ms = timestamp_ms,
        .payload = arena_copy(&model->arena, message->payload),
        .from_uid = arena_copy(&model->arena, message->from_uid),
        .client_msg_no = arena_copy(&model->arena, message->client_msg_no),
    };
    if (message->client_msg_no.len == 0) {
        return;
    }
    struct model_slot *slot = &model->slots[channel->slot];
    if (slot->dedup_count == slot->dedup_capacity) {
        slot->dedup_capacity = slot->dedup_capacity * 2 + 64;
        slot->dedup = alloc_resize(slot->dedup, slot->dedup_capacity, sizeof(*slot->dedup));
    }
    const struct model_message *stored = &channel->messages[channel->last_seq - 1];
    slot->dedup[slot->dedup_count++] = (struct model_dedup){
        .channel = channel_index,
        .from_uid = stored->from_uid,
        .client_msg_no = stored->client_msg_no,
        .payload = stored->payload,
        .seq = channel->last_seq,
        .log_index = index,
        .timestamp_ms = timestamp_ms,
        .generation = slot->generations[slot->generations_count - 1],
        .position = position,
    };
}

static void expect_duplicate(const struct model_channel *channel, const struct model_dedup *dedup,
                             const struct msg_append_result *got)
{
    ck_assert_int_eq(got->err, OK);
    ck_assert(got->duplicate);
    ck_assert_uint_eq(got->seq, dedup->seq);
    ck_assert_uint_eq(got->log_index, dedup->log_index);
    ck_assert_uint_eq(got->timestamp_ms, dedup->timestamp_ms);
    ck_assert_uint_eq(got->message_id, channel->messages[dedup->seq - 1].id);
    ck_assert_int_eq(got->deleted, channel->messages[dedup->seq - 1].deleted);
}

/* Tries the atomic command on paper: false when a message stops it. Twins inside are compared pair
 * by pair. */
static bool atomic_holds(struct model *model, const struct command_part *part)
{
    uint32_t channel_index;
    struct model_channel *channel = channel_at(model, part->channel, &channel_index);
    bool mismatch = part->has_expected_last_seq && part->expected_last_seq != channel->last_seq;
    for (uint32_t m = 0; m < part->messages_count; m++) {
        const struct command_message *message = &part->messages[m];
        bool named = message->client_msg_no.len != 0;
        const struct model_dedup *dedup =
            named ? find_dedup(&model->slots[channel->slot], channel_index, message) : NULL;
        if (dedup != NULL) {
            if (!bytes_is_equal(dedup->payload, message->payload)) {
                return false;
            }
            continue;
        }
        if (mismatch) {
            return false;
        }
        for (uint32_t k = 0; named && k < m; k++) {
            const struct command_message *other = &part->messages[k];
            if (bytes_is_equal(other->client_msg_no, message->client_msg_no) &&
                bytes_is_equal(other->from_uid, message->from_uid)) {
                if (!bytes_is_equal(other->payload, message->payload)) {
                    return false;
                }
                break;
            }
        }
    }
    return true;
}

static void expect_failed_atomic(struct model *model, const struct command_part *part,
                                 const struct msg_result *result)
{
    uint32_t channel_index, culprits = 0;
    struct model_channel *channel = channel_at(model, part->channel, &channel_index);
    for (uint32_t m = 0; m < part->messages_count; m++) {
        const struct msg_append_result *got = &result->appends[m];
        const struct model_dedup *dedup =
            part->messages[m].client_msg_no.len == 0
                ? NULL
                : find_dedup(&model->slots[channel->slot], channel_index, &part->messages[m]);
        if (dedup != NULL && bytes_is_equal(dedup->payload, part->messages[m].payload)) {
            expect_duplicate(channel, dedup, got);
        } else {
            ck_assert_int_ne(got->err, OK);
            culprits += got->err != ERR_BATCH_FAILED;
        }
    }
    ck_assert_uint_ge(culprits, 1);
}

static void apply_append(struct model *model, uint64_t index, const struct command *command,
                         const struct msg_result *result)
{
    const struct command_append *append = &command->append;
    if ((command->flags & COMMAND_ATOMIC) != 0 && !atomic_holds(model, &append->parts[0])) {
        expect_failed_atomic(model, &append->parts[0], result);
        return;
    }
    uint32_t position = 0;
    for (uint32_t p = 0; p < append->parts_count; p++) {
        const struct command_part *part = &append->parts[p];
        uint32_t channel_index;
        struct model_channel *channel = channel_at(model, part->channel, &channel_index);
        bool mismatch = part->has_expected_last_seq && part->expected_last_seq != channel->last_seq;
        for (uint32_t m = 0; m < part->messages_count; m++, position++) {
            const struct command_message *message = &part->messages[m];
            const struct msg_append_result *got = &result->appends[position];
            const struct model_dedup *dedup =
                message->client_msg_no.len == 0
                    ? NULL
                    : find_dedup(&model->slots[channel->slot], channel_index, message);
            if (dedup != NULL && !bytes_is_equal(dedup->payload, message->payload)) {
                ck_assert_int_eq(got->err, ERR_CLIENT_MSG_NO_REUSED);
            } else if (dedup != NULL) {
                expect_duplicate(channel, dedup, got);
            } else if (mismatch) {
                ck_assert_int_eq(got->err, ERR_SEQ_MISMATCH);
            } else {
                append_one(model, channel, channel_index, index, position, command->time_ms,
                           message);
                ck_assert_int_eq(got->err, OK);
                ck_assert(!got->duplicate);
                ck_assert_uint_eq(got->seq, channel->last_seq);
                ck_assert_uint_eq(got->timestamp_ms, channel->last_timestamp_ms);
                ck_assert_uint_eq(got->message_id, channel->messages[got->seq - 1].id);
            }
        }
    }
    ck_assert_uint_eq(result->appends_count, position);
}

/* ---- deletes ------------------------------------------------------------------------------------ */
static uint64_t first_visible(const struct model_channel *channel)
{
    for (uint64_t seq = 1; seq <= channel->last_seq; seq++) {
        if (!channel->messages[seq - 1].deleted) {
            return seq;
        }
    }
    return 0;
}

static void apply_delete(struct model *model, uint64_t index, const struct command *command,
                         const struct msg_result *result)
{
    const struct command_delete *delete_ = &command->delete_;
    const struct msg_delete_result *got = &result->deleted;
    uint32_t channel_index;
    struct model_channel *channel = channel_at(model, delete_->channel, &channel_index);
    struct ranges normal;
    ranges_init(&normal);
    bool beyond = false;
    for (uint32_t i = 0; i < delete_->ranges_count; i++) {
        struct range range = delete_->ranges[i];
        beyond = beyond || range.end > channel->last_seq;
        range.end = range.end > channel->last_seq ? channel->last_seq : range.end;
        if (range.start <= range.end) {
            ranges_add(&normal, range.start, range.end);
        }
    }
    ck_assert_uint_eq(got->last_seq, channel->last_seq);
    if (beyond && (command->flags & COMMAND_CLAMP) == 0) {
        ck_assert_int_eq(got->err, ERR_END_BEYOND_LAST);
        ck_assert(!got->logged);
        ranges_done(&normal);
        return;
    }
    ck_assert_int_eq(got->err, OK);
    ck_assert_int_eq(got->logged, normal.count != 0);
    uint64_t deleted = 0, already = 0;
    for (size_t i = 0; i < normal.count; i++) {
        for (uint64_t seq = normal.items[i].start; seq <= normal.items[i].end; seq++) {
            struct model_message *message = &channel->messages[seq - 1];
            already += message->deleted;
            deleted += !message->deleted;
            if (!message->deleted) {
                message->deleted = true;
                message->delete_index = index;
            }
        }
    }
    ck_assert_uint_eq(got->deleted_count, deleted);
    ck_assert_uint_eq(got->already_deleted, already);
    ck_assert_uint_eq(got->first_seq, first_visible(channel));
    ck_assert_uint_eq(got->ranges_count, normal.count);
    for (size_t i = 0; i < normal.count; i++) {
        ck_assert_uint_eq(got->ranges[i].start, normal.items[i].start);
        ck_assert_uint_eq(got->ranges[i].end, normal.items[i].end);
    }
    if (normal.count != 0) {
        channel->delete_version++;
        struct model_slot *slot = &model->slots[channel->slot];
        if (slot->records_count == slot->records_capacity) {
            slot->records_capacity = slot->records_capacity * 2 + 64;
            slot->records =
                alloc_resize(slot->records, slot->records_capacity, sizeof(*slot->records));
        }
        struct range *ranges = arena_alloc(&model->arena, normal.count * sizeof(*ranges));
        memcpy(ranges, normal.items, normal.count * sizeof(*ranges));
        slot->records[slot->records_count++] =
            (struct model_record){.channel = channel_index,
                                  .log_index = index,
                                  .deleted_at_ms = command->time_ms,
                                  .deleted_count = deleted,
                                  .already_deleted = already,
                                  .ranges = ranges,
                                  .ranges_count = (uint32_t)normal.count};
    }
    ranges_done(&normal);
}

/* ---- the small ones ----------------------------------------------------------------------------- */
static void apply_generation(struct model_slot *slot, uint64_t index, const struct command *command,
                             const struct msg_result *result)
{
    uint64_t window_ms = command->dedup_generation.window_ms, removed = 0;
    while (slot->generations_count > 1 && command->time_ms >= window_ms &&
           slot->started_ms[1] <= command->time_ms - window_ms) {
        size_t kept = 0;
        for (size_t i = 0; i < slot->dedup_count; i++) {
            if (slot->dedup[i].generation == slot->generations[0]) {
                removed++;
            } else {
                slot->dedup[kept++] = slot->dedup[i];
            }
        }
        slot->dedup_count = kept;
        slot->generations_count--;
        memmove(slot->generations, slot->generations + 1,
                slot->generations_count * sizeof(slot->generations[0]));
        memmove(slot->started_ms, slot->started_ms + 1,
                slot->generations_count * sizeof(slot->started_ms[0]));
    }
    ck_assert_uint_eq(result->removed, removed);
    ck_assert_uint_lt(slot->generations_count, 64);
    uint64_t previous_ms = slot->started_ms[slot->generations_count - 1];
    slot->generations[slot->generations_count] = index;
    slot->started_ms[slot->generations_count++] =
        command->time_ms > previous_ms ? command->time_ms : previous_ms;
}

static void apply_floor(struct model_slot *slot, uint64_t index, const struct command *command,
                        const struct msg_result *result)
{
    uint64_t floor = command->raise_floor.floor, removed = 0;
    floor = floor > index ? index : floor;
    slot->floor = floor > slot->floor ? floor : slot->floor;
    size_t kept = 0;
    for (size_t i = 0; i < slot->records_count; i++) {
        if (slot->records[i].log_index > slot->floor) {
            slot->records[kept++] = slot->records[i];
        } else {
            removed++;
        }
    }
    slot->records_count = kept;
    ck_assert_uint_eq(result->floor, slot->floor);
    ck_assert_uint_eq(result->removed, removed);
}

static void apply_retention(struct model *model, const struct command *command)
{
    const struct command_set_retention *set = &command->set_retention;
    uint32_t channel_index;
    struct model_channel *channel = channel_at(model, set->channel, &channel_index);
    bool none = set->max_age_ms == 0 && set->max_messages == 0 && set->max_bytes == 0;
    if (!channel->exists && none) {
        return;
    }
    if (!channel->exists) {
        channel->exists = true;
        channel->created_ms = command->time_ms;
    }
    channel->retention[0] = set->max_age_ms;
    channel->retention[1] = set->max_messages;
    channel->retention[2] = set->max_bytes;
}

void model_apply(struct model *model, uint32_t slot, uint64_t index, const struct command *command,
                 const struct msg_result *result)
{
    ck_assert_uint_eq(result->kind, command->kind);
    ck_assert_uint_eq(result->slot, slot);
    ck_assert_uint_eq(result->log_index, index);
    switch ((enum command_kind)command->kind) {
    case COMMAND_APPEND:
        apply_append(model, index, command, result);
        break;
    case COMMAND_DELETE:
        apply_delete(model, index, command, result);
        break;
    case COMMAND_DEDUP_GENERATION:
        apply_generation(&model->slots[slot], index, command, result);
        break;
    case COMMAND_RAISE_FLOOR:
        apply_floor(&model->slots[slot], index, command, result);
        break;
    case COMMAND_CHECK:
        break;
    case COMMAND_SET_RETENTION:
        apply_retention(model, command);
        break;
    case COMMAND_MEMBERS: /* test_install.c has it: random histories do not draw it */
        break;
    }
}
