/* SPDX-License-Identifier: Apache-2.0 */
/* Three nodes in one process, packets through src/wire. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers.h"
#include "node/driver.h"
#include "sys/log.h"

Suite *suite_three(void);

static node_id other_than(node_id id)
{
    return id % 3 + 1;
}

static void expect_equal(struct fakeworld *world)
{
    struct msg_slot_state first = test_state(world, 1);
    for (node_id id = 2; id <= 3; id++) {
        struct msg_slot_state state = test_state(world, id);
        ck_assert_uint_eq(state.applied_index, first.applied_index);
        ck_assert(hash128_is_equal(state.digest, first.digest));
    }
}

START_TEST(replicates)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    for (int i = 1; i <= 50; i++) {
        ck_assert_uint_eq(test_send(world, leader, "x"), (uint64_t)i);
    }
    fakeworld_run(world, 1000);
    expect_equal(world);
    struct node_slot view;
    ck_assert(node_get_slot(fakeworld_node(world, leader), 0, &view));
    ck_assert_uint_eq(view.replicas_count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(view.replicas[i].state, NODE_REPLICATE);
        ck_assert_uint_eq(view.replicas[i].lag, 0);
    }
    ck_assert(node_is_safe_to_stop(fakeworld_node(world, leader)));
    fakeworld_free(world);
}
END_TEST

static void send_from(struct fakeworld *world, node_id from, const char *text)
{
    struct fakecall call;
    struct blob *command = test_append("c", text, NULL);
    ck_assert_int_eq(fakecall_command(world, from, &call, 0, command, 1000), OK);
    call.call.request_id = text;
    call.call.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
}

/* What a client calls its request stands in the leader's log too; a leader of an earlier build, which
 * does not read it, is not sent it. */
