/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include "base/check.h"
#include "base/rng.h"
#include "base/utf8.h"

/* Writes any number as UTF-8 would, right or wrong, in `len` bytes. */
static void put_point(uint32_t point, size_t len, uint8_t ret_bytes[4])
{
    static const uint8_t leads[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i-- > 1;) {
        ret_bytes[i] = (uint8_t)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    ret_bytes[0] = (uint8_t)(leads[len] | point);
}

/* Counts what is judged wrongly: an assert for each of millions would take too long. */
static unsigned faults_of(uint32_t point)
{
    size_t right = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    bool is_valid = point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    unsigned faults = 0;
    uint8_t bytes[4];
    for (size_t len = right; len <= 4; len++) {
        put_point(point, len, bytes);
        /* Only the shortest form is right. */
        faults += utf8_is_valid(bytes_of(bytes, len)) != (is_valid && len == right);
    }
    put_point(point, right, bytes);
    bool is_control = point < 0x20 || (point >= 0x7f && point < 0xa0);
    faults += utf8_has_control(bytes_of(bytes, right)) != is_control;
    for (size_t cut = 1; cut < right; cut++)
        faults += utf8_is_valid(bytes_of(bytes, cut));
    return faults;
}

START_TEST(every_code_point_in_every_length)
{
    for (uint32_t point = 0; point < 0x200000; point++) {
        unsigned faults = faults_of(point);
        if (faults > 0)
            ck_abort_msg("%u faults at U+%04X", faults, point);
    }
}
END_TEST

START_TEST(a_fault_shows_wherever_it_is)
{
    uint8_t text[40];
    for (size_t len = 1; len <= sizeof(text); len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', sizeof(text));
            ck_assert(utf8_is_valid(bytes_of(text, len)));
            ck_assert(!utf8_has_control(bytes_of(text, len)));
            text[at] = 0x80;
            ck_assert(!utf8_is_valid(bytes_of(text, len)));
            ck_assert(!utf8_has_control(bytes_of(text, len))); /* it is not even text */
            text[at] = 0x1f;
            ck_assert(utf8_has_control(bytes_of(text, len)));
        }
    }
    ck_assert(utf8_is_valid(BYTES_NONE));
    ck_assert(!utf8_has_control(BYTES_NONE));
    ck_assert(!utf8_has_control(bytes_of_string("a\nb\xff")));
    const char *const bad[] = {"\xc3\x28",     "\xe2\x82",         "\xe2\x28\xa1",
                               "\xf0\x28\x8c", "\xf8\x88\x80\x80", "\xfe"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert(!utf8_is_valid(bytes_of_string(bad[i])));
}
END_TEST

Suite *suite_utf8(void)
{
    return UNIT_SUITE("utf8", 60, every_code_point_in_every_length, a_fault_shows_wherever_it_is);
}
