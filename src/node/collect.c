/* SPDX-License-Identifier: Apache-2.0 */
/* Collection of the delete log (R13): the floor below which records may be gone rises by a command
 * in the log, so that all replicas trim at the same index.
 *
 * A record goes when it is older than the retention and every member has durably applied it; each
 * one counts, learners, those away and those in mid-install with what was last heard of them, as a
 * record that goes too early is a deleted message that comes back. Only a bound on their number or an
 * operator may go further: who lacks such records can be brought up by a full install alone. */
#include "node/parts.h"
#include "wire/command.h"

struct collect_bounds {
    raft_index confirmed; /* durably applied by every member */
    raft_index here;      /* by this node */
    uint64_t young_ms;    /* records from then on are young */
    uint64_t excess;      /* so many records are more than the bound allows */
};

static void collect_bounds(struct group *group, const struct raft_status *status,
                           const struct msg_slot_state *state, struct collect_bounds *ret)
{
    const struct node *node = group->node;
    uint64_t wall_ms = node->world.wall_ms(node->world.arg);
    uint64_t kept_ms = node->options.delete_log_retention_ms;
    uint64_t max_records = node->options.delete_log_max_records;
    *ret = (struct collect_bounds){.confirmed = group->durable_applied,
                                   .here = group->durable_applied};
    ret->young_ms = wall_ms > kept_ms ? wall_ms - kept_ms : 0;
    ret->excess = max_records != 0 && state->delete_log_count > max_records
                      ? state->delete_log_count - max_records
                      : 0;
    for (uint32_t i = 0; i < status->peers_count; i++) {
        if (status->peers[i].applied < ret->confirmed) {
            ret->confirmed = status->peers[i].applied;
        }
    }
#ifdef LETHE_MUTANT_gc_by_time
    ret->confirmed = ret->here;
#endif
}

/* How far each rule reaches: the index of the last record that it lets go. */
static bool collect_scan(struct group *group, const struct collect_bounds *bounds,
                         struct collect_plan *plan, raft_index *ret_by_age)
{
    struct store_iter *iter = store_iter_delete_log(group->node->store, NULL, group->slot, NULL,
                                                    plan->floor_before + 1, bounds->here);
    uint64_t seen = 0;
    *ret_by_age = 0;
    while (seen < NODE_COLLECT_MAX_RECORDS && store_iter_next(iter)) {
        const struct row_delete_record *record = store_iter_delete_record(iter);
        bool is_old = record->deleted_at_ms < bounds->young_ms;
        bool is_excess = ++seen <= bounds->excess;
        if (!is_old && !is_excess) {
            break;
        }
        if (is_old) {
            *ret_by_age = record->log_index;
        }
        if ((is_old && record->log_index <= bounds->confirmed) || is_excess) {
            plan->floor_after = record->log_index;
            plan->is_forced |= record->log_index > bounds->confirmed;
        }
    }
    enum err err = store_iter_done(iter);
    if (err == ERR_CORRUPT) {
        damage_seen(group->node, group->slot);
    } else if (err != OK) {
        node_fail(group->node, err, "cannot read the delete log");
    }
    return err == OK;
}

bool collect_plan(struct group *group, bool is_order, struct collect_plan *ret)
{
    struct node *node = group->node;
    struct msg_slot_state state;
    struct why why = {0};
    enum err err = msg_get_slot_state(node->msg, group->slot, &state, &why);
    if (err == ERR_CORRUPT) {
        damage_seen(node, group->slot);
    } else if (err != OK) {
        node_fail(node, err, why.text);
    }
    if (err != OK) {
        return false;
    }
    *ret = (struct collect_plan){.floor_before = state.floor, .floor_after = state.floor};
    struct raft_status status;
    raft_status(group->raft, &status);
    struct collect_bounds bounds;
    collect_bounds(group, &status, &state, &bounds);
    raft_index by_age;
    if (!collect_scan(group, &bounds, ret, &by_age)) {
        return false;
    }
    if (is_order) {
        ret->is_forced = true;
        ret->floor_after = bounds.here > state.floor ? bounds.here : state.floor;
    }
    for (uint32_t i = 0; i < status.peers_count && !is_order; i++) {
        if (status.peers[i].applied < by_age && ret->held_by_count < ARRAY_LEN(ret->held_by)) {
            ret->held_by[ret->held_by_count++] = status.peers[i].peer;
        }
    }
    return true;
}

enum err collect_propose(struct group *group, const struct collect_plan *plan,
                         struct raft_pos *ret_pos)
{
    struct command command = {
        .kind = COMMAND_RAISE_FLOOR,
        .raise_floor = {.floor = plan->floor_after, .forced = plan->is_forced}};
    struct blob *encoded = command_encode(&command);
    route_stamp(group, encoded);
    struct raft_entry entry = {
        .kind = RAFT_ENTRY_DATA, .size_bytes = encoded->len, .payload = encoded};
    FAILPOINT("collect.propose");
    enum err err = raft_propose(group->raft, &entry, 1, ret_pos);
    if (err == OK) {
        group_limbo(group, encoded);
        group_dirty(group);
        STAT_ADD(group->node, floor_raises_total, 1);
        log_info("node", "the floor of the delete log rises",
                 "slot=%u from=%" PRIu64 " to=%" PRIu64 " forced=%d", group->slot,
                 plan->floor_before, plan->floor_after, plan->is_forced);
    }
    blob_unref(encoded);
    return err;
}

void collect_run(struct group *group)
{
    struct node *node = group->node;
    if (group->role != RAFT_LEADER || node->now_ms - group->collected_ms < NODE_COLLECT_LOOK_MS) {
        return;
    }
    group->collected_ms = node->now_ms;
    struct collect_plan plan;
    struct raft_pos pos;
    if (collect_plan(group, false, &plan) && plan.floor_after > plan.floor_before) {
        (void)collect_propose(group, &plan, &pos); /* refused: the next look tries again */
    }
}