START_TEST(forwarded_calls_say_where_they_came_from)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    node_id follower = other_than(leader);
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    log_set_fd(fileno(file));
    log_set(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    struct node_peer_hello hello = {
        .http_address = "", .version = "", .zone = "", .feature_level = NODE_FEATURE_ORIGIN - 1};
    node_peer_up(fakeworld_node(world, follower), leader, &hello);
    send_from(world, follower, "to-an-earlier-build");
    hello.feature_level = NODE_FEATURE_ORIGIN;
    node_peer_up(fakeworld_node(world, follower), leader, &hello);
    send_from(world, follower, "my-4711");
    log_set(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_set_fd(2);
    static char text[65536];
    rewind(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    ck_assert_int_eq(fclose(file), 0);
    char wanted[200];
    (void)snprintf(wanted, sizeof(wanted), "slot=0 peer=%u result=ok request_id=-\n",
                   (unsigned)follower);
    ck_assert_msg(strstr(text, wanted) != NULL, "%s", text);
    (void)snprintf(wanted, sizeof(wanted),
                   "a call that a peer passed on slot=0 peer=%u result=ok request_id=my-4711 "
                   "trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n",
                   (unsigned)follower);
    ck_assert_msg(strstr(text, wanted) != NULL, "%s", text);
    fakeworld_free(world);
}
END_TEST

START_TEST(follower_reads_and_forwards)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    (void)test_send(world, leader, "x");
    node_id follower = other_than(leader);
    struct fakecall call;
    ck_assert_int_eq(fakecall_read(world, follower, &call, 0, NODE_LINEARIZABLE, 0, 2000), OK);
    test_wait(world, &call, 1000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    ck_assert_uint_eq(test_count(world, follower), 1);
    ck_assert_int_eq(fakecall_command(world, follower, &call, 0, test_append("c", "y", NULL), 1000),
                     OK);
    ck_assert(fakeworld_settle(world));
    ck_assert(call.is_done);
    ck_assert_int_eq(call.call.err, OK);
    ck_assert_uint_eq(call.call.result->appends_count, 1);
    ck_assert_uint_eq(call.call.result->appends[0].seq, 2);
    fakecall_done(&call);
    ck_assert_int_eq(fakecall_command(world, follower, &call, 0, test_delete("c", 1, 1), 1000), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(call.call.err, OK);
    ck_assert_uint_eq(call.call.result->deleted.deleted_count, 1);
    ck_assert_uint_eq(call.call.result->deleted.ranges_count, 1);
    ck_assert_uint_eq(call.call.result->deleted.ranges[0].end, 1);
    fakecall_done(&call);
    ck_assert_int_eq(fakecall_command(world, follower, &call, 0, test_append("c", "z", NULL), 1000),
                     OK);
    call.call.no_forward = true;
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(call.call.err, ERR_NOT_LEADER);
    ck_assert_uint_eq(call.call.leader, leader);
    fakecall_done(&call);
    /* The request goes out, the answer does not come: in doubt. */
    fakeworld_cut(world, leader, follower, true);
    ck_assert_int_eq(fakecall_command(world, follower, &call, 0, test_append("c", "z", NULL), 500),
                     OK);
    test_wait(world, &call, 1000);
    ck_assert_int_eq(call.call.err, ERR_OUTCOME_UNKNOWN);
    fakecall_done(&call);
    ck_assert_uint_eq(test_count(world, leader), 2);
    fakeworld_free(world);
}
END_TEST

START_TEST(survives_its_leader)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    for (int i = 0; i < 10; i++) {
        (void)test_send(world, leader, "x");
    }
    fakeworld_crash(world, leader, 0);
    node_id next = fakeworld_elect(world, 0);
    ck_assert_uint_ne(next, 0);
    ck_assert_uint_ne(next, leader);
    ck_assert_uint_eq(test_send(world, next, "y"), 11); /* what was answered is there */
    test_start(world, leader);
    fakeworld_run(world, 5000);
    ck_assert_uint_ne(fakeworld_leader(world, 0), 0);
    expect_equal(world);
    ck_assert_uint_eq(test_count(world, leader), 11);
    fakeworld_free(world);
}
END_TEST

START_TEST(laggard_reads_cold_entries)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    node_id down = other_than(leader);
    fakeworld_crash(world, down, 0);
    static char payload[20001];
    memset(payload, 'x', 20000);
    for (int i = 0; i < 50; i++) {
        (void)test_send(world, leader, payload);
    }
    /* A restart empties the tail: what the laggard lacks must come from the store. */
    fakeworld_run(world, 2000);
    node_id third = 6 - leader - down;
    fakeworld_crash(world, leader, 0);
    fakeworld_crash(world, third, 0);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    node_id next = fakeworld_elect(world, 0);
    ck_assert_uint_ne(next, 0);
    ck_assert_uint_ne(next, down);
    fakeworld_run(world, 5000);
    expect_equal(world);
    ck_assert_uint_eq(test_count(world, down), 50);
    fakeworld_free(world);
}
END_TEST

START_TEST(lost_for_certain)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    fakeworld_cut(world, leader, 0, true);
    fakeworld_cut(world, 0, leader, true);
    struct fakecall lost, doubt;
    ck_assert_int_eq(
        fakecall_command(world, leader, &lost, 0, test_append("c", "lost", NULL), 60000), OK);
    ck_assert_int_eq(
        fakecall_command(world, leader, &doubt, 0, test_append("c", "doubt", NULL), 1000), OK);
    fakeworld_run(world, 1500);
    ck_assert(doubt.is_done);
    ck_assert_int_eq(doubt.call.err, ERR_OUTCOME_UNKNOWN);
    fakecall_done(&doubt);
    node_id next = 0;
    for (int i = 0; i < 100 && (next == 0 || next == leader); i++) {
        fakeworld_run(world, 100);
        next = fakeworld_leader(world, 0);
    }
    ck_assert_uint_ne(next, 0);
    ck_assert_uint_ne(next, leader);
    for (int i = 0; i < 5; i++) {
        (void)test_send(world, next, "kept");
    }
    ck_assert(!lost.is_done);
    fakeworld_cut(world, 0, 0, false);
    test_wait(world, &lost, 10000);
    ck_assert_int_eq(lost.call.err, ERR_PROVEN_LOST);
    fakecall_done(&lost);
    fakeworld_run(world, 2000);
    expect_equal(world);
    ck_assert_uint_eq(test_count(world, leader), 5);
    fakeworld_free(world);
}
END_TEST

