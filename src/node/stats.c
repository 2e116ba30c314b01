/* SPDX-License-Identifier: Apache-2.0 */
/* What the node tells of itself. The loop publishes a copy of each group's state at a tick, under
 * one short lock, and only of groups that something happened to; counters and histograms are
 * relaxed atomics. Whatever other threads read comes from these copies or from the store. */
#include "node/parts.h"
#include "store/store.h"

void stat_observe(struct stat_histogram *histogram, uint64_t us)
{
    unsigned bucket = 0;
    while (bucket < NODE_HISTOGRAM_BUCKETS - 1 && us > (16ull << bucket)) {
        bucket++;
    }
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, us, memory_order_relaxed);
}

void stats_result(struct node *node, const struct msg_result *result, uint64_t bytes)
{
    for (uint32_t i = 0; i < result->appends_count; i++) {
        const struct msg_append_result *append = &result->appends[i];
        if (append->err != OK) {
            continue;
        }
        if (append->duplicate) {
            STAT_ADD(node, duplicates_total, 1);
        } else {
            STAT_ADD(node, appended_messages_total, 1);
        }
    }
    if (result->appends_count > 0) {
        STAT_ADD(node, appended_bytes_total, bytes);
    }
    if (result->deleted.logged) {
        STAT_ADD(node, deletes_total, 1);
        STAT_ADD(node, range_deletes_total, result->deleted.ranges_count);
        STAT_ADD(node, deleted_messages_total, result->deleted.deleted_count);
    }
}

/* ---- publishing: loop ----------------------------------------------------------------------------- */

static uint8_t stats_replica_state(const struct raft_progress_status *peer)
{
    if (!peer->active) {
        return NODE_DOWN;
    }
    switch ((enum raft_progress_state)peer->state) {
    case RAFT_PROBE:
        return NODE_PROBE;
    case RAFT_REPLICATE:
        return NODE_REPLICATE;
    case RAFT_PROGRESS_DELTA:
        return NODE_DELTA;
    case RAFT_PROGRESS_FULL:
        return NODE_FULL;
    }
    return NODE_PROBE;
}

/* How far the transfer to this replica is, from what its session counted. */
static void stats_transfer(const struct group *group, struct node_replica *replica)
{
    const struct sending *sending = sender_find(group, replica->node);
    if (sending == NULL || sending->state == SENDING_OPENING || sending->state == SENDING_OVER) {
        return;
    }
    bool is_full = sending->install.kind == RAFT_FULL;
    uint64_t total = is_full ? sending->estimate.full_bytes : sending->estimate.delta_bytes;
    uint64_t passed_ms = group->node->now_ms - sending->started_ms;
    replica->transfer_bytes = sending->bytes;
    replica->transfer_rows = sending->rows;
    replica->transfer_total_bytes = total > sending->bytes ? total : sending->bytes;
    if (sending->bytes > 0) {
        replica->transfer_eta_ms =
            (replica->transfer_total_bytes - sending->bytes) * passed_ms / sending->bytes;
    }
}

static void stats_replicas(const struct group *group, const struct raft_status *status,
                           struct node_slot *view)
{
    view->replicas_count = 1;
    view->replicas[0] = (struct node_replica){.node = status->self,
                                              .leader = status->role == RAFT_LEADER,
                                              .state = NODE_REPLICATE,
                                              .match_index = status->durable,
                                              .applied_index = status->durable_applied,
                                              .lag = status->last.index - status->durable};
    view->replicas[0].checked =
        (uint8_t)digest_checked(group, status->self, &view->replicas[0].checked_index);
    for (uint32_t i = 0;
         i < status->peers_count && view->replicas_count < ARRAY_LEN(view->replicas); i++) {
        const struct raft_progress_status *peer = &status->peers[i];
        if (peer->peer == status->self) {
            continue;
        }
        struct node_replica *replica = &view->replicas[view->replicas_count++];
        *replica = (struct node_replica){.node = peer->peer,
                                         .learner = peer->learner,
                                         .state = stats_replica_state(peer),
                                         .match_index = peer->match,
                                         .applied_index = peer->applied,
                                         .lag = status->last.index - peer->match};
        replica->checked = (uint8_t)digest_checked(group, peer->peer, &replica->checked_index);
        stats_transfer(group, replica);
    }
}

