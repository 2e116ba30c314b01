/* SPDX-License-Identifier: Apache-2.0 */
/* Values. Rows are lean: an append writes one message row, so what derives from the key is not in
 * the value, what is usually absent costs one bit of a flags byte, and numbers are varints. The
 * slot in a message id is the key's, so that it is XORed away before it is written. Hashes and
 * salts are random bytes that no varint would shorten. */
#include "store/record.h"

#include "base/crc.h"

static uint32_t row_crc(enum store_family family, struct bytes key, struct bytes value)
{
    uint8_t first = (uint8_t)family;
    uint32_t crc = crc32c(bytes_of(&first, 1));
#ifndef LETHE_MUTANT_crc_unbound
    crc = crc32c_more(crc, key);
#else
    (void)key;
#endif
    return crc32c_more(crc, value);
}

enum err record_open(enum store_family family, struct bytes key, struct bytes value,
                     struct reader *ret)
{
    if (value.len < 1 + RECORD_CRC_BYTES)
        return ERR_CORRUPT;
    struct bytes covered = bytes_of(value.data, value.len - RECORD_CRC_BYTES);
#ifndef LETHE_MUTANT_crc_unchecked
    struct reader crc = reader_of(bytes_of(value.data + covered.len, RECORD_CRC_BYTES));
    if (reader_le32(&crc) != row_crc(family, key, covered))
        return ERR_CORRUPT;
#else
    (void)family;
    (void)key;
    (void)row_crc;
#endif
    if (covered.data[0] != RECORD_VERSION)
        return ERR_WRONG_FORMAT;
    *ret = reader_of(bytes_of(covered.data + 1, covered.len - 1));
    return OK;
}

void record_seal(struct buf *value, enum store_family family, struct bytes key)
{
    buf_put_le32(value, row_crc(family, key, buf_bytes(value)));
}

static void begin(struct buf *value)
{
    buf_clear(value);
    buf_put_u8(value, RECORD_VERSION);
}

/* A number that the row keeps in 32 bits: one that does not fit is damage, never cut down. */
static uint32_t read_u32(struct reader *reader)
{
    uint64_t number = reader_varint(reader);
    if (number > UINT32_MAX)
        reader->failed = true;
    return (uint32_t)number;
}

/* Everything must have been read, no more and no less. */
static enum err end(const struct reader *reader)
{
    return reader_is_done(reader) ? OK : ERR_CORRUPT;
}

static void put_hash(struct buf *value, struct hash128 hash)
{
    buf_put_le64(value, hash.low);
    buf_put_le64(value, hash.high);
}

static struct hash128 read_hash(struct reader *reader)
{
    uint64_t low = reader_le64(reader);
    return (struct hash128){low, reader_le64(reader)};
}

static void put_totals(struct buf *value, const struct totals *totals)
{
    buf_put_varint(value, totals->bytes);
    put_hash(value, totals->digest);
}

static struct totals read_totals(struct reader *reader)
{
    uint64_t bytes = reader_varint(reader);
    return (struct totals){bytes, read_hash(reader)};
}

/* ---- default ---------------------------------------------------------------------------------- */
void record_identity_encode(struct buf *value, struct bytes key, const struct store_identity *row)
{
    begin(value);
    buf_put_le32(value, row->format);
    buf_put_block(value, bytes_of_string(row->cluster_id));
    buf_put_varint(value, row->node_id);
    buf_put_le64(value, row->incarnation);
    buf_put_varint(value, row->slot_count);
    record_seal(value, STORE_DEFAULT, key);
}

