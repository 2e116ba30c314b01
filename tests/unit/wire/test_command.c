/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a command read back is the command written; damaged bytes are noticed; limits hold in
 * both directions; the time can be set without a second look at the body. */
#include "tests/unit/wire/damage.h"
#include "tests/unit/wire/probe.h"
#include "tests/unit/wire/values.h"
#include "unit.h"
#include "wire/limits.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <stdio.h>

START_TEST(round_trip)
{
    struct rng rng = rng_of(1);
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < 20000; i++) {
        struct command command, again;
        struct why why;
        gen_command(&rng, &arena, &command);
        ck_assert_int_eq(command_check(&command, NULL), OK);
        struct blob *blob = command_encode(&command);
        ck_assert_uint_eq(blob->len, command_size(&command));
        ck_assert_uint_eq(command_kind_of(blob_bytes(blob)), command.kind);
        if (command_decode(blob_bytes(blob), &arena, &again, &why) != OK)
            ck_abort_msg("command %d: %s", i, why.text);
        ck_assert(same_command(&command, &again));
        blob_unref(blob);
        arena_clear(&arena);
    }
    arena_done(&arena);
}
END_TEST

START_TEST(damage_is_noticed)
{
    struct rng rng = rng_of(2);
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < 60; i++) {
        struct command command;
        gen_command(&rng, &arena, &command);
        struct blob *blob = command_encode(&command);
        if (blob->len < 1500)
            ck_assert_uint_eq(damage_all(blob_bytes(blob), probe_command), 0);
        ck_assert(probe_command(blob_bytes(blob)));
        blob_unref(blob);
        arena_clear(&arena);
    }
    arena_done(&arena);
}
END_TEST

static bool probe_sealed(struct bytes bytes)
{
    uint8_t *copy = alloc_copy(bytes.data, bytes.len);
    probe_seal_command(copy, bytes.len);
    bool ret = probe_command(bytes_of(copy, bytes.len));
    free(copy);
    return ret;
}

/* With the right checksum the body's own checks are all that is left: whatever is accepted must
 * be a valid command. */
START_TEST(damage_under_a_good_checksum)
{
    struct rng rng = rng_of(3);
    struct arena arena;
    size_t accepted = 0;
    arena_init(&arena);
    for (int i = 0; i < 60; i++) {
        struct command command;
        gen_command(&rng, &arena, &command);
        struct blob *blob = command_encode(&command);
        if (blob->len < 1500)
            accepted += damage_all(blob_bytes(blob), probe_sealed);
        blob_unref(blob);
        arena_clear(&arena);
    }
    ck_assert_uint_gt(accepted, 1000);
    arena_done(&arena);
}
END_TEST

START_TEST(time_is_set_in_place)
{
    struct rng rng = rng_of(4);
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < 2000; i++) {
        struct command command, again;
        gen_command(&rng, &arena, &command);
        struct blob *blob = command_encode(&command);
        command.time_ms = gen_number(&rng);
        command_set_time(blob, command.time_ms);
        struct blob *whole = command_encode(&command);
        ck_assert(bytes_is_equal(blob_bytes(blob), blob_bytes(whole)));
        ck_assert_int_eq(command_decode(blob_bytes(blob), &arena, &again, NULL), OK);
        ck_assert(same_command(&command, &again));
        blob_unref(blob);
        blob_unref(whole);
        arena_clear(&arena);
    }
    arena_done(&arena);
}
END_TEST

static const struct command_message one_message = {.payload = {(const uint8_t *)"x", 1}};

static struct command append_of(struct command_part *part, const struct command_message *messages,
                                uint32_t count)
{
    *part = (struct command_part){.channel = {2, bytes_of_string("room")}};
    part->messages = messages;
    part->messages_count = count;
    struct command ret = {.kind = COMMAND_APPEND};
    ret.append.parts = part;
    ret.append.parts_count = 1;
    return ret;
}

START_TEST(appends_have_limits)
{
    struct command_message *many = alloc_array(ENTRY_MESSAGES_MAX + 1, sizeof(*many));
    struct command_part part, two[2];
    struct command command = append_of(&part, many, ENTRY_MESSAGES_MAX);
    ck_assert(command_check(&command, NULL) == OK);
    struct blob *blob = command_encode(&command);
    ck_assert(probe_command(blob_bytes(blob)));
    blob_unref(blob);

    command = append_of(&part, many, ENTRY_MESSAGES_MAX + 1);
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_PARAMETER);
    command = append_of(&part, many, 0);
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_PARAMETER);

    /* Two parts: the sum counts, and atomic is for one. */
    append_of(&two[0], many, ENTRY_MESSAGES_MAX);
    append_of(&two[1], many, 1);
    command.append.parts = two;
    command.append.parts_count = 2;
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_PARAMETER);
    two[0].messages_count = 1;
    ck_assert_int_eq(command_check(&command, NULL), OK);
    command.flags = COMMAND_ATOMIC;
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_PARAMETER);
    command.flags = COMMAND_CLAMP;
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_PARAMETER);
    free(many);
}
END_TEST

