/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's nodes change: added, drained, removed, replaced; what must be refused is; a removed
 * node and a wiped one never come back in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers.h"
#include "wire/command.h"

Suite *suite_member(void);

enum { SLOTS = 4, CHANGE_MS = 60000 };

/* `founders` of `nodes` are up and found the cluster, each slot on three of them at most. */
static struct fakeworld *member_world(uint32_t nodes, uint32_t founders, uint64_t seed)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, nodes, seed);
    options.founders = founders;
    options.greets = true;
    options.node.slot_count = SLOTS;
    options.node.replica_count = 3;
    options.node.log_keep_applied = 8;
    options.node.log_keep_hours = 0;
    options.node.log_min_keep = 8;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= founders; id++)
        test_start(world, id);
    for (slot_id slot = 0; slot < SLOTS; slot++)
        ck_assert_uint_ne(fakeworld_elect(world, slot), 0);
    fakeworld_run(world, 5000); /* all have met */
    return world;
}

/* The first node that is up and was not removed. */
static node_id first_up(struct fakeworld *world)
{
    for (node_id id = 1;; id++) {
        struct node_cluster cluster;
        if (fakeworld_node(world, id) == NULL)
            continue;
        node_get_cluster(fakeworld_node(world, id), &cluster);
        if (!cluster.removed)
            return id;
    }
}

static struct node_placement *ask(struct fakeworld *world, node_id id)
{
    struct fakecall call;
    struct node_member_change question = {.what = NODE_MEMBER_WHATS};
    ck_assert_int_eq(fakecall_member(world, id, &call, &question, 5000), OK);
    test_wait(world, &call, 6000);
    struct node_placement *ret = NULL;
    if (call.call.err == OK)
        ret = node_placement_decode(blob_bytes(call.call.answer));
    fakecall_done(&call);
    return ret;
}

struct watch {
    struct fakeworld *world;
    uint64_t revision;
};

static bool is_through(void *arg)
{
    struct watch *watch = arg;
    struct node_placement *placement = ask(watch->world, first_up(watch->world));
    bool ret = placement != NULL && placement->settled == SLOTS;
    for (uint32_t i = 0; ret && i < placement->nodes_count; i++)
        ret = placement->nodes[i].state != NODE_PLACED_LEAVING;
    free(placement);
    return ret;
}

static void wait_through(struct fakeworld *world)
{
    struct watch watch = {.world = world};
    for (uint64_t ms = 0; ms < CHANGE_MS && !is_through(&watch); ms += 1000)
        fakeworld_run(world, 1000);
    ck_assert_msg(is_through(&watch), "the change did not come to an end");
    fakeworld_run(world, 3000);
}

static enum err change(struct fakeworld *world, node_id at, struct node_member_change what,
                       const char *text)
{
    struct fakecall call;
    ck_assert_int_eq(fakecall_member(world, at, &call, &what, 5000), OK);
    test_wait(world, &call, 6000);
    enum err err = call.call.err;
    if (text != NULL)
        ck_assert_msg(strstr(call.call.why.text, text) != NULL, "%s", call.call.why.text);
    else
        ck_assert_msg(err == OK, "%s: %s", err_slug(err), call.call.why.text);
    fakecall_done(&call);
    return err;
}

static struct node_member_change adding(node_id id, node_id replaces)
{
    struct node_member_change ret = {.what = NODE_MEMBER_ADD, .id = id, .replaces = replaces};
    (void)snprintf(ret.address, sizeof(ret.address), "host%u:11110", (unsigned)id);
    return ret;
}

static struct node_member_change doing(enum node_member_what what, node_id id)
{
    return (struct node_member_change){.what = what, .id = id};
}

static uint64_t send_to(struct fakeworld *world, node_id id, slot_id slot, const char *text)
{
    /* A channel of each slot. */
    char name[16];
    for (int i = 0;; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        if (channel_slot(test_channel(name), SLOTS) == slot)
            break;
    }
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, id, &call, slot, test_append(name, text, NULL), 5000),
                     OK);
    test_wait(world, &call, 6000);
    ck_assert_msg(call.call.err == OK, "%s: %s", err_slug(call.call.err), call.call.why.text);
    uint64_t seq = call.call.result->appends[0].seq;
    fakecall_done(&call);
    return seq;
}

static void fill(struct fakeworld *world, node_id id, int count)
{
    for (int i = 0; i < count; i++) {
        for (slot_id slot = 0; slot < SLOTS; slot++)
            (void)send_to(world, id, slot, "text");
    }
}

