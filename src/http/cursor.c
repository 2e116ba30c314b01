/* SPDX-License-Identifier: Apache-2.0 */
#include "http/cursor.h"

#include "base/crc.h"
#include "base/hash.h"
#include "http/base64.h"

enum { CURSOR_VERSION = 1 };
#define CURSOR_KEY 0x4c43555253000001ull

uint64_t cursor_scope(const char *list, struct channel channel, struct bytes more)
{
    uint64_t scope = hash64_of(bytes_of_string(list), CURSOR_KEY);
    if (channel.id.len > 0)
        scope = hash64_of(channel.id, scope + channel.type + 1);
    return more.len == 0 ? scope : hash64_of(more, scope);
}

void cursor_append(struct buf *buf, const struct cursor *cursor)
{
    struct buf raw;
    buf_init(&raw);
    buf_put_u8(&raw, CURSOR_VERSION);
    buf_put_le64(&raw, cursor->scope);
    for (int i = 0; i < CURSOR_NUMBERS; i++)
        buf_put_varint(&raw, cursor->numbers[i]);
    buf_put_block(&raw, cursor->name);
    buf_put_le32(&raw, crc32c(buf_bytes(&raw)));
    base64url_append(buf, buf_bytes(&raw));
    buf_done(&raw);
}

enum err cursor_parse(struct bytes text, uint64_t scope, struct arena *arena, struct cursor *ret,
                      struct why *why)
{
    struct bytes raw;
    if (!base64url_decode(text, arena, &raw) || raw.len < 5)
        return why_set(why, ERR_BAD_PARAMETER, "'cursor' is not one that this server made");
    struct reader tail = reader_of(bytes_of(raw.data + raw.len - 4, 4));
    raw.len -= 4;
    if (reader_le32(&tail) != crc32c(raw))
        return why_set(why, ERR_BAD_PARAMETER, "'cursor' is damaged");
    struct reader reader = reader_of(raw);
    if (reader_u8(&reader) != CURSOR_VERSION)
        return why_set(why, ERR_BAD_PARAMETER, "'cursor' is of another version");
    struct cursor cursor = {.scope = reader_le64(&reader)};
    for (int i = 0; i < CURSOR_NUMBERS; i++)
        cursor.numbers[i] = reader_varint(&reader);
    cursor.name = reader_block(&reader);
    if (!reader_is_done(&reader))
        return why_set(why, ERR_BAD_PARAMETER, "'cursor' is damaged");
    if (cursor.scope != scope)
        return why_set(why, ERR_BAD_PARAMETER, "'cursor' belongs to another list");
    *ret = cursor;
    return OK;
}
