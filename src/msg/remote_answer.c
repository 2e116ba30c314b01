/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: each value is written and read by two functions next to each other, field by field in the
 * same order. Numbers are varints, slices are blocks, a flag is a byte that is 0 or 1, and ranges are
 * the distance from the last end and the length less one, so that what is read ascends by itself. */
#include "msg/remote_fields.h"

enum { MESSAGE_BYTES_MIN = 13, CHANNEL_BYTES_MIN = 15, RECORD_BYTES_MIN = 10 };

static void put_message(struct buf *buf, const struct msg_message *message)
{
    buf_put_varint(buf, message->seq);
    buf_put_varint(buf, message->message_id);
    buf_put_varint(buf, message->timestamp_ms);
    buf_put_block(buf, message->from_uid);
    buf_put_block(buf, message->client_msg_no);
    buf_put_block(buf, message->payload);
    buf_put_block(buf, message->topic);
    buf_put_u8(buf, message->payload_encoding);
    buf_put_u8(buf, message->setting);
    buf_append(buf, message->header, sizeof(message->header));
    buf_put_varint(buf, message->expire_s);
}

static void read_message(struct reader *reader, struct msg_message *ret)
{
    *ret = (struct msg_message){.seq = reader_varint(reader)};
    ret->message_id = reader_varint(reader);
    ret->timestamp_ms = reader_varint(reader);
    ret->from_uid = read_block(reader, COMMAND_FROM_UID_MAX_BYTES);
    ret->client_msg_no = read_block(reader, COMMAND_CLIENT_MSG_NO_MAX_BYTES);
    ret->payload = read_block(reader, COMMAND_MAX_BYTES);
    ret->topic = read_block(reader, COMMAND_TOPIC_MAX_BYTES);
    ret->payload_encoding = reader_u8(reader);
    ret->setting = reader_u8(reader);
    for (size_t i = 0; i < sizeof(ret->header); i++) {
        ret->header[i] = reader_u8(reader);
    }
    ret->expire_s = (uint32_t)read_number(reader, UINT32_MAX);
}

static void put_page(struct buf *buf, const struct msg_page *page)
{
    buf_put_varint(buf, page->messages_count);
    for (uint32_t i = 0; i < page->messages_count; i++) {
        put_message(buf, &page->messages[i]);
    }
    put_ranges(buf, page->deleted, page->deleted_count);
    buf_put_varint(buf, page->first_seq);
    buf_put_varint(buf, page->last_seq);
    buf_put_u8(buf, page->more);
    buf_put_varint(buf, page->next_seq);
}

static void read_page(struct reader *reader, struct arena *arena, struct msg_page *ret)
{
    uint32_t count = read_count(reader, MSG_PAGE_MAX_MESSAGES, MESSAGE_BYTES_MIN);
    struct msg_message *messages = arena_alloc(arena, count * sizeof(*messages));
    for (uint32_t i = 0; i < count; i++) {
        read_message(reader, &messages[i]);
    }
    ret->messages = messages;
    ret->messages_count = count;
    ret->deleted = read_ranges(reader, arena, &ret->deleted_count);
    ret->first_seq = reader_varint(reader);
    ret->last_seq = reader_varint(reader);
    ret->more = read_bool(reader);
    ret->next_seq = reader_varint(reader);
}

static void put_channel_info(struct buf *buf, const struct msg_channel *channel)
{
    put_channel(buf, channel->channel);
    buf_put_varint(buf, channel->slot);
    buf_put_varint(buf, channel->first_seq);
    buf_put_varint(buf, channel->last_seq);
    buf_put_varint(buf, channel->message_count);
    buf_put_varint(buf, channel->deleted_count);
    buf_put_varint(buf, channel->bytes);
    buf_put_varint(buf, channel->last_timestamp_ms);
    buf_put_varint(buf, channel->delete_version);
    buf_put_varint(buf, channel->created_ms);
    buf_put_varint(buf, channel->retention_max_age_ms);
    buf_put_varint(buf, channel->retention_max_messages);
    buf_put_varint(buf, channel->retention_max_bytes);
    buf_put_varint(buf, channel->applied_index);
}

