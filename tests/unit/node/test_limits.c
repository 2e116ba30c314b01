/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused, what is in doubt, what stops the node. */
#include <stdlib.h>

#include "base/alloc.h"
#include "helpers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

Suite *suite_limits(void);

START_TEST(full_queue_refuses)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 1, 5);
    options.node.submit_max_commands = 4;
    struct fakeworld *world = fakeworld_new(&options);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    struct fakecall calls[5];
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(
            fakecall_command(world, 1, &calls[i], 0, test_append("c", "x", NULL), 1000), OK);
    }
    ck_assert_int_eq(fakecall_command(world, 1, &calls[4], 0, test_append("c", "x", NULL), 1000),
                     ERR_QUEUE_FULL);
    ck_assert(node_refuses_command(fakeworld_node(world, 1)));
    ck_assert(fakeworld_settle(world));
    ck_assert(!node_refuses_command(fakeworld_node(world, 1)));
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(calls[i].call.err, OK);
        fakecall_done(&calls[i]);
    }
    ck_assert(!calls[4].is_done);
    ck_assert_uint_eq(test_count(world, 1), 4);
    fakeworld_free(world);
}
END_TEST

/* What is under way counts, not only what still waits for the loop: else more clients would mean a
 * longer wait for all, without end. Reads go on. */
START_TEST(too_many_under_way_are_refused)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 1, 5);
    options.node.submit_max_commands = 4;
    struct fakeworld *world = fakeworld_new(&options);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    ck_assert(fakeworld_settle(world));
    fakeworld_hold_disk(world, 1, true);
    struct fakecall calls[6];
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(
            fakecall_command(world, 1, &calls[i], 0, test_append("c", "x", NULL), 60000), OK);
        fakeworld_run(world, 10);
        ck_assert(!calls[i].is_done);
    }
    for (int i = 4; i < 6; i++) {
        ck_assert_int_eq(
            fakecall_command(world, 1, &calls[i], 0, test_append("c", "x", NULL), 60000),
            ERR_QUEUE_FULL);
    }
    fakeworld_hold_disk(world, 1, false);
    ck_assert(fakeworld_settle(world));
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(calls[i].call.err, OK);
        fakecall_done(&calls[i]);
    }
    /* Each answer makes room for one, and no refusal took any away. */
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(
            fakecall_command(world, 1, &calls[i], 0, test_append("c", "x", NULL), 60000), OK);
    }
    ck_assert(fakeworld_settle(world));
    for (int i = 0; i < 4; i++) {
        fakecall_done(&calls[i]);
    }
    ck_assert_uint_eq(test_count(world, 1), 8);
    fakeworld_free(world);
}
END_TEST

/* Of 600 clients that come back at once: how many are refused in a second. */
static uint32_t refused_of(struct fakeworld *world, bool is_slow)
{
    enum { CLIENTS = 600 };
    struct fakecall *calls = alloc_array(CLIENTS, sizeof(*calls));
    bool *is_open = alloc_array(CLIENTS, sizeof(*is_open));
    uint32_t refused = 0;
    for (int step = 0; step < 100; step++) {
        for (int i = 0; i < CLIENTS; i++) {
            if (is_open[i] && calls[i].is_done) {
                ck_assert_int_eq(calls[i].call.err, OK);
                fakecall_done(&calls[i]);
                is_open[i] = false;
            }
            if (!is_open[i]) {
                enum err err =
                    fakecall_command(world, 1, &calls[i], 0, test_append("c", "x", NULL), 60000);
                ck_assert(err == OK || err == ERR_QUEUE_FULL);
                is_open[i] = err == OK;
                refused += err != OK;
            }
        }
        fakeworld_hold_disk(world, 1, is_slow && step % 16 != 0);
        fakeworld_run(world, 10);
    }
    fakeworld_hold_disk(world, 1, false);
    ck_assert(fakeworld_settle(world));
    for (int i = 0; i < CLIENTS; i++) {
        if (is_open[i]) {
            fakecall_done(&calls[i]);
        }
    }
    free(calls);
    free(is_open);
    return refused;
}

