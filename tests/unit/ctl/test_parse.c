/* SPDX-License-Identifier: Apache-2.0 */
/* Channels, ranges and the answer to a question, as people write them. */
#include "ctl/command.h"
#include "suites.h"

START_TEST(test_channels)
{
    static const struct {
        const char *text, *path;
    } rows[] = {{"2/room-1", "/v1/channels/2/room-1"},
                {"0/a/b", "/v1/channels/0/a%2Fb"},
                {"255/u1@u2", "/v1/channels/255/u1%40u2"},
                {"1/..", "/v1/channels/1/%2E%2E"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ctl_channel channel;
        struct buf path = BUF_INIT;
        ck_assert_int_eq(ctl_parse_channel(rows[i].text, &channel, NULL), OK);
        ctl_channel_path(&channel, "", &path);
        ck_assert_str_eq(buf_string(&path), rows[i].path);
        buf_done(&path);
    }
    static const char *const wrong[] = {"",      "room", "/room", "2/",
                                        "256/a", "-1/a", "2 /a",  "2/a\n"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct ctl_channel channel;
        ck_assert_msg(ctl_parse_channel(wrong[i], &channel, NULL) == ERR_BAD_CHANNEL, "'%s'",
                      wrong[i]);
    }
}
END_TEST

START_TEST(test_ranges)
{
    uint64_t start = 0, end = 0;
    ck_assert_int_eq(ctl_parse_range("7", &start, &end, NULL), OK);
    ck_assert(start == 7 && end == 7);
    ck_assert_int_eq(ctl_parse_range("100-200", &start, &end, NULL), OK);
    ck_assert(start == 100 && end == 200);
    static const char *const wrong[] = {"",
                                        "0",
                                        "0-5",
                                        "5-4",
                                        "5-",
                                        "-5",
                                        "a",
                                        "1-2-3",
                                        "1 - 2",
                                        "99999999999999999999",
                                        "1-99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        ck_assert_msg(ctl_parse_range(wrong[i], &start, &end, NULL) == ERR_BAD_RANGE, "'%s'",
                      wrong[i]);
}
END_TEST

START_TEST(test_yes_and_no)
{
    ck_assert(ctl_is_yes("y\n") && ctl_is_yes(" YES \n") && ctl_is_yes("Yes"));
    ck_assert(!ctl_is_yes("") && !ctl_is_yes("\n") && !ctl_is_yes("n\n") &&
              !ctl_is_yes("yesterday"));
}
END_TEST

START_TEST(test_problems)
{
    struct buf out = BUF_INIT;
    ctl_print_problem(410,
                      bytes_of_string("{\"code\":\"seq_deleted\",\"title\":\"t\",\"detail\":\"d\","
                                      "\"request_id\":\"r1\"}"),
                      &out);
    ck_assert_str_eq(buf_string(&out), "410 seq_deleted: d (request r1)");
    buf_clear(&out);
    ctl_print_problem(502, bytes_of_string("<html>bad gateway</html>"), &out);
    ck_assert_str_eq(buf_string(&out), "502: <html>bad gateway</html>");
    buf_done(&out);
}
END_TEST

Suite *suite_parse(void)
{
    return UNIT_SUITE("parse", 10, test_channels, test_ranges, test_yes_and_no, test_problems);
}
