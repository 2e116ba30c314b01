/* SPDX-License-Identifier: Apache-2.0 */
/* The ready loop: takes the update of every dirty group and carries it out. Order within one
 * update matters and is the rule book's (raft.md section 2):
 *
 *   1. truncation, entries, hard state go into the batch that is being filled (R9: one batch);
 *   2. packets whose ticket is durable leave, an APPEND filled from the tail; the others are held
 *      until the disk reports their ticket (R1, R2, R3, R6);
 *   3. committed entries go to the apply list (R10), confirmed reads to those who wait (R16).
 *
 * An update is taken whole: taking is accepting. When the batch is full no more are taken; the
 * groups stay dirty, and the core's own limits push back on clients and peers. */
#include "node/parts.h"
#include "wire/config.h"

/* ---- 1: the log ---------------------------------------------------------------------------------- */

static void ready_truncate(struct group *group, raft_index from)
{
    struct store_batch *batch = disk_batch(group->node);
    FAILPOINT("log.truncate");
    if (from <= group->disk_last) {
        store_truncate_suffix(batch, group->slot, from, group->disk_last);
        group->disk_last = from - 1;
    }
    if (from <= group->last.index) {
        group->last = (struct raft_pos){raft_term_at(group->raft, from - 1), from - 1};
    }
    tail_truncate(&group->tail, from);
    while (group->config_rows_count > 0 &&
           group->config_rows[group->config_rows_count - 1] >= from) {
        store_remove_config(batch, group->slot, group->config_rows[--group->config_rows_count]);
    }
}

static void ready_entry(struct group *group, const struct raft_entry *entry)
{
    struct store_batch *batch = disk_batch(group->node);
    struct blob *config = NULL;
    struct blob *payload = entry->payload;
    if (entry->pos.index <= group->disk_last) { /* rows above a hole that boot found */
        store_truncate_suffix(batch, group->slot, entry->pos.index, group->disk_last);
    }
    group->disk_last = entry->pos.index;
    if (entry->kind == RAFT_ENTRY_CONFIG) {
        if (payload == NULL) {
            payload = config = wire_config_blob(entry->config);
        }
        store_put_config(batch, group->slot, entry->pos.index, entry->pos.term,
                         blob_bytes(payload));
        group_add_config_row(group, entry->pos.index);
    }
    struct row_entry row = {.index = entry->pos.index,
                            .term = entry->pos.term,
                            .kind = entry->kind,
                            .payload = payload == NULL ? BYTES_NONE : blob_bytes(payload)};
    store_put_entry(batch, group->slot, &row);
    tail_append(&group->tail, entry->pos.index, entry->pos.term, entry->kind, payload);
    compact_note(group, row.payload.len);
    group->last = entry->pos;
    blob_unref(config);
}

static void ready_install_in(struct group *group, const struct raft_update *update)
{
    if (group->node->world.send_frame != NULL) {
        receiver_begin(group, &update->install_in, update->leader, update->term);
    }
}

static void ready_persist(struct group *group, const struct raft_update *update)
{
    struct node *node = group->node;
    if (update->flags & RAFT_UPDATE_INSTALLED) {
        receiver_installed(group, update);
    }
    if (update->flags & RAFT_UPDATE_INSTALL_IN) {
        ready_install_in(group, update);
    }
    if (update->truncate_from != 0) {
        ready_truncate(group, update->truncate_from);
    }
    for (uint32_t i = 0; i < update->entries_count; i++) {
        ready_entry(group, &update->entries[i]);
    }
    STAT_ADD(node, entries_written_total, update->entries_count);
    group->term = update->term;
    group->vote = update->vote;
    group->commit = update->commit;
    if (update->flags & RAFT_UPDATE_HARD_STATE) {
        store_put_hard_state(disk_batch(node), group->slot,
                             &(struct row_hard_state){update->term, update->vote, update->commit});
    }
    if (update->seq != 0) {
        struct disk_ticket *ticket = disk_add_ticket(node);
        ticket->slot = group->slot;
        ticket->seq = update->seq;
        ticket->promise = (struct promise_row){.term = group->term,
                                               .vote = group->vote,
                                               .last_index = group->last.index,
                                               .last_term = group->last.term};
    }
    if (update->flags & RAFT_UPDATE_SYNC) {
        disk_want_sync(node);
    }
}

