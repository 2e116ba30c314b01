/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to the disk thread: one job is with it, one is being filled. A job has up to four
 * parts, done in this order and reported one by one:
 *
 *   INSTALL  rows of installs (receiver.c), unsynced; the end of one comes before all that follows.
 *   APPLY  committed entries of many groups, through msg; written without sync. Reported before
 *          the sync begins, so that clients need not wait for it.
 *   WRITE  the batch of all groups (entries, hard states, compactions), synced; then the promise
 *          file, before any packet that this batch vouches for may leave.
 *   CARE   once a second: the promise file's own sync, the disk's health and room.
 *
 * "Durably applied" follows from the order: when the WRITE of a job has completed, everything
 * applied by it or before it is in the same WAL, in front of a synced record.
 *
 * A failed part ends it all (R18): the loop learns of it and the node does nothing more. */
#include "node/parts.h"
#include "wire/command.h"

/* ---- the disk thread -------------------------------------------------------------------------- */

static bool job_has(const struct node_disk_job *job, enum node_disk_part part)
{
    switch (part) {
    case NODE_DISK_INSTALL:
        return job->has_install;
    case NODE_DISK_APPLY:
        return job->has_apply;
    case NODE_DISK_WRITE:
        return job->has_write;
    case NODE_DISK_CARE:
        return job->has_care;
    case NODE_DISK_PARTS:
        break;
    }
    return true;
}

static uint8_t job_part_from(const struct node_disk_job *job, unsigned part)
{
    while (!job_has(job, part)) {
        part++;
    }
    return (uint8_t)part;
}

enum node_disk_part node_disk_next(const struct node_disk_job *job)
{
    return job->next;
}

/* Applies one entry; a cold one is read first. *ret_is_damaged: a row that it needs is, and the entry changed
 * nothing. A damaged entry is another matter: then the log is not sound, as the next start finds. */
static enum err job_apply_entry(struct node *node, slot_id slot, struct disk_entry *entry,
                                struct store_value *value, bool *ret_is_damaged, struct why *why)
{
    struct bytes payload = entry->payload == NULL ? BYTES_NONE : blob_bytes(entry->payload);
    if (entry->kind == 0) {
        struct row_entry row;
        enum err err = store_get_entry(node->store, slot, entry->index, value, &row);
        if (err != OK) {
            return why_set(why, err == ERR_NOT_FOUND ? ERR_CORRUPT : err,
                           "cannot read committed entry %" PRIu64 " of slot %u: %s", entry->index,
                           slot, err_sentence(err));
        }
        entry->kind = row.kind;
        entry->term = row.term;
        payload = row.payload;
    }
    if (entry->kind != RAFT_ENTRY_DATA) {
        enum err err = msg_apply_nothing(node->msg, slot, entry->index, entry->term, why);
        *ret_is_damaged = err == ERR_CORRUPT;
        return err;
    }
#ifdef LETHE_MUTANT_replay_skips_deletes
    if (entry->payload == NULL && command_kind_of(payload) == COMMAND_DELETE) {
        return msg_apply_nothing(node->msg, slot, entry->index, entry->term, why);
    }
#endif
    /* Deletes are counted on every node, also where nobody waits for them. */
    uint8_t kind = command_kind_of(payload);
    bool is_wanted = entry->is_wanted || kind == COMMAND_DELETE;
    enum err err = msg_apply(node->msg, slot, entry->index, entry->term, payload,
                             is_wanted ? &entry->result : NULL, why);
    *ret_is_damaged = err == ERR_CORRUPT;
    if (err == OK && kind == COMMAND_CHECK) {
        err = msg_apply_flush(node->msg, why);
        entry->snapshot = err == OK ? store_snapshot_new(node->store) : NULL;
    }
    return err;
}

/* What the slot's state is after this run, for comparisons with other replicas. */
static enum err job_note_state(struct node *node, struct disk_run *run, struct why *why)
{
    enum err err = msg_apply_flush(node->msg, why);
    if (err == OK) {
        store_last_applied(node->store, run->slot, &run->applied);
    }
    return err;
}

/* The slot stopped in an earlier run of this job. */
static bool is_stopped(const struct disk_apply *apply, uint32_t run)
{
    for (uint32_t i = 0; i < run; i++) {
        if (apply->runs[i].damage != NULL && apply->runs[i].slot == apply->runs[run].slot) {
            return true;
        }
    }
    return false;
}

