/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

void buf_init(struct buf *buf)
{
    *buf = BUF_INIT;
}

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = BUF_INIT;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
}

void buf_reserve(struct buf *buf, size_t more)
{
    size_t need;
    bool is_impossible = __builtin_add_overflow(buf->len, more, &need) || need > PTRDIFF_MAX;
    assert(!is_impossible);
    if (need <= buf->capacity)
        return;
    size_t capacity = buf->capacity < 32 ? 64 : buf->capacity * 2;
    if (capacity < need)
        capacity = need;
    buf->data = alloc_resize(buf->data, capacity, 1);
    buf->capacity = capacity;
}

uint8_t *buf_extend(struct buf *buf, size_t len)
{
    buf_reserve(buf, len);
    uint8_t *ret = buf->len == 0 ? buf->data : buf->data + buf->len; /* NULL has no offsets */
    buf->len += len;
    return ret;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    if (len > 0)
        memcpy(buf_extend(buf, len), data, len);
}

void buf_append_bytes(struct buf *buf, struct bytes bytes)
{
    buf_append(buf, bytes.data, bytes.len);
}

void buf_append_string(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    buf_reserve(buf, 64);
    size_t room = buf->capacity - buf->len;
    int len = vsnprintf((char *)buf->data + buf->len, room, format, args);
    va_end(args);
    assert(len >= 0);
    if ((size_t)len >= room) {
        buf_reserve(buf, (size_t)len + 1);
        vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, again);
    }
    va_end(again);
    buf->len += (size_t)len;
}

struct bytes buf_bytes(const struct buf *buf)
{
    return bytes_of(buf->data, buf->len);
}

const char *buf_string(struct buf *buf)
{
    buf_reserve(buf, 1);
    buf->data[buf->len] = '\0';
    return (const char *)buf->data;
}

uint8_t *buf_take(struct buf *buf, size_t *ret_len)
{
    uint8_t *ret = buf->data;
    *ret_len = buf->len;
    *buf = BUF_INIT;
    return ret;
}

void buf_put_u8(struct buf *buf, uint8_t value)
{
    *buf_extend(buf, 1) = value;
}

#define PUT(name, type, order)                                                                     \
    void buf_put_##name(struct buf *buf, type value)                                               \
    {                                                                                              \
        type ordered = order(value);                                                               \
        memcpy(buf_extend(buf, sizeof(ordered)), &ordered, sizeof(ordered));                       \
    }
PUT(le16, uint16_t, htole16)
PUT(le32, uint32_t, htole32)
PUT(le64, uint64_t, htole64)
PUT(be16, uint16_t, htobe16)
PUT(be32, uint32_t, htobe32)
PUT(be64, uint64_t, htobe64)
#undef PUT

void buf_put_varint(struct buf *buf, uint64_t value)
{
    while (value >= 0x80) {
        buf_put_u8(buf, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buf_put_u8(buf, (uint8_t)value);
}

void buf_put_block(struct buf *buf, struct bytes bytes)
{
    buf_put_varint(buf, bytes.len);
    buf_append_bytes(buf, bytes);
}

void buf_set_le32(struct buf *buf, size_t offset, uint32_t value)
{
    assert(offset + sizeof(value) <= buf->len);
    value = htole32(value);
    memcpy(buf->data + offset, &value, sizeof(value));
}

void buf_set_le64(struct buf *buf, size_t offset, uint64_t value)
{
    assert(offset + sizeof(value) <= buf->len);
    value = htole64(value);
    memcpy(buf->data + offset, &value, sizeof(value));
}

struct reader reader_of(struct bytes bytes)
{
    return (struct reader){bytes.data, bytes.data == NULL ? NULL : bytes.data + bytes.len, false};
}

size_t reader_left(const struct reader *reader)
{
    return reader->failed ? 0 : (size_t)(reader->end - reader->at);
}

bool reader_is_done(const struct reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

struct bytes reader_bytes(struct reader *reader, size_t len)
{
    if (reader_left(reader) < len || reader->failed) {
        reader->failed = true;
        return BYTES_NONE;
    }
    struct bytes ret = bytes_of(reader->at, len);
    if (len > 0)
        reader->at += len;
    return ret;
}

uint8_t reader_u8(struct reader *reader)
{
    struct bytes one = reader_bytes(reader, 1);
    return one.len == 0 ? 0 : one.data[0];
}

#define GET(name, type, order)                                                                     \
    type reader_##name(struct reader *reader)                                                      \
    {                                                                                              \
        type value = 0;                                                                            \
        struct bytes raw = reader_bytes(reader, sizeof(value));                                    \
        if (raw.len > 0)                                                                           \
            memcpy(&value, raw.data, sizeof(value));                                               \
        return order(value);                                                                       \
    }
GET(le16, uint16_t, le16toh)
GET(le32, uint32_t, le32toh)
GET(le64, uint64_t, le64toh)
GET(be16, uint16_t, be16toh)
GET(be32, uint32_t, be32toh)
GET(be64, uint64_t, be64toh)
#undef GET

uint64_t reader_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = reader_u8(reader);
        if (reader->failed || (shift == 63 && byte > 1))
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
    reader->failed = true;
    return 0;
}

struct bytes reader_block(struct reader *reader)
{
    uint64_t len = reader_varint(reader);
    if (len > reader_left(reader)) {
        reader->failed = true;
        return BYTES_NONE;
    }
    return reader_bytes(reader, (size_t)len);
}
