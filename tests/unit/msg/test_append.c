/* SPDX-License-Identifier: Apache-2.0 */
/* Appends: seqs, ids, timestamps, expected_last_seq, atomic batches, several parts. */
#include "rig.h"

#include <stdio.h>

#include "unit.h"

Suite *suite_append(void);

START_TEST(seqs_and_ids_rise)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    for (uint64_t seq = 1; seq <= 5; seq++) {
        struct msg_append_result result = rig_append(&rig, "room", message_of("hi", NULL));
        ck_assert_int_eq(result.err, OK);
        ck_assert_uint_eq(result.seq, seq);
        ck_assert_uint_eq(result.last_seq, seq);
        ck_assert_uint_eq(result.log_index, seq);
        ck_assert_uint_eq(result.message_id, message_id_of(rig_slot(channel_of("room")), seq, 0));
        ck_assert(!result.duplicate);
    }
    struct msg_page page = rig_page(&rig, "room", 0, 0, 10, false);
    ck_assert_uint_eq(page.messages_count, 5);
    ck_assert(!page.more);
    ck_assert_uint_eq(page.next_seq, 0);
    ck_assert_uint_eq(page.first_seq, 1);
    ck_assert_uint_eq(page.last_seq, 5);
    ck_assert_uint_eq(page.applied_index, 5);
    ck_assert(bytes_is_equal(page.messages[0].payload, bytes_of_string("hi")));
    ck_assert(bytes_is_equal(page.messages[0].from_uid, bytes_of_string("u1")));
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

START_TEST(all_fields_come_back)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    struct command_message message = message_from("{\"a\":1}", "bob", "c-1");
    message.payload_encoding = 2;
    message.header[0] = 1;
    message.header[2] = 1;
    message.setting = 9;
    message.expire_s = 3600;
    message.topic = bytes_of_string("news");
    rig_append(&rig, "room", message);
    struct msg_page page = rig_page(&rig, "room", 0, 0, 1, false);
    const struct msg_message *got = &page.messages[0];
    ck_assert(bytes_is_equal(got->payload, message.payload));
    ck_assert(bytes_is_equal(got->from_uid, message.from_uid));
    ck_assert(bytes_is_equal(got->client_msg_no, message.client_msg_no));
    ck_assert(bytes_is_equal(got->topic, message.topic));
    ck_assert_uint_eq(got->payload_encoding, 2);
    ck_assert_uint_eq(got->header[0], 1);
    ck_assert_uint_eq(got->header[1], 0);
    ck_assert_uint_eq(got->header[2], 1);
    ck_assert_uint_eq(got->setting, 9);
    ck_assert_uint_eq(got->expire_s, 3600);
    rig_close(&rig);
}
END_TEST

/* Fails with LETHE_MUTANT_apply_clock. */
START_TEST(timestamp_is_the_commands_and_never_falls)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig.time_ms = 5000;
    ck_assert_uint_eq(rig_append(&rig, "room", message_of("a", NULL)).timestamp_ms, 5000);
    rig.time_ms = 4000; /* another leader, whose clock is behind */
    ck_assert_uint_eq(rig_append(&rig, "room", message_of("b", NULL)).timestamp_ms, 5000);
    ck_assert_uint_eq(rig_append(&rig, "other", message_of("c", NULL)).timestamp_ms, 4000);
    rig_delete(&rig, "room", 1, 2);
    rig_flush(&rig);
    rig_reopen(&rig);
    /* Nothing but the channel row remembers 5000. */
    ck_assert_uint_eq(rig_append(&rig, "room", message_of("d", NULL)).timestamp_ms, 5000);
    rig.time_ms = 6000;
    ck_assert_uint_eq(rig_append(&rig, "room", message_of("e", NULL)).timestamp_ms, 6000);
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

