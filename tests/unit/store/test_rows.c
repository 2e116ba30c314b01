/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of row goes in and comes back whole, on both engines. */
#include "fixture.h"
#include "store/layout.h"

static const struct bytes every_byte = {(const uint8_t *)"\0\1\377\n\0x", 6};

START_TEST(message_comes_back_whole)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct channel channel = channel_of(2, "room-1");
    struct row_message row = {
        .message_id = message_id_of(5, ((uint64_t)1 << 40) - 1, 2047),
        .timestamp_ms = 1760000000123,
        .from_uid = TEXT("alice"),
        .client_msg_no = TEXT("c-1"),
        .payload = every_byte,
        .payload_encoding = PAYLOAD_JSON,
        .header = {1, 0, 255},
        .setting = 9,
        .expire_s = UINT32_MAX,
        .topic = TEXT("t"),
        .salt = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
        .totals = {UINT64_MAX, {UINT64_MAX, 42}},
    };
    store_put_message(f.batch, 5, channel, 41, &row);
    ck_assert_uint_eq(store_batch_count(f.batch), 1);
    ck_assert_uint_gt(store_batch_bytes(f.batch), 60);
    fixture_write(&f, true);
    ck_assert_uint_eq(store_batch_count(f.batch), 0);

    struct store_value value;
    struct row_message got;
    store_value_init(&value);
    assert_ok(store_get_message(f.store, NULL, 5, channel, 41, &value, &got));
    ck_assert_uint_eq(got.message_id, row.message_id);
    ck_assert_uint_eq(got.timestamp_ms, row.timestamp_ms);
    assert_bytes(got.from_uid, row.from_uid);
    assert_bytes(got.client_msg_no, row.client_msg_no);
    assert_bytes(got.payload, row.payload);
    assert_bytes(got.topic, row.topic);
    ck_assert_uint_eq(got.payload_encoding, PAYLOAD_JSON);
    ck_assert_mem_eq(got.header, row.header, 3);
    ck_assert_mem_eq(got.salt, row.salt, sizeof(row.salt));
    ck_assert_uint_eq(got.setting, 9);
    ck_assert_uint_eq(got.expire_s, UINT32_MAX);
    ck_assert_uint_eq(got.totals.bytes, UINT64_MAX);
    ck_assert(hash128_is_equal(got.totals.digest, row.totals.digest));
    assert_err(store_get_message(f.store, NULL, 5, channel, 42, &value, &got), ERR_NOT_FOUND);
    assert_err(store_get_message(f.store, NULL, 4, channel, 41, &value, &got), ERR_NOT_FOUND);
    assert_err(store_get_message(f.store, NULL, 5, channel_of(2, "room-"), 41, &value, &got),
               ERR_NOT_FOUND);

    /* The leanest row: all that is optional is absent. */
    struct row_message bare = {.message_id = message_id_of(5, 9, 0), .payload = BYTES_NONE};
    store_put_message(f.batch, 5, channel, 43, &bare);
    ck_assert_uint_lt(store_batch_bytes(f.batch), 80);
    fixture_write(&f, false);
    assert_ok(store_get_message(f.store, NULL, 5, channel, 43, &value, &got));
    ck_assert_uint_eq(got.message_id, bare.message_id);
    ck_assert_uint_eq(got.payload.len + got.from_uid.len + got.topic.len, 0);
    store_value_done(&value);
    fixture_done(&f);
}
END_TEST

START_TEST(channel_comes_back_whole)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct row_channel row = {11, 12, 13, 14, {15, {16, 17}}, 18, 19, 20, TEXT("ret")};
    struct row_channel got;
    struct store_value value;
    store_value_init(&value);
    store_put_channel(f.batch, 63, channel_of(255, "c"), &row);
    fixture_write(&f, false);
    assert_ok(store_get_channel(f.store, NULL, 63, channel_of(255, "c"), &value, &got));
    ck_assert_uint_eq(got.log_index, 11);
    ck_assert_uint_eq(got.created_ms, 12);
    ck_assert_uint_eq(got.last_seq, 13);
    ck_assert_uint_eq(got.last_timestamp_ms, 14);
    ck_assert_uint_eq(got.totals_at_last.bytes, 15);
    ck_assert(hash128_is_equal(got.totals_at_last.digest, row.totals_at_last.digest));
    ck_assert_uint_eq(got.deleted_count, 18);
    ck_assert_uint_eq(got.deleted_bytes, 19);
    ck_assert_uint_eq(got.delete_version, 20);
    assert_bytes(got.retention, row.retention);
    assert_err(store_get_channel(f.store, NULL, 63, channel_of(254, "c"), &value, &got),
               ERR_NOT_FOUND);
    store_value_done(&value);
    fixture_done(&f);
}
END_TEST