/* Who votes in the slot by its leader's configuration; each of them has the leader's state. */
static uint32_t expect_slot(struct fakeworld *world, slot_id slot, node_id absent)
{
    node_id leader = fakeworld_elect(world, slot);
    ck_assert_uint_ne(leader, 0);
    struct raft_status status;
    ck_assert(node_group_status(fakeworld_node(world, leader), slot, &status));
    ck_assert_uint_eq(status.config.voters_old_count, 0);
    ck_assert_uint_eq(status.config.learners_count, 0);
    struct msg_slot_state first;
    struct why why = {0};
    ck_assert_int_eq(
        msg_get_slot_state(node_msg(fakeworld_node(world, leader)), slot, &first, &why), OK);
    for (uint8_t i = 0; i < status.config.voters_count; i++) {
        node_id id = status.config.voters[i];
        ck_assert_uint_ne(id, absent);
        struct msg_slot_state state;
        ck_assert_int_eq(
            msg_get_slot_state(node_msg(fakeworld_node(world, id)), slot, &state, &why), OK);
        ck_assert_uint_eq(state.applied_index, first.applied_index);
        ck_assert(hash128_is_equal(state.digest, first.digest));
    }
    return status.config.voters_count;
}

static uint32_t held(struct fakeworld *world, node_id id)
{
    uint32_t ret = 0;
    for (slot_id slot = 0; slot < SLOTS; slot++) {
        struct node_slot view;
        ck_assert(node_get_slot(fakeworld_node(world, id), slot, &view));
        ret += view.holds;
    }
    return ret;
}

START_TEST(a_fourth_node_gets_its_share)
{
    struct fakeworld *world = member_world(4, 3, 1);
    fill(world, 1, 40);
    (void)change(world, 2, adding(4, 0), NULL);
    test_start(world, 4);
    wait_through(world);
    uint32_t sum = 0;
    for (node_id id = 1; id <= 4; id++) {
        ck_assert_uint_eq(held(world, id), 3);
        sum += held(world, id);
    }
    ck_assert_uint_eq(sum, 3 * SLOTS);
    fill(world, 4, 5); /* it sends on what it does not hold */
    fakeworld_run(world, 3000);
    for (slot_id slot = 0; slot < SLOTS; slot++)
        ck_assert_uint_eq(expect_slot(world, slot, 0), 3);
    (void)change(world, 3, doing(NODE_MEMBER_REMOVE, 1), NULL);
    wait_through(world);
    for (slot_id slot = 0; slot < SLOTS; slot++)
        ck_assert_uint_eq(expect_slot(world, slot, 1), 3);
    ck_assert_uint_eq(held(world, 4), SLOTS);
    fakeworld_free(world);
}
END_TEST

/* Each of the nodes crashes and comes back while slots move: whoever leads goes on. */
START_TEST(moves_go_on_after_crashes)
{
    struct fakeworld *world = member_world(5, 3, (uint64_t)_i + 10);
    fill(world, 1, 30);
    test_start(world, 4);
    test_start(world, 5);
    (void)change(world, 1, adding(4, 0), NULL);
    (void)change(world, 2, adding(5, 0), NULL); /* two at once */
    for (int round = 0; round < 6; round++) {
        node_id victim = (node_id)(1 + (round + _i) % 5);
        fakeworld_run(world, 700);
        fakeworld_crash(world, victim, 0);
        fakeworld_run(world, 1300);
        test_start(world, victim);
        fakeworld_run(world, 4000);
    }
    wait_through(world);
    fill(world, 5, 3);
    fakeworld_run(world, 3000);
    uint32_t sum = 0;
    for (node_id id = 1; id <= 5; id++) {
        ck_assert_uint_ge(held(world, id), 2);
        ck_assert_uint_le(held(world, id), 3);
        sum += held(world, id);
    }
    ck_assert_uint_eq(sum, 3 * SLOTS);
    for (slot_id slot = 0; slot < SLOTS; slot++)
        ck_assert_uint_eq(expect_slot(world, slot, 0), 3);
    fakeworld_free(world);
}
END_TEST

/* The disk of a node is gone. Fails with LETHE_MUTANT_any_incarnation. */
START_TEST(a_wiped_node_is_refused_and_replaced)
{
    struct fakeworld *world = member_world(4, 3, 3);
    fill(world, 1, 20);
    fakeworld_crash(world, 3, MEMDISK_KEEP_ALL);
    fakeworld_wipe(world, 3);
    test_start(world, 3);
    fakeworld_run(world, 10000);
    for (slot_id slot = 0; slot < SLOTS; slot++) {
        struct raft_status status;
        ck_assert(node_group_status(fakeworld_node(world, 3), slot, &status));
        ck_assert_uint_eq(status.applied, 0);
        ck_assert_uint_eq(status.leader, 0);
    }
    (void)change(world, 1, adding(3, 0), "\"replaces\":3");
    test_start(world, 4);
    (void)change(world, 2, adding(4, 3), NULL); /* in one step, with node 3 as good as dead */
    wait_through(world);
    ck_assert_uint_eq(held(world, 4), SLOTS);
    for (slot_id slot = 0; slot < SLOTS; slot++)
        ck_assert_uint_eq(expect_slot(world, slot, 3), 3);
    fakeworld_free(world);
}
END_TEST

/* It was down when it was removed, and returns with all that it had: votes, reads, data. Fails with
 * LETHE_MUTANT_any_incarnation. */
