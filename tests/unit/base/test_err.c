/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <string.h>

#include "base/err.h"

START_TEST(each_row_is_whole)
{
    const char *letters = "abcdefghijklmnopqrstuvwxyz0123456789_";
    for (int i = 0; i < ERR_COUNT; i++) {
        const char *slug = err_slug((enum err)i);
        const char *sentence = err_sentence((enum err)i);
        ck_assert_ptr_nonnull(slug);
        ck_assert_uint_eq(strspn(slug, letters), strlen(slug));
        ck_assert_uint_gt(strlen(sentence), 0);
        /* Others put words before it: no capital, no full stop. */
        ck_assert_msg(sentence[0] >= 'a' && sentence[0] <= 'z', "%s", sentence);
        ck_assert_msg(sentence[strlen(sentence) - 1] != '.', "%s", sentence);
        ck_assert_int_eq(err_kind((enum err)i) == ERR_KIND_NONE, i == OK);
    }
}
END_TEST

START_TEST(slugs_lead_back)
{
    for (int i = 0; i < ERR_COUNT; i++)
        ck_assert_int_eq(err_from_slug(err_slug((enum err)i)), i);
    ck_assert_int_eq(err_from_slug("from_a_later_version"), ERR_INTERNAL);
    ck_assert_int_eq(err_from_slug(""), ERR_INTERNAL);
}
END_TEST

START_TEST(kinds_say_what_may_be_concluded)
{
    ck_assert_int_eq(err_kind(ERR_NO_LEADER), ERR_KIND_REFUSED);
    ck_assert_int_eq(err_kind(ERR_PROVEN_LOST), ERR_KIND_REFUSED);
    ck_assert_int_eq(err_kind(ERR_OUTCOME_UNKNOWN), ERR_KIND_UNKNOWN);
    ck_assert_int_eq(err_kind(ERR_DISK_FAILED), ERR_KIND_BROKEN);
    ck_assert_int_eq(err_kind(ERR_SEQ_DELETED), ERR_KIND_STATE);
    ck_assert_int_eq(err_kind(ERR_BAD_JSON), ERR_KIND_INPUT);
    ck_assert_str_eq(err_slug(ERR_NO_LEADER), "no_leader");
    ck_assert_str_eq(err_slug(OK), "ok");
}
END_TEST

static void ask_outside(void)
{
    volatile int number = ERR_COUNT;
    err_slug((enum err)number);
}

START_TEST(a_number_outside_aborts)
{
    ck_assert_int_eq(dies(ask_outside), 1);
}
END_TEST

Suite *suite_err(void)
{
    return UNIT_SUITE("err", 10, each_row_is_whole, slugs_lead_back,
                      kinds_say_what_may_be_concluded, a_number_outside_aborts);
}