START_TEST(cut_off_reads)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    (void)test_send(world, leader, "x");
    fakeworld_run(world, 500);
    node_id follower = other_than(leader);
    fakeworld_cut(world, follower, 0, true);
    fakeworld_cut(world, 0, follower, true);
    fakeworld_run(world, 1000);
    struct fakecall call;
    /* Linearizable: nobody says how far; the deadline answers. */
    ck_assert_int_eq(fakecall_read(world, follower, &call, 0, NODE_LINEARIZABLE, 0, 500), OK);
    test_wait(world, &call, 1000);
    ck_assert_int_eq(call.call.err, ERR_NO_LEADER);
    fakecall_done(&call);
    /* Local: it says how stale, and refuses beyond what was asked for. */
    ck_assert_int_eq(fakecall_read(world, follower, &call, 0, NODE_LOCAL, 0, 500), OK);
    test_wait(world, &call, 100);
    ck_assert_int_eq(call.call.err, OK);
    ck_assert_uint_ge(call.call.staleness_ms, 1000);
    fakecall_done(&call);
    ck_assert_int_eq(fakecall_read(world, follower, &call, 0, NODE_LOCAL, 0, 500), OK);
    call.call.max_staleness_ms = 300;
    test_wait(world, &call, 100);
    ck_assert_int_eq(call.call.err, ERR_TOO_STALE);
    fakecall_done(&call);
    /* An index that does not come: late, not wrong. */
    ck_assert_int_eq(fakecall_read(world, follower, &call, 0, NODE_LOCAL, 1000, 300), OK);
    test_wait(world, &call, 1000);
    ck_assert_int_eq(call.call.err, ERR_TOO_STALE);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

START_TEST(waits_for_its_own_write)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    node_id follower = other_than(leader);
    fakeworld_cut(world, leader, follower, true);
    (void)test_send(world, leader, "x");
    uint64_t index = test_state(world, leader).applied_index;
    struct fakecall call;
    ck_assert_int_eq(fakecall_read(world, follower, &call, 0, NODE_LOCAL, index, 5000), OK);
    fakeworld_run(world, 300);
    ck_assert(!call.is_done);
    fakeworld_cut(world, 0, 0, false);
    test_wait(world, &call, 5000);
    ck_assert_int_eq(call.call.err, OK);
    ck_assert_uint_ge(call.call.applied_index, index);
    ck_assert_uint_eq(test_count(world, follower), 1);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

START_TEST(slow_disk_hands_over)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    (void)test_send(world, leader, "x");
    fakeworld_hold_disk(world, leader, true);
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, leader, &call, 0, test_append("c", "y", NULL), 60000),
                     OK);
    fakeworld_run(world, 8000);
    node_id next = fakeworld_leader(world, 0);
    ck_assert_uint_ne(next, 0);
    ck_assert_uint_ne(next, leader);
    (void)test_send(world, next, "z");
    fakeworld_hold_disk(world, leader, false);
    fakeworld_run(world, 3000);
    ck_assert(call.is_done);
    expect_equal(world);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

START_TEST(stop_hands_over)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    (void)test_send(world, leader, "x");
    fakeworld_run(world, 500);
    uint64_t began_ms = fakeworld_now_ms(world);
    fakeworld_stop(world, leader);
    node_id next = fakeworld_elect(world, 0);
    ck_assert_uint_ne(next, 0);
    ck_assert_uint_lt(fakeworld_now_ms(world) - began_ms, 1000); /* no election timeout */
    ck_assert_uint_eq(test_send(world, next, "y"), 2);
    fakeworld_free(world);
}
END_TEST

