/* SPDX-License-Identifier: Apache-2.0 */
/* Retention of the Raft log, and the proposals that keep the state machine small.
 *
 * How much of a log is kept: at least keep_applied entries below applied, all of keep_hours, at
 * least min_keep; the largest set wins. max_bytes is the cap. compact_prefix never passes what is
 * durably applied here (R12), so a crash finds every entry that it must apply again.
 *
 * Ages and sizes come from marks: now and then a group notes (index, wall clock, bytes so far). A
 * mark is an index where a compaction may end. After a start the marks of what is there already
 * are estimated from a few entries, read when the group is first looked at. A step removes at most
 * NODE_COMPACT_MAX_ENTRIES, and rides in a batch that somebody else syncs. */
#include "node/parts.h"
#include "wire/command.h"

enum { COMPACT_SAMPLES = 16, COMPACT_MARK_MINUTES = 30, COMPACT_LOOK_MAX_MS = 60000 };

static void compact_add_mark(struct group *group, raft_index index, uint64_t wall_ms)
{
    if (group->marks == NULL) {
        group->marks = alloc_array(NODE_MARKS_MAX, sizeof(struct mark));
    }
    if (group->marks_count ==
        NODE_MARKS_MAX) { /* every other one, so that they reach back as far */
        for (uint32_t i = 0; i < NODE_MARKS_MAX / 2; i++) {
            group->marks[i] = group->marks[i * 2];
        }
        group->marks_count = NODE_MARKS_MAX / 2;
    }
    group->marks[group->marks_count++] = (struct mark){index, wall_ms, group->log_bytes};
}

void compact_note(struct group *group, uint64_t bytes)
{
    group->log_bytes += bytes + sizeof(struct row_entry);
}

/* Marks for the log that was found at start: its age and size at a few places. */
static void compact_sample(struct group *group)
{
    struct node *node = group->node;
    uint64_t since_boot = group->log_bytes;
    raft_index from = group->base.index, to = group->applied;
    group->log_bytes = 0;
    compact_add_mark(group, from, 0);
    uint64_t wall_ms = 0;
    struct store_value value;
    store_value_init(&value);
    for (uint32_t i = 1; i <= COMPACT_SAMPLES && to - from >= COMPACT_SAMPLES; i++) {
        raft_index index = from + (to - from) * i / COMPACT_SAMPLES;
        struct row_entry row;
        struct command command;
        if (store_get_entry(node->store, group->slot, index, &value, &row) != OK) {
            break; /* whoever needs that entry will meet the fault and say so */
        }
        if (row.kind == RAFT_ENTRY_DATA &&
            command_decode(row.payload, &node->turn, &command, NULL) == OK) {
            wall_ms = command.time_ms;
        }
        compact_note(group, 0);
        group->log_bytes += row.payload.len * ((to - from) / COMPACT_SAMPLES);
        compact_add_mark(group, index, wall_ms);
    }
    store_value_done(&value);
    group->log_bytes += since_boot;
}

static void compact_mark(struct group *group, uint64_t wall_ms)
{
    if (group->marks_count == 0) {
        compact_sample(group);
    }
    const struct mark *newest = &group->marks[group->marks_count - 1];
    uint64_t step_bytes = group->node->options.log_max_bytes / 16 + 1;
    uint64_t step_ms = COMPACT_MARK_MINUTES * 60000ull;
    if (group->applied > newest->index &&
        (group->log_bytes - newest->bytes >= step_bytes || wall_ms - newest->wall_ms >= step_ms)) {
        compact_add_mark(group, group->applied, wall_ms);
    }
}

static raft_index below(raft_index index, uint64_t keep)
{
    return index > keep ? index - keep : 0;
}

/* Through which index the log may go by the lower bounds, and must go by the cap. */
static raft_index compact_target(const struct group *group, uint64_t wall_ms)
{
    const struct node_options *options = &group->node->options;
    raft_index by_age = 0, by_bytes = 0;
    uint64_t keep_ms = options->log_keep_hours * 3600000ull;
    for (uint32_t i = 0; i < group->marks_count; i++) {
        const struct mark *mark = &group->marks[i];
        if (mark->wall_ms + keep_ms <= wall_ms) {
            by_age = mark->index;
        }
    }
    uint64_t kept = group->log_bytes - group->marks[0].bytes;
    uint64_t max_bytes = options->log_max_bytes == 0 ? UINT64_MAX : options->log_max_bytes;
    for (uint32_t i = 0; i < group->marks_count && kept > max_bytes; i++) {
        by_bytes = group->marks[i].index;
        kept = group->log_bytes - group->marks[i].bytes;
    }
    raft_index to = below(group->applied, options->log_keep_applied);
    raft_index by_count = below(group->last.index, options->log_min_keep);
    if (keep_ms == 0) {
        by_age = group->applied;
    }
    to = by_age < to ? by_age : to;
    to = by_count < to ? by_count : to;
    return by_bytes > to ? by_bytes : to;
}

