/* SPDX-License-Identifier: Apache-2.0 */
/* Options that change while the node runs: each kind shows by what the node then does. */
#include "helpers.h"

Suite *suite_tune(void);

static struct fakeworld *one(uint64_t seed, struct fakeworld_options *options)
{
    fakeworld_options_init(options, 1, seed);
    struct fakeworld *world = fakeworld_new(options);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    ck_assert(fakeworld_settle(world));
    return world;
}

static void tune(struct fakeworld *world, node_id id, const struct fakeworld_options *options)
{
    struct why why = {0};
    ck_assert_int_eq(node_tune(fakeworld_node(world, id), &options->node, &why), OK);
    fakeworld_run(world, 1200); /* a look at the disk, too */
}

/* Starts so many commands while the disk stands still. How many are taken; all are answered. */
static int taken_of(struct fakeworld *world, int count, const char *payload)
{
    struct fakecall calls[16];
    int taken = 0;
    ck_assert_int_le(count, 16);
    fakeworld_hold_disk(world, 1, true);
    for (int i = 0; i < count; i++) {
        enum err err =
            fakecall_command(world, 1, &calls[taken], 0, test_append("c", payload, NULL), 60000);
        ck_assert(err == OK || err == ERR_QUEUE_FULL);
        taken += err == OK;
    }
    fakeworld_hold_disk(world, 1, false);
    ck_assert(fakeworld_settle(world));
    for (int i = 0; i < taken; i++) {
        ck_assert_int_eq(calls[i].call.err, OK);
        fakecall_done(&calls[i]);
    }
    return taken;
}

START_TEST(bounds_of_the_queue)
{
    struct fakeworld_options options;
    struct fakeworld *world = one(1, &options);
    char heavy[1001];
    memset(heavy, 'x', 1000);
    heavy[1000] = 0;
    ck_assert_int_eq(taken_of(world, 12, "x"), 12);
    options.node.submit_max_commands = 4;
    tune(world, 1, &options);
    ck_assert_int_eq(taken_of(world, 12, "x"), 4);
    options.node.submit_max_commands = 9;
    tune(world, 1, &options);
    ck_assert_int_eq(taken_of(world, 12, "x"), 9);
    options.node.submit_max_bytes = 5000; /* they wait for a turn, which the test does not give */
    tune(world, 1, &options);
    ck_assert_int_lt(taken_of(world, 9, heavy), 6);
    options.node.submit_max_bytes = 64 << 20;
    tune(world, 1, &options);
    ck_assert_int_eq(taken_of(world, 9, heavy), 9);

    struct why why = {0};
    options.node.submit_max_commands = 0;
    ck_assert_int_eq(node_tune(fakeworld_node(world, 1), &options.node, &why), ERR_BAD_CONFIG);
    fakeworld_run(world, 1200);
    ck_assert_int_eq(taken_of(world, 12, "x"), 9); /* nothing of it was taken over */
    fakeworld_free(world);
}
END_TEST

static uint64_t log_of(struct fakeworld *world)
{
    struct node_slot view;
    fakeworld_run(world, 3000);
    ck_assert(node_get_slot(fakeworld_node(world, 1), 0, &view));
    return view.log_count;
}

START_TEST(retention_of_the_log)
{
    struct fakeworld_options options;
    struct fakeworld *world = one(2, &options);
    for (int i = 0; i < 3000; i++) {
        (void)test_send(world, 1, "payload");
    }
    ck_assert_uint_gt(log_of(world), 3000);
    options.node.log_keep_applied = 2000;
    options.node.log_min_keep = 10;
    options.node.log_keep_hours = 0;
    tune(world, 1, &options);
    uint64_t kept = log_of(world);
    ck_assert(kept >= 1900 && kept < 2200);
    options.node.log_keep_applied = 20;
    tune(world, 1, &options);
    ck_assert_uint_lt(log_of(world), 100);
    ck_assert_uint_eq(test_count(world, 1), 3000);
    fakeworld_free(world);
}
END_TEST

START_TEST(retention_of_the_delete_log)
{
    struct fakeworld_options options;
    struct fakeworld *world = one(3, &options);
    struct fakecall call;
    (void)test_send(world, 1, "payload");
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_delete("c", 1, 1), 1000), OK);
    test_wait(world, &call, 1000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    fakeworld_run(world, 60000);
    ck_assert_uint_eq(test_state(world, 1).delete_log_count, 1);
    options.node.delete_log_retention_ms = 1000;
    tune(world, 1, &options);
    fakeworld_run(world, 30000);
    ck_assert_uint_eq(test_state(world, 1).delete_log_count, 0);
    fakeworld_free(world);
}
END_TEST