START_TEST(slow_commands_let_fewer_in)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 1, 5);
    options.node.submit_max_commands = 1024;
    struct fakeworld *world = fakeworld_new(&options);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    ck_assert(fakeworld_settle(world));
    ck_assert_uint_eq(refused_of(world, false), 0);
    ck_assert_uint_gt(refused_of(world, true), 0);
    (void)refused_of(world, false); /* lets more in again, bit by bit */
    ck_assert_uint_eq(refused_of(world, false), 0);
    fakeworld_free(world);
}
END_TEST

START_TEST(deadline_in_doubt)
{
    struct fakeworld *world = test_world(1, NULL);
    fakeworld_hold_disk(world, 1, true);
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_append("c", "x", NULL), 500), OK);
    fakeworld_run(world, 490);
    ck_assert(!call.is_done);
    fakeworld_run(world, 100);
    ck_assert(call.is_done);
    ck_assert_int_eq(call.call.err, ERR_OUTCOME_UNKNOWN);
    fakecall_done(&call);
    fakeworld_hold_disk(world, 1, false);
    ck_assert(fakeworld_settle(world));
    ck_assert_uint_eq(test_count(world, 1), 1); /* it happened after all */
    struct node_metrics metrics;
    node_get_metrics(fakeworld_node(world, 1), &metrics);
    ck_assert_uint_eq(metrics.outcome_unknown_total, 1);
    fakeworld_free(world);
}
END_TEST

START_TEST(late_call_is_refused)
{
    struct fakeworld *world = test_world(1, NULL);
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_append("c", "x", NULL), 0), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(call.call.err, ERR_BUSY);
    fakecall_done(&call);
    ck_assert_uint_eq(test_count(world, 1), 0);
    fakeworld_free(world);
}
END_TEST

START_TEST(too_much_uncommitted_is_refused)
{
    struct fakeworld *world = test_world(1, NULL);
    static char payload[1000001];
    memset(payload, 'x', 1000000);
    fakeworld_hold_disk(world, 1, true);
    struct fakecall calls[12];
    uint32_t refused = 0;
    for (int i = 0; i < 12; i++) {
        ck_assert_int_eq(
            fakecall_command(world, 1, &calls[i], 0, test_append("c", payload, NULL), 60000), OK);
        ck_assert(fakeworld_settle(world));
        refused += calls[i].is_done && calls[i].call.err == ERR_BUSY;
    }
    ck_assert_uint_ge(refused, 3); /* 8 MiB a slot */
    fakeworld_hold_disk(world, 1, false);
    fakeworld_run(world, 100);
    for (int i = 0; i < 12; i++) {
        fakecall_done(&calls[i]);
    }
    ck_assert_uint_eq(test_count(world, 1), 0 + 8); /* a page holds 8 MiB */
    struct raft_status status;
    ck_assert(node_group_status(fakeworld_node(world, 1), 0, &status));
    ck_assert_uint_eq(status.uncommitted_bytes, 0);
    fakeworld_free(world);
}
END_TEST

