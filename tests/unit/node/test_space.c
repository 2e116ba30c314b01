/* SPDX-License-Identifier: Apache-2.0 */
/* The disk's two marks and the ballast. */
#include "helpers.h"

Suite *suite_space(void);

#define MIB ((uint64_t)1 << 20)

static struct fakeworld *world_of(uint32_t nodes, uint64_t seed)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, nodes, seed);
    options.node.disk_soft_free_bytes = 100 * MIB;
    options.node.disk_hard_free_bytes = 20 * MIB;
    options.node.disk_ballast_bytes = 60 * MIB;
    options.node.balance = false;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= nodes; id++) {
        memdisk_set_space(fakeworld_disk(world, id), 600 * MIB, 1000 * MIB);
        test_start(world, id);
    }
    fakeworld_run(world, 2000);
    return world;
}

/* Something else on this disk takes so much that only this is left. */
static void leave(struct fakeworld *world, node_id id, uint64_t free_bytes)
{
    memdisk_set_free(fakeworld_disk(world, id), free_bytes);
}

static uint64_t free_of(struct fakeworld *world, node_id id)
{
    return memdisk_free_bytes(fakeworld_disk(world, id));
}

static enum err command_err(struct fakeworld *world, node_id id, struct blob *command)
{
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, id, &call, 0, command, 5000), OK);
    test_wait(world, &call, 6000);
    enum err err = call.call.err;
    fakecall_done(&call);
    return err;
}

static bool has_alarm(struct fakeworld *world, node_id id, const char *word)
{
    struct node_alarm alarms[NODE_ALARM_KINDS];
    uint32_t count = node_get_alarms(fakeworld_node(world, id), alarms);
    for (uint32_t i = 0; i < count; i++) {
        if (alarms[i].kind == NODE_ALARM_NOSPACE) {
            return word != NULL && strstr(alarms[i].detail, word) != NULL;
        }
    }
    return word == NULL;
}

static raft_index last_of(struct fakeworld *world, node_id id)
{
    struct raft_status status;
    ck_assert(node_group_status(fakeworld_node(world, id), 0, &status));
    return status.last.index;
}

START_TEST(full_disk_eats_its_ballast)
{
    struct fakeworld *world = world_of(1, 1);
    (void)fakeworld_elect(world, 0);
    ck_assert_uint_eq(fakeworld_ballast(world, 1), 60 * MIB);
    ck_assert_int_eq(command_err(world, 1, test_append("c", "x", NULL)), OK);
    ck_assert(has_alarm(world, 1, NULL));

    leave(world, 1, 50 * MIB); /* below the soft mark alone */
    fakeworld_run(world, 2000);
    ck_assert_uint_eq(fakeworld_ballast(world, 1), 60 * MIB);
    ck_assert(has_alarm(world, 1, "storage.soft_free_bytes"));

    leave(world, 1, 0); /* not a byte: without the ballast each write would fail */
    fakeworld_run(world, 2000);
    ck_assert_uint_eq(fakeworld_ballast(world, 1), 0);
    ck_assert_uint_eq(free_of(world, 1), 60 * MIB);
    ck_assert(has_alarm(world, 1, "storage.hard_free_bytes"));
    ck_assert_int_eq(command_err(world, 1, test_append("c", "x", NULL)), ERR_DISK_FULL);
    ck_assert_int_eq(command_err(world, 1, test_delete("c", 1, 1)), OK);
    fakeworld_free(world);
}
END_TEST

/* What the ballast freed is no room for appends, and it is made again as soon as there is some. */
START_TEST(ballast_comes_back_with_room)
{
    struct fakeworld *world = world_of(1, 2);
    (void)fakeworld_elect(world, 0);
    leave(world, 1, 10 * MIB);
    fakeworld_run(world, 2000);
    ck_assert_uint_eq(free_of(world, 1), 70 * MIB);
    leave(world, 1, 159 * MIB); /* 99 but for the ballast's */
    fakeworld_run(world, 2000);
    ck_assert_uint_eq(fakeworld_ballast(world, 1), 0);
    ck_assert_int_eq(command_err(world, 1, test_append("c", "x", NULL)), ERR_DISK_FULL);
    ck_assert(has_alarm(world, 1, "storage.soft_free_bytes"));
    leave(world, 1, 160 * MIB);
    fakeworld_run(world, 2000);
    ck_assert_uint_eq(fakeworld_ballast(world, 1), 60 * MIB);
    ck_assert_uint_eq(free_of(world, 1), 100 * MIB);
    ck_assert(has_alarm(world, 1, NULL));
    ck_assert_int_eq(command_err(world, 1, test_append("c", "x", NULL)), OK);
    fakeworld_free(world);
}
END_TEST

