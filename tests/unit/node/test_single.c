/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster of one on a disk in memory: the whole way of a write, a read, a delete, a restart. */
#include "helpers.h"

Suite *suite_single(void);

START_TEST(leads_at_once)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 1, 3);
    options.node.slot_count = 64;
    struct fakeworld *world = fakeworld_new(&options);
    test_start(world, 1);
    ck_assert(fakeworld_settle(world)); /* no time passes */
    struct node_cluster cluster;
    node_get_cluster(fakeworld_node(world, 1), &cluster);
    ck_assert_uint_eq(cluster.slots_with_leader, 64);
    ck_assert(cluster.serving);
    ck_assert_uint_eq(cluster.peers_count, 1);
    ck_assert(cluster.peers[0].self);
    ck_assert_uint_eq(cluster.peers[0].leaders, 64);
    ck_assert(!node_is_safe_to_stop(fakeworld_node(world, 1)));
    fakeworld_free(world);
}
END_TEST

START_TEST(appends_reads_deletes)
{
    struct fakeworld *world = test_world(1, NULL);
    for (uint64_t i = 1; i <= 5; i++) {
        ck_assert_uint_eq(test_send(world, 1, "hello"), i);
    }
    struct fakecall call;
    ck_assert_int_eq(fakecall_read(world, 1, &call, 0, NODE_LINEARIZABLE, 0, 1000), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert(call.is_done);
    ck_assert_int_eq(call.call.err, OK);
    ck_assert_uint_eq(call.call.leader, 1);
    ck_assert_uint_ge(call.call.applied_index, 6); /* the empty entry and five messages */
    fakecall_done(&call);
    ck_assert_uint_eq(test_count(world, 1), 5);

    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_delete("c", 2, 3), 1000), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(call.call.err, OK);
    ck_assert_uint_eq(call.call.result->deleted.deleted_count, 2);
    fakecall_done(&call);
    ck_assert_uint_eq(test_count(world, 1), 3);
    fakeworld_free(world);
}
END_TEST

static void count_call(void *arg)
{
    ++*(int *)arg;
}

/* Whoever waits for something new is told once a turn, after the store shows it. */
START_TEST(tells_what_is_applied)
{
    struct fakeworld *world = test_world(1, NULL);
    struct node *node = fakeworld_node(world, 1);
    int calls = 0;
    node_on_applied(node, count_call, &calls);
    uint64_t before = node_applied_index(node, 0);
    ck_assert_uint_eq(before, test_state(world, 1).applied_index);
    (void)test_send(world, 1, "new");
    ck_assert_int_ge(calls, 1);
    ck_assert_uint_eq(node_applied_index(node, 0), before + 1);
    ck_assert_uint_eq(test_state(world, 1).applied_index, before + 1);
    ck_assert_uint_eq(node_applied_index(node, 1u << 20), 0);
    int seen = calls;
    fakeworld_run(world, 300); /* nothing is applied, nobody is called */
    ck_assert_int_eq(calls, seen);
    node_on_applied(node, NULL, NULL);
    (void)test_send(world, 1, "unheard");
    ck_assert_int_eq(calls, seen);
    fakeworld_stop(world, 1);
    test_start(world, 1); /* known from the start on */
    ck_assert_uint_eq(node_applied_index(fakeworld_node(world, 1), 0),
                      test_state(world, 1).applied_index);
    fakeworld_free(world);
}
END_TEST

START_TEST(goes_on_after_stop)
{
    struct fakeworld *world = test_world(1, NULL);
    for (int i = 0; i < 20; i++) {
        (void)test_send(world, 1, "before");
    }
    struct msg_slot_state before = test_state(world, 1);
    fakeworld_stop(world, 1);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    ck_assert_uint_eq(test_count(world, 1), 20);
    ck_assert_uint_eq(test_send(world, 1, "after"), 21);
    struct msg_slot_state after = test_state(world, 1);
    ck_assert_uint_gt(after.applied_index, before.applied_index);
    ck_assert_uint_gt(after.applied_term, before.applied_term);
    fakeworld_free(world);
}
END_TEST

START_TEST(answered_survives_power_cut)
{
    struct fakeworld *world = test_world(1, NULL);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 5; i++) {
            (void)test_send(world, 1, "promised");
        }
        fakeworld_crash(world, 1, 0); /* nothing unsynced survives: the applies are lost */
        test_start(world, 1);
        ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
        ck_assert(fakeworld_settle(world));
        ck_assert_uint_eq(test_count(world, 1), (uint32_t)(round + 1) * 5);
    }
    struct msg_check check;
    ck_assert_int_eq(msg_recompute(node_msg(fakeworld_node(world, 1)), 0, &check, NULL), OK);
    ck_assert(hash128_is_equal(check.stored, check.recomputed));
    ck_assert(check.counts_fit);
    fakeworld_free(world);
}
END_TEST

