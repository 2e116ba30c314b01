/* SPDX-License-Identifier: Apache-2.0 */
/* A replica was away, the log is gone: delta, full, and all that may happen meanwhile. */
#include <stdio.h>
#include <stdlib.h>

#include "helpers.h"
#include "wire/chunk.h"
#include "wire/frame.h"

Suite *suite_catchup(void);

/* Three nodes whose log is kept for some entries only. */
static struct fakeworld *short_world(uint64_t seed, uint32_t chunk_rows, node_id *ret_leader)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, seed);
    options.node.log_keep_applied = 8;
    options.node.log_keep_hours = 0;
    options.node.log_min_keep = 8;
    options.node.catchup_chunk_rows = chunk_rows;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    *ret_leader = fakeworld_elect(world, 0);
    ck_assert_uint_ne(*ret_leader, 0);
    return world;
}

static node_id follower_of(node_id leader)
{
    return leader % 3 + 1;
}

static uint64_t delete_range(struct fakeworld *world, node_id id, uint64_t start, uint64_t end)
{
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, id, &call, 0, test_delete("c", start, end), 5000), OK);
    test_wait(world, &call, 2000);
    ck_assert_msg(call.call.err == OK, "%s: %s", err_slug(call.call.err), call.call.why.text);
    uint64_t index = call.call.result->log_index;
    fakecall_done(&call);
    return index;
}

static void send_many(struct fakeworld *world, node_id id, int count)
{
    for (int i = 0; i < count; i++) {
        (void)test_send(world, id, "some payload that is worth a row of its own");
    }
}

static void expect_equal(struct fakeworld *world)
{
    struct msg_slot_state first = test_state(world, 1);
    for (node_id id = 1; id <= 3; id++) {
        struct msg_slot_state state = test_state(world, id);
        ck_assert_uint_eq(state.applied_index, first.applied_index);
        ck_assert(hash128_is_equal(state.digest, first.digest));
        ck_assert_uint_eq(state.floor, first.floor);
        struct msg_check check;
        struct why why = {0};
        enum err err = msg_recompute(node_msg(fakeworld_node(world, id)), 0, &check, &why);
        ck_assert_msg(err == OK, "%s", why.text);
        ck_assert_msg(hash128_is_equal(check.stored, check.recomputed), "node %d", (int)id);
        ck_assert_msg(check.counts_fit, "node %d: %s", (int)id, check.misfit);
    }
}

static uint64_t catchups(struct fakeworld *world, enum node_catchup_mode mode)
{
    uint64_t ret = 0;
    for (node_id id = 1; id <= 3; id++) {
        if (fakeworld_node(world, id) == NULL) {
            continue;
        }
        struct node_metrics metrics;
        node_get_metrics(fakeworld_node(world, id), &metrics);
        for (int reason = 0; reason < NODE_CATCHUP_REASONS; reason++) {
            ret += metrics.catchups[mode][reason];
        }
    }
    return ret;
}

static struct node_metrics metrics_of(struct fakeworld *world, node_id id)
{
    struct node_metrics metrics;
    node_get_metrics(fakeworld_node(world, id), &metrics);
    return metrics;
}

static struct node_slot view_of(struct fakeworld *world, node_id id)
{
    struct node_slot view;
    ck_assert(node_get_slot(fakeworld_node(world, id), 0, &view));
    return view;
}

/* The case that Lethe was started for, word for word. */
START_TEST(original_case)
{
    node_id leader;
    struct fakeworld *world = short_world(7, 0, &leader);
    send_many(world, leader, 1000);
    fakeworld_run(world, 2000);
    node_id away = follower_of(leader);
    fakeworld_crash(world, away, MEMDISK_KEEP_ALL);
    uint64_t index = delete_range(world, leader, 100, 200);
    send_many(world, leader, 30);
    (void)delete_range(world, leader, 1001, 1030);
    fakeworld_run(world, 5000);
    ck_assert_uint_gt(view_of(world, leader).first_index, index);
    test_start(world, away);
    fakeworld_run(world, 3000);
    ck_assert_uint_eq(test_count(world, away), 899);
    expect_equal(world);
    ck_assert_uint_eq(catchups(world, NODE_BY_DELTA), 1);
    ck_assert_uint_eq(catchups(world, NODE_BY_FULL), 0);
    struct node_metrics metrics = metrics_of(world, away);
    ck_assert_uint_eq(metrics.recoveries_total, 1);
    ck_assert_uint_eq(metrics.full_syncs_total, 0);
    ck_assert_uint_eq(view_of(world, leader).replicas[1].lag, 0);
    /* It goes on by log, and again over a restart. */
    send_many(world, leader, 3);
    fakeworld_run(world, 1000);
    ck_assert_uint_eq(test_count(world, away), 902);
    fakeworld_crash(world, away, MEMDISK_KEEP_ALL);
    test_start(world, away);
    fakeworld_run(world, 2000);
    expect_equal(world);
    ck_assert_uint_eq(test_count(world, away), 902);
    fakeworld_free(world);
}
END_TEST

/* ---- frames: stalled, recorded ------------------------------------------------------------------ */

struct tap {
    int chunks_left;  /* ROWS that may pass; -1: all */
    bool stops_all;   /* once they are used up nothing of a session passes, FETCH neither */
    struct buf first; /* body of the first ROWS seen, kept */
    node_id first_from, first_to;
    int seen;
};