static enum err job_apply_run(struct node *node, struct disk_apply *apply, struct disk_run *run,
                              struct store_value *value, struct why *why)
{
    for (uint32_t i = 0; i < run->count; i++) {
        bool is_damaged = false;
        enum err err = job_apply_entry(node, run->slot, &apply->entries[run->first + i], value,
                                       &is_damaged, why);
        if (is_damaged) {
            run->damage = alloc_string(why->text);
            run->count = i;
            return OK;
        }
        if (err != OK) {
            return err;
        }
        FAILPOINT("apply.entry");
    }
    return OK;
}

static enum err job_install(struct node_disk_job *job, struct why *why)
{
    enum err err = OK;
    for (uint32_t i = 0; i < job->installed_count && err == OK; i++) {
        FAILPOINT("install.last");
        err = store_write(job->node->store, job->installed[i].batch, false, why);
        FAILPOINT("install.written");
    }
    for (uint32_t i = 0; i < job->sinks.count && err == OK; i++) {
        err = receiver_run(job->node, &job->sinks.items[i], NULL, why);
    }
    return err;
}

static enum err job_apply(struct node_disk_job *job, struct why *why)
{
    struct node *node = job->node;
    uint64_t began_us = node_now_us(node);
    struct store_value value;
    store_value_init(&value);
    enum err err = OK;
    bool has_damage = false;
    for (uint32_t r = 0; r < job->apply.runs_count && err == OK; r++) {
        struct disk_run *run = &job->apply.runs[r];
        if (has_damage && is_stopped(&job->apply, r)) {
            run->count = 0;
            run->wants_state = false;
            continue;
        }
        err = job_apply_run(node, &job->apply, run, &value, why);
        if (run->damage != NULL) {
            has_damage = true;
            run->wants_state = false;
        }
        bool is_cut = r + 1 < job->apply.runs_count && run[1].slot == run->slot;
        if (err == OK && is_cut &&
            run->damage == NULL) { /* at an index whose digest is to be compared */
            err = job_note_state(node, run, why);
        }
    }
    store_value_done(&value);
    if (err == OK) {
        FAILPOINT("apply.flush");
        err = msg_apply_flush(node->msg, why);
        FAILPOINT("apply.written");
    }
    if (err == OK && FAILPOINT_FAILS("apply.failed")) {
        err = why_set(why, ERR_DISK_FAILED, "failed on order");
    }
    for (uint32_t r = 0; r < job->apply.runs_count && err == OK; r++) {
        if (job->apply.runs[r].wants_state && job->apply.runs[r].applied.index == 0) {
            err = job_note_state(node, &job->apply.runs[r], why);
        }
    }
    stat_observe(&node->stats.apply, node_now_us(node) - began_us);
    STAT_ADD(node, applied_entries_total, job->apply.entries_count);
    return err;
}

#ifdef LETHE_MUTANT_no_sync
#define DISK_SYNC false
#else
#define DISK_SYNC true
#endif

/* What a write may hold besides entries, each with a place to end at. */
static void write_passes(const struct disk_write *write, const struct node_disk_job *job,
                         bool is_synced)
{
    if (write->begins.count > 0 && !is_synced) {
        FAILPOINT("receiver.marker");
    } else if (write->begins.count > 0) {
        FAILPOINT("receiver.marked");
    }
    if (write->compactions_count > 0 && !is_synced) {
        FAILPOINT("compact.begin");
    } else if (write->compactions_count > 0) {
        FAILPOINT("compact.synced");
    }
    if (job->installed_count > 0 && is_synced) {
        FAILPOINT("install.synced");
    }
}

