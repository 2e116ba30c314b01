/* SPDX-License-Identifier: Apache-2.0 */
/* Deletes: the fence, the counts, last_seq, records, clamping, previews. */
#include "rig.h"

#include <stdio.h>

#include <string.h>

#include "unit.h"

Suite *suite_delete(void);

static void assert_ranges(const struct range *got, uint32_t got_count, const char *want)
{
    char text[512] = "";
    for (uint32_t i = 0; i < got_count; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lu-%lu", i > 0 ? " " : "",
                 got[i].start, got[i].end);
    }
    ck_assert_str_eq(text, want);
}

/* Fails with LETHE_MUTANT_delete_no_fence. */
START_TEST(a_delete_is_listed_and_explained)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_fill(&rig, "room", 20);
    struct msg_delete_result result = rig_delete(&rig, "room", 5, 8);
    ck_assert_int_eq(result.err, OK);
    ck_assert(result.logged);
    ck_assert_uint_eq(result.deleted_count, 4);
    ck_assert_uint_eq(result.already_deleted, 0);
    ck_assert_uint_eq(result.first_seq, 1);
    ck_assert_uint_eq(result.last_seq, 20);
    struct msg_page page = rig_page(&rig, "room", 3, 10, 100, false);
    ck_assert_uint_eq(page.messages_count, 4);
    assert_ranges(page.deleted, page.deleted_count, "5-8");
    page = rig_page(&rig, "room", 6, 7, 100, true);
    ck_assert_uint_eq(page.messages_count, 0);
    assert_ranges(page.deleted, page.deleted_count, "6-7");
    result = rig_delete(&rig, "room", 7, 12);
    ck_assert_uint_eq(result.deleted_count, 4);
    ck_assert_uint_eq(result.already_deleted, 2);
    result = rig_delete(&rig, "room", 1, 4);
    ck_assert_uint_eq(result.first_seq, 13);
    page = rig_page(&rig, "room", 0, 0, 100, false);
    assert_ranges(page.deleted, page.deleted_count, "1-12");
    ck_assert_uint_eq(page.messages[0].seq, 13);
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

/* Fails with LETHE_MUTANT_seq_from_rows. */
START_TEST(last_seq_survives_a_tail_delete)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_fill(&rig, "room", 10);
    rig_delete(&rig, "room", 8, 10);
    rig_flush(&rig);
    rig_reopen(&rig);
    ck_assert_uint_eq(rig_append(&rig, "room", message_of("x", NULL)).seq, 11);
    rig_delete(&rig, "room", 1, 11);
    rig_flush(&rig);
    rig_reopen(&rig);
    ck_assert_uint_eq(rig_append(&rig, "room", message_of("y", NULL)).seq, 12);
    struct msg_page page = rig_page(&rig, "room", 0, 0, 10, false);
    ck_assert_uint_eq(page.messages_count, 1);
    ck_assert_uint_eq(page.first_seq, 12);
    assert_ranges(page.deleted, page.deleted_count, "1-11");
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

START_TEST(repeating_a_delete_is_harmless)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_fill(&rig, "room", 10);
    rig_delete(&rig, "room", 2, 6);
    struct msg_delete_result again = rig_delete(&rig, "room", 2, 6);
    ck_assert(again.logged);
    ck_assert_uint_eq(again.deleted_count, 0);
    ck_assert_uint_eq(again.already_deleted, 5);
    struct msg_channel channel;
    rig_flush(&rig);
    ck_assert_ok(msg_get_channel(rig.msg, channel_of("room"), &rig.arena, &channel, why));
    ck_assert_uint_eq(channel.deleted_count, 5);
    ck_assert_uint_eq(channel.message_count, 5);
    ck_assert_uint_eq(channel.bytes, 5 * strlen("payload"));
    ck_assert_uint_eq(channel.delete_version, 2);
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

