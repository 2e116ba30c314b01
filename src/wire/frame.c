/* SPDX-License-Identifier: Apache-2.0 */
/* A frame's length is believed before its checksum can be looked at (the sum covers the body), so
 * the header is checked as soon as its 16 bytes are there, and the length is bounded by the kind:
 * a flipped bit in it costs at most a wait for that many bytes, which the link's ping ends. Memory
 * grows with the bytes that really came, never with the length that was announced.
 *
 * Version and kind come first in the checks: another version's kinds are not ours to judge. */
#include "wire/frame.h"

#include "base/crc.h"
#include "wire/limits.h"

static const uint32_t FRAME_MAGIC = 0x4854454c; /* "LETH" in the order of the bytes */

enum { OFFSET_CRC = 12, KEEP_BYTES = 1024 * 1024 };

uint32_t frame_max_bytes(uint8_t kind)
{
    switch (kind) {
    case FRAME_HELLO:
    case FRAME_HELLO_REPLY:
        return WIRE_HELLO_MAX_BYTES;
    case FRAME_HEARTBEATS:
        return WIRE_HEARTBEATS_MAX_BYTES;
    case FRAME_PACKETS:
    case FRAME_REQUEST:
    case FRAME_RESPONSE:
    case FRAME_INSTALL:
        return WIRE_BODY_MAX_BYTES;
    case FRAME_DIGESTS:
        return WIRE_DIGESTS_MAX_BYTES;
    case FRAME_PING:
    case FRAME_PONG:
        return WIRE_PING_MAX_BYTES;
    default:
        return 0;
    }
}

static uint32_t checksum_of(const uint8_t *frame, size_t body_len)
{
    uint32_t crc = crc32c(bytes_of(frame, OFFSET_CRC));
    return crc32c_more(crc, bytes_of(frame + FRAME_HEADER_BYTES, body_len));
}

size_t frame_begin(struct buf *buf, enum frame_kind kind)
{
    size_t begin = buf->len;
    buf_put_le32(buf, FRAME_MAGIC);
    /* The handshake must be readable by the oldest peer that this build can talk to. */
    bool is_hello = kind == FRAME_HELLO || kind == FRAME_HELLO_REPLY;
    buf_put_u8(buf, is_hello ? WIRE_VERSION_MIN : WIRE_VERSION_MAX);
    buf_put_u8(buf, (uint8_t)kind);
    buf_put_le16(buf, 0);
    buf_put_le32(buf, 0);
    buf_put_le32(buf, 0);
    return begin;
}

void frame_end(struct buf *buf, size_t begin)
{
    assert(begin + FRAME_HEADER_BYTES <= buf->len);
    size_t len = buf->len - begin - FRAME_HEADER_BYTES;
    assert(len <= frame_max_bytes(buf->data[begin + 5]));
    buf_set_le32(buf, begin + 8, (uint32_t)len);
    buf_set_le32(buf, begin + OFFSET_CRC, checksum_of(buf->data + begin, len));
}

void frame_encode(struct buf *buf, enum frame_kind kind, struct bytes body)
{
    buf_reserve(buf, FRAME_HEADER_BYTES + body.len);
    size_t begin = frame_begin(buf, kind);
    buf_append_bytes(buf, body);
    frame_end(buf, begin);
}

void frame_encode_ping(struct buf *buf, bool is_pong, uint64_t number)
{
    size_t begin = frame_begin(buf, is_pong ? FRAME_PONG : FRAME_PING);
    buf_put_le64(buf, number);
    frame_end(buf, begin);
}

enum err frame_decode_ping(struct bytes body, uint64_t *ret_number, struct why *why)
{
    struct reader reader = reader_of(body);
    uint64_t number = reader_le64(&reader);
    if (!reader_is_done(&reader))
        return why_set(why, ERR_BAD_FORMAT, "a ping of %zu bytes, not 8", body.len);
    *ret_number = number;
    return OK;
}

void frame_reader_init(struct frame_reader *reader)
{
    *reader = (struct frame_reader){.buf = BUF_INIT};
}

void frame_reader_done(struct frame_reader *reader)
{
    buf_done(&reader->buf);
    frame_reader_init(reader);
}

void frame_reader_trust(struct frame_reader *reader)
{
    reader->trusted = true;
}

void frame_reader_feed(struct frame_reader *reader, struct bytes bytes)
{
    if (reader->failed || bytes.len == 0)
        return;
    size_t left = reader->buf.len - reader->at;
    if (left == 0 && reader->buf.capacity > KEEP_BYTES) {
        buf_done(&reader->buf); /* one large frame must not keep its memory for the link's life */
    } else if (reader->at > 0) {
        memmove(reader->buf.data, reader->buf.data + reader->at, left);
        reader->buf.len = left;
    }
    reader->at = 0;
    buf_append_bytes(&reader->buf, bytes);
}

static enum err check_header(const struct frame_reader *reader, const struct frame *frame,
                             uint32_t magic, uint32_t len, struct why *why)
{
    if (magic != FRAME_MAGIC)
        return why_set(why, ERR_BAD_FORMAT, "bytes that are no frame (magic %08x)", magic);
    if (frame->version < WIRE_VERSION_MIN || frame->version > WIRE_VERSION_MAX)
        return why_set(why, ERR_WRONG_FORMAT, "a frame of version %u, not %d to %d", frame->version,
                       WIRE_VERSION_MIN, WIRE_VERSION_MAX);
    uint32_t max = frame_max_bytes(frame->kind);
    if (max == 0)
        return why_set(why, ERR_WRONG_FORMAT, "a frame of kind %u, which is not known",
                       frame->kind);
    if (frame->flags != 0)
        return why_set(why, ERR_WRONG_FORMAT, "a frame with unknown flags %#x", frame->flags);
    if (!reader->trusted && frame->kind != FRAME_HELLO && frame->kind != FRAME_HELLO_REPLY)
        return why_set(why, ERR_BAD_FORMAT, "a frame of kind %u before the handshake", frame->kind);
    if (len > max)
        return why_set(why, ERR_BAD_FORMAT, "a frame of %u bytes is larger than %u", len, max);
    return OK;
}

enum err frame_reader_next(struct frame_reader *reader, struct frame *ret, bool *ret_has,
                           struct why *why)
{
    if (reader->failed)
        return why_set(why, ERR_BAD_FORMAT, "the stream was damaged before");
    size_t len_left = reader->buf.len - reader->at;
    if (len_left < FRAME_HEADER_BYTES) {
        *ret_has = false;
        return OK;
    }
    struct bytes left = bytes_of(reader->buf.data + reader->at, len_left);
    struct reader header = reader_of(left);
    uint32_t magic = reader_le32(&header);
    struct frame frame = {0};
    frame.version = reader_u8(&header);
    frame.kind = reader_u8(&header);
    frame.flags = reader_le16(&header);
    uint32_t len = reader_le32(&header);
    uint32_t crc = reader_le32(&header);
    enum err err = check_header(reader, &frame, magic, len, why);
    if (err != OK) {
        reader->failed = true;
        return err;
    }
    if (left.len - FRAME_HEADER_BYTES < len) {
        *ret_has = false;
        return OK;
    }
#ifdef LETHE_MUTANT_no_limits
    crc = checksum_of(left.data, len);
#endif
    if (checksum_of(left.data, len) != crc) {
        reader->failed = true;
        return why_set(why, ERR_BAD_FORMAT, "a frame of kind %u with a bad checksum", frame.kind);
    }
    frame.body = reader_bytes(&header, len);
    reader->at += FRAME_HEADER_BYTES + len;
    *ret = frame;
    *ret_has = true;
    return OK;
}