static void stats_voters(const struct group *group, const struct raft_status *status,
                         struct node_slot *view)
{
    struct members_place place = table_place(group->node, group->slot);
    const node_id *ids = view->holds ? status->config.voters : place.ids;
    view->voters_count = view->holds ? status->config.voters_count : place.count;
    memcpy(view->voters, ids, view->voters_count * sizeof(*ids));
}

static void stats_view(struct group *group, struct node_slot *view)
{
    struct raft_status status;
    raft_status(group->raft, &status);
    group->is_majority_low = status.role == RAFT_LEADER && status.disk_low_majority;
    view->slot = group->slot;
    view->holds = atomic_load(&group->holds);
    view->leader = view->holds ? status.leader : group->node->membership.leaders[group->slot];
    view->role = status.role;
    view->term = status.term;
    view->commit_index = status.commit;
    view->applied_index = group->applied;
    view->durable_applied_index = group->durable_applied;
    view->first_index = group->base.index + 1;
    view->last_index = status.last.index;
    view->log_count = status.last.index - group->base.index;
    view->log_bytes =
        group->marks_count == 0 ? group->log_bytes : group->log_bytes - group->marks[0].bytes;
    view->amnesia = status.amnesia;
    view->left = group->left == LEFT_DONE;
    view->leaving = group->left != LEFT_NO && !view->left;
    view->installing = status.installing && !view->left;
    view->quarantined = status.quarantined;
    atomic_store(&group->is_unfit, status.amnesia || status.quarantined);
    view->diverged = atomic_load(&group->is_diverged);
    view->undecided = status.role == RAFT_LEADER && group->is_undecided;
    view->install_kind = view->installing ? status.install.kind : 0;
    view->install_bytes = status.installing ? group->receiving.bytes : 0;
    view->install_rows = status.installing ? group->receiving.rows : 0;
    view->leader_silent_ms = (uint64_t)status.leader_silent_ticks * group->node->options.tick_ms;
    stats_voters(group, &status, view);
    stats_replicas(group, &status, view);
    if (!view->holds && status.role != RAFT_LEADER) {
        view->replicas_count = 0;
    }
}

void stats_publish(struct node *node)
{
    uint64_t unapplied = 0;
    mutex_lock(&node->view_lock);
    for (struct list *item = list_first(&node->touched); item != NULL;
         item = list_first(&node->touched)) {
        list_remove(item);
        struct group *group = CONTAINER_OF(item, struct group, touched);
        stats_view(group, &node->views[group->slot]);
        node->views_ms[group->slot] = node->now_ms;
    }
    mutex_unlock(&node->view_lock);
    for (uint32_t i = 0; i < node->groups_count; i++) {
        unapplied += node->groups[i].last.index - node->groups[i].applied;
    }
    atomic_store_explicit(&node->unapplied_shown, unapplied, memory_order_relaxed);
    atomic_store_explicit(&node->open_calls_shown, node->open_calls, memory_order_relaxed);
    atomic_store_explicit(&node->open_bytes_shown, node->open_bytes, memory_order_relaxed);
    atomic_store_explicit(&node->tail_bytes_shown, node->tail_bytes, memory_order_relaxed);
    atomic_store_explicit(&node->catchups_shown, sender_count(node), memory_order_relaxed);
    atomic_store_explicit(&node->needs_shown, node->needs_count, memory_order_relaxed);
}

/* ---- reading: any thread -------------------------------------------------------------------------- */

