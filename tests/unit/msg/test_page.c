/* SPDX-License-Identifier: Apache-2.0 */
/* Pages at their limits, and damage that must never pass in silence. (Windows, orders and times are
 * compared with the model in test_history.c.) */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "unit.h"

Suite *suite_page(void);

START_TEST(an_unknown_channel_reads_as_empty)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_append(&rig, "room", message_of("a", NULL));
    struct msg_page page = rig_page(&rig, "nowhere", 0, 0, 50, false);
    ck_assert_uint_eq(page.messages_count, 0);
    ck_assert_uint_eq(page.first_seq, 0);
    ck_assert_uint_eq(page.last_seq, 0);
    ck_assert(!page.more);
    uint64_t seqs[] = {1, 2};
    ck_assert_ok(msg_get_seqs(rig.msg, channel_of("nowhere"), seqs, 2, &rig.arena, &page, why));
    ck_assert_uint_eq(page.messages_count, 0);
    /* A window above the end. */
    page = rig_page(&rig, "room", 5, 9, 50, false);
    ck_assert_uint_eq(page.messages_count, 0);
    ck_assert(!page.more);
    rig_close(&rig);
}
END_TEST

START_TEST(a_page_ends_at_its_bytes_with_one_message_at_least)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    char *text = alloc_zero(3001);
    memset(text, 'x', 3000);
    for (int i = 0; i < 10; i++) {
        rig_append(&rig, "room", message_of(text, NULL));
    }
    rig_flush(&rig);
    struct msg_page_query query = {.channel = channel_of("room"), .limit = 100, .max_bytes = 7000};
    struct msg_page page;
    uint64_t seen = 0;
    do {
        ck_assert_ok(msg_get_page(rig.msg, &query, &rig.arena, &page, why));
        ck_assert_uint_eq(page.messages_count, 2);
        seen += page.messages_count;
        ck_assert_int_eq(page.more, seen < 10);
        query.from_seq = page.next_seq;
    } while (page.more);
    ck_assert_uint_eq(seen, 10);
    query = (struct msg_page_query){
        .channel = channel_of("room"), .limit = 100, .max_bytes = 1, .descending = true};
    ck_assert_ok(msg_get_page(rig.msg, &query, &rig.arena, &page, why));
    ck_assert_uint_eq(page.messages_count, 1);
    ck_assert_uint_eq(page.messages[0].seq, 10);
    ck_assert_uint_eq(page.next_seq, 9);
    free(text);
    rig_close(&rig);
}
END_TEST

START_TEST(a_page_ends_at_its_intervals)
{
    enum { COUNT = MSG_PAGE_MAX_DELETED + 500 };
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_fill(&rig, "room", 2 * COUNT);
    struct range *ranges = alloc_array(COUNT, sizeof(*ranges));
    for (uint32_t i = 0; i < COUNT; i++) {
        ranges[i] = (struct range){2 * i + 1, 2 * i + 1};
    }
    rig_delete_ranges(&rig, "room", ranges, 10000, 0);
    rig_delete_ranges(&rig, "room", ranges + 10000, COUNT - 10000, 0);
    free(ranges);
    /* Every second message is gone: two pages show the rest, and all holes. */
    uint64_t from = 0, visible = 0, deleted = 0;
    int pages = 0;
    struct msg_page page;
    do {
        page = rig_page(&rig, "room", from, 0, MSG_PAGE_MAX_MESSAGES, false);
        visible += page.messages_count;
        deleted += page.deleted_count;
        from = page.next_seq;
        pages++;
    } while (page.more);
    ck_assert_int_eq(pages, 2);
    ck_assert_uint_eq(visible, COUNT);
    ck_assert_uint_eq(deleted, COUNT);
    rig_close(&rig);
}
END_TEST

START_TEST(times_choose_the_window)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    for (uint32_t i = 1; i <= 10; i++) {
        rig.time_ms = 1000 * i;
        rig_append(&rig, "room", message_of("x", NULL));
    }
    rig_delete(&rig, "room", 4, 5);
    rig_flush(&rig);
    struct msg_page_query query = {
        .channel = channel_of("room"), .limit = 100, .since_ms = 6000, .until_ms = 8000};
    struct msg_page page;
    ck_assert_ok(msg_get_page(rig.msg, &query, &rig.arena, &page, why));
    ck_assert_uint_eq(page.messages_count, 3);
    ck_assert_uint_eq(page.messages[0].seq, 6);
    ck_assert_uint_eq(page.messages[2].seq, 8);
    /* 4 and 5 may have been inside. */
    ck_assert_uint_eq(page.deleted_count, 1);
    query.since_ms = 20000;
    query.until_ms = 0;
    ck_assert_ok(msg_get_page(rig.msg, &query, &rig.arena, &page, why));
    ck_assert_uint_eq(page.messages_count, 0);
    ck_assert(!page.more);
    rig_close(&rig);
}
END_TEST

/* Rows changed behind the state machine's back. */
static void damage(struct rig *rig, void (*change)(struct store_batch *batch, uint32_t slot))
{
    rig_flush(rig);
    struct store_batch *batch = store_batch_new(rig->store);
    change(batch, rig_slot(channel_of("room")));
    ck_assert_ok(store_write(rig->store, batch, true, why));
    store_batch_free(batch);
}

static void lose_message(struct store_batch *batch, uint32_t slot)
{
    store_remove_messages(batch, slot, channel_of("room"), 4, 4);
}

static void lose_interval(struct store_batch *batch, uint32_t slot)
{
    store_remove_deleted(batch, slot, channel_of("room"), 7);
}

static void revive_message(struct store_batch *batch, uint32_t slot)
{
    struct row_message row = {.message_id = message_id_of(slot, 1, 7), .timestamp_ms = 1000};
    store_put_message(batch, slot, channel_of("room"), 8, &row);
}