START_TEST(beyond_the_end_is_refused_or_cut)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    uint32_t slot = rig_slot(channel_of("room"));
    struct msg_delete_result result = rig_delete(&rig, "room", 1, 5);
    ck_assert_int_eq(result.err, ERR_END_BEYOND_LAST);
    ck_assert(!result.logged);
    rig_fill(&rig, "room", 10);
    struct hash128 before = rig_check(&rig, slot);
    result = rig_delete(&rig, "room", 9, 11);
    ck_assert_int_eq(result.err, ERR_END_BEYOND_LAST);
    ck_assert_uint_eq(result.last_seq, 10);
    ck_assert(hash128_is_equal(before, rig_check(&rig, slot)));
    struct range above = {11, 20};
    result = rig_delete_ranges(&rig, "room", &above, 1, COMMAND_CLAMP);
    ck_assert_int_eq(result.err, OK);
    ck_assert(!result.logged);
    ck_assert(hash128_is_equal(before, rig_check(&rig, slot)));
    struct range wide = {9, MSG_PAGE_MAX_MESSAGES};
    result = rig_delete_ranges(&rig, "room", &wide, 1, COMMAND_CLAMP);
    ck_assert(result.logged);
    assert_ranges(result.ranges, result.ranges_count, "9-10");
    ck_assert_uint_eq(result.deleted_count, 2);
    rig_check(&rig, slot);
    rig_close(&rig);
}
END_TEST

/* Ranges of one command merge with old intervals and, through them, with each other. */
START_TEST(several_ranges_are_one_delete)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_fill(&rig, "room", 30);
    rig_delete(&rig, "room", 5, 10);
    rig_delete(&rig, "room", 20, 20);
    struct range ranges[] = {{3, 4}, {7, 8}, {11, 12}, {19, 19}, {21, 22}, {25, 25}};
    struct msg_delete_result result = rig_delete_ranges(&rig, "room", ranges, 6, 0);
    ck_assert_uint_eq(result.start_seq, 3);
    ck_assert_uint_eq(result.end_seq, 25);
    ck_assert_uint_eq(result.already_deleted, 2);
    ck_assert_uint_eq(result.deleted_count, 8);
    struct msg_page page = rig_page(&rig, "room", 0, 0, 100, false);
    assert_ranges(page.deleted, page.deleted_count, "3-12 19-22 25-25");
    uint32_t slot = rig_slot(channel_of("room"));
    struct msg_delete_record record;
    ck_assert_ok(msg_get_delete(rig.msg, slot, rig.index[slot], &rig.arena, &record, why));
    assert_ranges(record.ranges, record.ranges_count, "3-4 7-8 11-12 19-19 21-22 25-25");
    ck_assert(bytes_is_equal(record.operator_name, bytes_of_string("alice")));
    rig_check(&rig, slot);
    rig_close(&rig);
}
END_TEST

START_TEST(ten_thousand_seqs_in_one_delete)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_fill(&rig, "room", 20000);
    struct range *ranges = arena_alloc(&rig.arena, 10000 * sizeof(*ranges));
    for (uint32_t i = 0; i < 10000; i++) {
        ranges[i] = (struct range){2 * i + 1, 2 * i + 1};
    }
    struct msg_delete_result result = rig_delete_ranges(&rig, "room", ranges, 10000, 0);
    ck_assert_uint_eq(result.deleted_count, 10000);
    ck_assert_uint_eq(result.first_seq, 2);
    result = rig_delete_ranges(&rig, "room", ranges, 10000, 0);
    ck_assert_uint_eq(result.already_deleted, 10000);
    result = rig_delete(&rig, "room", 2, 19999);
    ck_assert_uint_eq(result.deleted_count, 9999);
    ck_assert_uint_eq(result.already_deleted, 9999);
    struct msg_page page = rig_page(&rig, "room", 0, 0, 100, false);
    assert_ranges(page.deleted, page.deleted_count, "1-19999");
    ck_assert_uint_eq(page.messages_count, 1);
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

