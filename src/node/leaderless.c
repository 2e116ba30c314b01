/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that meet a slot between two leaders. Leaderships are handed over all the time (a node stops,
 * the balance, an operator), and for that moment nobody takes a command: it waits for the next leader
 * instead of being refused, a second at most and never beyond its deadline.
 *
 * Only what was certainly not proposed waits: at its end it may still be said that nothing happened.
 * A call that another node passed on does not wait here but there, so that its node knows that, too.
 * A slot that has been without a leader for longer refuses at once: who is cut off says so. */
#include "node/parts.h"

/* The core may know of it before its update was taken: then group->leader is still the old one. */
static bool is_between_leaders(const struct group *group)
{
    const struct node *node = group->node;
    struct raft_status status;
    raft_status(group->raft, &status);
    if (status.role == RAFT_LEADER) {
        return status.transferring;
    }
    if (status.leader != 0 && status.leader != node->options.id) {
        return false;
    }
    return group->leader != 0 || (group->leader_since_ms != 0 &&
                                  node->now_ms - group->leader_since_ms <= NODE_LEADERLESS_MS);
}

/* Waits from the first time on that it was refused. */
static bool wait_longer(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    if (call->wait_until_ms == 0) {
        call->wait_until_ms = node->now_ms + NODE_LEADERLESS_MS;
    }
    if (call->is_remote || node->is_ending || call->wait_until_ms <= node->now_ms ||
        node->leaderless_count >= NODE_LEADERLESS_MAX) {
        return false;
    }
    call->stage = WAITER_LEADERLESS;
    node->leaderless_count++;
    list_append(&group->leaderless, &call->link);
    return true;
}

bool leaderless_wait(struct group *group, struct node_call *call)
{
#ifdef LETHE_MUTANT_no_leader_no_wait
    return false;
#endif
    return is_between_leaders(group) && wait_longer(group, call);
}

bool leaderless_refused(struct group *group, struct node_call *call)
{
#ifdef LETHE_MUTANT_no_leader_no_wait
    return false;
#endif
    call->hops = 0; /* nobody has it: it begins anew */
    return wait_longer(group, call);
}

void leaderless_go_on(struct group *group)
{
    struct node *node = group->node;
    struct list again;
    list_init(&again);
    for (struct list *item = list_first(&group->leaderless); item != NULL;
         item = list_first(&group->leaderless)) {
        list_remove(item);
        list_append(&again, item);
    }
    for (struct list *item = list_first(&again); item != NULL; item = list_first(&again)) {
        struct node_call *call = WAITER_OF(item);
        list_remove(item);
        node->leaderless_count--;
        call->stage = WAITER_NEW;
        route_again(group, call);
    }
}