static enum err job_write(struct node_disk_job *job, struct why *why)
{
    struct node *node = job->node;
    uint64_t began_us = node_now_us(node);
    enum err err = OK;
    for (uint32_t i = 0; i < job->write.begins.count && err == OK; i++) {
        err = receiver_run(node, &job->write.begins.items[i], job->write.batch, why);
    }
    if (err == OK) {
        write_passes(&job->write, job, false);
        FAILPOINT("write.begin");
        err = store_write(node->store, job->write.batch, DISK_SYNC, why);
        FAILPOINT("write.synced");
        write_passes(&job->write, job, true);
    }
    if (err == OK && FAILPOINT_FAILS("write.failed")) {
        err = why_set(why, ERR_DISK_FAILED, "failed on order, after it was written");
    }
#ifdef LETHE_MUTANT_retry_fsync
    err = OK; /* what a second fsync would say */
#endif
    if (err != OK) {
        return err;
    }
    stat_observe(&node->stats.fsync, node_now_us(node) - began_us);
    STAT_ADD(node, batches_total, 1);
    struct promise *promise = store_promise(node->store);
    for (uint32_t i = 0; i < job->write.tickets_count; i++) {
        promise_set(promise, job->write.tickets[i].slot, &job->write.tickets[i].promise);
    }
    FAILPOINT("promise.begin");
    err = promise_is_dirty(promise) ? promise_write(promise, why) : OK;
    FAILPOINT("promise.written");
    return err;
}

static enum err job_care(struct node_disk_job *job, struct why *why)
{
    enum err err = promise_sync(store_promise(job->node->store), why);
    FAILPOINT("promise.synced");
    if (err != OK) {
        return err;
    }
    alarm_save(job->node);
    space_look(job->node, &job->space);
    return store_poll(job->node->store, why);
}

bool node_disk_run(struct node_disk_job *job)
{
    unsigned part = job->next;
    assert(part < NODE_DISK_PARTS);
    struct why *why = &job->why[part];
    if (!job->is_spoilt) {
        switch ((enum node_disk_part)part) {
        case NODE_DISK_INSTALL:
            job->err[part] = job_install(job, why);
            break;
        case NODE_DISK_APPLY:
            job->err[part] = job_apply(job, why);
            break;
        case NODE_DISK_WRITE:
            job->err[part] = job_write(job, why);
            break;
        case NODE_DISK_CARE:
            job->err[part] = job_care(job, why);
            break;
        case NODE_DISK_PARTS:
            break;
        }
        job->is_spoilt = job->err[part] != OK;
    }
    job->next = job_part_from(job, part + 1);
    return job->next < NODE_DISK_PARTS;
}

/* ---- filling a job: loop ------------------------------------------------------------------------ */

void disk_job_init(struct node_disk_job *job, struct node *node)
{
    *job = (struct node_disk_job){.node = node, .next = NODE_DISK_PARTS};
    job->write.batch = store_batch_new(node->store);
}

static void apply_clear(struct node *node, struct disk_apply *apply)
{
    for (uint32_t r = 0; r < apply->runs_count; r++) {
        free(apply->runs[r].damage);
    }
    for (uint32_t i = 0; i < apply->entries_count; i++) {
        blob_unref(apply->entries[i].payload);
        msg_result_free(apply->entries[i].result);
        store_snapshot_free(node->store, apply->entries[i].snapshot);
    }
    apply->entries_count = apply->runs_count = 0;
    apply->bytes = 0;
}

static void write_clear(struct disk_write *write)
{
    sink_ops_clear(&write->begins);
    write->tickets_count = write->compactions_count = 0;
    write->wants_sync = false;
    write->since_ms = 0;
}

static void install_clear(struct node_disk_job *job)
{
    sink_ops_clear(&job->sinks);
    for (uint32_t i = 0; i < job->installed_count; i++) {
        store_batch_free(job->installed[i].batch);
    }
    job->installed_count = 0;
}

void disk_job_done(struct node_disk_job *job)
{
    install_clear(job);
    free(job->sinks.items);
    free(job->installed);
    sink_ops_clear(&job->write.begins);
    free(job->write.begins.items);
    if (job->node != NULL) {
        apply_clear(job->node, &job->apply);
    }
    free(job->apply.entries);
    free(job->apply.runs);
    store_batch_free(job->write.batch);
    free(job->write.tickets);
    free(job->write.compactions);
    *job = (struct node_disk_job){0};
}

struct disk_run *disk_add_run(struct node *node, slot_id slot)
{
    struct disk_apply *apply = &node->filling->apply;
    apply->runs =
        node_grow(apply->runs, apply->runs_count, &apply->runs_capacity, sizeof(struct disk_run));
    struct disk_run *run = &apply->runs[apply->runs_count++];
    *run = (struct disk_run){.slot = slot, .first = apply->entries_count};
    return run;
}