enum err record_identity_decode(struct bytes key, struct bytes value, struct store_identity *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_DEFAULT, key, value, &reader);
    if (err != OK)
        return err;
    ret->format = reader_le32(&reader);
    if (reader.failed)
        return ERR_CORRUPT;
    if (ret->format != STORE_FORMAT)
        return ERR_WRONG_FORMAT;
    struct bytes cluster = reader_block(&reader);
    ret->node_id = reader_varint(&reader);
    ret->incarnation = reader_le64(&reader);
    uint64_t slot_count = reader_varint(&reader);
    if (!reader_is_done(&reader) || cluster.len >= sizeof(ret->cluster_id) ||
        slot_count > SLOTS_MAX)
        return ERR_CORRUPT;
    memset(ret->cluster_id, 0, sizeof(ret->cluster_id));
    memcpy(ret->cluster_id, cluster.data, cluster.len);
    ret->slot_count = (uint32_t)slot_count;
    return OK;
}

void record_number_encode(struct buf *value, struct bytes key, uint64_t number)
{
    begin(value);
    buf_put_varint(value, number);
    record_seal(value, STORE_DEFAULT, key);
}

enum err record_number_decode(struct bytes key, struct bytes value, uint64_t *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_DEFAULT, key, value, &reader);
    if (err != OK)
        return err;
    *ret = reader_varint(&reader);
    return end(&reader);
}

void record_peer_encode(struct buf *value, struct bytes key, const struct row_peer *row)
{
    begin(value);
    buf_put_le64(value, row->incarnation);
    buf_put_varint(value, row->boot);
    buf_append_bytes(value, bytes_of(row->nonce, sizeof(row->nonce)));
    record_seal(value, STORE_DEFAULT, key);
}

enum err record_peer_decode(struct bytes key, struct bytes value, struct row_peer *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_DEFAULT, key, value, &reader);
    if (err != OK)
        return err;
    uint64_t incarnation = reader_le64(&reader), boot = reader_varint(&reader);
    struct bytes nonce = reader_bytes(&reader, PEER_NONCE_BYTES);
    if (!reader_is_done(&reader))
        return ERR_CORRUPT;
    ret->incarnation = incarnation;
    ret->boot = boot;
    memcpy(ret->nonce, nonce.data, sizeof(ret->nonce));
    return OK;
}

/* ---- slots ------------------------------------------------------------------------------------ */
void record_page_encode(struct buf *value, struct bytes key, const struct row_applied *rows)
{
    uint16_t used = 0;
    for (uint32_t i = 0; i < PAGE_SLOTS; i++)
        if (rows[i].index != 0 || rows[i].term != 0 ||
            !hash128_is_equal(rows[i].digest, (struct hash128){0, 0}))
            used |= (uint16_t)(1u << i);
    begin(value);
    buf_put_le16(value, used);
    for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
        if ((used >> i & 1) == 0)
            continue;
        buf_put_varint(value, rows[i].index);
        buf_put_varint(value, rows[i].term);
        put_hash(value, rows[i].digest);
    }
    record_seal(value, STORE_SLOTS, key);
}

enum err record_page_decode(struct bytes key, struct bytes value, struct row_applied *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_SLOTS, key, value, &reader);
    if (err != OK)
        return err;
    memset(ret, 0, PAGE_SLOTS * sizeof(*ret));
    uint16_t used = reader_le16(&reader);
    for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
        if ((used >> i & 1) == 0)
            continue;
        ret[i].index = reader_varint(&reader);
        ret[i].term = reader_varint(&reader);
        ret[i].digest = read_hash(&reader);
    }
    return end(&reader);
}

void record_opaque_encode(struct buf *value, enum store_family family, struct bytes key,
                          struct bytes opaque)
{
    begin(value);
    buf_append_bytes(value, opaque);
    record_seal(value, family, key);
}

enum err record_opaque_decode(enum store_family family, struct bytes key, struct bytes value,
                              struct bytes *ret)
{
    struct reader reader;
    enum err err = record_open(family, key, value, &reader);
    if (err != OK)
        return err;
    *ret = reader_bytes(&reader, reader_left(&reader));
    return OK;
}

void record_config_encode(struct buf *value, struct bytes key, uint64_t term, struct bytes config)
{
    begin(value);
    buf_put_varint(value, term);
    buf_append_bytes(value, config);
    record_seal(value, STORE_SLOTS, key);
}