START_TEST(a_removed_node_never_comes_back)
{
    struct fakeworld *world = member_world(3, 3, 4);
    fill(world, 1, 20);
    fakeworld_crash(world, 3, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 5000);
    (void)change(world, 1, doing(NODE_MEMBER_REMOVE, 3), NULL);
    wait_through(world);
    struct raft_status before, after;
    node_id leader = fakeworld_elect(world, 0);
    ck_assert(node_group_status(fakeworld_node(world, leader), 0, &before));
    test_start(world, 3);
    fakeworld_run(world, 10000);
    ck_assert(node_group_status(fakeworld_node(world, leader), 0, &after));
    ck_assert_uint_eq(after.term, before.term);
    ck_assert_uint_eq(after.config.voters_count, 2);
    struct node_cluster cluster;
    node_get_cluster(fakeworld_node(world, 3), &cluster);
    ck_assert(cluster.removed);
    struct fakecall call;
    ck_assert_int_eq(fakecall_read(world, 3, &call, 0, NODE_LOCAL, 0, 1000), ERR_REMOVED);
    fakeworld_crash(world, 3, MEMDISK_KEEP_ALL);
    fakeworld_cut(world, 0, 3, true); /* after another start it knows by itself */
    test_start(world, 3);
    ck_assert_int_eq(fakecall_read(world, 3, &call, 0, NODE_LOCAL, 0, 1000), ERR_REMOVED);
    fakeworld_cut(world, 0, 3, false);
    (void)change(world, 1, adding(3, 0), "never used again");
    fakeworld_free(world);
}
END_TEST

START_TEST(what_is_refused)
{
    struct fakeworld *world = member_world(5, 3, 5);
    struct node_member_change bad = adding(4, 0);
    (void)snprintf(bad.address, sizeof(bad.address), "nowhere");
    ck_assert_int_eq(change(world, 1, bad, "host:port"), ERR_BAD_PARAMETER);
    ck_assert_int_eq(change(world, 1, adding(2, 0), "a member already"), ERR_CONFLICT);
    ck_assert_int_eq(change(world, 1, doing(NODE_MEMBER_REMOVE, 9), "no node 9"), ERR_NOT_FOUND);
    ck_assert_int_eq(change(world, 1, doing(NODE_MEMBER_PROMOTE, 2), "no learner"), ERR_CONFLICT);
    ck_assert_int_eq(change(world, 1, doing(NODE_MEMBER_UNDRAIN, 2), "not draining"), ERR_CONFLICT);
    struct node_member_change dry = adding(4, 0);
    dry.dry_run = true;
    ck_assert_int_eq(change(world, 1, dry, NULL), OK);
    struct node_placement *placement = ask(world, 1);
    ck_assert_uint_eq(placement->nodes_count, 3);
    uint64_t revision = placement->revision;
    free(placement);
    (void)change(world, 1, adding(4, 0), NULL);
    bad = adding(5, 0);
    (void)snprintf(bad.address, sizeof(bad.address), "host4:11110");
    ck_assert_int_eq(change(world, 1, bad, "has the address"), ERR_CONFLICT);
    /* Node 4 is not up: its slots cannot get there, and nothing else may begin. */
    fakeworld_run(world, 3000);
    ck_assert_int_eq(change(world, 1, doing(NODE_MEMBER_DRAIN, 2), "under way"), ERR_CONFLICT);
    (void)change(world, 1, doing(NODE_MEMBER_REMOVE, 4), NULL); /* the way out */
    wait_through(world);
    placement = ask(world, 1);
    ck_assert_uint_eq(placement->nodes_count, 3);
    ck_assert_uint_gt(placement->revision, revision);
    free(placement);
    fakeworld_crash(world, 3, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 5000);
    ck_assert_int_eq(change(world, 1, doing(NODE_MEMBER_REMOVE, 2), "replicas up"), ERR_CONFLICT);
    fakeworld_free(world);
}
END_TEST

START_TEST(a_learner_holds_all_and_votes_nowhere_until_promoted)
{
    struct fakeworld *world = member_world(4, 3, 6);
    fill(world, 1, 20);
    test_start(world, 4);
    struct node_member_change learner = adding(4, 0);
    learner.learner = true;
    (void)change(world, 1, learner, NULL);
    wait_through(world);
    ck_assert_uint_eq(held(world, 4), SLOTS);
    for (slot_id slot = 0; slot < SLOTS; slot++) {
        struct raft_status status;
        node_id leader = fakeworld_elect(world, slot);
        ck_assert(node_group_status(fakeworld_node(world, leader), slot, &status));
        ck_assert_uint_eq(status.config.voters_count, 3);
        ck_assert_uint_eq(status.config.learners_count, 1);
        ck_assert_uint_eq(status.config.learners[0], 4);
    }
    (void)change(world, 1, doing(NODE_MEMBER_PROMOTE, 4), NULL);
    wait_through(world);
    ck_assert_uint_eq(held(world, 4), 3);
    for (slot_id slot = 0; slot < SLOTS; slot++)
        ck_assert_uint_eq(expect_slot(world, slot, 0), 3);
    fakeworld_free(world);
}
END_TEST

