/* SPDX-License-Identifier: Apache-2.0 */
/* Iterators: bounds, both directions, seeks, names that are beginnings of others, snapshots. */
#include <stdio.h>

#include "fixture.h"

START_TEST(messages_keep_to_their_bounds)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct channel channel = channel_of(2, "b");
    put_messages(&f, 1, channel_of(2, "a"), 1, 5);
    put_messages(&f, 1, channel_of(2, "b"), 1, 5);
    put_messages(&f, 1, channel_of(2, "bb"), 1, 5);
    put_messages(&f, 1, channel_of(3, "b"), 1, 5);
    put_messages(&f, 2, channel_of(2, "b"), 1, 5);
    struct store *s = f.store;
    ck_assert_str_eq(seqs_of(store_iter_messages(s, NULL, 1, channel, 0, UINT64_MAX, false)),
                     "1,2,3,4,5");
    ck_assert_str_eq(seqs_of(store_iter_messages(s, NULL, 1, channel, 0, UINT64_MAX, true)),
                     "5,4,3,2,1");
    ck_assert_str_eq(seqs_of(store_iter_messages(s, NULL, 1, channel, 2, 4, false)), "2,3,4");
    ck_assert_str_eq(seqs_of(store_iter_messages(s, NULL, 1, channel, 2, 4, true)), "4,3,2");
    ck_assert_str_eq(seqs_of(store_iter_messages(s, NULL, 1, channel, 5, 5, true)), "5");
    ck_assert_str_eq(seqs_of(store_iter_messages(s, NULL, 1, channel, 6, 9, false)), "");
    ck_assert_str_eq(seqs_of(store_iter_messages(s, NULL, 1, channel, 4, 2, false)), "");
    ck_assert_str_eq(seqs_of(store_iter_messages(s, NULL, 1, channel, 4, 2, true)), "");
    ck_assert_str_eq(seqs_of(store_iter_messages(s, NULL, 1, channel_of(2, ""), 0, 9, true)), "");
    ck_assert_str_eq(seqs_of(store_iter_slot_messages(s, NULL, 2)), "1,2,3,4,5");

    struct store_iter *iter = store_iter_messages(s, NULL, 1, channel, 3, 3, false);
    ck_assert(store_iter_next(iter));
    ck_assert_uint_eq(store_iter_slot(iter), 1);
    ck_assert_uint_eq(store_iter_seq(iter), 3);
    ck_assert(channel_is_equal(store_iter_channel(iter), channel));
    assert_bytes(store_iter_message(iter)->payload, TEXT("payload 3"));
    ck_assert(!store_iter_next(iter));
    ck_assert(!store_iter_next(iter));
    assert_ok(store_iter_done(iter));
    assert_ok(store_iter_done(NULL));
    fixture_done(&f);
}
END_TEST

START_TEST(messages_seek_in_their_direction)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct channel channel = channel_of(2, "b");
    put_messages(&f, 1, channel, 1, 9);
    store_remove_messages(f.batch, 1, channel, 4, 6);
    fixture_write(&f, false);
    struct store_iter *iter = store_iter_messages(f.store, NULL, 1, channel, 2, 8, false);
    ck_assert(store_iter_next(iter));
    store_iter_seek(iter, 5);
    ck_assert(store_iter_next(iter));
    ck_assert_uint_eq(store_iter_seq(iter), 7);
    store_iter_seek(iter, 0); /* not below the bound */
    ck_assert(store_iter_next(iter));
    ck_assert_uint_eq(store_iter_seq(iter), 2);
    store_iter_seek(iter, 9);
    ck_assert(!store_iter_next(iter));
    assert_ok(store_iter_done(iter));

    iter = store_iter_messages(f.store, NULL, 1, channel, 2, 8, true);
    store_iter_seek(iter, 6); /* before the first step */
    ck_assert(store_iter_next(iter));
    ck_assert_uint_eq(store_iter_seq(iter), 3);
    store_iter_seek(iter, 100);
    ck_assert(store_iter_next(iter));
    ck_assert_uint_eq(store_iter_seq(iter), 8);
    store_iter_seek(iter, 1);
    ck_assert(!store_iter_next(iter));
    assert_ok(store_iter_done(iter));

    /* "Before": by one seek, over what was deleted. */
    struct store_value value;
    struct row_message row;
    uint64_t seq;
    store_value_init(&value);
    assert_ok(store_find_message_before(f.store, NULL, 1, channel, UINT64_MAX, &value, &seq, &row));
    ck_assert_uint_eq(seq, 9);
    assert_ok(store_find_message_before(f.store, NULL, 1, channel, 6, &value, &seq, &row));
    ck_assert_uint_eq(seq, 3);
    ck_assert_uint_eq(row.totals.bytes, 30);
    assert_err(store_find_message_before(f.store, NULL, 1, channel, 0, &value, &seq, &row),
               ERR_NOT_FOUND);
    store_value_done(&value);
    fixture_done(&f);
}
END_TEST