START_TEST(messages_have_limits)
{
    static const uint8_t zeros[COMMAND_MAX_BYTES];
    struct command_part part;
    struct command_message message = one_message;
    struct command command = append_of(&part, &message, 1);
    ck_assert_int_eq(command_check(&command, NULL), OK);
    message.from_uid = bytes_of(zeros, COMMAND_FROM_UID_MAX_BYTES + 1);
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_PARAMETER);
    message = one_message;
    message.client_msg_no = bytes_of(zeros, COMMAND_CLIENT_MSG_NO_MAX_BYTES + 1);
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_PARAMETER);
    message = one_message;
    message.topic = bytes_of(zeros, COMMAND_TOPIC_MAX_BYTES + 1);
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_PARAMETER);
    message = one_message;
    message.payload_encoding = 3;
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_PARAMETER);
    message = one_message;
    part.channel.id = bytes_of_string("a\nb");
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_CHANNEL);
    part.channel.id = BYTES_NONE;
    ck_assert_int_eq(command_check(&command, NULL), ERR_BAD_CHANNEL);
    part.channel.id = bytes_of_string("room");

    message.payload = bytes_of(zeros, COMMAND_MAX_BYTES);
    ck_assert_int_eq(command_check(&command, NULL), ERR_TOO_LARGE);
    message.payload.len -= command_size(&command) - COMMAND_MAX_BYTES;
    ck_assert_uint_eq(command_size(&command), COMMAND_MAX_BYTES);
    struct blob *blob = command_encode(&command);
    ck_assert(probe_command(blob_bytes(blob)));
    blob_unref(blob);
}
END_TEST

static enum err check_ranges(const struct range *ranges, uint32_t count)
{
    struct command command = {.kind = COMMAND_DELETE};
    command.delete_.channel = (struct channel){1, bytes_of_string("c")};
    command.delete_.ranges = ranges;
    command.delete_.ranges_count = count;
    enum err err = command_check(&command, NULL);
    if (err == OK) {
        struct blob *blob = command_encode(&command);
        ck_assert(probe_command(blob_bytes(blob)));
        blob_unref(blob);
    }
    return err;
}