START_TEST(who_drains_leads_nothing)
{
    struct fakeworld *world = member_world(4, 4, 7);
    (void)change(world, 1, doing(NODE_MEMBER_DRAIN, 1), NULL);
    wait_through(world);
    ck_assert_uint_eq(held(world, 1), 0);
    (void)change(world, 2, doing(NODE_MEMBER_DRAIN, 2),
                 NULL); /* nobody is to spare: it keeps all */
    wait_through(world);
    ck_assert_uint_eq(held(world, 2), SLOTS);
    for (slot_id slot = 0; slot < SLOTS; slot++) {
        ck_assert_uint_eq(expect_slot(world, slot, 1), 3);
        ck_assert_uint_ne(fakeworld_leader(world, slot), 2);
    }
    (void)change(world, 1, doing(NODE_MEMBER_UNDRAIN, 1), NULL);
    wait_through(world);
    ck_assert_uint_eq(held(world, 1), SLOTS);
    fakeworld_free(world);
}
END_TEST

static uint64_t delete_in(struct fakeworld *world, node_id id, uint64_t start, uint64_t end)
{
    struct fakecall call;
    slot_id slot = channel_slot(test_channel("c"), SLOTS);
    ck_assert_int_eq(fakecall_command(world, id, &call, slot, test_delete("c", start, end), 5000),
                     OK);
    test_wait(world, &call, 6000);
    ck_assert_msg(call.call.err == OK, "%s", call.call.why.text);
    uint64_t index = call.call.result->log_index;
    fakecall_done(&call);
    return index;
}

/* A member that is away holds the floor of the delete log, a learner too; once removed it does not. */
START_TEST(the_floor_follows_the_members)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 4, 8);
    options.founders = 3;
    options.greets = true;
    options.node.slot_count = SLOTS;
    options.node.replica_count = 3;
    options.node.delete_log_retention_ms = 1000;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 4; id++)
        test_start(world, id);
    slot_id slot = channel_slot(test_channel("c"), SLOTS);
    ck_assert_uint_ne(fakeworld_elect(world, slot), 0);
    fakeworld_run(world, 5000);
    struct node_member_change learner = adding(4, 0);
    learner.learner = true;
    (void)change(world, 1, learner, NULL);
    wait_through(world);
    fakeworld_crash(world, 4, MEMDISK_KEEP_ALL);
    for (int i = 0; i < 20; i++) {
        struct fakecall call;
        ck_assert_int_eq(
            fakecall_command(world, 1, &call, slot, test_append("c", "text", NULL), 5000), OK);
        test_wait(world, &call, 6000);
        ck_assert_int_eq(call.call.err, OK);
        fakecall_done(&call);
    }
    uint64_t index = delete_in(world, 1, 5, 9);
    fakeworld_run(world, 30000);
    struct msg_slot_state state;
    struct why why = {0};
    ck_assert_int_eq(msg_get_slot_state(node_msg(fakeworld_node(world, 1)), slot, &state, &why),
                     OK);
    ck_assert_uint_lt(state.floor, index);
    (void)change(world, 1, doing(NODE_MEMBER_REMOVE, 4), NULL);
    wait_through(world);
    fakeworld_run(world, 30000);
    ck_assert_int_eq(msg_get_slot_state(node_msg(fakeworld_node(world, 1)), slot, &state, &why),
                     OK);
    ck_assert_uint_ge(state.floor, index);
    fakeworld_free(world);
}
END_TEST

/* ---- orders as jobs ------------------------------------------------------------------------------ */

static struct node_member_change cancelling(uint64_t revision)
{
    return (struct node_member_change){.what = NODE_MEMBER_CANCEL, .id = 1, .revision = revision};
}

static struct node_order order_of(struct fakeworld *world)
{
    struct node_placement *placement = ask(world, first_up(world));
    ck_assert_ptr_nonnull(placement);
    struct node_order ret = placement->order;
    free(placement);
    return ret;
}

static struct members table_of(struct fakeworld *world, node_id id)
{
    struct members ret;
    members_copy(node_members(fakeworld_node(world, id)), &ret);
    return ret;
}

static bool has_same_places(const struct members *a, const struct members *b)
{
    bool ret = a->places_count == b->places_count;
    for (uint32_t i = 0; ret && i < a->places_count; i++)
        ret = a->places[i].count == b->places[i].count &&
              memcmp(a->places[i].ids, b->places[i].ids,
                     a->places[i].count * sizeof(a->places[i].ids[0])) == 0;
    return ret;
}

