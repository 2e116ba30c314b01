/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of channels: what goes, when, and what a clock that jumps may not do. */
#include "helpers.h"
#include "node/retention.h"

Suite *suite_retention(void);

enum { MINUTE_MS = 60000, DAY_MS = 24 * 3600 * 1000 };

static void set_limits(struct fakeworld *world, node_id id, uint64_t age_ms, uint64_t messages,
                       uint64_t bytes)
{
    struct command command = {.kind = COMMAND_SET_RETENTION,
                              .set_retention = {.channel = test_channel("c"),
                                                .max_age_ms = age_ms,
                                                .max_messages = messages,
                                                .max_bytes = bytes}};
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, id, &call, 0, command_encode(&command), 1000), OK);
    test_wait(world, &call, 1000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
}

static void delete_seqs(struct fakeworld *world, node_id id, uint64_t start, uint64_t end)
{
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, id, &call, 0, test_delete("c", start, end), 1000), OK);
    test_wait(world, &call, 1000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
}

static struct msg_channel channel_of(struct fakeworld *world, node_id id, struct arena *arena)
{
    struct msg_channel channel;
    ck_assert_int_eq(
        node_get_channel(fakeworld_node(world, id), test_channel("c"), arena, &channel, NULL), OK);
    return channel;
}

START_TEST(keeps_a_count)
{
    struct fakeworld *world = test_world(1, NULL);
    struct arena arena;
    arena_init(&arena);
    set_limits(world, 1, 0, 10, 0);
    for (int i = 0; i < 25; i++) {
        (void)test_send(world, 1, "x");
    }
    delete_seqs(world, 1, 18, 20); /* holes do not count */
    fakeworld_run(world, 15000);
    struct msg_channel channel = channel_of(world, 1, &arena);
    ck_assert_uint_eq(channel.message_count, 10);
    ck_assert_uint_eq(channel.first_seq, 13);
    ck_assert_uint_eq(channel.last_seq, 25);
    /* It is a delete like any other: logged, once. */
    struct channel name = test_channel("c");
    struct msg_deletes_query query = {.channel = &name, .limit = 10};
    struct msg_deletes deletes;
    fakeworld_run(world, 60000);
    ck_assert_int_eq(node_list_deletes(fakeworld_node(world, 1), &query, &arena, &deletes, NULL),
                     OK);
    ck_assert_uint_eq(deletes.count, 2);
    ck_assert(bytes_is_equal(deletes.records[1].operator_name, bytes_of_string("retention")));
    ck_assert(bytes_is_equal(deletes.records[1].reason, bytes_of_string("max_messages")));
    ck_assert_uint_eq(deletes.records[1].ranges[0].end, 12);
    set_limits(world, 1, 0, 0, 0);
    for (int i = 0; i < 10; i++) {
        (void)test_send(world, 1, "x");
    }
    fakeworld_run(world, 30000);
    ck_assert_uint_eq(test_count(world, 1), 20);
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

/* Against a list of sizes: the fewest of the oldest go so that what stays fits. */
START_TEST(keeps_bytes)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fakeworld *world = test_world(1, NULL);
        struct rng rng;
        struct arena arena;
        arena_init(&arena);
        rng = (struct rng){seed};
        uint64_t sizes[41] = {0}, total = 0;
        char text[200];
        memset(text, 'x', sizeof(text));
        for (int i = 1; i <= 40; i++) {
            sizes[i] = 1 + rng_next(&rng) % 150;
            text[sizes[i]] = '\0';
            (void)test_send(world, 1, text);
            text[sizes[i]] = 'x';
        }
        for (int i = 0; i < 4; i++) {
            uint64_t start = 1 + rng_next(&rng) % 36, end = start + rng_next(&rng) % 5;
            delete_seqs(world, 1, start, end);
            for (uint64_t seq = start; seq <= end; seq++) {
                sizes[seq] = 0;
            }
        }
        for (int i = 1; i <= 40; i++) {
            total += sizes[i];
        }
        uint64_t max = 1 + rng_next(&rng) % total, first = 1;
        set_limits(world, 1, 0, 0, max);
        if (total > max + max / 64) {
            for (; total > max; first++) {
                total -= sizes[first];
            }
        }
        while (first <= 40 && sizes[first] == 0) {
            first++;
        }
        fakeworld_run(world, 15000);
        struct msg_channel channel = channel_of(world, 1, &arena);
        ck_assert_msg(channel.bytes == total, "seed %llu", (unsigned long long)seed);
        ck_assert_uint_eq(channel.first_seq, first > 40 ? 0 : first);
        arena_done(&arena);
        fakeworld_free(world);
    }
}
END_TEST

