/* SPDX-License-Identifier: Apache-2.0 */
#include "store/layout.h"

#include "base/buf.h"

/* First byte of the keys of `slots`, third byte of those of `raft` and `delete_log`. */
enum { SLOTS_PAGE = 1, SLOTS_VALUE = 2, SLOTS_CONFIG = 3 };
enum { RAFT_HARD_STATE = 1, RAFT_ENTRY = 2 };
enum { DELETE_LOG_RECORD = 1, DELETE_LOG_INDEX = 2 };

static void add_u8(struct store_key *key, uint8_t value)
{
    key->data[key->len++] = value;
}

static void add_be16(struct store_key *key, uint32_t value)
{
    assert(value <= UINT16_MAX);
    add_u8(key, (uint8_t)(value >> 8));
    add_u8(key, (uint8_t)value);
}

static void add_be64(struct store_key *key, uint64_t value)
{
    uint64_t big = __builtin_bswap64(value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    big = value;
#endif
    memcpy(key->data + key->len, &big, sizeof(big));
    key->len += sizeof(big);
}

static void add_bytes(struct store_key *key, struct bytes bytes)
{
    if (bytes.len > 0)
        memcpy(key->data + key->len, bytes.data, bytes.len);
    key->len += (uint32_t)bytes.len;
}

static void add_channel(struct store_key *key, struct channel channel)
{
    assert(channel.id.len <= CHANNEL_ID_MAX_BYTES);
    add_u8(key, channel.type);
    add_bytes(key, channel.id);
    add_u8(key, 0);
}

static void add_text(struct store_key *key, const char *text)
{
    key->len = 0;
    add_bytes(key, bytes_of_string(text));
}

void key_identity(struct store_key *ret)
{
    add_text(ret, "identity");
}

void key_boot(struct store_key *ret)
{
    add_text(ret, "boot");
}

void key_peer(struct store_key *ret, uint64_t node_id)
{
    assert(node_id > 0 && node_id <= UINT16_MAX);
    add_text(ret, "peer");
    add_be16(ret, (uint32_t)node_id);
}

void key_page(struct store_key *ret, uint32_t page)
{
    ret->len = 0;
    add_u8(ret, SLOTS_PAGE);
    add_be16(ret, page);
}

void key_slot_value(struct store_key *ret, uint32_t slot, uint8_t which)
{
    ret->len = 0;
    add_u8(ret, SLOTS_VALUE);
    add_be16(ret, slot);
    add_u8(ret, which);
}

void key_config(struct store_key *ret, uint32_t slot, uint64_t index)
{
    ret->len = 0;
    add_u8(ret, SLOTS_CONFIG);
    add_be16(ret, slot);
    add_be64(ret, index);
}

/* A number at the end of a key of exactly len bytes. */
static bool parse_last_be64(struct bytes key, size_t len, uint64_t *ret)
{
    if (key.len != len)
        return false;
    struct reader reader = reader_of(bytes_of(key.data + len - 8, 8));
    *ret = reader_be64(&reader);
    return true;
}

bool key_config_parse(struct bytes key, uint64_t *ret_index)
{
    return parse_last_be64(key, 1 + 2 + 8, ret_index);
}

void key_hard_state(struct store_key *ret, uint32_t slot)
{
    ret->len = 0;
    add_be16(ret, slot);
    add_u8(ret, RAFT_HARD_STATE);
}

void key_entry(struct store_key *ret, uint32_t slot, uint64_t index)
{
    ret->len = 0;
    add_be16(ret, slot);
    add_u8(ret, RAFT_ENTRY);
    add_be64(ret, index);
}

bool key_entry_parse(struct bytes key, uint64_t *ret_index)
{
    return parse_last_be64(key, 2 + 1 + 8, ret_index);
}

void key_slot(struct store_key *ret, uint32_t slot)
{
    ret->len = 0;
    add_be16(ret, slot);
}

void key_channel(struct store_key *ret, uint32_t slot, struct channel channel)
{
    ret->len = 0;
    add_be16(ret, slot);
    add_channel(ret, channel);
}

void key_channel_seq(struct store_key *ret, uint32_t slot, struct channel channel, uint64_t seq)
{
    key_channel(ret, slot, channel);
    add_be64(ret, seq);
}

void key_channel_prefix(struct store_key *ret, uint32_t slot, uint32_t type, struct bytes prefix)
{
    assert(prefix.len <= CHANNEL_ID_MAX_BYTES);
    ret->len = 0;
    add_be16(ret, slot);
    add_u8(ret, (uint8_t)type);
    add_bytes(ret, prefix);
}

bool key_channel_parse(struct bytes key, uint32_t *ret_slot, struct channel *ret_channel)
{
    if (key.len < 2 + 1 + 1 || key.data[key.len - 1] != 0)
        return false;
    *ret_slot = (uint32_t)key.data[0] << 8 | key.data[1];
    ret_channel->type = key.data[2];
    ret_channel->id = bytes_of(key.data + 3, key.len - 4);
    return true;
}

bool key_channel_seq_parse(struct bytes key, uint32_t *ret_slot, struct channel *ret_channel,
                           uint64_t *ret_seq)
{
    if (key.len < 8 || !key_channel_parse(bytes_of(key.data, key.len - 8), ret_slot, ret_channel))
        return false;
    return parse_last_be64(key, key.len, ret_seq);
}

void key_delete_record(struct store_key *ret, uint32_t slot, uint64_t log_index)
{
    ret->len = 0;
    add_be16(ret, slot);
    add_u8(ret, DELETE_LOG_RECORD);
    add_be64(ret, log_index);
}

bool key_delete_record_parse(struct bytes key, uint64_t *ret_log_index)
{
    return parse_last_be64(key, 2 + 1 + 8, ret_log_index);
}

void key_delete_index(struct store_key *ret, uint32_t slot, struct channel channel,
                      uint64_t log_index)
{
    ret->len = 0;
    add_be16(ret, slot);
    add_u8(ret, DELETE_LOG_INDEX);
    add_channel(ret, channel);
    add_be64(ret, log_index);
}

bool key_delete_index_parse(struct bytes key, uint64_t *ret_log_index)
{
    return key.len > 2 + 1 + 2 + 8 && parse_last_be64(key, key.len, ret_log_index);
}

void key_dedup_generation(struct store_key *ret, uint32_t slot, uint64_t generation)
{
    ret->len = 0;
    add_be16(ret, slot);
    add_be64(ret, generation);
}

void key_dedup(struct store_key *ret, uint32_t slot, uint64_t generation, struct channel channel,
               struct bytes from_uid, struct bytes client_msg_no)
{
    assert(from_uid.len + client_msg_no.len <= KEY_NAMES_MAX_BYTES);
    key_dedup_generation(ret, slot, generation);
    add_channel(ret, channel);
    add_be16(ret, (uint32_t)from_uid.len);
    add_bytes(ret, from_uid);
    add_bytes(ret, client_msg_no);
}

bool key_dedup_parse(struct bytes key, uint64_t *ret_generation, struct channel *ret_channel,
                     struct bytes *ret_from_uid, struct bytes *ret_client_msg_no)
{
    struct reader reader = reader_of(key);
    (void)reader_be16(&reader);
    *ret_generation = reader_be64(&reader);
    ret_channel->type = reader_u8(&reader);
    if (reader.failed)
        return false;
    const uint8_t *end = memchr(reader.at, 0, reader_left(&reader));
    if (end == NULL)
        return false;
    ret_channel->id = reader_bytes(&reader, (size_t)(end - reader.at));
    (void)reader_u8(&reader);
    *ret_from_uid = reader_bytes(&reader, reader_be16(&reader));
    *ret_client_msg_no = reader_bytes(&reader, reader_left(&reader));
    return !reader.failed;
}

void key_step(struct store_key *key)
{
    add_u8(key, 0);
}

void key_end_of_prefix(struct store_key *key)
{
    while (key->len > 0 && key->data[key->len - 1] == 0xff)
        key->len--;
    assert(key->len > 0);
    key->data[key->len - 1]++;
}