START_TEST(ranges_are_ascending_and_merged)
{
    static const struct {
        struct range ranges[2];
        uint32_t count;
        enum err err;
    } rows[] = {
        {{{1, 1}}, 1, OK},
        {{{1, UINT64_MAX}}, 1, OK},
        {{{UINT64_MAX, UINT64_MAX}}, 1, OK},
        {{{1, 1}, {3, 3}}, 2, OK},
        {{{1, 4}, {UINT64_MAX, UINT64_MAX}}, 2, OK},
        {{{1, UINT64_MAX - 2}, {UINT64_MAX, UINT64_MAX}}, 2, OK},
        {{{0, 0}}, 0, ERR_BAD_PARAMETER},
        {{{0, 4}}, 1, ERR_BAD_PARAMETER},
        {{{5, 4}}, 1, ERR_BAD_PARAMETER},
        {{{1, 4}, {5, 6}}, 2, ERR_BAD_PARAMETER}, /* touching: not merged */
        {{{1, 4}, {4, 6}}, 2, ERR_BAD_PARAMETER},
        {{{8, 9}, {1, 2}}, 2, ERR_BAD_PARAMETER},
        {{{1, UINT64_MAX}, {1, 1}}, 2, ERR_BAD_PARAMETER},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_int_eq(check_ranges(rows[i].ranges, rows[i].count), rows[i].err);

    struct range *many = alloc_array(COMMAND_RANGES_MAX + 1, sizeof(*many));
    for (uint64_t i = 0; i <= COMMAND_RANGES_MAX; i++)
        many[i] = (struct range){1 + 2 * i, 1 + 2 * i};
    ck_assert_int_eq(check_ranges(many, COMMAND_RANGES_MAX), OK);
    ck_assert_int_eq(check_ranges(many, COMMAND_RANGES_MAX + 1), ERR_BAD_PARAMETER);
    free(many);
}
END_TEST

/* A count that lies must be refused before it makes anybody allocate. */
START_TEST(lying_counts)
{
    static const char *const bodies[] = {
        "ffffffff0f0002047465737401",     /* parts */
        "0100020161ff0f",                 /* messages */
        "0100020161ffffffffffffffffff01", /* messages */
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        size_t len;
        uint8_t *body = damage_unhex(bodies[i], &len);
        uint8_t *bytes = alloc_zero(COMMAND_HEADER_BYTES + len);
        bytes[0] = COMMAND_VERSION;
        bytes[1] = COMMAND_APPEND;
        memcpy(bytes + COMMAND_HEADER_BYTES, body, len);
        probe_seal_command(bytes, COMMAND_HEADER_BYTES + len);
        struct arena arena;
        struct command command;
        struct why why;
        arena_init(&arena);
        ck_assert_int_eq(
            command_decode(bytes_of(bytes, COMMAND_HEADER_BYTES + len), &arena, &command, &why),
            ERR_BAD_FORMAT);
        ck_assert_uint_lt(arena.used, 4096);
        arena_done(&arena);
        free(bytes);
        free(body);
    }
}
END_TEST

/* Parts may have 2,048 messages each, but not together: no memory for what is too many. */
START_TEST(messages_of_all_parts_count)
{
    struct buf buf = BUF_INIT;
    struct arena arena;
    struct command command;
    arena_init(&arena);
    buf_put_u8(&buf, COMMAND_VERSION);
    buf_put_u8(&buf, COMMAND_APPEND);
    memset(buf_extend(&buf, COMMAND_HEADER_BYTES - 2), 0, COMMAND_HEADER_BYTES - 2);
    buf_put_varint(&buf, 3);
    for (int part = 0; part < 3; part++) {
        buf_put_u8(&buf, 0);
        buf_put_u8(&buf, 1);
        buf_put_block(&buf, bytes_of_string("c"));
        buf_put_varint(&buf, ENTRY_MESSAGES_MAX);
        size_t len = (size_t)ENTRY_MESSAGES_MAX * (1 + COMMAND_SALT_BYTES + 1);
        memset(buf_extend(&buf, len), 0, len);
    }
    probe_seal_command(buf.data, buf.len);
    ck_assert_int_eq(command_decode(buf_bytes(&buf), &arena, &command, NULL), ERR_BAD_FORMAT);
    ck_assert_uint_lt(arena.used, ENTRY_MESSAGES_MAX * sizeof(struct command_message) + 4096);
    arena_done(&arena);
    buf_done(&buf);
}
END_TEST

/* A range behind the largest number, and bits without a meaning, are no command. */
START_TEST(impossible_bodies)
{
    static const struct {
        uint8_t kind;
        const char *body;
        bool good;
    } rows[] = {
        {COMMAND_DELETE, "0101630100ffffffffffffffffff01000000", false},
        {COMMAND_DELETE, "0101630100feffffffffffffffff01000000", true},
        {COMMAND_DELETE, "0101630200feffffffffffffffff010000000000", false},
        {COMMAND_DELETE, "0101630200feffffffffffffffff010500000000", false},
        {COMMAND_APPEND, "01000101630100000102030405060708090a0b0c0d0e0f00", true},
        {COMMAND_APPEND, "01020101630100000102030405060708090a0b0c0d0e0f00", false},
        {COMMAND_APPEND, "01000101630180000102030405060708090a0b0c0d0e0f00", false},
        {COMMAND_APPEND, "01000101630103000102030405060708090a0b0c0d0e0f00", false},
        {COMMAND_APPEND, "01000101630100000102030405060708090a0b0c0d0e0f0000", false},
        {COMMAND_RAISE_FLOOR, "0501", true},
        {COMMAND_RAISE_FLOOR, "0502", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len;
        uint8_t *body = damage_unhex(rows[i].body, &len);
        uint8_t *bytes = alloc_zero(COMMAND_HEADER_BYTES + len);
        bytes[0] = COMMAND_VERSION;
        bytes[1] = rows[i].kind;
        memcpy(bytes + COMMAND_HEADER_BYTES, body, len);
        probe_seal_command(bytes, COMMAND_HEADER_BYTES + len);
        ck_assert_msg(probe_command(bytes_of(bytes, COMMAND_HEADER_BYTES + len)) == rows[i].good,
                      "row %zu", i);
        free(bytes);
        free(body);
    }
}
END_TEST

START_TEST(unknown_versions_kinds_and_flags)
{
    struct command command = {.kind = COMMAND_CHECK, .check = {7}};
    struct blob *blob = command_encode(&command);
    struct arena arena;
    struct why why;
    arena_init(&arena);
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = {{0, 2}, {0, 0}, {1, 0}, {1, COMMAND_KIND_LAST + 1}, {1, 255}, {2, 1}, {3, 128}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t before = blob->data[rows[i].at];
        blob->data[rows[i].at] = rows[i].value;
        probe_seal_command(blob->data, blob->len);
        ck_assert_int_eq(command_decode(blob_bytes(blob), &arena, &command, &why),
                         ERR_WRONG_FORMAT);
        if (rows[i].at < 2)
            ck_assert_uint_eq(command_kind_of(blob_bytes(blob)), 0);
        blob->data[rows[i].at] = before;
    }
    ck_assert_uint_eq(command.check.id, 7);
    ck_assert_uint_eq(command_kind_of(BYTES_NONE), 0);
    command.kind = COMMAND_KIND_LAST + 1; /* of our own making, too */
    ck_assert_int_eq(command_check(&command, &why), ERR_BAD_PARAMETER);
    blob_unref(blob);
    arena_done(&arena);
}
END_TEST

Suite *suite_command(void);
Suite *suite_command(void)
{
    return UNIT_SUITE("command", 120, round_trip, damage_is_noticed, damage_under_a_good_checksum,
                      time_is_set_in_place, appends_have_limits, messages_have_limits,
                      ranges_are_ascending_and_merged, lying_counts, messages_of_all_parts_count,
                      impossible_bodies, unknown_versions_kinds_and_flags);
}