static bool tap_drop(node_id from, node_id to, uint8_t kind, struct bytes body, void *arg)
{
    struct tap *tap = arg;
    if (kind != FRAME_INSTALL || body.len == 0) {
        return false;
    }
    bool is_rows = body.data[0] == CHUNK_ROWS;
    if (is_rows && tap->first.len == 0) {
        buf_append_bytes(&tap->first, body);
        tap->first_from = from;
        tap->first_to = to;
    }
    tap->seen += is_rows;
    if (tap->chunks_left == 0) {
        return tap->stops_all || is_rows || body.data[0] == CHUNK_END;
    }
    tap->chunks_left -= is_rows && tap->chunks_left > 0;
    return false;
}

/* A member that was away while much was deleted, and whose log is gone. Returns who. */
static node_id leave_behind(struct fakeworld *world, node_id leader, int before, int after)
{
    node_id away = follower_of(leader);
    send_many(world, leader, before);
    fakeworld_run(world, 2000);
    fakeworld_crash(world, away, MEMDISK_KEEP_ALL);
    if (before > 10) {
        (void)delete_range(world, leader, 2, (uint64_t)before / 2);
    }
    send_many(world, leader, after);
    (void)delete_range(world, leader, (uint64_t)before + 2, (uint64_t)before + 3);
    fakeworld_run(world, 3000);
    return away;
}

static struct fakecall order(struct fakeworld *world, node_id id, enum node_call_kind kind,
                             node_id to, bool force, uint64_t ms)
{
    struct fakecall call;
    ck_assert_int_eq(fakecall_admin(world, id, &call, 0, kind, to, force, 5000), OK);
    test_wait(world, &call, ms);
    return call;
}

START_TEST(floor_above_forces_full)
{
    node_id leader;
    struct fakeworld *world = short_world(8, 0, &leader);
    node_id away = leave_behind(world, leader, 100, 20);
    /* An operator collects what one member has not applied. */
    struct fakecall call = order(world, 6 - leader - away, NODE_CALL_COLLECT, 0, true, 2000);
    ck_assert_int_eq(call.call.err, OK);
    ck_assert_uint_eq(call.call.admin->floor_before, 0);
    ck_assert_uint_gt(call.call.admin->floor_after, 100);
    fakecall_done(&call);
    test_start(world, away);
    fakeworld_run(world, 4000);
    expect_equal(world);
    ck_assert_uint_eq(catchups(world, NODE_BY_DELTA), 0);
    ck_assert_uint_eq(catchups(world, NODE_BY_FULL), 1);
    ck_assert_uint_eq(metrics_of(world, leader).catchups[NODE_BY_FULL][NODE_WHY_FLOOR], 1);
    ck_assert_uint_eq(metrics_of(world, away).full_syncs_total, 1);
    ck_assert_uint_eq(test_count(world, away), 120 - 49 - 2);
    fakeworld_free(world);
}
END_TEST

/* Age alone collects nothing: every member counts (Cassandra's gc_grace). */
START_TEST(collection_waits_for_every_member)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, 9);
    options.node.log_keep_applied = 8;
    options.node.log_keep_hours = 0;
    options.node.log_min_keep = 8;
    options.node.delete_log_retention_ms = 1000;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    node_id leader = fakeworld_elect(world, 0);
    node_id away = leave_behind(world, leader, 60, 20);
    fakeworld_run(world, 60000);
    ck_assert_uint_eq(test_state(world, leader).floor, 0);
    ck_assert_uint_eq(test_state(world, leader).delete_log_count, 2);
    struct fakecall call = order(world, leader, NODE_CALL_COLLECT, 0, false, 2000);
    ck_assert_int_eq(call.call.err, OK);
    ck_assert_uint_eq(call.call.admin->floor_after, 0);
    ck_assert_uint_eq(call.call.admin->held_by_count, 1);
    ck_assert_uint_eq(call.call.admin->held_by[0], away);
    fakecall_done(&call);
    test_start(world, away);
    fakeworld_run(world, 30000);
    expect_equal(world);
    ck_assert_uint_gt(test_state(world, away).floor, 60);
    ck_assert_uint_eq(test_state(world, away).delete_log_count, 0);
    ck_assert_uint_eq(catchups(world, NODE_BY_DELTA), 1);
    ck_assert_uint_eq(catchups(world, NODE_BY_FULL), 0);
    fakeworld_free(world);
}
END_TEST

/* Too many records: the oldest go although a member lacks them, and that member gets a copy. */
START_TEST(too_many_records_force_the_floor)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, 10);
    options.node.log_keep_applied = 8;
    options.node.log_keep_hours = 0;
    options.node.log_min_keep = 8;
    options.node.delete_log_max_records = 4;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    node_id leader = fakeworld_elect(world, 0);
    node_id away = leave_behind(world, leader, 60, 20);
    for (uint64_t seq = 40; seq < 50; seq++) {
        (void)delete_range(world, leader, seq, seq);
    }
    fakeworld_run(world, 15000);
    ck_assert_uint_eq(test_state(world, leader).delete_log_count, 4);
    ck_assert_uint_gt(test_state(world, leader).floor, 60);
    test_start(world, away);
    fakeworld_run(world, 5000);
    expect_equal(world);
    ck_assert_uint_eq(catchups(world, NODE_BY_FULL), 1);
    fakeworld_free(world);
}
END_TEST

