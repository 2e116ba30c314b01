/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of the model: what queries must show. */
#include "model.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"

static void compare_message(const struct model_channel *channel, const struct msg_message *got)
{
    ck_assert_uint_ge(got->seq, 1);
    ck_assert_uint_le(got->seq, channel->last_seq);
    const struct model_message *want = &channel->messages[got->seq - 1];
    ck_assert(!want->deleted);
    ck_assert_uint_eq(got->message_id, want->id);
    ck_assert_uint_eq(got->timestamp_ms, want->timestamp_ms);
    ck_assert(bytes_is_equal(got->payload, want->payload));
    ck_assert(bytes_is_equal(got->from_uid, want->from_uid));
    ck_assert(bytes_is_equal(got->client_msg_no, want->client_msg_no));
}

static uint64_t first_visible(const struct model_channel *channel)
{
    for (uint64_t seq = 1; seq <= channel->last_seq; seq++) {
        if (!channel->messages[seq - 1].deleted) {
            return seq;
        }
    }
    return 0;
}

/* What a page must hold, by walking seq by seq. */
struct expected {
    uint64_t *seqs;
    uint32_t count;
    struct ranges deleted;
    bool more;
    uint64_t next_seq;
};

static void expect_page(const struct model_channel *channel, uint64_t from, uint64_t to,
                        uint32_t limit, bool down, struct expected *ret)
{
    *ret = (struct expected){.seqs = alloc_array(limit, sizeof(uint64_t))};
    ranges_init(&ret->deleted);
    if (from > to) {
        return;
    }
    for (uint64_t i = 0; i <= to - from; i++) {
        uint64_t seq = down ? to - i : from + i;
        if (channel->messages[seq - 1].deleted) {
            ranges_add(&ret->deleted, seq, seq);
        } else if (ret->count == limit) {
            ret->more = true;
            ret->next_seq = seq;
            return;
        } else {
            ret->seqs[ret->count++] = seq;
        }
    }
}

/* The window that since and until leave: up to the visible neighbours outside. */
static void cut_window(const struct model_channel *channel, const struct msg_page_query *query,
                       uint64_t *from, uint64_t *to)
{
    uint64_t low = *from, high = *to;
    for (uint64_t seq = *from; seq <= *to; seq++) {
        const struct model_message *message = &channel->messages[seq - 1];
        if (message->deleted) {
            continue;
        }
        if (query->since_ms != 0 && message->timestamp_ms < query->since_ms) {
            low = seq + 1;
        }
        if (query->until_ms != 0 && message->timestamp_ms > query->until_ms && seq - 1 < high) {
            high = seq - 1;
        }
    }
    *from = low;
    *to = high;
}

static void compare_page(const struct model_channel *channel, struct rig *rig,
                         const struct msg_page_query *query)
{
    struct msg_page page;
    ck_assert_ok(msg_get_page(rig->msg, query, &rig->arena, &page, why));
    uint64_t from = query->from_seq == 0 ? 1 : query->from_seq;
    uint64_t to =
        query->to_seq == 0 || query->to_seq > channel->last_seq ? channel->last_seq : query->to_seq;
    cut_window(channel, query, &from, &to);
    struct expected want;
    bool down = query->descending || query->newest;
    expect_page(channel, from, to, query->limit, down, &want);
    ck_assert_uint_eq(page.first_seq, first_visible(channel));
    ck_assert_uint_eq(page.last_seq, channel->last_seq);
    ck_assert_uint_eq(page.applied_index, rig->index[channel->slot]);
    ck_assert_uint_eq(page.messages_count, want.count);
    bool turned = query->newest && !query->descending;
    for (uint32_t i = 0; i < want.count; i++) {
        ck_assert_uint_eq(page.messages[i].seq, want.seqs[turned ? want.count - 1 - i : i]);
        compare_message(channel, &page.messages[i]);
    }
    ck_assert_uint_eq(page.deleted_count, want.deleted.count);
    for (uint32_t i = 0; i < page.deleted_count; i++) {
        ck_assert_uint_eq(page.deleted[i].start, want.deleted.items[i].start);
        ck_assert_uint_eq(page.deleted[i].end, want.deleted.items[i].end);
    }
    ck_assert_int_eq(page.more, want.more);
    ck_assert_uint_eq(page.next_seq, want.next_seq);
    free(want.seqs);
    ranges_done(&want.deleted);
}

