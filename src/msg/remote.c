/* SPDX-License-Identifier: Apache-2.0 */
/* Queries: each value is written and read by two functions next to each other, field by field in the
 * same order. Numbers are varints, slices are blocks, a flag is a byte that is 0 or 1, and ranges are
 * the distance from the last end and the length less one, so that what is read ascends by itself. */
#include "msg/remote_fields.h"

static void put_page_query(struct buf *buf, const struct msg_page_query *query)
{
    put_channel(buf, query->channel);
    buf_put_varint(buf, query->from_seq);
    buf_put_varint(buf, query->to_seq);
    buf_put_varint(buf, query->limit);
    buf_put_u8(buf, query->descending);
    buf_put_u8(buf, query->newest);
    buf_put_varint(buf, query->since_ms);
    buf_put_varint(buf, query->until_ms);
    buf_put_varint(buf, query->max_bytes);
}

static void read_page_query(struct reader *reader, struct msg_page_query *ret)
{
    ret->channel = read_channel(reader, false);
    ret->from_seq = reader_varint(reader);
    ret->to_seq = reader_varint(reader);
    ret->limit = (uint32_t)read_number(reader, MSG_PAGE_MAX_MESSAGES);
    ret->descending = read_bool(reader);
    ret->newest = read_bool(reader);
    ret->since_ms = reader_varint(reader);
    ret->until_ms = reader_varint(reader);
    ret->max_bytes = read_number(reader, MSG_PAGE_MAX_BYTES);
    reader->failed |= ret->limit == 0;
}

static void put_channels_query(struct buf *buf, const struct msg_channels_query *query)
{
    buf_put_varint(buf, query->slot);
    buf_put_varint(buf, (uint64_t)(query->type + 1));
    buf_put_block(buf, query->prefix);
    put_channel(buf, query->after);
    buf_put_varint(buf, query->limit);
}

static void read_channels_query(struct reader *reader, struct msg_channels_query *ret)
{
    ret->slot = (uint32_t)read_number(reader, UINT16_MAX);
    ret->type = (int)read_number(reader, UINT8_MAX + 1) - 1;
    ret->prefix = read_block(reader, CHANNEL_ID_MAX_BYTES);
    ret->after = read_channel(reader, true);
    ret->limit = (uint32_t)read_number(reader, MSG_LIST_MAX);
}

static void put_deletes_query(struct buf *buf, const struct msg_deletes_query *query)
{
    buf_put_varint(buf, query->slot);
    put_channel(buf, query->channel == NULL ? (struct channel){0, BYTES_NONE} : *query->channel);
    buf_put_varint(buf, query->since_index);
    buf_put_varint(buf, query->since_ms);
    buf_put_varint(buf, query->until_ms);
    buf_put_block(buf, query->operator_name);
    buf_put_block(buf, query->reason);
    buf_put_varint(buf, query->limit);
}

static void read_deletes_query(struct reader *reader, struct arena *arena,
                               struct msg_deletes_query *ret)
{
    ret->slot = (uint32_t)read_number(reader, UINT16_MAX);
    struct channel channel = read_channel(reader, true);
    if (channel.id.len > 0) {
        struct channel *kept = arena_alloc(arena, sizeof(*kept));
        *kept = channel;
        ret->channel = kept;
    }
    ret->since_index = reader_varint(reader);
    ret->since_ms = reader_varint(reader);
    ret->until_ms = reader_varint(reader);
    ret->operator_name = read_block(reader, COMMAND_TEXT_MAX_BYTES);
    ret->reason = read_block(reader, COMMAND_TEXT_MAX_BYTES);
    ret->limit = (uint32_t)read_number(reader, MSG_LIST_MAX);
}

static void put_preview_query(struct buf *buf, const struct msg_delete_request *query)
{
    put_channel(buf, query->channel);
    buf_put_u8(buf, (uint8_t)query->form);
    put_ranges(buf, query->ranges, query->ranges_count);
    buf_put_varint(buf, query->through_seq);
    buf_put_varint(buf, query->keep);
    buf_put_varint(buf, query->before_ms);
    buf_put_u8(buf, query->clamp);
}

static void read_preview_query(struct reader *reader, struct arena *arena,
                               struct msg_delete_request *ret)
{
    ret->channel = read_channel(reader, false);
    uint8_t form = reader_u8(reader);
    reader->failed |= form > MSG_DELETE_ALL;
    ret->form = reader->failed ? MSG_DELETE_RANGES : (enum msg_delete_form)form;
    ret->ranges = read_ranges(reader, arena, &ret->ranges_count);
    ret->through_seq = reader_varint(reader);
    ret->keep = reader_varint(reader);
    ret->before_ms = reader_varint(reader);
    ret->clamp = read_bool(reader);
}

static void put_seqs(struct buf *buf, const struct msg_query *query)
{
    assert(query->seqs_count <= MSG_QUERY_SEQS_MAX);
    buf_put_varint(buf, query->seqs_count);
    for (uint32_t i = 0; i < query->seqs_count; i++) {
        buf_put_varint(buf, query->seqs[i]);
    }
}