START_TEST(expected_last_seq_holds_or_nothing_is_stored)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    ck_assert_int_eq(rig_append_expecting(&rig, "room", message_of("a", NULL), 1).err,
                     ERR_SEQ_MISMATCH);
    struct msg_channel channel;
    rig_flush(&rig);
    ck_assert_ok(msg_get_channel(rig.msg, channel_of("room"), &rig.arena, &channel, why));
    ck_assert_uint_eq(channel.last_seq, 0);
    ck_assert_uint_eq(channel.created_ms, 0); /* no row was made for nothing */
    ck_assert_int_eq(rig_append_expecting(&rig, "room", message_of("a", "n"), 0).err, OK);
    struct msg_append_result result = rig_append_expecting(&rig, "room", message_of("b", NULL), 0);
    ck_assert_int_eq(result.err, ERR_SEQ_MISMATCH);
    ck_assert_uint_eq(result.last_seq, 1);
    /* A retry of the first: its number is known, whatever the seq is by now. */
    result = rig_append_expecting(&rig, "room", message_of("a", "n"), 0);
    ck_assert_int_eq(result.err, OK);
    ck_assert(result.duplicate);
    ck_assert_uint_eq(result.seq, 1);
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

START_TEST(atomic_batch_is_all_or_nothing)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_append(&rig, "room", message_of("one", "n1"));
    struct command_message messages[] = {message_of("x", NULL), message_of("one", "n1"),
                                         message_of("other", "n1"), message_of("y", "n2")};
    struct msg_result *result = rig_append_batch(&rig, "room", messages, 4, COMMAND_ATOMIC);
    ck_assert_uint_eq(result->appends_count, 4);
    ck_assert_int_eq(result->appends[0].err, ERR_BATCH_FAILED);
    ck_assert_int_eq(result->appends[1].err, OK);
    ck_assert(result->appends[1].duplicate);
    ck_assert_uint_eq(result->appends[1].seq, 1);
    ck_assert_int_eq(result->appends[2].err, ERR_CLIENT_MSG_NO_REUSED);
    ck_assert_int_eq(result->appends[3].err, ERR_BATCH_FAILED);
    ck_assert_uint_eq(result->appends[3].last_seq, 1);
    msg_result_free(result);
    ck_assert_uint_eq(rig_page(&rig, "room", 0, 0, 10, false).last_seq, 1);
    /* Reuse inside the batch stops it as well. */
    struct command_message twins[] = {message_of("a", "t"), message_of("b", "t")};
    result = rig_append_batch(&rig, "room", twins, 2, COMMAND_ATOMIC);
    ck_assert_int_eq(result->appends[0].err, ERR_BATCH_FAILED);
    ck_assert_int_eq(result->appends[1].err, ERR_CLIENT_MSG_NO_REUSED);
    msg_result_free(result);
    /* A duplicate is no error: the rest is stored, consecutively. */
    struct command_message fine[] = {message_of("x", NULL), message_of("one", "n1"),
                                     message_of("y", "n2")};
    result = rig_append_batch(&rig, "room", fine, 3, COMMAND_ATOMIC);
    ck_assert_uint_eq(result->appends[0].seq, 2);
    ck_assert(result->appends[1].duplicate);
    ck_assert_uint_eq(result->appends[2].seq, 3);
    msg_result_free(result);
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

START_TEST(parts_of_one_command_stand_alone)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    /* Two channels of one slot. */
    char name[16];
    uint32_t slot = rig_slot(channel_of("a"));
    for (int i = 0; i == 0 || rig_slot(channel_of(name)) != slot; i++) {
        snprintf(name, sizeof(name), "b%d", i);
    }
    struct command_message first[] = {message_of("1", NULL), message_of("2", NULL)};
    struct command_message second[] = {message_of("3", NULL)};
    struct command_message third[] = {message_of("4", NULL)};
    struct command_part parts[] = {
        {.channel = channel_of("a"), .messages = first, .messages_count = 2},
        {.channel = channel_of(name),
         .has_expected_last_seq = true,
         .expected_last_seq = 9,
         .messages = second,
         .messages_count = 1},
        {.channel = channel_of("a"),
         .has_expected_last_seq = true,
         .expected_last_seq = 2,
         .messages = third,
         .messages_count = 1},
    };
    struct command command = {.kind = COMMAND_APPEND, .append = {parts, 3}};
    struct msg_result *result = rig_apply(&rig, slot, &command);
    ck_assert_uint_eq(result->appends_count, 4);
    ck_assert_uint_eq(result->appends[0].seq, 1);
    ck_assert_uint_eq(result->appends[1].seq, 2);
    ck_assert_uint_eq(result->appends[1].message_id, message_id_of(slot, 1, 1));
    ck_assert_int_eq(result->appends[2].err, ERR_SEQ_MISMATCH);
    ck_assert_uint_eq(result->appends[3].seq, 3);
    ck_assert_uint_eq(result->appends[3].message_id, message_id_of(slot, 1, 3));
    msg_result_free(result);
    rig_check(&rig, slot);
    rig_close(&rig);
}
END_TEST