START_TEST(deleted_intervals_are_put_found_and_removed)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct channel channel = channel_of(1, "a");
    struct row_deleted row = deleted_of(100, 200), got;
    store_put_deleted(f.batch, 1, channel, &row);
    row = deleted_of(300, UINT64_MAX);
    store_put_deleted(f.batch, 1, channel, &row);
    fixture_write(&f, false);
    assert_err(store_find_deleted_before(f.store, NULL, 1, channel, 99, &got), ERR_NOT_FOUND);
    assert_ok(store_find_deleted_before(f.store, NULL, 1, channel, 100, &got));
    ck_assert_uint_eq(got.end, 200);
    assert_ok(store_find_deleted_before(f.store, NULL, 1, channel, 299, &got));
    ck_assert_uint_eq(got.start, 100);
    ck_assert_uint_eq(got.before_start.bytes, 100);
    ck_assert_uint_eq(got.at_end.digest.low, 200);
    assert_ok(store_find_deleted_before(f.store, NULL, 1, channel, UINT64_MAX, &got));
    ck_assert_uint_eq(got.start, 300);
    ck_assert_uint_eq(got.end, UINT64_MAX);
    assert_err(store_find_deleted_before(f.store, NULL, 1, channel_of(1, "b"), 500, &got),
               ERR_NOT_FOUND);
    store_remove_deleted(f.batch, 1, channel, 300);
    fixture_write(&f, false);
    assert_ok(store_find_deleted_before(f.store, NULL, 1, channel, UINT64_MAX, &got));
    ck_assert_uint_eq(got.start, 100);
    fixture_done(&f);
}
END_TEST

static struct row_delete_record record_of(uint64_t log_index, struct channel channel,
                                          const struct seq_range *ranges, uint32_t count)
{
    return (struct row_delete_record){.log_index = log_index,
                                      .deleted_at_ms = 1760000000000,
                                      .channel = channel,
                                      .ranges = ranges,
                                      .ranges_count = count,
                                      .deleted_count = 101,
                                      .already_deleted = 2,
                                      .operator_name = TEXT("op"),
                                      .reason = TEXT("why"),
                                      .request_id = TEXT("r-1")};
}

START_TEST(delete_record_comes_back_whole)
{
    struct fixture f;
    fixture_open(&f, _i);
    const struct seq_range ranges[] = {{1, 1}, {2, 9}, {100, UINT64_MAX}};
    struct row_delete_record row = record_of(77, channel_of(2, "x"), ranges, 3), got;
    struct store_value value;
    store_value_init(&value);
    store_put_delete_record(f.batch, 9, &row);
    fixture_write(&f, false);
    assert_ok(store_get_delete_record(f.store, NULL, 9, 77, &value, &got));
    ck_assert_uint_eq(got.log_index, 77);
    ck_assert_uint_eq(got.deleted_at_ms, row.deleted_at_ms);
    ck_assert(channel_is_equal(got.channel, row.channel));
    ck_assert_uint_eq(got.ranges_count, 3);
    ck_assert_mem_eq(got.ranges, ranges, sizeof(ranges));
    ck_assert_uint_eq(got.deleted_count, 101);
    ck_assert_uint_eq(got.already_deleted, 2);
    assert_bytes(got.operator_name, row.operator_name);
    assert_bytes(got.reason, row.reason);
    assert_bytes(got.request_id, row.request_id);
    store_remove_delete_record(f.batch, 9, &row);
    fixture_write(&f, false);
    assert_err(store_get_delete_record(f.store, NULL, 9, 77, &value, &got), ERR_NOT_FOUND);
    struct channel channel = channel_of(2, "x");
    ck_assert_str_eq(seqs_of(store_iter_delete_log(f.store, NULL, 9, &channel, 0, UINT64_MAX)), "");
    store_value_done(&value);
    fixture_done(&f);
}
END_TEST