START_TEST(transfer_call)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    (void)test_send(world, leader, "x");
    struct fakecall call;
    node_id to = other_than(leader);
    ck_assert_int_eq(fakecall_start_transfer(world, leader, &call, 0, to, 3000), OK);
    test_wait(world, &call, 3000);
    ck_assert_int_eq(call.call.err, OK);
    ck_assert_uint_eq(call.call.leader, to);
    fakecall_done(&call);
    ck_assert_uint_eq(test_send(world, to, "y"), 2);
    /* Asked of a follower, it is passed on to the leader. */
    ck_assert_int_eq(fakecall_start_transfer(world, leader, &call, 0, leader, 3000), OK);
    test_wait(world, &call, 3000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    ck_assert_uint_eq(fakeworld_elect(world, 0), leader);
    fakeworld_free(world);
}
END_TEST

START_TEST(knows_that_its_leader_is_gone)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    (void)test_send(world, leader, "x");
    fakeworld_run(world, 500);
    uint64_t began_ms = fakeworld_now_ms(world);
    fakeworld_crash(world, leader, 0);
    fakeworld_tell_gone(world, leader);
    node_id next = fakeworld_elect(world, 0);
    ck_assert_uint_ne(next, 0);
    ck_assert_uint_lt(fakeworld_now_ms(world) - began_ms, 1400); /* below an election timeout */
    ck_assert_uint_eq(test_send(world, next, "y"), 2);
    fakeworld_free(world);
}
END_TEST