enum err record_config_decode(struct bytes key, struct bytes value, uint64_t *ret_term,
                              struct bytes *ret_config)
{
    struct reader reader;
    enum err err = record_open(STORE_SLOTS, key, value, &reader);
    if (err != OK)
        return err;
    *ret_term = reader_varint(&reader);
    *ret_config = reader_bytes(&reader, reader_left(&reader));
    return end(&reader);
}

/* ---- raft ------------------------------------------------------------------------------------- */
void record_hard_state_encode(struct buf *value, struct bytes key, const struct row_hard_state *row)
{
    begin(value);
    buf_put_varint(value, row->term);
    buf_put_varint(value, row->vote);
    buf_put_varint(value, row->commit);
    record_seal(value, STORE_RAFT, key);
}

enum err record_hard_state_decode(struct bytes key, struct bytes value, struct row_hard_state *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_RAFT, key, value, &reader);
    if (err != OK)
        return err;
    struct row_hard_state row;
    row.term = reader_varint(&reader);
    row.vote = reader_varint(&reader);
    row.commit = reader_varint(&reader);
    err = end(&reader);
    if (err == OK)
        *ret = row;
    return err;
}

void record_entry_encode(struct buf *value, struct bytes key, const struct row_entry *row)
{
    begin(value);
    buf_put_varint(value, row->term);
    buf_put_u8(value, row->kind);
    buf_append_bytes(value, row->payload);
    record_seal(value, STORE_RAFT, key);
}

enum err record_entry_decode(struct bytes key, struct bytes value, struct row_entry *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_RAFT, key, value, &reader);
    if (err != OK)
        return err;
    struct row_entry row;
    if (!key_entry_parse(key, &row.index))
        return ERR_CORRUPT;
    row.term = reader_varint(&reader);
    row.kind = reader_u8(&reader);
    row.payload = reader_bytes(&reader, reader_left(&reader));
    err = end(&reader);
    if (err == OK)
        *ret = row;
    return err;
}

/* ---- messages --------------------------------------------------------------------------------- */
enum message_flag {
    MESSAGE_FROM_UID = 1,
    MESSAGE_CLIENT_MSG_NO = 2,
    MESSAGE_TOPIC = 4,
    MESSAGE_HEADER = 8, /* header, setting, expire */
    MESSAGE_ENCODING_SHIFT = 4
};

static uint64_t slot_bits(uint32_t slot)
{
    return message_id_of(slot, 0, 0);
}

void record_message_encode(struct buf *value, struct bytes key, uint32_t slot,
                           const struct row_message *row)
{
    bool has_header = row->header[0] || row->header[1] || row->header[2] || row->setting != 0 ||
                      row->expire_s != 0;
    uint8_t flags = (uint8_t)(row->payload_encoding << MESSAGE_ENCODING_SHIFT);
    flags |= row->from_uid.len > 0 ? MESSAGE_FROM_UID : 0;
    flags |= row->client_msg_no.len > 0 ? MESSAGE_CLIENT_MSG_NO : 0;
    flags |= row->topic.len > 0 ? MESSAGE_TOPIC : 0;
    flags |= has_header ? MESSAGE_HEADER : 0;
    assert(row->payload_encoding < 16);

    begin(value);
    buf_put_u8(value, flags);
    buf_put_varint(value, row->message_id ^ slot_bits(slot));
    buf_put_varint(value, row->timestamp_ms);
    buf_append(value, row->salt, MESSAGE_SALT_BYTES);
    put_totals(value, &row->totals);
    if (flags & MESSAGE_FROM_UID)
        buf_put_block(value, row->from_uid);
    if (flags & MESSAGE_CLIENT_MSG_NO)
        buf_put_block(value, row->client_msg_no);
    if (flags & MESSAGE_TOPIC)
        buf_put_block(value, row->topic);
    if (has_header) {
        buf_append(value, row->header, sizeof(row->header));
        buf_put_u8(value, row->setting);
        buf_put_varint(value, row->expire_s);
    }
    buf_append_bytes(value, row->payload);
    record_seal(value, STORE_MESSAGES, key);
}

