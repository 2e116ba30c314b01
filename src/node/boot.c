/* SPDX-License-Identifier: Apache-2.0 */
/* Start: reads of every slot what its core must know, and checks what can be checked without
 * reading all of it: the terms by binary search (they never fall along a log), the entries above
 * applied one by one (consecutive, good checksums), applied within the log, the log against the
 * promise file (the core compares; R19).
 *
 * A hole or a damaged entry makes the log suspect: with other members the group starts in amnesia,
 * alone it does not start at all, as nobody else could have what is missing. */
#include "node/parts.h"
#include "wire/config.h"

struct boot_run {
    struct raft_boot boot;
    struct raft_trail_run *trail;
    uint32_t trail_count, trail_capacity;
    uint32_t *sizes;
    uint32_t sizes_count, sizes_capacity;
    struct raft_config_at *configs;
    uint32_t configs_count, configs_capacity;
    struct store_value value;
};

static enum err boot_fault(slot_id slot, enum err err, const char *what, uint64_t index,
                           struct why *why)
{
    return why_set(why, err, "slot %u: %s at index %" PRIu64 ": %s", slot, what, index,
                   err_sentence(err));
}

static enum err boot_term(struct node *node, slot_id slot, raft_index index, struct boot_run *run,
                          raft_term *ret, struct why *why)
{
    struct row_entry row;
    enum err err = store_get_entry(node->store, slot, index, &run->value, &row);
    if (err != OK) {
        return boot_fault(slot, err == ERR_NOT_FOUND ? ERR_CORRUPT : err, "no readable log entry",
                          index, why);
    }
    *ret = row.term;
    return OK;
}

