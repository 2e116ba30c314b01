/* SPDX-License-Identifier: Apache-2.0 */
/* A whole group at work: elections, replication, reads, transfers, changes of the membership,
 * installs, restarts; and how fast it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "group.h"
#include "suites.h"

static struct raft_status status_of(const struct group *group, node_id id)
{
    struct raft_status ret;
    raft_status(group->nodes[id].raft, &ret);
    return ret;
}

static void assert_equal_to(const struct group *group, node_id leader, int nodes)
{
    raft_index last = group_last(group, leader);
    for (node_id id = 1; id <= (node_id)nodes; id++) {
        struct raft_status status = status_of(group, id);
        ck_assert_uint_eq(status.last.index, last);
        ck_assert_uint_eq(status.commit, last);
        ck_assert_uint_eq(status.applied, last);
        ck_assert_uint_eq(status.leader, leader);
        ck_assert_uint_eq(group->nodes[id].applied, last);
    }
}

START_TEST(first_election_by_time_alone)
{
    struct group group;
    group_init(&group, 5, 5);
    group_tick(&group, 60);
    node_id leader = group_leader(&group);
    ck_assert_uint_ne(leader, 0);
    assert_equal_to(&group, leader, 5);
    raft_term term = status_of(&group, leader).term;
    group_tick(&group, 300); /* and it stays */
    ck_assert_uint_eq(group_leader(&group), leader);
    ck_assert_uint_eq(status_of(&group, leader).term, term);
    group_done(&group);
}
END_TEST

START_TEST(replication_and_idleness)
{
    struct group group;
    group_init(&group, 3, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(group_propose(&group, 1, 100, 10), OK);
        group_settle(&group);
    }
    ck_assert_uint_eq(group_last(&group, 1), 1001);
    assert_equal_to(&group, 1, 3);
    ck_assert_int_eq(group_propose(&group, 2, 1, 1), ERR_NOT_LEADER);
    uint64_t tickets = group.nodes[1].tickets + group.nodes[2].tickets;
    group_tick(&group, 200); /* an idle group writes nothing (P27) */
    ck_assert_uint_eq(group.nodes[1].tickets + group.nodes[2].tickets, tickets);
    group_done(&group);
}
END_TEST

START_TEST(limits_of_a_proposal)
{
    struct group group;
    group_init(&group, 3, 3);
    group.options.uncommitted_max_bytes = 1000;
    group.options.entry_max_bytes = 5000;
    group_stop(&group, 1);
    group_start(&group, 1);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    ck_assert_int_eq(group_propose(&group, 1, 5001, 1), ERR_TOO_LARGE);
    ck_assert_int_eq(group_propose(&group, 1, 4000, 1), OK); /* the first is never refused */
    ck_assert_int_eq(group_propose(&group, 1, 1, 1), ERR_BUSY);
    ck_assert_uint_eq(status_of(&group, 1).uncommitted_bytes, 4000);
    group_settle(&group);
    ck_assert_uint_eq(status_of(&group, 1).uncommitted_bytes, 0);
    ck_assert_int_eq(group_propose(&group, 1, 500, 2), OK);
    ck_assert_int_eq(group_propose(&group, 1, 1, 1), ERR_BUSY);
    group_done(&group);
}
END_TEST