START_TEST(full_disk_refuses_appends_only)
{
    struct fakeworld *world = test_world(1, NULL);
    (void)test_send(world, 1, "x");
    memdisk_set_space(fakeworld_disk(world, 1), 1 << 20, 1ull << 40);
    fakeworld_run(world, 2500);
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_append("c", "y", NULL), 1000), OK);
    test_wait(world, &call, 1000);
    ck_assert_int_eq(call.call.err, ERR_DISK_FULL);
    fakecall_done(&call);
    struct node_alarm alarm;
    ck_assert(test_alarm(world, 1, NODE_ALARM_NOSPACE, &alarm));
    ck_assert(alarm.active);
    ck_assert_int_eq(node_disarm(fakeworld_node(world, 1), NODE_ALARM_NOSPACE, NULL), ERR_CONFLICT);
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_delete("c", 1, 1), 1000), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    memdisk_set_space(fakeworld_disk(world, 1), 1ull << 39, 1ull << 40);
    fakeworld_run(world, 2500);
    ck_assert_uint_eq(test_send(world, 1, "z"), 2);
    ck_assert(!test_alarm(world, 1, NODE_ALARM_NOSPACE, &alarm));
    ck_assert_int_eq(node_disarm(fakeworld_node(world, 1), NODE_ALARM_NOSPACE, NULL),
                     ERR_NOT_FOUND);
    fakeworld_free(world);
}
END_TEST

START_TEST(failed_sync_stops_the_node)
{
    struct fakeworld *world = test_world(1, NULL);
    (void)test_send(world, 1, "x");
    memdisk_fail_sync(fakeworld_disk(world, 1), 1, MEMDISK_PRESENT);
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_append("c", "y", NULL), 1000), OK);
    fakeworld_run(world, 5000);
    ck_assert_int_eq(fakeworld_fatal(world, 1), ERR_DISK_FAILED);
    ck_assert(!call.is_done || call.call.err == ERR_OUTCOME_UNKNOWN); /* R18, I38 */
    fakeworld_crash(world, 1, MEMDISK_KEEP_ALL);
    ck_assert(call.is_done);
    ck_assert_int_eq(call.call.err, ERR_OUTCOME_UNKNOWN);
    fakecall_done(&call);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    ck_assert(fakeworld_settle(world));
    ck_assert_uint_eq(test_count(world, 1), 2); /* it was there all the same */
    fakeworld_free(world);
}
END_TEST

START_TEST(failed_read_in_apply_stops_the_node)
{
    struct fakeworld *world = test_world(1, NULL);
    (void)test_send(world, 1, "x");
    (void)test_send(world, 1, "y");
    memdisk_fail_read(fakeworld_disk(world, 1), 1);
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_delete("c", 1, 1), 1000), OK);
    fakeworld_run(world, 2000);
    ck_assert_int_ne(fakeworld_fatal(world, 1), OK);
    fakeworld_crash(world, 1, MEMDISK_KEEP_ALL);
    ck_assert_int_eq(call.call.err, ERR_OUTCOME_UNKNOWN);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

/* A page that meets EIO is an error for its client, and the end of the node: what RocksDB keeps going
 * on after a failed read is not to be trusted (reliability design, section 2.3). */
START_TEST(failed_read_for_a_client_stops_the_node)
{
    struct fakeworld *world = test_world(1, NULL);
    (void)test_send(world, 1, "x");
    struct msg_page_query query = {.channel = test_channel("c"), .limit = 10};
    struct arena arena;
    arena_init(&arena);
    struct msg_page page;
    struct why why = {0};
    ck_assert_int_eq(node_get_page(fakeworld_node(world, 1), &query, &arena, &page, &why), OK);
    memdisk_fail_read(fakeworld_disk(world, 1), 1);
    ck_assert_int_eq(node_get_page(fakeworld_node(world, 1), &query, &arena, &page, &why),
                     ERR_DISK_FAILED);
    fakeworld_run(world, 200);
    ck_assert_int_eq(fakeworld_fatal(world, 1), ERR_DISK_FAILED);
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

START_TEST(stuck_disk_stops_the_node)
{
    struct fakeworld *world = test_world(1, NULL);
    fakeworld_hold_disk(world, 1, true);
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_append("c", "x", NULL), 60000), OK);
    fakeworld_run(world, 29000);
    ck_assert_int_eq(fakeworld_fatal(world, 1), OK);
    struct node_alarm alarm;
    ck_assert(test_alarm(world, 1, NODE_ALARM_SLOW_DISK, &alarm));
    fakeworld_run(world, 2000);
    ck_assert_int_eq(fakeworld_fatal(world, 1), ERR_DISK_FAILED);
    fakeworld_crash(world, 1, 0);
    ck_assert_int_eq(call.call.err, ERR_OUTCOME_UNKNOWN);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