bool node_get_slot(struct node *node, uint32_t slot, struct node_slot *ret)
{
    if (slot >= node->groups_count) {
        return false;
    }
    mutex_lock(&node->view_lock);
    *ret = node->views[slot];
    uint64_t seen_ms = node->views_ms[slot];
    mutex_unlock(&node->view_lock);
    if (ret->role != RAFT_LEADER) { /* a silent leader gives no reason to publish again */
        ret->leader_silent_ms += node_now_us(node) / 1000 - seen_ms;
    }
    struct msg_slot_state state;
    if (msg_get_slot_state(node->msg, slot, &state, NULL) == OK) {
        ret->delete_log_floor = state.floor;
        ret->delete_log_count = state.delete_log_count;
        ret->channels = state.channels_count;
        ret->digest = state.digest;
        ret->digest_index = state.applied_index;
    }
    return true;
}

bool node_get_delete_status(struct node *node, uint32_t slot, raft_index log_index,
                            struct node_delete_status *ret)
{
    struct node_slot view;
    if (!node_get_slot(node, slot, &view) || view.role != RAFT_LEADER) {
        return false;
    }
    *ret = (struct node_delete_status){.applied_everywhere = true};
    for (uint32_t i = 0; i < view.replicas_count && i < ARRAY_LEN(ret->replicas); i++) {
        const struct node_replica *replica = &view.replicas[i];
        struct node_delete_replica *to = &ret->replicas[ret->replicas_count++];
        *to = (struct node_delete_replica){.node = replica->node,
                                           .applied = replica->applied_index >= log_index,
                                           .down = replica->state == NODE_DOWN};
        ret->applied_everywhere &= to->applied;
    }
    return true;
}

enum err node_count_deletes(struct node *node, uint32_t slot, raft_index applied, uint64_t max,
                            uint64_t *ret_count, uint64_t *ret_oldest_ms, struct why *why)
{
    return msg_count_deletes(node->msg, slot, applied, max, ret_count, ret_oldest_ms, why);
}

uint32_t node_slot_count(const struct node *node)
{
    return node->groups_count;
}

node_id node_self(const struct node *node)
{
    return node->options.id;
}

/* Heard of lately. Under view_lock. */
static bool peer_is_up(const struct node *node, const struct peer *peer, uint64_t now_ms)
{
    return peer->member.id == node->options.id || (peer->contact_ms != 0 && !peer->lost &&
                                                   now_ms - peer->contact_ms < NODE_PEER_SILENT_MS);
}

static void cluster_peers(struct node *node, uint64_t now_ms, struct node_cluster *ret)
{
    for (uint32_t i = 0; i < node->peers_count; i++) {
        const struct peer *peer = &node->peers[i];
        struct node_peer *out = &ret->peers[ret->peers_count++];
        out->id = peer->member.id;
        (void)snprintf(out->address, sizeof(out->address), "%s", peer->member.address);
        (void)snprintf(out->http_address, sizeof(out->http_address), "%s",
                       peer->member.http_address);
        out->self = peer->member.id == node->options.id;
        (void)snprintf(out->version, sizeof(out->version), "%s",
                       out->self ? LETHE_VERSION : peer->version);
        (void)snprintf(out->zone, sizeof(out->zone), "%s", peer->zone);
        (void)snprintf(out->refusal, sizeof(out->refusal), "%s", peer->refusal);
        out->learner = peer->learner;
        out->leaving = peer->state == MEMBERS_LEAVING;
        out->incarnation = out->self ? ret->incarnation : peer->incarnation;
        out->feature_level = out->self ? node->options.feature_level : peer->feature_level;
        out->up = peer_is_up(node, peer, now_ms);
        out->draining = (out->self && ret->draining) || peer->state == MEMBERS_DRAINING ||
                        peer->state == MEMBERS_LEAVING;
        out->last_contact_ms =
            out->self ? 0 : (peer->contact_ms == 0 ? UINT64_MAX : now_ms - peer->contact_ms);
        out->slots = peer->slots;
    }
}

