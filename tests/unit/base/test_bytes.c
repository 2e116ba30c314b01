/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include "base/bytes.h"
#include "base/check.h"

START_TEST(order_is_that_of_memcmp)
{
    /* In rising order; each is held against each. */
    const struct bytes sorted[] = {BYTES_NONE,
                                   bytes_of("\0", 1),
                                   bytes_of("\0\0", 2),
                                   bytes_of_string("a"),
                                   bytes_of_string("ab"),
                                   bytes_of_string("b"),
                                   bytes_of_string("\x80"),
                                   bytes_of_string("\xff")};
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        for (size_t j = 0; j < ARRAY_LEN(sorted); j++) {
            int order = bytes_compare(sorted[i], sorted[j]);
            ck_assert_int_eq(order < 0, i < j);
            ck_assert_int_eq(order > 0, i > j);
            ck_assert_int_eq(bytes_is_equal(sorted[i], sorted[j]), i == j);
        }
    }
}
END_TEST

START_TEST(prefixes)
{
    ck_assert(bytes_has_prefix(bytes_of_string("abc"), bytes_of_string("ab")));
    ck_assert(bytes_has_prefix(bytes_of_string("abc"), bytes_of_string("abc")));
    ck_assert(bytes_has_prefix(bytes_of_string("abc"), BYTES_NONE));
    ck_assert(bytes_has_prefix(BYTES_NONE, BYTES_NONE));
    ck_assert(!bytes_has_prefix(bytes_of_string("ab"), bytes_of_string("abc")));
    ck_assert(!bytes_has_prefix(bytes_of_string("abc"), bytes_of_string("b")));
}
END_TEST

START_TEST(empty_is_equal_wherever_it_points)
{
    ck_assert(bytes_is_equal(BYTES_NONE, bytes_of_string("")));
    ck_assert_int_eq(bytes_compare(BYTES_NONE, bytes_of_string("")), 0);
}
END_TEST

Suite *suite_bytes(void)
{
    return UNIT_SUITE("bytes", 10, order_is_that_of_memcmp, prefixes,
                      empty_is_equal_wherever_it_points);
}
