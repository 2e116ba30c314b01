/* SPDX-License-Identifier: Apache-2.0 */
/* What a replica does whose log cannot be served any more (raft.md section 4, R14).
 *
 *   INSTALL_IN  the core accepted an offer: calls and applies of the slot end, BEGIN goes into the
 *               batch of the ticket (marker; for a full one the removal of all state)
 *   durable     FETCH behind the cursor; each chunk is written by the disk thread in one batch with
 *               its cursor, running digest and counts, and then the next ones are asked for
 *   END         when all is written: FINISH compares target, counts, digest. Equal: the core is told,
 *               and its next update resets log, base and membership; those rows and FINISH's are one
 *               batch, written before the ticket. Unequal: the core is told, a full one follows.
 *
 * A chunk counts only with the session, term and sender that the core accepted, and in its place.
 * After a restart the marker says what was under way; the session goes on from the cursor if its
 * sender still offers it, else another one begins. There is no other way out than a good end. */
#include "node/parts.h"
#include "wire/config.h"

enum { MARKER_VERSION = 1, DAMAGED_MAX = 5 };

/* ---- the marker --------------------------------------------------------------------------------- */

void marker_encode(struct buf *buf, const struct marker *marker)
{
    const struct raft_install *install = &marker->install;
    buf_put_u8(buf, MARKER_VERSION);
    buf_put_u8(buf, install->kind);
    buf_put_le64(buf, install->session);
    buf_put_le64(buf, marker->term);
    buf_put_le64(buf, marker->from);
    buf_put_le64(buf, install->base);
    buf_put_le64(buf, install->target.term);
    buf_put_le64(buf, install->target.index);
    buf_put_le64(buf, install->config_pos.term);
    buf_put_le64(buf, install->config_pos.index);
    wire_config_encode(buf, &install->config);
}

enum err marker_decode(struct bytes bytes, struct marker *ret, struct why *why)
{
    struct reader reader = reader_of(bytes);
    struct marker marker = {0};
    struct raft_install *install = &marker.install;
    uint8_t version = reader_u8(&reader);
    install->kind = reader_u8(&reader);
    install->session = reader_le64(&reader);
    marker.term = reader_le64(&reader);
    marker.from = reader_le64(&reader);
    install->base = reader_le64(&reader);
    install->target.term = reader_le64(&reader);
    install->target.index = reader_le64(&reader);
    install->config_pos.term = reader_le64(&reader);
    install->config_pos.index = reader_le64(&reader);
    bool is_good = version == MARKER_VERSION && !reader.failed && install->session != 0 &&
                   (install->kind == RAFT_DELTA || install->kind == RAFT_FULL);
    if (!is_good || wire_config_decode(bytes_of(reader.at, reader_left(&reader)), &install->config,
                                       NULL) != OK) {
        return why_set(why, ERR_CORRUPT, "the marker of an unfinished install is damaged");
    }
    *ret = marker;
    return OK;
}

/* ---- the disk thread's side ----------------------------------------------------------------------- */

static void sink_op_done(struct sink_op *op)
{
    buf_done(&op->marker);
    blob_unref(op->body);
    buf_done(&op->cursor);
    store_batch_free(op->batch);
}

void sink_ops_clear(struct sink_ops *ops)
{
    for (uint32_t i = 0; i < ops->count; i++) {
        sink_op_done(&ops->items[i]);
    }
    ops->count = 0;
}

static enum err sink_begin(struct node *node, struct sink_op *op, struct store_batch *batch)
{
    FAILPOINT("receiver.begin");
    msg_sink_free(*op->sink);
    *op->sink = NULL;
    bool is_delta = op->install.kind == RAFT_DELTA;
    struct msg_sink_options options = {.slot = op->slot,
                                       .kind = is_delta ? MSG_INSTALL_DELTA : MSG_INSTALL_FULL,
                                       .base = is_delta ? op->install.base : 0,
                                       .target = op->install.target,
                                       .marker = buf_bytes(&op->marker)};
    return msg_sink_begin(node->msg, &options, batch, op->sink, &op->why);
}

static enum err sink_drop(struct node *node, struct sink_op *op, struct store_batch *batch)
{
    msg_sink_free(*op->sink);
    *op->sink = NULL;
    return msg_drop(node->msg, op->slot, buf_bytes(&op->marker), batch, &op->why);
}