static bool send_once(struct fakeworld *world)
{
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_append("c", "x", "no-1"), 1000), OK);
    test_wait(world, &call, 1000);
    ck_assert_int_eq(call.call.err, OK);
    bool is_duplicate = call.call.result->appends[0].duplicate;
    fakecall_done(&call);
    return is_duplicate;
}

/* Shorter: what is older is forgotten. Longer: what is still known stays so. */
START_TEST(window_of_retries)
{
    struct fakeworld_options options;
    struct fakeworld *world = one(4, &options);
    ck_assert(!send_once(world));
    fakeworld_run(world, 60000);
    ck_assert(send_once(world));
    options.node.dedup_window_ms = 8000;
    tune(world, 1, &options);
    fakeworld_run(world, 30000);
    ck_assert_uint_eq(test_state(world, 1).dedup_rows, 0);
    ck_assert(!send_once(world));
    options.node.dedup_window_ms = 24 * 3600000ull;
    tune(world, 1, &options);
    fakeworld_run(world, 60000);
    ck_assert(send_once(world));
    fakeworld_free(world);
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

/* The core counts low disks of a majority by the mark in force, too. */
START_TEST(marks_of_the_disk)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, 5);
    options.node.disk_soft_free_bytes = 100ull << 20;
    options.node.balance = false;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        memdisk_set_space(fakeworld_disk(world, id), 500ull << 20, 1ull << 40);
        test_start(world, id);
    }
    node_id leader = fakeworld_elect(world, 0);
    fakeworld_run(world, 3000);
    ck_assert_int_eq(append_err(world, leader), OK);
    options.node.disk_soft_free_bytes = 600ull << 20;
    tune(world, leader, &options); /* by it, the others' 500 MiB are too little as well */
    ck_assert_int_eq(append_err(world, leader), ERR_DISK_FULL);
    struct node_alarm alarm;
    ck_assert(test_alarm(world, leader, NODE_ALARM_NOSPACE, &alarm));
    options.node.disk_soft_free_bytes = 100ull << 20;
    tune(world, leader, &options);
    ck_assert_int_eq(append_err(world, leader), OK);
    ck_assert(!test_alarm(world, leader, NODE_ALARM_NOSPACE, &alarm));
    /* Of the leader itself nothing is low now: only the mark that the core counts by. */
    memdisk_set_space(fakeworld_disk(world, leader), 800ull << 20, 1ull << 40);
    options.node.disk_soft_free_bytes = 600ull << 20;
    tune(world, leader, &options);
    ck_assert(!test_alarm(world, leader, NODE_ALARM_NOSPACE, &alarm));
    ck_assert_int_eq(append_err(world, leader), ERR_DISK_FULL);
    fakeworld_free(world);
}
END_TEST

static uint32_t led_by(struct fakeworld *world, node_id id)
{
    uint32_t ret = 0;
    for (slot_id slot = 0; slot < 6; slot++) {
        ret += fakeworld_leader(world, slot) == id;
    }
    return ret;
}

START_TEST(balance_is_switched_on)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, 6);
    options.node.balance = false;
    options.node.slot_count = 6;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 2; id++) {
        test_start(world, id);
    }
    fakeworld_run(world, 5000);
    test_start(world, 3);
    fakeworld_run(world, 20000);
    ck_assert_uint_eq(led_by(world, 3), 0);
    options.node.balance = true;
    for (node_id id = 1; id <= 3; id++) {
        tune(world, id, &options);
    }
    fakeworld_run(world, 20000);
    ck_assert_uint_ge(led_by(world, 3), 1);
    fakeworld_free(world);
}
END_TEST

static uint64_t checks_of(struct fakeworld *world)
{
    struct node_metrics metrics;
    node_get_metrics(fakeworld_node(world, 1), &metrics);
    return metrics.checks_ok_total;
}

START_TEST(checks_come_as_often_as_the_new_interval_says)
{
    struct fakeworld_options options;
    struct fakeworld *world = one(7, &options);
    (void)test_send(world, 1, "payload");
    fakeworld_run(world, 60000);
    ck_assert_uint_eq(checks_of(world), 0);
    options.node.check_interval_ms = 10000;
    tune(world, 1, &options);
    fakeworld_run(world, 35000);
    ck_assert_uint_ge(checks_of(world), 2);
    options.node.check_interval_ms = 0;
    tune(world, 1, &options);
    uint64_t before = checks_of(world);
    fakeworld_run(world, 60000);
    ck_assert_uint_eq(checks_of(world), before);
    fakeworld_free(world);
}
END_TEST

Suite *suite_tune(void)
{
    return UNIT_SUITE("tune", 60, bounds_of_the_queue, retention_of_the_log,
                      retention_of_the_delete_log, window_of_retries, marks_of_the_disk,
                      balance_is_switched_on, checks_come_as_often_as_the_new_interval_says);
}
