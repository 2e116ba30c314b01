/* SPDX-License-Identifier: Apache-2.0 */
/* Leaderships that are handed over: what clients see meanwhile, who may lead, the balance. */
#include <stdio.h>

#include "helpers.h"

Suite *suite_handover(void);

static struct fakeworld *world_of(uint64_t seed, uint32_t slots, bool balance)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, seed);
    options.node.slot_count = slots;
    options.node.balance = balance;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    return world;
}

static node_id elected(struct fakeworld *world)
{
    node_id leader = fakeworld_elect(world, 0);
    ck_assert_uint_ne(leader, 0);
    (void)test_send(world, leader, "first");
    fakeworld_run(world, 500);
    return leader;
}

static void expect_ok(struct fakeworld *world, struct fakecall *call, uint64_t ms)
{
    test_wait(world, call, ms);
    ck_assert_msg(call->call.err == OK, "%s: %s", err_slug(call->call.err), call->call.why.text);
    fakecall_done(call);
}

/* Commands and reads at every node, begun while the leadership moves: all of them end well. */
START_TEST(nobody_notices_a_transfer)
{
    struct fakeworld *world = world_of(1, 1, false);
    node_id leader = elected(world);
    for (int round = 0; round < 6; round++) {
        struct fakecall transfer, sends[3], reads[3];
        node_id to = leader % 3 + 1;
        ck_assert_int_eq(fakecall_start_transfer(world, leader, &transfer, 0, to, 5000), OK);
        for (node_id id = 1; id <= 3; id++) {
            ck_assert_int_eq(fakecall_command(world, id, &sends[id - 1], 0,
                                              test_append("c", "in between", NULL), 5000),
                             OK);
            ck_assert_int_eq(
                fakecall_read(world, id, &reads[id - 1], 0, NODE_LINEARIZABLE, 0, 5000), OK);
        }
        for (int i = 0; i < 3; i++) {
            expect_ok(world, &sends[i], 2000);
            expect_ok(world, &reads[i], 2000);
        }
        expect_ok(world, &transfer, 2000);
        leader = to;
        ck_assert_uint_eq(fakeworld_leader(world, 0), leader);
    }
    fakeworld_run(world, 500);
    ck_assert_uint_eq(test_count(world, leader), 1 + 6 * 3);
    fakeworld_free(world);
}
END_TEST

/* A leader that stops hands over: who asks the others meanwhile is served by the next one. */
START_TEST(nobody_notices_a_drain)
{
    struct fakeworld *world = world_of(2, 1, false);
    node_id leader = elected(world);
    struct fakecall send;
    node_drain(fakeworld_node(world, leader));
    node_id other = leader % 3 + 1;
    ck_assert_int_eq(fakecall_command(world, other, &send, 0, test_append("c", "x", NULL), 5000),
                     OK);
    expect_ok(world, &send, 3000);
    ck_assert_uint_ne(fakeworld_leader(world, 0), leader);
    /* It wins nothing back, though the others would let it. */
    node_id now = fakeworld_leader(world, 0);
    struct fakecall back;
    ck_assert_int_eq(fakecall_start_transfer(world, now, &back, 0, leader, 3000), OK);
    fakeworld_run(world, 4000);
    ck_assert(back.is_done);
    fakecall_done(&back);
    ck_assert_uint_ne(fakeworld_leader(world, 0), leader);
    raft_campaign(node_group_raft(fakeworld_node(world, leader), 0));
    node_group_touch(fakeworld_node(world, leader), 0);
    fakeworld_run(world, 4000);
    ck_assert_uint_ne(fakeworld_leader(world, 0), leader);
    ck_assert_uint_ne(fakeworld_leader(world, 0), 0);
    fakeworld_free(world);
}
END_TEST

/* Nobody comes: it ends after a second, or its own deadline, as certainly not applied. Later ones
 * are refused at once. */