/* Fails with LETHE_MUTANT_skip_unknown. */
START_TEST(unknown_command_stops)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    struct command command = {.kind = COMMAND_CHECK, .time_ms = 1, .check = {1}};
    struct blob *blob = command_encode(&command);
    blob->data[0] = COMMAND_VERSION + 1;
    ck_assert_int_eq(msg_apply(rig.msg, 0, 1, 1, blob_bytes(blob), NULL, NULL), ERR_WRONG_FORMAT);
    blob_unref(blob);
    blob = command_encode(&command);
    blob->data[blob->len - 1] ^= 1;
    ck_assert_int_eq(msg_apply(rig.msg, 0, 1, 1, blob_bytes(blob), NULL, NULL), ERR_BAD_FORMAT);
    blob_unref(blob);
    rig_flush(&rig);
    struct msg_slot_state state;
    ck_assert_ok(msg_get_slot_state(rig.msg, 0, &state, why));
    ck_assert_uint_eq(state.applied_index, 0);
    rig_close(&rig);
}
END_TEST

START_TEST(nothing_moves_the_applied_index_alone)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_append(&rig, "room", message_of("a", NULL));
    uint32_t slot = rig_slot(channel_of("room"));
    struct hash128 before = rig_check(&rig, slot);
    ck_assert_ok(msg_apply_nothing(rig.msg, slot, ++rig.index[slot], 3, why));
    struct command command = {.kind = COMMAND_CHECK, .check = {1}};
    struct msg_result *result = rig_apply(&rig, slot, &command);
    ck_assert_uint_eq(result->kind, COMMAND_CHECK);
    msg_result_free(result);
    ck_assert(hash128_is_equal(before, rig_check(&rig, slot)));
    struct msg_slot_state state;
    ck_assert_ok(msg_get_slot_state(rig.msg, slot, &state, why));
    ck_assert_uint_eq(state.applied_index, 3);
    ck_assert_uint_eq(state.applied_term, 1);
    ck_assert_uint_eq(state.channels_count, 1);
    rig_close(&rig);
}
END_TEST

START_TEST(a_torn_batch_shows_at_first_use)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_append(&rig, "room", message_of("a", NULL));
    rig_flush(&rig);
    uint32_t slot = rig_slot(channel_of("room"));
    /* The page row says less than the message row: as after half a batch. */
    struct store_batch *batch = store_batch_new(rig.store);
    store_put_applied(batch, slot, &(struct row_applied){0});
    ck_assert_ok(store_write(rig.store, batch, true, why));
    store_batch_free(batch);
    msg_forget_cache(rig.msg);
    struct command_message message = message_of("b", NULL);
    struct command_part part = {
        .channel = channel_of("room"), .messages = &message, .messages_count = 1};
    struct command command = {.kind = COMMAND_APPEND, .append = {&part, 1}};
    struct blob *blob = command_encode(&command);
    /* Index 0 is where it stands, so the row of index 1 is from the future. */
    rig.index[slot] = 0;
    struct msg_check check;
    ck_assert_int_eq(msg_apply(rig.msg, slot, 1, 1, blob_bytes(blob), NULL, NULL), ERR_CORRUPT);
    ck_assert_ok(msg_recompute(rig.msg, slot, &check, why));
    ck_assert(!check.counts_fit);
    blob_unref(blob);
    rig_close(&rig);
}
END_TEST

Suite *suite_append(void)
{
    return UNIT_SUITE("append", 20, seqs_and_ids_rise, all_fields_come_back,
                      timestamp_is_the_commands_and_never_falls,
                      expected_last_seq_holds_or_nothing_is_stored, atomic_batch_is_all_or_nothing,
                      parts_of_one_command_stand_alone, unknown_command_stops,
                      nothing_moves_the_applied_index_alone, a_torn_batch_shows_at_first_use);
}