START_TEST(a_deleted_seq_names_its_delete)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    uint32_t slot = rig_slot(channel_of("room"));
    rig_fill(&rig, "room", 10);
    rig_delete(&rig, "room", 3, 4);
    uint64_t first = rig.index[slot];
    rig_delete(&rig, "room", 2, 6);
    uint64_t second = rig.index[slot];
    rig_flush(&rig);
    struct msg_message message;
    uint64_t delete_index = 99, applied = 0;
    ck_assert_int_eq(msg_get_message(rig.msg, channel_of("room"), 3, &rig.arena, &message,
                                     &delete_index, &applied, NULL),
                     ERR_SEQ_DELETED);
    ck_assert_uint_eq(delete_index, first);
    ck_assert_uint_eq(applied, second);
    ck_assert_int_eq(msg_get_message(rig.msg, channel_of("room"), 5, &rig.arena, &message,
                                     &delete_index, &applied, NULL),
                     ERR_SEQ_DELETED);
    ck_assert_uint_eq(delete_index, second);
    ck_assert_int_eq(msg_get_message(rig.msg, channel_of("room"), 11, &rig.arena, &message,
                                     &delete_index, &applied, NULL),
                     ERR_SEQ_NOT_FOUND);
    ck_assert_int_eq(msg_get_message(rig.msg, channel_of("room"), 7, &rig.arena, &message,
                                     &delete_index, &applied, NULL),
                     OK);
    ck_assert_uint_eq(message.seq, 7);
    /* Collected: still deleted, but by whom is not known any more. */
    struct command command = {.kind = COMMAND_RAISE_FLOOR, .raise_floor = {first, false}};
    struct msg_result *result = rig_apply(&rig, slot, &command);
    ck_assert_uint_eq(result->removed, 1);
    ck_assert_uint_eq(result->floor, first);
    msg_result_free(result);
    rig_check(&rig, slot);
    ck_assert_int_eq(msg_get_message(rig.msg, channel_of("room"), 3, &rig.arena, &message,
                                     &delete_index, &applied, NULL),
                     ERR_SEQ_DELETED);
    ck_assert_uint_eq(delete_index, second);
    struct msg_delete_record record;
    ck_assert_int_eq(msg_get_delete(rig.msg, slot, first, &rig.arena, &record, NULL),
                     ERR_COLLECTED);
    ck_assert_int_eq(msg_get_delete(rig.msg, slot, second + 5, &rig.arena, &record, NULL),
                     ERR_NOT_FOUND);
    rig_close(&rig);
}
END_TEST

static struct msg_delete_result preview(struct rig *rig, struct msg_delete_request request)
{
    struct msg_delete_result result;
    rig_flush(rig);
    request.channel = channel_of("room");
    ck_assert_ok(msg_preview_delete(rig->msg, &request, &rig->arena, &result, NULL, why));
    return result;
}

