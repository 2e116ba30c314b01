/* SPDX-License-Identifier: Apache-2.0 */
/* Leaders spread evenly: each second a node that leads more slots than another one that is up, by
 * two or more, hands a few of the difference over to the one that leads the fewest of those that can
 * take one. Only the node
 * with too many acts, each on what it sees itself; a move never makes a difference larger, so that
 * nothing goes back and forth. A target must have been up for a while and hold nearly all of the
 * log: a node that has just returned catches up first. One whose disk is nearly full gets none, and one
 * that did not take a leadership which it was offered gets no other for a while: until it is known that
 * it does not, the slot takes no writes. */
#include "node/parts.h"

enum {
    BALANCE_MOVES_MAX = 4,
    BALANCE_LAG_MAX = 64,
    BALANCE_SETTLED_MS = 3000,
    BALANCE_AGAIN_MS = 20000
};

/* What its packets say of its disk, in a slot that is led here. */
static bool has_room(const struct node *node, node_id id)
{
    uint32_t soft_mb = tune_disk_low_mb(&node->options);
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct raft_status status;
        if (node->groups[i].role != RAFT_LEADER) {
            continue;
        }
        raft_status(node->groups[i].raft, &status);
        for (uint32_t p = 0; p < status.peers_count; p++) {
            const struct raft_progress_status *peer = &status.peers[p];
            if (peer->peer == id && peer->disk_free_mb != 0) {
                return peer->disk_free_mb >= soft_mb;
            }
        }
    }
    return true; /* not said */
}

static bool is_settled(const struct node *node, const struct peer *peer)
{
    return peer->contact_ms != 0 && !peer->lost && peer->up_ms != 0 &&
           node->now_ms - peer->contact_ms < NODE_PEER_SILENT_MS &&
           node->now_ms - peer->up_ms >= BALANCE_SETTLED_MS;
}

/* What was offered and is still led here was not taken. */
static void note_untaken(struct node *node)
{
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct group *group = &node->groups[i];
        struct raft_status status;
        if (group->handed_to == 0) {
            continue;
        }
        raft_status(group->raft, &status);
        if (group->role == RAFT_LEADER && status.transferring) {
            continue;
        }
        struct peer *peer = node_find_peer(node, group->handed_to);
        if (group->role == RAFT_LEADER && peer != NULL) {
            peer->untaken_ms = node->now_ms;
        }
        group->handed_to = 0;
    }
}

static bool is_willing(const struct node *node, const struct peer *peer)
{
    return peer->untaken_ms == 0 || node->now_ms - peer->untaken_ms >= BALANCE_AGAIN_MS;
}

static uint32_t leaders_of(const struct node *node, node_id id)
{
    uint32_t ret = 0;
    for (uint32_t i = 0; i < node->groups_count; i++) {
        const struct group *group = &node->groups[i];
        ret += (atomic_load(&group->holds) ? group->leader : node->membership.leaders[i]) == id;
    }
    return ret;
}

struct tried {
    node_id ids[NODE_MEMBERS_MAX];
    uint32_t count;
};

static bool was_tried(const struct tried *tried, node_id id)
{
    for (uint32_t i = 0; i < tried->count; i++) {
        if (tried->ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* The settled member that leads the fewest slots and was not tried; 0: there is none. */
static node_id find_poorest(const struct node *node, const struct tried *tried,
                            uint32_t *ret_leaders)
{
    node_id ret = 0;
    for (uint32_t i = 0; i < node->peers_count; i++) {
        const struct peer *peer = &node->peers[i];
        if (peer->member.id == node->options.id || !is_settled(node, peer) ||
            !is_willing(node, peer) || !has_room(node, peer->member.id) ||
            !table_may_lead(node, peer->member.id) || was_tried(tried, peer->member.id)) {
            continue;
        }
        uint32_t leaders = leaders_of(node, peer->member.id);
        if (ret == 0 || leaders < *ret_leaders) {
            ret = peer->member.id;
            *ret_leaders = leaders;
        }
    }
    return ret;
}

static bool is_fit(const struct group *group, node_id to)
{
    struct raft_status status;
    raft_status(group->raft, &status);
    if (status.transferring || status.config_pending) {
        return false;
    }
    for (uint32_t i = 0; i < status.peers_count; i++) {
        const struct raft_progress_status *peer = &status.peers[i];
        if (peer->peer == to) {
            return peer->state == RAFT_REPLICATE && peer->active && !peer->learner &&
                   peer->match + BALANCE_LAG_MAX >= status.last.index;
        }
    }
    return false;
}

/* How many slots were handed over: none where it votes in no slot that is led here. */
static uint32_t hand_over(struct node *node, node_id to, uint32_t own, uint32_t theirs)
{
    uint32_t moves = (own - theirs) / 2, ret = 0;
    if (moves > BALANCE_MOVES_MAX) {
        moves = BALANCE_MOVES_MAX;
    }
    for (uint32_t i = 0; i < node->groups_count && ret < moves; i++) {
        struct group *group = &node->groups[i];
        if (group->role != RAFT_LEADER || !is_fit(group, to) ||
            raft_transfer(group->raft, to) != OK) {
            continue;
        }
        group->handed_to = to;
        group_dirty(group);
        ret++;
        log_info("node", "handing a leadership over to even them out",
                 "slot=%" PRIu32 " peer=%" PRIu64 " own=%" PRIu32 " theirs=%" PRIu32, group->slot,
                 to, own, theirs);
    }
    return ret;
}

void balance_run(struct node *node)
{
    if (!node->options.balance || node->manual_ticks || node->is_slow ||
        atomic_load_explicit(&node->disk_low, memory_order_relaxed) ||
        atomic_load_explicit(&node->draining, memory_order_relaxed)) {
        return;
    }
    note_untaken(node);
    struct tried tried = {.count = 0};
    uint32_t own = leaders_of(node, node->options.id);
    while (tried.count < NODE_MEMBERS_MAX) {
        uint32_t theirs = 0;
        node_id to = find_poorest(node, &tried, &theirs);
        if (to == 0 || own <= theirs + 1 || hand_over(node, to, own, theirs) > 0) {
            return;
        }
        tried.ids[tried.count++] = to;
    }
}
