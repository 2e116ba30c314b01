/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded reads that every decoder of the room shares (and the one write they share). Private to the room. A read that is out of
 * bounds turns reader->failed on and gives 0, like all reads of base/buf.h. Thread: any. */
#ifndef WIRE_READING_H
#define WIRE_READING_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/limits.h"

/* A count of things that take at least min_bytes each: fails when it is above max or when they
 * cannot all be there, so that nothing is allocated for a count that lies. */
static inline uint32_t reading_count(struct reader *reader, uint32_t max, size_t min_bytes)
{
    uint64_t count = reader_varint(reader);
    if (count > max || count > reader_left(reader) / min_bytes)
        reader->failed = true;
    return reader->failed ? 0 : (uint32_t)count;
}

/* A varint of at most max. */
static inline uint64_t reading_number(struct reader *reader, uint64_t max)
{
    uint64_t value = reader_varint(reader);
    if (value > max)
        reader->failed = true;
    return reader->failed ? 0 : value;
}

/* A byte that is 0 or 1. */
static inline bool reading_bool(struct reader *reader)
{
    uint8_t value = reader_u8(reader);
    if (value > 1)
        reader->failed = true;
    return value == 1;
}

/* A block of at most max bytes, borrowed. */
static inline struct bytes reading_block(struct reader *reader, size_t max)
{
    struct bytes ret = reader_block(reader);
    if (ret.len > max)
        reader->failed = true;
    return reader->failed ? BYTES_NONE : ret;
}

/* Exactly len bytes, copied. */
static inline void reading_copy(struct reader *reader, void *to, size_t len)
{
    struct bytes from = reader_bytes(reader, len);
    if (!reader->failed && len > 0)
        memcpy(to, from.data, len);
}

/* Errors travel as slugs, OK as the empty one. A slug that this version does not know becomes
 * ERR_OUTCOME_UNKNOWN: nothing may be concluded from it. */
static inline void reading_put_err(struct buf *buf, enum err err)
{
    buf_put_block(buf, err == OK ? BYTES_NONE : bytes_of_string(err_slug(err)));
}

static inline enum err reading_err(struct reader *reader)
{
    struct bytes slug = reading_block(reader, WIRE_SLUG_MAX_BYTES);
    if (reader->failed || slug.len == 0)
        return OK;
    char text[WIRE_SLUG_MAX_BYTES + 1];
    memcpy(text, slug.data, slug.len);
    text[slug.len] = '\0';
    enum err err = err_from_slug(text);
    bool is_known = err != OK && bytes_is_equal(slug, bytes_of_string(err_slug(err)));
    return is_known ? err : ERR_OUTCOME_UNKNOWN;
}

#endif
