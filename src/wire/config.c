/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/config.h"

#include "base/crc.h"
#include "wire/limits.h"
#include "wire/reading.h"

enum { OFFSET_CRC = 1, OFFSET_BODY = 5 };

static bool is_list_valid(const node_id *ids, uint8_t count)
{
    if (count > RAFT_MEMBERS_MAX)
        return false;
    node_id before = 0;
    for (uint8_t i = 0; i < count; i++) {
        if (ids[i] <= before || ids[i] > WIRE_NODE_ID_MAX)
            return false;
        before = ids[i];
    }
    return true;
}

bool wire_config_is_valid(const struct raft_config *config)
{
    return is_list_valid(config->voters, config->voters_count) &&
           is_list_valid(config->voters_old, config->voters_old_count) &&
           is_list_valid(config->learners, config->learners_count) &&
           is_list_valid(config->learners_next, config->learners_next_count);
}

static void put_list(struct buf *buf, const node_id *ids, uint8_t count)
{
    buf_put_u8(buf, count);
    for (uint8_t i = 0; i < count; i++)
        buf_put_varint(buf, ids[i]);
}

void wire_config_encode(struct buf *buf, const struct raft_config *config)
{
    assert(wire_config_is_valid(config));
    size_t begin = buf->len;
    buf_put_u8(buf, WIRE_CONFIG_VERSION);
    buf_put_le32(buf, 0);
    put_list(buf, config->voters, config->voters_count);
    put_list(buf, config->voters_old, config->voters_old_count);
    put_list(buf, config->learners, config->learners_count);
    put_list(buf, config->learners_next, config->learners_next_count);
    size_t body = begin + OFFSET_BODY;
    buf_set_le32(buf, begin + OFFSET_CRC, crc32c(bytes_of(buf->data + body, buf->len - body)));
}

struct blob *wire_config_blob(const struct raft_config *config)
{
    struct buf buf = BUF_INIT;
    wire_config_encode(&buf, config);
    struct blob *ret = blob_copy(buf_bytes(&buf));
    buf_done(&buf);
    return ret;
}

static void get_list(struct reader *reader, node_id *ids, uint8_t *ret_count)
{
    uint8_t count = reader_u8(reader);
    if (count > RAFT_MEMBERS_MAX)
        reader->failed = true;
    for (uint8_t i = 0; i < count && !reader->failed; i++)
        ids[i] = reading_number(reader, WIRE_NODE_ID_MAX);
    *ret_count = reader->failed ? 0 : count;
}

enum err wire_config_decode(struct bytes bytes, struct raft_config *ret, struct why *why)
{
    struct reader reader = reader_of(bytes);
    uint8_t version = reader_u8(&reader);
    uint32_t crc = reader_le32(&reader);
    if (reader.failed)
        return why_set(why, ERR_BAD_FORMAT, "a membership of %zu bytes", bytes.len);
    if (version != WIRE_CONFIG_VERSION)
        return why_set(why, ERR_WRONG_FORMAT, "a membership of version %u, not %d", version,
                       WIRE_CONFIG_VERSION);
    if (crc != crc32c(bytes_of(reader.at, reader_left(&reader))))
        return why_set(why, ERR_BAD_FORMAT, "a membership with a bad checksum");
    struct raft_config config = {0};
    get_list(&reader, config.voters, &config.voters_count);
    get_list(&reader, config.voters_old, &config.voters_old_count);
    get_list(&reader, config.learners, &config.learners_count);
    get_list(&reader, config.learners_next, &config.learners_next_count);
    if (!reader_is_done(&reader) || !wire_config_is_valid(&config))
        return why_set(why, ERR_BAD_FORMAT, "a membership whose lists do not add up");
    *ret = config;
    return OK;
}