START_TEST(delete_log_is_read_by_index_and_by_channel)
{
    struct fixture f;
    fixture_open(&f, _i);
    const struct seq_range range = {5, 6};
    for (uint64_t i = 1; i <= 6; i++) {
        struct row_delete_record row =
            record_of(i * 10, channel_of(2, i % 2 ? "x" : "xy"), &range, 1);
        store_put_delete_record(f.batch, 9, &row);
    }
    struct row_delete_record other = record_of(15, channel_of(2, "x"), &range, 1);
    store_put_delete_record(f.batch, 8, &other);
    fixture_write(&f, false);
    struct channel x = channel_of(2, "x"), xy = channel_of(2, "xy");
    ck_assert_str_eq(seqs_of(store_iter_delete_log(f.store, NULL, 9, NULL, 0, UINT64_MAX)),
                     "10,20,30,40,50,60");
    ck_assert_str_eq(seqs_of(store_iter_delete_log(f.store, NULL, 9, NULL, 20, 50)), "20,30,40,50");
    ck_assert_str_eq(seqs_of(store_iter_delete_log(f.store, NULL, 9, &x, 0, UINT64_MAX)),
                     "10,30,50");
    ck_assert_str_eq(seqs_of(store_iter_delete_log(f.store, NULL, 9, &xy, 21, 40)), "40");
    struct store_iter *iter = store_iter_delete_log(f.store, NULL, 9, &xy, 0, UINT64_MAX);
    ck_assert(store_iter_next(iter));
    ck_assert(channel_is_equal(store_iter_channel(iter), xy));
    ck_assert_uint_eq(store_iter_delete_record(iter)->ranges[0].end, 6);
    assert_ok(store_iter_done(iter));
    fixture_done(&f);
}
END_TEST

START_TEST(dedup_rows_go_with_their_generation)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct channel channel = channel_of(2, "room");
    struct row_dedup row = {1, 2, 3, 4, {5, 6}}, got;
    /* The border between the two names counts, and both may hold any byte. */
    store_put_dedup(f.batch, 4, 1, channel, TEXT("ab"), TEXT("c"), &row);
    row.seq = 10;
    store_put_dedup(f.batch, 4, 1, channel, TEXT("a"), TEXT("bc"), &row);
    row.seq = 20;
    store_put_dedup(f.batch, 4, 2, channel, every_byte, every_byte, &row);
    row.seq = 30;
    store_put_dedup(f.batch, 4, 2, channel, BYTES_NONE, TEXT("z"), &row);
    row.seq = 40;
    store_put_dedup(f.batch, 5, 1, channel, TEXT("ab"), TEXT("c"), &row);
    fixture_write(&f, false);
    assert_ok(store_get_dedup(f.store, NULL, 4, 1, channel, TEXT("ab"), TEXT("c"), &got));
    ck_assert_uint_eq(got.seq, 1);
    ck_assert_uint_eq(got.log_index, 2);
    ck_assert_uint_eq(got.timestamp_ms, 3);
    ck_assert_uint_eq(got.position, 4);
    ck_assert(hash128_is_equal(got.request, row.request));
    assert_ok(store_get_dedup(f.store, NULL, 4, 1, channel, TEXT("a"), TEXT("bc"), &got));
    ck_assert_uint_eq(got.seq, 10);
    assert_err(store_get_dedup(f.store, NULL, 4, 3, channel, TEXT("ab"), TEXT("c"), &got),
               ERR_NOT_FOUND);
    ck_assert_str_eq(seqs_of(store_iter_dedup(f.store, NULL, 4)), "10,1,30,20");

    store_remove_dedup_generation(f.batch, 4, 1);
    fixture_write(&f, false);
    assert_err(store_get_dedup(f.store, NULL, 4, 1, channel, TEXT("ab"), TEXT("c"), &got),
               ERR_NOT_FOUND);
    assert_ok(store_get_dedup(f.store, NULL, 5, 1, channel, TEXT("ab"), TEXT("c"), &got));
    struct store_iter *iter = store_iter_dedup(f.store, NULL, 4);
    uint64_t generation;
    struct bytes from_uid, client_msg_no;
    ck_assert(store_iter_next(iter));
    ck_assert(store_iter_next(iter));
    const struct row_dedup *seen =
        store_iter_dedup_row(iter, &generation, &from_uid, &client_msg_no);
    ck_assert_uint_eq(seen->seq, 20);
    ck_assert_uint_eq(generation, 2);
    assert_bytes(from_uid, every_byte);
    assert_bytes(client_msg_no, every_byte);
    ck_assert(channel_is_equal(store_iter_channel(iter), channel));
    ck_assert(!store_iter_next(iter));
    assert_ok(store_iter_done(iter));
    fixture_done(&f);
}
END_TEST

