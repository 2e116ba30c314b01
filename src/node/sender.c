/* SPDX-License-Identifier: Apache-2.0 */
/* What a leader sends to a replica that its log cannot serve any more (raft.md section 4).
 *
 * A session begins with one snapshot of the store at its applied index T, from which the step is
 * chosen and everything is read: delta, when the delete log reaches back to what the peer has
 * durably applied and the delta is below half of a full one; else full. From then on the log above T
 * stays, and the peer pulls: FETCH names the next chunk that it wants, the cursor behind which it
 * lies, and how many may be on their way. A number that is asked for again was lost: the source goes
 * back to that cursor. Chunks are read in the background, one at a time a session.
 *
 * Only the core knows how a session ends well: its record of the peer drops it, with a match at or
 * above T. "All was sent" means nothing. Everything else is a failure, is told to the peer by STOP
 * and to the core by raft_install_failed, which tries again later: nothing heard for 10 s, an hour
 * of pinning, a log that grew beyond twice its cap, an error of the store. */
#include "node/parts.h"
#include "wire/config.h"
#include "wire/frame.h"

enum { SESSION_COUNTER_BITS = 24, SESSION_BOOT_BITS = 24 };

static const char *const reason_names[NODE_CATCHUP_REASONS] = {
#define X(symbol, slug) slug,
    NODE_CATCHUP_REASON_TABLE(X)
#undef X
};
static const char *const mode_names[NODE_CATCHUP_MODES] = {"log", "delta", "full"};

const char *node_catchup_reason_slug(enum node_catchup_reason reason)
{
    return reason_names[reason];
}

const char *node_catchup_mode_slug(enum node_catchup_mode mode)
{
    return mode_names[mode];
}

static enum node_catchup_mode sending_mode(const struct sending *sending)
{
    return sending->install.kind == RAFT_FULL ? NODE_BY_FULL : NODE_BY_DELTA;
}

static void sending_free(struct sending *sending)
{
    sending->group->node->may_send_more = true;
    list_remove(&sending->link);
    msg_source_close(sending->source);
    buf_done(&sending->cursor);
    buf_done(&sending->next_cursor);
    buf_done(&sending->frame);
    buf_done(&sending->rewind_cursor);
    free(sending);
}

/* It is over; its memory goes when nobody in the background has it. */
static void sending_close(struct sending *sending)
{
    sending->state = SENDING_OVER;
    group_touch(sending->group);
    if (!sending->is_busy) {
        sending_free(sending);
    }
}

/* net wants the body alone. */
static bool send_body(struct node *node, node_id to, struct buf *frame)
{
    struct bytes body = bytes_of(frame->data + FRAME_HEADER_BYTES, frame->len - FRAME_HEADER_BYTES);
    return node->world.send_frame(node->world.arg, to, FRAME_INSTALL, body);
}

void sender_send(struct node *node, node_id to, const struct chunk *chunk)
{
    struct buf frame = BUF_INIT;
    chunk_encode(&frame, chunk);
    if (!send_body(node, to, &frame)) {
        STAT_ADD(node, packets_dropped_total, 1); /* the receiver asks again */
    }
    buf_done(&frame);
}

static void send_stop(struct node *node, node_id to, slot_id slot, uint64_t session, raft_term term,
                      enum err err)
{
    struct chunk chunk = {
        .kind = CHUNK_STOP, .slot = slot, .session = session, .term = term, .stop = err};
    sender_send(node, to, &chunk);
}

static void send_end(struct sending *sending)
{
    struct chunk chunk = {.kind = CHUNK_END,
                          .slot = sending->group->slot,
                          .session = sending->install.session,
                          .term = sending->term,
                          .end = sending->end};
    FAILPOINT("sender.end");
    chunk.end.number = sending->next;
    chunk.end.config_pos = sending->install.config_pos;
    chunk.end.config = sending->install.config;
    sender_send(sending->group->node, sending->peer, &chunk);
}

/* ---- its end -------------------------------------------------------------------------------------- */

