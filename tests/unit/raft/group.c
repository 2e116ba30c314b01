/* SPDX-License-Identifier: Apache-2.0 */
/* Plain asserts: those of Check write to a pipe, once an entry here. */
#include "group.h"

#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

static struct group_entry *entry_at(struct group_node *node, raft_index index)
{
    if (index <= node->base.index || index > node->base.index + node->log_count)
        return NULL;
    return &node->log[index - node->base.index - 1];
}

raft_index group_last(const struct group *group, node_id id)
{
    return group->nodes[id].base.index + group->nodes[id].log_count;
}

static void put_entry(struct group_node *node, const struct raft_entry *entry)
{
    if (node->log_count == node->log_capacity) {
        node->log_capacity = node->log_capacity == 0 ? 64 : node->log_capacity * 2;
        node->log = alloc_resize(node->log, node->log_capacity, sizeof(*node->log));
    }
    struct group_entry *to = &node->log[node->log_count++];
    assert(entry->pos.index == node->base.index + node->log_count);
    to->entry = *entry;
    if (entry->config != NULL)
        to->config = *entry->config;
}

static void push_packet(struct group *group, const struct raft_packet *packet)
{
    if (packet->to > GROUP_NODES_MAX || group->nodes[packet->to].raft == NULL ||
        group->cut[packet->from] || group->cut[packet->to])
        return;
    if (group->queue_first > 0 && group->queue_first == group->queue_count)
        group->queue_first = group->queue_count = 0;
    if (group->queue_count == group->queue_capacity) {
        group->queue_capacity = group->queue_capacity == 0 ? 64 : group->queue_capacity * 2;
        group->queue = alloc_resize(group->queue, group->queue_capacity, sizeof(*group->queue));
    }
    group->queue[group->queue_count++] = *packet;
}

/* A range is filled as it leaves; entries are read from the sender's disk again on delivery, so
 * only their number is kept here. */
static void send_packet(struct group *group, struct group_node *node,
                        const struct raft_packet *packet)
{
    struct raft_packet out = *packet;
    if (out.kind == RAFT_APPEND && out.first <= out.last) {
        uint32_t bytes = 0;
        raft_index at = out.first;
        for (; at <= out.last; at++) {
            const struct group_entry *entry = entry_at(node, at);
            assert(entry != NULL);
            if (at > out.first && bytes + entry->entry.size_bytes > out.bytes_max)
                break;
            bytes += entry->entry.size_bytes;
        }
        out.entries_count = (uint32_t)(at - out.first);
        raft_filled(node->raft, out.to, at - 1, out.entries_count, bytes);
    }
    push_packet(group, &out);
}

static void write_update(struct group_node *node, const struct raft_update *update)
{
    node->tickets++;
    node->term = update->term;
    node->vote = update->vote;
    node->commit = update->commit;
    if (update->flags & RAFT_UPDATE_INSTALL_IN)
        node->marker = update->install_in;
    if (update->flags & RAFT_UPDATE_INSTALLED) {
        const struct raft_install *in = &update->install_in;
        struct group_entry *target = entry_at(node, in->target.index);
        if (target != NULL && target->entry.pos.term == in->target.term) {
            uint32_t gone = (uint32_t)(in->target.index - node->base.index);
            node->log_count -= gone;
            memmove(node->log, node->log + gone, node->log_count * sizeof(*node->log));
        } else {
            node->log_count = 0;
        }
        node->base = in->target;
        node->base_config = (struct raft_config_at){in->config_pos, in->config};
        node->applied = in->target.index;
        node->marker.kind = RAFT_INSTALL_NONE;
    }
    if (update->truncate_from != 0)
        node->log_count = (uint32_t)(update->truncate_from - node->base.index - 1);
    for (uint32_t i = 0; i < update->entries_count; i++)
        put_entry(node, &update->entries[i]);
}

static void check(struct group *group, struct group_node *node)
{
    if (group->check)
        raft_check(node->raft);
}

static void offer(struct group *group, struct group_node *node, const struct raft_need *need)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    struct raft_install install = {
        .session = ((node->boot << 32) | ++group->sessions),
        .kind = RAFT_FULL,
        .base = need->applied,
        .target = {raft_term_at(node->raft, status.applied), status.applied},
        .config_pos = status.config_pos,
        .config = status.config};
    raft_install_offer(node->raft, need->peer, &install);
}

static void take_update(struct group *group, node_id id)
{
    struct group_node *node = &group->nodes[id];
    struct raft_update update;
    raft_take_update(node->raft, &update);
    check(group, node);
    node->campaigns += update.flags & RAFT_UPDATE_ROLE && update.role == RAFT_CANDIDATE;
    if (update.seq != 0)
        write_update(node, &update);
    /* This disk is done at once, so nothing has to be held back. */
    uint64_t durable = update.seq;
    for (uint32_t i = 0; i < update.packets_count; i++)
        send_packet(group, node, &update.packets[i]);
    for (uint32_t i = 0; i < update.reads_count; i++) {
        node->read = update.reads[i];
        node->reads++;
    }
    for (uint32_t i = 0; i < update.installs_count && group->installs; i++)
        offer(group, node, &update.installs[i]);
    bool installs = update.flags & RAFT_UPDATE_INSTALL_IN && group->installs;
    uint64_t session = update.install_in.session;
    raft_index apply_from = update.apply_from, apply_to = update.apply_to;
    if (durable != 0)
        raft_persisted(node->raft, durable);
    check(group, node);
    if (apply_from <= apply_to) {
        assert(apply_from == node->applied + 1);
        node->applied = apply_to;
        raft_applied(node->raft, apply_to, true);
    }
    if (installs)
        raft_install_received(node->raft, session, true);
    check(group, node);
}