START_TEST(deleted_shows_what_touches)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct channel channel = channel_of(2, "b");
    const uint64_t intervals[][2] = {{1, 1}, {10, 20}, {30, 40}, {50, 50}, {60, UINT64_MAX}};
    for (size_t i = 0; i < 5; i++) {
        struct row_deleted row = deleted_of(intervals[i][0], intervals[i][1]);
        store_put_deleted(f.batch, 1, channel, &row);
        store_put_deleted(f.batch, 1, channel_of(2, "a"), &row);
        store_put_deleted(f.batch, 1, channel_of(2, "c"), &row);
    }
    fixture_write(&f, false);
    struct store *s = f.store;
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 0, UINT64_MAX, false)),
                     "1,10,30,50,60");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 0, UINT64_MAX, true)),
                     "60,50,30,10,1");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 20, 30, false)), "10,30");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 20, 30, true)), "30,10");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 15, 16, false)), "10");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 15, 16, true)), "10");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 21, 29, false)), "");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 21, 29, true)), "");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 21, 30, false)), "30");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 9, 8, false)), "");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 15, 12, false)), "");
    ck_assert_str_eq(seqs_of(store_iter_deleted(s, NULL, 1, channel, 15, 12, true)), "");
    ck_assert_str_eq(seqs_of(store_iter_slot_deleted(s, NULL, 1)),
                     "1,10,30,50,60,1,10,30,50,60,1,10,30,50,60");

    struct store_iter *iter = store_iter_deleted(s, NULL, 1, channel, 0, 100, false);
    ck_assert(store_iter_next(iter));
    store_iter_seek(iter, 35);
    ck_assert(store_iter_next(iter));
    ck_assert_uint_eq(store_iter_deleted_row(iter)->end, 40);
    store_iter_seek(iter, 41);
    ck_assert(store_iter_next(iter));
    ck_assert_uint_eq(store_iter_seq(iter), 50);
    assert_ok(store_iter_done(iter));
    iter = store_iter_deleted(s, NULL, 1, channel, 12, 100, true);
    ck_assert(store_iter_next(iter));
    ck_assert_uint_eq(store_iter_seq(iter), 60);
    store_iter_seek(iter, 29);
    ck_assert(store_iter_next(iter));
    ck_assert_uint_eq(store_iter_seq(iter), 10);
    ck_assert(!store_iter_next(iter));
    assert_ok(store_iter_done(iter));
    fixture_done(&f);
}
END_TEST

static const char *channels_of(struct store_iter *iter)
{
    static char text[1024];
    size_t len = 0;
    text[0] = 0;
    while (store_iter_next(iter)) {
        struct channel channel = store_iter_channel(iter);
        ck_assert_uint_eq(store_iter_channel_row(iter)->log_index, channel.id.len);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u:%.*s", len > 0 ? " " : "",
                                channel.type, (int)channel.id.len, (const char *)channel.id.data);
    }
    assert_ok(store_iter_done(iter));
    return text;
}