static void read_channel_info(struct reader *reader, struct msg_channel *ret)
{
    ret->channel = read_channel(reader, true);
    ret->slot = (uint32_t)read_number(reader, UINT16_MAX);
    ret->first_seq = reader_varint(reader);
    ret->last_seq = reader_varint(reader);
    ret->message_count = reader_varint(reader);
    ret->deleted_count = reader_varint(reader);
    ret->bytes = reader_varint(reader);
    ret->last_timestamp_ms = reader_varint(reader);
    ret->delete_version = reader_varint(reader);
    ret->created_ms = reader_varint(reader);
    ret->retention_max_age_ms = reader_varint(reader);
    ret->retention_max_messages = reader_varint(reader);
    ret->retention_max_bytes = reader_varint(reader);
    ret->applied_index = reader_varint(reader);
}

static void put_channels(struct buf *buf, const struct msg_channels *channels)
{
    buf_put_varint(buf, channels->count);
    for (uint32_t i = 0; i < channels->count; i++) {
        put_channel_info(buf, &channels->channels[i]);
    }
    buf_put_u8(buf, channels->more);
}

static void read_channels(struct reader *reader, struct arena *arena, struct msg_channels *ret)
{
    uint32_t count = read_count(reader, MSG_LIST_MAX, CHANNEL_BYTES_MIN);
    struct msg_channel *channels = arena_zero(arena, count * sizeof(*channels));
    for (uint32_t i = 0; i < count; i++) {
        read_channel_info(reader, &channels[i]);
    }
    *ret = (struct msg_channels){.channels = channels, .count = count, .more = read_bool(reader)};
    reader->failed |= ret->more && count == 0;
}

static void put_record(struct buf *buf, const struct msg_delete_record *record)
{
    buf_put_varint(buf, record->slot);
    buf_put_varint(buf, record->log_index);
    buf_put_varint(buf, record->deleted_at_ms);
    put_channel(buf, record->channel);
    put_ranges(buf, record->ranges, record->ranges_count);
    buf_put_varint(buf, record->deleted_count);
    buf_put_varint(buf, record->already_deleted);
    buf_put_block(buf, record->operator_name);
    buf_put_block(buf, record->reason);
    buf_put_block(buf, record->request_id);
}

static void read_record(struct reader *reader, struct arena *arena, struct msg_delete_record *ret)
{
    ret->slot = (uint32_t)read_number(reader, UINT16_MAX);
    ret->log_index = reader_varint(reader);
    ret->deleted_at_ms = reader_varint(reader);
    ret->channel = read_channel(reader, true);
    ret->ranges = read_ranges(reader, arena, &ret->ranges_count);
    ret->deleted_count = reader_varint(reader);
    ret->already_deleted = reader_varint(reader);
    ret->operator_name = read_block(reader, COMMAND_TEXT_MAX_BYTES);
    ret->reason = read_block(reader, COMMAND_TEXT_MAX_BYTES);
    ret->request_id = read_block(reader, COMMAND_TEXT_MAX_BYTES);
}

static void put_deletes(struct buf *buf, const struct msg_deletes *deletes)
{
    buf_put_varint(buf, deletes->count);
    for (uint32_t i = 0; i < deletes->count; i++) {
        put_record(buf, &deletes->records[i]);
    }
    buf_put_u8(buf, deletes->more);
    buf_put_varint(buf, deletes->floor);
    buf_put_varint(buf, deletes->last_index);
}

static void read_deletes(struct reader *reader, struct arena *arena, struct msg_deletes *ret)
{
    uint32_t count = read_count(reader, MSG_LIST_MAX, RECORD_BYTES_MIN);
    struct msg_delete_record *records = arena_zero(arena, count * sizeof(*records));
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        read_record(reader, arena, &records[i]);
        reader->failed |= records[i].ranges_count == 0; /* a delete that is logged has one */
    }
    ret->records = records;
    ret->count = count;
    ret->more = read_bool(reader);
    reader->failed |= ret->more && count == 0; /* the next one begins behind the last */
    ret->floor = reader_varint(reader);
    ret->last_index = reader_varint(reader);
}

static void put_preview(struct buf *buf, const struct msg_delete_result *preview)
{
    put_err(buf, preview->err);
    buf_put_u8(buf, preview->logged);
    put_ranges(buf, preview->ranges, preview->ranges_count);
    buf_put_varint(buf, preview->start_seq);
    buf_put_varint(buf, preview->end_seq);
    buf_put_varint(buf, preview->deleted_count);
    buf_put_varint(buf, preview->already_deleted);
    buf_put_varint(buf, preview->first_seq);
    buf_put_varint(buf, preview->last_seq);
    buf_put_varint(buf, preview->deleted_at_ms);
}

