/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <string.h>

#include "base/why.h"

START_TEST(sets_and_wraps)
{
    struct why why = {OK, ""};
    ck_assert_int_eq(why_set(&why, ERR_CORRUPT, "row %d fails its checksum", 7), ERR_CORRUPT);
    ck_assert_int_eq(why.err, ERR_CORRUPT);
    ck_assert_str_eq(why.text, "row 7 fails its checksum");
    ck_assert_int_eq(why_wrap(&why, "open store '%s'", "data"), ERR_CORRUPT);
    ck_assert_str_eq(why.text, "open store 'data': row 7 fails its checksum");
}
END_TEST

START_TEST(nobody_need_listen)
{
    ck_assert_int_eq(why_set(NULL, ERR_LOCKED, "%s", "unheard"), ERR_LOCKED);
    ck_assert_int_eq(why_wrap(NULL, "%s", "unheard"), ERR_INTERNAL);
}
END_TEST

START_TEST(long_texts_are_cut)
{
    struct why why;
    char text[600];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    why_set(&why, ERR_IO, "%s", text);
    ck_assert_uint_eq(strlen(why.text), sizeof(why.text) - 1);
    for (int i = 0; i < 100; i++) {
        why_wrap(&why, "outer %d", i);
        ck_assert_uint_lt(strlen(why.text), sizeof(why.text));
    }
    ck_assert_int_eq(strncmp(why.text, "outer 99: outer 98: ", 20), 0);
    why_wrap(&why, "%s", text); /* the outer words alone are too long */
    ck_assert_uint_eq(strlen(why.text), sizeof(why.text) - 1);
    ck_assert_int_eq(why.err, ERR_IO);
    /* Every length of outer words, up to and beyond the one that just fits. */
    for (int len = 240; len < 260; len++) {
        why_set(&why, ERR_IO, "inner");
        why_wrap(&why, "%.*s", len, text);
        ck_assert_uint_lt(strlen(why.text), sizeof(why.text));
    }
}
END_TEST

Suite *suite_why(void)
{
    return UNIT_SUITE("why", 10, sets_and_wraps, nobody_need_listen, long_texts_are_cut);
}