static enum err sink_finish(struct node *node, struct sink_op *op)
{
    FAILPOINT("receiver.finish");
    op->batch = store_batch_new(node->store);
    enum err err = msg_sink_finish(*op->sink, &op->end, op->batch, &op->why);
    if (err == OK) {
        msg_sink_free(*op->sink);
        *op->sink = NULL;
        return OK;
    }
    store_batch_free(op->batch);
    op->batch = NULL;
    return err;
}

static enum err sink_rows(struct sink_op *op)
{
    struct chunk chunk;
    FAILPOINT("receiver.rows");
    enum err err = chunk_decode(blob_bytes(op->body), &chunk, &op->why);
    err = err == OK ? msg_sink_rows(*op->sink, &chunk.rows, &op->why) : err;
    FAILPOINT("receiver.wrote");
    return err;
}

static enum err sink_do(struct node *node, struct sink_op *op, struct store_batch *batch)
{
    switch ((enum sink_kind)op->kind) {
    case SINK_BEGIN:
        return sink_begin(node, op, batch);
    case SINK_RESUME:
        FAILPOINT("receiver.resume");
        msg_sink_free(*op->sink);
        *op->sink = NULL;
        return msg_sink_resume(node->msg, op->slot, op->sink, &op->why);
    case SINK_ROWS:
        return *op->sink == NULL ? ERR_IGNORED : sink_rows(op);
    case SINK_FINISH:
        return *op->sink == NULL ? ERR_IGNORED : sink_finish(node, op);
    case SINK_DROP:
        return sink_drop(node, op, batch);
    }
    return ERR_INTERNAL;
}

enum err receiver_run(struct node *node, struct sink_op *op, struct store_batch *batch,
                      struct why *why)
{
    op->err = sink_do(node, op, batch);
    if (op->err == ERR_DISK_FAILED) {
        return why_set(why, op->err, "%s", op->why.text);
    }
    if (*op->sink != NULL && op->err == OK) {
        msg_sink_info(*op->sink, &op->info);
        buf_clear(&op->cursor);
        buf_append_bytes(&op->cursor, op->info.cursor);
    }
    return OK;
}

/* ---- the loop's side: asking ------------------------------------------------------------------------ */

static struct sink_op *receiver_op(struct group *group, struct sink_ops *ops, enum sink_kind kind)
{
    ops->items = node_grow(ops->items, ops->count, &ops->capacity, sizeof(struct sink_op));
    struct sink_op *op = &ops->items[ops->count++];
    *op = (struct sink_op){.slot = group->slot,
                           .kind = kind,
                           .session = group->receiving.install.session,
                           .sink = &group->sink};
    group->receiving.ops++;
    return op;
}

/* One transfer at a time has all credits; others go on with one each, so that no sender gives up. */
static uint32_t receiver_credits(struct group *group)
{
    struct node *node = group->node;
    if (node->receiving == NULL) {
        node->receiving = group;
    }
    return node->receiving == group ? NODE_CATCHUP_CREDITS : 1;
}

static void receiver_leave(struct group *group)
{
    if (group->node->receiving == group) {
        group->node->receiving = NULL;
    }
}

static void receiver_fetch(struct group *group)
{
    struct receiving *receiving = &group->receiving;
    struct node *node = group->node;
    struct chunk chunk = {.kind = CHUNK_FETCH,
                          .slot = group->slot,
                          .session = receiving->install.session,
                          .term = receiving->term,
                          .fetch = {.number = receiving->written,
                                    .cursor = buf_bytes(&receiving->cursor),
                                    .credits = receiver_credits(group)}};
    receiving->fetched_ms = node->now_ms;
    sender_send(node, receiving->from, &chunk);
}

static void receiver_refuse(struct group *group, const struct chunk *chunk, node_id from,
                            const char *why)
{
    STAT_ADD(group->node, refused_chunks_total, 1);
    log_every(5000, LOG_LEVEL_WARN, "node", "a frame of a catch-up was refused",
              "slot=%u peer=%" PRIu64 " session=%" PRIx64 " term=%" PRIu64 " why=%s", group->slot,
              from, chunk->session, chunk->term, LOG_QUOTED(why));
}