static void read_preview(struct reader *reader, struct arena *arena, struct msg_delete_result *ret)
{
    ret->err = read_err(reader);
    ret->logged = read_bool(reader);
    ret->ranges = read_ranges(reader, arena, &ret->ranges_count);
    ret->start_seq = reader_varint(reader);
    ret->end_seq = reader_varint(reader);
    ret->deleted_count = reader_varint(reader);
    ret->already_deleted = reader_varint(reader);
    ret->first_seq = reader_varint(reader);
    ret->last_seq = reader_varint(reader);
    ret->deleted_at_ms = reader_varint(reader);
}

void msg_encode_answer(struct buf *buf, uint8_t kind, const struct msg_answer *answer)
{
    struct bytes text = answer->text;
    text.len = text.len > TEXT_MAX_BYTES ? TEXT_MAX_BYTES : text.len;
    put_err(buf, answer->err);
    buf_put_block(buf, text);
    buf_put_varint(buf, answer->applied_index);
    buf_put_varint(buf, answer->delete_index);
    switch ((enum msg_query_kind)kind) {
    case MSG_QUERY_PAGE:
    case MSG_QUERY_SEQS:
    case MSG_QUERY_CLIENT_MSG_NO:
        put_page(buf, &answer->page);
        return;
    case MSG_QUERY_MESSAGE:
    case MSG_QUERY_MESSAGE_ID:
        put_message(buf, &answer->message);
        return;
    case MSG_QUERY_CHANNEL:
        put_channel_info(buf, &answer->channel);
        return;
    case MSG_QUERY_CHANNELS:
        put_channels(buf, &answer->channels);
        return;
    case MSG_QUERY_DELETES:
        put_deletes(buf, &answer->deletes);
        return;
    case MSG_QUERY_DELETE:
        put_record(buf, &answer->record);
        return;
    case MSG_QUERY_PREVIEW:
        put_preview(buf, &answer->preview);
        return;
    case MSG_QUERY_KINDS:
        break;
    }
    assert(!"an answer without a kind");
}

static void read_answer(struct reader *reader, uint8_t kind, struct arena *arena,
                        struct msg_answer *ret)
{
    switch ((enum msg_query_kind)kind) {
    case MSG_QUERY_PAGE:
    case MSG_QUERY_SEQS:
    case MSG_QUERY_CLIENT_MSG_NO:
        read_page(reader, arena, &ret->page);
        ret->page.applied_index = ret->applied_index;
        return;
    case MSG_QUERY_MESSAGE:
    case MSG_QUERY_MESSAGE_ID:
        read_message(reader, &ret->message);
        return;
    case MSG_QUERY_CHANNEL:
        read_channel_info(reader, &ret->channel);
        return;
    case MSG_QUERY_CHANNELS:
        read_channels(reader, arena, &ret->channels);
        return;
    case MSG_QUERY_DELETES:
        read_deletes(reader, arena, &ret->deletes);
        ret->deletes.applied_index = ret->applied_index;
        return;
    case MSG_QUERY_DELETE:
        read_record(reader, arena, &ret->record);
        return;
    case MSG_QUERY_PREVIEW:
        read_preview(reader, arena, &ret->preview);
        return;
    case MSG_QUERY_KINDS:
        break;
    }
    reader->failed = true;
}

enum err msg_decode_answer(struct bytes bytes, uint8_t kind, struct arena *arena,
                           struct msg_answer *ret, struct why *why)
{
    struct reader reader = reader_of(bytes);
    struct msg_answer answer = {.err = read_err(&reader)};
    answer.text = read_block(&reader, TEXT_MAX_BYTES);
    answer.applied_index = reader_varint(&reader);
    answer.delete_index = reader_varint(&reader);
    read_answer(&reader, kind, arena, &answer);
    if (!reader_is_done(&reader)) {
        return why_set(why, ERR_BAD_FORMAT, "an answer of %zu bytes is malformed", bytes.len);
    }
    *ret = answer;
    return OK;
}