START_TEST(draining_refuses)
{
    struct fakeworld *world = test_world(1, NULL);
    node_drain(fakeworld_node(world, 1));
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_append("c", "x", NULL), 1000),
                     ERR_DRAINING);
    ck_assert_int_eq(fakecall_read(world, 1, &call, 0, NODE_LOCAL, 0, 1000), ERR_DRAINING);
    fakeworld_stop(world, 1);
    fakeworld_free(world);
}
END_TEST

START_TEST(damaged_entry_is_found)
{
    struct fakeworld *world = test_world(1, NULL);
    fakeworld_run(world, 3000);
    fakeworld_hold_disk(world, 1, true);
    struct fakecall calls[5];
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(
            fakecall_command(world, 1, &calls[i], 0, test_append("c", "x", NULL), 60000), OK);
    }
    ck_assert(fakeworld_settle(world));
    ck_assert(fakeworld_step_disk(world, 1)); /* written, not applied */
    fakeworld_crash(world, 1, 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(calls[i].call.err, ERR_OUTCOME_UNKNOWN);
        fakecall_done(&calls[i]);
    }
    /* The third of the five: the last entry is looked at by the store. */
    uint64_t rows = memdisk_rows(fakeworld_disk(world, 1), STORE_RAFT);
    ck_assert(memdisk_flip(fakeworld_disk(world, 1), STORE_RAFT, rows - 3, 100));
    struct why why;
    ck_assert_int_eq(fakeworld_start(world, 1, &why), ERR_CORRUPT);
    fakeworld_free(world);
}
END_TEST

/* A row that fails its checksum when it is read: the client gets an error, the alarm stays armed until
 * somebody has looked, over a restart too. */
START_TEST(damaged_row_is_an_alarm)
{
    struct fakeworld *world = test_world(1, NULL);
    (void)test_send(world, 1, "first");
    (void)test_send(world, 1, "second");
    fakeworld_run(world, 3000);
    struct node_alarm alarm;
    ck_assert(!test_alarm(world, 1, NODE_ALARM_CORRUPT, &alarm));
    ck_assert(memdisk_flip(fakeworld_disk(world, 1), STORE_MESSAGES, 0, 12));
    struct arena arena;
    struct why why;
    arena_init(&arena);
    struct msg_page page;
    struct channel channel = test_channel("c");
    struct msg_page_query query = {.channel = channel, .from_seq = 1, .to_seq = 2, .limit = 10};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(node_get_page(fakeworld_node(world, 1), &query, &arena, &page, &why),
                         ERR_CORRUPT);
    }
    arena_done(&arena);
    ck_assert(test_alarm(world, 1, NODE_ALARM_CORRUPT, &alarm));
    ck_assert_uint_eq(alarm.count, 2);
    ck_assert(!alarm.active);
    fakeworld_run(world, 2500);
    ck_assert_uint_gt(fakeworld_alarms(world, 1).len, 0);
    fakeworld_crash(world, 1, MEMDISK_KEEP_ALL);
    test_start(world, 1);
    ck_assert(test_alarm(world, 1, NODE_ALARM_CORRUPT, &alarm));
    ck_assert_uint_eq(alarm.count, 2);
    ck_assert_ptr_nonnull(strstr(alarm.detail, "slot 0"));
    ck_assert_int_eq(node_disarm(fakeworld_node(world, 1), NODE_ALARM_CORRUPT, NULL), OK);
    ck_assert(!test_alarm(world, 1, NODE_ALARM_CORRUPT, &alarm));
    fakeworld_run(world, 2500);
    fakeworld_crash(world, 1, MEMDISK_KEEP_ALL);
    test_start(world, 1);
    ck_assert(!test_alarm(world, 1, NODE_ALARM_CORRUPT, &alarm));
    fakeworld_free(world);
}
END_TEST

