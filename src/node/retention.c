/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of channels (max_age, max_messages, max_bytes), carried out by the leader of each slot as
 * ordinary deletes in the log, with the operator "retention": so all replicas delete the same, whatever
 * their clocks say, and the delete log tells of it.
 *
 * The walk: slot after slot of those that are led here, some channels at a time, read in the background.
 * At most RETENTION_DELETES_MAX deletes a second; a pass rests for at least nine times as long as it
 * took.
 *
 * Time. The age of messages is judged by retention_clock, not by the wall clock: a clock that jumps ahead
 * by a year must not empty every channel with a limit of 30 days. It begins where the log is (the newest
 * message of the slot: stamped when it was written, by whoever led then; what this node stamped itself
 * does not count, so that one whose clock is wrong believes others; where there is nothing else, its
 * first stamp counts. Hence slots without a clock are
 * looked at by followers too, before they lead), follows the wall clock, and
 * is bounded by monotonic time: what is ahead is caught up with at double speed. The price: after a
 * jump that was right (a machine that slept, a slot without writes on a node that restarts), age
 * limits are late by at most the jump, for as long. Late is harmless, early is not. Counts and bytes
 * need no clock. */
#include "node/retention.h"

#include "node/parts.h"
#include "wire/command.h"

enum {
    RETENTION_CHANNELS = 256,
    RETENTION_DELETES_MAX = 16,
    RETENTION_REST_MS = 10000,
    RETENTION_REST_FACTOR = 9,
    RETENTION_PAUSE_MS = 1000
};

struct retention_item {
    struct channel channel; /* id in arena */
    struct range range;
    const char *reason;
};

struct retention {
    struct node_background_job job;
    bool is_busy; /* then what is below `asked` is the background's */
    slot_id slot;
    uint64_t due_ms, began_ms;
    uint64_t newest_ms, newest_other_ms; /* of the slot, as far as this pass saw it */
    uint8_t after_id[CHANNEL_ID_MAX_BYTES];
    struct channel after; /* id in after_id, empty: from the beginning */

    /* asked */
    struct msg *msg;
    uint64_t now_ms, own_ms; /* own: from there on stamps may be this node's */
    bool is_led;
    /* answered */
    struct arena arena;
    struct retention_item items[RETENTION_DELETES_MAX];
    uint32_t items_count;
    struct channel last; /* id in arena */
    bool has_more;
    uint64_t seen_ms, seen_other_ms;
    enum err err;
    struct why why;
};

/* ---- time ---------------------------------------------------------------------------------------- */

void retention_clock_set(struct retention_clock *clock, uint64_t wall_ms, uint64_t newest_ms,
                         uint64_t mono_ms)
{
    *clock = (struct retention_clock){.is_set = true,
                                      .time_ms = wall_ms < newest_ms ? wall_ms : newest_ms,
                                      .mono_ms = mono_ms,
                                      .credit_ms = RETENTION_CREDIT_MS};
}

uint64_t retention_clock_turn(struct retention_clock *clock, uint64_t wall_ms, uint64_t mono_ms)
{
    if (!clock->is_set) {
        return 0;
    }
#ifdef LETHE_MUTANT_retention_trusts_clock
    return wall_ms;
#endif
    uint64_t passed_ms = mono_ms - clock->mono_ms;
    uint64_t time_ms = clock->time_ms + passed_ms;
    uint64_t credit_ms = clock->credit_ms + passed_ms;
    credit_ms =
        credit_ms < RETENTION_CREDIT_MS + passed_ms ? credit_ms : RETENTION_CREDIT_MS + passed_ms;
    uint64_t ahead_ms = wall_ms > time_ms ? wall_ms - time_ms : 0;
    uint64_t step_ms = ahead_ms < credit_ms ? ahead_ms : credit_ms;
    credit_ms -= step_ms;
    clock->mono_ms = mono_ms;
    clock->credit_ms = credit_ms < RETENTION_CREDIT_MS ? credit_ms : RETENTION_CREDIT_MS;
    clock->time_ms = wall_ms < time_ms ? wall_ms : time_ms + step_ms;
    return clock->time_ms;
}

/* ---- the background's ------------------------------------------------------------------------------ */

