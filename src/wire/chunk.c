/* SPDX-License-Identifier: Apache-2.0 */
/* Body of an INSTALL frame: u8 kind, varint slot, le64 session, varint term, then what the kind
 * needs. Session is fixed-width as it is a boot number and a counter, mostly large.
 *
 * A chunk's checksum is the CRC32C of session, term, number, row count, slot (le64, le64, le64, le32,
 * le32), cursor and encoded rows. What the receiver writes is thereby what the sender read for this place
 * of this stream, whatever buffers lay between: a chunk that got into another session's queue, or
 * whose cursor was mixed up, does not pass. */
#include "wire/chunk.h"

#include "base/channel.h"
#include "base/crc.h"
#include "wire/config.h"
#include "wire/frame.h"
#include "wire/reading.h"

enum { ROW_BYTES_MIN = 3, HEAD_MAX_BYTES = 8192 };

size_t chunk_max_value_bytes(void)
{
    return WIRE_BODY_MAX_BYTES - HEAD_MAX_BYTES - WIRE_ROW_KEY_MAX_BYTES;
}

static void put_le(uint8_t *at, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t checksum_of(const struct chunk *chunk)
{
    uint8_t head[32];
    put_le(head, chunk->session, 8);
    put_le(head + 8, chunk->term, 8);
    put_le(head + 16, chunk->rows.number, 8);
    put_le(head + 24, chunk->rows.count, 4);
    put_le(head + 28, chunk->slot, 4);
    uint32_t crc = crc32c(bytes_of(head, sizeof(head)));
    crc = crc32c_more(crc, chunk->rows.cursor);
    return crc32c_more(crc, chunk->rows.rows);
}

/* ---- encode --------------------------------------------------------------------------------- */

static void put_fetch(struct buf *buf, const struct chunk_fetch *fetch)
{
    assert(fetch->credits > 0 && fetch->credits <= WIRE_CREDITS_MAX);
    assert(fetch->cursor.len <= WIRE_CURSOR_MAX_BYTES);
    buf_put_varint(buf, fetch->number);
    buf_put_varint(buf, fetch->credits);
    buf_put_block(buf, fetch->cursor);
}

static void put_rows(struct buf *buf, const struct chunk_rows *rows)
{
    assert(rows->count <= WIRE_CHUNK_ROWS_MAX && rows->cursor.len <= WIRE_CURSOR_MAX_BYTES);
    buf_put_varint(buf, rows->number);
    buf_put_le32(buf, rows->crc32c);
    buf_put_block(buf, rows->cursor);
    buf_put_varint(buf, rows->count);
    buf_append_bytes(buf, rows->rows);
}

static void put_pos(struct buf *buf, struct raft_pos pos)
{
    buf_put_varint(buf, pos.term);
    buf_put_varint(buf, pos.index);
}

static void put_end(struct buf *buf, const struct chunk_end *end)
{
    assert(end->counts_count <= WIRE_COUNTS_MAX);
    buf_put_varint(buf, end->number);
    put_pos(buf, end->target);
    put_pos(buf, end->config_pos);
    struct buf config = BUF_INIT;
    wire_config_encode(&config, &end->config);
    buf_put_block(buf, buf_bytes(&config));
    buf_done(&config);
    buf_put_le64(buf, end->digest.low);
    buf_put_le64(buf, end->digest.high);
    buf_put_u8(buf, end->counts_count);
    for (uint8_t i = 0; i < end->counts_count; i++)
        buf_put_varint(buf, end->counts[i]);
}

void chunk_encode(struct buf *buf, const struct chunk *chunk)
{
    assert(chunk->slot < SLOTS_MAX);
    size_t begin = frame_begin(buf, FRAME_INSTALL);
    buf_put_u8(buf, chunk->kind);
    buf_put_varint(buf, chunk->slot);
    buf_put_le64(buf, chunk->session);
    buf_put_varint(buf, chunk->term);
    switch (chunk->kind) {
    case CHUNK_FETCH:
        put_fetch(buf, &chunk->fetch);
        break;
    case CHUNK_ROWS:
        put_rows(buf, &chunk->rows);
        break;
    case CHUNK_END:
        put_end(buf, &chunk->end);
        break;
    case CHUNK_STOP:
        assert(chunk->stop != OK);
        reading_put_err(buf, chunk->stop);
        break;
    default:
        assert(!"a known kind");
    }
    frame_end(buf, begin);
}

void chunk_out_init(struct chunk_out *out, slot_id slot, uint64_t session, raft_term term,
                    uint64_t number)
{
    *out = (struct chunk_out){.rows = BUF_INIT};
    out->head.kind = CHUNK_ROWS;
    out->head.slot = slot;
    out->head.session = session;
    out->head.term = term;
    out->head.rows.number = number;
}

bool chunk_out_add(struct chunk_out *out, const struct chunk_row *row)
{
    assert(row->key.len <= WIRE_ROW_KEY_MAX_BYTES && row->value.len <= chunk_max_value_bytes());
    size_t size = 1 + 10 + row->key.len + 10 + row->value.len;
    if (out->head.rows.count > 0 && (out->head.rows.count == WIRE_CHUNK_ROWS_MAX ||
                                     out->rows.len + size > WIRE_CHUNK_SOFT_BYTES))
        return false;
    buf_put_u8(&out->rows, row->family);
    buf_put_block(&out->rows, row->key);
    buf_put_block(&out->rows, row->value);
    out->head.rows.count++;
    return true;
}

bool chunk_out_is_empty(const struct chunk_out *out)
{
    return out->head.rows.count == 0;
}

void chunk_out_end(struct chunk_out *out, struct bytes cursor, struct buf *buf)
{
    struct chunk_rows *rows = &out->head.rows;
    rows->cursor = cursor;
    rows->rows = buf_bytes(&out->rows);
    rows->crc32c = checksum_of(&out->head);
    chunk_encode(buf, &out->head);
    buf_clear(&out->rows);
    *rows = (struct chunk_rows){.number = rows->number + 1};
}

void chunk_out_done(struct chunk_out *out)
{
    buf_done(&out->rows);
}

/* ---- decode --------------------------------------------------------------------------------- */

static void get_row(struct reader *reader, struct chunk_row *ret)
{
    ret->family = reader_u8(reader);
    ret->key = reading_block(reader, WIRE_ROW_KEY_MAX_BYTES);
    ret->value = reading_block(reader, chunk_max_value_bytes());
}

bool chunk_row_next(struct reader *rows, struct chunk_row *ret)
{
    if (rows->failed || reader_left(rows) == 0)
        return false;
    struct chunk_row row;
    get_row(rows, &row);
    if (rows->failed)
        return false;
    *ret = row;
    return true;
}

static void get_fetch(struct reader *reader, struct chunk_fetch *ret)
{
    ret->number = reader_varint(reader);
    ret->credits = (uint32_t)reading_number(reader, WIRE_CREDITS_MAX);
    ret->cursor = reading_block(reader, WIRE_CURSOR_MAX_BYTES);
    if (ret->credits == 0)
        reader->failed = true;
}

static void get_rows(struct reader *reader, struct chunk_rows *ret)
{
    ret->number = reader_varint(reader);
    ret->crc32c = reader_le32(reader);
    ret->cursor = reading_block(reader, WIRE_CURSOR_MAX_BYTES);
    ret->count = reading_count(reader, WIRE_CHUNK_ROWS_MAX, ROW_BYTES_MIN);
    if (reader->failed)
        return;
    ret->rows = bytes_of(reader->at, reader_left(reader));
    struct chunk_row row;
    for (uint32_t i = 0; i < ret->count; i++)
        get_row(reader, &row);
}

static struct raft_pos get_pos(struct reader *reader)
{
    struct raft_pos ret;
    ret.term = reader_varint(reader);
    ret.index = reader_varint(reader);
    return ret;
}

static void get_end(struct reader *reader, struct chunk_end *ret)
{
    ret->number = reader_varint(reader);
    ret->target = get_pos(reader);
    ret->config_pos = get_pos(reader);
    struct bytes config = reading_block(reader, WIRE_CONFIG_MAX_BYTES);
    if (!reader->failed && wire_config_decode(config, &ret->config, NULL) != OK)
        reader->failed = true;
    ret->digest.low = reader_le64(reader);
    ret->digest.high = reader_le64(reader);
    uint8_t count = reader_u8(reader);
    if (count > WIRE_COUNTS_MAX)
        reader->failed = true;
    for (uint8_t i = 0; i < count && !reader->failed; i++)
        ret->counts[i] = reader_varint(reader);
    ret->counts_count = reader->failed ? 0 : count;
}

enum err chunk_decode(struct bytes body, struct chunk *ret, struct why *why)
{
    struct reader reader = reader_of(body);
    struct chunk chunk = {0};
    chunk.kind = reader_u8(&reader);
    chunk.slot = (slot_id)reading_number(&reader, SLOTS_MAX - 1);
    chunk.session = reader_le64(&reader);
    chunk.term = reader_varint(&reader);
    switch (chunk.kind) {
    case CHUNK_FETCH:
        get_fetch(&reader, &chunk.fetch);
        break;
    case CHUNK_ROWS:
        get_rows(&reader, &chunk.rows);
        break;
    case CHUNK_END:
        get_end(&reader, &chunk.end);
        break;
    case CHUNK_STOP:
        chunk.stop = reading_err(&reader);
        if (chunk.stop == OK)
            reader.failed = true;
        break;
    default:
        reader.failed = true;
    }
    if (!reader_is_done(&reader))
        return why_set(why, ERR_BAD_FORMAT, "a catch-up frame of kind %u does not add up",
                       chunk.kind);
    if (chunk.kind == CHUNK_ROWS && chunk.rows.crc32c != checksum_of(&chunk))
        return why_set(why, ERR_CORRUPT, "chunk %llu of session %llu has a bad checksum",
                       (unsigned long long)chunk.rows.number, (unsigned long long)chunk.session);
    *ret = chunk;
    return OK;
}