static void sending_fail(struct sending *sending, enum err err, const char *text)
{
    struct group *group = sending->group;
    struct node *node = group->node;
    if (sending->state != SENDING_OPENING) {
        log_warn("node", "catch-up broken off",
                 "slot=%u peer=%" PRIu64 " mode=%s session=%" PRIx64 " bytes=%" PRIu64
                 " rows=%" PRIu64 " why=%s",
                 group->slot, sending->peer, mode_names[sending_mode(sending)],
                 sending->install.session, sending->bytes, sending->rows, LOG_QUOTED(text));
        STAT_ADD(node, catchup_failed_total, 1);
#ifdef LETHE_MUTANT_skip_on_limit
        if (err == ERR_TIMEOUT) {
            send_end(sending);
        }
#endif
        send_stop(node, sending->peer, group->slot, sending->install.session, sending->term, err);
        raft_install_failed(group->raft, sending->peer, sending->install.session);
        group_dirty(group);
    }
    sending_close(sending);
}

static void sending_succeed(struct sending *sending)
{
    struct group *group = sending->group;
    struct node *node = group->node;
    enum node_catchup_mode mode = sending_mode(sending);
    FAILPOINT("sender.done");
    uint64_t took_ms = node->now_ms - sending->started_ms;
    log_info("node", "catch-up ended: the peer goes on by log",
             "slot=%u peer=%" PRIu64 " mode=%s reason=%s target=%" PRIu64 " bytes=%" PRIu64
             " rows=%" PRIu64 " ms=%" PRIu64,
             group->slot, sending->peer, mode_names[mode], reason_names[sending->reason],
             sending->install.target.index, sending->bytes, sending->rows, took_ms);
    atomic_fetch_add_explicit(&node->stats.catchups[mode][sending->reason], 1,
                              memory_order_relaxed);
    STAT_ADD(node, catchup_ms_total, took_ms);
    /* The log from T on is what it reads next: it stays for a moment longer. */
    group->kept_from = sending->install.target.index;
    group->kept_until_ms = node->now_ms + NODE_CATCHUP_KEEP_MS;
    sending_close(sending);
}

void sender_end_group(struct group *group, enum err err, const char *text)
{
    struct node *node = group->node;
    struct list *item = node->sendings.next;
    while (item != &node->sendings) {
        struct sending *sending = CONTAINER_OF(item, struct sending, link);
        item = item->next;
        if (sending->group == group && sending->state != SENDING_OVER) {
            sending_fail(sending, err, text);
        }
    }
}

static const struct raft_progress_status *progress_of(const struct raft_status *status,
                                                      node_id peer)
{
    for (uint32_t i = 0; i < status->peers_count; i++) {
        if (status->peers[i].peer == peer) {
            return &status->peers[i];
        }
    }
    return NULL;
}

void sender_check(struct group *group)
{
    struct node *node = group->node;
    if (list_is_empty(&node->sendings)) {
        return;
    }
    if (group->role != RAFT_LEADER) {
        sender_end_group(group, ERR_NOT_LEADER, "this node does not lead any more");
        return;
    }
    struct raft_status status;
    raft_status(group->raft, &status);
    struct list *item = node->sendings.next;
    while (item != &node->sendings) {
        struct sending *sending = CONTAINER_OF(item, struct sending, link);
        item = item->next;
        if (sending->group != group || sending->state == SENDING_OVER) {
            continue;
        }
        const struct raft_progress_status *peer = progress_of(&status, sending->peer);
        if (status.term != sending->term || peer == NULL) {
            sending_fail(sending, ERR_NOT_LEADER, "another term, or the peer is no member");
        } else if (sending->state == SENDING_OPENING ||
                   peer->install_session == sending->install.session) {
            continue;
        } else if (peer->match >= sending->install.target.index) {
            sending_succeed(sending);
        } else {
            sending_fail(sending, ERR_CONFLICT, "the peer refused it, or ended it unequal");
        }
    }
}

/* ---- its beginning ---------------------------------------------------------------------------------- */

static struct sending *sending_find(struct node *node, slot_id slot, node_id peer)
{
    for (struct list *item = node->sendings.next; item != &node->sendings; item = item->next) {
        struct sending *sending = CONTAINER_OF(item, struct sending, link);
        if (sending->group->slot == slot && sending->peer == peer) {
            return sending;
        }
    }
    return NULL;
}