struct disk_entry *disk_add_entry(struct node *node, struct disk_run *run)
{
    struct disk_apply *apply = &node->filling->apply;
    assert(run == &apply->runs[apply->runs_count - 1]);
    apply->entries = node_grow(apply->entries, apply->entries_count, &apply->entries_capacity,
                               sizeof(struct disk_entry));
    struct disk_entry *entry = &apply->entries[apply->entries_count++];
    *entry = (struct disk_entry){0};
    run->count++;
    return entry;
}

static struct disk_write *disk_filling(struct node *node)
{
    struct disk_write *write = &node->filling->write;
    if (write->since_ms == 0) {
        write->since_ms = node->now_ms == 0 ? 1 : node->now_ms;
    }
    return write;
}

struct disk_ticket *disk_add_ticket(struct node *node)
{
    struct disk_write *write = disk_filling(node);
    write->tickets = node_grow(write->tickets, write->tickets_count, &write->tickets_capacity,
                               sizeof(struct disk_ticket));
    struct disk_ticket *ticket = &write->tickets[write->tickets_count++];
    *ticket = (struct disk_ticket){0};
    return ticket;
}

void disk_add_compaction(struct node *node, slot_id slot, raft_index to)
{
    struct disk_write *write = disk_filling(node);
    write->compactions = node_grow(write->compactions, write->compactions_count,
                                   &write->compactions_capacity, sizeof(struct disk_compaction));
    write->compactions[write->compactions_count++] = (struct disk_compaction){slot, to};
}

void disk_add_installed(struct node *node, slot_id slot, struct raft_pos target,
                        struct store_batch *batch)
{
    struct node_disk_job *job = node->filling;
    job->installed = node_grow(job->installed, job->installed_count, &job->installed_capacity,
                               sizeof(struct disk_installed));
    job->installed[job->installed_count++] = (struct disk_installed){slot, target, batch};
}

struct store_batch *disk_batch(struct node *node)
{
    return disk_filling(node)->batch;
}

void disk_want_sync(struct node *node)
{
    disk_filling(node)->wants_sync = true;
}

bool disk_is_full(const struct node *node)
{
    return store_batch_bytes(node->filling->write.batch) >= NODE_BATCH_SOFT_BYTES ||
           node->filling->apply.bytes >= NODE_APPLY_SOFT_BYTES;
}

/* Is the batch worth a sync now? What nobody waits for goes along with the next one, or alone
 * after a second, or at once when the node is about to stop. */
static bool disk_write_is_due(const struct node *node)
{
    const struct disk_write *write = &node->filling->write;
    return write->since_ms != 0 &&
           (write->wants_sync || node->now_ms - write->since_ms >= NODE_LAZY_SYNC_MS ||
            atomic_load_explicit(&node->draining, memory_order_relaxed));
}

bool disk_is_due(const struct node *node)
{
    return node->filling->apply.runs_count > 0 || node->filling->sinks.count > 0 ||
           node->care_due || disk_write_is_due(node);
}

/* Rows of installs take milliseconds a chunk, and everybody's writes wait behind them: one at a time. */
static void leave_sinks(struct sink_ops *ops, struct sink_ops *later)
{
    assert(later->count == 0);
    if (ops->count <= NODE_DISK_SINKS_MAX) {
        return;
    }
    uint32_t left = ops->count - NODE_DISK_SINKS_MAX;
    while (later->capacity < left) {
        later->items =
            node_grow(later->items, later->capacity, &later->capacity, sizeof(struct sink_op));
    }
    memcpy(later->items, ops->items + NODE_DISK_SINKS_MAX, left * sizeof(struct sink_op));
    later->count = left;
    ops->count = NODE_DISK_SINKS_MAX;
}

void disk_hand_over(struct node *node)
{
    if (node->flying != NULL || node->is_failed || !disk_is_due(node)) {
        return;
    }
    struct node_disk_job *job = node->filling;
    struct node_disk_job *next = job == &node->jobs[0] ? &node->jobs[1] : &node->jobs[0];
    leave_sinks(&job->sinks, &next->sinks);
    job->has_install = job->sinks.count > 0 || job->installed_count > 0;
    job->has_apply = job->apply.runs_count > 0;
    job->has_write = disk_write_is_due(node);
    job->has_care = node->care_due;
    assert(job->has_write || job->installed_count == 0);
    if (!job->has_write) { /* its rows wait in the next job */
        struct disk_write write = job->write;
        job->write = next->write;
        next->write = write;
    }
    node->care_due = false;
    job->next = job->delivered = job_part_from(job, NODE_DISK_INSTALL);
    node->filling = next;
    node->flying = job;
    node->flying_since_ms = node->now_ms;
    node->world.disk_submit(node->world.arg, job);
}