static uint64_t random_time(const struct model_channel *channel, struct rng *rng)
{
    if (channel->last_seq == 0) {
        return 1;
    }
    uint64_t seq = rng_below(rng, channel->last_seq);
    return channel->messages[seq].timestamp_ms + rng_below(rng, 3) - 1;
}

static void compare_pages(const struct model_channel *channel, struct rig *rig, struct rng *rng)
{
    for (int i = 0; i < 6; i++) {
        struct msg_page_query query = {.channel = channel_of(channel->name),
                                       .limit = (uint32_t)rng_between(rng, 1, 40),
                                       .descending = rng_below(rng, 2) == 0};
        if (i >= 1) {
            query.from_seq = rng_below(rng, channel->last_seq + 3);
            query.to_seq = rng_below(rng, channel->last_seq + 3);
        }
        query.newest = i == 2;
        if (i >= 4) {
            query.since_ms = rng_below(rng, 3) == 0 ? 0 : random_time(channel, rng);
            query.until_ms = rng_below(rng, 3) == 0 ? 0 : random_time(channel, rng);
        }
        compare_page(channel, rig, &query);
    }
    struct msg_page_query all = {.channel = channel_of(channel->name), .limit = 10000};
    compare_page(channel, rig, &all);
}

static void compare_figures(const struct model_channel *channel, struct rig *rig)
{
    struct msg_channel got;
    ck_assert_ok(msg_get_channel(rig->msg, channel_of(channel->name), &rig->arena, &got, why));
    uint64_t visible = 0, bytes = 0;
    for (uint64_t i = 0; i < channel->last_seq; i++) {
        visible += !channel->messages[i].deleted;
        bytes += channel->messages[i].deleted ? 0 : channel->messages[i].payload.len;
    }
    ck_assert_uint_eq(got.slot, channel->slot);
    ck_assert_uint_eq(got.first_seq, first_visible(channel));
    ck_assert_uint_eq(got.last_seq, channel->last_seq);
    ck_assert_uint_eq(got.message_count, visible);
    ck_assert_uint_eq(got.deleted_count, channel->last_seq - visible);
    ck_assert_uint_eq(got.bytes, bytes);
    ck_assert_uint_eq(got.last_timestamp_ms, channel->last_timestamp_ms);
    ck_assert_uint_eq(got.delete_version, channel->delete_version);
    ck_assert_uint_eq(got.created_ms, channel->created_ms);
    ck_assert_uint_eq(got.retention_max_age_ms, channel->retention[0]);
    ck_assert_uint_eq(got.retention_max_messages, channel->retention[1]);
    ck_assert_uint_eq(got.retention_max_bytes, channel->retention[2]);
}

static void compare_singles(const struct model *model, const struct model_channel *channel,
                            struct rig *rig, struct rng *rng)
{
    const struct model_slot *slot = &model->slots[channel->slot];
    uint64_t seqs[8];
    for (int i = 0; i < 8; i++) {
        uint64_t seq = seqs[i] = rng_below(rng, channel->last_seq + 2);
        struct msg_message got;
        uint64_t delete_index = 0;
        enum err err = msg_get_message(rig->msg, channel_of(channel->name), seq, &rig->arena, &got,
                                       &delete_index, NULL, NULL);
        if (seq == 0 || seq > channel->last_seq) {
            ck_assert_int_eq(err, ERR_SEQ_NOT_FOUND);
            continue;
        }
        const struct model_message *want = &channel->messages[seq - 1];
        if (!want->deleted) {
            ck_assert_int_eq(err, OK);
            compare_message(channel, &got);
            ck_assert_ok(msg_find_message_id(rig->msg, channel_of(channel->name), want->id,
                                             &rig->arena, &got, why));
            ck_assert_uint_eq(got.seq, seq);
            continue;
        }
        ck_assert_int_eq(err, ERR_SEQ_DELETED);
        if (want->delete_index > slot->floor) {
            ck_assert_uint_eq(delete_index, want->delete_index);
        }
        ck_assert_int_eq(msg_find_message_id(rig->msg, channel_of(channel->name), want->id,
                                             &rig->arena, &got, NULL),
                         ERR_NOT_FOUND);
    }
    struct msg_page page;
    ck_assert_ok(
        msg_get_seqs(rig->msg, channel_of(channel->name), seqs, 8, &rig->arena, &page, why));
    for (uint32_t i = 0; i < page.messages_count; i++) {
        compare_message(channel, &page.messages[i]);
        ck_assert(i == 0 || page.messages[i - 1].seq < page.messages[i].seq);
    }
    for (int i = 0; i < 8; i++) {
        bool known = seqs[i] >= 1 && seqs[i] <= channel->last_seq;
        bool visible = known && !channel->messages[seqs[i] - 1].deleted, shown = false;
        for (uint32_t k = 0; k < page.messages_count; k++) {
            shown = shown || page.messages[k].seq == seqs[i];
        }
        ck_assert_int_eq(shown, visible);
    }
}

