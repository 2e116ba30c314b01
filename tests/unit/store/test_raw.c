/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as bytes: what is read raw and put raw is the same row, and nothing else passes for one. */
#include "fixture.h"
#include <stdio.h>

#include "base/check.h"
#include "store/raw.h"

enum { ROWS_PER_FAMILY = 12, SLOT = 3 };

static void put_state(struct fixture *f, uint32_t slot)
{
    struct channel channel = channel_of(2, "room");
    put_messages(f, slot, channel, 1, ROWS_PER_FAMILY);
    for (uint64_t i = 1; i <= ROWS_PER_FAMILY; i++) {
        char id[16];
        snprintf(id, sizeof(id), "room-%u", (unsigned)i);
        struct seq_range range = {i, i + 1};
        struct row_delete_record record = {
            .log_index = i, .channel = channel, .ranges = &range, .ranges_count = 1};
        struct row_deleted deleted = deleted_of(i * 10, i * 10 + 3);
        store_put_channel(f->batch, slot, channel_of(1, id), &(struct row_channel){.log_index = i});
        store_put_deleted(f->batch, slot, channel, &deleted);
        store_put_delete_record(f->batch, slot, &record);
        store_put_dedup(f->batch, slot, i % 3, channel, TEXT("u"), bytes_of_string(id),
                        &(struct row_dedup){.seq = i, .log_index = i});
    }
    fixture_write(f, false);
}

static const enum store_family families[] = {STORE_MESSAGES, STORE_CHANNELS, STORE_DELETED,
                                             STORE_DELETE_LOG, STORE_DEDUP};

/* Every row is decoded, encoded to the same bytes, and found by going on behind the one before. */
START_TEST(rows_are_seen_in_order_and_encode_to_the_same)
{
    struct fixture f;
    fixture_open(&f, _i);
    put_state(&f, SLOT - 1);
    put_state(&f, SLOT);
    put_state(&f, SLOT + 1);
    struct buf extra = BUF_INIT, key = BUF_INIT, value = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        struct buf after = BUF_INIT;
        uint32_t count = 0;
        for (bool more = true; more;) {
            struct store_raw_range range = {
                .family = families[i], .slot = SLOT, .after = buf_bytes(&after)};
            struct store_raw *raw = store_raw_open(f.store, NULL, &range);
            more = store_raw_next(raw);
            if (more) {
                struct store_row row;
                assert_ok(store_row_decode(families[i], store_raw_key(raw), store_raw_value(raw),
                                           &extra, &row));
                ck_assert_uint_eq(row.slot, SLOT);
                store_row_encode(&row, &key, &value);
                assert_bytes(buf_bytes(&key), store_raw_key(raw));
                assert_bytes(buf_bytes(&value), store_raw_value(raw));
                buf_clear(&after);
                buf_append_bytes(&after, store_raw_key(raw));
                count++;
            }
            assert_ok(store_raw_done(raw));
        }
        ck_assert_uint_eq(count, ROWS_PER_FAMILY);
        buf_done(&after);
    }
    buf_done(&extra);
    buf_done(&key);
    buf_done(&value);
    fixture_done(&f);
}
END_TEST

START_TEST(dedup_rows_of_one_channel_and_generation)
{
    struct fixture f;
    fixture_open(&f, _i);
    put_state(&f, SLOT);
    struct channel channel = channel_of(2, "room"), other = channel_of(2, "roo");
    store_put_dedup(f.batch, SLOT, 1, other, TEXT("u"), TEXT("x"), &(struct row_dedup){.seq = 1});
    fixture_write(&f, false);
    struct store_raw_range range = {
        .family = STORE_DEDUP, .slot = SLOT, .channel = &channel, .generation = 1};
    struct store_raw *raw = store_raw_open(f.store, NULL, &range);
    uint32_t count = 0;
    while (store_raw_next(raw)) {
        count++;
    }
    assert_ok(store_raw_done(raw));
    ck_assert_uint_eq(count, ROWS_PER_FAMILY / 3);
    fixture_done(&f);
}
END_TEST

