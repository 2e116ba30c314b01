/* SPDX-License-Identifier: Apache-2.0 */
/* Reads. A linearizable one asks the core for a read index (R16): all reads of a turn and group
 * share one question, and one round of heartbeats serves all questions that wait. Then it waits
 * until this node has applied that far, and beyond its own min_index. A local one waits for
 * min_index alone, after a look at how long the leader was silent.
 *
 * What this file ends with is only "the store may be read now": the caller reads it himself, on
 * his own thread. A node whose replica may not be read (installing, amnesia, quarantined), or that has none,
 * has another one read: query.c. */
#include "node/parts.h"

/* The rows are not one state, or are not to be trusted. */
static bool is_unready(const struct group *group)
{
    return atomic_load(&group->is_replacing) || atomic_load(&group->is_unfit);
}

/* There is nothing here to read, or nobody brings it up to date any more. As node_vouch judges. */
static bool is_stranger(const struct group *group)
{
    return group->role != RAFT_LEADER && !atomic_load(&group->holds);
}

/* The node may have left the slot while the read waited. */
static void read_end(struct group *group, struct node_call *call)
{
    if (is_unready(group) || is_stranger(group)) {
        query_elsewhere(group, call);
    } else {
        waiter_finish(group->node, call, OK, NULL);
    }
}

/* Waits for call->index to be applied; answers at once when it is. */
static void read_wait(struct group *group, struct node_call *call)
{
    if (is_unready(group) || call->index <= group->applied) {
        read_end(group, call);
        return;
    }
    call->stage = WAITER_APPLYING;
    waiter_add(&group->reads_waiting, call);
}

static void read_local(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    struct raft_status status;
    raft_status(group->raft, &status);
    if (status.amnesia || status.installing || status.quarantined) {
        query_elsewhere(group, call);
        return;
    }
    call->staleness_ms = (uint64_t)status.leader_silent_ticks * node->options.tick_ms;
    if (call->max_staleness_ms != 0 && call->staleness_ms > call->max_staleness_ms) {
        waiter_finish(node, call, ERR_TOO_STALE, NULL);
        return;
    }
    call->index = call->min_index;
    read_wait(group, call);
}

void read_start(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    STAT_ADD(node, reads_total, call->wait_until_ms == 0); /* once, however often it begins */
    bool is_leader = group->role == RAFT_LEADER;
    if (is_stranger(group)) {
        query_elsewhere(group, call);
    } else if (call->consistency == NODE_LOCAL) {
        read_local(group, call);
    } else if (!is_leader && call->no_forward) {
        waiter_finish(node, call, ERR_NOT_LEADER, NULL);
    } else if (is_unready(group)) {
        query_elsewhere(group, call);
    } else if (group->is_halted && group->is_alone) { /* what is committed can never be shown */
        waiter_finish(node, call, ERR_UNREADY, SLOT_HALTED);
#ifdef LETHE_MUTANT_read_no_index
    } else if (call->consistency == NODE_LINEARIZABLE) {
        call->index = call->min_index;
        read_wait(group, call);
#endif
    } else if (is_leader && call->consistency == NODE_LEADER) {
        call->index = call->min_index;
        read_wait(group, call);
    } else {
        /* On another node a `leader` read becomes a linearizable one: more than was asked for, and
         * it needs no detour. */
        list_append(&group->reads_new, &call->link);
        if (list_is_empty(&group->asking)) {
            list_append(&node->asking, &group->asking);
        }
    }
}

/* One question for all reads of the group that came in this turn. */
static void read_ask_group(struct group *group)
{
    struct node *node = group->node;
    uint64_t tag = ++node->read_tag;
    enum err err = raft_read(group->raft, tag);
    for (struct list *item = list_first(&group->reads_new); item != NULL;
         item = list_first(&group->reads_new)) {
        struct node_call *call = WAITER_OF(item);
        if (err == ERR_NO_LEADER || err == ERR_NOT_LEADER) {
            list_remove(item);
            if (leaderless_wait(group, call)) {
                continue;
            }
        }
        if (err == ERR_UNREADY) {
            query_elsewhere(group, call);
            continue;
        }
        if (err != OK) {
            waiter_finish(node, call, err == ERR_NOT_LEADER ? ERR_NO_LEADER : err, NULL);
            continue;
        }
        call->id = tag;
        call->stage = WAITER_ASKED;
        list_remove(item);
        list_append(&group->reads_asked, item);
    }
    group_dirty(group);
}

void read_ask(struct node *node)
{
    for (struct list *item = list_first(&node->asking); item != NULL;
         item = list_first(&node->asking)) {
        list_remove(item);
        read_ask_group(CONTAINER_OF(item, struct group, asking));
    }
}

/* Reads of one tag stand together, tags ascend; some of them may have met their deadline. */
void read_done(struct group *group, const struct raft_read_done *done)
{
    struct list *item = group->reads_asked.next;
    while (item != &group->reads_asked && WAITER_OF(item)->id < done->tag) {
        item = item->next;
    }
    while (item != &group->reads_asked && WAITER_OF(item)->id == done->tag) {
        struct node_call *call = WAITER_OF(item);
        item = item->next;
        list_remove(&call->link);
        if (done->err != OK) {
            if (!leaderless_refused(group, call)) {
                waiter_finish(group->node, call, ERR_NO_LEADER, NULL);
            }
            continue;
        }
        call->index = done->index > call->min_index ? done->index : call->min_index;
        read_wait(group, call);
    }
}

void read_applied(struct group *group)
{
    for (struct list *item = list_first(&group->reads_waiting);
         item != NULL && WAITER_OF(item)->index <= group->applied;
         item = list_first(&group->reads_waiting)) {
        read_end(group, WAITER_OF(item));
    }
}

void read_leave(struct group *group)
{
    struct list *reads[] = {&group->reads_new, &group->reads_asked, &group->reads_waiting};
    for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
        while (!list_is_empty(reads[i])) {
            query_elsewhere(group, WAITER_OF(list_first(reads[i])));
        }
    }
}