START_TEST(an_order_is_a_job_that_outlives_leaders_and_can_be_taken_back)
{
    struct fakeworld *world = member_world(4, 3, 31);
    fill(world, 1, 3);
    ck_assert_uint_eq(order_of(world).state, NODE_ORDER_NONE);
    struct members before = table_of(world, 1);
    (void)change(world, 1, adding(4, 0), NULL); /* it is not up: this cannot end */
    fakeworld_run(world, 5000);
    struct node_order order = order_of(world);
    ck_assert_uint_eq(order.state, NODE_ORDER_RUNNING);
    ck_assert_uint_eq(order.what, NODE_MEMBER_ADD);
    ck_assert_uint_eq(order.node, 4);
    ck_assert_uint_gt(order.moves, 0);
    ck_assert_uint_eq(order.moves_settled, 0);
    node_id leader = fakeworld_elect(world, 0);
    fakeworld_crash(world, leader, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 6000);
    ck_assert_uint_ne(fakeworld_elect(world, 0), 0);
    fakeworld_run(world, 3000);
    ck_assert_uint_eq(order_of(world).revision, order.revision);
    test_start(world, leader);
    fakeworld_run(world, 5000);
    ck_assert_int_eq(change(world, 2, cancelling(order.revision + 1), "only the last order"),
                     ERR_NOT_FOUND);
    struct node_member_change dry = cancelling(order.revision);
    dry.dry_run = true;
    (void)change(world, 2, dry, NULL);
    ck_assert_uint_eq(order_of(world).state, NODE_ORDER_RUNNING);
    (void)change(world, 2, cancelling(order.revision), NULL);
    wait_through(world);
    struct members after = table_of(world, 1);
    ck_assert(has_same_places(&before, &after));
    ck_assert_uint_eq(members_find(&after, 4)->state, MEMBERS_REMOVED);
    order = order_of(world);
    ck_assert_uint_eq(order.state, NODE_ORDER_CANCELLED);
    ck_assert_uint_ne(order.ended_ms, 0);
    ck_assert_int_eq(change(world, 2, cancelling(order.revision), "has ended"), ERR_CONFLICT);
    members_done(&before);
    members_done(&after);
    fakeworld_free(world);
}
END_TEST

START_TEST(a_node_that_is_leaving_stays_when_that_is_taken_back)
{
    struct fakeworld *world = member_world(4, 4, 32);
    fill(world, 1, 20);
    struct members before = table_of(world, 1);
    (void)change(world, 1, doing(NODE_MEMBER_REMOVE, 4), NULL);
    fakeworld_run(world, 100);
    ck_assert_uint_eq(order_of(world).state, NODE_ORDER_RUNNING);
    (void)change(world, 2, cancelling(order_of(world).revision), NULL);
    wait_through(world);
    struct members after = table_of(world, 1);
    ck_assert(has_same_places(&before, &after));
    ck_assert_uint_eq(members_find(&after, 4)->state, MEMBERS_ACTIVE);
    (void)change(world, 1, doing(NODE_MEMBER_REMOVE, 4), NULL);
    wait_through(world);
    fakeworld_run(world, 3000);
    ck_assert_uint_eq(order_of(world).state, NODE_ORDER_DONE);
    (void)send_to(world, 1, 2, "still there");
    members_done(&before);
    members_done(&after);
    fakeworld_free(world);
}
END_TEST

/* ---- versions -------------------------------------------------------------------------------------- */

static uint32_t level_of(struct fakeworld *world, node_id id)
{
    struct node_cluster cluster;
    node_get_cluster(fakeworld_node(world, id), &cluster);
    return cluster.feature_level;
}

static void start_at(struct fakeworld *world, node_id id, uint32_t level)
{
    fakeworld_crash(world, id, MEMDISK_KEEP_ALL);
    fakeworld_set_level(world, id, level);
    test_start(world, id);
    fakeworld_run(world, 8000);
}

static struct fakeworld *old_world(uint32_t level, uint64_t seed)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, seed);
    options.greets = true;
    options.node.slot_count = SLOTS;
    options.node.feature_level = level;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++)
        test_start(world, id);
    for (slot_id slot = 0; slot < SLOTS; slot++)
        ck_assert_uint_ne(fakeworld_elect(world, slot), 0);
    fakeworld_run(world, 5000);
    return world;
}

START_TEST(an_upgrade_is_finalized_when_all_are_new)
{
    struct fakeworld *world = old_world(3, 33);
    struct node_member_change finalize = doing(NODE_MEMBER_FINALIZE, 1);
    ck_assert_uint_eq(level_of(world, 1), 3);
    ck_assert_int_eq(change(world, 1, finalize, "there is nothing to finalize"), ERR_CONFLICT);
    start_at(world, 1, 4);
    ck_assert_int_eq(change(world, 1, finalize, "upgrade every node first"), ERR_CONFLICT);
    start_at(world, 2, 4);
    fakeworld_crash(world, 3, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 5000);
    ck_assert_int_eq(change(world, 2, finalize, "node 3 runs a build of level 3"), ERR_CONFLICT);
    fakeworld_set_level(world, 3, 4);
    test_start(world, 3);
    fakeworld_run(world, 8000);
    ck_assert_uint_eq(level_of(world, 1), 3); /* the way back is open until somebody says so */
    start_at(world, 3, 3);
    start_at(world, 3, 4);
    fakeworld_crash(world, 3, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 3000);
    (void)change(world, 1, finalize, NULL);
    fakeworld_run(world, 3000);
    ck_assert_uint_eq(level_of(world, 2), 4);
    /* Node 3 was away: the others do not let its old build in. */
    fakeworld_set_level(world, 3, 3);
    test_start(world, 3);
    fakeworld_run(world, 8000);
    struct node_cluster cluster;
    node_get_cluster(fakeworld_node(world, 3), &cluster);
    ck_assert_uint_eq(cluster.feature_level, 3);
    ck_assert_msg(strstr(cluster.peers[0].refusal, "feature level 3") != NULL, "%s",
                  cluster.peers[0].refusal);
    start_at(world, 3, 4);
    ck_assert_uint_eq(level_of(world, 3), 4);
    /* Who knows of it does not even start. */
    fakeworld_crash(world, 3, MEMDISK_KEEP_ALL);
    fakeworld_set_level(world, 3, 3);
    struct why why = {0};
    ck_assert_int_eq(fakeworld_start(world, 3, &why), ERR_WRONG_FORMAT);
    ck_assert_msg(strstr(why.text, "start a newer one") != NULL, "%s", why.text);
    fakeworld_run(world, 8000); /* until what it led is led by others */
    (void)send_to(world, 1, 2, "it goes on");
    fakeworld_free(world);
}
END_TEST