/* ---- 2: packets ----------------------------------------------------------------------------------- */

/* Cold entries of an APPEND, from the store: what is still there and still of that log. Returns
 * how many; each payload is a new blob, to be let go after the packet left. */
static uint32_t ready_fill_cold(struct group *group, raft_index from, raft_index to,
                                uint32_t bytes_max, struct raft_entry *entries, uint64_t *bytes)
{
    struct node *node = group->node;
    uint32_t count = 0;
    struct store_iter *iter = store_iter_entries(node->store, group->slot, from, to);
    while (store_iter_next(iter)) {
        const struct row_entry *row = store_iter_entry(iter);
        if (row->index != from + count || row->term != raft_term_at(group->raft, row->index) ||
            (count > 0 && *bytes + row->payload.len > bytes_max)) {
            break;
        }
        struct raft_entry *entry = &entries[count++];
        *entry = (struct raft_entry){.pos = {row->term, row->index},
                                     .kind = row->kind,
                                     .size_bytes = (uint32_t)row->payload.len};
        entry->payload = row->payload.len == 0 ? NULL : blob_copy(row->payload);
        *bytes += row->payload.len;
    }
    enum err err = store_iter_done(iter);
    if (err != OK) {
        node_fail(node, err, "cannot read log entries for a peer");
    }
    return count;
}

static uint32_t ready_fill_warm(struct group *group, raft_index from, raft_index to,
                                uint32_t bytes_max, struct raft_entry *entries, uint64_t *bytes)
{
    uint32_t count = 0;
    for (raft_index i = from; i <= to; i++) {
        const struct tail_entry *warm = tail_find(&group->tail, i);
        if (warm == NULL) {
            break;
        }
        uint32_t size = warm->payload == NULL ? 0 : warm->payload->len;
        if (count > 0 && *bytes + size > bytes_max) {
            break;
        }
        entries[count++] = (struct raft_entry){.pos = {warm->term, i},
                                               .kind = warm->kind,
                                               .size_bytes = size,
                                               .payload = warm->payload};
        *bytes += size;
    }
    return count;
}

static void ready_transmit(struct group *group, const struct raft_packet *packet,
                           enum node_lane lane)
{
    struct node *node = group->node;
    if (node->world.send(node->world.arg, packet->to, lane, packet)) {
        STAT_ADD(node, packets_sent_total, 1);
        return;
    }
    STAT_ADD(node, packets_dropped_total, 1);
    raft_unreachable(group->raft, packet->to);
}

/* An APPEND of the range [first, last]: fills what fits, sends, and tells the core what it was. */
static void ready_send_range(struct group *group, const struct raft_packet *packet)
{
    struct node *node = group->node;
    raft_index wanted = packet->last - packet->first + 1;
    if (wanted > NODE_FILL_ENTRIES_MAX) {
        wanted = NODE_FILL_ENTRIES_MAX;
    }
    struct raft_entry *entries = arena_alloc(&node->turn, wanted * sizeof(*entries));
    uint64_t bytes = 0;
    bool is_cold = tail_find(&group->tail, packet->first) == NULL;
    raft_index last = packet->first + wanted - 1;
    uint32_t count =
        is_cold ? ready_fill_cold(group, packet->first, last, packet->bytes_max, entries, &bytes)
                : ready_fill_warm(group, packet->first, last, packet->bytes_max, entries, &bytes);
    struct raft_packet filled = *packet;
    filled.entries = entries;
    filled.entries_count = count;
    filled.last = packet->first + count - 1;
    raft_filled(group->raft, packet->to, filled.last, count, (uint32_t)bytes);
    if (count > 0 && !node->is_failed) {
        ready_transmit(group, &filled, NODE_LANE_BULK);
    } else {
        STAT_ADD(node, packets_dropped_total, 1);
    }
    for (uint32_t i = 0; is_cold && i < count; i++) {
        blob_unref(entries[i].payload);
    }
}