static enum err retention_look(struct retention *retention, const struct msg_channel *channel)
{
    struct msg_retention_plan plan;
    retention->last = channel->channel;
    if (channel->last_timestamp_ms > retention->seen_ms) {
        retention->seen_ms = channel->last_timestamp_ms;
    }
    bool is_others = channel->last_timestamp_ms < retention->own_ms;
    if (is_others && channel->last_timestamp_ms > retention->seen_other_ms) {
        retention->seen_other_ms = channel->last_timestamp_ms;
    }
    if (channel->first_seq == 0 || !retention->is_led) {
        return OK;
    }
    enum err err =
        msg_plan_retention(retention->msg, channel, retention->now_ms, &plan, &retention->why);
    if (err == OK && plan.through_seq >= channel->first_seq) {
        retention->items[retention->items_count++] =
            (struct retention_item){.channel = channel->channel,
                                    .range = {channel->first_seq, plan.through_seq},
                                    .reason = plan.reason};
    }
    return err;
}

static void retention_job_run(struct node_background_job *job)
{
    struct retention *retention = CONTAINER_OF(job, struct retention, job);
    struct msg_channels_query query = {.slot = retention->slot,
                                       .type = -1,
                                       .after = retention->after,
                                       .limit = RETENTION_CHANNELS};
    struct msg_channels channels = {.count = 0};
    arena_clear(&retention->arena);
    retention->items_count = 0;
    retention->seen_ms = 0;
    retention->seen_other_ms = 0;
    enum err err =
        msg_list_channels(retention->msg, &query, &retention->arena, &channels, &retention->why);
    retention->has_more = channels.more;
    for (uint32_t i = 0; err == OK && i < channels.count; i++) {
        err = retention_look(retention, &channels.channels[i]);
        if (retention->items_count == RETENTION_DELETES_MAX && i + 1 < channels.count) {
            retention->has_more = true;
            break;
        }
    }
    retention->err = err;
}

/* ---- the loop's -------------------------------------------------------------------------------------- */

static void retention_propose(struct group *group, const struct retention_item *item)
{
    struct command command = {.kind = COMMAND_DELETE,
                              .delete_ = {.channel = item->channel,
                                          .ranges = &item->range,
                                          .ranges_count = 1,
                                          .operator_name = bytes_of_string("retention"),
                                          .reason = bytes_of_string(item->reason)}};
    struct blob *encoded = command_encode(&command);
    route_stamp(group, encoded);
    struct raft_entry entry = {
        .kind = RAFT_ENTRY_DATA, .size_bytes = encoded->len, .payload = encoded};
    struct raft_pos pos;
    /* Refused: the next pass tries again. */
    if (raft_propose(group->raft, &entry, 1, &pos) == OK) {
        group_limbo(group, encoded);
        group_dirty(group);
    }
    blob_unref(encoded);
}

static void retention_set_after(struct retention *retention, struct channel channel)
{
    if (channel.id.len > 0) {
        memcpy(retention->after_id, channel.id.data, channel.id.len);
    }
    retention->after =
        (struct channel){channel.type, bytes_of(retention->after_id, channel.id.len)};
}

static void retention_next_slot(struct retention *retention)
{
    retention->newest_ms = 0;
    retention->newest_other_ms = 0;
    retention->slot++;
    retention_set_after(retention, (struct channel){0, BYTES_NONE});
}

/* Where the clock of a slot begins, 0: not known. When all stamps may be this node's, at its first: its
 * clock may have jumped since. */
static uint64_t retention_begin_ms(const struct group *group, const struct retention *retention)
{
    if (retention->newest_other_ms != 0) {
        return retention->newest_other_ms;
    }
    if (!retention->is_led) {
        return 0;
    }
#ifndef LETHE_MUTANT_retention_trusts_own
    if (group->first_time_ms != 0 && group->first_time_ms < retention->newest_ms) {
        return group->first_time_ms;
    }
#endif
    return retention->newest_ms;
}

static void retention_end_slot(struct node *node, struct retention *retention)
{
    struct group *group = &node->groups[retention->slot];
    uint64_t begin_ms = retention_begin_ms(group, retention);
    if (!group->ages.is_set && begin_ms != 0) {
        retention_clock_set(&group->ages, node->world.wall_ms(node->world.arg), begin_ms,
                            node->now_ms);
    }
    retention_next_slot(retention);
}