START_TEST(previews_resolve_every_form)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    struct msg_delete_request request = {.form = MSG_DELETE_ALL};
    ck_assert(!preview(&rig, request).logged);
    for (uint32_t i = 1; i <= 10; i++) {
        rig.time_ms = 1000 * i;
        rig_append(&rig, "room", message_of("x", NULL));
    }
    rig_delete(&rig, "room", 1, 2);
    rig_delete(&rig, "room", 7, 8);
    struct msg_delete_result result = preview(&rig, request);
    assert_ranges(result.ranges, result.ranges_count, "1-10");
    ck_assert_uint_eq(result.already_deleted, 4);
    ck_assert_uint_eq(result.deleted_count, 6);
    ck_assert_uint_eq(result.first_seq, 0);
    result = preview(&rig, (struct msg_delete_request){.form = MSG_DELETE_KEEP, .keep = 3});
    assert_ranges(result.ranges, result.ranges_count, "3-5"); /* 6, 9, 10 stay */
    ck_assert_uint_eq(result.first_seq, 6);
    result = preview(&rig, (struct msg_delete_request){.form = MSG_DELETE_KEEP, .keep = 2});
    assert_ranges(result.ranges, result.ranges_count, "3-8");
    ck_assert_uint_eq(result.first_seq, 9);
    ck_assert_uint_eq(result.already_deleted, 2);
    ck_assert(
        !preview(&rig, (struct msg_delete_request){.form = MSG_DELETE_KEEP, .keep = 6}).logged);
    result = preview(&rig, (struct msg_delete_request){.form = MSG_DELETE_KEEP, .keep = 0});
    assert_ranges(result.ranges, result.ranges_count, "3-10");
    result =
        preview(&rig, (struct msg_delete_request){.form = MSG_DELETE_BEFORE, .before_ms = 5000});
    assert_ranges(result.ranges, result.ranges_count, "3-4");
    ck_assert(
        !preview(&rig, (struct msg_delete_request){.form = MSG_DELETE_BEFORE, .before_ms = 3000})
             .logged);
    result =
        preview(&rig, (struct msg_delete_request){.form = MSG_DELETE_THROUGH, .through_seq = 4});
    assert_ranges(result.ranges, result.ranges_count, "1-4");
    ck_assert_uint_eq(result.deleted_count, 2);
    struct range ranges[] = {{1, 3}, {4, 6}, {9, 12}};
    request = (struct msg_delete_request){
        .form = MSG_DELETE_RANGES, .ranges = ranges, .ranges_count = 3, .clamp = true};
    result = preview(&rig, request);
    assert_ranges(result.ranges, result.ranges_count, "1-6 9-10");
    ck_assert_uint_eq(result.first_seq, 0);
    request.clamp = false;
    request.channel = channel_of("room");
    result = preview(&rig, request);
    ck_assert_int_eq(result.err, ERR_END_BEYOND_LAST);
    ck_assert_uint_eq(result.last_seq, 10);
    ck_assert(!result.logged);
    rig_close(&rig);
}
END_TEST

START_TEST(the_delete_log_lists_and_filters)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    uint32_t slot = rig_slot(channel_of("room"));
    rig_fill(&rig, "room", 20);
    for (uint32_t i = 1; i <= 5; i++) {
        rig.time_ms = 1000 * i;
        rig_delete(&rig, "room", i, i);
    }
    rig_flush(&rig);
    struct channel channel = channel_of("room");
    struct msg_deletes_query query = {.slot = slot, .channel = &channel, .limit = 2};
    struct msg_deletes deletes;
    ck_assert_ok(msg_list_deletes(rig.msg, &query, &rig.arena, &deletes, why));
    ck_assert_uint_eq(deletes.count, 2);
    ck_assert(deletes.more);
    ck_assert_uint_eq(deletes.records[1].ranges[0].start, 2);
    query.since_index = deletes.records[1].log_index;
    query.limit = 3;
    ck_assert_ok(msg_list_deletes(rig.msg, &query, &rig.arena, &deletes, why));
    ck_assert_uint_eq(deletes.count, 3);
    ck_assert(!deletes.more);
    query = (struct msg_deletes_query){.slot = slot, .since_ms = 2000, .until_ms = 3000};
    ck_assert_ok(msg_list_deletes(rig.msg, &query, &rig.arena, &deletes, why));
    ck_assert_uint_eq(deletes.count, 2);
    query = (struct msg_deletes_query){.slot = slot, .operator_name = bytes_of_string("bob")};
    ck_assert_ok(msg_list_deletes(rig.msg, &query, &rig.arena, &deletes, why));
    ck_assert_uint_eq(deletes.count, 0);
    rig_close(&rig);
}
END_TEST