START_TEST(answered_before_the_next_sync)
{
    /* Applies of one job are reported before its sync begins. */
    struct fakeworld *world = test_world(1, NULL);
    struct fakecall first, second;
    fakeworld_hold_disk(world, 1, true);
    ck_assert_int_eq(fakecall_command(world, 1, &first, 0, test_append("c", "1", NULL), 9000), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(fakecall_command(world, 1, &second, 0, test_append("c", "2", NULL), 9000), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert(!first.is_done);
    ck_assert(fakeworld_step_disk(world, 1)); /* writes the first; nothing else was in this job */
    ck_assert(fakeworld_settle(world));
    ck_assert(!first.is_done);
    ck_assert(fakeworld_step_disk(world, 1)); /* applies the first */
    ck_assert(fakeworld_settle(world));
    ck_assert(first.is_done);
    ck_assert(!second.is_done);
    ck_assert_uint_gt(memdisk_unsynced_batches(fakeworld_disk(world, 1)), 0);
    fakeworld_hold_disk(world, 1, false);
    ck_assert(fakeworld_settle(world));
    ck_assert(second.is_done);
    fakecall_done(&first);
    fakecall_done(&second);
    fakeworld_free(world);
}
END_TEST

START_TEST(becomes_durable_by_itself)
{
    struct fakeworld *world = test_world(1, NULL);
    (void)test_send(world, 1, "x");
    fakeworld_run(world, 3000);
    struct node_slot view;
    ck_assert(node_get_slot(fakeworld_node(world, 1), 0, &view));
    ck_assert_uint_eq(view.durable_applied_index, view.applied_index);
    ck_assert_uint_eq(view.applied_index, view.last_index);
    ck_assert_uint_eq(view.digest_index, view.applied_index);
    ck_assert_uint_eq(memdisk_unsynced_batches(fakeworld_disk(world, 1)), 0);
    struct node_metrics before, after;
    node_get_metrics(fakeworld_node(world, 1), &before);
    fakeworld_run(world, 10000);
    node_get_metrics(fakeworld_node(world, 1), &after);
    ck_assert_uint_eq(before.batches_total, after.batches_total); /* no syncs for nothing (P27) */
    fakeworld_free(world);
}
END_TEST

START_TEST(compacts_its_log)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 1, 5);
    options.node.log_keep_applied = 20;
    options.node.log_keep_hours = 0;
    options.node.log_min_keep = 10;
    struct fakeworld *world = fakeworld_new(&options);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    for (int i = 0; i < 200; i++) {
        (void)test_send(world, 1, "kept in the state, not in the log");
    }
    fakeworld_run(world, 5000);
    struct node_slot view;
    ck_assert(node_get_slot(fakeworld_node(world, 1), 0, &view));
    ck_assert_uint_eq(view.log_count, 20);
    ck_assert_uint_eq(view.first_index, view.applied_index - 19);
    fakeworld_crash(world, 1, 0);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    ck_assert_uint_eq(test_count(world, 1), 200);
    ck_assert_uint_eq(test_send(world, 1, "after"), 201);
    fakeworld_free(world);
}
END_TEST

START_TEST(caps_the_bytes_of_its_log)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 1, 5);
    options.node.log_max_bytes = 64 * 1024;
    struct fakeworld *world = fakeworld_new(&options);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    char payload[1001];
    memset(payload, 'x', 1000);
    payload[1000] = 0;
    for (int i = 0; i < 3000; i++) {
        (void)test_send(world, 1, payload);
        if (i % 10 == 0) {
            fakeworld_run(world, 500);
        }
    }
    fakeworld_run(world, 5000);
    struct node_slot view;
    ck_assert(node_get_slot(fakeworld_node(world, 1), 0, &view));
    ck_assert_uint_lt(view.log_count, 1200);
    ck_assert_uint_eq(test_count(world, 1), 3000);
    fakeworld_free(world);
}
END_TEST

START_TEST(starts_dedup_generations)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 1, 5);
    options.node.dedup_window_ms = 8000;
    struct fakeworld *world = fakeworld_new(&options);
    test_start(world, 1);
    ck_assert_uint_eq(fakeworld_elect(world, 0), 1);
    fakeworld_run(world, 20000);
    ck_assert_uint_eq(test_state(world, 1).dedup_generations, 0); /* nothing to expire */
    struct fakecall call;
    for (int i = 0; i < 2; i++) { /* the second one is a retry */
        ck_assert_int_eq(fakecall_command(world, 1, &call, 0, test_append("c", "x", "no-1"), 1000),
                         OK);
        test_wait(world, &call, 100);
        ck_assert_int_eq(call.call.err, OK);
        ck_assert_int_eq(call.call.result->appends[0].duplicate, i == 1);
        fakecall_done(&call);
    }
    ck_assert_uint_eq(test_state(world, 1).dedup_rows, 1);
    fakeworld_run(world, 30000);
    ck_assert_uint_eq(test_state(world, 1).dedup_rows, 0); /* the window is over */
    struct msg_slot_state quiet = test_state(world, 1);
    fakeworld_run(world, 30000);
    ck_assert_uint_eq(test_state(world, 1).applied_index, quiet.applied_index);
    fakeworld_free(world);
}
END_TEST

Suite *suite_single(void)
{
    return UNIT_SUITE("single", 60, leads_at_once, appends_reads_deletes, tells_what_is_applied,
                      goes_on_after_stop, answered_survives_power_cut,
                      answered_before_the_next_sync, becomes_durable_by_itself, compacts_its_log,
                      caps_the_bytes_of_its_log, starts_dedup_generations);
}