START_TEST(channels_by_type_prefix_and_after)
{
    struct fixture f;
    fixture_open(&f, _i);
    const char *ids[] = {"b", "a", "ab", "abc", "b\xc3\xa9"};
    for (size_t i = 0; i < 5; i++) {
        struct row_channel row = {.log_index = strlen(ids[i])};
        store_put_channel(f.batch, 1, channel_of(0, ids[i]), &row);
        store_put_channel(f.batch, 1, channel_of(2, ids[i]), &row);
        store_put_channel(f.batch, 1, channel_of(255, ids[i]), &row);
        store_put_channel(f.batch, 2, channel_of(2, ids[i]), &row);
    }
    fixture_write(&f, false);
    struct store *s = f.store;
    struct channel none = {0, BYTES_NONE};
    ck_assert_str_eq(channels_of(store_iter_channels(s, NULL, 1, 2, BYTES_NONE, none)),
                     "2:a 2:ab 2:abc 2:b 2:b\xc3\xa9");
    ck_assert_str_eq(channels_of(store_iter_channels(s, NULL, 1, 255, TEXT("ab"), none)),
                     "255:ab 255:abc");
    ck_assert_str_eq(channels_of(store_iter_channels(s, NULL, 1, 3, BYTES_NONE, none)), "");
    ck_assert_str_eq(channels_of(store_iter_channels(s, NULL, 1, -1, TEXT("ab"), none)),
                     "0:ab 0:abc 2:ab 2:abc 255:ab 255:abc");
    ck_assert_str_eq(channels_of(store_iter_channels(s, NULL, 1, -1, TEXT("x"), none)), "");
    ck_assert_str_eq(
        channels_of(store_iter_channels(s, NULL, 1, -1, TEXT("ab"), channel_of(2, "ab"))),
        "2:abc 255:ab 255:abc");
    ck_assert_str_eq(
        channels_of(store_iter_channels(s, NULL, 1, -1, BYTES_NONE, channel_of(2, "b"))),
        "2:b\xc3\xa9 255:a 255:ab 255:abc 255:b 255:b\xc3\xa9");
    ck_assert_str_eq(
        channels_of(store_iter_channels(s, NULL, 1, 2, BYTES_NONE, channel_of(2, "aa"))),
        "2:ab 2:abc 2:b 2:b\xc3\xa9");
    ck_assert_str_eq(channels_of(store_iter_channels(s, NULL, 1, 2, TEXT("a"), channel_of(9, "a"))),
                     "");
    uint8_t endless[CHANNEL_ID_MAX_BYTES + 1] = {'a'};
    ck_assert_str_eq(
        channels_of(store_iter_channels(s, NULL, 1, 2, bytes_of(endless, sizeof(endless)), none)),
        "");
    fixture_done(&f);
}
END_TEST

START_TEST(snapshot_stays_as_it_was)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct channel channel = channel_of(2, "b");
    struct store_value value;
    struct row_message row;
    struct row_applied applied;
    struct bytes bytes;
    store_value_init(&value);
    put_messages(&f, 1, channel, 1, 3);
    store_put_applied(f.batch, 1, &(struct row_applied){10, 1, {0, 0}});
    store_put_slot_value(f.batch, 1, STORE_SLOT_STATE, TEXT("old"));
    fixture_write(&f, true);
    struct store_snapshot *snapshot = store_snapshot_new(f.store);
    struct store_iter *before = store_iter_messages(f.store, NULL, 1, channel, 0, 99, false);
    ck_assert(store_iter_next(before));

    store_remove_messages(f.batch, 1, channel, 1, 2);
    store_put_applied(f.batch, 1, &(struct row_applied){11, 1, {0, 0}});
    store_put_slot_value(f.batch, 1, STORE_SLOT_STATE, TEXT("new"));
    fixture_write(&f, true);
    put_messages(&f, 1, channel, 4, 9);
    store_put_slot_value(f.batch, 1, STORE_SLOT_STATE, BYTES_NONE);
    fixture_write(&f, true);
    if (_i == ON_ROCKS)
        assert_ok(store_flush(f.store, &f.why));

    ck_assert_str_eq(seqs_of(before), "2,3"); /* the rest of what it saw when it was made */
    ck_assert_str_eq(seqs_of(store_iter_messages(f.store, snapshot, 1, channel, 0, 99, false)),
                     "1,2,3");
    ck_assert_str_eq(seqs_of(store_iter_messages(f.store, snapshot, 1, channel, 0, 99, true)),
                     "3,2,1");
    ck_assert_str_eq(seqs_of(store_iter_messages(f.store, NULL, 1, channel, 0, 99, true)),
                     "9,8,7,6,5,4,3");
    assert_ok(store_get_message(f.store, snapshot, 1, channel, 1, &value, &row));
    assert_err(store_get_message(f.store, NULL, 1, channel, 1, &value, &row), ERR_NOT_FOUND);
    assert_err(store_get_message(f.store, snapshot, 1, channel, 4, &value, &row), ERR_NOT_FOUND);
    assert_ok(store_get_applied(f.store, snapshot, 1, &applied));
    ck_assert_uint_eq(applied.index, 10);
    assert_ok(store_get_slot_value(f.store, snapshot, 1, STORE_SLOT_STATE, &value, &bytes));
    assert_bytes(bytes, TEXT("old"));
    store_snapshot_free(f.store, snapshot);
    store_snapshot_free(f.store, NULL);
    store_value_done(&value);
    fixture_done(&f);
}
END_TEST

Suite *suite_iter(void)
{
    return BOTH_SUITE("iter", messages_keep_to_their_bounds, messages_seek_in_their_direction,
                      deleted_shows_what_touches, channels_by_type_prefix_and_after,
                      snapshot_stays_as_it_was);
}