static void receiver_give_up(struct group *group, const char *what, const char *detail)
{
    struct receiving *receiving = &group->receiving;
    log_error("node", what, "slot=%u peer=%" PRIu64 " mode=%s session=%" PRIx64 " detail=%s",
              group->slot, receiving->from, receiving->install.kind == RAFT_FULL ? "full" : "delta",
              receiving->install.session, LOG_QUOTED(detail));
    receiving->is_stopped = true;
    receiver_leave(group);
    raft_install_received(group->raft, receiving->install.session, false);
    group_dirty(group);
}

/* ---- its beginning ------------------------------------------------------------------------------------ */

/* What was handed to apply and not to the disk yet belongs to the state that goes. */
static void receiver_drop_applies(struct group *group)
{
    struct disk_apply *apply = &group->node->filling->apply;
    uint32_t kept = 0;
    for (uint32_t r = 0; r < apply->runs_count; r++) {
        struct disk_run *run = &apply->runs[r];
        if (run->slot != group->slot) {
            apply->runs[kept++] = *run; /* entries keep their places */
            continue;
        }
        for (uint32_t i = 0; i < run->count; i++) {
            struct disk_entry *entry = &apply->entries[run->first + i];
            blob_unref(entry->payload);
            entry->payload = NULL;
        }
    }
    apply->runs_count = kept;
}

static void receiver_drop_ops(struct group *group)
{
    struct sink_ops *ops = &group->node->filling->sinks;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ops->count; i++) {
        if (ops->items[i].slot == group->slot) {
            sink_op_done(&ops->items[i]);
        } else {
            ops->items[kept++] = ops->items[i];
        }
    }
    ops->count = kept;
}

static void receiver_end_calls(struct group *group)
{
    struct node *node = group->node;
    read_leave(group);
    while (!list_is_empty(&group->commands)) {
        waiter_finish(node, WAITER_OF(list_first(&group->commands)), ERR_OUTCOME_UNKNOWN,
                      "this replica's state was replaced before it applied the command");
    }
}

void receiver_halt(struct group *group)
{
    receiver_drop_applies(group);
    receiver_end_calls(group);
}

void receiver_begin(struct group *group, const struct raft_install *install, node_id from,
                    raft_term term)
{
    struct receiving *receiving = &group->receiving;
    struct node *node = group->node;
    FAILPOINT("receiver.accept");
    bool goes_on = receiving->is_marked && receiving->install.session == install->session;
    atomic_store(&group->is_replacing, true);
    receiver_drop_applies(group);
    receiver_drop_ops(group);
    receiver_end_calls(group);
    receiver_leave(group);
    store_batch_free(receiving->last);
    buf_done(&receiving->cursor);
    *receiving = (struct receiving){.is_open = true,
                                    .is_marked = goes_on,
                                    .from = from,
                                    .term = term,
                                    .install = *install,
                                    .started_ms = node->now_ms,
                                    .moved_ms = node->now_ms};
    if (goes_on) {
        (void)receiver_op(group, &node->filling->sinks, SINK_RESUME);
    } else {
        (void)disk_batch(node);
        struct sink_op *op = receiver_op(group, &node->filling->write.begins, SINK_BEGIN);
        op->install = *install;
        marker_encode(&op->marker, &(struct marker){*install, term, from});
    }
    group->left = LEFT_NO;
    table_place_group(group);
    compact_serve(group);
    log_info("node", goes_on ? "catch-up goes on after a restart" : "catch-up accepted",
             "slot=%u leader=%" PRIu64 " mode=%s session=%" PRIx64 " from=%" PRIu64
             " target=%" PRIu64,
             group->slot, from, install->kind == RAFT_FULL ? "full" : "delta", install->session,
             install->base, install->target.index);
}

void receiver_drop(struct group *group, const struct marker *marker)
{
    struct receiving *receiving = &group->receiving;
    atomic_store(&group->is_replacing, true);
    receiver_drop_applies(group);
    receiver_drop_ops(group);
    receiver_end_calls(group);
    receiver_leave(group);
    store_batch_free(receiving->last);
    buf_done(&receiving->cursor);
    *receiving = (struct receiving){.install = marker->install, .is_marked = true};
    struct sink_op *op = receiver_op(group, &group->node->filling->write.begins, SINK_DROP);
    marker_encode(&op->marker, marker);
    digest_forget(group);
}

/* ---- the stream ------------------------------------------------------------------------------------------ */

