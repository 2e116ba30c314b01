/* SPDX-License-Identifier: Apache-2.0 */
/* The job of a check: slot after slot, a few at a time, whoever leads them. A slot without a leader
 * is tried again for a while; in the end each has a result, and an unchecked one says why.
 *
 * Besides those that are asked for, each node checks the slots that it leads once in a while, by a
 * job of the same kind. */
#include "node/parts.h"

struct checked_slot {
    struct node_call call;
    struct node *node;
    bool is_taken, is_open; /* of a slot; its call is on its way */
    uint32_t tries;
    uint64_t again_ms; /* not before */
};

struct checks {
    char id[NODE_JOB_ID_BYTES];
    bool is_own; /* this node's: only what it leads */
    uint32_t at, end, ended;
    struct checked_slot slots[NODE_CHECK_SLOTS];
};

static uint64_t wall_ms(const struct node *node)
{
    return node->world.wall_ms(node->world.arg);
}

/* ---- one slot ---------------------------------------------------------------------------------------- */

static const char *const result_slugs[] = {
    [NODE_UNCHECKED] = "unchecked", [NODE_CHECKED_OK] = "ok", [NODE_DIVERGED] = "diverged"};

static void slot_done(struct node_call *call, void *arg)
{
    struct checked_slot *slot = arg;
    (void)call;
    slot->is_open = false;
    slot->node->checks_moved = true;
    slot->node->world.wake(slot->node->world.arg);
}

static void slot_ask(struct node *node, struct checked_slot *slot)
{
    uint32_t number = slot->call.slot;
    slot->call = (struct node_call){.kind = NODE_CALL_CHECK,
                                    .slot = number,
                                    .deadline_ms = node->now_ms + NODE_CHECK_SLOT_MS,
                                    .on_done = slot_done,
                                    .arg = slot,
                                    .started_us = node_now_us(node)};
    slot->is_open = true;
    slot->tries++;
    route_call(node, &slot->call);
}

/* One item for the slot, one for each of its members. */
static void slot_report(struct node *node, const struct checks *checks, struct checked_slot *slot)
{
    struct node_job_item whole = {.slot = slot->call.slot, .result = "ok"};
    const struct node_admin *admin = slot->call.admin;
    if (slot->call.err != OK) {
        whole.result = "unchecked";
        (void)snprintf(whole.reason, sizeof(whole.reason), "%s", err_slug(slot->call.err));
    }
    uint32_t counts[ARRAY_LEN(result_slugs)] = {0};
    for (uint32_t i = 0; slot->call.err == OK && i < admin->items_count; i++) {
        counts[admin->items[i].checked]++;
    }
    if (counts[NODE_DIVERGED] > 0) {
        whole.result = "diverged";
    } else if (counts[NODE_UNCHECKED] > 0) {
        whole.result = "unchecked";
    }
    jobs_add_item(node->job_table, checks->id, &whole);
    for (uint32_t i = 0; slot->call.err == OK && i < admin->items_count; i++) {
        const struct node_admin_item *from = &admin->items[i];
        struct node_job_item item = {
            .slot = whole.slot, .node = from->node, .result = result_slugs[from->checked]};
        (void)snprintf(item.reason, sizeof(item.reason), "%s", from->skipped_reason);
        jobs_add_item(node->job_table, checks->id, &item);
    }
}

static bool is_worth_another_try(enum err err)
{
    return err == ERR_NO_LEADER || err == ERR_NOT_LEADER || err == ERR_OUTCOME_UNKNOWN ||
           err_kind(err) == ERR_KIND_REFUSED;
}

static void slot_ended(struct node *node, struct checks *checks, struct checked_slot *slot)
{
    enum err err = slot->call.err;
    if (err != OK && is_worth_another_try(err) && slot->tries < NODE_CHECK_TRIES &&
        err != ERR_DRAINING) {
        slot->again_ms = node->now_ms + NODE_SECOND_MS;
        return;
    }
    slot_report(node, checks, slot);
    free(slot->call.admin);
    slot->is_taken = false;
    jobs_report(node->job_table, checks->id, ++checks->ended);
}

/* ---- all of them ------------------------------------------------------------------------------------- */

/* The next slot of the job; false: there is none. */
static bool take_slot(struct node *node, struct checks *checks, struct checked_slot *slot)
{
    while (checks->at < checks->end) {
        uint32_t number = checks->at++;
        if (checks->is_own && node->groups[number].role != RAFT_LEADER) {
            jobs_report(node->job_table, checks->id, ++checks->ended);
            continue;
        }
        *slot = (struct checked_slot){.node = node, .is_taken = true};
        slot->call.slot = number;
        return true;
    }
    return false;
}

/* True: something is left to do, or on its way. */
static bool pump(struct node *node, struct checks *checks, bool is_cancelled)
{
    bool is_busy = false;
    for (uint32_t i = 0; i < NODE_CHECK_SLOTS; i++) {
        struct checked_slot *slot = &checks->slots[i];
        if (slot->is_taken && !slot->is_open && slot->again_ms == 0) {
            slot_ended(node, checks, slot);
        }
        if (slot->is_taken && !slot->is_open && is_cancelled) {
            slot->is_taken = false;
        }
        bool is_new = !slot->is_taken && !is_cancelled && take_slot(node, checks, slot);
        bool is_due = slot->is_taken && slot->again_ms != 0 && slot->again_ms <= node->now_ms;
        if (is_new || is_due) {
            slot->again_ms = 0;
            slot_ask(node, slot);
        }
        is_busy |= slot->is_taken;
    }
    return is_busy;
}