START_TEST(rows_put_raw_are_rows)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct channel channel = channel_of(2, "room");
    char text[64];
    struct store_row row = {.family = STORE_MESSAGES,
                            .slot = SLOT,
                            .channel = channel,
                            .number = 9,
                            .message = message_of(9, text)};
    struct buf key = BUF_INIT, encoded = BUF_INIT;
    store_row_encode(&row, &key, &encoded);
    store_batch_put_raw(f.batch, STORE_MESSAGES, buf_bytes(&key), buf_bytes(&encoded));
    ck_assert_uint_eq(store_batch_count(f.batch), 1);
    ck_assert_uint_gt(store_batch_bytes(f.batch), encoded.len);
    fixture_write(&f, false);
    struct store_value value;
    struct row_message got;
    store_value_init(&value);
    assert_ok(store_get_message(f.store, NULL, SLOT, channel, 9, &value, &got));
    assert_bytes(got.payload, row.message.payload);
    store_value_done(&value);
    buf_done(&key);
    buf_done(&encoded);
    fixture_done(&f);
}
END_TEST

/* A flipped bit, another family, a key that is no row's of a slot's state. */
START_TEST(nothing_else_passes_for_a_row)
{
    struct store_row row = {.family = STORE_SLOTS, .slot = SLOT, .number = STORE_SLOT_FLOOR};
    struct store_row got;
    struct buf key = BUF_INIT, value = BUF_INIT, extra = BUF_INIT;
    row.small = TEXT("12345678");
    store_row_encode(&row, &key, &value);
    assert_ok(store_row_decode(STORE_SLOTS, buf_bytes(&key), buf_bytes(&value), &extra, &got));
    assert_bytes(got.small, row.small);
    for (int family = 0; family <= STORE_FAMILIES; family++) {
        if (family != STORE_SLOTS) {
            assert_err(store_row_decode((enum store_family)family, buf_bytes(&key),
                                        buf_bytes(&value), &extra, &got),
                       ERR_CORRUPT);
        }
    }
    for (size_t bit = 0; bit < value.len * 8; bit++) {
        value.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_ne(
            store_row_decode(STORE_SLOTS, buf_bytes(&key), buf_bytes(&value), &extra, &got), OK);
        value.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    row.number = STORE_SLOT_INSTALLING; /* not of the state */
    store_row_encode(&row, &key, &value);
    assert_err(store_row_decode(STORE_SLOTS, buf_bytes(&key), buf_bytes(&value), &extra, &got),
               ERR_CORRUPT);
    for (size_t len = 0; len < 4; len++) {
        assert_err(store_row_decode(STORE_DELETE_LOG, bytes_of("\0\3\1x", len), buf_bytes(&value),
                                    &extra, &got),
                   ERR_CORRUPT);
    }
    buf_done(&key);
    buf_done(&value);
    buf_done(&extra);
}
END_TEST

/* What comes from outside as a place to go on from may be anything. */
START_TEST(after_any_bytes)
{
    struct fixture f;
    fixture_open(&f, _i);
    put_state(&f, SLOT);
    static uint8_t longest[4000];
    memset(longest, 0, sizeof(longest));
    for (size_t len = 1; len < sizeof(longest); len = len * 2 + 1) {
        for (int byte = 0; byte < 256; byte += 255) {
            memset(longest, byte, len);
            struct store_raw_range range = {
                .family = STORE_DEDUP, .slot = SLOT, .after = bytes_of(longest, len)};
            struct store_raw *raw = store_raw_open(f.store, NULL, &range);
            uint32_t count = 0;
            while (store_raw_next(raw)) {
                count++;
            }
            enum err err = store_raw_done(raw);
            ck_assert(err == ERR_BAD_FORMAT || (err == OK && (count == 0) == (byte == 255)));
        }
    }
    fixture_done(&f);
}
END_TEST

Suite *suite_raw(void)
{
    return BOTH_SUITE("raw", rows_are_seen_in_order_and_encode_to_the_same,
                      dedup_rows_of_one_channel_and_generation, rows_put_raw_are_rows,
                      nothing_else_passes_for_a_row, after_any_bytes);
}