START_TEST(keeps_an_age)
{
    struct fakeworld *world = test_world(1, NULL);
    set_limits(world, 1, 2 * MINUTE_MS, 0, 0);
    for (int i = 0; i < 4; i++) {
        (void)test_send(world, 1, "x");
        fakeworld_run(world, MINUTE_MS / 2);
    }
    ck_assert_uint_eq(test_count(world, 1), 4); /* 120, 90, 60, 30 s old */
    fakeworld_run(world, 15000);
    ck_assert_uint_eq(test_count(world, 1), 3);
    fakeworld_run(world, 100000);
    ck_assert_uint_eq(test_count(world, 1), 0);
    fakeworld_free(world);
}
END_TEST

/* A leader whose clock jumps ahead by ten days: nothing goes before its time, in its own measure. */
START_TEST(a_jump_deletes_nothing)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    set_limits(world, leader, 5 * MINUTE_MS, 0, 0);
    for (int i = 0; i < 30; i++) {
        (void)test_send(world, leader, "x");
    }
    fakeworld_run(world, 25000); /* its clock of ages is set */
    fakeworld_shift_wall(world, leader, (int64_t)10 * DAY_MS);
    fakeworld_run(world, 2 * MINUTE_MS);
    for (node_id id = 1; id <= 3; id++) {
        ck_assert_uint_eq(test_count(world, id), 30);
    }
    /* Back again: still nothing; and then they go when they are old. */
    fakeworld_shift_wall(world, leader, (int64_t)-10 * DAY_MS);
    fakeworld_run(world, 2 * MINUTE_MS);
    ck_assert_uint_eq(test_count(world, leader), 30);
    fakeworld_run(world, MINUTE_MS);
    for (node_id id = 1; id <= 3; id++) {
        ck_assert_uint_eq(test_count(world, id), 0);
        ck_assert(hash128_is_equal(test_state(world, id).digest, test_state(world, 1).digest));
    }
    fakeworld_free(world);
}
END_TEST

/* A node that starts with a wrong clock: it begins where the log is. */
START_TEST(a_start_in_the_future_deletes_nothing)
{
    struct fakeworld *world = test_world(1, NULL);
    set_limits(world, 1, 5 * MINUTE_MS, 0, 0);
    for (int i = 0; i < 30; i++) {
        (void)test_send(world, 1, "x");
    }
    fakeworld_stop(world, 1);
    fakeworld_shift_wall(world, 1, (int64_t)365 * DAY_MS);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    fakeworld_run(world, 2 * MINUTE_MS);
    ck_assert_uint_eq(test_count(world, 1), 30);
    fakeworld_run(world, 2 * MINUTE_MS);
    ck_assert_uint_eq(test_count(world, 1),
                      0); /* twice as fast: the clock is believed in the end */
    fakeworld_free(world);
}
END_TEST

START_TEST(clock_of_ages)
{
    struct retention_clock clock = {.is_set = false};
    ck_assert_uint_eq(retention_clock_turn(&clock, 5000, 100), 0);
    retention_clock_set(&clock, 1000000, 999000, 100); /* the log is a second behind */
    ck_assert_uint_eq(retention_clock_turn(&clock, 1000000, 100), 1000000);
    ck_assert_uint_eq(retention_clock_turn(&clock, 1005000, 5100), 1005000);
    ck_assert_uint_eq(retention_clock_turn(&clock, 1004000, 5200), 1004000); /* back is followed */
    /* Ahead: the credit at once, then twice as fast, whatever the steps are. */
    uint64_t time_ms = retention_clock_turn(&clock, 9000000, 10000);
    ck_assert_uint_le(time_ms, 1004000 + 2 * 4800 + RETENTION_CREDIT_MS);
    for (uint64_t mono_ms = 10000; mono_ms <= 110000; mono_ms += 100) {
        uint64_t now_ms = retention_clock_turn(&clock, 9000000 + mono_ms, mono_ms);
        ck_assert_uint_ge(now_ms, time_ms);
        ck_assert_uint_le(now_ms, time_ms + 2 * (mono_ms - 10000) + RETENTION_CREDIT_MS);
    }
    uint64_t before_ms = retention_clock_turn(&clock, 9110000, 110000);
    ck_assert_uint_eq(retention_clock_turn(&clock, 9120000, 120000), before_ms + 20000);
    /* Many small jumps are no way around. */
    struct retention_clock small;
    retention_clock_set(&small, 1000000, 1000000, 0);
    uint64_t wall_ms = 1000000;
    for (uint64_t mono_ms = 0; mono_ms < 100000; mono_ms += 1000) {
        wall_ms += 9000;
        time_ms = retention_clock_turn(&small, wall_ms, mono_ms);
    }
    ck_assert_uint_le(time_ms, 1000000 + 2 * 99000 + RETENTION_CREDIT_MS);
}
END_TEST

Suite *suite_retention(void)
{
    return UNIT_SUITE("retention", 120, keeps_a_count, keeps_bytes, keeps_an_age,
                      a_jump_deletes_nothing, a_start_in_the_future_deletes_nothing, clock_of_ages);
}