START_TEST(each_record_says_what_is_before_it)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    uint32_t slot = rig_slot(channel_of("room"));
    rig_fill(&rig, "room", 20);
    for (uint32_t i = 1; i <= 5; i++) {
        rig.time_ms = 1000 * i;
        rig_delete(&rig, "room", i, i);
    }
    rig_flush(&rig);
    struct channel channel = channel_of("room");
    struct msg_deletes_query query = {.slot = slot};
    struct msg_deletes all, some;
    ck_assert_ok(msg_list_deletes(rig.msg, &query, &rig.arena, &all, why));
    ck_assert_uint_eq(all.count, 5);
    ck_assert_uint_eq(all.records[0].after_index, 0);
    ck_assert_uint_eq(all.last_index, all.records[4].log_index);
    for (uint32_t i = 1; i < all.count; i++) {
        ck_assert_uint_eq(all.records[i].after_index, all.records[i - 1].log_index);
    }
    /* From the middle on, and with filters, it is the same. */
    struct msg_deletes_query queries[] = {
        {.slot = slot, .since_index = all.records[2].log_index},
        {.slot = slot, .since_ms = 4000},
        {.slot = slot, .channel = &channel, .since_index = all.records[2].log_index}};
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        ck_assert_ok(msg_list_deletes(rig.msg, &queries[i], &rig.arena, &some, why));
        ck_assert_uint_eq(some.count, 2);
        ck_assert_uint_eq(some.records[0].after_index, all.records[2].log_index);
        ck_assert_uint_eq(some.records[1].after_index, all.records[3].log_index);
    }
    /* What was collected is not known any more: the floor says up to where. */
    struct command command = {.kind = COMMAND_RAISE_FLOOR,
                              .raise_floor = {.floor = all.records[1].log_index + 0}};
    msg_result_free(rig_apply(&rig, slot, &command));
    rig_flush(&rig);
    ck_assert_ok(msg_list_deletes(rig.msg, &query, &rig.arena, &some, why));
    ck_assert_uint_eq(some.count, 3);
    ck_assert_uint_eq(some.records[0].after_index, all.records[1].log_index);
    rig_close(&rig);
}
END_TEST

/* For a restore: seqs that may have been given out. */
START_TEST(last_seq_is_raised_over_a_hole)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    uint32_t slot = rig_slot(channel_of("room"));
    rig_fill(&rig, "room", 5);
    rig_delete(&rig, "room", 4, 5); /* the hole joins what was deleted at the end */
    struct msg_raise raise = {.channel = channel_of("room"),
                              .through_seq = 105,
                              .time_ms = 9000,
                              .reason = bytes_of_string("restore")};
    ck_assert_ok(msg_raise(rig.msg, slot, ++rig.index[slot], 1, &raise, why));
    raise.through_seq = 50; /* nothing */
    ck_assert_ok(msg_raise(rig.msg, slot, ++rig.index[slot], 1, &raise, why));
    raise.channel = channel_of("unheard of");
    uint32_t other = rig_slot(raise.channel);
    ck_assert_ok(msg_raise(rig.msg, other, ++rig.index[other], 1, &raise, why));
    (void)rig_check(&rig, slot);
    (void)rig_check(&rig, other);
    struct msg_channel found;
    ck_assert_ok(msg_get_channel(rig.msg, channel_of("room"), &rig.arena, &found, why));
    ck_assert_uint_eq(found.last_seq, 105);
    ck_assert_uint_eq(found.message_count, 3);
    ck_assert_ok(msg_get_channel(rig.msg, raise.channel, &rig.arena, &found, why));
    ck_assert_uint_eq(found.last_seq, 50);
    ck_assert_uint_eq(found.message_count, 0);
    rig_reopen(&rig);
    struct msg_append_result next = rig_append(&rig, "room", message_of("x", NULL));
    ck_assert_uint_eq(next.seq, 106);
    ck_assert_uint_eq(rig_append(&rig, "unheard of", message_of("x", NULL)).seq, 51);
    (void)rig_check(&rig, slot);
    (void)rig_check(&rig, other);
    rig_close(&rig);
}
END_TEST