static void compact_config_rows(struct group *group, raft_index to)
{
    /* The newest row at or below the new base stays: it is the membership that the log begins with. */
    uint32_t drop = 0;
    while (drop + 1 < group->config_rows_count && group->config_rows[drop + 1] <= to) {
        store_remove_config(disk_batch(group->node), group->slot, group->config_rows[drop]);
        drop++;
    }
    for (uint32_t i = drop; i < group->config_rows_count; i++) {
        group->config_rows[i - drop] = group->config_rows[i];
    }
    group->config_rows_count -= drop;
}

/* Through which index the log may go at most, whatever is wanted: what is durably applied here
 * (R12), and what no transfer needs any more. */
static raft_index compact_allowed(const struct group *group, raft_index to, const char **ret_why)
{
    *ret_why = NULL;
#ifdef LETHE_MUTANT_compact_past_applied
    return group->last.index;
#else
    raft_index pin = sender_pin(group);
    if (to > group->durable_applied) {
        to = group->durable_applied;
        *ret_why = "not_durably_applied";
    }
    if (to > pin) {
        to = pin;
        *ret_why = "transfer";
    }
    return to;
#endif
}

/* A pin is no excuse for a log without an end: beyond twice the cap the sessions go first. */
static void compact_press(struct group *group)
{
    uint64_t cap = group->node->options.log_max_bytes;
    uint64_t kept = group->marks_count == 0 ? 0 : group->log_bytes - group->marks[0].bytes;
    if (cap != 0 && kept > 2 * cap && sender_pin(group) != UINT64_MAX) {
        sender_end_group(group, ERR_TIMEOUT, "the log grew beyond twice its cap");
        group->kept_from = 0;
    }
}

/* compact_prefix through `to`, in the batch that is being filled; false: nothing to do there. */
static bool compact_through(struct group *group, raft_index to, raft_index least)
{
    if (to > group->base.index + NODE_COMPACT_MAX_ENTRIES) {
        to = group->base.index + NODE_COMPACT_MAX_ENTRIES;
    }
    raft_term term = to < group->base.index + least ? 0 : raft_term_at(group->raft, to);
    if (term == 0) {
        return false;
    }
    store_compact_prefix(disk_batch(group->node), group->slot, group->base.index + 1, to, term);
    compact_config_rows(group, to);
    disk_add_compaction(group->node, group->slot, to);
    group->compacting = to;
    return true;
}

void compact_all(struct group *group, struct store_batch *batch)
{
    raft_index to = group->durable_applied;
    raft_term term = to <= group->base.index ? 0 : raft_term_at(group->raft, to);
    if (term != 0) {
        store_compact_prefix(batch, group->slot, group->base.index + 1, to, term);
        compact_config_rows(group, to);
    }
}

static void compact_group(struct group *group, uint64_t wall_ms)
{
    if (group->compacting != 0 || group->last.index == group->base.index ||
        group->receiving.is_open) {
        return;
    }
    compact_mark(group, wall_ms);
    compact_press(group);
    const char *why;
    raft_index to = compact_allowed(group, compact_target(group, wall_ms), &why);
    uint64_t least = group->node->options.log_min_keep / 4;
    (void)compact_through(group, to,
                          least < NODE_COMPACT_MIN_ENTRIES ? least + 1 : NODE_COMPACT_MIN_ENTRIES);
}

void compact_done(struct group *group, raft_index to)
{
    assert(group->compacting == to);
    FAILPOINT("compact.done");
    group->compacting = 0;
    group->base = (struct raft_pos){raft_term_at(group->raft, to), to};
    raft_compacted(group->raft, to);
    uint64_t before = group->tail.bytes;
    tail_evict(&group->tail, to);
    group->node->tail_bytes -= before - group->tail.bytes;
    uint32_t drop = 0;
    while (drop + 1 < group->marks_count && group->marks[drop + 1].index <= to) {
        drop++;
    }
    for (uint32_t i = drop; i < group->marks_count; i++) {
        group->marks[i - drop] = group->marks[i];
    }
    group->marks_count -= drop;
    group_dirty(group);
    group_touch(group);
    compact_serve(group);
}

/* ---- an operator's order ---------------------------------------------------------------------------- */

