/* SPDX-License-Identifier: Apache-2.0 */
/* Where a call goes: a command to the core when this node leads its slot, else to the leader; a
 * read to read.c; a transfer to the core.
 *
 * What is refused here was certainly not applied. From raft_propose on a command is in doubt until
 * apply answers it; once forwarded (forward.c) likewise, as nobody here knows what became of it. */
#include "node/parts.h"
#include "wire/command.h"

/* The leader's clock, but never behind what it proposed before. */
void route_stamp(struct group *group, struct blob *command)
{
    uint64_t wall_ms = group->node->world.wall_ms(group->node->world.arg);
    if (group->first_time_ms == 0) {
        group->first_time_ms = wall_ms;
    }
    if (wall_ms > group->last_time_ms) {
        group->last_time_ms = wall_ms;
    }
    command_set_time(command, group->last_time_ms);
}

static void route_propose(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    if (node->open_bytes > NODE_OPEN_MAX_BYTES) {
        waiter_finish(node, call, ERR_BUSY, "too many bytes of commands are in flight");
        return;
    }
    /* Only the leader's own disk: who does not lead passes appends on to one that may have room. */
    if (atomic_load_explicit(&node->disk_low, memory_order_relaxed) &&
        command_kind_of(blob_bytes(call->command)) == COMMAND_APPEND) {
        waiter_finish(node, call, ERR_DISK_FULL, NULL);
        return;
    }
    if (group->is_majority_low && command_kind_of(blob_bytes(call->command)) == COMMAND_APPEND) {
        waiter_finish(node, call, ERR_DISK_FULL, "the disks of a majority are nearly full");
        return;
    }
    if (group->is_undecided && command_kind_of(blob_bytes(call->command)) == COMMAND_APPEND) {
        waiter_finish(node, call, ERR_UNREADY, "replicas differ and no state has a majority");
        return;
    }
    if (group->is_halted) { /* it leads as there is nobody else */
        waiter_finish(node, call, ERR_UNREADY, SLOT_HALTED);
        return;
    }
    struct why why = {0};
    if (table_may_propose(node, command_kind_of(blob_bytes(call->command)), &why) != OK) {
        waiter_finish(node, call, ERR_CONFLICT, why.text);
        return;
    }
    route_stamp(group, call->command);
    struct raft_entry entry = {
        .kind = RAFT_ENTRY_DATA, .size_bytes = call->command->len, .payload = call->command};
    struct raft_pos pos;
    enum err err = raft_propose(group->raft, &entry, 1, &pos);
    if (err != OK) {
        if (err != ERR_TRANSFERRING || !leaderless_wait(group, call)) {
            waiter_finish(node, call, err, NULL);
        }
        return;
    }
    STAT_ADD(node, proposals_total, 1);
    group_limbo(group, call->command);
    call->index = pos.index;
    call->term = pos.term;
    call->stage = WAITER_PROPOSED;
    waiter_add(&group->commands, call);
    group_dirty(group);
#ifdef LETHE_MUTANT_ack_at_append
    waiter_finish(node, call, OK, NULL);
#endif
}

static void route_command(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    if (group->role == RAFT_LEADER) {
        route_propose(group, call);
        return;
    }
    node_id to = table_route(group);
    if (to == 0) {
        if (!atomic_load(&group->holds) || !leaderless_wait(group, call)) {
            waiter_finish(node, call, ERR_NO_LEADER, NULL);
        }
    } else if (!forward_call(group, call, to)) {
        waiter_finish(node, call, ERR_NOT_LEADER, NULL);
    }
}

/* The voter that is furthest, so that the hand-over is short; 0: there is none. */
static node_id route_successor(const struct group *group)
{
    struct raft_status status;
    raft_status(group->raft, &status);
    node_id best = 0;
    raft_index best_match = 0;
    for (uint32_t i = 0; i < status.peers_count; i++) {
        const struct raft_progress_status *peer = &status.peers[i];
        if (!peer->learner && peer->active && (best == 0 || peer->match > best_match)) {
            best = peer->peer;
            best_match = peer->match;
        }
    }
    return best;
}