START_TEST(deletes_above_an_index_are_counted)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    uint32_t slot = rig_slot(channel_of("room"));
    uint64_t count = 9, oldest_ms = 9;
    ck_assert_ok(msg_count_deletes(rig.msg, slot, 0, 100, &count, &oldest_ms, why));
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(oldest_ms, 0);
    rig_fill(&rig, "room", 20);
    uint64_t indexes[5];
    for (uint32_t i = 0; i < 5; i++) {
        rig.time_ms = 1000 * (i + 1);
        rig_delete(&rig, "room", i + 1, i + 1);
        indexes[i] = rig.index[slot];
    }
    rig_flush(&rig);
    ck_assert_ok(msg_count_deletes(rig.msg, slot, indexes[1], 100, &count, &oldest_ms, why));
    ck_assert_uint_eq(count, 3);
    struct msg_delete_record record;
    ck_assert_ok(msg_get_delete(rig.msg, slot, indexes[2], &rig.arena, &record, why));
    ck_assert_uint_eq(oldest_ms, record.deleted_at_ms);
    ck_assert_ok(msg_count_deletes(rig.msg, slot, 0, 4, &count, &oldest_ms, why));
    ck_assert_uint_eq(count, 4);
    ck_assert_ok(msg_count_deletes(rig.msg, slot, indexes[4], 100, &count, &oldest_ms, why));
    ck_assert_uint_eq(count, 0);
    ck_assert_ok(msg_count_deletes(rig.msg, slot, UINT64_MAX, 100, &count, &oldest_ms, why));
    ck_assert_uint_eq(count, 0);
    rig_close(&rig);
}
END_TEST

START_TEST(retention_is_kept_in_the_row)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    uint32_t slot = rig_slot(channel_of("room"));
    struct command command = {.kind = COMMAND_SET_RETENTION,
                              .set_retention = {channel_of("room"), 1000, 20, 300}};
    msg_result_free(rig_apply(&rig, slot, &command));
    rig_fill(&rig, "room", 3);
    rig_delete(&rig, "room", 3, 3);
    rig_flush(&rig);
    rig_reopen(&rig);
    rig_delete(&rig, "room", 2, 2);
    rig_flush(&rig);
    struct msg_channel channel;
    ck_assert_ok(msg_get_channel(rig.msg, channel_of("room"), &rig.arena, &channel, why));
    ck_assert_uint_eq(channel.retention_max_age_ms, 1000);
    ck_assert_uint_eq(channel.retention_max_messages, 20);
    ck_assert_uint_eq(channel.retention_max_bytes, 300);
    rig_check(&rig, slot);
    command.set_retention = (struct command_set_retention){.channel = channel_of("room")};
    msg_result_free(rig_apply(&rig, slot, &command));
    rig_check(&rig, slot);
    ck_assert_ok(msg_get_channel(rig.msg, channel_of("room"), &rig.arena, &channel, why));
    ck_assert_uint_eq(channel.retention_max_age_ms, 0);
    ck_assert_uint_eq(channel.last_seq, 3);
    rig_close(&rig);
}
END_TEST

Suite *suite_delete(void)
{
    return UNIT_SUITE("delete", 60, a_delete_is_listed_and_explained,
                      last_seq_survives_a_tail_delete, repeating_a_delete_is_harmless,
                      beyond_the_end_is_refused_or_cut, several_ranges_are_one_delete,
                      ten_thousand_seqs_in_one_delete, a_deleted_seq_names_its_delete,
                      previews_resolve_every_form, the_delete_log_lists_and_filters,
                      each_record_says_what_is_before_it, last_seq_is_raised_over_a_hole,
                      deletes_above_an_index_are_counted, retention_is_kept_in_the_row);
}
