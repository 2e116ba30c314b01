/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <stdio.h>
#include <zlib.h>

#include "base/channel.h"

static struct channel named(const char *id)
{
    return (struct channel){2, bytes_of_string(id)};
}

START_TEST(slot_is_the_ieee_crc_of_the_id)
{
    /* 0xcbf43926 = 3421780262 is the CRC-32 of these digits. */
    ck_assert_uint_eq(channel_slot(named("123456789"), 256), 3421780262u % 256);
    ck_assert_uint_eq(channel_slot(named("123456789"), 4096), 3421780262u % 4096);
    ck_assert_uint_eq(channel_slot(named("123456789"), 1), 0);
    struct channel other_type = {1, bytes_of_string("123456789")};
    ck_assert_uint_eq(channel_slot(other_type, 256), channel_slot(named("123456789"), 256));
    unsigned hits[16] = {0};
    for (int i = 0; i < 16000; i++) {
        char id[24];
        snprintf(id, sizeof(id), "group%d", i);
        uint32_t slot = channel_slot(named(id), 16);
        ck_assert_uint_eq(slot, crc32(0, (const Bytef *)id, (uInt)strlen(id)) % 16);
        hits[slot]++;
    }
    for (int i = 0; i < 16; i++)
        ck_assert_uint_gt(hits[i], 800); /* spread, not piled up */
}
END_TEST

START_TEST(names_are_checked)
{
    struct why why = {OK, ""};
    char longest[CHANNEL_ID_MAX_BYTES + 2];
    memset(longest, 'a', sizeof(longest));
    struct channel channel = {1, bytes_of(longest, CHANNEL_ID_MAX_BYTES)};
    ck_assert_int_eq(channel_check(channel, &why), OK);
    ck_assert_int_eq(channel_check(named("\xe4\xb8\xad a/b%"), &why), OK);
    ck_assert_int_eq(why.err, OK);
    channel.id.len++;
    ck_assert_int_eq(channel_check(channel, &why), ERR_BAD_CHANNEL);
    ck_assert_str_eq(why.text, "'channel_id' of 256 bytes is longer than 255");
    const char *const bad[] = {"", "a\nb", "\x7f", "\xc2\x85", "\xff", "a\xc3"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        why = (struct why){OK, ""};
        ck_assert_int_eq(channel_check(named(bad[i]), &why), ERR_BAD_CHANNEL);
        ck_assert_int_eq(why.err, ERR_BAD_CHANNEL);
        ck_assert_int_eq(channel_check(named(bad[i]), NULL), ERR_BAD_CHANNEL);
    }
    struct channel with_nul = {1, bytes_of("a\0b", 3)};
    ck_assert_int_eq(channel_check(with_nul, NULL), ERR_BAD_CHANNEL);
}
END_TEST

START_TEST(type_and_id_make_it)
{
    struct channel a = {1, bytes_of_string("x")};
    struct channel b = {2, bytes_of_string("x")};
    struct channel c = {1, bytes_of_string("y")};
    ck_assert(channel_is_equal(a, a));
    ck_assert(!channel_is_equal(a, b));
    ck_assert(!channel_is_equal(a, c));
}
END_TEST

Suite *suite_channel(void)
{
    return UNIT_SUITE("channel", 10, slot_is_the_ieee_crc_of_the_id, names_are_checked,
                      type_and_id_make_it);
}