/* A disk that is too small for it is none the worse. */
START_TEST(small_disk_has_no_ballast)
{
    struct fakeworld *world = world_of(1, 3);
    fakeworld_stop(world, 1);
    leave(world, 1, 0);
    struct why why;
    memdisk_set_space(fakeworld_disk(world, 1), 150 * MIB, 150 * MIB);
    ck_assert_int_eq(fakeworld_start(world, 1, &why), OK);
    (void)fakeworld_elect(world, 0);
    fakeworld_run(world, 2000);
    ck_assert_int_eq(command_err(world, 1, test_append("c", "x", NULL)), OK);
    ck_assert(has_alarm(world, 1, NULL));
    fakeworld_free(world);
}
END_TEST

static node_id other_than(node_id a, node_id b)
{
    for (node_id id = 1;; id++) {
        if (id != a && id != b) {
            return id;
        }
    }
}

/* A follower below the hard mark: the others go on without it, deletes included; then it catches up. */
START_TEST(full_follower_takes_no_appends)
{
    struct fakeworld *world = world_of(3, 4);
    node_id leader = fakeworld_elect(world, 0);
    node_id full = other_than(leader, leader);
    ck_assert_int_eq(command_err(world, leader, test_append("c", "x", NULL)), OK);
    fakeworld_run(world, 1000);
    leave(world, full, 5 * MIB);
    fakeworld_run(world, 2000);
    raft_index before = last_of(world, full);
    for (int i = 0; i < 8; i++) { /* longer than it would wait if it were needed */
        ck_assert_int_eq(command_err(world, leader, test_append("c", "x", NULL)), OK);
        fakeworld_run(world, 1000);
    }
    ck_assert_uint_eq(last_of(world, full), before);
    ck_assert_uint_ge(last_of(world, leader), before + 8);
    leave(world, full, 600 * MIB);
    fakeworld_run(world, 3000);
    ck_assert_uint_eq(last_of(world, full), last_of(world, leader));
    fakeworld_free(world);
}
END_TEST

/* With deletes alone to take, a full follower keeps up: it is the second of the two that are up. */
START_TEST(full_follower_takes_deletes)
{
    struct fakeworld *world = world_of(3, 5);
    node_id leader = fakeworld_elect(world, 0);
    node_id full = other_than(leader, leader);
    ck_assert_int_eq(command_err(world, leader, test_append("c", "x", NULL)), OK);
    fakeworld_run(world, 1000);
    fakeworld_crash(world, other_than(leader, full), MEMDISK_KEEP_ALL);
    leave(world, full, 0);
    fakeworld_run(world, 2000);
    uint64_t began_ms = fakeworld_now_ms(world);
    ck_assert_int_eq(command_err(world, leader, test_delete("c", 1, 1)), OK);
    ck_assert_uint_lt(fakeworld_now_ms(world) - began_ms, 1000);
    fakeworld_free(world);
}
END_TEST

/* Appends that were proposed before anybody knew stand before a delete: they are taken after all. */
START_TEST(needed_follower_lets_the_log_go_on)
{
    struct fakeworld *world = world_of(3, 6);
    node_id leader = fakeworld_elect(world, 0);
    node_id full = other_than(leader, leader);
    ck_assert_int_eq(command_err(world, leader, test_append("c", "x", NULL)), OK);
    fakeworld_run(world, 1000);
    fakeworld_crash(world, other_than(leader, full), MEMDISK_KEEP_ALL);
    leave(world, full, 0);
    fakeworld_run(world, 2000);
    struct fakecall append, delete;
    ck_assert_int_eq(
        fakecall_command(world, leader, &append, 0, test_append("c", "y", NULL), 15000), OK);
    ck_assert_int_eq(fakecall_command(world, leader, &delete, 0, test_delete("c", 1, 1), 15000),
                     OK);
    fakeworld_run(world, 1500);
    ck_assert(!delete.is_done);
    test_wait(world, &delete, 8000);
    ck_assert_int_eq(delete.call.err, OK);
    test_wait(world, &append, 1000);
    ck_assert_int_eq(append.call.err, OK);
    fakecall_done(&append);
    fakecall_done(&delete);

    leave(world, full, 5 * MIB); /* the ballast's room is eaten too: nothing is taken any more */
    fakeworld_run(world, 6000);  /* it was needed until then */
    ck_assert_int_eq(
        fakecall_command(world, leader, &append, 0, test_append("c", "z", NULL), 10000), OK);
    test_wait(world, &append, 11000);
    ck_assert_int_ne(append.call.err, OK);
    fakecall_done(&append);
    fakeworld_free(world);
}
END_TEST

Suite *suite_space(void)
{
    return UNIT_SUITE("space", 60, full_disk_eats_its_ballast, ballast_comes_back_with_room,
                      small_disk_has_no_ballast, full_follower_takes_no_appends,
                      full_follower_takes_deletes, needed_follower_lets_the_log_go_on);
}