/* The end of the run of one term that begins at first. */
static enum err boot_run_end(struct node *node, slot_id slot, raft_index first, raft_term term,
                             raft_index last, struct boot_run *run, raft_index *ret,
                             struct why *why)
{
    raft_index low = first, high = last; /* term(low) is term; the end is in [low, high] */
    raft_term at = 0;
    while (low < high) {
        raft_index middle = low == first && high == last ? last : low + (high - low + 1) / 2;
        enum err err = boot_term(node, slot, middle, run, &at, why);
        if (err != OK) {
            return err;
        }
        if (at == term) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    *ret = low;
    return OK;
}

static enum err boot_trail(struct node *node, slot_id slot, struct boot_run *run, struct why *why)
{
    raft_index first = run->boot.base.index + 1;
    while (first <= run->boot.last) {
        raft_term term = 0;
        raft_index end = first;
        enum err err = boot_term(node, slot, first, run, &term, why);
        if (err == OK) {
            err = boot_run_end(node, slot, first, term, run->boot.last, run, &end, why);
        }
        if (err != OK) {
            return err;
        }
        run->trail = node_grow(run->trail, run->trail_count, &run->trail_capacity,
                               sizeof(struct raft_trail_run));
        run->trail[run->trail_count++] = (struct raft_trail_run){term, first};
        first = end + 1;
    }
    return OK;
}

/* The entries above applied. Stops at a hole or a damaged one; boot.last is then the one before. */
static enum err boot_sizes(struct node *node, slot_id slot, struct boot_run *run, struct why *why)
{
    raft_index next = run->boot.applied + 1;
    if (next <= run->boot.base.index) {
        next = run->boot.base.index + 1;
    }
    raft_index last = run->boot.last;
    struct store_iter *iter = store_iter_entries(node->store, slot, next, last);
    while (store_iter_next(iter)) {
        const struct row_entry *row = store_iter_entry(iter);
        if (row->index != next) {
            break;
        }
        run->sizes =
            node_grow(run->sizes, run->sizes_count, &run->sizes_capacity, sizeof(uint32_t));
        run->sizes[run->sizes_count++] = (uint32_t)row->payload.len;
        next++;
    }
    enum err err = store_iter_done(iter);
    if (err == OK && next == last + 1) {
        return OK;
    }
    if (err != OK && err != ERR_CORRUPT) {
        return boot_fault(slot, err, "cannot read the log", next, why);
    }
    if (node->membership.table.rows_count < 2) {
        return boot_fault(slot, ERR_CORRUPT, "the log has a hole or a damaged entry", next, why);
    }
    log_error("node", "the log has a hole or a damaged entry: this replica may not vote",
              "slot=%u index=%" PRIu64, slot, next);
    run->boot.suspect_log = true;
    run->boot.last = next - 1;
    return OK;
}

/* Of a node that joins: nobody, so that it is silent until it is told. */
static void boot_first_config(const struct node *node, slot_id slot, struct raft_config *ret)
{
    *ret = (struct raft_config){0};
    struct members founders = {0};
    if (node->options.join) {
        return;
    }
    table_of_options(node, &founders);
    const struct members_place *place = &founders.places[slot];
    ret->voters_count = place->count;
    memcpy(ret->voters, place->ids, place->count * sizeof(node_id));
    members_done(&founders);
}

/* The memberships on disk; the first start writes the one of the options under index 0. */
static enum err boot_configs(struct node *node, struct group *group, struct boot_run *run,
                             struct store_batch *batch, struct why *why)
{
    struct store_iter *iter = store_iter_configs(node->store, group->slot);
    enum err bad = OK;
    while (bad == OK && store_iter_next(iter)) {
        struct raft_config_at at;
        at.pos.index = store_iter_seq(iter);
        bad = wire_config_decode(store_iter_config(iter, &at.pos.term), &at.config, why);
        if (bad == OK && at.pos.index <= run->boot.last) {
            run->configs = node_grow(run->configs, run->configs_count, &run->configs_capacity,
                                     sizeof(struct raft_config_at));
            run->configs[run->configs_count++] = at;
        }
        group_add_config_row(group, at.pos.index);
    }
    enum err err = store_iter_done(iter);
    if (bad != OK) {
        return why_wrap(why, "slot %u: its membership", group->slot);
    }
    if (err != OK) {
        return boot_fault(group->slot, err, "cannot read the memberships", 0, why);
    }
    if (run->configs_count > 0) {
        return OK;
    }
    if (run->boot.last != 0) {
        return boot_fault(group->slot, ERR_CORRUPT, "no membership beside a log that ends",
                          run->boot.last, why);
    }
    run->configs = alloc_zero(sizeof(struct raft_config_at));
    run->configs_count = 1;
    boot_first_config(node, group->slot, &run->configs[0].config);
    struct buf encoded = BUF_INIT;
    wire_config_encode(&encoded, &run->configs[0].config);
    store_put_config(batch, group->slot, 0, 0, buf_bytes(&encoded));
    buf_done(&encoded);
    group_add_config_row(group, 0);
    return OK;
}

/* An install that was under way: the group goes on with it. */
static enum err boot_marker(struct node *node, slot_id slot, struct boot_run *run, struct why *why)
{
    struct bytes bytes;
    enum err err =
        store_get_slot_value(node->store, NULL, slot, STORE_SLOT_INSTALLING, &run->value, &bytes);
    if (err == ERR_NOT_FOUND || (err == OK && bytes.len == 0)) {
        return OK;
    }
    struct marker marker;
    if (err == OK) {
        err = marker_decode(bytes, &marker, why);
    } else {
        err = boot_fault(slot, err, "cannot read the marker of an install", 0, why);
    }
    if (err != OK) {
        return err;
    }
    run->boot.install = marker.install;
    struct group *group = node_group(node, slot);
    group->receiving.is_marked = true;
    group->receiving.install = marker.install;
    atomic_store(&group->is_replacing, true);
    if (leave_is_marker(&marker)) {
        group->left = LEFT_DONE;
        return OK;
    }
    log_info("node", "an unfinished catch-up was found", "slot=%u session=%" PRIx64 " mode=%s",
             slot, marker.install.session, marker.install.kind == RAFT_FULL ? "full" : "delta");
    return OK;
}

/* Rows that were found to be wrong stay so: nobody is served until an install replaced them. */
static enum err boot_quarantine(struct node *node, slot_id slot, struct boot_run *run,
                                struct why *why)
{
    struct bytes bytes;
    enum err err =
        store_get_slot_value(node->store, NULL, slot, STORE_SLOT_QUARANTINE, &run->value, &bytes);
    if (err == ERR_NOT_FOUND || (err == OK && bytes.len == 0)) {
        return OK;
    }
    if (err != OK) {
        return boot_fault(slot, err, "cannot read whether it is quarantined", 0, why);
    }
    struct group *group = node_group(node, slot);
    run->boot.quarantined = true;
    atomic_store(&group->is_diverged, true);
    atomic_store(&group->is_unfit, true);
    log_warn("node", "this replica is quarantined: it serves nothing until it is re-synced",
             "slot=%u", slot);
    return OK;
}

static enum err boot_bounds(struct node *node, slot_id slot, struct boot_run *run, struct why *why)
{
    struct row_hard_state hard = {0};
    enum err err = store_get_hard_state(node->store, slot, &hard);
    if (err != OK && err != ERR_NOT_FOUND) {
        return boot_fault(slot, err, "cannot read term and vote", 0, why);
    }
    struct row_applied applied = {0};
    struct raft_boot *boot = &run->boot;
    err = store_get_applied(node->store, NULL, slot, &applied);
    if (err == OK) {
        err = store_log_bounds(node->store, slot, &boot->base.index, &boot->base.term, &boot->last);
    }
    if (err != OK) {
        return boot_fault(slot, err, "cannot read the bounds of the log", 0, why);
    }
    if (err == OK) {
        err = boot_marker(node, slot, run, why);
        err = err == OK ? boot_quarantine(node, slot, run, why) : err;
        if (err != OK) {
            return err;
        }
    }
    boot->term = hard.term;
    boot->vote = hard.vote;
    boot->commit = hard.commit;
    boot->applied = applied.index;
    if (applied.index > boot->last) {
        return boot_fault(slot, ERR_LOG_TOO_SHORT, "the log ends before the applied state",
                          boot->last, why);
    }
    if (applied.index < boot->base.index && boot->install.kind != RAFT_FULL) {
        return boot_fault(slot, ERR_CORRUPT, "the log begins after the applied state",
                          boot->base.index, why);
    }
    struct promise_row promise;
    promise_get(store_promise(node->store), slot, &promise);
#ifdef LETHE_MUTANT_no_amnesia
    promise = (struct promise_row){0};
#endif
    boot->promised_term = promise.term;
    boot->promised_vote = promise.vote;
    boot->promised_last = (struct raft_pos){promise.last_term, promise.last_index};
    return OK;
}

static void boot_raft(struct node *node, struct group *group, const struct node_boot *boot,
                      struct boot_run *run)
{
    struct raft_options options;
    const struct store_identity *identity = store_identity(node->store);
    raft_options_init(&options, group->slot, node->options.id, identity->boot);
    /* Rounded up: a node below its own mark is also low in the eyes of its leader. */
    options.disk_low_mb = tune_disk_low_mb(&node->options);
    if (boot->limits != NULL) {
        struct raft_options own = options;
        options = *boot->limits;
        options.slot = own.slot;
        options.self = own.self;
        options.boot = own.boot;
        options.seed = own.seed;
    }
    options.lazy_commit = true; /* ready.c tells it */
    options.seed ^= node->world.random_u64(node->world.arg);
    run->boot.suspect_log |= boot->suspect_log;
    run->boot.trail = run->trail;
    run->boot.trail_count = run->trail_count;
    run->boot.sizes = run->sizes;
    run->boot.configs = run->configs;
    run->boot.configs_count = run->configs_count;
    group->raft = raft_new(&options, &run->boot);

