/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's lines: what is read, what is refused, and that order and overlaps do not matter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "old.h"
#include "rescue/journal.h"
#include "sys/file.h"

static enum err add(struct journal *journal, const char *line)
{
    return journal_add_line(journal, bytes_of_string(line), OLD_SLOTS, NULL);
}

/* What buf_printf made, without its end of line. */
static enum err add_buf(struct journal *journal, struct buf *buf)
{
    enum err err = journal_add_line(journal, bytes_of(buf->data, buf->len - 1), OLD_SLOTS, NULL);
    buf_clear(buf);
    return err;
}

START_TEST(lines_are_read)
{
    struct journal journal;
    struct buf buf = BUF_INIT;
    journal_init(&journal);
    line_delete(&buf, "a", 9, 4, 3, 5, 777);
    ck_assert_int_eq(add_buf(&journal, &buf), OK);
    line_mark(&buf, 1, 0, 12);
    ck_assert_int_eq(add_buf(&journal, &buf), OK);
    ck_assert_uint_eq(journal.count, 2);
    const struct journal_record *record = &journal.records[0];
    ck_assert_uint_eq(record->log_index, 9);
    ck_assert_uint_eq(record->after_index, 4);
    ck_assert_uint_eq(record->deleted_at_ms, 777);
    ck_assert_uint_eq(record->ranges[0].start, 3);
    ck_assert_uint_eq(record->ranges[0].end, 5);
    ck_assert(bytes_is_equal(record->channel.id, bytes_of_string("a")));
    ck_assert(bytes_is_equal(record->reason, bytes_of_string("journal")));
    ck_assert(!record->is_mark && journal.records[1].is_mark);
    ck_assert_uint_eq(journal.records[1].log_index, 12);
    buf_done(&buf);
    journal_done(&journal);
}
END_TEST

/* The good line with one part of it replaced. */
static void assert_bad(const char *from, const char *to)
{
    struct journal journal;
    struct buf buf = BUF_INIT, changed = BUF_INIT;
    journal_init(&journal);
    line_delete(&buf, "a", 9, 4, 3, 5, 777);
    const char *text = buf_string(&buf), *at = strstr(text, from);
    ck_assert_ptr_nonnull(at);
    buf_append(&changed, text, (size_t)(at - text));
    buf_append_string(&changed, to);
    buf_append_string(&changed, at + strlen(from));
    ck_assert_msg(add_buf(&journal, &changed) == ERR_CORRUPT, "%s for %s", to, from);
    ck_assert_uint_eq(journal.count, 0);
    buf_done(&buf);
    buf_done(&changed);
    journal_done(&journal);
}