static void read_seqs(struct reader *reader, struct arena *arena, struct msg_query *ret)
{
    uint32_t count = read_count(reader, MSG_QUERY_SEQS_MAX, 1);
    uint64_t *seqs = arena_alloc(arena, count * sizeof(*seqs));
    for (uint32_t i = 0; i < count; i++) {
        seqs[i] = reader_varint(reader);
    }
    ret->seqs = seqs;
    ret->seqs_count = count;
}

static void put_query(struct buf *buf, const struct msg_query *query)
{
    buf_put_u8(buf, query->kind);
    switch ((enum msg_query_kind)query->kind) {
    case MSG_QUERY_PAGE:
        put_page_query(buf, &query->page);
        return;
    case MSG_QUERY_MESSAGE:
    case MSG_QUERY_MESSAGE_ID:
        put_channel(buf, query->channel);
        buf_put_varint(buf, query->number);
        return;
    case MSG_QUERY_SEQS:
        put_channel(buf, query->channel);
        put_seqs(buf, query);
        return;
    case MSG_QUERY_CLIENT_MSG_NO:
        put_channel(buf, query->channel);
        buf_put_block(buf, query->client_msg_no);
        buf_put_block(buf, query->from_uid);
        return;
    case MSG_QUERY_CHANNEL:
        put_channel(buf, query->channel);
        return;
    case MSG_QUERY_CHANNELS:
        put_channels_query(buf, &query->channels);
        return;
    case MSG_QUERY_DELETES:
        put_deletes_query(buf, &query->deletes);
        return;
    case MSG_QUERY_DELETE:
        buf_put_varint(buf, query->slot);
        buf_put_varint(buf, query->number);
        return;
    case MSG_QUERY_PREVIEW:
        put_preview_query(buf, &query->preview);
        return;
    case MSG_QUERY_KINDS:
        break;
    }
    assert(!"a query without a kind");
}

/* False: the kind is not known. */
static bool read_query(struct reader *reader, struct arena *arena, struct msg_query *ret)
{
    ret->kind = reader_u8(reader);
    switch ((enum msg_query_kind)ret->kind) {
    case MSG_QUERY_PAGE:
        read_page_query(reader, &ret->page);
        return true;
    case MSG_QUERY_MESSAGE:
    case MSG_QUERY_MESSAGE_ID:
        ret->channel = read_channel(reader, false);
        ret->number = reader_varint(reader);
        return true;
    case MSG_QUERY_SEQS:
        ret->channel = read_channel(reader, false);
        read_seqs(reader, arena, ret);
        return true;
    case MSG_QUERY_CLIENT_MSG_NO:
        ret->channel = read_channel(reader, false);
        ret->client_msg_no = read_block(reader, COMMAND_CLIENT_MSG_NO_MAX_BYTES);
        ret->from_uid = read_block(reader, COMMAND_FROM_UID_MAX_BYTES);
        return true;
    case MSG_QUERY_CHANNEL:
        ret->channel = read_channel(reader, false);
        return true;
    case MSG_QUERY_CHANNELS:
        read_channels_query(reader, &ret->channels);
        return true;
    case MSG_QUERY_DELETES:
        read_deletes_query(reader, arena, &ret->deletes);
        return true;
    case MSG_QUERY_DELETE:
        ret->slot = (uint32_t)read_number(reader, UINT16_MAX);
        ret->number = reader_varint(reader);
        return true;
    case MSG_QUERY_PREVIEW:
        read_preview_query(reader, arena, &ret->preview);
        return true;
    case MSG_QUERY_KINDS:
        break;
    }
    return false;
}

void msg_encode_queries(struct buf *buf, const struct msg_query *queries, uint32_t count)
{
    assert(count >= 1 && count <= MSG_QUERIES_MAX);
    buf_put_varint(buf, count);
    for (uint32_t i = 0; i < count; i++) {
        put_query(buf, &queries[i]);
    }
}

enum err msg_decode_queries(struct bytes bytes, struct arena *arena, const struct msg_query **ret,
                            uint32_t *ret_count, struct why *why)
{
    struct reader reader = reader_of(bytes);
    uint32_t count = read_count(&reader, MSG_QUERIES_MAX, 2);
    reader.failed |= count == 0;
    struct msg_query *queries = arena_zero(arena, count * sizeof(*queries));
    for (uint32_t i = 0; i < count && !reader.failed; i++) {
        if (!read_query(&reader, arena, &queries[i]) && !reader.failed) {
            return why_set(why, ERR_NOT_SUPPORTED, "a query of kind %u", queries[i].kind);
        }
    }
    if (!reader_is_done(&reader)) {
        return why_set(why, ERR_BAD_FORMAT, "queries of %zu bytes are malformed", bytes.len);
    }
    *ret = queries;
    *ret_count = count;
    return OK;
}