void ready_send(struct group *group, const struct raft_packet *packet)
{
    if (packet->kind == RAFT_APPEND && packet->first != 0 && packet->first <= packet->last) {
        ready_send_range(group, packet);
        return;
    }
    bool is_bulk = packet->kind == RAFT_APPEND || packet->kind == RAFT_INSTALL;
    ready_transmit(group, packet, is_bulk ? NODE_LANE_BULK : NODE_LANE_URGENT);
}

static void ready_packets(struct group *group, const struct raft_update *update)
{
    for (uint32_t i = 0; i < update->packets_count; i++) {
        const struct raft_packet *packet = &update->packets[i];
#ifdef LETHE_MUTANT_send_before_sync
        ready_send(group, packet);
        continue;
#endif
        if (packet->wait_seq <= group->durable_seq) {
            ready_send(group, packet);
        } else {
            group_hold(group, packet);
        }
    }
}

/* ---- 3: applies, reads, roles ----------------------------------------------------------------------- */

/* The entries [from, to] for the apply list. Whoever waits for one is known by its index; commands
 * lists calls by index, so one walk over both is enough. */
static void ready_apply(struct group *group, raft_index from, raft_index to)
{
    struct node *node = group->node;
    assert(from == group->applying + 1);
    if (group->is_halted) {
        group->applying = to;
        return;
    }
    raft_index stop = digest_stop(group, from, to);
    if (stop < to) {
        ready_apply(group, from, stop);
        from = stop + 1;
    }
    struct disk_run *run = disk_add_run(node, group->slot);
    run->wants_state = !group->is_alone && node->world.send_frame != NULL;
    struct list *item = group->commands.next;
    uint64_t now_us = node_now_us(node);
    for (raft_index i = from; i <= to; i++) {
        struct disk_entry *entry = disk_add_entry(node, run);
        entry->index = i;
        const struct tail_entry *warm = tail_find(&group->tail, i);
        if (warm != NULL) {
            entry->term = warm->term;
            entry->kind = warm->kind;
            entry->payload = warm->payload == NULL ? NULL : blob_ref(warm->payload);
            node->filling->apply.bytes += tail_entry_bytes(warm);
        }
        while (item != &group->commands && WAITER_OF(item)->index < i) {
            item = item->next;
        }
        if (item != &group->commands && WAITER_OF(item)->index == i) {
            entry->is_wanted = true;
            stat_observe(&node->stats.commit, now_us - WAITER_OF(item)->started_us);
        }
    }
    group->applying = to;
    if (group->is_alone) {
        tail_evict(&group->tail, to);
    }
}

static void ready_roles(struct group *group, const struct raft_update *update)
{
    struct node *node = group->node;
    if (update->leader != group->leader) {
        group->leader = update->leader;
        node->view_due = true;
        group->leader_since_ms = node->now_ms;
        if (update->leader != 0) {
            forward_leader_changed(group);
            STAT_ADD(node, leader_changes_total, 1);
        }
    }
    if (update->role != group->role) {
        if (update->role == RAFT_CANDIDATE) {
            STAT_ADD(node, elections_total, 1);
        }
        group->role = update->role;
        atomic_store(&group->leads, update->role == RAFT_LEADER);
        node->view_due = true;
        log_debug("node", "role changed", "slot=%u role=%u term=%" PRIu64 " leader=%" PRIu64,
                  group->slot, update->role, update->term, update->leader);
    }
    route_transfers(group);
}

static void ready_config(struct group *group)
{
    struct raft_status status;
    raft_status(group->raft, &status);
    const struct raft_config *config = &status.config;
    group->is_alone = config->voters_count == 1 && config->voters_old_count == 0 &&
                      config->learners_count == 0 && config->learners_next_count == 0 &&
                      config->voters[0] == group->node->options.id;
    table_place_group(group);
}

static void ready_installs(struct group *group, const struct raft_update *update)
{
    for (uint32_t i = 0; i < update->installs_count; i++) {
        sender_need(group, &update->installs[i]);
    }
    if ((update->flags & RAFT_UPDATE_INSTALL_IN) && group->node->world.send_frame == NULL) {
        raft_install_received(group->raft, update->install_in.session, false);
    }
    sender_check(group);
}

