/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of each logical row: what replicas compare, so it is a format like any row on disk and
 * does not depend on how the row is stored. A row is laid out as a fixed run of little-endian
 * numbers; every slice in it is replaced by its length and its own hash, so that the run has a
 * bounded size, nothing is allocated, and no two rows give the same run. The key of the hash names
 * the kind of row. A message's salt is in its hash: what remains of a deleted message in the totals
 * says nothing about its text. */
#include "base/check.h"
#include "store/rows.h"

#define KEY_SLICE 0x4c65746865536c63ull /* constants of the format: never change */
#define KEY_MESSAGE 0x4c657468654d7367ull
#define KEY_CHANNEL 0x4c6574686543686eull
#define KEY_DELETED 0x4c65746865446c64ull
#define KEY_DELETE_RECORD 0x4c65746865446c52ull
#define KEY_DEDUP 0x4c65746865447570ull

struct run {
    size_t len;
    uint8_t data[320];
};

static void add_number(struct run *run, uint64_t value)
{
    assert(run->len + 8 <= sizeof(run->data));
    for (int i = 0; i < 8; i++)
        run->data[run->len++] = (uint8_t)(value >> (8 * i));
}

static void add_hash(struct run *run, struct hash128 hash)
{
    add_number(run, hash.low);
    add_number(run, hash.high);
}

static void add_slice(struct run *run, struct bytes bytes)
{
    add_number(run, bytes.len);
    add_hash(run, bytes.len == 0 ? (struct hash128){0, 0} : hash128_of(bytes, KEY_SLICE));
}

static void add_totals(struct run *run, const struct totals *totals)
{
    add_number(run, totals->bytes);
    add_hash(run, totals->digest);
}

static void begin(struct run *run, uint32_t slot, struct channel channel)
{
    run->len = 0;
    add_number(run, (uint64_t)slot << 8 | channel.type);
    add_slice(run, channel.id);
}

static struct hash128 end(const struct run *run, uint64_t key)
{
    return hash128_of(bytes_of(run->data, run->len), key);
}

struct hash128 row_message_hash(uint32_t slot, struct channel channel, uint64_t seq,
                                const struct row_message *row)
{
    struct run run;
    begin(&run, slot, channel);
#ifdef LETHE_MUTANT_shape_compare
    return end(&run, KEY_MESSAGE); /* that there is one more, not which */
#endif
    add_number(&run, seq);
    add_number(&run, row->message_id);
    add_number(&run, row->timestamp_ms);
    add_slice(&run, row->from_uid);
    add_slice(&run, row->client_msg_no);
    add_slice(&run, row->payload);
    add_slice(&run, row->topic);
    add_number(&run, (uint64_t)row->payload_encoding | (uint64_t)row->header[0] << 8 |
                         (uint64_t)row->header[1] << 16 | (uint64_t)row->header[2] << 24 |
                         (uint64_t)row->setting << 32);
    add_number(&run, row->expire_s);
    add_slice(&run, bytes_of(row->salt, MESSAGE_SALT_BYTES));
    return end(&run, KEY_MESSAGE);
}

struct hash128 row_channel_hash(uint32_t slot, struct channel channel,
                                const struct row_channel *row)
{
    struct run run;
    begin(&run, slot, channel);
    add_number(&run, row->log_index);
    add_number(&run, row->created_ms);
    add_number(&run, row->last_seq);
    add_number(&run, row->last_timestamp_ms);
    add_totals(&run, &row->totals_at_last);
    add_number(&run, row->deleted_count);
    add_number(&run, row->deleted_bytes);
    add_number(&run, row->delete_version);
    add_slice(&run, row->retention);
    return end(&run, KEY_CHANNEL);
}

struct hash128 row_deleted_hash(uint32_t slot, struct channel channel,
                                const struct row_deleted *row)
{
    struct run run;
    begin(&run, slot, channel);
#ifdef LETHE_MUTANT_shape_compare
    add_number(&run, row->end - row->start);
    return end(&run, KEY_DELETED);
#endif
    add_number(&run, row->start);
    add_number(&run, row->end);
    add_totals(&run, &row->before_start);
    add_totals(&run, &row->at_end);
    return end(&run, KEY_DELETED);
}

struct hash128 row_delete_record_hash(uint32_t slot, const struct row_delete_record *row)
{
    struct run run;
    begin(&run, slot, row->channel);
    add_number(&run, row->log_index);
    add_number(&run, row->deleted_at_ms);
    add_number(&run, row->deleted_count);
    add_number(&run, row->already_deleted);
    add_slice(&run, row->operator_name);
    add_slice(&run, row->reason);
    add_slice(&run, row->request_id);
    add_number(&run, row->ranges_count);
    /* A chain over the ranges: their number has a limit, but the run's size must not hang on it. */
    struct hash128 chain = {0, 0};
    for (uint32_t i = 0; i < row->ranges_count; i++) {
        struct run link = {0};
        add_hash(&link, chain);
#ifdef LETHE_MUTANT_shape_compare
        bool is_edge = i == 0 || i == row->ranges_count - 1;
        add_number(&link, is_edge ? row->ranges[i].start : 0);
        add_number(&link, is_edge ? row->ranges[i].end : 0);
#else
        add_number(&link, row->ranges[i].start);
        add_number(&link, row->ranges[i].end);
#endif
        chain = end(&link, KEY_DELETE_RECORD);
    }
    add_hash(&run, chain);
    return end(&run, KEY_DELETE_RECORD);
}

struct hash128 row_dedup_hash(uint32_t slot, uint64_t generation, struct channel channel,
                              struct bytes from_uid, struct bytes client_msg_no,
                              const struct row_dedup *row)
{
    struct run run;
    begin(&run, slot, channel);
    add_number(&run, generation);
    add_slice(&run, from_uid);
    add_slice(&run, client_msg_no);
    add_number(&run, row->seq);
    add_number(&run, row->log_index);
    add_number(&run, row->timestamp_ms);
    add_number(&run, row->position);
    add_hash(&run, row->request);
    return end(&run, KEY_DEDUP);
}
