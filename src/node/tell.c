/* SPDX-License-Identifier: Apache-2.0 */
/* Slot 0's leader tells every node, each second, the table of the cluster's nodes (when the other one
 * has an older one) and who leads which slot; the answer says which slots that node leads and whether
 * they are as the table wants them. So nodes without a replica of slot 0 know who belongs to the
 * cluster, nodes without a replica of some slot know whom to ask, and slot 0's leader knows when a
 * change is through.
 *
 * A request is the body of a CALL_ADMIN: le64 revision, varint slots with a varint leader each, block
 * table (empty: you know it). The answer: le64 revision, block of a byte a slot (enum told_slot). */
#include "node/parts.h"
#include "wire/limits.h"

enum { TELL_TIMEOUT_MS = 2000, TELL_FRESH_MS = 3500 };

/* ---- the leader of slot 0 ------------------------------------------------------------------------- */

static struct told *find_told(struct membership *membership, node_id id)
{
    for (uint32_t i = 0; i < membership->told_count; i++) {
        if (membership->told[i].node == id) {
            return &membership->told[i];
        }
    }
    return NULL;
}

static uint8_t own_bits(const struct group *group)
{
    if (group->role != RAFT_LEADER) {
        return 0;
    }
    return (uint8_t)(TOLD_LEADS | (table_is_settled(group) ? TOLD_SETTLED : 0));
}

static bool is_fresh(const struct node *node, const struct told *told)
{
    return told->heard_ms != 0 && node->now_ms - told->heard_ms < TELL_FRESH_MS;
}

/* Who leads the slot, as its leader itself says; else as this node sees it. */
static node_id leader_of(const struct node *node, slot_id slot)
{
    const struct group *group = &node->groups[slot];
    if (group->role == RAFT_LEADER) {
        return node->options.id;
    }
    const struct membership *membership = &node->membership;
    for (uint32_t i = 0; i < membership->told_count; i++) {
        const struct told *told = &membership->told[i];
        if (is_fresh(node, told) && (told->slots[slot] & TOLD_LEADS) != 0) {
            return told->node;
        }
    }
    return atomic_load(&group->holds) ? group->leader : 0;
}

/* What was settled under a table stays so until the next one. */
static void mark_settled(struct node *node)
{
    struct membership *membership = &node->membership;
    uint64_t revision = membership->table.revision;
    for (slot_id slot = 0; slot < node->groups_count; slot++) {
        if ((own_bits(&node->groups[slot]) & TOLD_SETTLED) != 0) {
            membership->settled[slot] = revision;
        }
        for (uint32_t i = 0; i < membership->told_count; i++) {
            const struct told *told = &membership->told[i];
            if (is_fresh(node, told) && told->revision == revision &&
                (told->slots[slot] & TOLD_SETTLED) != 0) {
                membership->settled[slot] = revision;
            }
        }
    }
}

uint32_t tell_settled(const struct node *node)
{
    const struct membership *membership = &node->membership;
    uint32_t ret = 0;
    for (slot_id slot = 0; slot < node->groups_count; slot++) {
        ret += membership->settled[slot] == membership->table.revision;
    }
    return ret;
}

uint32_t tell_moves_settled(const struct node *node)
{
    const struct membership *membership = &node->membership;
    const struct members_order *order = &membership->table.order;
    uint32_t ret = 0;
    for (uint32_t i = 0; i < order->moves_count; i++) {
        slot_id slot = order->moves[i].slot;
        ret += slot < node->groups_count && membership->settled[slot] == membership->table.revision;
    }
    return ret;
}

struct telling {
    struct node_call call;
    struct node *node;
    node_id to;
};

static void telling_done(struct node_call *call, void *arg)
{
    struct telling *telling = arg;
    struct node *node = telling->node;
    struct told *told = find_told(&node->membership, telling->to);
    struct peer *peer = node_find_peer(node, telling->to);
    if (peer != NULL && call->err != OK) {
        peer->is_untold = true;
    }
    if (told != NULL) {
        told->is_asked = false;
        if (call->err == OK && call->answer != NULL) {
            struct reader reader = reader_of(blob_bytes(call->answer));
            uint64_t revision = reader_le64(&reader);
            struct bytes slots = reader_block(&reader);
            if (reader_is_done(&reader) && slots.len == node->groups_count) {
                told->revision = revision;
                told->heard_ms = node->now_ms;
                memcpy(told->slots, slots.data, slots.len);
                mark_settled(node);
            }
        }
    }
    blob_unref(call->answer);
    free(telling);
}

static struct blob *tell_body(const struct node *node, bool has_table)
{
    struct buf buf = BUF_INIT, table = BUF_INIT;
    buf_put_le64(&buf, node->membership.table.revision);
    /* Of leaders only slot 0's leader has to say something. */
    uint32_t slots = node->groups[0].role == RAFT_LEADER ? node->groups_count : 0;
    buf_put_varint(&buf, slots);
    for (slot_id slot = 0; slot < slots; slot++) {
        buf_put_varint(&buf, leader_of(node, slot));
    }
    if (node->membership.table.revision != 0 && has_table) {
        members_encode(&table, &node->membership.table);
    }
    buf_put_block(&buf, buf_bytes(&table));
    struct blob *ret = blob_copy(buf_bytes(&buf));
    buf_done(&buf);
    buf_done(&table);
    return ret;
}

