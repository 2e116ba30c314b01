/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors of a catch-up: where a chunk ended, with all that a source needs to go on there, so that
 * it keeps nothing of a stream itself.
 *
 *   u8 version, kind, step, part; varints base, target, number, generation; a varint for each
 *   family: rows sent before; u8 channel type, block channel id, block key
 *
 * A cursor comes back from a peer and from a disk: it is input and is checked as such. */
#include "msg/installing.h"

enum { CURSOR_VERSION = 1 };

static_assert(INSTALL_KEY_MAX_BYTES + CHANNEL_ID_MAX_BYTES + 256 <= WIRE_CURSOR_MAX_BYTES,
              "a cursor fits its frame");

void cursor_set_key(struct install_cursor *cursor, struct bytes key)
{
    assert(key.len <= INSTALL_KEY_MAX_BYTES);
    if (key.len != 0) {
        memcpy(cursor->key, key.data, key.len);
    }
    cursor->key_len = (uint32_t)key.len;
}

void cursor_set_channel(struct install_cursor *cursor, struct channel channel)
{
    assert(channel.id.len <= CHANNEL_ID_MAX_BYTES);
    cursor->channel_type = channel.type;
    cursor->id_len = (uint32_t)channel.id.len;
    if (channel.id.len != 0) {
        memcpy(cursor->id, channel.id.data, channel.id.len);
    }
}

struct channel cursor_channel(const struct install_cursor *cursor)
{
    return (struct channel){cursor->channel_type, bytes_of(cursor->id, cursor->id_len)};
}

void cursor_encode(const struct install_cursor *cursor, struct buf *ret)
{
    buf_clear(ret);
    buf_put_u8(ret, CURSOR_VERSION);
    buf_put_u8(ret, cursor->kind);
    buf_put_u8(ret, cursor->step);
    buf_put_u8(ret, cursor->part);
    buf_put_varint(ret, cursor->base);
    buf_put_varint(ret, cursor->target);
    buf_put_varint(ret, cursor->number);
    buf_put_varint(ret, cursor->generation);
    for (int i = 0; i < STORE_FAMILIES; i++) {
        buf_put_varint(ret, cursor->counts[i]);
    }
    buf_put_u8(ret, cursor->channel_type);
    buf_put_block(ret, bytes_of(cursor->id, cursor->id_len));
    buf_put_block(ret, bytes_of(cursor->key, cursor->key_len));
}

static bool fits(const struct install_cursor *cursor)
{
    if (cursor->step == STEP_DONE || cursor->step == STEP_VALUES) {
        return cursor->kind == MSG_INSTALL_DELTA || cursor->kind == MSG_INSTALL_FULL;
    }
    if (cursor->step == STEP_RECORDS || cursor->step == STEP_CHANGES) {
        return cursor->kind == MSG_INSTALL_DELTA && cursor->part <= PART_END &&
               (cursor->part == 0) == (cursor->id_len == 0);
    }
    return cursor->kind == MSG_INSTALL_FULL && cursor->step >= STEP_MESSAGES &&
           cursor->step <= STEP_DEDUP;
}

enum err cursor_decode(struct bytes bytes, struct install_cursor *ret, struct why *why)
{
    struct reader reader = reader_of(bytes);
    uint8_t version = reader_u8(&reader);
    ret->kind = reader_u8(&reader);
    ret->step = reader_u8(&reader);
    ret->part = reader_u8(&reader);
    ret->base = reader_varint(&reader);
    ret->target = reader_varint(&reader);
    ret->number = reader_varint(&reader);
    ret->generation = reader_varint(&reader);
    for (int i = 0; i < STORE_FAMILIES; i++) {
        ret->counts[i] = reader_varint(&reader);
    }
    uint8_t type = reader_u8(&reader);
    struct bytes id = reader_block(&reader);
    struct bytes key = reader_block(&reader);
    if (!reader_is_done(&reader) || version != CURSOR_VERSION || id.len > CHANNEL_ID_MAX_BYTES ||
        key.len > INSTALL_KEY_MAX_BYTES) {
        return why_set(why, ERR_BAD_FORMAT, "a damaged install cursor of %zu bytes", bytes.len);
    }
    cursor_set_channel(ret, (struct channel){type, id});
    cursor_set_key(ret, key);
    return fits(ret) ? OK : why_set(why, ERR_BAD_FORMAT, "an impossible install cursor");
}

uint8_t step_of_family(enum store_family family)
{
    switch (family) {
    case STORE_SLOTS:
        return STEP_VALUES;
    case STORE_MESSAGES:
        return STEP_MESSAGES;
    case STORE_CHANNELS:
        return STEP_CHANNELS;
    case STORE_DELETED:
        return STEP_DELETED;
    case STORE_DELETE_LOG:
        return STEP_DELETE_LOG;
    case STORE_DEDUP:
        return STEP_DEDUP;
    case STORE_DEFAULT:
    case STORE_RAFT:
    case STORE_FAMILIES:
    default:
        return 0;
    }
}
