/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/call.h"

#include "base/channel.h"
#include "base/origin.h"
#include "wire/command.h"
#include "wire/frame.h"
#include "wire/limits.h"
#include "wire/reading.h"

/* What a request or response adds to its body or result, at most. */
enum { HEAD_MAX_BYTES = 1024, APPEND_BYTES_MIN = 6, RANGE_BYTES_MIN = 2 };

enum append_flag { APPEND_DUPLICATE = 1, APPEND_DELETED = 2, APPEND_FAILED = 4, APPEND_ALL = 7 };
enum delete_flag { DELETE_LOGGED = 1, DELETE_FAILED = 2, DELETE_ALL = 3 };

size_t call_max_body_bytes(void)
{
    return WIRE_BODY_MAX_BYTES - HEAD_MAX_BYTES;
}

/* ---- requests and responses ----------------------------------------------------------------- */

static bool is_origin(const struct call_request *request)
{
    return (request->request_id.len == 0 || origin_is_id(request->request_id)) &&
           (request->trace_id.len == 0 || origin_is_trace(request->trace_id));
}

void call_encode_request(struct buf *buf, const struct call_request *request)
{
    assert(request->kind != 0);
    assert(request->slot < SLOTS_MAX && request->hops <= WIRE_HOPS_MAX);
    assert(request->body.len <= call_max_body_bytes());
    assert(is_origin(request));
    size_t begin = frame_begin(buf, FRAME_REQUEST);
    buf_put_le64(buf, request->id);
    buf_put_u8(buf, request->kind);
    buf_put_u8(buf, request->hops);
    buf_put_varint(buf, request->slot);
    buf_put_varint(buf, request->deadline_ms);
    buf_put_varint(buf, request->min_term);
    buf_put_varint(buf, request->min_index);
    buf_put_block(buf, request->body);
    if (request->request_id.len > 0 || request->trace_id.len > 0) {
        buf_put_block(buf, request->request_id);
        buf_put_block(buf, request->trace_id);
    }
    frame_end(buf, begin);
}

enum err call_decode_request(struct bytes body, struct call_request *ret, struct why *why)
{
    struct reader reader = reader_of(body);
    struct call_request request = {0};
    bool has_origin = false;
    request.id = reader_le64(&reader);
    request.kind = reader_u8(&reader);
    request.hops = reader_u8(&reader);
    request.slot = (slot_id)reading_number(&reader, SLOTS_MAX - 1);
    request.deadline_ms = (uint32_t)reading_number(&reader, UINT32_MAX);
    request.min_term = reader_varint(&reader);
    request.min_index = reader_varint(&reader);
    request.body = reading_block(&reader, call_max_body_bytes());
    if (!reader.failed && !reader_is_done(&reader)) {
        request.request_id = reading_block(&reader, ORIGIN_ID_MAX_BYTES);
        request.trace_id = reading_block(&reader, ORIGIN_TRACE_BYTES);
        has_origin = true;
    }
    bool is_sane = is_origin(&request) &&
                   has_origin == (request.request_id.len > 0 || request.trace_id.len > 0);
    if (!reader_is_done(&reader) || !is_sane || request.kind == 0 || request.hops > WIRE_HOPS_MAX)
        return why_set(why, ERR_BAD_FORMAT, "a request of %zu bytes does not add up", body.len);
    *ret = request;
    return OK;
}

void call_encode_response(struct buf *buf, const struct call_response *response)
{
    assert(response->leader <= WIRE_NODE_ID_MAX);
    assert(response->result.len <= call_max_body_bytes());
    struct bytes text = response->text;
    if (text.len > WIRE_WHY_MAX_BYTES)
        text.len = WIRE_WHY_MAX_BYTES;
    size_t begin = frame_begin(buf, FRAME_RESPONSE);
    buf_put_le64(buf, response->id);
    reading_put_err(buf, response->err);
    buf_put_varint(buf, response->leader);
    buf_put_block(buf, text);
    buf_put_block(buf, response->result);
    frame_end(buf, begin);
}

enum err call_decode_response(struct bytes body, struct call_response *ret, struct why *why)
{
    struct reader reader = reader_of(body);
    struct call_response response = {0};
    response.id = reader_le64(&reader);
    response.err = reading_err(&reader);
    response.leader = reading_number(&reader, WIRE_NODE_ID_MAX);
    response.text = reading_block(&reader, WIRE_WHY_MAX_BYTES);
    response.result = reading_block(&reader, call_max_body_bytes());
    if (!reader_is_done(&reader))
        return why_set(why, ERR_BAD_FORMAT, "a response of %zu bytes does not add up", body.len);
    *ret = response;
    return OK;
}

/* ---- results -------------------------------------------------------------------------------- */

static void put_append(struct buf *buf, const struct wire_append_result *append)
{
    uint8_t flags = 0;
    flags |= append->duplicate ? APPEND_DUPLICATE : 0;
    flags |= append->deleted ? APPEND_DELETED : 0;
    flags |= append->err != OK ? APPEND_FAILED : 0;
    buf_put_u8(buf, flags);
    if (append->err != OK)
        reading_put_err(buf, append->err);
    buf_put_varint(buf, append->seq);
    buf_put_varint(buf, append->message_id);
    buf_put_varint(buf, append->timestamp_ms);
    buf_put_varint(buf, append->log_index);
    buf_put_varint(buf, append->last_seq);
}