START_TEST(senseless_alarms_are_refused)
{
    static const char *const texts[] = {"", "lethe-alarms 2\n", "lethe-alarms 1\nnonsense\n",
                                        "lethe-alarms 1\nnospace 1 2 3 it ends by itself\n",
                                        "lethe-alarms 1\ncorrupt 1 2 0 never\n"};
    struct fakeworld *world = test_world(1, NULL);
    struct node *node = fakeworld_node(world, 1);
    struct why why;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        ck_assert_int_eq(node_recall_alarms(node, bytes_of_string(texts[i]), &why), ERR_BAD_FORMAT);
    }
    char *long_line = alloc_array(2000, 1);
    (void)snprintf(long_line, 2000, "lethe-alarms 1\ncorrupt 1 2 3 %01900d\n", 0);
    ck_assert_int_eq(node_recall_alarms(node, bytes_of_string(long_line), &why), ERR_BAD_FORMAT);
    free(long_line);
    struct node_alarm alarm;
    ck_assert(!test_alarm(world, 1, NODE_ALARM_CORRUPT, &alarm));
    ck_assert_int_eq(
        node_recall_alarms(node, bytes_of_string("lethe-alarms 1\ncorrupt 1 2 3 slot 4"), &why),
        OK);
    ck_assert(test_alarm(world, 1, NODE_ALARM_CORRUPT, &alarm));
    ck_assert_str_eq(alarm.detail, "slot 4");
    fakeworld_free(world);
}
END_TEST

START_TEST(senseless_options)
{
    struct node_member members[8] = {{.id = 1}, {.id = 2}, {.id = 2}};
    struct node_options good, bad;
    node_options_init(&good);
    good.id = 1;
    good.members = members;
    good.members_count = 2;
    struct node *node = NULL;
    struct node_boot boot = {0};
    struct node_world world = {0};
    struct why why;
#define EXPECT_BAD(field, value)                                                                   \
    bad = good;                                                                                    \
    bad.field = value;                                                                             \
    ck_assert_int_eq(node_new(&bad, &world, NULL, NULL, &boot, &node, &why), ERR_BAD_CONFIG)
    EXPECT_BAD(slot_count, 0);
    EXPECT_BAD(slot_count, 4097);
    EXPECT_BAD(tick_ms, 0);
    EXPECT_BAD(submit_max_commands, 0);
    EXPECT_BAD(id, 3);            /* not among the members */
    EXPECT_BAD(members_count, 3); /* one is there twice */
    EXPECT_BAD(members_count, 8);
    members[1].id = 65536;
    EXPECT_BAD(members_count, 2);
    ck_assert_ptr_null(node);
}
END_TEST

static enum err append_err(struct fakeworld *world, node_id id)
{
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, id, &call, 0, test_append("c", "x", NULL), 5000), OK);
    test_wait(world, &call, 6000);
    enum err err = call.call.err;
    fakecall_done(&call);
    return err;
}

static void set_free_mb(struct fakeworld *world, uint64_t free_mb)
{
    memdisk_set_space(fakeworld_disk(world, 2), free_mb << 20, 1ull << 40);
    memdisk_set_space(fakeworld_disk(world, 3), free_mb << 20, 1ull << 40);
    fakeworld_run(world, 3000);
}