static void tell_one(struct node *node, struct told *told)
{
    if (told->is_asked) {
        return;
    }
    struct telling *telling = alloc_zero(sizeof(*telling));
    telling->node = node;
    telling->to = told->node;
    struct node_call *call = &telling->call;
    bool has_table =
        node->membership.table.revision != 0 && told->revision != node->membership.table.revision;
    call->kind = NODE_CALL_TELL;
    call->command = tell_body(node, has_table);
    call->deadline_ms = node->now_ms + TELL_TIMEOUT_MS;
    call->started_us = node_now_us(node);
    call->on_done = telling_done;
    call->arg = telling;
    told->is_asked = true;
    waiter_open(node, call);
    if (!forward_call(&node->groups[0], call, told->node)) {
        waiter_finish(node, call, ERR_CLOSED, NULL);
    }
}

/* Until the next one is made. */
static struct told *told_of(struct node *node, node_id id)
{
    struct membership *membership = &node->membership;
    struct told *known = find_told(membership, id);
    if (known != NULL) {
        return known;
    }
    membership->told =
        alloc_resize(membership->told, membership->told_count + 1, sizeof(*membership->told));
    struct told *told = &membership->told[membership->told_count++];
    *told = (struct told){.node = id, .slots = alloc_zero(node->groups_count)};
    return told;
}

/* With every slot on every node there is nothing to tell until the table changes. */
static bool is_needed(const struct node *node)
{
    return node->membership.table.revision > 0 ||
           node->options.members_count > node->options.replica_count;
}

/* Slot 0's leader may be one that a node which joins, or was away, does not know: it does not let that
 * one in until it has the table from somebody that it does know. So everybody tells each table on, once
 * to each. */
static void tell_met(struct node *node)
{
    for (uint32_t i = 0; i < node->peers_count; i++) {
        struct peer *peer = &node->peers[i];
        if (!peer->is_untold || node->membership.table.revision == 0 ||
            peer->member.id == node->options.id || !node_peer_is_up(node, peer->member.id)) {
            continue;
        }
        struct told *told = told_of(node, peer->member.id);
        peer->is_untold = false;
        if (told->revision < node->membership.table.revision) {
            tell_one(node, told);
        }
    }
}

void tell_run(struct node *node)
{
    struct membership *membership = &node->membership;
    if (node->world.send_request == NULL) {
        return;
    }
    if (node->groups[0].role != RAFT_LEADER) {
        tell_met(node);
        return;
    }
    if (!is_needed(node)) {
        return;
    }
    mark_settled(node);
    for (slot_id slot = 0; slot < node->groups_count; slot++) {
        membership->leaders[slot] = leader_of(node, slot);
    }
    for (uint32_t i = 0; i < node->peers_count; i++) {
        node_id id = node->peers[i].member.id;
        if (id == node->options.id) {
            continue;
        }
        tell_one(node, told_of(node, id));
    }
}

/* ---- who is told ------------------------------------------------------------------------------------- */

static bool take_leaders(struct node *node, struct reader *reader)
{
    uint64_t count = reader_varint(reader);
    if (!reader->failed && count == 0) {
        return true;
    }
    if (reader->failed || count != node->groups_count) {
        return false;
    }
    for (slot_id slot = 0; slot < node->groups_count; slot++) {
        uint64_t id = reader_varint(reader);
        if (reader->failed || id > WIRE_NODE_ID_MAX) {
            return false;
        }
        if (node->membership.leaders[slot] != id) {
            node->membership.leaders[slot] = id;
            group_touch(&node->groups[slot]);
        }
    }
    return true;
}

void tell_receive(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    struct reader reader = reader_of(blob_bytes(call->command));
    uint64_t revision = reader_le64(&reader);
    bool is_good = take_leaders(node, &reader);
    struct bytes bytes = reader_block(&reader);
    struct members table = {0};
    if (!is_good || !reader_is_done(&reader) ||
        (bytes.len > 0 && members_decode(bytes, &table, NULL) != OK)) {
        waiter_finish(node, call, ERR_BAD_FORMAT, NULL);
        return;
    }
    if (bytes.len > 0) {
        table.revision = revision;
        table_adopt_take(node, &table);
    }
    uint8_t *slots = arena_alloc(&node->turn, node->groups_count);
    for (slot_id slot = 0; slot < node->groups_count; slot++) {
        slots[slot] = own_bits(&node->groups[slot]);
    }
    struct buf buf = BUF_INIT;
    buf_put_le64(&buf, node->membership.table.revision);
    buf_put_block(&buf, bytes_of(slots, node->groups_count));
    call->answer = blob_copy(buf_bytes(&buf));
    buf_done(&buf);
    waiter_finish(node, call, OK, NULL);
}

void tell_done(struct node *node)
{
    for (uint32_t i = 0; i < node->membership.told_count; i++) {
        free(node->membership.told[i].slots);
    }
    free(node->membership.told);
}