const struct sending *sender_find(const struct group *group, node_id peer)
{
    return sending_find(group->node, group->slot, peer);
}

static void sending_forget(struct node_background_job *job)
{
    struct sending *sending = CONTAINER_OF(job, struct sending, job);
    sending->is_busy = false; /* freed with all others, as the node ends */
}

/* The choice of raft.md section 4. */
static void sending_choose(struct sending *sending)
{
    const struct msg_source_estimate *estimate = &sending->estimate;
    sending->install.kind = RAFT_FULL;
    if (sending->is_ordered) {
        return; /* the loop knows why */
    }
    if (!estimate->delta_possible) {
        sending->reason = NODE_WHY_FLOOR;
    } else if (estimate->delta_bytes >= estimate->full_bytes / 2) {
        sending->reason = NODE_WHY_SIZE;
    } else {
        sending->reason = NODE_WHY_BEHIND;
        sending->install.kind = RAFT_DELTA;
    }
}

static void open_run(struct node_background_job *job)
{
    struct sending *sending = CONTAINER_OF(job, struct sending, job);
    struct msg *msg = job->node->msg;
    sending->err = msg_source_open(msg, sending->group->slot, &sending->source, &sending->why);
    if (sending->err != OK) {
        return;
    }
    FAILPOINT("sender.open");
    msg_source_info(sending->source, &sending->info);
    sending->err =
        msg_source_estimate(sending->source, sending->applied, &sending->estimate, &sending->why);
    if (sending->err != OK) {
        return;
    }
    sending_choose(sending);
    bool is_delta = sending->install.kind == RAFT_DELTA;
    sending->install.base = is_delta ? sending->applied : 0;
    sending->err =
        msg_source_start(sending->source, is_delta ? MSG_INSTALL_DELTA : MSG_INSTALL_FULL,
                         sending->install.base, &sending->why);
}

/* The newest membership at or below the target, which is committed as the target is. */
static enum err sending_config(struct sending *sending, struct why *why)
{
    struct group *group = sending->group;
    struct raft_install *install = &sending->install;
    struct store_iter *iter = store_iter_configs(group->node->store, group->slot);
    enum err bad = ERR_NOT_FOUND;
    while (store_iter_next(iter)) {
        struct raft_pos pos = {.index = store_iter_seq(iter)};
        struct bytes encoded = store_iter_config(iter, &pos.term);
        if (pos.index <= install->target.index) {
            bad = wire_config_decode(encoded, &install->config, why);
            install->config_pos = pos;
        }
    }
    enum err err = store_iter_done(iter);
    return err != OK ? err : bad;
}

static bool sending_offer(struct sending *sending)
{
    struct group *group = sending->group;
    struct node *node = group->node;
    uint64_t counter = ++node->sessions & ((1u << SESSION_COUNTER_BITS) - 1);
    uint64_t boot = store_identity(node->store)->boot & ((1u << SESSION_BOOT_BITS) - 1);
    /* Never used twice, also not by another node: a marker outlives the leader that caused it. */
    sending->install.session = node->options.id << (SESSION_COUNTER_BITS + SESSION_BOOT_BITS) |
                               boot << SESSION_COUNTER_BITS | counter;
    sending->install.target =
        (struct raft_pos){sending->info.applied_term, sending->info.applied_index};
    struct why why = {0};
    if (sending->info.applied_index == 0 || sending_config(sending, &why) != OK) {
        log_error("node", "cannot offer a catch-up", "slot=%u detail=%s", group->slot,
                  LOG_QUOTED(why.text));
        return false;
    }
    FAILPOINT("sender.offer");
    raft_install_offer(group->raft, sending->peer, &sending->install);
    group_dirty(group);
    struct raft_status status;
    raft_status(group->raft, &status);
    const struct raft_progress_status *peer = progress_of(&status, sending->peer);
    return peer != NULL && peer->install_session == sending->install.session;
}

/* Nobody can be brought up to date from rows that fail their checksum. */
static void sending_note_damage(struct sending *sending)
{
    if (sending->err == ERR_CORRUPT) {
        damage_seen(sending->group->node, sending->group->slot);
    }
}

