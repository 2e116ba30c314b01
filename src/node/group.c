/* SPDX-License-Identifier: Apache-2.0 */
/* One slot at work: the core of its Raft group and what the driver keeps beside it. */
#include "node/parts.h"

void group_init(struct group *group, struct node *node, slot_id slot)
{
    *group = (struct group){.node = node, .slot = slot, .may_lead = true};
    list_init(&group->dirty);
    list_init(&group->touched);
    list_init(&group->undurable);
    list_init(&group->asking);
    list_init(&group->untold);
    list_init(&group->held);
    list_init(&group->commands);
    list_init(&group->reads_new);
    list_init(&group->reads_asked);
    list_init(&group->reads_waiting);
    list_init(&group->leaderless);
    list_init(&group->transfers);
    list_init(&group->compacts);
}

void group_done(struct group *group)
{
    for (struct list *item = list_first(&group->held); item != NULL;
         item = list_first(&group->held)) {
        list_remove(item);
        free(CONTAINER_OF(item, struct held, link));
    }
    group_limbo_clear(group);
    free(group->limbo);
    free(group->config_rows);
    free(group->marks);
    receiver_done(group);
    digest_done(group);
    check_done(group);
    tail_done(&group->tail);
    raft_free(group->raft);
    group->raft = NULL;
}

void group_dirty(struct group *group)
{
    if (list_is_empty(&group->dirty) && raft_has_update(group->raft)) {
        list_append(&group->node->dirty, &group->dirty);
    }
}

void group_touch(struct group *group)
{
    if (list_is_empty(&group->touched)) {
        list_append(&group->node->touched, &group->touched);
    }
}

void group_limbo(struct group *group, struct blob *blob)
{
    group->limbo =
        node_grow(group->limbo, group->limbo_count, &group->limbo_capacity, sizeof(struct blob *));
    group->limbo[group->limbo_count++] = blob_ref(blob);
}

void group_limbo_clear(struct group *group)
{
    for (uint32_t i = 0; i < group->limbo_count; i++) {
        blob_unref(group->limbo[i]);
    }
    group->limbo_count = 0;
}

void group_hold(struct group *group, const struct raft_packet *packet)
{
    assert(packet->entries == NULL);
    if (group->held_count == NODE_HELD_MAX) {
        STAT_ADD(group->node, packets_dropped_total, 1);
        return;
    }
    struct held *held = alloc(sizeof(*held));
    held->packet = *packet;
    list_append(&group->held, &held->link);
    group->held_count++;
}

void group_add_config_row(struct group *group, raft_index index)
{
    group->config_rows = node_grow(group->config_rows, group->config_rows_count,
                                   &group->config_rows_capacity, sizeof(raft_index));
    group->config_rows[group->config_rows_count++] = index;
}

/* Sends what waited for tickets up to durable_seq. What a past term promised is dropped: its
 * receiver would only refuse it. */
static void group_release(struct group *group)
{
    raft_term term = raft_current_term(group->raft);
    struct list *item = group->held.next;
    while (item != &group->held) {
        struct held *held = CONTAINER_OF(item, struct held, link);
        item = item->next;
        if (held->packet.wait_seq > group->durable_seq) {
            continue;
        }
        list_remove(&held->link);
        group->held_count--;
        if (held->packet.term >= term) {
            ready_send(group, &held->packet);
        } else {
            STAT_ADD(group->node, packets_dropped_total, 1);
        }
        free(held);
    }
}

void group_persisted(struct group *group, uint64_t seq)
{
    assert(seq > group->durable_seq);
    group->durable_seq = seq;
    raft_persisted(group->raft, seq);
    group_release(group);
    group_dirty(group);
}

void group_applied(struct group *group, raft_index index)
{
    assert(index > group->applied && index <= group->applying);
    group->applied = index;
    raft_applied(group->raft, index, false);
    if (list_is_empty(&group->undurable)) {
        list_append(&group->node->undurable, &group->undurable);
    }
    group_dirty(group);
    group_touch(group);
    applied_show(group);
    read_applied(group);
}

void group_durable(struct group *group)
{
    group->durable_applied = group->applied;
    list_remove(&group->undurable);
    raft_applied(group->raft, group->applied, true);
    group_dirty(group);
    group_touch(group);
    compact_serve(group);
}