START_TEST(a_lost_leader_and_its_return)
{
    struct group group;
    group_init(&group, 3, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    group.cut[1] = true;
    ck_assert_int_eq(group_propose(&group, 1, 10, 7), OK); /* will be overwritten */
    group_tick(&group, 70);
    node_id leader = group_leader(&group);
    ck_assert_uint_ne(leader, 1);
    ck_assert_uint_ne(leader, 0);
    ck_assert_int_eq(raft_role(group.nodes[1].raft), RAFT_CANDIDATE_PRE); /* CheckQuorum */
    ck_assert_int_eq(group_propose(&group, leader, 10, 3), OK);
    group_settle(&group);
    raft_term term = status_of(&group, leader).term;
    group.cut[1] = false;
    group_tick(&group, 20);
    ck_assert_uint_eq(group_leader(&group), leader); /* PreVote: its return disturbs nobody */
    ck_assert_uint_eq(status_of(&group, leader).term, term);
    assert_equal_to(&group, leader, 3);
    group_done(&group);
}
END_TEST

START_TEST(forgotten_leader_is_replaced_soon)
{
    struct group group;
    group_init(&group, 3, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    group_stop(&group, 1);
    raft_forget_leader(group.nodes[2].raft);
    raft_forget_leader(group.nodes[3].raft);
    int ticks = 0;
    while (group_leader(&group) == 0 && ticks < 15) {
        group_tick(&group, 1);
        ticks++;
    }
    ck_assert_int_lt(ticks, 15); /* sooner than any election timeout */
    group_done(&group);
}
END_TEST

/* Pinned, the running timeout and all later ones are that long; at 0 they are drawn again. */
START_TEST(pinned_timeouts)
{
    struct group group;
    group_init(&group, 3, 3);
    raft_pin_timeout(group.nodes[1].raft, 40);
    raft_pin_timeout(group.nodes[2].raft, 20);
    raft_pin_timeout(group.nodes[3].raft, 40);
    group_tick(&group, 19);
    ck_assert_uint_eq(group_leader(&group), 0);
    group_tick(&group, 1);
    ck_assert_uint_eq(group_leader(&group), 2);
    group.cut[2] = true;
    group_tick(&group, 39);
    ck_assert_uint_eq(raft_current_term(group.nodes[1].raft), 1);
    raft_pin_timeout(group.nodes[3].raft, 0);
    raft_tick(group.nodes[3].raft, 30); /* the running one stays, the next is drawn */
    group_settle(&group);
    ck_assert_uint_ne(group_leader(&group), 2);
    group_done(&group);
}
END_TEST

START_TEST(reads_on_every_role)
{
    struct group group;
    group_init(&group, 3, 3);
    ck_assert_int_eq(raft_read(group.nodes[2].raft, 1), ERR_NO_LEADER);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    group_propose(&group, 1, 10, 5);
    group_settle(&group);
    for (node_id id = 1; id <= 3; id++) {
        ck_assert_int_eq(raft_read(group.nodes[id].raft, 40 + id), OK);
        group_settle(&group);
        ck_assert_uint_eq(group.nodes[id].reads, 1);
        ck_assert_uint_eq(group.nodes[id].read.tag, 40 + id);
        ck_assert_uint_eq(group.nodes[id].read.index, 6);
        ck_assert_int_eq(group.nodes[id].read.err, OK);
    }
    /* Alone, a leader answers nothing, and refuses when it steps down. */
    group.cut[1] = true;
    ck_assert_int_eq(raft_read(group.nodes[1].raft, 50), OK);
    ck_assert_int_eq(raft_read(group.nodes[2].raft, 51), OK);
    group_settle(&group);
    ck_assert_uint_eq(group.nodes[1].reads, 1);
    group_tick(&group, 31);
    ck_assert_uint_eq(group.nodes[1].reads, 2);
    ck_assert_int_eq(group.nodes[1].read.err, ERR_NO_LEADER);
    ck_assert_uint_eq(group.nodes[2].reads, 2);
    ck_assert_uint_eq(group.nodes[2].read.tag, 51);
    ck_assert_int_eq(group.nodes[2].read.err, ERR_NO_LEADER);
    group_done(&group);
}
END_TEST

START_TEST(transfer)
{
    struct group group;
    group_init(&group, 4, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    raft_term term = status_of(&group, 1).term;
    ck_assert_int_eq(raft_transfer(group.nodes[1].raft, 4), ERR_IGNORED); /* no member */
    ck_assert_int_eq(raft_transfer(group.nodes[1].raft, 1), ERR_IGNORED);
    ck_assert_int_eq(raft_transfer(group.nodes[2].raft, 3), ERR_NOT_LEADER);
    group_propose(&group, 1, 10, 5);
    ck_assert_int_eq(raft_transfer(group.nodes[1].raft, 3), OK);
    ck_assert_int_eq(raft_transfer(group.nodes[1].raft, 2), ERR_TRANSFERRING);
    ck_assert_int_eq(group_propose(&group, 1, 10, 1), ERR_TRANSFERRING);
    group_settle(&group);
    ck_assert_uint_eq(group_leader(&group), 3); /* although everybody has a fresh leader (P10) */
    ck_assert_uint_eq(status_of(&group, 3).term, term + 1);
    assert_equal_to(&group, 3, 3);
    group.cut[2] = true; /* a target out of reach: it ends after an election timeout */
    ck_assert_int_eq(raft_transfer(group.nodes[3].raft, 2), OK);
    group_tick(&group, 14);
    ck_assert_int_eq(group_propose(&group, 3, 10, 1), ERR_TRANSFERRING);
    group_tick(&group, 2);
    ck_assert_int_eq(group_propose(&group, 3, 10, 1), OK);
    group_done(&group);
}
END_TEST

START_TEST(stalled_leader_hands_over)
{
    struct group group;
    group_init(&group, 3, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    raft_may_lead(group.nodes[1].raft, false, 100);
    group_settle(&group);
    node_id leader = group_leader(&group);
    ck_assert_uint_ne(leader, 1);
    ck_assert_uint_ne(leader, 0);
    group_stop(&group, leader);
    group_tick(&group, 100); /* it does not campaign, and alone the other cannot win without it */
    ck_assert_int_eq(raft_role(group.nodes[1].raft), RAFT_FOLLOWER);
    ck_assert_uint_eq(group_leader(&group), 5 - leader);
    group_done(&group);
}
END_TEST

static struct raft_config config_of(const char *voters, const char *learners)
{
    struct raft_config ret;
    memset(&ret, 0, sizeof(ret));
    for (; *voters != '\0'; voters++)
        ret.voters[ret.voters_count++] = (node_id)(*voters - '0');
    for (; *learners != '\0'; learners++)
        ret.learners[ret.learners_count++] = (node_id)(*learners - '0');
    return ret;
}

static void assert_config(const struct group *group, node_id id, const char *voters,
                          const char *learners)
{
    struct raft_config want = config_of(voters, learners);
    struct raft_status status = status_of(group, id);
    ck_assert_mem_eq(&status.config, &want, sizeof(want));
    ck_assert(!status.config_pending);
}

static enum err change(struct group *group, node_id id, const char *voters, const char *learners)
{
    struct raft_config target = config_of(voters, learners);
    enum err ret = raft_change_config(group->nodes[id].raft, &target);
    raft_check(group->nodes[id].raft);
    return ret;
}

START_TEST(simple_changes)
{
    struct group group;
    group_init(&group, 5, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    ck_assert_int_eq(change(&group, 2, "12", ""), ERR_NOT_LEADER);
    ck_assert_int_eq(change(&group, 1, "", ""), ERR_BAD_PARAMETER);
    ck_assert_int_eq(change(&group, 1, "123", ""), ERR_IGNORED);
    ck_assert_int_eq(change(&group, 1, "123", "4"), OK);
    ck_assert_int_eq(change(&group, 1, "123", "45"), ERR_CONFIG_PENDING);
    group_settle(&group);
    assert_config(&group, 4, "123", "4");
    ck_assert_int_eq(change(&group, 1, "1234", ""), OK); /* promotion */
    group_settle(&group);
    assert_config(&group, 4, "1234", "");
    assert_equal_to(&group, 1, 4);
    ck_assert_int_eq(change(&group, 1, "123", ""), OK);
    group_settle(&group);
    ck_assert_uint_eq(status_of(&group, 1).peers_count, 2);
    raft_term term = status_of(&group, 1).term;
    group_tick(&group, 100); /* the removed node disturbs nobody */
    ck_assert_uint_eq(group_leader(&group), 1);
    ck_assert_uint_eq(status_of(&group, 1).term, term);
    group_done(&group);
}
END_TEST

START_TEST(joint_change_leaves_once)
{
    struct group group;
    group_init(&group, 6, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    group_propose(&group, 1, 10, 20);
    group_settle(&group);
    raft_index before = group_last(&group, 1);
    ck_assert_int_eq(change(&group, 1, "14", "2"), OK); /* 2 becomes a learner, 3 goes, 4 comes */
    struct raft_status status = status_of(&group, 1);
    ck_assert_uint_eq(status.config.voters_old_count, 3);
    ck_assert_uint_eq(status.config.learners_next_count, 1);
    ck_assert_int_eq(change(&group, 1, "1456", ""), ERR_CONFIG_PENDING);
    group_settle(&group);
    ck_assert_uint_eq(group_last(&group, 1), before + 2); /* in and out, once each (P13) */
    assert_config(&group, 1, "14", "2");
    assert_config(&group, 4, "14", "2");
    assert_config(&group, 2, "14", "2");
    group_tick(&group, 50);
    ck_assert_uint_eq(group_last(&group, 1), before + 2);
    group_done(&group);
}
END_TEST

START_TEST(leader_replaces_all_and_goes)
{
    struct group group;
    group_init(&group, 6, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    ck_assert_int_eq(change(&group, 1, "456", ""), OK);
    group_settle(&group);
    group_tick(&group, 40);
    node_id leader = group_leader(&group);
    ck_assert_uint_ge(leader, 4);
    assert_config(&group, leader, "456", "");
    ck_assert_int_eq(raft_role(group.nodes[1].raft), RAFT_FOLLOWER);
    ck_assert_int_eq(group_propose(&group, leader, 10, 3), OK);
    group_settle(&group);
    for (node_id id = 4; id <= 6; id++)
        ck_assert_uint_eq(group.nodes[id].applied, group_last(&group, leader));
    group_done(&group);
}
END_TEST

START_TEST(only_voter_changes_and_commits)
{
    struct group group;
    group_init(&group, 2, 1);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    ck_assert_int_eq(group_propose(&group, 1, 10, 5), OK);
    group_settle(&group);
    ck_assert_uint_eq(group.nodes[1].applied, 6);
    ck_assert_int_eq(raft_read(group.nodes[1].raft, 9), OK);
    group_settle(&group);
    ck_assert_uint_eq(group.nodes[1].read.index, 6);
    ck_assert_int_eq(change(&group, 1, "12", ""), OK);
    group_settle(&group);
    assert_equal_to(&group, 1, 2);
    group_done(&group);
}
END_TEST

/* What the leader's retention does: everything applied leaves the log. */
static void compact(struct group *group, node_id id)
{
    struct group_node *node = &group->nodes[id];
    raft_index to = node->applied;
    uint32_t gone = (uint32_t)(to - node->base.index);
    struct raft_status status = status_of(group, id);
    node->base = (struct raft_pos){raft_term_at(node->raft, to), to};
    node->base_config = (struct raft_config_at){status.config_pos, status.config};
    node->log_count -= gone;
    memmove(node->log, node->log + gone, node->log_count * sizeof(*node->log));
    raft_compacted(node->raft, to);
    raft_check(node->raft);
}

START_TEST(install_brings_a_laggard_back)
{
    struct group group;
    group_init(&group, 4, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    group.cut[3] = true;
    group_propose(&group, 1, 10, 50);
    group_settle(&group);
    ck_assert_int_eq(change(&group, 1, "1234", ""), OK);
    group_settle(&group);
    compact(&group, 1);
    group.cut[3] = false;
    group.installs = false;
    group_tick(&group, 10); /* nothing is offered: it waits, and is told of again and again */
    ck_assert_int_eq(status_of(&group, 1).peers[1].state, RAFT_PROGRESS_DELTA);
    group.installs = true;
    group_tick(&group, 10);
    ck_assert_int_eq(status_of(&group, 1).peers[1].state, RAFT_REPLICATE);
    assert_equal_to(&group, 1, 4);
    assert_config(&group, 3, "1234", ""); /* the configuration came with it (P12) */
    group_propose(&group, 1, 10, 5);
    group_settle(&group);
    assert_equal_to(&group, 1, 4);
    group_done(&group);
}
END_TEST

START_TEST(ordered_install_of_a_quarantined_node)
{
    struct group group;
    group_init(&group, 3, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    group_propose(&group, 1, 10, 10);
    group_settle(&group);
    raft_quarantine(group.nodes[3].raft, true);
    ck_assert_int_eq(raft_read(group.nodes[3].raft, 1), ERR_UNREADY);
    raft_campaign(group.nodes[3].raft);
    ck_assert_int_eq(raft_role(group.nodes[3].raft), RAFT_FOLLOWER);
    group_propose(&group, 1, 10, 10); /* it still acks */
    group.cut[2] = true;
    group_settle(&group);
    ck_assert_uint_eq(group.nodes[1].applied, 21);
    group.cut[2] = false;
    /* Without 3 no quorum holds what is committed: its repair has to wait. */
    ck_assert_int_eq(raft_order_install(group.nodes[1].raft, 3), ERR_BUSY);
    group_tick(&group, 3);
    ck_assert_int_eq(raft_order_install(group.nodes[1].raft, 3), OK);
    group_tick(&group, 10);
    ck_assert(!status_of(&group, 3).quarantined);
    ck_assert_uint_eq(group.nodes[3].base.index, 21);
    assert_equal_to(&group, 1, 3);
    group_done(&group);
}
END_TEST

/* A disk that lost its tail, and the promise file with it: the leader notices that the peer lacks
 * what it acked and says so; it then neither votes nor counts until it is whole again (R19). */
START_TEST(leader_notices_what_a_peer_forgot)
{
    struct group group;
    group_init(&group, 3, 3);
    group.options.append_max_entries = 2; /* so that its recovery takes several packets */
    group_stop(&group, 1);
    group_start(&group, 1);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    group_propose(&group, 1, 10, 20);
    group_settle(&group);
    group_stop(&group, 3);
    struct group_node *node = &group.nodes[3];
    node->log_count = 10;
    node->applied = node->commit = 10;
    group_start(&group, 3);
    ck_assert(!status_of(&group, 3).amnesia); /* it does not know */
    group.cut[2] = true;
    bool was_told = false;
    for (int i = 0; i < 12; i++) {
        raft_tick(group.nodes[1].raft, 1);
        for (int j = 0; j < 3 && !was_told; j++) {
            group_settle_once(&group);
            was_told |= status_of(&group, 3).amnesia;
        }
    }
    ck_assert(was_told);
    group.cut[2] = false;
    group_settle(&group);
    group_tick(&group, 40);
    node_id leader = group_leader(&group);
    group_propose(&group, leader, 10, 1);
    group_settle(&group);
    ck_assert(!status_of(&group, 3).amnesia);
    assert_equal_to(&group, leader, 3);
    group_done(&group);
}
END_TEST

/* The removed leader's log is the only one that can win: it must stand, although the configuration
 * in force, which is not committed, has it no more. */
START_TEST(leader_that_removes_itself_and_stalls)
{
    struct group group;
    group_init(&group, 2, 2);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    group.cut[2] = true;
    ck_assert_int_eq(change(&group, 1, "2", ""), OK);
    group_tick(&group, 40); /* CheckQuorum ends its leadership */
    ck_assert_int_ne(raft_role(group.nodes[1].raft), RAFT_LEADER);
    group.cut[2] = false;
    group_tick(&group, 120);
    ck_assert_uint_eq(group_leader(&group), 2);
    assert_config(&group, 2, "2", "");
    ck_assert_int_eq(group_propose(&group, 2, 10, 1), OK);
    group_settle(&group);
    ck_assert_uint_eq(status_of(&group, 2).commit, group_last(&group, 2));
    group_done(&group);
}
END_TEST

START_TEST(laggard_reads_a_long_cold_log)
{
    struct group group;
    group_init(&group, 3, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    group.cut[3] = true;
    for (int i = 0; i < 200; i++) {
        group_propose(&group, 1, 5000, 50); /* 50 MB, all applied on the leader */
        group_settle(&group);
    }
    group.cut[3] = false;
    group_tick(&group, 10); /* ranges of unknown size go out one after the other */
    ck_assert_uint_eq(group_last(&group, 3), 10001);
    assert_equal_to(&group, 1, 3);
    struct raft_status status = status_of(&group, 1);
    ck_assert_uint_eq(status.peers[1].inflight_packets, 0);
    ck_assert_uint_eq(status.peers[1].inflight_bytes, 0);
    ck_assert_uint_lt(status.peers[1].round_ticks, 10000);
    group_done(&group);
}
END_TEST

START_TEST(restarts)
{
    struct group group;
    group_init(&group, 3, 3);
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    group_propose(&group, 1, 10, 10);
    group_settle(&group);
    for (node_id id = 1; id <= 3; id++)
        group_stop(&group, id);
    for (node_id id = 1; id <= 3; id++)
        group_start(&group, id);
    for (node_id id = 1; id <= 3; id++)
        ck_assert_uint_eq(status_of(&group, id).commit, 11); /* applied was 11 */
    group_tick(&group, 60);
    node_id leader = group_leader(&group);
    ck_assert_uint_ne(leader, 0);
    ck_assert_uint_gt(status_of(&group, leader).term, 1);
    assert_equal_to(&group, leader, 3);
    group_done(&group);
}
END_TEST

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* No bound on time here, as machines differ; RAFT_SPEED=1 prints the figures. */
START_TEST(speed)
{
    struct group group;
    bool measures = getenv("RAFT_SPEED") != NULL;
    int batches = measures ? 20000 : 1000;
    group_init(&group, 3, 3);
    group.check = false;
    ck_assert_uint_eq(group_elect(&group, 1), 1);
    double start = seconds();
    for (int i = 0; i < batches; i++) {
        ck_assert_int_eq(group_propose(&group, 1, 512, 64), OK);
        group_settle(&group);
    }
    double busy = seconds() - start;
    assert_equal_to(&group, 1, 3);
    ck_assert_uint_eq(group_last(&group, 1), 1 + (raft_index)batches * 64);
    start = seconds();
    group_tick(&group, measures ? 100000 : 100);
    double idle = seconds() - start;
    if (measures)
        printf("%.0f entries/s through three replicas; %.0f ns for a tick of all three, idle\n",
               batches * 64 / busy, idle / 100000 * 1e9);
    group_done(&group);
}
END_TEST

Suite *suite_group(void)
{
    return UNIT_SUITE("group", 60, first_election_by_time_alone, replication_and_idleness,
                      limits_of_a_proposal, a_lost_leader_and_its_return,
                      forgotten_leader_is_replaced_soon, pinned_timeouts, reads_on_every_role,
                      transfer, stalled_leader_hands_over, simple_changes, joint_change_leaves_once,
                      leader_replaces_all_and_goes, only_voter_changes_and_commits,
                      install_brings_a_laggard_back, ordered_install_of_a_quarantined_node,
                      leader_notices_what_a_peer_forgot, leader_that_removes_itself_and_stalls,
                      laggard_reads_a_long_cold_log, restarts, speed);
}