static void receiver_try_finish(struct group *group)
{
    struct receiving *receiving = &group->receiving;
    if (!receiving->has_end || receiving->ops > 0 || receiving->is_finishing ||
        receiving->end.number != receiving->written) {
        return;
    }
    receiving->is_finishing = true;
    receiver_op(group, &group->node->filling->sinks, SINK_FINISH)->end = receiving->end;
}

static void receiver_rows(struct group *group, const struct chunk *chunk, node_id from,
                          struct bytes body)
{
    struct receiving *receiving = &group->receiving;
    uint64_t number = chunk->rows.number;
    if (number < receiving->wanted) {
        return; /* it came twice */
    }
    if (number > receiving->wanted || receiving->ops > NODE_CATCHUP_CREDITS) {
        receiver_refuse(group, chunk, from, "a chunk before it is missing");
        return; /* receiver_tick asks again when nothing else comes */
    }
    receiver_op(group, &group->node->filling->sinks, SINK_ROWS)->body = blob_copy(body);
    receiving->wanted++;
    receiving->moved_ms = group->node->now_ms;
    STAT_ADD(group->node, catchup_received_bytes_total, body.len);
}

static void receiver_end(struct group *group, const struct chunk *chunk, node_id from)
{
    struct receiving *receiving = &group->receiving;
    const struct chunk_end *end = &chunk->end;
    if (end->target.index != receiving->install.target.index ||
        end->target.term != receiving->install.target.term) {
        receiver_refuse(group, chunk, from, "an end of another target");
        return;
    }
    if (end->number != receiving->wanted) {
        return; /* chunks are missing: asked for again */
    }
    receiving->has_end = true;
    receiving->end = *end;
    receiver_try_finish(group);
}

/* Is it of the session that the core accepted, from its leader, in its term? */
static bool receiver_is_ours(struct group *group, const struct chunk *chunk, node_id from)
{
    const struct receiving *receiving = &group->receiving;
    if (!receiving->is_open || !receiving->is_ready || receiving->is_stopped) {
        return false;
    }
#ifdef LETHE_MUTANT_no_session_check
    (void)chunk;
    (void)from;
    return true;
#else
    return chunk->session == receiving->install.session && chunk->term == receiving->term &&
           chunk->term == raft_current_term(group->raft) && from == receiving->from;
#endif
}

void receiver_chunk(struct node *node, node_id from, const struct chunk *chunk, struct bytes body)
{
    struct group *group = node_group(node, chunk->slot);
    struct receiving *receiving = &group->receiving;
    if (!receiver_is_ours(group, chunk, from)) {
        receiver_refuse(group, chunk, from, "not of the session that was accepted");
        return;
    }
    if (receiving->is_finishing) {
        return; /* said twice */
    }
    if (chunk->kind == CHUNK_ROWS) {
        receiver_rows(group, chunk, from, body);
    } else if (chunk->kind == CHUNK_END) {
        receiver_end(group, chunk, from);
    } else {
        log_warn("node", "the sender broke the catch-up off: waiting for another one",
                 "slot=%u peer=%" PRIu64 " session=%" PRIx64 " error=%s", group->slot, from,
                 chunk->session, err_slug(chunk->stop));
        receiving->is_stopped = true;
        receiver_leave(group);
#ifdef LETHE_MUTANT_skip_on_limit
        raft_install_received(group->raft, receiving->install.session, true);
        group_dirty(group);
#endif
    }
}

/* ---- what the disk says ---------------------------------------------------------------------------------- */

static void receiver_began(struct group *group, struct sink_op *op)
{
    struct receiving *receiving = &group->receiving;
    if (op->err != OK) {
        receiver_give_up(group, "a catch-up cannot begin", op->why.text);
        return;
    }
    receiving->is_ready = receiving->is_marked = true;
    receiving->written = receiving->wanted = op->info.next_number;
    receiving->cursor = op->cursor;
    op->cursor = (struct buf)BUF_INIT;
    receiving->moved_ms = group->node->now_ms;
    if (receiving->from == 0) { /* its leader was gone before this was begun: another will offer */
        receiving->is_stopped = true;
        return;
    }
    receiver_fetch(group);
}