/* ---- what came of it: loop ---------------------------------------------------------------------- */

/* Answers the calls that waited for these entries. A call whose index another term took is lost
 * for certain (raft.md section 5, "What leaves when"). */
static void applied_run(struct node *node, const struct disk_run *run, struct disk_entry *entries)
{
    struct group *group = node_group(node, run->slot);
    /* First, so that the answers already carry this applied index. */
    group_applied(group, entries[run->count - 1].index);
    for (uint32_t i = 0; i < run->count; i++) {
        struct disk_entry *entry = &entries[i];
        struct list *item = list_first(&group->commands);
        while (item != NULL && WAITER_OF(item)->index <= entry->index) {
            struct node_call *call = WAITER_OF(item);
            if (call->index == entry->index && call->term == entry->term) {
                if (entry->result != NULL && call->admin != NULL) {
                    call->admin->floor_after = entry->result->floor;
                    call->admin->removed = entry->result->removed;
                } else if (entry->result != NULL) {
                    stats_result(node, entry->result, call->command->len);
                    if (entry->result->appends_count > 0) {
                        stat_observe(&node->stats.append, node_now_us(node) - call->started_us);
                    }
                }
                if (call->kind == NODE_CALL_MEMBER) {
                    change_applied(node, call, entry->result);
                } else {
                    if (call->admin == NULL) {
                        call->result = entry->result;
                        entry->result = NULL;
                    }
                    waiter_finish(node, call, OK, NULL);
                }
            } else {
                waiter_finish(node, call, ERR_PROVEN_LOST, NULL);
            }
            item = list_first(&group->commands);
        }
        if (entry->result != NULL) {
            stats_result(node, entry->result, 0);
        }
        if (entry->snapshot != NULL) {
            check_snapshot(group, entry->index, entry->term, entry->snapshot);
            entry->snapshot = NULL;
        }
    }
}

static void install_done(struct node *node, struct node_disk_job *job)
{
    for (uint32_t i = 0; i < job->installed_count; i++) {
        receiver_wrote_last(node_group(node, job->installed[i].slot));
    }
    for (uint32_t i = 0; i < job->sinks.count; i++) {
        receiver_reported(node, &job->sinks.items[i]);
    }
    sink_ops_clear(&job->sinks);
}

static void applied_done(struct node *node, struct node_disk_job *job)
{
    for (uint32_t r = 0; r < job->apply.runs_count; r++) {
        const struct disk_run *run = &job->apply.runs[r];
        struct group *group = node_group(node, run->slot);
        if (run->count > 0) {
            applied_run(node, run, &job->apply.entries[run->first]);
        }
        if (run->damage != NULL) {
            damage_stops_apply(group, run->damage);
        } else if (run->wants_state) {
            digest_note(group, &run->applied);
        }
    }
    apply_clear(node, &job->apply);
}

static void written_done(struct node *node, struct node_disk_job *job)
{
    struct disk_write *write = &job->write;
    for (uint32_t i = 0; i < write->tickets_count; i++) {
        group_persisted(node_group(node, write->tickets[i].slot), write->tickets[i].seq);
    }
    for (uint32_t i = 0; i < write->compactions_count; i++) {
        compact_done(node_group(node, write->compactions[i].slot), write->compactions[i].to);
    }
    for (uint32_t i = 0; i < job->installed_count; i++) {
        receiver_is_durable(node_group(node, job->installed[i].slot), job->installed[i].target);
    }
    for (uint32_t i = 0; i < write->begins.count; i++) {
        receiver_reported(node, &write->begins.items[i]);
    }
    write_clear(write);
    install_clear(job);
    node->synced_ms = node->now_ms;
    for (struct list *item = list_first(&node->undurable); item != NULL;
         item = list_first(&node->undurable)) {
        group_durable(CONTAINER_OF(item, struct group, undurable));
    }
}

