/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/hello.h"

#include "base/channel.h"
#include "base/utf8.h"
#include "wire/frame.h"
#include "wire/limits.h"
#include "wire/reading.h"

/* These texts end up in log lines and tables: nothing in them may move a cursor. */
static bool is_printable(struct bytes text, size_t max)
{
    return text.len <= max && utf8_is_valid(text) && !utf8_has_control(text);
}

static bool is_valid(const struct hello *hello)
{
    return hello->version_min > 0 && hello->version_min <= hello->version_max &&
           hello->lane >= HELLO_LANE_MAIN && hello->lane < HELLO_LANES && hello->node > 0 &&
           hello->node <= WIRE_NODE_ID_MAX && hello->to <= WIRE_NODE_ID_MAX &&
           hello->slot_count > 0 && hello->slot_count <= SLOTS_MAX && hello->cluster_id.len > 0 &&
           is_printable(hello->cluster_id, WIRE_CLUSTER_ID_MAX_BYTES) &&
           is_printable(hello->peer_address, WIRE_ADDRESS_MAX_BYTES) &&
           is_printable(hello->http_address, WIRE_ADDRESS_MAX_BYTES) &&
           is_printable(hello->software, WIRE_SOFTWARE_MAX_BYTES) &&
           is_printable(hello->zone, WIRE_ZONE_MAX_BYTES);
}

static void put_hello(struct buf *buf, const struct hello *hello)
{
    assert(is_valid(hello));
    buf_put_le16(buf, hello->version_min);
    buf_put_le16(buf, hello->version_max);
    buf_put_u8(buf, hello->lane);
    buf_put_le64(buf, hello->node);
    buf_put_le64(buf, hello->to);
    buf_put_le64(buf, hello->incarnation);
    buf_put_le64(buf, hello->boot);
    buf_append(buf, hello->nonce, sizeof(hello->nonce));
    buf_put_le32(buf, hello->feature_level);
    buf_put_le32(buf, hello->slot_count);
    buf_put_block(buf, hello->cluster_id);
    buf_put_block(buf, hello->peer_address);
    buf_put_block(buf, hello->http_address);
    buf_put_block(buf, hello->software);
    buf_put_block(buf, hello->zone);
    buf_put_u8(buf, hello->flags);
}

static void get_hello(struct reader *reader, struct hello *ret)
{
    ret->version_min = reader_le16(reader);
    ret->version_max = reader_le16(reader);
    ret->lane = reader_u8(reader);
    ret->node = reader_le64(reader);
    ret->to = reader_le64(reader);
    ret->incarnation = reader_le64(reader);
    ret->boot = reader_le64(reader);
    reading_copy(reader, ret->nonce, sizeof(ret->nonce));
    ret->feature_level = reader_le32(reader);
    ret->slot_count = reader_le32(reader);
    ret->cluster_id = reading_block(reader, WIRE_CLUSTER_ID_MAX_BYTES);
    ret->peer_address = reading_block(reader, WIRE_ADDRESS_MAX_BYTES);
    ret->http_address = reading_block(reader, WIRE_ADDRESS_MAX_BYTES);
    if (!reader->failed && reader_left(reader) > 0) { /* an older build ends here */
        ret->software = reading_block(reader, WIRE_SOFTWARE_MAX_BYTES);
        ret->zone = reading_block(reader, WIRE_ZONE_MAX_BYTES);
        if (!reader->failed && reader_left(reader) > 0)
            ret->flags = reader_u8(reader) & HELLO_FLAGS;
    }
    if (!reader->failed && !is_valid(ret))
        reader->failed = true;
}

void hello_encode(struct buf *buf, const struct hello *hello)
{
    size_t begin = frame_begin(buf, FRAME_HELLO);
    put_hello(buf, hello);
    frame_end(buf, begin);
}

void hello_encode_reply(struct buf *buf, const struct hello_reply *reply)
{
    assert((reply->err == OK) == (reply->version != 0));
    struct bytes text = reply->text;
    if (text.len > WIRE_WHY_MAX_BYTES)
        text.len = WIRE_WHY_MAX_BYTES;
    size_t begin = frame_begin(buf, FRAME_HELLO_REPLY);
    reading_put_err(buf, reply->err);
    buf_put_block(buf, text);
    buf_put_le16(buf, reply->version);
    put_hello(buf, &reply->hello);
    frame_end(buf, begin);
}

enum err hello_decode(struct bytes body, struct hello *ret, struct why *why)
{
    struct reader reader = reader_of(body);
    struct hello hello = {0};
    get_hello(&reader, &hello);
    if (reader.failed) /* what is left behind the fields is a later version's */
        return why_set(why, ERR_BAD_FORMAT, "a handshake of %zu bytes does not add up", body.len);
    *ret = hello;
    return OK;
}

enum err hello_decode_reply(struct bytes body, struct hello_reply *ret, struct why *why)
{
    struct reader reader = reader_of(body);
    struct hello_reply reply = {0};
    reply.err = reading_err(&reader);
    reply.text = reading_block(&reader, WIRE_WHY_MAX_BYTES);
    reply.version = reader_le16(&reader);
    get_hello(&reader, &reply.hello);
    if (reader.failed || (reply.err == OK) != (reply.version != 0))
        return why_set(why, ERR_BAD_FORMAT, "a handshake's answer of %zu bytes does not add up",
                       body.len);
    *ret = reply;
    return OK;
}

uint16_t hello_common_version(const struct hello *peer)
{
    uint16_t highest =
        peer->version_max < WIRE_VERSION_MAX ? peer->version_max : (uint16_t)WIRE_VERSION_MAX;
    return highest >= peer->version_min && highest >= WIRE_VERSION_MIN ? highest : 0;
}
