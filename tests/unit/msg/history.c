/* SPDX-License-Identifier: Apache-2.0 */
/* Random commands that make each other difficult: overlapping, nested, adjacent and tail deletes,
 * retries before and after a delete, reused numbers, atomic batches that fail. */
#include "model.h"

#include <stdio.h>
#include <string.h>

static struct bytes text_of(struct history *history, const char *format, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof(text), format, number);
    return arena_copy(&history->arena, bytes_of_string(text));
}

static struct command_message random_message(struct history *history)
{
    struct rng *rng = &history->rng;
    struct command_message message = {.from_uid = text_of(history, "u%lu", rng_below(rng, 3))};
    uint64_t number = rng_below(rng, 60);
    if (rng_below(rng, 2) == 0) {
        /* A small space of numbers: retries are common; now and then with another payload. */
        message.client_msg_no = text_of(history, "n%lu", number);
        message.payload = text_of(history, "payload of %lu", number + (rng_below(rng, 8) == 0));
    } else {
        uint8_t bytes[40];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (uint8_t)rng_next(rng);
        }
        message.payload = arena_copy(&history->arena, bytes_of(bytes, rng_below(rng, 41)));
    }
    for (size_t i = 0; i < sizeof(message.salt); i++) {
        message.salt[i] = (uint8_t)rng_next(rng);
    }
    return message;
}

static struct command_part random_part(struct history *history, const struct model *model,
                                       const struct model_channel *channel, uint32_t messages_max)
{
    struct rng *rng = &history->rng;
    (void)model;
    uint32_t count = (uint32_t)rng_between(rng, 1, messages_max);
    struct command_message *messages = arena_alloc(&history->arena, count * sizeof(*messages));
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = random_message(history);
    }
    struct command_part part = {
        .channel = channel_of(channel->name), .messages = messages, .messages_count = count};
    if (rng_below(rng, 6) == 0) {
        part.has_expected_last_seq = true;
        part.expected_last_seq = channel->last_seq + (rng_below(rng, 3) == 0);
    }
    return part;
}

static void random_append(struct history *history, const struct model *model,
                          const struct model_channel *channel, struct command *ret)
{
    struct rng *rng = &history->rng;
    bool atomic = rng_below(rng, 4) == 0;
    uint32_t count = atomic ? 1 : (uint32_t)rng_between(rng, 1, 3);
    struct command_part *parts = arena_alloc(&history->arena, count * sizeof(*parts));
    for (uint32_t i = 0; i < count; i++) {
        const struct model_channel *other = &model->channels[rng_below(rng, MODEL_CHANNELS)];
        parts[i] = random_part(history, model, other->slot == channel->slot ? other : channel,
                               rng_below(rng, 3) == 0 ? 8 : 1);
    }
    ret->kind = COMMAND_APPEND;
    ret->flags = atomic ? COMMAND_ATOMIC : 0;
    ret->append = (struct command_append){parts, count};
}

static struct range random_range(struct rng *rng, const struct model_channel *channel)
{
    uint64_t last = channel->last_seq;
    uint64_t start = rng_between(rng, 1, last + 1);
    switch (rng_below(rng, 8)) {
    case 0: /* the newest ones */
        return (struct range){last > 3 ? last - rng_below(rng, 4) : 1, last > 0 ? last : 1};
    case 1: /* everything, now and then */
        if (rng_below(rng, 10) == 0 && last > 0) {
            return (struct range){1, last};
        }
        return (struct range){start, start};
    case 2: /* beyond the end, in part or whole */
        start = rng_below(rng, 3) == 0 ? last + 1 : start;
        return (struct range){start, last + rng_below(rng, 5)};
    case 3: /* a long one */
        return (struct range){start, start + rng_below(rng, 200)};
    default:
        return (struct range){start, start + rng_below(rng, 6)};
    }
}

static void random_delete(struct history *history, const struct model_channel *channel,
                          struct command *ret)
{
    struct rng *rng = &history->rng;
    struct ranges ranges;
    ranges_init(&ranges);
    uint64_t count = rng_below(rng, 3) == 0 ? rng_between(rng, 1, 8) : 1;
    for (uint64_t i = 0; i < count; i++) {
        struct range range = random_range(rng, channel);
        ranges_add(&ranges, range.start, range.end < range.start ? range.start : range.end);
    }
    struct range *copy = arena_alloc(&history->arena, ranges.count * sizeof(*copy));
    memcpy(copy, ranges.items, ranges.count * sizeof(*copy));
    ret->kind = COMMAND_DELETE;
    ret->flags = rng_below(rng, 2) == 0 ? COMMAND_CLAMP : 0;
    ret->delete_ = (struct command_delete){.channel = channel_of(channel->name),
                                           .ranges = copy,
                                           .ranges_count = (uint32_t)ranges.count,
                                           .operator_name = bytes_of_string("op"),
                                           .reason = text_of(history, "r%lu", rng_below(rng, 3)),
                                           .request_id = bytes_of_string("q")};
    ranges_done(&ranges);
}

static void random_small(struct history *history, const struct model *model,
                         const struct model_channel *channel, struct command *ret)
{
    struct rng *rng = &history->rng;
    const struct model_slot *slot = &model->slots[channel->slot];
    switch (rng_below(rng, 4)) {
    case 0:
        ret->kind = COMMAND_DEDUP_GENERATION;
        ret->dedup_generation.window_ms = 4000;
        break;
    case 1:
        ret->kind = COMMAND_RAISE_FLOOR;
        ret->raise_floor.floor = slot->records_count == 0
                                     ? slot->floor
                                     : slot->records[rng_below(rng, slot->records_count)].log_index;
        break;
    case 2:
        ret->kind = COMMAND_CHECK;
        ret->check.id = rng_next(rng) >> 1;
        break;
    default:
        ret->kind = COMMAND_SET_RETENTION;
        ret->set_retention = (struct command_set_retention){.channel = channel_of(channel->name)};
        if (rng_below(rng, 3) != 0) {
            ret->set_retention.max_age_ms = rng_below(rng, 1000);
            ret->set_retention.max_messages = rng_below(rng, 1000);
            ret->set_retention.max_bytes = 1;
        }
    }
}

struct command history_next(struct history *history, const struct model *model, uint32_t *ret_slot)
{
    struct rng *rng = &history->rng;
    arena_clear(&history->arena);
    const struct model_channel *channel = &model->channels[rng_below(rng, MODEL_CHANNELS)];
    *ret_slot = channel->slot;
    history->time_ms += rng_below(rng, 40);
    struct command command = {.time_ms = history->time_ms};
    if (rng_below(rng, 50) == 0) {
        command.time_ms -= 500; /* a leader whose clock is behind */
    }
    uint64_t draw = rng_below(rng, 100);
    if (draw < 58) {
        random_append(history, model, channel, &command);
    } else if (draw < 92) {
        random_delete(history, channel, &command);
    } else {
        random_small(history, model, channel, &command);
    }
    return command;
}