START_TEST(who_holds_no_replica_passes_a_compaction_on)
{
    struct fakeworld *world = member_world(4, 4, 37);
    fill(world, 1, 20);
    fakeworld_run(world, 3000);
    uint32_t strange = 0;
    for (slot_id slot = 0; slot < SLOTS; slot++) {
        struct node_slot view;
        struct fakecall call;
        ck_assert(node_get_slot(fakeworld_node(world, 4), slot, &view));
        strange += !view.holds;
        ck_assert_int_eq(fakecall_admin(world, 4, &call, slot, NODE_CALL_COMPACT, 0, false, 5000),
                         OK);
        test_wait(world, &call, 6000);
        ck_assert_int_eq(call.call.err, OK);
        ck_assert_uint_eq(call.call.admin->items_count, 3);
        for (uint32_t i = 0; i < 3; i++) {
            const struct node_admin_item *item = &call.call.admin->items[i];
            ck_assert_uint_gt(item->first_after, 1);
            ck_assert(
                members_has(&node_members(fakeworld_node(world, 1))->places[slot], item->node));
        }
        fakecall_done(&call);
    }
    ck_assert_uint_gt(strange, 0);
    fakeworld_free(world);
}
END_TEST

/* Node 4 never comes, and of the slots that were to move to it one loses another node: what holds them is
 * still where it was. */
START_TEST(a_change_that_cannot_end_can_be_taken_back)
{
    struct fakeworld *world = member_world(4, 3, 43);
    fill(world, 1, 2);
    (void)change(world, 1, adding(4, 0), NULL);
    fakeworld_run(world, 3000);
    struct members table = table_of(world, 1);
    node_id gone = 0; /* shares a slot with node 4 */
    for (slot_id slot = 0; slot < SLOTS && gone == 0; slot++) {
        for (node_id id = 2; id <= 3; id++) {
            if (members_has(&table.places[slot], 4) && members_has(&table.places[slot], id))
                gone = id;
        }
    }
    ck_assert_uint_ne(gone, 0);
    members_done(&table);
    fakeworld_crash(world, gone, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 8000);
    for (slot_id slot = 0; slot < SLOTS; slot++)
        ck_assert_uint_ne(fakeworld_elect(world, slot), 0);
    struct node_order order = order_of(world);
    ck_assert_uint_eq(order.state, NODE_ORDER_RUNNING);
    (void)change(world, 1, cancelling(order.revision), NULL);
    wait_through(world);
    ck_assert_uint_eq(order_of(world).state, NODE_ORDER_CANCELLED);
    fakeworld_free(world);
}
END_TEST

static const struct node_order *earlier_of(struct node_placement *placement, uint64_t revision)
{
    for (uint32_t i = 0; i < placement->earlier_count; i++) {
        if (placement->earlier[i].revision == revision)
            return &placement->earlier[i];
    }
    return NULL;
}

/* Two nodes are added at once: both orders are known, the first one cannot be taken back from under the
 * second, and both end. */
START_TEST(an_order_outlives_the_next_one)
{
    struct fakeworld *world = member_world(5, 3, 47);
    fill(world, 1, 2);
    (void)change(world, 1, adding(4, 0), NULL);
    fakeworld_run(world, 1000);
    uint64_t first = order_of(world).revision;
    (void)change(world, 1, adding(5, 0), NULL);
    fakeworld_run(world, 1000);
    uint64_t second = order_of(world).revision;
    ck_assert_uint_ne(first, second);
    struct node_placement *placement = ask(world, 2);
    ck_assert_ptr_nonnull(earlier_of(placement, first));
    ck_assert_uint_eq(earlier_of(placement, first)->state, NODE_ORDER_RUNNING);
    ck_assert_uint_eq(earlier_of(placement, first)->node, 4);
    free(placement);
    ck_assert_int_eq(change(world, 1, cancelling(first), "came on top of"), ERR_CONFLICT);
    test_start(world, 4);
    test_start(world, 5);
    wait_through(world);
    placement = ask(world, 2);
    ck_assert_uint_eq(placement->order.state, NODE_ORDER_DONE);
    ck_assert_uint_eq(earlier_of(placement, first)->state, NODE_ORDER_DONE);
    ck_assert_uint_ne(earlier_of(placement, first)->ended_ms, 0);
    free(placement);
    ck_assert_int_eq(change(world, 1, cancelling(first), "has ended"), ERR_CONFLICT);
    fakeworld_free(world);
}
END_TEST