void model_compare_channel(const struct model *model, struct rig *rig, uint32_t index,
                           struct rng *rng)
{
    rig_flush(rig);
    rig_clear(rig);
    const struct model_channel *channel = &model->channels[index];
    compare_figures(channel, rig);
    compare_pages(channel, rig, rng);
    compare_singles(model, channel, rig, rng);
}

static void compare_log(const struct model *model, struct rig *rig, uint32_t slot)
{
    const struct model_slot *want = &model->slots[slot];
    struct msg_deletes got;
    struct msg_deletes_query query = {.slot = slot, .limit = MSG_LIST_MAX};
    ck_assert_ok(msg_list_deletes(rig->msg, &query, &rig->arena, &got, why));
    ck_assert_uint_eq(got.count, want->records_count);
    ck_assert_uint_eq(got.floor, want->floor);
    for (uint32_t i = 0; i < got.count; i++) {
        const struct model_record *record = &want->records[i];
        ck_assert_uint_eq(got.records[i].log_index, record->log_index);
        ck_assert_uint_eq(got.records[i].deleted_at_ms, record->deleted_at_ms);
        ck_assert_uint_eq(got.records[i].deleted_count, record->deleted_count);
        ck_assert_uint_eq(got.records[i].already_deleted, record->already_deleted);
        ck_assert(bytes_is_equal(got.records[i].channel.id,
                                 bytes_of_string(model->channels[record->channel].name)));
        ck_assert_uint_eq(got.records[i].ranges_count, record->ranges_count);
        ck_assert_mem_eq(got.records[i].ranges, record->ranges,
                         record->ranges_count * sizeof(*record->ranges));
    }
    for (uint32_t c = 0; c < MODEL_CHANNELS; c++) {
        struct channel channel = channel_of(model->channels[c].name);
        uint32_t expected = 0;
        for (size_t i = 0; i < want->records_count; i++) {
            expected += want->records[i].channel == c;
        }
        query.channel = &channel;
        if (model->channels[c].slot == slot) {
            ck_assert_ok(msg_list_deletes(rig->msg, &query, &rig->arena, &got, why));
            ck_assert_uint_eq(got.count, expected);
        }
    }
}

static void compare_list(const struct model *model, struct rig *rig, uint32_t slot)
{
    uint32_t expected = 0, seen = 0;
    for (uint32_t c = 0; c < MODEL_CHANNELS; c++) {
        expected += model->channels[c].slot == slot && model->channels[c].exists;
    }
    struct msg_channels_query query = {
        .slot = slot, .type = 2, .prefix = bytes_of_string("room-"), .limit = 2};
    struct msg_channels got = {.more = true};
    while (got.more) {
        ck_assert_ok(msg_list_channels(rig->msg, &query, &rig->arena, &got, why));
        for (uint32_t i = 0; i < got.count; i++) {
            for (uint32_t c = 0; c < MODEL_CHANNELS; c++) {
                if (bytes_is_equal(got.channels[i].channel.id,
                                   bytes_of_string(model->channels[c].name))) {
                    ck_assert_uint_eq(got.channels[i].last_seq, model->channels[c].last_seq);
                    ck_assert_uint_eq(got.channels[i].first_seq,
                                      first_visible(&model->channels[c]));
                    seen++;
                }
            }
            query.after = got.channels[i].channel;
        }
    }
    ck_assert_uint_eq(seen, expected);
    struct msg_slot_state state;
    ck_assert_ok(msg_get_slot_state(rig->msg, slot, &state, why));
    ck_assert_uint_eq(state.channels_count, expected);
    ck_assert_uint_eq(state.delete_log_count, model->slots[slot].records_count);
    ck_assert_uint_eq(state.dedup_rows, model->slots[slot].dedup_count);
    ck_assert_uint_eq(state.floor, model->slots[slot].floor);
}

void model_compare_slot(const struct model *model, struct rig *rig, uint32_t slot)
{
    rig_check(rig, slot);
    rig_clear(rig);
    compare_log(model, rig, slot);
    compare_list(model, rig, slot);
}