static void route_transfer(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    if (group->role != RAFT_LEADER) {
        node_id to = table_route(group);
        if (to == 0 && atomic_load(&group->holds) && leaderless_wait(group, call)) {
            return;
        }
        if (to == 0 || !forward_call(group, call, to)) {
            waiter_finish(node, call, to == 0 ? ERR_NO_LEADER : ERR_NOT_LEADER, NULL);
        }
        return;
    }
    const char *text = call->to != 0
                           ? "no such member of this slot may lead it: it is none, a learner, or "
                             "has lost what it had"
                           : "no other member of this slot is level with it and up";
    if (call->to == 0) {
        call->to = route_successor(group);
    }
    if (call->to == node->options.id) {
        waiter_finish(node, call, OK, NULL);
        return;
    }
    enum err err = call->to == 0 ? ERR_CONFLICT : raft_transfer(group->raft, call->to);
    if (err != OK) {
        bool is_unfit = err == ERR_IGNORED || err == ERR_CONFLICT;
        waiter_finish(node, call, is_unfit ? ERR_CONFLICT : err, is_unfit ? text : NULL);
        return;
    }
    call->stage = WAITER_TRANSFER;
    list_append(&group->transfers, &call->link);
    group_dirty(group);
}

void route_transfers(struct group *group)
{
    struct list *item = group->transfers.next;
    while (item != &group->transfers) {
        struct node_call *call = WAITER_OF(item);
        item = item->next;
        if (group->leader == call->to) {
            waiter_finish(group->node, call, OK, NULL);
        }
    }
}

void route_drain(struct node *node)
{
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct group *group = &node->groups[i];
        if (group->role != RAFT_LEADER || group->is_alone) {
            continue;
        }
        node_id to = route_successor(group);
        /* Refused: it ends like any lost leader, by an election. */
        if (to != 0 && raft_transfer(group->raft, to) == OK) {
            group_dirty(group);
        }
    }
    disk_tell_groups(node);
}

void route_call(struct node *node, struct node_call *call)
{
    waiter_open(node, call);
    struct group *group = node_group(node, call->slot);
    if (node->is_ending) {
        waiter_finish(node, call, ERR_DRAINING, NULL);
        return;
    }
    if (call->deadline_ms <= node->now_ms) {
        waiter_finish(node, call, ERR_BUSY, "the deadline passed before the call was begun");
        return;
    }
    route_again(group, call);
}

void route_again(struct group *group, struct node_call *call)
{
    switch (call->kind) {
    case NODE_CALL_COMMAND:
        route_command(group, call);
        return;
    case NODE_CALL_READ:
        read_start(group, call);
        return;
    case NODE_CALL_TRANSFER:
        route_transfer(group, call);
        return;
    case NODE_CALL_COMPACT:
        admin_compact(group, call);
        return;
    case NODE_CALL_FULL_SYNC:
        admin_full_sync(group, call);
        return;
    case NODE_CALL_COLLECT:
        admin_collect(group, call);
        return;
    case NODE_CALL_REPLICAS:
        admin_replicas(group, call);
        return;
    case NODE_CALL_SLOT:
        admin_slot(group, call);
        return;
    case NODE_CALL_CHECK:
        check_order(group, call);
        return;
    case NODE_CALL_MEMBER:
        change_member(&group->node->groups[0], call);
        return;
    case NODE_CALL_PLACEMENT:
        change_placement(&group->node->groups[0], call);
        return;
    case NODE_CALL_TELL:
        tell_receive(&group->node->groups[0], call);
        return;
    case NODE_CALL_GONE:
        leave_answer(group, call);
        return;
    case NODE_CALL_JOB:
        job_ask(&group->node->groups[0], call);
        return;
    case NODE_CALL_KINDS:
        break;
    }
    waiter_finish(group->node, call, ERR_NOT_SUPPORTED, NULL);
}
