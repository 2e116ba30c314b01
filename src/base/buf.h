/* SPDX-License-Identifier: Apache-2.0 */
/* Owned, growing bytes, and the one reader and writer of fixed-width integers.
 * Numbers are little-endian in frames and rows (put_le), big-endian in keys (put_be), so that
 * keys sort. Aborts when memory runs out. Not thread-safe. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bytes.h"
#include "base/check.h"

struct buf {
    uint8_t *data; /* owned */
    size_t len, capacity;
};

#define BUF_INIT ((struct buf){NULL, 0, 0})

void buf_init(struct buf *buf);
void buf_done(struct buf *buf);  /* frees; the struct is empty and usable again */
void buf_clear(struct buf *buf); /* keeps the memory */
void buf_reserve(struct buf *buf, size_t more);
/* Makes room for len bytes at the end, counts them, and returns their place (not zeroed). */
uint8_t *buf_extend(struct buf *buf, size_t len);
void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_bytes(struct buf *buf, struct bytes bytes);
void buf_append_string(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
struct bytes buf_bytes(const struct buf *buf); /* borrowed until the next change */
/* The bytes as a C string: a NUL is kept behind the end. Borrowed. */
const char *buf_string(struct buf *buf);
/* Hands the memory over: free() it. The buf is empty after. */
uint8_t *buf_take(struct buf *buf, size_t *ret_len);

void buf_put_u8(struct buf *buf, uint8_t value);
void buf_put_le16(struct buf *buf, uint16_t value);
void buf_put_le32(struct buf *buf, uint32_t value);
void buf_put_le64(struct buf *buf, uint64_t value);
void buf_put_be16(struct buf *buf, uint16_t value);
void buf_put_be32(struct buf *buf, uint32_t value);
void buf_put_be64(struct buf *buf, uint64_t value);
void buf_put_varint(struct buf *buf, uint64_t value);    /* LEB128, at most 10 bytes */
void buf_put_block(struct buf *buf, struct bytes bytes); /* varint length, then the bytes */
/* Overwrites at an offset that is already there (asserts). */
void buf_set_le32(struct buf *buf, size_t offset, uint32_t value);
void buf_set_le64(struct buf *buf, size_t offset, uint64_t value);

/* Reads forward over borrowed bytes. Never reads outside: when something is missing it turns
 * `failed` on, and that and all later reads give 0 or nothing. Check `failed` once, at the end. */
struct reader {
    const uint8_t *at, *end;
    bool failed;
};

struct reader reader_of(struct bytes bytes);
size_t reader_left(const struct reader *reader);
bool reader_is_done(const struct reader *reader); /* nothing failed and nothing is left */
uint8_t reader_u8(struct reader *reader);
uint16_t reader_le16(struct reader *reader);
uint32_t reader_le32(struct reader *reader);
uint64_t reader_le64(struct reader *reader);
uint16_t reader_be16(struct reader *reader);
uint32_t reader_be32(struct reader *reader);
uint64_t reader_be64(struct reader *reader);
uint64_t reader_varint(struct reader *reader);                /* refuses more than 10 bytes */
struct bytes reader_bytes(struct reader *reader, size_t len); /* borrowed from the input */
struct bytes reader_block(struct reader *reader);             /* varint length, then the bytes */

#endif