static void receiver_wrote(struct group *group, struct sink_op *op)
{
    struct receiving *receiving = &group->receiving;
    if (op->err != OK) {
        STAT_ADD(group->node, refused_chunks_total, 1);
        log_every(5000, LOG_LEVEL_WARN, "node", "a chunk cannot be written, it is fetched again",
                  "slot=%u error=%s detail=%s", group->slot, err_slug(op->err),
                  LOG_QUOTED(op->why.text));
        receiving->has_end = false;
        if (receiving->ops == 0) {
            receiving->wanted = receiving->written;
        }
        if (op->err == ERR_CORRUPT && ++receiving->damaged > DAMAGED_MAX) {
            receiver_give_up(group, "the rows of a catch-up do not fit", op->why.text);
        }
        return;
    }
    receiving->damaged = 0;
    receiving->written = op->info.next_number;
    receiving->rows = op->info.rows;
    receiving->bytes = op->info.bytes;
    struct buf cursor = receiving->cursor;
    receiving->cursor = op->cursor;
    op->cursor = cursor;
    receiving->moved_ms = group->node->now_ms;
    group_touch(group);
    if (receiving->has_end) {
        receiver_try_finish(group);
    } else if (!receiving->is_stopped) {
        receiver_fetch(group);
    }
}

static void receiver_finished(struct group *group, struct sink_op *op)
{
    struct receiving *receiving = &group->receiving;
    receiving->is_finishing = false;
    receiving->has_end = false;
    if (op->err != OK) {
        if (receiving->install.kind == RAFT_FULL) {
            atomic_store(&group->is_diverged, true); /* not even a whole copy fits */
            alarm_raise(group->node, NODE_ALARM_DIVERGED,
                        "slot %u: a full copy ended with another state than its leader's",
                        group->slot);
        }
        receiver_give_up(group, "a catch-up ended with another state than its leader's",
                         op->why.text);
        return;
    }
    receiving->last = op->batch;
    op->batch = NULL;
    raft_install_received(group->raft, receiving->install.session, true);
    group_dirty(group);
}

void receiver_reported(struct node *node, struct sink_op *op)
{
    struct group *group = node_group(node, op->slot);
    struct receiving *receiving = &group->receiving;
    if (op->kind == SINK_DROP) {
        receiving->ops--;
        leave_gone(group, op->err, op->why.text);
        return;
    }
    if (!receiving->is_open || receiving->install.session != op->session) {
        return; /* another one began meanwhile */
    }
    receiving->ops--;
    switch ((enum sink_kind)op->kind) {
    case SINK_BEGIN:
    case SINK_RESUME:
        receiver_began(group, op);
        return;
    case SINK_ROWS:
        receiver_wrote(group, op);
        return;
    case SINK_FINISH:
        receiver_finished(group, op);
        return;
    case SINK_DROP:
        break;
    }
}

/* ---- its end ----------------------------------------------------------------------------------------------- */

/* The membership rows that the log begins with now, and those above it that stay. */
static void receiver_put_configs(struct group *group, struct store_batch *batch, bool keeps_log)
{
    const struct raft_install *install = &group->receiving.install;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group->config_rows_count; i++) {
        raft_index index = group->config_rows[i];
        if (keeps_log && index > install->target.index) {
            group->config_rows[kept++] = index;
        } else if (index != install->config_pos.index) {
            store_remove_config(batch, group->slot, index);
        }
    }
    group->config_rows_count = kept;
    struct buf encoded = BUF_INIT;
    wire_config_encode(&encoded, &install->config);
    store_put_config(batch, group->slot, install->config_pos.index, install->config_pos.term,
                     buf_bytes(&encoded));
    buf_done(&encoded);
    group_add_config_row(group, 0); /* room for one more; then it goes to the front */
    memmove(group->config_rows + 1, group->config_rows, kept * sizeof(raft_index));
    group->config_rows[0] = install->config_pos.index;
}

static void receiver_reset_log(struct group *group, struct store_batch *batch)
{
    struct raft_pos target = group->receiving.install.target;
    struct raft_status status;
    raft_status(group->raft, &status);
    bool keeps_log = status.last.index > target.index;
    assert(status.base.index == target.index && group->compacting == 0);
    store_compact_prefix(batch, group->slot, group->base.index + 1, target.index, target.term);
    if (!keeps_log) {
        if (group->disk_last > target.index) {
            store_truncate_suffix(batch, group->slot, target.index + 1, group->disk_last);
        }
        group->disk_last = target.index;
    }
    receiver_put_configs(group, batch, keeps_log);
    if (keeps_log) {
        tail_evict(&group->tail, target.index);
    } else {
        tail_done(&group->tail);
        group->tail = (struct tail){0};
    }
    group->base = status.base;
    group->last = status.last;
    group->marks_count = 0;
    group->log_bytes = 0;
}

