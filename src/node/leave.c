/* SPDX-License-Identifier: Apache-2.0 */
/* A replica whose slot went elsewhere gives up what it holds: rows, log, and its voice.
 *
 * Nothing is given up on doubt. Two things must be known: the table of nodes does not place the slot
 * here, and the slot's leader says, with the same table, that a configuration without this node is
 * committed. What the leader names is that configuration's index: a replica that knows of a later one
 * was taken back meanwhile and stays. Until then it is a replica like any other: it may be the only
 * one that holds what the old majority wrote.
 *
 * When it is sure it campaigns no more, waits a while (whoever takes a change back has it at once), asks
 * again, and when the group is quiet one synced batch removes the slot's state, cuts the log up to what
 * was applied and puts the marker of a full install that nobody has offered. Its term and vote stay, and
 * so does what lies above in the log: what it promised is never less than what it holds. Then the core is
 * made anew from the disk, as a restart would: it counts as installing, so that it neither campaigns,
 * acknowledges nor serves, and when it gets the slot back it takes a full install, as any new node. */
#include "node/parts.h"

enum { ASK_MS = 3000, ASK_TIMEOUT_MS = 2000, ASKING_MAX = 8 };

bool leave_is_marker(const struct marker *marker)
{
    return marker->from == 0 && marker->install.session == LEAVE_SESSION;
}

/* By the table: the slot is placed, and not here. */
static bool is_placed_elsewhere(const struct group *group)
{
    const struct node *node = group->node;
    const struct members *table = &node->membership.table;
    const struct members_row *self = members_find(table, node->options.id);
    struct members_place place = table_place(node, group->slot);
    bool is_standby = self != NULL && self->learner && self->state == MEMBERS_ACTIVE;
    return table->revision > 0 && members_is_live(self) && place.count > 0 && !is_standby &&
           !members_has(&place, node->options.id);
}

static bool is_leftover(const struct group *group)
{
    bool has_some = group->last.index > 0 || group->applied > 0 || group->receiving.is_marked;
    return has_some && group->left < LEFT_GOING && group->role != RAFT_LEADER &&
           is_placed_elsewhere(group);
}

/* ---- asking --------------------------------------------------------------------------------------- */

struct question {
    struct node_call call;
    struct group *group;
};

/* What the leader says of a table that this node does not have, or has left behind, says nothing. */
static bool is_answered(const struct group *group, const struct node_call *call)
{
    struct reader reader = reader_of(blob_bytes(call->answer));
    uint64_t revision = reader_le64(&reader);
    raft_index index = reader_le64(&reader);
    struct raft_status status;
    raft_status(group->raft, &status);
    return reader_is_done(&reader) && revision == group->node->membership.table.revision &&
           index >= status.config_pos.index;
}

static void take_answer(struct group *group, const struct node_call *call)
{
    struct node *node = group->node;
    if (!is_leftover(group)) {
        return;
    }
    if (call->err != OK || call->answer == NULL || !is_answered(group, call)) {
        /* Nobody answered: that neither makes it surer nor less so. */
        bool is_denied = call->err == OK || call->err == ERR_CONFLICT;
        group->left = is_denied ? LEFT_NO : group->left;
        group_touch(group);
        return;
    }
    if (group->left == LEFT_NO) {
        group->left = LEFT_SURE;
        group->left_sure_ms = node->now_ms;
        group_touch(group);
    } else if (node->now_ms - group->left_sure_ms >= node->options.leave_delay_ms) {
        group->left = LEFT_DUE;
    }
}

static void answered(struct node_call *call, void *arg)
{
    struct question *question = arg;
    struct group *group = question->group;
    group->left_is_asked = false;
    group->node->leaving_asked--;
    take_answer(group, call);
    blob_unref(call->answer);
    free(question);
}

static void ask(struct group *group)
{
    struct node *node = group->node;
    node_id to = table_route(group);
    const struct peer *peer = to == 0 ? NULL : node_find_peer(node, to);
    if (peer == NULL || peer->feature_level < NODE_FEATURE_ORDERS) {
        return; /* an older build does not know the question */
    }
    struct question *question = alloc_zero(sizeof(*question));
    question->group = group;
    struct node_call *call = &question->call;
    call->kind = NODE_CALL_GONE;
    call->slot = group->slot;
    call->to = node->options.id;
    call->deadline_ms = node->now_ms + ASK_TIMEOUT_MS;
    call->started_us = node_now_us(node);
    call->on_done = answered;
    call->arg = question;
    group->left_is_asked = true;
    group->left_asked_ms = node->now_ms;
    node->leaving_asked++;
    waiter_open(node, call);
    if (!forward_call(group, call, to)) {
        waiter_finish(node, call, ERR_CLOSED, NULL);
    }
}