static void get_append(struct reader *reader, struct wire_append_result *ret)
{
    uint8_t flags = reader_u8(reader);
    if ((flags & ~APPEND_ALL) != 0)
        reader->failed = true;
    ret->duplicate = (flags & APPEND_DUPLICATE) != 0;
    ret->deleted = (flags & APPEND_DELETED) != 0;
    if (flags & APPEND_FAILED) {
        ret->err = reading_err(reader);
        if (ret->err == OK)
            reader->failed = true;
    }
    ret->seq = reader_varint(reader);
    ret->message_id = reader_varint(reader);
    ret->timestamp_ms = reader_varint(reader);
    ret->log_index = reader_varint(reader);
    ret->last_seq = reader_varint(reader);
}

static bool is_range_behind(const struct range *ranges, uint32_t i)
{
    return ranges[i].start <= ranges[i].end &&
           (i == 0 ||
            (ranges[i].start > ranges[i - 1].end && ranges[i].start - ranges[i - 1].end >= 2));
}

static void put_deleted(struct buf *buf, const struct wire_delete_result *deleted)
{
    assert(deleted->ranges_count <= WIRE_RESULT_RANGES_MAX);
    buf_put_u8(buf, (uint8_t)((deleted->logged ? DELETE_LOGGED : 0) |
                              (deleted->err != OK ? DELETE_FAILED : 0)));
    if (deleted->err != OK)
        reading_put_err(buf, deleted->err);
    buf_put_varint(buf, deleted->ranges_count);
    uint64_t before = 0;
    for (uint32_t i = 0; i < deleted->ranges_count; i++) {
        const struct range *range = &deleted->ranges[i];
        assert(is_range_behind(deleted->ranges, i));
        buf_put_varint(buf, range->start - before);
        buf_put_varint(buf, range->end - range->start);
        before = range->end;
    }
    buf_put_varint(buf, deleted->start_seq);
    buf_put_varint(buf, deleted->end_seq);
    buf_put_varint(buf, deleted->deleted_count);
    buf_put_varint(buf, deleted->already_deleted);
    buf_put_varint(buf, deleted->first_seq);
    buf_put_varint(buf, deleted->last_seq);
    buf_put_varint(buf, deleted->deleted_at_ms);
}

static void get_result_ranges(struct reader *reader, struct range *ranges, uint32_t count)
{
    uint64_t before = 0;
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        uint64_t gap = reader_varint(reader);
        uint64_t more = reader_varint(reader);
        if (gap > UINT64_MAX - before || more > UINT64_MAX - (before + gap)) {
            reader->failed = true;
            return;
        }
        ranges[i] = (struct range){before + gap, before + gap + more};
        if (!is_range_behind(ranges, i))
            reader->failed = true;
        before = ranges[i].end;
    }
}

static void get_deleted(struct reader *reader, struct arena *arena, struct wire_delete_result *ret)
{
    uint8_t flags = reader_u8(reader);
    if ((flags & ~DELETE_ALL) != 0)
        reader->failed = true;
    ret->logged = (flags & DELETE_LOGGED) != 0;
    if (flags & DELETE_FAILED) {
        ret->err = reading_err(reader);
        if (ret->err == OK)
            reader->failed = true;
    }
    ret->ranges_count = reading_count(reader, WIRE_RESULT_RANGES_MAX, RANGE_BYTES_MIN);
    if (ret->ranges_count > 0) {
        struct range *ranges = arena_zero(arena, ret->ranges_count * sizeof(*ranges));
        get_result_ranges(reader, ranges, ret->ranges_count);
        ret->ranges = ranges;
    }
    ret->start_seq = reader_varint(reader);
    ret->end_seq = reader_varint(reader);
    ret->deleted_count = reader_varint(reader);
    ret->already_deleted = reader_varint(reader);
    ret->first_seq = reader_varint(reader);
    ret->last_seq = reader_varint(reader);
    ret->deleted_at_ms = reader_varint(reader);
}

void wire_result_encode(struct buf *buf, const struct wire_result *result)
{
    assert(result->slot < SLOTS_MAX && result->appends_count <= ENTRY_MESSAGES_MAX);
    buf_put_u8(buf, result->kind);
    buf_put_varint(buf, result->slot);
    buf_put_varint(buf, result->log_index);
    buf_put_varint(buf, result->term);
    buf_put_varint(buf, result->floor);
    buf_put_varint(buf, result->removed);
    buf_put_varint(buf, result->appends_count);
    for (uint32_t i = 0; i < result->appends_count; i++)
        put_append(buf, &result->appends[i]);
    if (result->kind == COMMAND_DELETE)
        put_deleted(buf, &result->deleted);
}

enum err wire_result_decode(struct bytes bytes, struct arena *arena, struct wire_result *ret,
                            struct why *why)
{
    struct reader reader = reader_of(bytes);
    struct wire_result result = {0};
    result.kind = reader_u8(&reader);
    result.slot = (slot_id)reading_number(&reader, SLOTS_MAX - 1);
    result.log_index = reader_varint(&reader);
    result.term = reader_varint(&reader);
    result.floor = reader_varint(&reader);
    result.removed = reader_varint(&reader);
    result.appends_count = reading_count(&reader, ENTRY_MESSAGES_MAX, APPEND_BYTES_MIN);
    if (result.appends_count > 0) {
        struct wire_append_result *appends =
            arena_zero(arena, result.appends_count * sizeof(*appends));
        for (uint32_t i = 0; i < result.appends_count; i++)
            get_append(&reader, &appends[i]);
        result.appends = appends;
    }
    if (result.kind == COMMAND_DELETE)
        get_deleted(&reader, arena, &result.deleted);
    if (!reader_is_done(&reader))
        return why_set(why, ERR_BAD_FORMAT, "a result of %zu bytes does not add up", bytes.len);
    *ret = result;
    return OK;
}