START_TEST(the_wait_is_bounded)
{
    struct fakeworld *world = world_of(3, 1, false);
    node_id leader = elected(world);
    for (node_id id = 1; id <= 3; id++) {
        if (id != leader) {
            fakeworld_crash(world, id, MEMDISK_KEEP_ALL);
            fakeworld_tell_gone(world, id);
        }
    }
    struct raft_status status;
    do {
        fakeworld_run(world, 10);
        ck_assert(node_group_status(fakeworld_node(world, leader), 0, &status));
    } while (status.leader != 0);
    struct fakecall shortly, calls[2];
    ck_assert_int_eq(fakecall_command(world, leader, &shortly, 0, test_append("c", "x", NULL), 200),
                     OK);
    ck_assert_int_eq(
        fakecall_command(world, leader, &calls[0], 0, test_append("c", "x", NULL), 5000), OK);
    ck_assert_int_eq(fakecall_read(world, leader, &calls[1], 0, NODE_LINEARIZABLE, 0, 5000), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert(!shortly.is_done && !calls[0].is_done && !calls[1].is_done);
    fakeworld_run(world, 300);
    ck_assert(shortly.is_done && !calls[0].is_done);
    ck_assert_int_eq(shortly.call.err, ERR_NO_LEADER);
    fakeworld_run(world, 900);
    for (int i = 0; i < 2; i++) {
        ck_assert(calls[i].is_done);
        ck_assert_int_eq(calls[i].call.err, ERR_NO_LEADER);
        fakecall_done(&calls[i]);
    }
    fakecall_done(&shortly);
    ck_assert_int_eq(
        fakecall_command(world, leader, &calls[0], 0, test_append("c", "x", NULL), 5000), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert(calls[0].is_done);
    ck_assert_int_eq(calls[0].call.err, ERR_NO_LEADER);
    fakecall_done(&calls[0]);
    struct node_metrics metrics;
    node_get_metrics(fakeworld_node(world, leader), &metrics);
    ck_assert_uint_eq(metrics.outcome_unknown_total, 0);
    fakeworld_free(world);
}
END_TEST

/* A command is at a leader that can commit nothing; another one is elected: who passed it on asks no
 * longer than half a second more, and cannot know what became of it. */
START_TEST(a_new_leader_hurries_what_waits_at_the_old_one)
{
    struct fakeworld *world = world_of(4, 1, false);
    node_id leader = elected(world);
    node_id asked = leader % 3 + 1, third = 6 - leader - asked;
    fakeworld_cut(world, leader, third, true); /* it still hears `asked`, and answers nobody */
    fakeworld_cut(world, third, leader, true);
    fakeworld_cut(world, leader, asked, true);
    struct fakecall call;
    ck_assert_int_eq(
        fakecall_command(world, asked, &call, 0, test_append("c", "in doubt", NULL), 60000), OK);
    uint64_t began_ms = fakeworld_now_ms(world);
    test_wait(world, &call, 8000);
    ck_assert_int_eq(call.call.err, ERR_OUTCOME_UNKNOWN);
    ck_assert_uint_lt(fakeworld_now_ms(world) - began_ms, 6000);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

static void count_leaders(struct fakeworld *world, uint32_t slots, uint32_t counts[4])
{
    memset(counts, 0, 4 * sizeof(uint32_t));
    for (slot_id slot = 0; slot < slots; slot++) {
        counts[fakeworld_leader(world, slot)]++;
    }
}

/* All slots at one node; then the others are up again. */
static struct fakeworld *lopsided(uint64_t seed, bool balance)
{
    struct fakeworld *world = world_of(seed, 12, balance);
    fakeworld_run(world, 5000);
    fakeworld_crash(world, 3, MEMDISK_KEEP_ALL);
    fakeworld_tell_gone(world, 3);
    fakeworld_run(world, 5000);
    uint32_t counts[4];
    count_leaders(world, 12, counts);
    ck_assert_uint_eq(counts[0] + counts[3], 0);
    test_start(world, 3);
    return world;
}

START_TEST(leaders_are_evened_out)
{
    struct fakeworld *world = lopsided(5, true);
    uint32_t counts[4];
    fakeworld_run(world, 2500); /* who has just come gets nothing yet */
    count_leaders(world, 12, counts);
    ck_assert_uint_eq(counts[3], 0);
    fakeworld_run(world, 20000);
    count_leaders(world, 12, counts);
    for (node_id id = 1; id <= 3; id++) {
        ck_assert_msg(counts[id] >= 3 && counts[id] <= 5, "node %d leads %u", (int)id, counts[id]);
    }
    /* Even: nothing moves any more. */
    uint64_t changes = 0, later = 0;
    struct node_metrics metrics;
    for (node_id id = 1; id <= 3; id++) {
        node_get_metrics(fakeworld_node(world, id), &metrics);
        changes += metrics.leader_changes_total;
    }
    fakeworld_run(world, 20000);
    for (node_id id = 1; id <= 3; id++) {
        node_get_metrics(fakeworld_node(world, id), &metrics);
        later += metrics.leader_changes_total;
    }
    ck_assert_uint_eq(later, changes);
    fakeworld_free(world);
}
END_TEST

START_TEST(nothing_moves_without_balance)
{
    struct fakeworld *world = lopsided(5, false);
    uint32_t counts[4];
    fakeworld_run(world, 20000);
    count_leaders(world, 12, counts);
    ck_assert_uint_eq(counts[3], 0);
    fakeworld_free(world);
}
END_TEST

struct sparse {
    struct fakeworld *world;
    node_id from;
};

/* Of four ticks' packets one tick's arrive. */
static bool drop_most(const struct raft_packet *packet, void *arg)
{
    const struct sparse *sparse = arg;
    return packet->from == sparse->from && fakeworld_now_ms(sparse->world) / 100 % 4 != 0;
}

/* A peer that answers a heartbeat now and then, and nothing else, is up at every moment, not only when CheckQuorum's
 * window happens to have seen it; one that is gone is down soon, and stays so. */
START_TEST(a_quiet_peer_is_up_all_the_time)
{
    struct fakeworld *world = world_of(6, 1, false);
    node_id leader = elected(world);
    node_id quiet = leader % 3 + 1;
    struct raft_status status;
    struct sparse sparse = {world, quiet};
    fakeworld_on_send(world, drop_most, &sparse);
    fakeworld_run(world, 1000);
    for (int i = 0; i < 1000; i++) {
        fakeworld_run(world, 10);
        ck_assert(node_group_status(fakeworld_node(world, leader), 0, &status));
        ck_assert_uint_eq(status.peers_count, 2);
        for (uint32_t p = 0; p < 2; p++) {
            ck_assert_msg(status.peers[p].active, "peer %d, step %d", (int)status.peers[p].peer, i);
        }
    }
    fakeworld_crash(world, quiet, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 3500);
    for (int i = 0; i < 300; i++) {
        fakeworld_run(world, 10);
        ck_assert(node_group_status(fakeworld_node(world, leader), 0, &status));
        for (uint32_t p = 0; p < 2; p++) {
            ck_assert_int_eq(status.peers[p].active, status.peers[p].peer != quiet);
        }
    }
    fakeworld_free(world);
}
END_TEST

/* A leader whose disk hangs would live on by its heartbeats, while nothing commits: it hands over before
 * anybody's patience ends, takes nothing back while it is slow, and may lead again when it is calm. */
START_TEST(slow_disk_hands_over)
{
    struct fakeworld *world = world_of(23, 1, false);
    node_id slow = elected(world);
    struct node_alarm alarm;
    ck_assert(!test_alarm(world, slow, NODE_ALARM_SLOW_DISK, &alarm));
    fakeworld_hold_disk(world, slow, true);
    fakeworld_run(world, 4000);
    node_id next = fakeworld_elect(world, 0);
    ck_assert_uint_ne(next, 0);
    ck_assert_uint_ne(next, slow);
    ck_assert(test_alarm(world, slow, NODE_ALARM_SLOW_DISK, &alarm));
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, next, &call, 0, test_append("c", "x", NULL), 2000),
                     OK);
    test_wait(world, &call, 2000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);

    fakeworld_hold_disk(world, slow, false);
    fakeworld_run(world, 5000);
    ck_assert(test_alarm(world, slow, NODE_ALARM_SLOW_DISK, &alarm)); /* it may hang again */
    ck_assert_int_eq(fakecall_start_transfer(world, next, &call, 0, slow, 1500), OK);
    test_wait(world, &call, 2500);
    ck_assert_uint_ne(fakeworld_elect(world, 0), slow);
    fakecall_done(&call);
    fakeworld_run(world, 12000);
    ck_assert(!test_alarm(world, slow, NODE_ALARM_SLOW_DISK, &alarm));
    next = fakeworld_elect(world, 0);
    ck_assert_int_eq(fakecall_start_transfer(world, next, &call, 0, slow, 3000), OK);
    test_wait(world, &call, 4000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    ck_assert_uint_eq(fakeworld_elect(world, 0), slow);
    fakeworld_free(world);
}
END_TEST

/* Who asks may hear of the new leader later than of the answer. */
START_TEST(transfer_tells_who_leads)
{
    struct fakeworld *world = world_of(21, 1, false);
    node_id leader = elected(world);
    node_id to = leader % 3 + 1, asker = to % 3 + 1;
    for (int round = 0; round < 2; round++) {
        struct fakecall call;
        fakeworld_cut(world, to, asker, true);
        ck_assert_int_eq(fakecall_start_transfer(world, asker, &call, 0, round == 0 ? to : 0, 5000),
                         OK);
        test_wait(world, &call, 6000);
        ck_assert_int_eq(call.call.err, OK);
        ck_assert_uint_ne(call.call.leader, leader);
        ck_assert_uint_eq(call.call.leader, fakeworld_elect(world, 0));
        fakecall_done(&call);
        fakeworld_cut(world, to, asker, false);
        fakeworld_run(world, 3000);
        leader = fakeworld_elect(world, 0);
        to = leader % 3 + 1;
        asker = to % 3 + 1;
    }
    fakeworld_free(world);
}
END_TEST

static uint32_t degraded(struct fakeworld *world, node_id id)
{
    struct node_cluster cluster;
    node_get_cluster(fakeworld_node(world, id), &cluster);
    return cluster.slots_degraded;
}

/* Whoever is asked counts the slots that lack a replica, led here or not. */
START_TEST(degraded_slots_are_counted_by_all)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, 22);
    options.node.slot_count = 6;
    options.node.balance = false;
    options.greets = true; /* followers hear of each other by their links */
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    node_id leader = elected(world);
    node_id gone = leader % 3 + 1, other = gone % 3 + 1;
    for (slot_id slot = 0; slot < 6; slot++) {
        struct fakecall call;
        ck_assert_uint_ne(fakeworld_elect(world, slot), 0);
        ck_assert_int_eq(fakecall_start_transfer(world, leader, &call, slot, leader, 5000), OK);
        test_wait(world, &call, 6000);
        fakecall_done(&call);
    }
    fakeworld_run(world, 3000);
    ck_assert_uint_eq(degraded(world, leader), 0);
    ck_assert_uint_eq(degraded(world, other), 0);
    fakeworld_crash(world, gone, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 4000);
    ck_assert_uint_eq(degraded(world, leader), 6);
    ck_assert_uint_eq(degraded(world, other), 6);
    test_start(world, gone);
    fakeworld_run(world, 4000);
    ck_assert_uint_eq(degraded(world, other), 0);
    fakeworld_free(world);
}
END_TEST

Suite *suite_handover(void)
{
    return UNIT_SUITE("handover", 120, slow_disk_hands_over, transfer_tells_who_leads,
                      degraded_slots_are_counted_by_all, nobody_notices_a_transfer,
                      nobody_notices_a_drain, the_wait_is_bounded,
                      a_new_leader_hurries_what_waits_at_the_old_one, leaders_are_evened_out,
                      nothing_moves_without_balance, a_quiet_peer_is_up_all_the_time);
}