static bool has_node(const struct raft_config *config, node_id id)
{
    const struct {
        const node_id *ids;
        uint8_t count;
    } parts[] = {{config->voters, config->voters_count},
                 {config->voters_old, config->voters_old_count},
                 {config->learners, config->learners_count},
                 {config->learners_next, config->learners_next_count}};
    for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
        for (uint8_t i = 0; i < parts[p].count; i++) {
            if (parts[p].ids[i] == id) {
                return true;
            }
        }
    }
    return false;
}

void leave_answer(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    if (admin_pass_on(group, call)) {
        return;
    }
    struct raft_status status;
    raft_status(group->raft, &status);
    uint64_t revision = node->membership.table.revision;
    struct members_place place = table_place(node, group->slot);
    if (revision == 0 || !status.read_ready || !table_is_settled(group) ||
        members_has(&place, call->to) || has_node(&status.config, call->to)) {
        waiter_finish(node, call, ERR_CONFLICT, "the slot has not left that node for certain");
        return;
    }
    struct buf buf = BUF_INIT;
    buf_put_le64(&buf, revision);
    buf_put_le64(&buf, status.config_pos.index);
    call->answer = blob_copy(buf_bytes(&buf));
    buf_done(&buf);
    waiter_finish(node, call, OK, NULL);
}

/* ---- giving up ------------------------------------------------------------------------------------ */

bool leave_is_deaf(const struct group *group)
{
    return group->left == LEFT_DUE || group->left == LEFT_GOING;
}

bool leave_is_mute(const struct group *group)
{
    return group->left == LEFT_SURE || leave_is_deaf(group);
}

/* Nothing of it is with the disk, or on its way there. */
static bool is_quiet(const struct group *group)
{
    struct raft_status status;
    raft_status(group->raft, &status);
    return status.seq == group->durable_seq && !raft_has_update(group->raft) &&
           group->held_count == 0 && group->compacting == 0 && group->receiving.ops == 0 &&
           group->receiving.last == NULL && group->applying == group->applied &&
           list_is_empty(&group->undurable) && sender_pin(group) == UINT64_MAX;
}

static void give_up(struct group *group)
{
    struct node *node = group->node;
    struct raft_status status;
    raft_status(group->raft, &status);
    struct marker marker = {
        .install = {.session = LEAVE_SESSION, .kind = RAFT_FULL, .config = status.config}};
    log_info("node", "the slot has gone elsewhere: what is left of it here is removed",
             "slot=%u applied=%" PRIu64 " last=%" PRIu64, group->slot, group->applied,
             group->last.index);
    FAILPOINT("leave.begin");
    group->left = LEFT_GOING;
    struct store_batch *batch = disk_batch(node);
    compact_all(group, batch);
    store_put_hard_state(batch, group->slot,
                         &(struct row_hard_state){status.term, status.vote, status.commit});
    store_put_slot_value(batch, group->slot, STORE_SLOT_QUARANTINE, BYTES_NONE);
    receiver_drop(group, &marker);
    disk_want_sync(node);
}

void leave_gone(struct group *group, enum err err, const char *text)
{
    struct node *node = group->node;
    struct why why = {0};
    FAILPOINT("leave.gone");
    if (err == OK) {
        err = boot_again(group, &why);
        text = why.text;
    }
    if (err != OK) {
        node_fail(node, err, text);
        return;
    }
    assert(group->left == LEFT_DONE);
    STAT_ADD(node, replicas_left_total, 1);
    table_place_group(group);
    disk_tell_groups(node);
    group_touch(group);
}

void leave_run(struct node *node)
{
    bool may_go = true; /* one a second: rows go by range, but tables are written anew for it */
    if (node->membership.is_removed || node->membership.is_disowned ||
        node->world.send_request == NULL || node->world.send_frame == NULL) {
        return; /* without catch-up nobody could give it back */
    }
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct group *group = &node->groups[i];
        if (group->left < LEFT_GOING && !is_leftover(group)) {
            group->left = LEFT_NO;
            continue;
        }
#ifdef LETHE_MUTANT_leaves_on_doubt
        if (group->left < LEFT_DUE) {
            group->left = LEFT_DUE;
        }
#endif
        if (group->left == LEFT_DUE && may_go && is_quiet(group)) {
            give_up(group);
            may_go = false;
        }
        bool is_due = group->left_asked_ms == 0 || node->now_ms - group->left_asked_ms >= ASK_MS;
        if (group->left < LEFT_DUE && !group->left_is_asked && is_due &&
            node->leaving_asked < ASKING_MAX) {
            ask(group);
        }
    }
}