/* ---- what followers hear of a commit --------------------------------------------------------------- */

/* Most entries are followed by others of their group soon, which carry the commit along: then a
 * follower applies in the same job in which it writes those, and neither a packet of its own, nor
 * the turn it takes, nor an answer is needed. Where nothing follows, the commits of all groups of
 * some milliseconds leave together. Whoever asks for a read hears of it with the round of heartbeats
 * that the read starts. */
static void ready_note_untold(struct group *group)
{
    if (list_is_empty(&group->untold) && raft_owes_commit(group->raft)) {
        group->untold_ms = group->node->now_ms + NODE_TELL_MS;
        list_append(&group->node->untold, &group->untold);
    }
}

uint64_t ready_tell_ms(const struct node *node)
{
    const struct list *first = list_first(&node->untold);
    return first == NULL ? UINT64_MAX : CONTAINER_OF(first, struct group, untold)->untold_ms;
}

void ready_tell(struct node *node)
{
    while (ready_tell_ms(node) <= node->now_ms) {
        struct group *group = CONTAINER_OF(list_first(&node->untold), struct group, untold);
        list_remove(&group->untold);
        raft_tell_commit(group->raft);
        group_dirty(group);
    }
}

static void ready_take(struct group *group)
{
    struct node *node = group->node;
    struct raft_update update;
    raft_take_update(group->raft, &update);
    uint64_t tail_bytes = group->tail.bytes;
    bool is_other = update.leader != group->leader || update.role != group->role;
    ready_persist(group, &update);
    group_limbo_clear(group); /* what was listed is in the tail now */
    if (update.flags & RAFT_UPDATE_CONFIG) {
        ready_config(group);
    }
    ready_packets(group, &update);
    if (update.apply_from != 0 && update.apply_from <= update.apply_to) {
        ready_apply(group, update.apply_from, update.apply_to);
    }
    for (uint32_t i = 0; i < update.reads_count; i++) {
        read_done(group, &update.reads[i]);
    }
    ready_roles(group, &update);
    ready_installs(group, &update);
    /* Only then: who was refused by a node that still holds itself a follower asks once a tick. */
    if (!list_is_empty(&group->leaderless) && group->leader != 0 && is_other) {
        leaderless_go_on(group);
    }
    node->tail_bytes += group->tail.bytes - tail_bytes;
    ready_note_untold(group);
    group_touch(group);
}

/* ---- the tail caches together ------------------------------------------------------------------------ */

/* Keeps all tails within their bound: a hand goes round, and each group gives a quarter of what it
 * may give. What is not applied stays: it may not be durable yet. */
static void ready_evict(struct node *node)
{
    for (uint32_t i = 0; i < node->groups_count && node->tail_bytes > NODE_TAIL_MAX_BYTES; i++) {
        struct group *group = &node->groups[node->tail_hand];
        node->tail_hand = (node->tail_hand + 1) % node->groups_count;
        struct tail *tail = &group->tail;
        uint64_t before = tail->bytes;
        if (tail->first < tail->next && tail->first <= group->applied) {
            tail_evict(tail, tail->first + (group->applied - tail->first) / 4);
        }
        node->tail_bytes -= before - tail->bytes;
    }
}

void ready_run(struct node *node)
{
    struct list later;
    list_init(&later);
    for (struct list *item = list_first(&node->dirty); item != NULL && !node->is_failed;
         item = list_first(&node->dirty)) {
        if (disk_is_full(node)) {
            break;
        }
        struct group *group = CONTAINER_OF(item, struct group, dirty);
        list_remove(item);
        for (int i = 0; i < NODE_TAKES_MAX && raft_has_update(group->raft); i++) {
            ready_take(group);
        }
        if (raft_has_update(group->raft)) {
            list_append(&later, &group->dirty);
        }
    }
    for (struct list *item = list_first(&later); item != NULL; item = list_first(&later)) {
        list_remove(item);
        list_append(&node->dirty, item);
    }
    ready_evict(node);
}
