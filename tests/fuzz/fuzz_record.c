/* SPDX-License-Identifier: Apache-2.0 */
/* Values of rows. The first byte chooses the kind; the rest is the value as it is, and once more
 * under a checksum that holds. What is accepted must be encoded and decoded again to the same. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "store/record.h"

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* Decodes value under key; OK: encodes the row again into ret. */
typedef enum err prober(struct bytes key, struct bytes value, struct buf *ret);

static enum err probe_identity(struct bytes key, struct bytes value, struct buf *ret)
{
    struct store_identity row;
    enum err err = record_identity_decode(key, value, &row);
    if (err == OK)
        record_identity_encode(ret, key, &row);
    return err;
}

static enum err probe_number(struct bytes key, struct bytes value, struct buf *ret)
{
    uint64_t row;
    enum err err = record_number_decode(key, value, &row);
    if (err == OK)
        record_number_encode(ret, key, row);
    return err;
}

static enum err probe_peer(struct bytes key, struct bytes value, struct buf *ret)
{
    struct row_peer row;
    enum err err = record_peer_decode(key, value, &row);
    if (err == OK)
        record_peer_encode(ret, key, &row);
    return err;
}

static enum err probe_page(struct bytes key, struct bytes value, struct buf *ret)
{
    struct row_applied rows[PAGE_SLOTS];
    enum err err = record_page_decode(key, value, rows);
    if (err == OK)
        record_page_encode(ret, key, rows);
    return err;
}

static enum err probe_config(struct bytes key, struct bytes value, struct buf *ret)
{
    uint64_t term;
    struct bytes config;
    enum err err = record_config_decode(key, value, &term, &config);
    if (err == OK)
        record_config_encode(ret, key, term, config);
    return err;
}

static enum err probe_hard_state(struct bytes key, struct bytes value, struct buf *ret)
{
    struct row_hard_state row;
    enum err err = record_hard_state_decode(key, value, &row);
    if (err == OK)
        record_hard_state_encode(ret, key, &row);
    return err;
}

static enum err probe_entry(struct bytes key, struct bytes value, struct buf *ret)
{
    struct row_entry row;
    enum err err = record_entry_decode(key, value, &row);
    if (err == OK)
        record_entry_encode(ret, key, &row);
    return err;
}

static enum err probe_message(struct bytes key, struct bytes value, struct buf *ret)
{
    struct row_message row;
    enum err err = record_message_decode(key, value, &row);
    if (err == OK)
        record_message_encode(ret, key, 3, &row);
    return err;
}

static enum err probe_channel(struct bytes key, struct bytes value, struct buf *ret)
{
    struct row_channel row;
    enum err err = record_channel_decode(key, value, &row);
    if (err == OK)
        record_channel_encode(ret, key, &row);
    return err;
}

static enum err probe_deleted(struct bytes key, struct bytes value, struct buf *ret)
{
    struct row_deleted row;
    enum err err = record_deleted_decode(key, value, &row);
    if (err == OK)
        record_deleted_encode(ret, key, &row);
    return err;
}

static enum err probe_delete_record(struct bytes key, struct bytes value, struct buf *ret)
{
    struct row_delete_record row;
    struct buf ranges = BUF_INIT;
    enum err err = record_delete_record_decode(key, value, &ranges, &row);
    if (err == OK)
        record_delete_record_encode(ret, key, &row);
    buf_done(&ranges);
    return err;
}

static enum err probe_dedup(struct bytes key, struct bytes value, struct buf *ret)
{
    struct row_dedup row;
    enum err err = record_dedup_decode(key, value, &row);
    if (err == OK)
        record_dedup_encode(ret, key, &row);
    return err;
}

static const struct {
    enum store_family family;
    prober *probe;
} kinds[] = {
    {STORE_DEFAULT, probe_identity},
    {STORE_DEFAULT, probe_number},
    {STORE_DEFAULT, probe_peer},
    {STORE_SLOTS, probe_page},
    {STORE_SLOTS, probe_config},
    {STORE_RAFT, probe_hard_state},
    {STORE_RAFT, probe_entry},
    {STORE_MESSAGES, probe_message},
    {STORE_CHANNELS, probe_channel},
    {STORE_DELETED, probe_deleted},
    {STORE_DELETE_LOG, probe_delete_record},
    {STORE_DEDUP, probe_dedup},
};

static void key_of(struct store_key *ret, unsigned kind)
{
    struct channel channel = {2, bytes_of_string("room")};
    if (kinds[kind].probe == probe_entry)
        key_entry(ret, 3, 7);
    else if (kinds[kind].probe == probe_delete_record)
        key_delete_record(ret, 3, 7);
    else
        key_channel_seq(ret, 3, channel, 7);
}

static void probe(unsigned kind, struct bytes value)
{
    struct store_key key;
    struct buf again = BUF_INIT, third = BUF_INIT;
    key_of(&key, kind);
    enum err err = kinds[kind].probe(key_bytes(&key), value, &again);
    demand(err == OK || err == ERR_CORRUPT || err == ERR_WRONG_FORMAT);
    if (err == OK) {
        demand(again.len <= value.len); /* nothing grows, nothing is read twice */
        demand(kinds[kind].probe(key_bytes(&key), buf_bytes(&again), &third) == OK);
        demand(bytes_is_equal(buf_bytes(&again), buf_bytes(&third)));
    }
    buf_done(&again);
    buf_done(&third);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned kind = data[0] % (sizeof(kinds) / sizeof(kinds[0]));
    struct buf sealed = BUF_INIT;
    struct store_key key;
    key_of(&key, kind);
    probe(kind, bytes_of(data + 1, size - 1));
    buf_append(&sealed, data + 1, size - 1);
    record_seal(&sealed, kinds[kind].family, key_bytes(&key));
    probe(kind, buf_bytes(&sealed));
    buf_done(&sealed);
    return 0;
}