START_TEST(compaction_by_order)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader); /* keeps all by itself */
    send_many(world, leader, 50);
    node_id asked = follower_of(leader), third = 6 - leader - asked;
    struct fakecall call = order(world, asked, NODE_CALL_COMPACT, 0, false, 3000);
    ck_assert_int_eq(call.call.err, OK);
    ck_assert_uint_eq(call.call.admin->items_count, 3);
    for (int i = 0; i < 3; i++) {
        const struct node_admin_item *item = &call.call.admin->items[i];
        ck_assert_uint_eq(item->first_before, 1);
        ck_assert_uint_gt(item->first_after, 50);
        ck_assert_uint_ge(item->applied + 1, item->first_after);
        ck_assert_str_eq(item->skipped_reason, "");
    }
    fakecall_done(&call);
    call = order(world, asked, NODE_CALL_COMPACT, 0, false, 3000);
    ck_assert_str_eq(call.call.admin->items[0].skipped_reason, "nothing_to_do");
    fakecall_done(&call);
    fakeworld_crash(world, third, MEMDISK_KEEP_ALL);
    send_many(world, leader, 20);
    fakeworld_run(world, 3000);
    struct node_slot view = view_of(world, leader);
    ck_assert_int_eq(fakecall_admin(world, leader, &call, 0, NODE_CALL_COMPACT, 0, false, 5000),
                     OK);
    call.call.keep = 5;
    test_wait(world, &call, 5000);
    ck_assert_int_eq(call.call.err, OK);
    for (int i = 0; i < 3; i++) {
        const struct node_admin_item *item = &call.call.admin->items[i];
        if (item->node == third) {
            ck_assert_str_eq(item->skipped_reason, "node_down");
        } else if (item->node == leader) {
            ck_assert_uint_eq(item->first_after, view.applied_index - 5 + 1);
        }
    }
    fakecall_done(&call);
    test_start(world, third);
    fakeworld_run(world, 4000);
    expect_equal(world);
    ck_assert_uint_eq(catchups(world, NODE_BY_DELTA), 1);
    fakeworld_free(world);
}
END_TEST