enum err record_message_decode(struct bytes key, struct bytes value, struct row_message *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_MESSAGES, key, value, &reader);
    if (err != OK)
        return err;
    if (key.len < 2)
        return ERR_CORRUPT;
    uint32_t slot = (uint32_t)key.data[0] << 8 | key.data[1];
    uint8_t flags = reader_u8(&reader);
    *ret = (struct row_message){.payload_encoding = flags >> MESSAGE_ENCODING_SHIFT};
    ret->message_id = reader_varint(&reader) ^ slot_bits(slot);
    ret->timestamp_ms = reader_varint(&reader);
    struct bytes salt = reader_bytes(&reader, MESSAGE_SALT_BYTES);
    ret->totals = read_totals(&reader);
    if (flags & MESSAGE_FROM_UID)
        ret->from_uid = reader_block(&reader);
    if (flags & MESSAGE_CLIENT_MSG_NO)
        ret->client_msg_no = reader_block(&reader);
    if (flags & MESSAGE_TOPIC)
        ret->topic = reader_block(&reader);
    if (flags & MESSAGE_HEADER) {
        for (size_t i = 0; i < sizeof(ret->header); i++)
            ret->header[i] = reader_u8(&reader);
        ret->setting = reader_u8(&reader);
        ret->expire_s = read_u32(&reader);
    }
    ret->payload = reader_bytes(&reader, reader_left(&reader));
    if (reader.failed)
        return ERR_CORRUPT;
    memcpy(ret->salt, salt.data, MESSAGE_SALT_BYTES);
    return OK;
}

/* ---- channels --------------------------------------------------------------------------------- */
void record_channel_encode(struct buf *value, struct bytes key, const struct row_channel *row)
{
    begin(value);
    buf_put_varint(value, row->log_index);
    buf_put_varint(value, row->created_ms);
    buf_put_varint(value, row->last_seq);
    buf_put_varint(value, row->last_timestamp_ms);
    put_totals(value, &row->totals_at_last);
    buf_put_varint(value, row->deleted_count);
    buf_put_varint(value, row->deleted_bytes);
    buf_put_varint(value, row->delete_version);
    buf_append_bytes(value, row->retention);
    record_seal(value, STORE_CHANNELS, key);
}

enum err record_channel_decode(struct bytes key, struct bytes value, struct row_channel *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_CHANNELS, key, value, &reader);
    if (err != OK)
        return err;
    ret->log_index = reader_varint(&reader);
    ret->created_ms = reader_varint(&reader);
    ret->last_seq = reader_varint(&reader);
    ret->last_timestamp_ms = reader_varint(&reader);
    ret->totals_at_last = read_totals(&reader);
    ret->deleted_count = reader_varint(&reader);
    ret->deleted_bytes = reader_varint(&reader);
    ret->delete_version = reader_varint(&reader);
    ret->retention = reader_bytes(&reader, reader_left(&reader));
    return end(&reader);
}

/* ---- deleted ---------------------------------------------------------------------------------- */
void record_deleted_encode(struct buf *value, struct bytes key, const struct row_deleted *row)
{
    assert(row->start <= row->end);
    begin(value);
    buf_put_varint(value, row->end - row->start);
    put_totals(value, &row->before_start);
    put_totals(value, &row->at_end);
    record_seal(value, STORE_DELETED, key);
}

enum err record_deleted_decode(struct bytes key, struct bytes value, struct row_deleted *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_DELETED, key, value, &reader);
    if (err != OK)
        return err;
    struct row_deleted row;
    struct channel channel;
    uint32_t slot;
    if (!key_channel_seq_parse(key, &slot, &channel, &row.start))
        return ERR_CORRUPT;
    uint64_t more = reader_varint(&reader);
    row.before_start = read_totals(&reader);
    row.at_end = read_totals(&reader);
    row.end = row.start + more;
    if (!reader_is_done(&reader) || row.end < row.start)
        return ERR_CORRUPT;
    *ret = row;
    return OK;
}