START_TEST(a_learner_is_there_when_it_has_all)
{
    struct fakeworld *world = member_world(4, 3, 53);
    fill(world, 1, 200);
    struct node_member_change learner = adding(4, 0);
    learner.learner = true;
    (void)change(world, 1, learner, NULL);
    fakeworld_run(world, 10000);
    struct node_order order = order_of(world);
    ck_assert_uint_eq(order.state, NODE_ORDER_RUNNING); /* it is down */
    ck_assert_uint_eq(order.moves, SLOTS);
    test_start(world, 4);
    /* Its rows cannot be written: it is in every slot's membership, and has nothing. */
    fakeworld_run(world, 200);
    fakeworld_hold_disk(world, 4, true);
    fakeworld_run(world, 8000);
    ck_assert_uint_eq(order_of(world).state, NODE_ORDER_RUNNING);
    fakeworld_hold_disk(world, 4, false);
    for (int i = 0; i < 600 && order_of(world).state == NODE_ORDER_RUNNING; i++)
        fakeworld_run(world, 100);
    ck_assert_uint_eq(order_of(world).state, NODE_ORDER_DONE);
    for (slot_id slot = 0; slot < SLOTS; slot++) {
        struct msg_slot_state there, here;
        struct why why = {0};
        ck_assert_int_eq(msg_get_slot_state(node_msg(fakeworld_node(world, 4)), slot, &there, &why),
                         OK);
        ck_assert_int_eq(msg_get_slot_state(node_msg(fakeworld_node(world, 1)), slot, &here, &why),
                         OK);
        ck_assert_uint_ge(there.applied_index + 64, here.applied_index);
        ck_assert_uint_gt(there.applied_index, 40);
    }
    fakeworld_free(world);
}
END_TEST

/* Of two new nodes one never comes: what goes to the other one alone is not kept waiting by it. */
START_TEST(a_dead_newcomer_holds_up_no_other)
{
    enum { MANY = 32 };
    struct fakeworld_options options;
    fakeworld_options_init(&options, 5, 59);
    options.founders = 3;
    options.greets = true;
    options.node.slot_count = MANY;
    options.node.replica_count = 3;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++)
        test_start(world, id);
    for (slot_id slot = 0; slot < MANY; slot++)
        ck_assert_uint_ne(fakeworld_elect(world, slot), 0);
    fakeworld_run(world, 5000);
    (void)change(world, 1, adding(4, 0), NULL);
    fakeworld_run(world, 3000);
    (void)change(world, 1, adding(5, 0), NULL);
    test_start(world, 5);
    fakeworld_run(world, 30000);
    struct members table = table_of(world, 1);
    uint32_t due = 0, there = 0;
    for (slot_id slot = 0; slot < MANY; slot++) {
        struct node_slot view;
        bool is_due = members_has(&table.places[slot], 5) && !members_has(&table.places[slot], 4);
        ck_assert(node_get_slot(fakeworld_node(world, 5), slot, &view));
        due += is_due;
        there += is_due && view.holds;
    }
    ck_assert_uint_gt(due, 0);
    ck_assert_uint_eq(there, due);
    members_done(&table);
    fakeworld_free(world);
}
END_TEST

/* Of five nodes each slot is on three. With one of them down, the other two must not stop: a majority of
 * the cluster's nodes says nothing of a slot's. */
START_TEST(safe_to_stop_is_a_matter_of_each_slot)
{
    struct fakeworld *world = member_world(5, 5, 61);
    fakeworld_run(world, 5000);
    for (node_id id = 1; id <= 5; id++)
        ck_assert(node_is_safe_to_stop(fakeworld_node(world, id)));
    struct members table = table_of(world, 1);
    node_id gone = table.places[1].ids[0];
    fakeworld_crash(world, gone, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 8000);
    uint32_t unsafe = 0;
    for (node_id id = 1; id <= 5; id++) {
        bool shares = false;
        for (slot_id slot = 0; slot < SLOTS; slot++)
            shares |=
                members_has(&table.places[slot], gone) && members_has(&table.places[slot], id);
        if (id == gone)
            continue;
        ck_assert_msg(node_is_safe_to_stop(fakeworld_node(world, id)) == !shares,
                      "node %u, which %s a slot with node %u", (unsigned)id,
                      shares ? "shares" : "does not share", (unsigned)gone);
        unsafe += shares;
    }
    ck_assert_uint_ge(unsafe, 2);
    members_done(&table);
    fakeworld_free(world);
}
END_TEST