/* Those led here, and to begin their clocks those that have none. */
static bool retention_wants(const struct group *group)
{
    if (group->role == RAFT_LEADER) {
        return !group->is_undecided;
    }
    return !group->ages.is_set && atomic_load(&group->holds) &&
           !atomic_load(&group->is_replacing) && !atomic_load(&group->is_unfit);
}

/* Submits the next part of the walk, or ends the pass. */
static void retention_go_on(struct node *node)
{
    struct retention *retention = node->retention;
    while (retention->slot < node->groups_count &&
           !retention_wants(&node->groups[retention->slot])) {
        retention_next_slot(retention);
    }
    if (retention->slot >= node->groups_count) {
        uint64_t rest_ms = (node->now_ms - retention->began_ms) * RETENTION_REST_FACTOR;
        retention->due_ms =
            node->now_ms + (rest_ms > RETENTION_REST_MS ? rest_ms : RETENTION_REST_MS);
        retention->began_ms = 0;
        retention->slot = 0;
        return;
    }
    const struct group *group = &node->groups[retention->slot];
    retention->msg = node->msg;
    retention->is_led = group->role == RAFT_LEADER;
    uint64_t wall_ms = node->world.wall_ms(node->world.arg);
    retention->own_ms = group->first_time_ms != 0 ? group->first_time_ms : wall_ms;
    retention->now_ms = retention_clock_turn(&node->groups[retention->slot].ages,
                                             node->world.wall_ms(node->world.arg), node->now_ms);
    retention->is_busy = true;
    background_submit(node, &retention->job);
}

static void retention_job_done(struct node_background_job *job)
{
    struct retention *retention = CONTAINER_OF(job, struct retention, job);
    struct node *node = job->node;
    struct group *group = &node->groups[retention->slot];
    retention->is_busy = false;
    bool is_damaged = retention->err == ERR_CORRUPT && !atomic_load(&group->is_replacing);
    if (is_damaged) {
        damage_seen(node, group->slot);
    }
    if (is_damaged ||
        (retention->err != OK && retention->err != ERR_DISK_FAILED && !retention->is_led)) {
        retention_next_slot(retention); /* it may be replaced right now: another pass looks again */
        retention_go_on(node);
        return;
    }
    if (retention->err != OK) {
        node_fail(node, retention->err, retention->why.text);
        return;
    }
    if (retention->seen_ms > retention->newest_ms) {
        retention->newest_ms = retention->seen_ms;
    }
    if (retention->seen_other_ms > retention->newest_other_ms) {
        retention->newest_other_ms = retention->seen_other_ms;
    }
    bool has_items = retention->items_count > 0 && group->role == RAFT_LEADER;
    for (uint32_t i = 0; has_items && i < retention->items_count; i++) {
        retention_propose(group, &retention->items[i]);
    }
    if (retention->has_more) {
        retention_set_after(retention, retention->last);
    } else {
        retention_end_slot(node, retention);
    }
    if (has_items) {
        retention->due_ms = node->now_ms + RETENTION_PAUSE_MS;
    } else {
        retention_go_on(node);
    }
}

static void retention_job_forget(struct node_background_job *job)
{
    CONTAINER_OF(job, struct retention, job)->is_busy = false;
}

void retention_run(struct node *node)
{
    struct retention *retention = node->retention;
    if (retention->is_busy || node->now_ms < retention->due_ms || node->is_failed ||
        node->was_drained || node->world.background_submit == NULL) {
        return;
    }
    if (retention->began_ms == 0) {
        retention->began_ms = node->now_ms;
    }
    retention_go_on(node);
}

struct retention *retention_new(struct node *node)
{
    struct retention *retention = alloc_zero(sizeof(*retention));
    retention->job.lane = NODE_BACKGROUND_CATCHUP;
    retention->job.run = retention_job_run;
    retention->job.done = retention_job_done;
    retention->job.forget = retention_job_forget;
    retention->msg = node->msg;
    arena_init(&retention->arena);
    return retention;
}

void retention_free(struct retention *retention)
{
    if (retention != NULL) {
        arena_done(&retention->arena);
        free(retention);
    }
}