static void deliver(struct group *group)
{
    struct raft_packet packet = group->queue[group->queue_first++];
    struct group_node *node = &group->nodes[packet.to];
    if (node->raft == NULL)
        return;
    struct raft_entry *entries = NULL;
    if (packet.entries_count > 0) {
        entries = alloc_array(packet.entries_count, sizeof(*entries));
        for (uint32_t i = 0; i < packet.entries_count; i++) {
            struct group_entry *from = entry_at(&group->nodes[packet.from], packet.first + i);
            assert(from != NULL);
            entries[i] = from->entry;
            entries[i].config = from->entry.kind == RAFT_ENTRY_CONFIG ? &from->config : NULL;
        }
        packet.entries = entries;
    }
    raft_receive(node->raft, &packet);
    check(group, node);
    if (entries != NULL && raft_has_update(node->raft))
        take_update(group, packet.to); /* the entries are borrowed until then */
    free(entries);
}

bool group_settle_once(struct group *group)
{
    bool moved = false;
    for (node_id id = 1; id <= GROUP_NODES_MAX; id++) {
        if (group->nodes[id].raft != NULL && raft_has_update(group->nodes[id].raft)) {
            take_update(group, id);
            moved = true;
        }
    }
    for (uint32_t n = group->queue_count - group->queue_first; n > 0; n--) {
        deliver(group);
        moved = true;
    }
    return moved;
}

void group_settle(struct group *group)
{
    int rounds = 0;
    while (group_settle_once(group)) {
        rounds++;
        assert(rounds < 100000); /* no endless exchange */
    }
}

void group_tick(struct group *group, int ticks)
{
    for (int i = 0; i < ticks; i++) {
        for (node_id id = 1; id <= GROUP_NODES_MAX; id++) {
            if (group->nodes[id].raft == NULL)
                continue;
            raft_tick(group->nodes[id].raft, 1);
            check(group, &group->nodes[id]);
        }
        group_settle(group);
    }
}

void group_start(struct group *group, node_id id)
{
    struct group_node *node = &group->nodes[id];
    struct raft_trail_run *runs = alloc_array(node->log_count + 1u, sizeof(*runs));
    struct raft_config_at *configs = alloc_array(node->log_count + 1u, sizeof(*configs));
    uint32_t *sizes = alloc_array(node->log_count + 1u, sizeof(*sizes));
    uint32_t runs_count = 0, configs_count = 1, sizes_count = 0;
    raft_term term = 0;
    configs[0] = node->base_config;
    for (uint32_t i = 0; i < node->log_count; i++) {
        const struct group_entry *at = &node->log[i];
        if (at->entry.pos.term != term)
            runs[runs_count++] = (struct raft_trail_run){at->entry.pos.term, at->entry.pos.index};
        term = at->entry.pos.term;
        if (at->entry.kind == RAFT_ENTRY_CONFIG)
            configs[configs_count++] = (struct raft_config_at){at->entry.pos, at->config};
        if (at->entry.pos.index > node->applied)
            sizes[sizes_count++] = at->entry.size_bytes;
    }
    struct raft_options options = group->options;
    options.self = id;
    options.boot = ++node->boot;
    options.seed = id * 1000 + node->boot;
    struct raft_boot boot = {.term = node->term,
                             .vote = node->vote,
                             .commit = node->commit,
                             .base = node->base,
                             .last = node->base.index + node->log_count,
                             .trail = runs,
                             .trail_count = runs_count,
                             .sizes = sizes,
                             .applied = node->applied,
                             .configs = configs,
                             .configs_count = configs_count,
                             .install = node->marker};
    node->raft = raft_new(&options, &boot);
    raft_check(node->raft);
    free(runs);
    free(configs);
    free(sizes);
}

void group_stop(struct group *group, node_id id)
{
    raft_free(group->nodes[id].raft);
    group->nodes[id].raft = NULL;
}

void group_init(struct group *group, int nodes, int voters)
{
    memset(group, 0, sizeof(*group));
    group->check = group->installs = true;
    raft_options_init(&group->options, 5, 1, 1);
    for (node_id id = 1; id <= (node_id)nodes; id++) {
        for (int voter = 1; voter <= voters; voter++)
            group->nodes[id].base_config.config.voters[voter - 1] = (node_id)voter;
        group->nodes[id].base_config.config.voters_count = (uint8_t)voters;
        group_start(group, id);
    }
}

void group_done(struct group *group)
{
    for (node_id id = 1; id <= GROUP_NODES_MAX; id++) {
        raft_free(group->nodes[id].raft);
        free(group->nodes[id].log);
    }
    free(group->queue);
}

node_id group_leader(const struct group *group)
{
    node_id ret = 0;
    raft_term term = 0;
    for (node_id id = 1; id <= GROUP_NODES_MAX; id++) {
        const struct raft *raft = group->nodes[id].raft;
        if (raft != NULL && raft_role(raft) == RAFT_LEADER && raft_current_term(raft) > term) {
            ret = id;
            term = raft_current_term(raft);
        }
    }
    return ret;
}

node_id group_elect(struct group *group, node_id id)
{
    raft_campaign(group->nodes[id].raft);
    group_settle(group);
    return group_leader(group);
}

enum err group_propose(struct group *group, node_id id, uint32_t size_bytes, uint32_t count)
{
    struct raft_entry entries[64];
    struct raft_pos first;
    memset(entries, 0, sizeof(entries));
    assert(count <= 64);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].kind = RAFT_ENTRY_DATA;
        entries[i].size_bytes = size_bytes;
    }
    enum err ret = raft_propose(group->nodes[id].raft, entries, count, &first);
    check(group, &group->nodes[id]);
    return ret;
}
