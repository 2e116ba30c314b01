/* SPDX-License-Identifier: Apache-2.0 */
/* What is written is what is read; damaged files are refused with the line; payloads name
 * themselves. */
#include "bench/journal.h"
#include "suites.h"
#include "sys/file.h"

#include <stdio.h>
#include <stdlib.h>

static const struct journal_head head = {
    .run = "r1234abcd", .prefix = "p-", .size = 64, .channels = 3, .channel_type = 2};

struct collected {
    struct journal_event events[8];
    size_t count;
};

static void collect(const struct journal_event *event, void *arg)
{
    struct collected *collected = arg;
    ck_assert_uint_lt(collected->count, 8);
    collected->events[collected->count++] = *event;
}

START_TEST(test_events_come_back)
{
    static const struct journal_event events[] = {
        {.kind = 'A', .channel = 0, .client = 7, .number = 1, .seq = 99},
        {.kind = 'U', .channel = 1, .client = 8, .number = 18446744073709551615ull},
        {.kind = 'R', .channel = 2, .client = 0, .number = 0},
        {.kind = 'D', .channel = 2, .number = 1, .seq = 50},
        {.kind = 'E', .channel = 0, .number = 3, .seq = 3}};
    struct journal *journal = NULL;
    struct journal_head got;
    struct collected collected = {.count = 0};
    struct buf lines = BUF_INIT;
    ck_assert_int_eq(journal_create(NULL, &head, &journal, NULL), OK);
    for (size_t i = 0; i < 5; i++)
        journal_print(&lines, &events[i]);
    ck_assert_int_eq(journal_write(journal, &lines), OK);
    ck_assert_uint_eq(lines.len, 0);
    ck_assert_int_eq(journal_close(journal, NULL), OK);
    ck_assert_int_eq(journal_read(NULL, journal, &got, collect, &collected, NULL), OK);
    ck_assert_str_eq(got.run, head.run);
    ck_assert_str_eq(got.prefix, head.prefix);
    ck_assert_uint_eq(got.size, 64);
    ck_assert_uint_eq(collected.count, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(collected.events[i].kind, events[i].kind);
        ck_assert_uint_eq(collected.events[i].channel, events[i].channel);
        ck_assert_uint_eq(collected.events[i].client, events[i].client);
        ck_assert_uint_eq(collected.events[i].number, events[i].number);
        ck_assert_uint_eq(collected.events[i].seq, events[i].seq);
    }
    buf_done(&lines);
    journal_free(journal);
}
END_TEST

START_TEST(test_damaged_files_are_refused)
{
    static const char good[] = "lethe-bench-journal 1 run=r1 prefix=p size=64 channels=3 type=2\n";
    static const char *const rows[][2] = {
        {"", "no journal"},        {"hello\n", "no journal"},
        {"A 0 1 2", "line 2"},     {"A 0 1 2 3 4\n", "line 2"},
        {"X 0 1 2 3\n", "line 2"}, {"A 0 1 2 3\nA 3 1 2 3\n", "line 3"},
        {"\n", "line 2"}};
    char *dir = unit_temp_dir();
    char path[600], text[1000];
    snprintf(path, sizeof(path), "%s/j", dir);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct journal_head got;
        struct why why = {0};
        struct collected collected = {.count = 0};
        snprintf(text, sizeof(text), "%s%s", i < 2 ? "" : good, rows[i][0]);
        ck_assert_int_eq(file_write_atomic(path, bytes_of_string(text), 0600, NULL), OK);
        ck_assert_int_eq(journal_read(path, NULL, &got, collect, &collected, &why), ERR_BAD_FORMAT);
        ck_assert_msg(strstr(why.text, rows[i][1]) != NULL, "%zu: %s", i, why.text);
    }
    free(dir);
}
END_TEST

START_TEST(test_payloads_name_themselves)
{
    struct buf one = BUF_INIT, two = BUF_INIT;
    uint32_t client = 0;
    uint64_t number = 0;
    for (size_t size = 32; size < 10000; size = size * 3 + 1) {
        buf_clear(&one);
        buf_clear(&two);
        journal_payload("r1234abcd", 4711, 1234567, size, &one);
        journal_payload("r1234abcd", 4711, 1234567, size, &two);
        ck_assert_uint_eq(one.len, size);
        ck_assert(bytes_is_equal(buf_bytes(&one), buf_bytes(&two)));
        ck_assert(journal_parse_payload("r1234abcd", buf_bytes(&one), &client, &number));
        ck_assert_uint_eq(client, 4711);
        ck_assert_uint_eq(number, 1234567);
        ck_assert(!journal_parse_payload("r1234abce", buf_bytes(&one), &client, &number));
    }
    static const char *const strange[] = {"",      "r1",     "r1 ",     "r1 5",
                                          "r1 5 ", "r1 5 6", "r1 x 6 ", "r15 6 7 "};
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
        ck_assert_msg(!journal_parse_payload("r1", bytes_of_string(strange[i]), &client, &number),
                      "%s", strange[i]);
    buf_done(&one);
    buf_done(&two);
}
END_TEST

Suite *suite_journal(void)
{
    return UNIT_SUITE("journal", 10, test_events_come_back, test_damaged_files_are_refused,
                      test_payloads_name_themselves);
}