static void open_done(struct node_background_job *job)
{
    struct sending *sending = CONTAINER_OF(job, struct sending, job);
    struct group *group = sending->group;
    struct node *node = group->node;
    sending->is_busy = false;
    if (sending->err == ERR_DISK_FAILED) {
        node_fail(node, sending->err, sending->why.text);
    }
    if (sending->err != OK) {
        log_error("node", "cannot read the state for a catch-up", "slot=%u detail=%s", group->slot,
                  LOG_QUOTED(sending->why.text));
        sending_note_damage(sending);
    }
    if (sending->err != OK || sending->state == SENDING_OVER || group->role != RAFT_LEADER ||
        raft_current_term(group->raft) != sending->term || node->is_failed ||
        !sending_offer(sending)) {
        sending_close(sending);
        return;
    }
    sending->state = SENDING_OFFERED;
    digest_note_install(group, sending->peer);
    sending->heard_ms = node->now_ms;
    if (sending->is_ordered) {
        bool is_ours = group->ordered_peer == sending->peer;
        sending->reason = is_ours ? group->ordered_reason : NODE_WHY_REFUSED;
    }
    log_info("node", "catch-up started",
             "slot=%u peer=%" PRIu64 " mode=%s reason=%s session=%" PRIx64 " from=%" PRIu64
             " target=%" PRIu64 " floor=%" PRIu64 " about_bytes=%" PRIu64,
             group->slot, sending->peer, mode_names[sending_mode(sending)],
             reason_names[sending->reason], sending->install.session, sending->applied,
             sending->install.target.index, sending->info.floor,
             sending->install.kind == RAFT_FULL ? sending->estimate.full_bytes
                                                : sending->estimate.delta_bytes);
    group_touch(group);
}

uint32_t sender_count(const struct node *node)
{
    uint32_t count = 0;
    for (struct list *item = node->sendings.next; item != &node->sendings; item = item->next) {
        count++;
    }
    return count;
}

static bool sender_has_room(const struct node *node)
{
    return sender_count(node) < NODE_CATCHUP_OUT_MAX;
}

static bool peer_is_silent(struct group *group, node_id peer)
{
    struct raft_status status;
    raft_status(group->raft, &status);
    const struct raft_progress_status *progress = progress_of(&status, peer);
    for (uint32_t i = 0; i < group->node->peers_count; i++) {
        if (group->node->peers[i].member.id == peer && group->node->peers[i].lost) {
            return true;
        }
    }
    return progress == NULL || !progress->active ||
           progress->silent_ticks * (uint64_t)group->node->options.tick_ms > NODE_PEER_SILENT_MS;
}

/* No room: it is begun when another session has ended. The core would list it again at its next
 * heartbeat only, which is long when many slots wait. */
static void sender_wait(struct group *group, const struct raft_need *need)
{
    struct node *node = group->node;
    for (uint32_t i = 0; i < node->needs_count; i++) {
        if (node->needs[i].slot == group->slot && node->needs[i].need.peer == need->peer) {
            return;
        }
    }
    if (node->needs_count < NODE_CATCHUP_NEEDS_MAX) {
        node->needs[node->needs_count++] =
            (struct need){group->slot, raft_current_term(group->raft), *need};
    }
}

void sender_go_on(struct node *node)
{
    while (node->may_send_more && node->needs_count > 0 && sender_has_room(node)) {
        struct need next = node->needs[0];
        node->needs_count--;
        memmove(node->needs, node->needs + 1, node->needs_count * sizeof(next));
        struct group *group = node_group(node, next.slot);
        if (group->role == RAFT_LEADER && raft_current_term(group->raft) == next.term) {
            sender_need(group, &next.need);
        }
    }
    node->may_send_more = false;
}