void compact_order(struct group *group, struct node_call *call)
{
    raft_index to = below(group->applied, call->keep);
    if (call->through_index != 0 && call->through_index < to) {
        to = call->through_index;
    }
    call->index = to;
    call->stage = WAITER_ADMIN;
    call->admin = alloc_zero(sizeof(*call->admin));
    call->admin->items_count = 1;
    call->admin->items[0] = (struct node_admin_item){.node = group->node->options.id,
                                                     .first_before = group->base.index + 1};
    list_append(&group->compacts, &call->link);
    compact_serve(group);
}

static void compact_answer(struct group *group, struct node_call *call, const char *why)
{
    struct node_admin_item *item = &call->admin->items[0];
    item->first_after = group->base.index + 1;
    item->applied = group->durable_applied;
    if (why == NULL && item->first_after == item->first_before) {
        why = "nothing_to_do";
    }
    (void)snprintf(item->skipped_reason, sizeof(item->skipped_reason), "%s",
                   why == NULL ? "" : why);
    log_info("node", "the log was compacted by order",
             "slot=%u first_before=%" PRIu64 " first_after=%" PRIu64 " skipped=%s " ORIGIN_FIELDS,
             group->slot, item->first_before, item->first_after, item->skipped_reason,
             ORIGIN_ARGS(node_origin_id(call), node_origin_trace(call)));
    waiter_finish(group->node, call, OK, NULL);
}

void compact_serve(struct group *group)
{
    struct node *node = group->node;
    while (!list_is_empty(&group->compacts) && group->compacting == 0) {
        struct node_call *call = WAITER_OF(list_first(&group->compacts));
        const char *why = group->receiving.is_open ? "installing" : NULL;
        if (why != NULL || call->index <= group->base.index) {
            compact_answer(group, call, why);
            continue;
        }
        if (call->index > group->durable_applied && call->index <= group->applied) {
            /* What is applied becomes durable with the next sync: ask for one. */
            store_put_hard_state(disk_batch(node), group->slot,
                                 &(struct row_hard_state){group->term, group->vote, group->commit});
            disk_want_sync(node);
            return;
        }
        raft_index to = compact_allowed(group, call->index, &why);
        if (!compact_through(group, to, 1)) {
            compact_answer(group, call, why);
            continue;
        }
        disk_want_sync(node);
    }
}

/* ---- dedup generations --------------------------------------------------------------------------- */

static void compact_propose_generation(struct group *group)
{
    struct node *node = group->node;
    struct command command = {.kind = COMMAND_DEDUP_GENERATION,
                              .dedup_generation = {.window_ms = node->options.dedup_window_ms}};
    struct blob *encoded = command_encode(&command);
    route_stamp(group, encoded);
    struct raft_entry entry = {
        .kind = RAFT_ENTRY_DATA, .size_bytes = encoded->len, .payload = encoded};
    struct raft_pos pos;
    /* Refused: the next look tries again. */
    if (raft_propose(group->raft, &entry, 1, &pos) == OK) {
        group_limbo(group, encoded);
        group_dirty(group);
    }
    blob_unref(encoded);
}

/* The leader starts a new generation each quarter of the window, and so ends those that are older
 * than a whole one; a slot without dedup rows needs none. */
static void compact_generation(struct group *group, uint64_t wall_ms)
{
    struct node *node = group->node;
    uint64_t quarter_ms = node->options.dedup_window_ms / 4;
    uint64_t look_ms = quarter_ms / 8 < COMPACT_LOOK_MAX_MS ? quarter_ms / 8 : COMPACT_LOOK_MAX_MS;
    if (quarter_ms == 0 || group->role != RAFT_LEADER ||
        node->now_ms - group->looked_ms < look_ms) {
        return;
    }
    group->looked_ms = node->now_ms;
    struct msg_slot_state state;
    struct why why;
    enum err err = msg_get_slot_state(node->msg, group->slot, &state, &why);
    if (err == ERR_CORRUPT) {
        damage_seen(node, group->slot);
    } else if (err != OK) {
        node_fail(node, err, why.text);
    }
    if (err != OK) {
        return;
    }
    /* A clock that went back may look as if the newest generation lay ahead: it waits then. */
    if (state.dedup_rows > 0 && wall_ms > state.dedup_started_ms &&
        wall_ms - state.dedup_started_ms >= quarter_ms) {
        compact_propose_generation(group);
    }
}

void compact_run(struct node *node)
{
    uint64_t wall_ms = node->world.wall_ms(node->world.arg);
    uint32_t count =
        node->groups_count < NODE_COMPACT_GROUPS ? node->groups_count : NODE_COMPACT_GROUPS;
    for (uint32_t i = 0; i < count && !node->is_failed; i++) {
        struct group *group = &node->groups[node->compact_at];
        node->compact_at = (node->compact_at + 1) % node->groups_count;
        compact_group(group, wall_ms);
        compact_generation(group, wall_ms);
        collect_run(group);
    }
}