bool node_disk_done(struct node *node, struct node_disk_job *job)
{
    ASSERT_THREAD(&node->loop);
    assert(job == node->flying);
    unsigned part = job->delivered;
    node->now_ms = node_now_us(node) / 1000;
    if (job->err[part] != OK && !node->is_failed) {
        node_fail(node, job->err[part], job->why[part].text);
    }
    if (!node->is_failed) {
        switch ((enum node_disk_part)part) {
        case NODE_DISK_INSTALL:
            install_done(node, job);
            break;
        case NODE_DISK_APPLY:
            applied_done(node, job);
            break;
        case NODE_DISK_WRITE:
            written_done(node, job);
            break;
        case NODE_DISK_CARE:
            space_seen(node, &job->space);
            break;
        case NODE_DISK_PARTS:
            break;
        }
    }
    job->delivered = job_part_from(job, part + 1);
    if (job->delivered == NODE_DISK_PARTS) {
        node->flying = NULL;
    }
    return node->flying == NULL;
}

void node_disk_abandon(struct node *node, struct node_disk_job *job)
{
    assert(job == node->flying);
    node->flying = NULL;
    node->is_failed = true;
}

/* ---- the guard ----------------------------------------------------------------------------------- */

/* Tells every group whether this node may lead, and how much room it has. A lone member has nobody
 * to hand over to: a slow disk is no reason to stop. A node that stops wins nothing back, one that may
 * not found wins nothing. */
void disk_tell_groups(struct node *node)
{
    uint64_t free_bytes = atomic_load_explicit(&node->disk_free_bytes, memory_order_relaxed);
    /* A store in memory has no size: as good as endless. */
    bool is_known = atomic_load_explicit(&node->disk_total_bytes, memory_order_relaxed) != 0;
    uint64_t free_mb = is_known ? free_bytes >> 20 : UINT32_MAX;
    free_mb = free_mb == 0 ? 1 : free_mb; /* to the core 0 is "not said" */
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct group *group = &node->groups[i];
        bool may_lead =
            group->is_alone || (!node->is_slow && !node->was_drained && !node->is_unproven);
        /* Of a lone member's disk this node itself takes care: what the core heard before is over. */
        uint32_t told_mb = group->is_alone || free_mb > UINT32_MAX ? UINT32_MAX : (uint32_t)free_mb;
        if (!group->is_alone || may_lead != group->may_lead || told_mb != group->told_mb) {
            raft_may_lead(group->raft, may_lead, told_mb);
            group->told_mb = told_mb;
            if (group->is_alone) {
                group_touch(group);
            }
            group->may_lead = may_lead;
            group_dirty(group);
        }
    }
}

void disk_overslept(struct node *node, uint64_t ms)
{
#ifndef LETHE_MUTANT_sleep_is_the_disks
    uint64_t age_ms = node->now_ms - node->flying_since_ms;
    node->flying_since_ms += ms < age_ms ? ms : age_ms;
#endif
}

void disk_watch(struct node *node)
{
    uint64_t age_ms = node->flying == NULL ? 0 : node->now_ms - node->flying_since_ms;
    if (age_ms > NODE_DISK_STUCK_MS) {
        node_fail(node, ERR_DISK_FAILED, "the disk did not finish a write in 30 s");
        return;
    }
#ifdef LETHE_MUTANT_no_disk_watch
    return;
#endif
    if (age_ms > NODE_DISK_SLOW_MS) {
        node->slow_seen_ms = node->now_ms;
        if (!node->is_slow) {
            node->is_slow = true;
            log_warn("node", "the disk is slow, handing leaderships over", "age_ms=%" PRIu64,
                     age_ms);
            alarm_raise(node, NODE_ALARM_SLOW_DISK,
                        "a write has taken more than %d ms: leaderships are handed over",
                        NODE_DISK_SLOW_MS);
            disk_tell_groups(node);
        }
    } else if (node->is_slow && node->now_ms - node->slow_seen_ms > NODE_DISK_CALM_MS) {
        node->is_slow = false;
        log_info("node", "the disk is fast again, may lead");
        alarm_end(node, NODE_ALARM_SLOW_DISK);
        disk_tell_groups(node);
    }
}
