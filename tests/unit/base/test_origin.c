/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <string.h>

#include "base/check.h"
#include "base/origin.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define GOOD "00-" TRACE "-00f067aa0ba902b7-01"

static char trace[ORIGIN_TRACE_BYTES + 1];

static bool read_text(const char *text)
{
    memset(trace, 'x', sizeof(trace));
    return origin_read_traceparent(bytes_of_string(text), trace);
}

START_TEST(takes_what_the_specification_takes)
{
    static const char *const good[] = {
        GOOD,
        "00-" TRACE "-00f067aa0ba902b7-00",
        "00-" TRACE "-00f067aa0ba902b7-ff",
        "01-" TRACE "-00f067aa0ba902b7-01",
        "cc-" TRACE "-00f067aa0ba902b7-01-what-the-future-will-be-like",
        "fe-" TRACE "-00f067aa0ba902b7-01-",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ck_assert_msg(read_text(good[i]), "%s", good[i]);
        ck_assert_str_eq(trace, TRACE);
    }
}
END_TEST

START_TEST(ignores_what_the_specification_calls_invalid)
{
    static const char *const bad[] = {
        "",
        "00",
        TRACE,
        GOOD "-",
        GOOD "0",
        GOOD "-more",
        " " GOOD,
        GOOD " ",
        "ff-" TRACE "-00f067aa0ba902b7-01",
        "ff-" TRACE "-00f067aa0ba902b7-01-more",
        "0-" TRACE "-00f067aa0ba902b7-01",
        "0g-" TRACE "-00f067aa0ba902b7-01",
        "0A-" TRACE "-00f067aa0ba902b7-01",
        "01-" TRACE "-00f067aa0ba902b7-01.more",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-" TRACE "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-" TRACE "-00f067aa0ba902b7-0G",
        "00-" TRACE "-00f067aa0ba902b7-1",
        "00_" TRACE "-00f067aa0ba902b7-01",
        "00-" TRACE "_00f067aa0ba902b7-01",
        "00-" TRACE "-00f067aa0ba902b7_01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_msg(!read_text(bad[i]), "%s", bad[i]);
        ck_assert_str_eq(trace, "");
    }
}
END_TEST

/* No byte of a header of version 00 may be another one, but for digits of what it names. */
START_TEST(every_byte_counts)
{
    char text[sizeof(GOOD)];
    for (size_t at = 0; at < sizeof(GOOD) - 1; at++) {
        bool is_digit = GOOD[at] != '-';
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(text, GOOD, sizeof(GOOD));
            text[at] = (char)byte;
            bool is_hex = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
            bool is_right = is_digit ? is_hex : byte == '-';
            struct bytes bytes = bytes_of(text, sizeof(text) - 1);
            ck_assert_msg(origin_read_traceparent(bytes, trace) == is_right, "%zu: %u", at, byte);
        }
    }
    for (size_t len = 0; len < sizeof(GOOD) - 1; len++)
        ck_assert(!origin_read_traceparent(bytes_of(GOOD, len), trace));
}
END_TEST

START_TEST(ids_and_traces)
{
    char longest[ORIGIN_ID_MAX_BYTES + 1];
    memset(longest, 'a', sizeof(longest));
    ck_assert(origin_is_id(bytes_of(longest, ORIGIN_ID_MAX_BYTES)));
    ck_assert(!origin_is_id(bytes_of(longest, ORIGIN_ID_MAX_BYTES + 1)));
    ck_assert(origin_is_id(bytes_of_string("AZaz09._-")));
    static const char *const bad[] = {"", "a b", "a\n", "a=b", "\"", "\x7f", "\xc3\xa4", "a/b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!origin_is_id(bytes_of_string(bad[i])), "%s", bad[i]);
    ck_assert(origin_is_trace(bytes_of_string(TRACE)));
    ck_assert(!origin_is_trace(bytes_of_string(TRACE "0")));
    ck_assert(!origin_is_trace(bytes_of_string("")));
    ck_assert(!origin_is_trace(bytes_of_string("00000000000000000000000000000000")));
}
END_TEST

Suite *suite_origin(void)
{
    return UNIT_SUITE("origin", 10, takes_what_the_specification_takes,
                      ignores_what_the_specification_calls_invalid, every_byte_counts,
                      ids_and_traces);
}