START_TEST(pages_hold_sixteen_slots_each)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct row_applied got;
    assert_ok(store_get_applied(f.store, NULL, 17, &got));
    ck_assert_uint_eq(got.index + got.term + got.digest.low, 0);
    for (uint64_t step = 1; step <= 3; step++) {
        for (uint32_t slot = 0; slot < 64; slot += (uint32_t)step) {
            struct row_applied row = {slot + step * 100, step, {slot, step}};
            store_put_applied(f.batch, slot, &(struct row_applied){1, 1, {1, 1}});
            store_put_applied(f.batch, slot, &row); /* the last word counts */
        }
        fixture_write(&f, false);
    }
    for (int round = 0; round < 2; round++) {
        for (uint32_t slot = 0; slot < 64; slot++) {
            uint64_t step = slot % 3 == 0 ? 3 : slot % 2 == 0 ? 2 : 1;
            assert_ok(store_get_applied(f.store, NULL, slot, &got));
            ck_assert_uint_eq(got.index, slot + step * 100);
            ck_assert_uint_eq(got.term, step);
            ck_assert_uint_eq(got.digest.high, step);
        }
        fixture_reopen(&f);
    }
    /* What was put after a restart does not wipe the neighbours out. */
    store_put_applied(f.batch, 33, &(struct row_applied){9, 9, {9, 9}});
    ck_assert_uint_eq(store_batch_count(f.batch), 1);
    fixture_write(&f, true);
    assert_ok(store_get_applied(f.store, NULL, 34, &got));
    ck_assert_uint_eq(got.index, 234);
    /* A batch that is thrown away leaves no trace. */
    store_put_applied(f.batch, 34, &(struct row_applied){1, 1, {1, 1}});
    store_batch_clear(f.batch);
    store_put_applied(f.batch, 35, &(struct row_applied){2, 2, {2, 2}});
    fixture_write(&f, true);
    assert_ok(store_get_applied(f.store, NULL, 34, &got));
    ck_assert_uint_eq(got.index, 234);
    fixture_done(&f);
}
END_TEST

START_TEST(slot_values_and_configs)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct store_value value;
    struct bytes got;
    uint64_t term;
    store_value_init(&value);
    assert_err(store_get_slot_value(f.store, NULL, 3, STORE_SLOT_FLOOR, &value, &got),
               ERR_NOT_FOUND);
    store_put_slot_value(f.batch, 3, STORE_SLOT_FLOOR, TEXT("floor"));
    store_put_slot_value(f.batch, 3, STORE_SLOT_INSTALLING, every_byte);
    store_put_config(f.batch, 3, 300, 4, TEXT("second"));
    store_put_config(f.batch, 3, 0, 0, TEXT("first"));
    store_put_config(f.batch, 4, 1, 1, TEXT("other"));
    fixture_write(&f, true);
    assert_ok(store_get_slot_value(f.store, NULL, 3, STORE_SLOT_INSTALLING, &value, &got));
    assert_bytes(got, every_byte);
    store_put_slot_value(f.batch, 3, STORE_SLOT_INSTALLING, BYTES_NONE);
    fixture_write(&f, true);
    assert_err(store_get_slot_value(f.store, NULL, 3, STORE_SLOT_INSTALLING, &value, &got),
               ERR_NOT_FOUND);
    struct store_iter *iter = store_iter_configs(f.store, 3);
    ck_assert(store_iter_next(iter));
    ck_assert_uint_eq(store_iter_seq(iter), 0);
    assert_bytes(store_iter_config(iter, &term), TEXT("first"));
    ck_assert(store_iter_next(iter));
    assert_bytes(store_iter_config(iter, &term), TEXT("second"));
    ck_assert_uint_eq(term, 4);
    ck_assert(!store_iter_next(iter));
    assert_ok(store_iter_done(iter));
    store_remove_config(f.batch, 3, 300);
    fixture_write(&f, true);
    ck_assert_str_eq(seqs_of(store_iter_configs(f.store, 3)), "0");
    store_value_done(&value);
    fixture_done(&f);
}
END_TEST

