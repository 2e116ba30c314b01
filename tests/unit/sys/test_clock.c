/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <time.h>

#include "base/check.h"
#include "sys/clock.h"

START_TEST(monotonic_never_falls)
{
    uint64_t before = clock_mono_ns();
    for (int i = 0; i < 100000; i++) {
        uint64_t now = clock_mono_ns();
        if (now < before)
            ck_abort_msg("the clock fell");
        before = now;
    }
}
END_TEST

START_TEST(units_agree)
{
    uint64_t ns = clock_mono_ns();
    uint64_t us = clock_mono_us();
    uint64_t ms = clock_mono_ms();
    ck_assert_uint_ge(us, ns / 1000);
    ck_assert_uint_ge(ms, us / 1000);
    ck_assert_uint_lt(ms - ns / 1000000, 5000);
    const struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
    ck_assert_uint_ge(clock_mono_ns() - ns, 20000000);
    uint64_t wall_ms = clock_wall_ms();
    ck_assert_uint_le((uint64_t)time(NULL) - wall_ms / 1000, 5);
}
END_TEST

START_TEST(formats_as_rfc_3339)
{
    const struct {
        uint64_t wall_ms;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00.000Z"},
                 {951782400007, "2000-02-29T00:00:00.007Z"},
                 {1709211296789, "2024-02-29T12:54:56.789Z"},
                 {253402300799999, "9999-12-31T23:59:59.999Z"},
                 {UINT64_MAX, "9999-12-31T23:59:59.999Z"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[CLOCK_TEXT_SIZE];
        clock_format(cases[i].wall_ms, text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

Suite *suite_clock(void)
{
    return UNIT_SUITE("clock", 20, monotonic_never_falls, units_agree, formats_as_rfc_3339);
}