static void begin(struct node *node)
{
    char id[NODE_JOB_ID_BYTES];
    int64_t slot = -1;
    if (!atomic_exchange(&node->checks_wanted, false)) {
        return;
    }
    bool is_own = node->check_is_own;
    node->check_is_own = false;
    if (!jobs_begin(node->job_table, NODE_JOB_CHECK, wall_ms(node), id, &slot)) {
        return;
    }
    struct checks *checks = node->checks = alloc_zero(sizeof(*checks));
    memcpy(checks->id, id, sizeof(checks->id));
    checks->at = slot < 0 ? 0 : (uint32_t)slot;
    checks->end = slot < 0 ? node->groups_count : (uint32_t)slot + 1;
    checks->is_own = is_own;
    node->checks_moved = true;
    log_info("node", "a consistency check begins", "job=%s slots=%u own=%d", checks->id,
             checks->end - checks->at, checks->is_own);
}

void checks_run(struct node *node)
{
    if (node->checks == NULL) {
        begin(node);
    }
    struct checks *checks = node->checks;
    if (checks == NULL || !node->checks_moved) {
        return;
    }
    node->checks_moved = false;
    bool is_cancelled = jobs_is_cancelled(node->job_table, checks->id);
    if (pump(node, checks, is_cancelled)) {
        return;
    }
    jobs_end(node->job_table, checks->id, NODE_JOB_DONE, NULL, wall_ms(node));
    log_info("node", "a consistency check has ended", "job=%s slots=%u cancelled=%d", checks->id,
             checks->ended, is_cancelled);
    free(checks);
    node->checks = NULL;
    atomic_store(&node->checks_wanted, true); /* one may have come meanwhile */
}

/* Tries again what has no leader, and begins this node's own check when it is due. */
void checks_second(struct node *node)
{
    node->checks_moved = true;
    for (uint32_t i = 0; i < node->groups_count; i++) {
        check_tick(&node->groups[i]);
    }
    uint64_t interval_ms = node->options.check_interval_ms;
    if (interval_ms == 0 || node->manual_ticks) {
        return;
    }
    if (node->checks_due_ms == 0) {
        node->checks_due_ms =
            node->now_ms +
            (interval_ms < NODE_CHECK_FIRST_MS ? interval_ms : (uint64_t)NODE_CHECK_FIRST_MS);
    }
    if (node->now_ms < node->checks_due_ms || node->checks != NULL ||
        atomic_load_explicit(&node->draining, memory_order_relaxed)) {
        return;
    }
    node->checks_due_ms = node->now_ms + interval_ms;
    char id[NODE_JOB_ID_BYTES];
    /* Refused: an operator's check is open, which is as good. */
    if (jobs_add(node->job_table, NODE_JOB_CHECK, -1, node->groups_count, wall_ms(node), id,
                 NULL) == OK) {
        node->check_is_own = true;
        atomic_store(&node->checks_wanted, true);
    }
}

void checks_free(struct node *node)
{
    struct checks *checks = node->checks;
    for (uint32_t i = 0; checks != NULL && i < NODE_CHECK_SLOTS; i++) {
        if (checks->slots[i].is_taken) {
            assert(!checks->slots[i].is_open);
            free(checks->slots[i].call.admin);
        }
    }
    free(checks);
    node->checks = NULL;
}

/* ---- node.h: any thread ------------------------------------------------------------------------------- */

enum err node_start_check(struct node *node, int64_t slot, char *ret_id, struct why *why)
{
    if (slot >= (int64_t)node->groups_count) {
        return why_set(why, ERR_NOT_FOUND, "there is no slot %" PRId64 ": the last one is %u", slot,
                       node->groups_count - 1);
    }
    if (atomic_load_explicit(&node->draining, memory_order_relaxed)) {
        return why_set(why, ERR_DRAINING, "%s", err_sentence(ERR_DRAINING));
    }
    enum err err = jobs_add(node->job_table, NODE_JOB_CHECK, slot,
                            slot < 0 ? node->groups_count : 1, wall_ms(node), ret_id, why);
    if (err == OK) {
        atomic_store(&node->checks_wanted, true);
        node->world.wake(node->world.arg);
    }
    return err;
}

enum err node_get_job(struct node *node, struct bytes id, struct arena *arena, struct node_job *ret,
                      struct why *why)
{
    if (jobs_get(node->job_table, id, wall_ms(node), arena, ret)) {
        return OK;
    }
    jobs_why_absent(node->job_table, id, why);
    return ERR_NOT_FOUND;
}

uint32_t node_list_jobs(struct node *node, struct arena *arena, struct node_job **ret)
{
    return jobs_list(node->job_table, wall_ms(node), arena, ret);
}

enum err node_cancel_job(struct node *node, struct bytes id, struct why *why)
{
    return jobs_cancel(node->job_table, id, wall_ms(node), why);
}