    struct raft_status status;
    raft_status(group->raft, &status);
    group->base = status.base;
    group->last = status.last;
    group->term = status.term;
    group->vote = status.vote;
    group->commit = status.commit;
    group->applying = group->applied = group->durable_applied = run->boot.applied;
    applied_show(group);
    group->durable_seq = status.durable_seq;
    group->role = status.role;
    atomic_store(&group->leads, status.role == RAFT_LEADER);
    group->leader = status.leader;
    group->is_alone = status.config.voters_count == 1 && status.config.voters_old_count == 0 &&
                      status.config.learners_count == 0 && status.config.learners_next_count == 0 &&
                      status.config.voters[0] == node->options.id;
    group->is_halted = false;
    if (status.amnesia) {
        log_warn("node", "the log is behind what was promised: no vote until it is re-synced",
                 "slot=%u last=%" PRIu64 " promised=%" PRIu64, group->slot, status.last.index,
                 run->boot.promised_last.index);
    }
}

static enum err boot_group(struct node *node, struct group *group, const struct node_boot *boot,
                           struct store_batch *batch, struct why *why)
{
    struct boot_run run = {0};
    store_value_init(&run.value);
    enum err err = boot_bounds(node, group->slot, &run, why);
    group->disk_last = run.boot.last;
    if (err == OK) {
        err = boot_sizes(node, group->slot, &run, why);
    }
    if (err == OK) {
        err = boot_trail(node, group->slot, &run, why);
    }
    if (err == OK) {
        err = boot_configs(node, group, &run, batch, why);
    }
    if (err == OK) {
        boot_raft(node, group, boot, &run);
        if (group->is_alone && !boot->no_campaign) {
            raft_campaign(group->raft);
        }
        group_dirty(group);
        group_touch(group);
    }
    store_value_done(&run.value);
    free(run.trail);
    free(run.sizes);
    free(run.configs);
    return err;
}

enum err boot_again(struct group *group, struct why *why)
{
    struct node *node = group->node;
    list_remove(&group->dirty);
    group_limbo_clear(group);
    raft_free(group->raft);
    group->raft = NULL;
    node->tail_bytes -= group->tail.bytes;
    tail_done(&group->tail);
    group->tail = (struct tail){0};
    group->config_rows_count = group->marks_count = 0;
    group->log_bytes = group->kept_from = 0;
    group->may_lead = true;
    group->told_mb = 0;
    atomic_store(&group->is_diverged, false);
    struct store_batch *batch = store_batch_new(node->store);
    enum err err = boot_group(node, group, &node->boot, batch, why);
    assert(err != OK || store_batch_count(batch) == 0); /* it has a configuration */
    store_batch_free(batch);
    return err;
}

enum err boot_groups(struct node *node, const struct node_boot *boot, struct why *why)
{
    struct store_batch *batch = store_batch_new(node->store);
    enum err err = OK;
    for (slot_id i = 0; i < node->groups_count && err == OK; i++) {
        err = boot_group(node, &node->groups[i], boot, batch, why);
    }
    if (err == OK && store_batch_count(batch) > 0) {
        err = store_write(node->store, batch, true, why);
    }
    store_batch_free(batch);
    return err;
}