/* A leader knows each replica. Another node knows its own, and which of the voters it hears of.
 * Under view_lock. */
static bool slot_is_degraded(const struct node_slot *view, const struct node *node, uint64_t now_ms)
{
    if (view->leader == 0 || view->amnesia || view->installing || view->quarantined) {
        return true;
    }
    for (uint32_t i = 0; i < view->voters_count; i++) {
        const struct peer *peer = node_find_peer(node, view->voters[i]);
        if (peer == NULL || !peer_is_up(node, peer, now_ms)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < view->replicas_count; i++) {
        if (view->role == RAFT_LEADER &&
            (view->replicas[i].state == NODE_DOWN ||
             view->replicas[i].lag > TUNED(node, replica_lag_threshold))) {
            return true;
        }
    }
    return false;
}

void node_get_cluster(struct node *node, struct node_cluster *ret)
{
    *ret = (struct node_cluster){.self = node->options.id, .slots_total = node->groups_count};
    const struct store_identity *identity = store_identity(node->store);
    (void)snprintf(ret->cluster_id, sizeof(ret->cluster_id), "%s", identity->cluster_id);
    ret->incarnation = identity->incarnation;
    ret->boot = identity->boot;
    ret->draining = atomic_load(&node->draining);
    ret->removed = atomic_load(&node->is_removed);
    uint64_t now_ms = node_now_us(node) / 1000;
    mutex_lock(&node->view_lock);
    ret->revision = node->revision_shown;
    ret->feature_level = node->level_shown;
    cluster_peers(node, now_ms, ret);
    for (uint32_t i = 0; i < node->groups_count; i++) {
        const struct node_slot *view = &node->views[i];
        ret->slots_with_leader += view->leader != 0;
        ret->slots_degraded += slot_is_degraded(view, node, now_ms);
        for (uint32_t p = 0; p < ret->peers_count; p++) {
            ret->peers[p].leaders += view->leader == ret->peers[p].id;
        }
    }
    mutex_unlock(&node->view_lock);
    ret->serving = ret->slots_with_leader == ret->slots_total && !ret->draining && !ret->removed;
}

/* Of a slot that is led here it is known who holds nearly all of the log; of another one, who is up. */
static uint32_t others_ready(const struct node *node, const struct node_slot *view, uint64_t now_ms)
{
    uint32_t ret = 0;
    for (uint32_t i = 0; i < view->voters_count && view->role != RAFT_LEADER; i++) {
        const struct peer *peer = node_find_peer(node, view->voters[i]);
        ret +=
            view->voters[i] != node->options.id && peer != NULL && peer_is_up(node, peer, now_ms);
    }
    for (uint32_t i = 0; i < view->replicas_count && view->role == RAFT_LEADER; i++) {
        const struct node_replica *replica = &view->replicas[i];
        ret += !replica->learner && replica->node != node->options.id &&
               replica->state == NODE_REPLICATE &&
               replica->lag <= TUNED(node, replica_lag_threshold);
    }
    return ret;
}

/* Each slot has a leader, and those with a replica here keep a majority without it. */
bool node_is_safe_to_stop(struct node *node)
{
    uint64_t now_ms = node_now_us(node) / 1000;
    bool is_safe = true;
    mutex_lock(&node->view_lock);
    for (uint32_t i = 0; i < node->groups_count && is_safe; i++) {
        const struct node_slot *view = &node->views[i];
        bool votes_here = false;
        for (uint32_t v = 0; v < view->voters_count; v++) {
            votes_here |= view->voters[v] == node->options.id;
        }
        is_safe = view->leader != 0 &&
                  (!votes_here || others_ready(node, view, now_ms) > view->voters_count / 2u);
    }
    mutex_unlock(&node->view_lock);
    return is_safe;
}

static void histogram_copy(struct stat_histogram *from, struct node_histogram *ret)
{
    ret->count = atomic_load_explicit(&from->count, memory_order_relaxed);
    ret->sum_us = atomic_load_explicit(&from->sum_us, memory_order_relaxed);
    for (int i = 0; i < NODE_HISTOGRAM_BUCKETS; i++) {
        ret->buckets[i] = atomic_load_explicit(&from->buckets[i], memory_order_relaxed);
    }
}

static uint64_t shown(const atomic_uint_fast64_t *figure)
{
    return atomic_load_explicit((atomic_uint_fast64_t *)(uintptr_t)figure, memory_order_relaxed);
}

static void metrics_store(struct node *node, struct node_metrics *ret)
{
    struct store_stats store;
    store_stats(node->store, &store);
    ret->memtable_bytes = store.memtable_bytes;
    ret->block_cache_bytes = store.block_cache_bytes;
    ret->table_readers_bytes = store.table_readers_bytes;
    ret->live_sst_bytes = store.live_sst_bytes;
    ret->wal_bytes = store.wal_bytes;
    ret->pending_compaction_bytes = store.pending_compaction_bytes;
    ret->background_errors = store.background_errors;
    ret->disk_free_bytes = store.disk_free_bytes;
    ret->disk_total_bytes = store.disk_total_bytes;
    ret->disk_soft_free_bytes = TUNED(node, disk_soft_free_bytes);
    ret->store_snapshots = store.snapshots;
    ret->range_tombstones = store.range_tombstones_in_memtables;
    ret->live_versions = store.live_versions;
    ret->oldest_snapshot_s = store.oldest_snapshot_s;
    ret->immutable_memtables = store.immutable_memtables;
    ret->level0_files = store.level0_files;
    ret->running_compactions = store.running_compactions;
    ret->running_flushes = store.running_flushes;
    ret->writes_stopped = store.writes_stopped;
    ret->delayed_writes_bytes_per_s = store.delayed_writes_bytes_per_s;
}

static void metrics_queues(struct node *node, struct node_metrics *ret)
{
    struct queue_stats queue;
    queue_stats(node->submit, &queue);
    ret->submit_queue_depth = queue.count;
    ret->submit_queue_bytes = queue.bytes;
    ret->open_calls = shown(&node->open_calls_shown);
    ret->open_bytes = shown(&node->open_bytes_shown);
    ret->tail_bytes = shown(&node->tail_bytes_shown);
    ret->unapplied_entries = shown(&node->unapplied_shown);
    ret->catchups_running = shown(&node->catchups_shown);
    ret->catchups_waiting = shown(&node->needs_shown);
    if (node->world.link_figures != NULL) {
        struct node_link_figures links;
        node->world.link_figures(node->world.arg, &links);
        ret->peer_bytes_sent_total = links.sent_bytes;
        ret->peer_bytes_received_total = links.received_bytes;
        ret->peer_garbage_total = links.garbage;
        ret->peer_refused_total = links.refused;
        ret->peer_certificate_refused_total = links.certificates_refused;
        ret->peer_certificate_expiry_s = links.certificate_expiry_s;
        ret->peer_queued_bytes = links.queued_bytes;
    }
}

void node_get_metrics(struct node *node, struct node_metrics *ret)
{
    *ret = (struct node_metrics){0};
#define X(name) ret->name = shown(&node->stats.name);
    NODE_COUNTERS(X)
#undef X
    for (int mode = 0; mode < NODE_CATCHUP_MODES; mode++) {
        for (int reason = 0; reason < NODE_CATCHUP_REASONS; reason++) {
            ret->catchups[mode][reason] = shown(&node->stats.catchups[mode][reason]);
        }
    }
    histogram_copy(&node->stats.fsync, &ret->fsync);
    histogram_copy(&node->stats.apply, &ret->apply);
    histogram_copy(&node->stats.commit, &ret->commit);
    histogram_copy(&node->stats.append, &ret->append);
    histogram_copy(&node->stats.loop_turn, &ret->loop_turn);
    metrics_queues(node, ret);
    metrics_store(node, ret);
}