START_TEST(who_shall_be_added_is_asked_first)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 5, 36);
    options.founders = 3;
    options.greets = options.probes = true;
    options.node.slot_count = SLOTS;
    options.node.replica_count = 3;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++)
        test_start(world, id);
    for (slot_id slot = 0; slot < SLOTS; slot++)
        ck_assert_uint_ne(fakeworld_elect(world, slot), 0);
    fakeworld_run(world, 5000);
    ck_assert_int_eq(change(world, 1, adding(4, 0),
                            "no node answers at 'host4:11110' (Connection "
                            "refused): start node 4 first"),
                     ERR_CONFLICT);
    test_start(world, 4);
    fakeworld_set_cluster(world, 4, "other");
    ck_assert_int_eq(
        change(world, 2, adding(4, 0), "belongs to cluster 'other', not to 'fakeworld'"),
        ERR_CONFLICT);
    fakeworld_set_cluster(world, 4, NULL);
    struct node_member_change wrong = adding(5, 0);
    (void)snprintf(wrong.address, sizeof(wrong.address), "host4:1");
    ck_assert_int_eq(change(world, 3, wrong, "node 4 is at 'host4:1', not node 5"), ERR_CONFLICT);
    fakeworld_crash(world, 4, MEMDISK_KEEP_ALL);
    fakeworld_set_level(world, 4, 3);
    test_start(world, 4);
    ck_assert_int_eq(change(world, 1, adding(4, 0), "feature level 3"), ERR_CONFLICT);
    fakeworld_crash(world, 4, MEMDISK_KEEP_ALL);
    fakeworld_set_level(world, 4, NODE_FEATURE_LEVEL);
    test_start(world, 4);
    wrong = adding(4, 0);
    (void)snprintf(wrong.address, sizeof(wrong.address), "host2:1"); /* one with data */
    ck_assert_int_eq(change(world, 1, wrong, "node 2 is at"), ERR_CONFLICT);
    struct members before = table_of(world, 1);
    ck_assert_uint_eq(before.rows_count, 3);
    members_done(&before);
    struct node_member_change dry = adding(4, 0);
    dry.dry_run = true;
    (void)change(world, 2, dry, NULL);
    (void)change(world, 2, adding(4, 0), NULL);
    wait_through(world);
    fakeworld_free(world);
}
END_TEST

START_TEST(what_an_old_build_would_stop_at_is_not_proposed)
{
    struct fakeworld *world = old_world(1, 35);
    ck_assert_int_eq(change(world, 1, doing(NODE_MEMBER_DRAIN, 2), "upgrade it first"),
                     ERR_CONFLICT);
    ck_assert_uint_eq(level_of(world, 1), 0);
    struct members table = table_of(world, 1);
    struct buf buf = BUF_INIT;
    members_encode(&buf, &table);
    struct command command = {.kind = COMMAND_MEMBERS, .members = {.table = buf_bytes(&buf)}};
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, 1, &call, 0, command_encode(&command), 5000), OK);
    test_wait(world, &call, 6000);
    ck_assert_int_eq(call.call.err, ERR_CONFLICT);
    ck_assert_msg(strstr(call.call.why.text, "needs feature level 2") != NULL, "%s",
                  call.call.why.text);
    fakecall_done(&call);
    buf_done(&buf);
    members_done(&table);
    fakeworld_free(world);
}
END_TEST

Suite *suite_member(void)
{
    Suite *suite = suite_create("member");
    TCase *tcase = tcase_create("member");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_fourth_node_gets_its_share);
    tcase_add_loop_test(tcase, moves_go_on_after_crashes, 0, 5);
    tcase_add_test(tcase, a_wiped_node_is_refused_and_replaced);
    tcase_add_test(tcase, a_removed_node_never_comes_back);
    tcase_add_test(tcase, what_is_refused);
    tcase_add_test(tcase, a_learner_holds_all_and_votes_nowhere_until_promoted);
    tcase_add_test(tcase, who_drains_leads_nothing);
    tcase_add_test(tcase, the_floor_follows_the_members);
    tcase_add_test(tcase, an_order_is_a_job_that_outlives_leaders_and_can_be_taken_back);
    tcase_add_test(tcase, a_node_that_is_leaving_stays_when_that_is_taken_back);
    tcase_add_test(tcase, an_upgrade_is_finalized_when_all_are_new);
    tcase_add_test(tcase, who_holds_no_replica_passes_a_compaction_on);
    tcase_add_test(tcase, a_change_that_cannot_end_can_be_taken_back);
    tcase_add_test(tcase, an_order_outlives_the_next_one);
    tcase_add_test(tcase, a_learner_is_there_when_it_has_all);
    tcase_add_test(tcase, a_dead_newcomer_holds_up_no_other);
    tcase_add_test(tcase, safe_to_stop_is_a_matter_of_each_slot);
    tcase_add_test(tcase, who_shall_be_added_is_asked_first);
    tcase_add_test(tcase, what_an_old_build_would_stop_at_is_not_proposed);
    suite_add_tcase(suite, tcase);
    return suite;
}