START_TEST(slot_state_goes_and_its_log_stays)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct channel channel = channel_of(2, "room");
    const struct seq_range range = {1, 2};
    for (uint32_t slot = 4; slot <= 6; slot++) {
        struct row_channel row = {.log_index = 1};
        struct row_deleted deleted = deleted_of(1, 2);
        struct row_delete_record record = record_of(5, channel, &range, 1);
        struct row_dedup dedup = {.seq = 3};
        struct row_entry entry = entry_of(1, 1, "e");
        put_messages(&f, slot, channel, 1, 3);
        store_put_channel(f.batch, slot, channel, &row);
        store_put_deleted(f.batch, slot, channel, &deleted);
        store_put_delete_record(f.batch, slot, &record);
        store_put_dedup(f.batch, slot, 1, channel, TEXT("u"), TEXT("n"), &dedup);
        store_put_entry(f.batch, slot, &entry);
        store_put_slot_value(f.batch, slot, STORE_SLOT_FLOOR, TEXT("f"));
        store_put_slot_value(f.batch, slot, STORE_SLOT_INSTALLING, TEXT("i"));
        fixture_write(&f, false);
    }
    store_remove_slot_state(f.batch, 5);
    put_messages(&f, 5, channel, 9, 9); /* in the same batch, after it */
    for (uint32_t slot = 4; slot <= 6; slot++) {
        bool kept = slot != 5;
        struct store_value value;
        struct bytes got;
        struct channel nothing = {0, BYTES_NONE};
        store_value_init(&value);
        ck_assert_str_eq(seqs_of(store_iter_slot_messages(f.store, NULL, slot)),
                         kept ? "1,2,3" : "9");
        ck_assert_str_eq(seqs_of(store_iter_slot_deleted(f.store, NULL, slot)), kept ? "1" : "");
        ck_assert_str_eq(seqs_of(store_iter_dedup(f.store, NULL, slot)), kept ? "3" : "");
        ck_assert_str_eq(seqs_of(store_iter_delete_log(f.store, NULL, slot, NULL, 0, 99)),
                         kept ? "5" : "");
        ck_assert_str_eq(seqs_of(store_iter_delete_log(f.store, NULL, slot, &channel, 0, 99)),
                         kept ? "5" : "");
        struct store_iter *iter = store_iter_channels(f.store, NULL, slot, -1, BYTES_NONE, nothing);
        ck_assert(store_iter_next(iter) == kept);
        assert_ok(store_iter_done(iter));
        ck_assert_str_eq(seqs_of(store_iter_entries(f.store, slot, 0, 9)), "1");
        ck_assert((store_get_slot_value(f.store, NULL, slot, STORE_SLOT_FLOOR, &value, &got) ==
                   OK) == kept);
        assert_ok(store_get_slot_value(f.store, NULL, slot, STORE_SLOT_INSTALLING, &value, &got));
        store_value_done(&value);
    }
    ck_assert_str_eq(seqs_of(store_iter_slot_messages(f.store, NULL, STORE_ALL_SLOTS)),
                     "1,2,3,9,1,2,3");
    fixture_done(&f);
}
END_TEST

START_TEST(messages_are_removed_by_points_and_by_range)
{
    struct fixture f;
    struct store_stats stats;
    fixture_open(&f, _i);
    struct channel a = channel_of(2, "a"), b = channel_of(2, "b");
    put_messages(&f, 1, a, 1, 300);
    put_messages(&f, 1, b, 1, 3);
    store_remove_messages(f.batch, 1, a, 2, 100);
    ck_assert_uint_eq(store_batch_count(f.batch), 99);
    fixture_write(&f, false);
    store_stats(f.store, &stats);
    ck_assert_uint_eq(stats.range_tombstones_in_memtables, 0);
    store_remove_messages(f.batch, 1, a, 101, 200);
    ck_assert_uint_eq(store_batch_count(f.batch), 1);
    fixture_write(&f, false);
    store_stats(f.store, &stats);
    ck_assert_uint_eq(stats.range_tombstones_in_memtables, 1);
    ck_assert_str_eq(seqs_of(store_iter_messages(f.store, NULL, 1, a, 0, 203, false)),
                     "1,201,202,203");
    store_remove_messages(f.batch, 1, a, 0, UINT64_MAX);
    fixture_write(&f, false);
    ck_assert_str_eq(seqs_of(store_iter_messages(f.store, NULL, 1, a, 0, UINT64_MAX, false)), "");
    ck_assert_str_eq(seqs_of(store_iter_messages(f.store, NULL, 1, b, 0, UINT64_MAX, false)),
                     "1,2,3");
    put_messages(&f, 1, a, UINT64_MAX - 1, UINT64_MAX - 1);
    store_remove_messages(f.batch, 1, a, UINT64_MAX - 1, UINT64_MAX);
    fixture_write(&f, false);
    ck_assert_str_eq(seqs_of(store_iter_messages(f.store, NULL, 1, a, 0, UINT64_MAX, false)), "");
    fixture_done(&f);
}
END_TEST

Suite *suite_rows(void)
{
    return BOTH_SUITE("rows", message_comes_back_whole, channel_comes_back_whole,
                      deleted_intervals_are_put_found_and_removed, delete_record_comes_back_whole,
                      delete_log_is_read_by_index_and_by_channel,
                      dedup_rows_go_with_their_generation, pages_hold_sixteen_slots_each,
                      slot_values_and_configs, slot_state_goes_and_its_log_stays,
                      messages_are_removed_by_points_and_by_range);
}