void receiver_installed(struct group *group, const struct raft_update *update)
{
    struct receiving *receiving = &group->receiving;
    struct node *node = group->node;
    struct raft_pos target = receiving->install.target;
    FAILPOINT("receiver.installed");
    assert(receiving->is_open && update->install_in.session == receiving->install.session);
    struct store_batch *batch = receiving->last;
    receiving->last = NULL;
#ifdef LETHE_MUTANT_skip_on_limit
    batch = batch == NULL ? store_batch_new(node->store) : batch;
#endif
    assert(batch != NULL);
    receiver_reset_log(group, batch);
    store_put_hard_state(batch, group->slot,
                         &(struct row_hard_state){update->term, update->vote, update->commit});
    /* The batch of the ticket may hold an older one. */
    store_put_hard_state(disk_batch(node), group->slot,
                         &(struct row_hard_state){update->term, update->vote, update->commit});
    store_put_slot_value(batch, group->slot, STORE_SLOT_QUARANTINE, BYTES_NONE);
    /* Found in this turn, of the rows that are gone now: the batch of the ticket comes behind. */
    store_put_slot_value(disk_batch(node), group->slot, STORE_SLOT_QUARANTINE, BYTES_NONE);
    disk_add_installed(node, group->slot, target, batch);
    list_remove(&group->undurable);
    group->applying = group->applied = target.index;
    if (group->durable_applied > target.index) {
        group->durable_applied = target.index;
    }
    receiving->is_open = receiving->is_marked = false;
    receiver_leave(group);
    group->is_halted = false;
    group->rot_checked_ms = 0;
    atomic_store(&group->is_rotten, false);
    digest_forget(group);
    applied_show(group);
}

void receiver_wrote_last(struct group *group)
{
    if (!group->receiving.is_open) {
        atomic_store(&group->is_replacing, false);
    }
}

void receiver_is_durable(struct group *group, struct raft_pos target)
{
    struct receiving *receiving = &group->receiving;
    struct node *node = group->node;
    bool is_full = receiving->install.kind == RAFT_FULL;
    FAILPOINT("receiver.durable");
    STAT_ADD(node, recoveries_total, 1);
    STAT_ADD(node, full_syncs_total, is_full);
    atomic_store(&group->is_diverged, false);
    log_info("node", "catch-up done: this replica equals its leader",
             "slot=%u mode=%s session=%" PRIx64 " applied=%" PRIu64 " bytes=%" PRIu64
             " rows=%" PRIu64 " ms=%" PRIu64,
             group->slot, is_full ? "full" : "delta", receiving->install.session, target.index,
             receiving->bytes, receiving->rows, node->now_ms - receiving->started_ms);
    if (target.index > group->durable_applied && target.index <= group->applied) {
        group->durable_applied = target.index;
    }
    raft_applied(group->raft, target.index, true);
    group_dirty(group);
    group_touch(group);
}

/* ---- time -------------------------------------------------------------------------------------------------- */

/* Nothing came for a while: what was on its way is lost, or was refused. */
void receiver_tick(struct node *node)
{
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct group *group = &node->groups[i];
        struct receiving *receiving = &group->receiving;
        if (!receiving->is_open || !receiving->is_ready || receiving->is_stopped ||
            receiving->is_finishing || receiving->ops > 0) {
            continue;
        }
        if (raft_current_term(group->raft) != receiving->term) {
            receiving->is_stopped = true; /* its leader is none any more */
            receiver_leave(group);
        } else if (node->now_ms - receiving->moved_ms >= NODE_CATCHUP_REFETCH_MS &&
                   node->now_ms - receiving->fetched_ms >= NODE_CATCHUP_REFETCH_MS) {
            receiving->wanted = receiving->written;
            receiving->has_end = false;
            receiver_fetch(group);
        }
    }
}

void receiver_done(struct group *group)
{
    store_batch_free(group->receiving.last);
    buf_done(&group->receiving.cursor);
    msg_sink_free(group->sink);
    group->sink = NULL;
}
