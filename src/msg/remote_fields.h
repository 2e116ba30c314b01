/* SPDX-License-Identifier: Apache-2.0 */
/* The fields that remote.c and remote_answer.c write and read, each by two functions next to each
 * other. Private to the room. A read that is out of bounds turns reader->failed on and gives 0, like
 * all reads of base/buf.h. Thread: any. */
#ifndef MSG_REMOTE_FIELDS_H
#define MSG_REMOTE_FIELDS_H

#include "msg/remote.h"
#include "wire/limits.h"

enum { RANGE_BYTES_MIN = 2, TEXT_MAX_BYTES = 256, SLUG_MAX_BYTES = 64 };

static inline uint64_t read_number(struct reader *reader, uint64_t max)
{
    uint64_t value = reader_varint(reader);
    reader->failed |= value > max;
    return reader->failed ? 0 : value;
}

/* A count of things that take at least min_bytes each: they must all be able to be there. */
static inline uint32_t read_count(struct reader *reader, uint32_t max, size_t min_bytes)
{
    uint64_t count = reader_varint(reader);
    reader->failed |= count > max || count > reader_left(reader) / min_bytes;
    return reader->failed ? 0 : (uint32_t)count;
}

static inline bool read_bool(struct reader *reader)
{
    uint8_t value = reader_u8(reader);
    reader->failed |= value > 1;
    return value == 1;
}

static inline struct bytes read_block(struct reader *reader, size_t max)
{
    struct bytes ret = reader_block(reader);
    reader->failed |= ret.len > max;
    return reader->failed ? BYTES_NONE : ret;
}

static inline void put_err(struct buf *buf, enum err err)
{
    buf_put_block(buf, err == OK ? BYTES_NONE : bytes_of_string(err_slug(err)));
}

/* A slug that this version does not know: only that it failed may be concluded. */
static inline enum err read_err(struct reader *reader)
{
    struct bytes slug = read_block(reader, SLUG_MAX_BYTES);
    if (reader->failed || slug.len == 0) {
        return OK;
    }
    char text[SLUG_MAX_BYTES + 1];
    memcpy(text, slug.data, slug.len);
    text[slug.len] = '\0';
    enum err err = err_from_slug(text);
    return err == OK ? ERR_INTERNAL : err;
}

static inline void put_channel(struct buf *buf, struct channel channel)
{
    buf_put_u8(buf, channel.type);
    buf_put_block(buf, channel.id);
}

/* may_be_none: an empty id stands for no channel. */
static inline struct channel read_channel(struct reader *reader, bool may_be_none)
{
    struct channel ret = {.type = reader_u8(reader)};
    ret.id = read_block(reader, CHANNEL_ID_MAX_BYTES);
    if (!reader->failed && !(may_be_none && ret.id.len == 0)) {
        reader->failed |= channel_check(ret, NULL) != OK;
    }
    return ret;
}

static inline void put_ranges(struct buf *buf, const struct range *ranges, uint32_t count)
{
    uint64_t before = 0;
    buf_put_varint(buf, count);
    for (uint32_t i = 0; i < count; i++) {
        assert(i == 0 || ranges[i].start > before);
        buf_put_varint(buf, ranges[i].start - before);
        buf_put_varint(buf, ranges[i].end - ranges[i].start);
        before = ranges[i].end;
    }
}

static inline const struct range *read_ranges(struct reader *reader, struct arena *arena,
                                              uint32_t *ret_count)
{
    uint32_t count = read_count(reader, MSG_PAGE_MAX_DELETED, RANGE_BYTES_MIN);
    struct range *ranges = arena_alloc(arena, count * sizeof(*ranges));
    uint64_t before = 0;
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        uint64_t gap = reader_varint(reader), more = reader_varint(reader);
        /* The first one may begin anywhere, the others behind the one before. */
        if ((i > 0 && gap == 0) || gap > UINT64_MAX - before ||
            more > UINT64_MAX - (before + gap)) {
            reader->failed = true;
            break;
        }
        ranges[i] = (struct range){before + gap, before + gap + more};
        before = ranges[i].end;
    }
    *ret_count = reader->failed ? 0 : count;
    return reader->failed || count == 0 ? NULL : ranges;
}

#endif
