/* SPDX-License-Identifier: Apache-2.0 */
/* Once only: retries, reuse, twins in one batch, deletion, generations. */
#include "rig.h"

#include "unit.h"

Suite *suite_dedup(void);

START_TEST(a_retry_gives_the_first_result)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig.time_ms = 1000;
    struct msg_append_result first = rig_append(&rig, "room", message_of("hi", "n1"));
    rig.time_ms = 2000;
    for (int round = 0; round < 3; round++) {
        struct msg_append_result again = rig_append(&rig, "room", message_of("hi", "n1"));
        ck_assert(again.duplicate);
        ck_assert(!again.deleted);
        ck_assert_uint_eq(again.seq, first.seq);
        ck_assert_uint_eq(again.message_id, first.message_id);
        ck_assert_uint_eq(again.timestamp_ms, 1000);
        ck_assert_uint_eq(again.log_index, first.log_index);
        ck_assert_int_eq(rig_append(&rig, "room", message_of("ho", "n1")).err,
                         ERR_CLIENT_MSG_NO_REUSED);
        if (round == 0) {
            rig_flush(&rig);
        } else {
            rig_reopen(&rig);
        }
    }
    /* Another sender, another channel: another message. */
    ck_assert(!rig_append(&rig, "room", message_from("hi", "u2", "n1")).duplicate);
    ck_assert(!rig_append(&rig, "hall", message_of("hi", "n1")).duplicate);
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

START_TEST(twins_in_one_batch)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    struct command_message messages[] = {message_of("a", "n"), message_of("a", "n"),
                                         message_of("b", "n"), message_of("c", "m")};
    struct msg_result *result = rig_append_batch(&rig, "room", messages, 4, 0);
    ck_assert_uint_eq(result->appends[0].seq, 1);
    ck_assert(!result->appends[0].duplicate);
    ck_assert_uint_eq(result->appends[1].seq, 1);
    ck_assert(result->appends[1].duplicate);
    ck_assert_int_eq(result->appends[2].err, ERR_CLIENT_MSG_NO_REUSED);
    ck_assert_uint_eq(result->appends[3].seq, 2);
    msg_result_free(result);
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

/* Fails with LETHE_MUTANT_dedup_dies. */
START_TEST(a_retry_never_revives_a_deleted_message)
{
    for (int flush = 0; flush < 2; flush++) {
        struct rig rig = {.flush_each = flush == 1};
        rig_open_memory(&rig);
        rig_append(&rig, "room", message_of("hi", "n1"));
        rig_append(&rig, "room", message_of("ho", "n2"));
        rig_delete(&rig, "room", 1, 1);
        struct msg_append_result again = rig_append(&rig, "room", message_of("hi", "n1"));
        ck_assert(again.duplicate);
        ck_assert(again.deleted);
        ck_assert_uint_eq(again.seq, 1);
        again = rig_append(&rig, "room", message_of("ho", "n2"));
        ck_assert(again.duplicate);
        ck_assert(!again.deleted);
        struct msg_page page = rig_page(&rig, "room", 0, 0, 10, false);
        ck_assert_uint_eq(page.last_seq, 2);
        ck_assert_uint_eq(page.messages_count, 1);
        rig_check(&rig, rig_slot(channel_of("room")));
        rig_close(&rig);
    }
}
END_TEST

START_TEST(generations_expire_as_a_whole)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    uint32_t slot = rig_slot(channel_of("room"));
    uint64_t window = 1000;
    rig.time_ms = 1000;
    rig_append(&rig, "room", message_of("a", "n1")); /* before any command */
    rig.time_ms = 1500;
    rig_generation(&rig, slot, window);
    rig_append(&rig, "room", message_of("b", "n2"));
    rig.time_ms = 2499;
    rig_generation(&rig, slot, window); /* n1's ended at 1500: younger than the window */
    ck_assert(rig_append(&rig, "room", message_of("a", "n1")).duplicate);
    struct msg_slot_state state;
    rig_check(&rig, slot);
    ck_assert_ok(msg_get_slot_state(rig.msg, slot, &state, why));
    ck_assert_uint_eq(state.dedup_generations, 3);
    ck_assert_uint_eq(state.dedup_rows, 2);
    ck_assert_uint_eq(state.dedup_started_ms, 2499);
    rig.time_ms = 2500;
    struct command command = {.kind = COMMAND_DEDUP_GENERATION, .dedup_generation = {window}};
    struct msg_result *result = rig_apply(&rig, slot, &command);
    ck_assert_uint_eq(result->removed, 1);
    msg_result_free(result);
    rig_check(&rig, slot);
    rig_reopen(&rig);
    ck_assert(rig_append(&rig, "room", message_of("b", "n2")).duplicate);
    struct msg_append_result again = rig_append(&rig, "room", message_of("a", "n1"));
    ck_assert(!again.duplicate); /* its window is over: a new message */
    ck_assert_uint_eq(again.seq, 3);
    rig_check(&rig, slot);
    /* More generations than are possible: the newest goes on. */
    for (int i = 0; i < 80; i++) {
        rig_generation(&rig, slot, 1000000);
    }
    ck_assert(rig_append(&rig, "room", message_of("a", "n1")).duplicate);
    rig_check(&rig, slot);
    ck_assert_ok(msg_get_slot_state(rig.msg, slot, &state, why));
    ck_assert_uint_eq(state.dedup_generations, 64);
    rig_close(&rig);
}
END_TEST

START_TEST(found_by_client_msg_no)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_append(&rig, "room", message_from("a", "u1", "n"));
    rig_append(&rig, "room", message_from("b", "u2", "n"));
    rig_append(&rig, "room", message_from("c", "u3", "n"));
    rig_append(&rig, "room", message_from("d", "u1", "m"));
    rig_delete(&rig, "room", 3, 3);
    rig_flush(&rig);
    struct msg_page page;
    ck_assert_ok(msg_find_client_msg_no(rig.msg, channel_of("room"), bytes_of_string("n"),
                                        bytes_of_string("u2"), &rig.arena, &page, why));
    ck_assert_uint_eq(page.messages_count, 1);
    ck_assert_uint_eq(page.messages[0].seq, 2);
    ck_assert_ok(msg_find_client_msg_no(rig.msg, channel_of("room"), bytes_of_string("n"),
                                        BYTES_NONE, &rig.arena, &page, why));
    ck_assert_uint_eq(page.messages_count, 2);
    ck_assert_uint_eq(page.messages[0].seq, 1);
    ck_assert_uint_eq(page.messages[1].seq, 2);
    ck_assert_ok(msg_find_client_msg_no(rig.msg, channel_of("room"), bytes_of_string("n"),
                                        bytes_of_string("u3"), &rig.arena, &page, why));
    ck_assert_uint_eq(page.messages_count, 0);
    ck_assert_uint_eq(page.deleted_count, 1);
    ck_assert_uint_eq(page.deleted[0].start, 3);
    rig_close(&rig);
}
END_TEST

Suite *suite_dedup(void)
{
    return UNIT_SUITE("dedup", 20, a_retry_gives_the_first_result, twins_in_one_batch,
                      a_retry_never_revives_a_deleted_message, generations_expire_as_a_whole,
                      found_by_client_msg_no);
}