/* A peer that is silent gets nothing: the core lists it again. */
void sender_need(struct group *group, const struct raft_need *need)
{
    struct node *node = group->node;
    if (node->world.send_frame == NULL) {
        log_every(10000, LOG_LEVEL_WARN, "node",
                  "a peer needs entries that were compacted, it stays behind",
                  "slot=%u peer=%" PRIu64 " applied=%" PRIu64, group->slot, need->peer,
                  need->applied);
        return;
    }
    if (sending_find(node, group->slot, need->peer) != NULL || node->is_ending ||
        peer_is_silent(group, need->peer)) {
        return;
    }
    if (!sender_has_room(node)) {
        sender_wait(group, need);
        return;
    }
    struct sending *sending = alloc_zero(sizeof(*sending));
    sending->group = group;
    sending->peer = need->peer;
    sending->term = raft_current_term(group->raft);
    sending->applied = need->applied;
    sending->is_ordered = need->ordered;
    sending->is_marked = need->session != 0;
    sending->started_ms = sending->heard_ms = node->now_ms;
    list_init(&sending->link);
    list_append(&node->sendings, &sending->link);
    sending->job.run = open_run;
    sending->job.done = open_done;
    sending->job.forget = sending_forget;
    sending->is_busy = true;
    background_submit(node, &sending->job);
}

/* ---- the stream -------------------------------------------------------------------------------------- */

static void chunk_run(struct node_background_job *job)
{
    struct sending *sending = CONTAINER_OF(job, struct sending, job);
    struct chunk_out out;
    FAILPOINT("sender.chunk");
    chunk_out_init(&out, sending->group->slot, sending->install.session, sending->term,
                   sending->next);
    buf_clear(&sending->frame);
    buf_clear(&sending->next_cursor);
    sending->err = msg_source_next(sending->source, buf_bytes(&sending->cursor),
                                   job->node->options.catchup_chunk_rows, 0, &out,
                                   &sending->next_cursor, &sending->is_done, &sending->why);
    if (sending->err == OK) {
        sending->frame_rows = out.head.rows.count;
        chunk_out_end(&out, buf_bytes(&sending->next_cursor), &sending->frame);
    }
    if (sending->err == OK && sending->is_done) {
        sending->err = msg_source_end(sending->source, buf_bytes(&sending->next_cursor),
                                      &sending->end, &sending->why);
    }
    chunk_out_done(&out);
    if (sending->err == OK && FAILPOINT_FAILS("sender.failed")) {
        sending->err = why_set(&sending->why, ERR_DISK_FAILED, "failed on order");
    }
}

static void sending_pump(struct sending *sending);

static void chunk_done(struct node_background_job *job)
{
    struct sending *sending = CONTAINER_OF(job, struct sending, job);
    struct node *node = sending->group->node;
    sending->is_busy = false;
    if (sending->state == SENDING_OVER) {
        sending_free(sending);
        return;
    }
    if (sending->err == ERR_DISK_FAILED) {
        node_fail(node, sending->err, sending->why.text);
        return;
    }
    if (sending->must_rewind) {
        sending_pump(sending);
        return;
    }
    if (sending->err != OK) {
        sending_note_damage(sending);
        sending_fail(sending, sending->err, sending->why.text);
        return;
    }
    if (!send_body(node, sending->peer, &sending->frame)) {
        STAT_ADD(node, packets_dropped_total, 1); /* the receiver asks again */
    }
    node->catchup_tokens -= (int64_t)sending->frame.len;
    sending->bytes += sending->frame.len;
    sending->rows += sending->frame_rows;
    STAT_ADD(node, catchup_sent_bytes_total, sending->frame.len);
    struct buf cursor = sending->cursor;
    sending->cursor = sending->next_cursor;
    sending->next_cursor = cursor;
    sending->next++;
    if (sending->is_done) {
        send_end(sending);
    }
    group_touch(sending->group);
    sending_pump(sending);
}

/* Reads the next chunk when it may leave. */
static void sending_pump(struct sending *sending)
{
    struct node *node = sending->group->node;
    if (sending->is_busy || sending->state != SENDING_STREAMING) {
        return;
    }
    if (sending->must_rewind) {
        sending->must_rewind = false;
        sending->is_done = false;
        sending->next = sending->rewind_to;
        buf_clear(&sending->cursor);
        buf_append_bytes(&sending->cursor, buf_bytes(&sending->rewind_cursor));
    }
    if (sending->is_done || sending->next >= sending->limit || node->catchup_tokens <= 0 ||
        node->is_ending) {
        return;
    }
    sending->job.run = chunk_run;
    sending->job.done = chunk_done;
    sending->is_busy = true;
    background_submit(node, &sending->job);
}

/* What the peer wants next. A number that it wanted before, or one that is not known here, means
 * that what is on its way will not come. */