/* A row of its own, which no other replica has, is gone after a full one. */
START_TEST(full_sync_by_order)
{
    node_id leader;
    struct fakeworld *world = short_world(11, 3, &leader);
    send_many(world, leader, 40);
    fakeworld_run(world, 2000);
    node_id peer = follower_of(leader);
    struct store_batch *batch = store_batch_new(node_store(fakeworld_node(world, peer)));
    struct row_message row = {.message_id = 1, .timestamp_ms = 1, .payload = bytes_of_string("z")};
    store_put_message(batch, 0, test_channel("foreign"), 1, &row);
    ck_assert_int_eq(store_write(node_store(fakeworld_node(world, peer)), batch, false, NULL), OK);
    store_batch_free(batch);
    struct fakecall call = order(world, peer, NODE_CALL_FULL_SYNC, peer, false, 2000);
    ck_assert_msg(call.call.err == OK, "%s", call.call.why.text);
    fakecall_done(&call);
    fakeworld_run(world, 3000);
    expect_equal(world);
    ck_assert_uint_eq(metrics_of(world, leader).catchups[NODE_BY_FULL][NODE_WHY_OPERATOR], 1);
    ck_assert_uint_eq(memdisk_rows(fakeworld_disk(world, peer), STORE_MESSAGES),
                      memdisk_rows(fakeworld_disk(world, leader), STORE_MESSAGES));
    call = order(world, peer, NODE_CALL_FULL_SYNC, leader, false, 2000);
    ck_assert_int_eq(call.call.err, ERR_CONFLICT);
    fakecall_done(&call);
    call = order(world, leader, NODE_CALL_FULL_SYNC, 9, false, 2000);
    ck_assert_int_eq(call.call.err, ERR_NOT_FOUND);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

/* Either side dies after each chunk, with and without what was not synced. */
START_TEST(restart_at_each_chunk)
{
    int chunk = _i % 8, who = _i / 8 % 2, kind = _i / 16 % 2;
    int64_t keep = _i / 32 == 0 ? MEMDISK_KEEP_ALL : 0;
    node_id leader;
    struct fakeworld *world = short_world(100 + (uint64_t)_i, 3, &leader);
    node_id away = leave_behind(world, leader, 60, 20);
    if (kind == 1) {
        struct fakecall call = order(world, leader, NODE_CALL_COLLECT, 0, true, 2000);
        fakecall_done(&call);
    }
    struct tap tap = {.chunks_left = chunk, .stops_all = true};
    fakeworld_on_frame(world, tap_drop, &tap);
    test_start(world, away);
    fakeworld_run(world, 2000);
    ck_assert_int_ge(tap.seen, chunk);
    struct raft_status status;
    ck_assert(node_group_status(fakeworld_node(world, away), 0, &status));
    ck_assert(status.installing);
    node_id victim = who == 0 ? away : leader;
    fakeworld_crash(world, victim, keep);
    fakeworld_run(world, 1000);
    tap.chunks_left = -1;
    test_start(world, victim);
    ck_assert_uint_ne(fakeworld_elect(world, 0), 0);
    fakeworld_run(world, 15000);
    expect_equal(world);
    ck_assert_uint_eq(test_count(world, away), 80 - 29 - 2);
    ck_assert(!view_of(world, away).installing);
    send_many(world, fakeworld_leader(world, 0), 3);
    fakeworld_run(world, 1000);
    expect_equal(world);
    buf_done(&tap.first);
    fakeworld_free(world);
}
END_TEST

/* A link that breaks loses what was on its way: the same session goes on. */
START_TEST(lost_chunks_are_fetched_again)
{
    node_id leader;
    struct fakeworld *world = short_world(12, 3, &leader);
    node_id away = leave_behind(world, leader, 60, 20);
    struct tap tap = {.chunks_left = 2};
    fakeworld_on_frame(world, tap_drop, &tap);
    test_start(world, away);
    fakeworld_run(world, 3000);
    ck_assert(view_of(world, away).installing);
    ck_assert_uint_gt(view_of(world, away).install_rows, 0);
    tap.chunks_left = -1;
    fakeworld_run(world, 3000);
    expect_equal(world);
    ck_assert_uint_eq(catchups(world, NODE_BY_DELTA), 1);
    ck_assert_uint_eq(metrics_of(world, leader).catchup_failed_total, 0);
    buf_done(&tap.first);
    fakeworld_free(world);
}
END_TEST

/* Deletes, appends and compaction while a session is open: the log above its target stays. */
START_TEST(writes_while_sending)
{
    node_id leader;
    struct fakeworld *world = short_world(13, 3, &leader);
    node_id away = leave_behind(world, leader, 60, 20);
    struct tap tap = {.chunks_left = 2};
    fakeworld_on_frame(world, tap_drop, &tap);
    test_start(world, away);
    fakeworld_run(world, 1000);
    raft_index target = view_of(world, leader).applied_index;
    send_many(world, leader, 60);
    (void)delete_range(world, leader, 40, 100);
    (void)delete_range(world, leader, 1, 1);
    fakeworld_run(world, 2000);
    struct node_slot view = view_of(world, leader);
    ck_assert_uint_le(view.first_index, target + 1);
    ck_assert_int_eq(view.replicas[away < 6 - leader - away ? 1 : 2].node, away);
    ck_assert_int_eq(view.replicas[away < 6 - leader - away ? 1 : 2].state, NODE_DELTA);
    struct fakecall call = order(world, leader, NODE_CALL_COMPACT, 0, false, 4000);
    ck_assert_int_eq(call.call.err, OK);
    for (uint32_t i = 0; i < call.call.admin->items_count; i++) {
        const struct node_admin_item *item = &call.call.admin->items[i];
        if (item->node == leader) {
            ck_assert_str_eq(item->skipped_reason, "transfer");
            ck_assert_uint_le(item->first_after, target + 1);
        } else if (item->node == away) {
            ck_assert_str_eq(item->skipped_reason, "installing");
        }
    }
    fakecall_done(&call);
    tap.chunks_left = -1;
    fakeworld_run(world, 3000);
    expect_equal(world);
    ck_assert_uint_eq(catchups(world, NODE_BY_DELTA), 1);
    ck_assert_uint_eq(catchups(world, NODE_BY_FULL), 0);
    ck_assert_uint_eq(test_count(world, away), 140 - 29 - 61 - 1);
    fakeworld_run(world, 15000); /* the pin goes */
    ck_assert_uint_gt(view_of(world, leader).first_index, target + 1);
    buf_done(&tap.first);
    fakeworld_free(world);
}
END_TEST

START_TEST(leader_change_in_mid_transfer)
{
    node_id leader;
    struct fakeworld *world = short_world(14, 3, &leader);
    node_id away = leave_behind(world, leader, 60, 20);
    struct tap tap = {.chunks_left = 2};
    fakeworld_on_frame(world, tap_drop, &tap);
    test_start(world, away);
    fakeworld_run(world, 1000);
    ck_assert(view_of(world, away).installing);
    node_id other = 6 - leader - away;
    struct fakecall call;
    ck_assert_int_eq(fakecall_start_transfer(world, leader, &call, 0, other, 3000), OK);
    test_wait(world, &call, 3000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    /* Installing, it cannot be made to lead. */
    ck_assert_int_eq(fakecall_start_transfer(world, other, &call, 0, away, 2000), OK);
    test_wait(world, &call, 3000);
    ck_assert_int_ne(call.call.err, OK);
    fakecall_done(&call);
    tap.chunks_left = -1;
    fakeworld_run(world, 1000);
    /* A chunk of the old leader's session comes late, to who installs another one or none. */
    uint64_t refused = metrics_of(world, away).refused_chunks_total;
    ck_assert_int_eq(node_receive_frame(fakeworld_node(world, away), tap.first_from, FRAME_INSTALL,
                                        buf_bytes(&tap.first), NULL),
                     OK);
    ck_assert_uint_eq(metrics_of(world, away).refused_chunks_total, refused + 1);
    fakeworld_run(world, 15000);
    expect_equal(world);
    ck_assert_uint_eq(test_count(world, away), 80 - 29 - 2);
    buf_done(&tap.first);
    fakeworld_free(world);
}
END_TEST

/* The chunk of a session that ended comes while the next one is open, in its place even. */
START_TEST(zombie_chunk_is_refused)
{
    node_id leader;
    struct fakeworld *world = short_world(15, 3, &leader);
    node_id away = leave_behind(world, leader, 60, 20);
    struct tap tap = {.chunks_left = 0, .stops_all = false};
    fakeworld_on_frame(world, tap_drop, &tap);
    test_start(world, away);
    fakeworld_run(world, 1000);
    ck_assert_uint_gt(tap.first.len, 0);
    struct buf zombie = tap.first;
    /* Its leader goes; the next one begins another session, of which nothing comes either. */
    fakeworld_crash(world, leader, MEMDISK_KEEP_ALL);
    tap = (struct tap){.chunks_left = 0};
    fakeworld_run(world, 6000);
    test_start(world, leader);
    ck_assert_uint_ne(fakeworld_elect(world, 0), 0);
    fakeworld_run(world, 4000);
    ck_assert_uint_gt(tap.first.len, 0);
    ck_assert(view_of(world, away).installing);
    uint64_t rows = view_of(world, away).install_rows;
    uint64_t refused = metrics_of(world, away).refused_chunks_total;
    ck_assert_int_eq(node_receive_frame(fakeworld_node(world, away), leader, FRAME_INSTALL,
                                        buf_bytes(&zombie), NULL),
                     OK);
    ck_assert_int_eq(node_receive_frame(fakeworld_node(world, away), tap.first_from, FRAME_INSTALL,
                                        buf_bytes(&zombie), NULL),
                     OK);
    fakeworld_run(world, 100);
    ck_assert_uint_eq(view_of(world, away).install_rows, rows);
    ck_assert_uint_ge(metrics_of(world, away).refused_chunks_total, refused + 2);
    /* One with a flipped byte does not count either. */
    struct buf damaged = BUF_INIT;
    buf_append_bytes(&damaged, buf_bytes(&tap.first));
    damaged.data[damaged.len - 1] ^= 1;
    refused = metrics_of(world, away).refused_chunks_total;
    ck_assert_int_eq(node_receive_frame(fakeworld_node(world, away), tap.first_from, FRAME_INSTALL,
                                        buf_bytes(&damaged), NULL),
                     OK);
    ck_assert_uint_eq(metrics_of(world, away).refused_chunks_total, refused + 1);
    tap.chunks_left = -1;
    fakeworld_run(world, 15000);
    expect_equal(world);
    ck_assert_uint_eq(test_count(world, away), 80 - 29 - 2);
    buf_done(&damaged);
    buf_done(&zombie);
    buf_done(&tap.first);
    fakeworld_free(world);
}
END_TEST

/* A session that meets a limit has failed, whatever was sent: the next one does it. */
START_TEST(limit_is_no_success)
{
    node_id leader;
    struct fakeworld *world = short_world(16, 3, &leader);
    node_id away = leave_behind(world, leader, 60, 20);
    struct tap tap = {.chunks_left = 2, .stops_all = true};
    fakeworld_on_frame(world, tap_drop, &tap);
    test_start(world, away);
    fakeworld_run(world, 9000);
    ck_assert(view_of(world, away).installing);
    ck_assert_uint_eq(metrics_of(world, leader).catchup_failed_total, 0);
    /* Only FETCH is lost from now on: STOP gets through. */
    tap.stops_all = false;
    fakeworld_cut(world, away, leader, true);
    fakeworld_run(world, 4000);
    ck_assert_uint_ge(metrics_of(world, leader).catchup_failed_total, 1);
    ck_assert(view_of(world, away).installing);
    struct fakecall call;
    ck_assert_int_eq(fakecall_read(world, away, &call, 0, NODE_LOCAL, 0, 500), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(call.call.err, ERR_UNREADY);
    fakecall_done(&call);
    fakeworld_cut(world, 0, 0, false);
    tap.chunks_left = -1;
    ck_assert_uint_ne(fakeworld_elect(world, 0), 0);
    fakeworld_run(world, 30000);
    expect_equal(world);
    ck_assert_uint_eq(test_count(world, away), 80 - 29 - 2);
    buf_done(&tap.first);
    fakeworld_free(world);
}
END_TEST

START_TEST(nothing_is_read_meanwhile)
{
    node_id leader;
    struct fakeworld *world = short_world(17, 3, &leader);
    node_id away = leave_behind(world, leader, 60, 20);
    struct tap tap = {.chunks_left = 2};
    fakeworld_on_frame(world, tap_drop, &tap);
    test_start(world, away);
    fakeworld_run(world, 1000);
    enum node_consistency all[] = {NODE_LINEARIZABLE, NODE_LEADER, NODE_LOCAL};
    struct fakecall call;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        ck_assert_int_eq(fakecall_read(world, away, &call, 0, all[i], 0, 1000), OK);
        test_wait(world, &call, 1100);
        ck_assert_int_eq(call.call.err, ERR_UNREADY);
        ck_assert_uint_gt(call.call.retry_after_ms, 0);
        fakecall_done(&call);
    }
    /* Who was told "you may read" just before it began is not shown half a state either. */
    struct arena arena;
    arena_init(&arena);
    struct msg_page page;
    struct msg_page_query query = {.channel = test_channel("c"), .limit = 10};
    struct node *node = fakeworld_node(world, away);
    ck_assert_int_eq(node_get_page(node, &query, &arena, &page, NULL), ERR_UNREADY);
    /* Writes go through it all the same. */
    ck_assert_int_eq(fakecall_command(world, away, &call, 0, test_append("c", "y", NULL), 1000),
                     OK);
    test_wait(world, &call, 1100);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    tap.chunks_left = -1;
    fakeworld_run(world, 3000);
    ck_assert_int_eq(node_get_page(node, &query, &arena, &page, NULL), OK);
    ck_assert_int_eq(fakecall_read(world, away, &call, 0, NODE_LINEARIZABLE, 0, 1000), OK);
    test_wait(world, &call, 1100);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    expect_equal(world);
    buf_done(&tap.first);
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

/* A member that comes back again and again while appends go on arrives each time. */
START_TEST(arrives_while_appends_go_on)
{
    node_id leader;
    struct fakeworld *world = short_world(18, 3, &leader);
    for (int round = 0; round < 4; round++) {
        node_id away = leave_behind(world, leader, 30, 15);
        test_start(world, away);
        for (int i = 0; i < 100; i++) {
            (void)test_send(world, leader, "goes on");
            fakeworld_run(world, 20);
        }
        fakeworld_run(world, 1500);
        expect_equal(world);
    }
    /* The log that a catch-up leaves behind it may serve the next one. */
    ck_assert_uint_ge(catchups(world, NODE_BY_DELTA) + catchups(world, NODE_BY_FULL), 2);
    fakeworld_free(world);
}
END_TEST

/* ---- digests -------------------------------------------------------------------------------------- */

/* Another state under the same index: a row is gone and nobody noticed. */
static void plant_divergence(struct fakeworld *world, node_id id)
{
    struct store_options options;
    store_options_init(&options);
    options.memdisk = fakeworld_disk(world, id);
    options.cluster_id = "fakeworld";
    options.node_id = id;
    options.slot_count = 1;
    struct store *store;
    struct why why = {0};
    enum err err = store_open(&options, &store, &why);
    ck_assert_msg(err == OK, "%s", why.text);
    struct row_applied applied;
    ck_assert_int_eq(store_get_applied(store, NULL, 0, &applied), OK);
    applied.digest.low ^= 1;
    struct store_batch *batch = store_batch_new(store);
    store_remove_messages(batch, 0, test_channel("c"), 5, 5);
    store_put_applied(batch, 0, &applied);
    ck_assert_int_eq(store_write(store, batch, true, NULL), OK);
    store_batch_free(batch);
    store_close(store);
}

static const struct node_replica *replica_of(const struct node_slot *view, node_id id)
{
    for (uint32_t i = 0; i < view->replicas_count; i++) {
        if (view->replicas[i].node == id) {
            return &view->replicas[i];
        }
    }
    ck_abort_msg("no such replica");
    return NULL;
}

START_TEST(diverged_minority_is_healed)
{
    node_id leader;
    struct fakeworld *world = short_world(20, 0, &leader);
    send_many(world, leader, 30);
    fakeworld_run(world, 4000);
    for (node_id id = 1; id <= 3; id++) {
        struct node_metrics metrics = metrics_of(world, id);
        ck_assert_uint_eq(metrics.digests_different_total, 0);
    }
    struct node_slot view = view_of(world, leader);
    for (node_id id = 1; id <= 3; id++) {
        ck_assert_int_eq(replica_of(&view, id)->checked, NODE_CHECKED_OK);
    }
    node_id bad = follower_of(leader);
    fakeworld_crash(world, bad, MEMDISK_KEEP_ALL);
    plant_divergence(world, bad);
    struct tap tap = {.chunks_left = 0};
    fakeworld_on_frame(world, tap_drop, &tap);
    test_start(world, bad);
    send_many(world, leader, 3);
    fakeworld_run(world, 5000);
    /* Found, named, out of service; it cannot be healed yet. */
    view = view_of(world, leader);
    ck_assert_int_eq(replica_of(&view, bad)->checked == NODE_CHECKED_OK, false);
    ck_assert_uint_ge(metrics_of(world, leader).digests_different_total, 1);
    ck_assert(view_of(world, bad).diverged);
    struct node_alarm alarm;
    ck_assert(test_alarm(world, bad, NODE_ALARM_DIVERGED, &alarm));
    ck_assert(alarm.active);
    ck_assert_uint_eq(alarm.slots_count, 1);
    ck_assert_int_eq(node_disarm(fakeworld_node(world, bad), NODE_ALARM_DIVERGED, NULL),
                     ERR_CONFLICT);
    ck_assert(!test_alarm(world, leader, NODE_ALARM_DIVERGED, &alarm));
    struct fakecall call;
    ck_assert_int_eq(fakecall_read(world, bad, &call, 0, NODE_LOCAL, 0, 500), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(call.call.err, ERR_UNREADY);
    fakecall_done(&call);
    send_many(world, leader, 3); /* the slot goes on */
    tap.chunks_left = -1;
    fakeworld_run(world, 5000);
    expect_equal(world);
    ck_assert(!view_of(world, bad).diverged);
    ck_assert(!view_of(world, bad).quarantined);
    /* It has mended itself; that it was needed is still told. */
    ck_assert(test_alarm(world, bad, NODE_ALARM_DIVERGED, &alarm));
    ck_assert(!alarm.active);
    ck_assert_int_eq(node_disarm(fakeworld_node(world, bad), NODE_ALARM_DIVERGED, NULL), OK);
    ck_assert(!test_alarm(world, bad, NODE_ALARM_DIVERGED, &alarm));
    ck_assert_uint_eq(metrics_of(world, leader).catchups[NODE_BY_FULL][NODE_WHY_DIVERGED], 1);
    fakeworld_run(world, 3000);
    view = view_of(world, leader);
    ck_assert_int_eq(replica_of(&view, bad)->checked, NODE_CHECKED_OK);
    buf_done(&tap.first);
    fakeworld_free(world);
}
END_TEST

START_TEST(diverged_leader_hands_over)
{
    node_id leader;
    struct fakeworld *world = short_world(21, 0, &leader);
    send_many(world, leader, 30);
    fakeworld_run(world, 3000);
    fakeworld_crash(world, leader, MEMDISK_KEEP_ALL);
    plant_divergence(world, leader);
    test_start(world, leader);
    struct tap tap = {.chunks_left = 0};
    fakeworld_on_frame(world, tap_drop, &tap);
    ck_assert_uint_ne(fakeworld_elect(world, 0), 0);
    raft_campaign(node_group_raft(fakeworld_node(world, leader), 0));
    node_group_touch(fakeworld_node(world, leader), 0);
    fakeworld_run(world, 10000);
    node_id next = fakeworld_elect(world, 0);
    ck_assert_uint_ne(next, leader);
    tap.chunks_left = -1;
    fakeworld_run(world, 10000);
    expect_equal(world);
    ck_assert_uint_eq(catchups(world, NODE_BY_FULL), 1);
    buf_done(&tap.first);
    fakeworld_free(world);
}
END_TEST

/* Who cannot be asked is not checked. */
START_TEST(away_is_unchecked)
{
    node_id leader;
    struct fakeworld *world = short_world(22, 0, &leader);
    send_many(world, leader, 30);
    fakeworld_run(world, 4000);
    node_id away = follower_of(leader);
    struct node_slot view = view_of(world, leader);
    ck_assert_int_eq(replica_of(&view, away)->checked, NODE_CHECKED_OK);
    fakeworld_crash(world, away, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 6000);
    view = view_of(world, leader);
    ck_assert_int_eq(replica_of(&view, away)->checked, NODE_UNCHECKED);
    ck_assert_int_eq(replica_of(&view, 6 - leader - away)->checked, NODE_CHECKED_OK);
    ck_assert_int_eq(replica_of(&view, leader)->checked, NODE_CHECKED_OK);
    struct node_delete_status status;
    uint64_t index = delete_range(world, leader, 1, 3);
    fakeworld_run(world, 2000);
    ck_assert(node_get_delete_status(fakeworld_node(world, leader), 0, index, &status));
    ck_assert(!status.applied_everywhere);
    ck_assert_uint_eq(status.replicas_count, 3);
    struct fakecall call = order(world, 6 - leader - away, NODE_CALL_REPLICAS, 0, false, 1000);
    ck_assert_int_eq(call.call.err, OK);
    uint32_t applied = 0;
    for (uint32_t i = 0; i < call.call.admin->items_count; i++) {
        applied += call.call.admin->items[i].applied >= index;
    }
    ck_assert_uint_eq(applied, 2);
    fakecall_done(&call);
    /* A follower hears of no other replica: asked for the slot, it asks the leader. */
    view = view_of(world, 6 - leader - away);
    ck_assert_uint_lt(view.replicas_count, 3);
    call = order(world, 6 - leader - away, NODE_CALL_SLOT, 0, false, 1000);
    ck_assert_int_eq(call.call.err, OK);
    ck_assert(call.call.admin->has_slot);
    struct node_slot own = view_of(world, leader);
    const struct node_slot *told = &call.call.admin->slot;
    ck_assert_uint_eq(told->replicas_count, 3);
    ck_assert_int_eq(replica_of(told, away)->state, NODE_DOWN);
    ck_assert(replica_of(told, leader)->leader);
    ck_assert_uint_eq(told->last_index, own.last_index);
    ck_assert_uint_eq(told->delete_log_count, own.delete_log_count);
    ck_assert(hash128_is_equal(told->digest, own.digest));
    ck_assert_uint_eq(told->digest_index, own.digest_index);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(told->replicas[i].match_index, own.replicas[i].match_index);
        ck_assert_uint_eq(told->replicas[i].lag, own.replicas[i].lag);
        ck_assert_int_eq(told->replicas[i].checked, own.replicas[i].checked);
    }
    fakecall_done(&call);
    test_start(world, away);
    fakeworld_run(world, 5000);
    ck_assert_uint_eq(catchups(world, NODE_BY_LOG), 1); /* it missed one delete: the log did it */
    ck_assert_uint_eq(catchups(world, NODE_BY_DELTA), 0);
    ck_assert(node_get_delete_status(fakeworld_node(world, leader), 0, index, &status));
    ck_assert(status.applied_everywhere);
    fakeworld_free(world);
}
END_TEST

/* ---- all together ------------------------------------------------------------------------------------ */

static bool random_drop(node_id from, node_id to, uint8_t kind, struct bytes body, void *arg)
{
    (void)from;
    (void)to;
    (void)kind;
    (void)body;
    struct rng *rng = arg;
    return rng_below(rng, 10) == 0;
}

static void random_call(struct fakeworld *world, struct rng *rng, node_id leader)
{
    struct fakecall call;
    static const char *const channels[] = {"c", "d", "e"};
    const char *channel = channels[rng_below(rng, 3)];
    uint64_t what = rng_below(rng, 12);
    enum err err;
    if (what < 3) {
        uint64_t start = 1 + rng_below(rng, 30);
        err = fakecall_command(world, leader, &call, 0,
                               test_delete(channel, start, start + rng_below(rng, 6)), 2000);
    } else if (what == 3) {
        err = fakecall_admin(world, leader, &call, 0, NODE_CALL_COMPACT, 0, false, 2000);
    } else if (what == 4) {
        err = fakecall_admin(world, leader, &call, 0, NODE_CALL_COLLECT, 0, rng_below(rng, 4) == 0,
                             2000);
    } else if (what == 5 && rng_below(rng, 4) == 0) {
        err = fakecall_admin(world, leader, &call, 0, NODE_CALL_FULL_SYNC, follower_of(leader),
                             false, 2000);
    } else {
        char number[24];
        (void)snprintf(number, sizeof(number), "n%u", (unsigned)rng_below(rng, 1000));
        err = fakecall_command(world, leader, &call, 0,
                               test_append(channel, "x", rng_below(rng, 2) == 0 ? number : NULL),
                               2000);
    }
    ck_assert_int_eq(err, OK);
    test_wait(world, &call, 2100);
    fakecall_done(&call);
}

static void random_fault(struct fakeworld *world, struct rng *rng)
{
    node_id id = 1 + rng_below(rng, 3);
    switch (rng_below(rng, 12)) {
    case 0:
        if (fakeworld_node(world, id) != NULL) {
            int64_t keep = rng_below(rng, 2) == 0 ? MEMDISK_KEEP_ALL : (int64_t)rng_below(rng, 3);
            fakeworld_crash(world, id, keep);
        }
        break;
    case 1:
    case 2:
        if (fakeworld_node(world, id) == NULL) {
            test_start(world, id);
        }
        break;
    case 3:
        fakeworld_cut(world, id, 1 + rng_below(rng, 3), rng_below(rng, 2) == 0);
        break;
    case 4:
    case 5:
        fakeworld_cut(world, 0, 0, false);
        for (node_id n = 1; n <= 3; n++) {
            fakeworld_hold_disk(world, n, false);
            fakeworld_hold_background(world, n, false);
        }
        break;
    case 6:
        fakeworld_hold_disk(world, id, rng_below(rng, 2) == 0);
        break;
    case 7:
        fakeworld_hold_background(world, id, rng_below(rng, 2) == 0);
        break;
    default:
        fakeworld_run(world, rng_below(rng, 1500));
        break;
    }
}

/* Crashes, cuts, lost frames, held disks, with a log of 8 entries, a delete log of 4 records and
 * chunks of 3 rows. In the end all are equal, to the last stored byte. */
START_TEST(random_faults)
{
    struct rng rng = rng_of((uint64_t)_i + 1000);
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, (uint64_t)_i + 1000);
    options.node.log_keep_applied = options.node.log_min_keep = 8;
    options.node.log_keep_hours = 0;
    options.node.delete_log_max_records = 4;
    options.node.delete_log_retention_ms = 20000;
    options.node.dedup_window_ms = 40000;
    options.node.catchup_chunk_rows = 3;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    struct rng drops = rng_of((uint64_t)_i);
    fakeworld_on_frame(world, random_drop, &drops);
    for (int step = 0; step < 200; step++) {
        random_fault(world, &rng);
        for (node_id id = 1; id <= 3; id++) { /* a disk that was held for too long */
            if (fakeworld_fatal(world, id) != OK && fakeworld_node(world, id) != NULL) {
                ck_assert_int_eq(fakeworld_fatal(world, id), ERR_DISK_FAILED);
                fakeworld_crash(world, id, MEMDISK_KEEP_ALL);
            }
        }
        node_id leader = fakeworld_leader(world, 0);
        for (int i = 0; leader != 0 && i < 3 && fakeworld_fatal(world, leader) == OK; i++) {
            random_call(world, &rng, leader);
        }
    }
    fakeworld_on_frame(world, NULL, NULL);
    fakeworld_cut(world, 0, 0, false);
    for (node_id id = 1; id <= 3; id++) {
        fakeworld_hold_disk(world, id, false);
        fakeworld_hold_background(world, id, false);
        if (fakeworld_fatal(world, id) != OK) {
            fakeworld_crash(world, id, MEMDISK_KEEP_ALL);
        }
        if (fakeworld_node(world, id) == NULL) {
            test_start(world, id);
        }
    }
    ck_assert_uint_ne(fakeworld_elect(world, 0), 0);
    fakeworld_run(world, 60000);
    expect_equal(world);
    for (node_id id = 1; id <= 3; id++) {
        ck_assert_uint_eq(metrics_of(world, id).digests_different_total, 0);
    }
    fakeworld_free(world);
}
END_TEST

Suite *suite_catchup(void)
{
    Suite *suite =
        UNIT_SUITE("catchup", 60, original_case, floor_above_forces_full,
                   collection_waits_for_every_member, too_many_records_force_the_floor,
                   compaction_by_order, full_sync_by_order, lost_chunks_are_fetched_again,
                   writes_while_sending, leader_change_in_mid_transfer, zombie_chunk_is_refused,
                   limit_is_no_success, nothing_is_read_meanwhile, arrives_while_appends_go_on,
                   diverged_minority_is_healed, diverged_leader_hands_over, away_is_unchecked);
    TCase *loops = tcase_create("loops");
    tcase_set_timeout(loops, 120);
    const char *seeds = getenv("LETHE_SEEDS");
    int count = seeds == NULL ? 20 : (int)strtol(seeds, NULL, 10);
    tcase_add_loop_test(loops, restart_at_each_chunk, 0, 64);
    tcase_add_loop_test(loops, random_faults, 0, count);
    suite_add_tcase(suite, loops);
    return suite;
}