/* ---- delete_log ------------------------------------------------------------------------------- */
void record_delete_record_encode(struct buf *value, struct bytes key,
                                 const struct row_delete_record *row)
{
    begin(value);
    buf_put_varint(value, row->deleted_at_ms);
    buf_put_u8(value, row->channel.type);
    buf_put_block(value, row->channel.id);
    buf_put_varint(value, row->deleted_count);
    buf_put_varint(value, row->already_deleted);
    buf_put_block(value, row->operator_name);
    buf_put_block(value, row->reason);
    buf_put_block(value, row->request_id);
    buf_put_varint(value, row->ranges_count);
    uint64_t before = 0;
    for (uint32_t i = 0; i < row->ranges_count; i++) {
        assert(row->ranges[i].start >= before && row->ranges[i].end >= row->ranges[i].start);
        buf_put_varint(value, row->ranges[i].start - before);
        buf_put_varint(value, row->ranges[i].end - row->ranges[i].start);
        before = row->ranges[i].end;
    }
    record_seal(value, STORE_DELETE_LOG, key);
}

enum err record_delete_record_decode(struct bytes key, struct bytes value, struct buf *ranges,
                                     struct row_delete_record *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_DELETE_LOG, key, value, &reader);
    if (err != OK)
        return err;
    struct row_delete_record row;
    if (!key_delete_record_parse(key, &row.log_index))
        return ERR_CORRUPT;
    row.deleted_at_ms = reader_varint(&reader);
    row.channel.type = reader_u8(&reader);
    row.channel.id = reader_block(&reader);
    row.deleted_count = reader_varint(&reader);
    row.already_deleted = reader_varint(&reader);
    row.operator_name = reader_block(&reader);
    row.reason = reader_block(&reader);
    row.request_id = reader_block(&reader);
    uint64_t count = reader_varint(&reader);
    /* A range takes two bytes at least: no count from the disk decides what is allocated. */
    if (reader.failed || count > reader_left(&reader) / 2)
        return ERR_CORRUPT;
    buf_clear(ranges);
    struct seq_range *items = (void *)buf_extend(ranges, count * sizeof(*items));
    uint64_t before = 0;
    for (uint64_t i = 0; i < count; i++) {
        items[i].start = before + reader_varint(&reader);
        items[i].end = items[i].start + reader_varint(&reader);
        if (items[i].start < before || items[i].end < items[i].start) /* beyond 64 bits */
            return ERR_CORRUPT;
        before = items[i].end;
    }
    row.ranges = items;
    row.ranges_count = (uint32_t)count;
    err = end(&reader);
    if (err == OK)
        *ret = row;
    return err;
}

/* ---- dedup ------------------------------------------------------------------------------------ */
void record_dedup_encode(struct buf *value, struct bytes key, const struct row_dedup *row)
{
    begin(value);
    buf_put_varint(value, row->seq);
    buf_put_varint(value, row->log_index);
    buf_put_varint(value, row->timestamp_ms);
    buf_put_varint(value, row->position);
    put_hash(value, row->request);
    record_seal(value, STORE_DEDUP, key);
}

enum err record_dedup_decode(struct bytes key, struct bytes value, struct row_dedup *ret)
{
    struct reader reader;
    enum err err = record_open(STORE_DEDUP, key, value, &reader);
    if (err != OK)
        return err;
    struct row_dedup row;
    row.seq = reader_varint(&reader);
    row.log_index = reader_varint(&reader);
    row.timestamp_ms = reader_varint(&reader);
    row.position = read_u32(&reader);
    row.request = read_hash(&reader);
    err = end(&reader);
    if (err == OK)
        *ret = row;
    return err;
}