/* A damaged entry that is not applied yet: no vote, counted nowhere, until a full install (R19). */
START_TEST(suspect_log_has_no_vote)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    node_id lossy = other_than(leader), third = 6 - leader - lossy;
    fakeworld_run(world, 3000);
    fakeworld_hold_disk(world, lossy, true);
    for (int i = 0; i < 10; i++) {
        (void)test_send(world, leader, "x");
    }
    for (int i = 0; i < 3;
         i++) { /* the first entry alone, then the others, but for their applies */
        ck_assert(fakeworld_step_disk(world, lossy));
        ck_assert(fakeworld_settle(world));
    }
    fakeworld_crash(world, lossy, MEMDISK_KEEP_ALL);
    fakeworld_hold_disk(world, lossy, false);
    uint64_t rows = memdisk_rows(fakeworld_disk(world, lossy), STORE_RAFT);
    ck_assert(memdisk_flip(fakeworld_disk(world, lossy), STORE_RAFT, rows - 3, 100));
    fakeworld_crash(world, third, MEMDISK_KEEP_ALL);
    fakeworld_crash(world, leader, MEMDISK_KEEP_ALL);
    test_start(world, lossy);
    test_start(world, third);
    struct node_slot view;
    ck_assert(node_get_slot(fakeworld_node(world, lossy), 0, &view));
    ck_assert(view.amnesia);
    /* It and the third must not make a majority. */
    ck_assert_uint_eq(fakeworld_elect(world, 0), 0);
    struct fakecall call;
    ck_assert_int_eq(fakecall_read(world, lossy, &call, 0, NODE_LOCAL, 0, 500), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(call.call.err, ERR_UNREADY);
    fakecall_done(&call);
    struct node_cluster cluster;
    node_get_cluster(fakeworld_node(world, lossy), &cluster);
    ck_assert_uint_eq(cluster.slots_degraded, 1);
    test_start(world, leader);
    node_id next = fakeworld_elect(world, 0);
    ck_assert_uint_ne(next, 0);
    ck_assert_uint_ne(next, lossy);
    ck_assert_uint_eq(test_send(world, next, "y"), 11);
    /* A leader that was elected without it gives it a whole copy. */
    fakeworld_run(world, 5000);
    ck_assert(node_get_slot(fakeworld_node(world, lossy), 0, &view));
    ck_assert(!view.amnesia);
    expect_equal(world);
    ck_assert_int_eq(fakecall_read(world, lossy, &call, 0, NODE_LOCAL, 0, 500), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

START_TEST(same_seed_same_run)
{
    uint64_t figures[2][4];
    for (int run = 0; run < 2; run++) {
        node_id leader;
        struct fakeworld *world = test_world(3, &leader);
        for (int i = 0; i < 20; i++) {
            (void)test_send(world, leader, "x");
        }
        fakeworld_crash(world, leader, 0);
        node_id next = fakeworld_elect(world, 0);
        (void)test_send(world, next, "y");
        struct node_metrics metrics;
        node_get_metrics(fakeworld_node(world, next), &metrics);
        figures[run][0] = leader * 10 + next;
        figures[run][1] = fakeworld_now_ms(world);
        figures[run][2] = metrics.packets_sent_total;
        figures[run][3] = test_state(world, next).digest.low;
        fakeworld_free(world);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(figures[0][i], figures[1][i]);
    }
}
END_TEST

/* Crashes, cuts and lost packets by a seed; what was answered OK must be there in the end, once. */
START_TEST(random_faults)
{
    struct rng rng = rng_of((uint64_t)_i + 100);
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    uint32_t answered = 0, doubted = 0;
    for (int step = 0; step < 150; step++) {
        node_id id = 1 + rng_below(&rng, 3);
        switch (rng_below(&rng, 10)) {
        case 0:
            if (fakeworld_node(world, id) != NULL) {
                fakeworld_crash(world, id, (int64_t)rng_below(&rng, 3));
            }
            break;
        case 1:
        case 2:
            if (fakeworld_node(world, id) == NULL) {
                test_start(world, id);
            }
            break;
        case 3:
            fakeworld_cut(world, id, 1 + rng_below(&rng, 3), rng_below(&rng, 2) == 0);
            break;
        case 4:
            fakeworld_cut(world, 0, 0, false);
            for (node_id n = 1; n <= 3; n++) {
                fakeworld_hold_disk(world, n, false);
            }
            break;
        case 5:
            fakeworld_hold_disk(world, id, rng_below(&rng, 2) == 0);
            break;
        default:
            fakeworld_run(world, rng_below(&rng, 1000));
            break;
        }
        leader = fakeworld_leader(world, 0);
        if (leader == 0) {
            continue;
        }
        struct fakecall call;
        ck_assert_int_eq(
            fakecall_command(world, leader, &call, 0, test_append("c", "x", NULL), 2000), OK);
        test_wait(world, &call, 2100);
        answered += call.call.err == OK;
        doubted += call.call.err == ERR_OUTCOME_UNKNOWN;
        fakecall_done(&call);
    }
    fakeworld_cut(world, 0, 0, false);
    for (node_id id = 1; id <= 3; id++) {
        fakeworld_hold_disk(world, id, false);
        if (fakeworld_fatal(world, id) != OK) { /* its disk was held for too long */
            fakeworld_crash(world, id, MEMDISK_KEEP_ALL);
        }
        if (fakeworld_node(world, id) == NULL) {
            test_start(world, id);
        }
    }
    ck_assert_uint_ne(fakeworld_elect(world, 0), 0);
    fakeworld_run(world, 10000);
    expect_equal(world);
    ck_assert_uint_ge(test_count(world, 1), answered);
    ck_assert_uint_le(test_count(world, 1), answered + doubted);
    ck_assert_uint_gt(answered, 0);
    fakeworld_free(world);
}
END_TEST

Suite *suite_three(void)
{
    Suite *suite =
        UNIT_SUITE("three", 60, replicates, follower_reads_and_forwards,
                   forwarded_calls_say_where_they_came_from, survives_its_leader,
                   laggard_reads_cold_entries, lost_for_certain, cut_off_reads,
                   waits_for_its_own_write, slow_disk_hands_over, stop_hands_over, transfer_call,
                   knows_that_its_leader_is_gone, suspect_log_has_no_vote, same_seed_same_run);
    TCase *random = tcase_create("random");
    tcase_set_timeout(random, 120);
    /* LETHE_SEEDS=n: more of them. */
    const char *seeds = getenv("LETHE_SEEDS");
    int count = seeds == NULL ? 20 : (int)strtol(seeds, NULL, 10);
    tcase_add_loop_test(random, random_faults, 0, count);
    suite_add_tcase(suite, random);
    return suite;
}
