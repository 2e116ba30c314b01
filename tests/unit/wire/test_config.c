/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: memberships survive being written, and nothing that is out of order or out of bounds is
 * taken for one. */
#include "tests/unit/wire/damage.h"
#include "tests/unit/wire/probe.h"
#include "tests/unit/wire/values.h"
#include "unit.h"
#include "wire/config.h"
#include "wire/limits.h"

#include "base/alloc.h"
#include "base/crc.h"

#include <stdio.h>

START_TEST(round_trip)
{
    struct rng rng = rng_of(31);
    for (int i = 0; i < 20000; i++) {
        struct raft_config config, again;
        gen_config(&rng, &config);
        struct buf buf = BUF_INIT;
        wire_config_encode(&buf, &config);
        ck_assert_uint_le(buf.len, WIRE_CONFIG_MAX_BYTES);
        memset(&again, 0xff, sizeof(again));
        ck_assert_int_eq(wire_config_decode(buf_bytes(&buf), &again, NULL), OK);
        ck_assert(same_config(&config, &again));
        for (uint8_t k = again.voters_count; k < RAFT_MEMBERS_MAX; k++)
            ck_assert_uint_eq(again.voters[k], 0);
        buf_done(&buf);
    }
}
END_TEST

START_TEST(damage_is_noticed)
{
    struct rng rng = rng_of(32);
    for (int i = 0; i < 50; i++) {
        struct raft_config config;
        gen_config(&rng, &config);
        struct blob *blob = wire_config_blob(&config);
        ck_assert(probe_config(blob_bytes(blob)));
        ck_assert_uint_eq(damage_all(blob_bytes(blob), probe_config), 0);
        blob_unref(blob);
    }
}
END_TEST

/* The lists (hex) under a good checksum. */
static enum err decode_lists(const char *hex, uint8_t version)
{
    size_t len;
    uint8_t *lists = damage_unhex(hex, &len);
    struct buf buf = BUF_INIT;
    struct raft_config config;
    buf_put_u8(&buf, version);
    buf_put_le32(&buf, crc32c(bytes_of(lists, len)));
    buf_append(&buf, lists, len);
    enum err err = wire_config_decode(buf_bytes(&buf), &config, NULL);
    buf_done(&buf);
    free(lists);
    return err;
}

START_TEST(impossible_lists)
{
    ck_assert_int_eq(decode_lists("00000000", 1), OK);
    ck_assert_int_eq(decode_lists("03010203000000", 1), OK);
    ck_assert_int_eq(decode_lists("0701020304050607000000", 1), OK);
    ck_assert_int_eq(decode_lists("01ffff03000000", 1), OK);
    ck_assert_int_eq(decode_lists("03010203000000", 2), ERR_WRONG_FORMAT);
    ck_assert_int_eq(decode_lists("03010203000000", 0), ERR_WRONG_FORMAT);
    ck_assert_int_eq(decode_lists("080102030405060708000000", 1), ERR_BAD_FORMAT);
    ck_assert_int_eq(decode_lists("03010302000000", 1), ERR_BAD_FORMAT);
    ck_assert_int_eq(decode_lists("03010202000000", 1), ERR_BAD_FORMAT);
    ck_assert_int_eq(decode_lists("0100000000", 1), ERR_BAD_FORMAT);
    ck_assert_int_eq(decode_lists("01808004000000", 1), ERR_BAD_FORMAT); /* 65536 */
    ck_assert_int_eq(decode_lists("0301020300000000", 1), ERR_BAD_FORMAT);
    ck_assert_int_eq(decode_lists("030102030000", 1), ERR_BAD_FORMAT);

    /* As many as a byte can say, and all there: they must not be written behind the arrays. */
    char many[2 * 260 + 1] = "ff";
    for (int i = 1; i <= 255; i++)
        snprintf(many + 2 * i, 3, "%02x", i % 128);
    memcpy(many + 512, "000000", 7);
    ck_assert_int_eq(decode_lists(many, 1), ERR_BAD_FORMAT);

    struct raft_config config = {.voters = {1, 2, 2}, .voters_count = 2};
    ck_assert(wire_config_is_valid(&config));
    config.voters_count = 3;
    ck_assert(!wire_config_is_valid(&config));
    config.voters_count = RAFT_MEMBERS_MAX + 1;
    ck_assert(!wire_config_is_valid(&config));
}
END_TEST

Suite *suite_config(void);
Suite *suite_config(void)
{
    return UNIT_SUITE("config", 60, round_trip, damage_is_noticed, impossible_lists);
}
