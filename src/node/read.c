/* SPDX-License-Identifier: Apache-2.0 */
/* Reads. A linearizable one asks the core for a read index (R16): all reads of a turn and group
 * share one question, and one round of heartbeats serves all questions that wait. Then it waits
 * until this node has applied that far, and beyond its own min_index. A local one waits for
 * min_index alone, after a look at how long the leader was silent.
 *
 * What this file ends with is only "the store may be read now": the caller reads it himself, on
 * his own thread. */
#include "node/parts.h"

enum { READ_RETRY_MS = 1000 };

/* Waits for call->index to be applied; answers at once when it is. */
static void read_wait(struct group *group, struct node_call *call)
{
    if (atomic_load(&group->is_replacing) || atomic_load(&group->is_unfit)) {
        call->retry_after_ms = READ_RETRY_MS;
        waiter_finish(group->node, call, ERR_UNREADY, READ_UNREADY);
        return;
    }
    if (call->index <= group->applied) {
        waiter_finish(group->node, call, OK, NULL);
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
        call->retry_after_ms = READ_RETRY_MS;
        waiter_finish(node, call, ERR_UNREADY, READ_UNREADY);
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

/* This node has no replica of the slot to read from. */
static void read_elsewhere(struct group *group, struct node_call *call)
{
    node_id to = table_route(group);
    char text[128];
    (void)snprintf(text, sizeof(text), "node %u holds no replica of slot %u: ask node %u",
                   (unsigned)group->node->options.id, group->slot, (unsigned)to);
    call->retry_after_ms = READ_RETRY_MS;
    bool is_told = call->no_forward && to != 0 && call->consistency != NODE_LOCAL;
    waiter_finish(group->node, call, is_told ? ERR_NOT_LEADER : ERR_UNREADY, text);
}

void read_start(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    STAT_ADD(node, reads_total, call->wait_until_ms == 0); /* once, however often it begins */
    bool is_leader = group->role == RAFT_LEADER;
    if (!is_leader && !atomic_load(&group->holds)) {
        read_elsewhere(group, call);
    } else if (call->consistency == NODE_LOCAL) {
        read_local(group, call);
    } else if (!is_leader && call->no_forward) {
        waiter_finish(node, call, ERR_NOT_LEADER, NULL);
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
        if (err != OK) {
            call->retry_after_ms = err == ERR_UNREADY ? READ_RETRY_MS : 0;
            waiter_finish(node, call, err == ERR_NOT_LEADER ? ERR_NO_LEADER : err,
                          err == ERR_UNREADY ? READ_UNREADY : NULL);
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
        waiter_finish(group->node, WAITER_OF(item), OK, NULL);
    }
}