START_TEST(bad_lines_are_refused)
{
    char other[16];
    snprintf(other, sizeof(other), "\"slot\":%u", 1 - old_slot("a"));
    char here[16];
    snprintf(here, sizeof(here), "\"slot\":%u", old_slot("a"));
    assert_bad(here, other); /* of a cluster with another slot count */
    assert_bad(here, "\"slot\":2");
    assert_bad("\"log_index\":9", "\"log_index\":4");
    assert_bad("\"log_index\":9", "\"log_index\":0");
    assert_bad("\"log_index\":9", "\"log_index\":9.5");
    assert_bad("\"log_index\":9", "\"log_index\":\"9\"");
    assert_bad("\"log_index\":9", "\"log\":9");
    assert_bad("\"after_index\":4", "\"after_index\":-1");
    assert_bad("[[3,5]]", "[[5,3]]");
    assert_bad("[[3,5]]", "[[0,3]]");
    assert_bad("[[3,5]]", "[[3,5],[5,6]]");
    assert_bad("[[3,5]]", "[]");
    assert_bad("[[3,5]]", "[[3]]");
    assert_bad("[[3,5]]", "7");
    assert_bad("\"channel_id\":\"a\"", "\"channel_id\":\"\"");
    assert_bad("\"channel_id\":\"a\"", "\"channel_id\":null");
    assert_bad("\"channel_type\":2", "\"channel_type\":256");
    assert_bad("\"reason\":\"journal\"", "\"reason\":\"journal\",\"reason\":\"x\"");
    assert_bad("\"reason\":\"journal\"", "\"why\":\"journal\"");
    struct journal journal;
    journal_init(&journal);
    static const char *const bad[] = {"",
                                      "[]",
                                      "{",
                                      "{\"slot\":2,\"after_index\":0,\"through_index\":1}",
                                      "{\"slot\":0,\"after_index\":2,\"through_index\":1}",
                                      "{\"slot\":0,\"through_index\":1}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(add(&journal, bad[i]) == ERR_CORRUPT, "%s", bad[i]);
    journal_done(&journal);
}
END_TEST

START_TEST(order_and_overlaps_do_not_matter)
{
    struct journal journal;
    struct buf buf = BUF_INIT;
    journal_init(&journal);
    static const uint64_t indexes[] = {9, 4, 9, 12};
    static const uint64_t afters[] = {8, 0, 4,
                                      9}; /* 9 again, exported before 5..8 were collected */
    for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
        line_delete(&buf, "a", indexes[i], afters[i], 3, 5, 777);
        ck_assert_int_eq(add_buf(&journal, &buf), OK);
    }
    line_mark(&buf, old_slot("a"), 12, 12);
    ck_assert_int_eq(add_buf(&journal, &buf), OK);
    line_mark(&buf, 1 - old_slot("a"), 0, 3);
    ck_assert_int_eq(add_buf(&journal, &buf), OK);
    ck_assert_int_eq(journal_sort(&journal, NULL), OK);
    uint32_t from, to;
    journal_slot(&journal, old_slot("a"), &from, &to);
    ck_assert_uint_eq(to - from, 4);
    ck_assert_uint_eq(journal.records[from].log_index, 4);
    ck_assert_uint_eq(journal.records[from + 1].log_index, 9);
    ck_assert_uint_eq(journal.records[from + 1].after_index, 4);
    ck_assert_uint_eq(journal.records[from + 2].log_index, 12);
    ck_assert(journal.records[from + 3].is_mark);
    line_delete(&buf, "a", 9, 4, 3, 6, 777); /* another delete under the same index */
    ck_assert_int_eq(add_buf(&journal, &buf), OK);
    ck_assert_int_eq(journal_sort(&journal, NULL), ERR_CORRUPT);
    buf_done(&buf);
    journal_done(&journal);
}
END_TEST

START_TEST(cut_files_are_refused)
{
    char *dir = unit_temp_dir(), path[600];
    struct journal journal;
    struct why why = {0};
    struct buf buf = BUF_INIT;
    snprintf(path, sizeof(path), "%s/journal", dir);
    journal_init(&journal);
    ck_assert_int_eq(journal_read(&journal, path, OLD_SLOTS, NULL), ERR_NOT_FOUND);
    line_delete(&buf, "a", 9, 4, 3, 5, 777);
    line_delete(&buf, "a", 10, 9, 3, 5, 777);
    buf.len--;
    write_file(path, &buf);
    ck_assert_int_eq(journal_read(&journal, path, OLD_SLOTS, &why), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, "line 2"));
    memset(buf_extend(&buf, JOURNAL_LINE_MAX_BYTES + 10), ' ', JOURNAL_LINE_MAX_BYTES + 10);
    write_file(path, &buf);
    ck_assert_int_eq(journal_read(&journal, path, OLD_SLOTS, NULL), ERR_CORRUPT);
    buf_done(&buf);
    journal_done(&journal);
    free(dir);
}
END_TEST

Suite *suite_journal(void)
{
    return UNIT_SUITE("journal", 30, lines_are_read, bad_lines_are_refused,
                      order_and_overlaps_do_not_matter, cut_files_are_refused);
}
