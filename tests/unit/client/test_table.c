/* SPDX-License-Identifier: Apache-2.0 */
/* Tables align whatever is in them; progress lines say what they know. */
#include "client/progress.h"
#include "client/table.h"
#include "suites.h"

START_TEST(test_columns_align)
{
    static const char *const heads[] = {"NAME", ">COUNT", "NOTE"};
    struct client_table *table = client_table_new(heads, 3);
    struct buf out = BUF_INIT;
    client_table_addf(table, "a");
    client_table_addf(table, "%d", 5);
    client_table_addf(table, "x");
    client_table_addf(table, "l\xc3\xa4nger");
    client_table_addf(table, "%d", 1234567);
    client_table_addf(table, "%s", "");
    client_table_print(table, &out);
    ck_assert_str_eq(buf_string(&out), "NAME      COUNT  NOTE\n"
                                       "a             5  x\n"
                                       "l\xc3\xa4nger  1234567  \n");
    buf_done(&out);
    client_table_free(table);
    client_table_free(NULL);
}
END_TEST

/* Wide characters take two columns, marks over others none. */
START_TEST(test_wide_characters)
{
    static const char *const heads[] = {"A", "B"};
    struct client_table *table = client_table_new(heads, 2);
    static const char *const cells[] = {"\u6f22\u5b57", "e\u0301\u0301", "\U0001f600", "\u00fc"};
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < 4; i++) {
        client_table_addf(table, "%s", cells[i]);
        client_table_addf(table, "x");
    }
    client_table_print(table, &out);
    ck_assert_str_eq(buf_string(&out), "A     B\n\u6f22\u5b57  x\ne\u0301\u0301     x\n"
                                       "\U0001f600    x\n\u00fc     x\n");
    client_table_free(table);
    buf_done(&out);
}
END_TEST

START_TEST(test_control_characters_are_shown_as_marks)
{
    static const char *const heads[] = {"X"};
    struct client_table *table = client_table_new(heads, 1);
    struct buf out = BUF_INIT;
    client_table_add(table, bytes_of("\x1b[2J\n\x7f\xc2\x9b\xc2\xa9", 10));
    client_table_print(table, &out);
    ck_assert_str_eq(buf_string(&out), "X\n?[2J????\xc2\xa9\n");
    buf_done(&out);
    client_table_free(table);
}
END_TEST

START_TEST(test_numbers)
{
    char text[CLIENT_COUNT_SIZE];
    ck_assert_str_eq(client_count_text(0, text), "0");
    ck_assert_str_eq(client_count_text(999, text), "999");
    ck_assert_str_eq(client_count_text(1000, text), "1,000");
    ck_assert_str_eq(client_count_text(UINT64_MAX, text), "18,446,744,073,709,551,615");
    ck_assert_str_eq(client_size_text(1023, text), "1023 B");
    ck_assert_str_eq(client_size_text(1536, text), "1.5 KiB");
    ck_assert_str_eq(client_size_text(5ull << 40, text), "5.0 TiB");
}
END_TEST

START_TEST(test_progress)
{
    struct client_progress progress = {.label = "import", .unit = "messages", .total = 1000};
    struct buf out = BUF_INIT;
    client_progress_print(&progress, 250, 1000, 8, &out);
    ck_assert_str_eq(buf_string(&out), "import [##......] 25% 250 messages, 250/s, 4 s left");
    buf_clear(&out);
    client_progress_print(&progress, 1000, 2000, 0, &out);
    ck_assert_str_eq(buf_string(&out), "import 100% 1,000 messages, 500/s");
    buf_clear(&out);
    progress.total = 0;
    client_progress_print(&progress, 5, 0, 8, &out);
    ck_assert_str_eq(buf_string(&out), "import 5 messages, 0/s");
    buf_done(&out);
}
END_TEST

Suite *suite_table(void)
{
    return UNIT_SUITE("table", 10, test_columns_align, test_wide_characters,
                      test_control_characters_are_shown_as_marks, test_numbers, test_progress);
}