static void lose_last(struct store_batch *batch, uint32_t slot)
{
    store_remove_messages(batch, slot, channel_of("room"), 10, 10);
}

static void assert_found(void (*change)(struct store_batch *batch, uint32_t slot),
                         const char *misfit)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_fill(&rig, "room", 10);
    rig_delete(&rig, "room", 7, 8);
    uint32_t slot = rig_slot(channel_of("room"));
    rig_check(&rig, slot);
    damage(&rig, change);
    struct msg_check check;
    ck_assert_ok(msg_recompute(rig.msg, slot, &check, why));
    ck_assert(!hash128_is_equal(check.stored, check.recomputed));
    ck_assert(!check.counts_fit);
    ck_assert_ptr_nonnull(strstr(check.misfit, misfit));
    rig_close(&rig);
}

START_TEST(checks_find_planted_damage)
{
    assert_found(lose_message, "hole from 4 to 5");
    assert_found(lose_interval, "hole from 7 to 9");
    assert_found(revive_message, "message 8 lies inside an interval");
    assert_found(lose_last, "rows end at 9");
}
END_TEST

START_TEST(a_hole_without_an_interval_is_never_shown)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_fill(&rig, "room", 10);
    damage(&rig, lose_message);
    struct msg_page_query query = {.channel = channel_of("room"), .limit = 100};
    struct msg_page page;
    struct why why = {0};
    ck_assert_int_eq(msg_get_page(rig.msg, &query, &rig.arena, &page, &why), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, "seq 4"));
    query.descending = true;
    ck_assert_int_eq(msg_get_page(rig.msg, &query, &rig.arena, &page, &why), ERR_CORRUPT);
    struct msg_message message;
    ck_assert_int_eq(
        msg_get_message(rig.msg, channel_of("room"), 4, &rig.arena, &message, NULL, NULL, &why),
        ERR_CORRUPT);
    rig_close(&rig);
}
END_TEST

struct pace {
    uint64_t calls, bytes, calls_max;
};

static bool on_progress(uint64_t bytes_read, void *arg)
{
    struct pace *pace = arg;
    ck_assert_uint_gt(bytes_read, pace->bytes);
    pace->bytes = bytes_read;
    return ++pace->calls < pace->calls_max;
}

START_TEST(a_check_can_be_paced_and_ended)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_fill(&rig, "room", 20000);
    rig_flush(&rig);
    uint32_t slot = rig_slot(channel_of("room"));
    struct msg_check check;
    struct pace pace = {.calls_max = 1000};
    ck_assert_ok(msg_recompute_paced(rig.msg, slot, NULL, on_progress, &pace, &check, why));
    ck_assert_uint_ge(pace.calls, 7);
    ck_assert(hash128_is_equal(check.stored, check.recomputed));
    pace = (struct pace){.calls_max = 3};
    ck_assert_int_eq(msg_recompute_paced(rig.msg, slot, NULL, on_progress, &pace, &check, NULL),
                     ERR_CONFLICT);
    ck_assert_uint_eq(pace.calls, 3);
    rig_close(&rig);
}
END_TEST

START_TEST(flipped_bits_are_found)
{
    for (int family = STORE_MESSAGES; family <= STORE_DEDUP; family++) {
        struct rig rig = {0};
        rig_open_memory(&rig);
        for (int i = 0; i < 9; i++) {
            char number[8] = {'n', (char)('0' + i), '\0'};
            rig_append(&rig, "room", message_of("abc", number));
        }
        rig_delete(&rig, "room", 7, 8);
        rig_delete(&rig, "room", 2, 2);
        rig_flush(&rig);
        ck_assert(memdisk_flip(rig.disk, (enum store_family)family, 1, 13));
        rig_reopen(&rig);
        struct msg_check check;
        struct why why = {0};
        enum err err = msg_recompute(rig.msg, rig_slot(channel_of("room")), &check, &why);
        bool found =
            err == ERR_CORRUPT || (err == OK && !hash128_is_equal(check.stored, check.recomputed));
        ck_assert_msg(found, "family %d: %s", family, err_slug(err));
        rig_close(&rig);
    }
}
END_TEST

START_TEST(a_failed_read_or_write_is_an_error)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    rig_fill(&rig, "room", 10);
    rig_delete(&rig, "room", 3, 4);
    rig_flush(&rig);
    struct msg_page_query query = {.channel = channel_of("room"), .limit = 100};
    uint32_t failures = 0;
    for (uint64_t n = 1; n < 60; n++) {
        struct msg_page page = {0};
        memdisk_fail_read(rig.disk, n);
        enum err err = msg_get_page(rig.msg, &query, &rig.arena, &page, NULL);
        memdisk_fail_read(rig.disk, 0);
        failures += err == ERR_DISK_FAILED;
        ck_assert(err == ERR_DISK_FAILED || page.messages_count == 8);
        rig_reopen(&rig);
    }
    ck_assert_uint_ge(failures, 10);
    rig_append(&rig, "room", message_of("x", NULL));
    memdisk_fail_write(rig.disk, 1, MEMDISK_ABSENT);
    ck_assert_int_eq(msg_apply_flush(rig.msg, NULL), ERR_DISK_FAILED);
    rig_close(&rig);
}
END_TEST

Suite *suite_page(void)
{
    return UNIT_SUITE("page", 60, an_unknown_channel_reads_as_empty,
                      a_page_ends_at_its_bytes_with_one_message_at_least,
                      a_page_ends_at_its_intervals, times_choose_the_window,
                      checks_find_planted_damage, a_hole_without_an_interval_is_never_shown,
                      a_check_can_be_paced_and_ended, flipped_bits_are_found,
                      a_failed_read_or_write_is_an_error);
}
