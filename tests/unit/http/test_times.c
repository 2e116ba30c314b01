/* SPDX-License-Identifier: Apache-2.0 */
/* The three ways to write a time, and durations. */
#include "http/times.h"
#include "base/check.h"
#include "suites.h"

#define NOW 1760000000000ull

START_TEST(reads_times)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = {{"1970-01-01T00:00:00Z", 0},
                {"2000-02-29T12:34:56Z", 951827696000},
                {"2024-02-29T23:59:59.999Z", 1709251199999},
                {"2026-01-01T00:00:00Z", 1767225600000},
                {"2026-01-01t00:00:00z", 1767225600000},
                {"2026-01-01 00:00:00Z", 1767225600000},
                {"2026-01-01T01:00:00+01:00", 1767225600000},
                {"2026-01-01T01:00:00 01:00", 1767225600000},
                {"2025-12-31T16:30:00-07:30", 1767225600000},
                {"2026-01-01T00:00:00.5Z", 1767225600500},
                {"2026-01-01T00:00:00.123456789Z", 1767225600123},
                {"9999-12-31T23:59:59.999Z", 253402300799999},
                {"0", 0},
                {"1760000000123", 1760000000123},
                {"-1h", NOW - 3600000},
                {"-30d", NOW - 30ull * 86400000},
                {"-250ms", NOW - 250},
                {"-90", NOW - 90000}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t ms = 1;
        ck_assert_msg(times_parse(bytes_of_string(rows[i].text), NOW, &ms), "'%s'", rows[i].text);
        ck_assert_msg(ms == rows[i].ms, "'%s' is %llu", rows[i].text, (unsigned long long)ms);
    }
}
END_TEST

START_TEST(refuses_bad_times)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "now",
                                      "2026-01-01",
                                      "2026-01-01T00:00:00",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-01-32T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:60:00Z",
                                      "2026-01-01T00:00:61Z",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00+1:00",
                                      "2026-01-01T00:00:00+25:00",
                                      "2026-01-01T00:00:00ZZ",
                                      "2026/01/01T00:00:00Z",
                                      "1969-12-31T23:59:59Z",
                                      "1.5",
                                      "-1y",
                                      "-1 h",
                                      "--1h",
                                      "1h",
                                      "+5",
                                      "253402300800000",
                                      "-9999999999999d"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t ms = 1;
        ck_assert_msg(!times_parse(bytes_of_string(bad[i]), NOW, &ms), "accepted '%s'", bad[i]);
        ck_assert_uint_eq(ms, 1);
    }
}
END_TEST

START_TEST(durations)
{
    uint64_t ms = 0;
    ck_assert(times_parse_duration(bytes_of_string("2s"), 60000, &ms) && ms == 2000);
    ck_assert(times_parse_duration(bytes_of_string("1m"), 60000, &ms) && ms == 60000);
    ck_assert(times_parse_duration(bytes_of_string("7"), 60000, &ms) && ms == 7000);
    ck_assert(times_parse_duration(bytes_of_string("500ms"), 60000, &ms) && ms == 500);
    ck_assert(!times_parse_duration(bytes_of_string("61s"), 60000, &ms));
    ck_assert(!times_parse_duration(bytes_of_string("s"), 60000, &ms));
    ck_assert(!times_parse_duration(bytes_of_string("-1s"), 60000, &ms));
    ck_assert(!times_parse_duration(bytes_of_string("1.5s"), 60000, &ms));
    ck_assert(!times_parse_duration(bytes_of_string("18446744073709551615d"), UINT64_MAX, &ms));
}
END_TEST

Suite *suite_times(void)
{
    return UNIT_SUITE("times", 10, reads_times, refuses_bad_times, durations);
}
