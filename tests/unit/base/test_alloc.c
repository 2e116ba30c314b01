/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

START_TEST(nothing_is_never_null)
{
    void *all[] = {alloc(0),
                   alloc_zero(0),
                   alloc_array(0, 8),
                   alloc_array(8, 0),
                   alloc_resize(NULL, 0, 1),
                   alloc_copy(NULL, 0)};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        ck_assert_ptr_nonnull(all[i]);
        free(all[i]);
    }
}
END_TEST

START_TEST(zeroed_is_zero)
{
    uint64_t *numbers = alloc_array(1000, sizeof(*numbers));
    uint8_t *bytes = alloc_zero(1000);
    for (size_t i = 0; i < 1000; i++) {
        ck_assert_uint_eq(numbers[i], 0);
        ck_assert_uint_eq(bytes[i], 0);
    }
    free(numbers);
    free(bytes);
}
END_TEST

START_TEST(resize_keeps_the_content)
{
    uint32_t *numbers = NULL;
    for (uint32_t count = 1; count <= 1000; count++) {
        numbers = alloc_resize(numbers, count, sizeof(*numbers));
        numbers[count - 1] = count * 7;
    }
    for (uint32_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(numbers[i], (i + 1) * 7);
    free(numbers);
}
END_TEST

START_TEST(strings_are_copied)
{
    char from[] = "channel";
    char *whole = alloc_string(from);
    char *part = alloc_string_len(from, 4);
    char *nothing = alloc_string_len(NULL, 0);
    from[0] = 'X';
    ck_assert_str_eq(whole, "channel");
    ck_assert_str_eq(part, "chan");
    ck_assert_str_eq(nothing, "");
    free(whole);
    free(part);
    free(nothing);
}
END_TEST

static void ask_too_much(void)
{
    volatile size_t size = SIZE_MAX / 4;
    free(alloc(size));
}

static void overflow_resize(void)
{
    volatile size_t count = SIZE_MAX / 2;
    free(alloc_resize(NULL, count, 4));
}

static void overflow_array(void)
{
    volatile size_t count = SIZE_MAX / 2;
    free(alloc_array(count, 4));
}

START_TEST(too_much_aborts)
{
    ck_assert_int_eq(dies(ask_too_much), 1);
    ck_assert_int_eq(dies(overflow_resize), 1);
    ck_assert_int_eq(dies(overflow_array), 1);
}
END_TEST

Suite *suite_alloc(void)
{
    return UNIT_SUITE("alloc", 20, nothing_is_never_null, zeroed_is_zero, resize_keeps_the_content,
                      strings_are_copied, too_much_aborts);
}