/* The mark is the configured one, also where the low disks are those of a majority elsewhere. */
/* A leader whose disk is nearly full lets one with room lead; appends go on, through it too. */
START_TEST(full_leader_hands_over)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, 6);
    options.node.disk_soft_free_bytes = 100ull << 20;
    options.node.balance = true;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    set_free_mb(world, 600);
    node_id leader = fakeworld_elect(world, 0);
    ck_assert_int_eq(append_err(world, leader), OK);
    memdisk_set_space(fakeworld_disk(world, leader), 50ull << 20, 1ull << 40);
    fakeworld_run(world, 5000);
    node_id next = fakeworld_elect(world, 0);
    ck_assert_uint_ne(next, leader);
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, leader, &call, 0, test_append("c", "x", NULL), 5000),
                     OK);
    test_wait(world, &call, 6000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    set_free_mb(world, 50); /* none has room: somebody leads, so that deletes go on */
    fakeworld_run(world, 5000);
    leader = fakeworld_elect(world, 0);
    ck_assert_int_eq(append_err(world, leader), ERR_DISK_FULL);
    ck_assert_int_eq(fakecall_command(world, leader, &call, 0, test_delete("c", 1, 1), 5000), OK);
    test_wait(world, &call, 6000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

START_TEST(full_disk_is_given_no_leaderships)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, 7);
    options.node.disk_soft_free_bytes = 100ull << 20;
    options.node.balance = true;
    options.node.slot_count = 6;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    set_free_mb(world, 600);
    memdisk_set_space(fakeworld_disk(world, 2), 50ull << 20, 1ull << 40);
    fakeworld_run(world, 20000);
    for (int round = 0; round < 10; round++) {
        for (slot_id slot = 0; slot < 6; slot++) {
            node_id leader = fakeworld_elect(world, slot);
            ck_assert_uint_ne(leader, 0);
            ck_assert_uint_ne(leader, 2);
        }
        fakeworld_run(world, 2000);
    }
    set_free_mb(world, 600); /* it has room again, and gets its share */
    fakeworld_run(world, 20000);
    uint32_t led = 0;
    for (slot_id slot = 0; slot < 6; slot++) {
        led += fakeworld_elect(world, slot) == 2;
    }
    ck_assert_uint_ge(led, 1);
    fakeworld_free(world);
}
END_TEST

START_TEST(majority_below_the_soft_mark_refuses_appends)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, 5);
    options.node.disk_soft_free_bytes = 100ull << 20;
    options.node.balance = false;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    node_id leader = fakeworld_elect(world, 0);
    if (leader != 1) {
        struct fakecall call;
        ck_assert_int_eq(fakecall_start_transfer(world, leader, &call, 0, 1, 5000), OK);
        test_wait(world, &call, 6000);
        fakecall_done(&call);
    }
    set_free_mb(world, 600);
    ck_assert_int_eq(append_err(world, 1), OK);
    set_free_mb(world, 50);
    ck_assert_int_eq(append_err(world, 1), ERR_DISK_FULL);
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_delete("c", 1, 1), 5000), OK);
    test_wait(world, &call, 6000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    set_free_mb(world, 600);
    ck_assert_int_eq(append_err(world, 1), OK);
    memdisk_set_space(fakeworld_disk(world, 2), 1000, 1ull << 40); /* under a MiB is not unknown */
    memdisk_set_space(fakeworld_disk(world, 3), 1000, 1ull << 40);
    fakeworld_run(world, 3000);
    ck_assert_int_eq(append_err(world, 1), ERR_DISK_FULL);
    fakeworld_free(world);
}
END_TEST

Suite *suite_limits(void)
{
    return UNIT_SUITE("limits", 60, full_queue_refuses, too_many_under_way_are_refused,
                      slow_commands_let_fewer_in, deadline_in_doubt, late_call_is_refused,
                      too_much_uncommitted_is_refused, full_disk_refuses_appends_only,
                      failed_sync_stops_the_node, failed_read_in_apply_stops_the_node,
                      failed_read_for_a_client_stops_the_node, stuck_disk_stops_the_node,
                      draining_refuses, damaged_entry_is_found, damaged_row_is_an_alarm,
                      senseless_alarms_are_refused, senseless_options,
                      majority_below_the_soft_mark_refuses_appends, full_leader_hands_over,
                      full_disk_is_given_no_leaderships);
}