static void sending_ask(struct sending *sending, const struct chunk_fetch *fetch)
{
    bool is_end = !sending->is_busy && sending->is_done && fetch->number == sending->next;
    bool is_again = sending->was_asked && (fetch->number <= sending->asked || sending->is_lost);
    sending->asked = fetch->number;
    sending->limit = fetch->number + fetch->credits;
    sending->was_asked = true;
    sending->is_lost = false;
    if (is_end) {
        send_end(sending);
        return;
    }
    if (is_again || fetch->number > sending->next ||
        (sending->next == 0 && fetch->cursor.len != 0)) {
        sending->must_rewind = true;
        sending->rewind_to = fetch->number;
        buf_clear(&sending->rewind_cursor);
        buf_append_bytes(&sending->rewind_cursor, fetch->cursor);
    }
    sending_pump(sending);
}

void sender_fetch(struct node *node, node_id from, const struct chunk *chunk)
{
    struct sending *sending = sending_find(node, chunk->slot, from);
    if (sending == NULL || sending->install.session != chunk->session ||
        sending->term != chunk->term || sending->state == SENDING_OVER) {
        send_stop(node, from, chunk->slot, chunk->session, chunk->term, ERR_NOT_FOUND);
        return;
    }
    sending->heard_ms = node->now_ms;
    sending->state = SENDING_STREAMING;
    sending_ask(sending, &chunk->fetch);
}

/* ---- time, links, pins ----------------------------------------------------------------------------------- */

static void sender_refill(struct node *node)
{
    uint64_t rate = node->options.catchup_bytes_per_s;
    uint64_t passed_ms = node->now_ms - node->refilled_ms;
    node->refilled_ms = node->now_ms;
    if (rate == 0) {
        node->catchup_tokens = INT64_MAX / 2;
        return;
    }
    int64_t most = (int64_t)(rate / 4) + 1;
    passed_ms = passed_ms > 1000 ? 1000 : passed_ms;
    node->catchup_tokens += (int64_t)(rate * passed_ms / 1000);
    node->catchup_tokens = node->catchup_tokens > most ? most : node->catchup_tokens;
}

void sender_tick(struct node *node)
{
    sender_refill(node);
    struct list *item = node->sendings.next;
    while (item != &node->sendings) {
        struct sending *sending = CONTAINER_OF(item, struct sending, link);
        item = item->next;
        if (sending->state == SENDING_OVER || sending->state == SENDING_OPENING) {
            continue;
        }
        if (node->now_ms - sending->heard_ms > NODE_CATCHUP_IDLE_MS) {
            sending_fail(sending, ERR_TIMEOUT, "the peer did not ask for anything for too long");
        } else if (node->now_ms - sending->started_ms > NODE_CATCHUP_PIN_MS) {
            sending_fail(sending, ERR_TIMEOUT, "it pinned the log and a snapshot for too long");
        } else {
            sending_pump(sending);
        }
    }
}

void sender_lost(struct node *node, node_id peer)
{
    for (struct list *item = node->sendings.next; item != &node->sendings; item = item->next) {
        struct sending *sending = CONTAINER_OF(item, struct sending, link);
        sending->is_lost |= sending->peer == peer;
    }
}

void sender_forget(struct node *node)
{
    for (struct list *item = list_first(&node->sendings); item != NULL;
         item = list_first(&node->sendings)) {
        sending_free(CONTAINER_OF(item, struct sending, link));
    }
}

raft_index sender_pin(const struct group *group)
{
    const struct node *node = group->node;
    raft_index pin = UINT64_MAX;
#ifdef LETHE_MUTANT_no_pin
    return pin;
#endif
    for (struct list *item = node->sendings.next; item != &node->sendings; item = item->next) {
        const struct sending *sending = CONTAINER_OF(item, struct sending, link);
        if (sending->group != group || sending->state == SENDING_OVER) {
            continue;
        }
        raft_index at =
            sending->state == SENDING_OPENING ? group->base.index : sending->install.target.index;
        pin = at < pin ? at : pin;
    }
    if (group->kept_from != 0 && node->now_ms < group->kept_until_ms && group->kept_from < pin) {
        pin = group->kept_from;
    }
    return pin;
}
