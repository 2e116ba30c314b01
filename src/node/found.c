/* SPDX-License-Identifier: Apache-2.0 */
/* Who may found a cluster. Founders that lost their disks come back as they were on the first day:
 * empty, with a list of founders in their options. Two of three, cut off from the one that still has all,
 * would elect a leader and found the cluster once more; what had been answered would be gone.
 *
 * So a blank node (no entry in any log, no table of nodes) takes part in an election of blanks only when
 * its data folder has met every founder: each let it in. Whoever took part in a founding had been met by
 * all others before, and they keep whose folder that was: one that lost its disk is refused by each of
 * them that did not. What a folder has met outlives restarts, so that a founder which was killed on the
 * first day, when some slots were founded without it and others were not yet, is no less of one after
 * it. A blank node still follows a leader, and votes for who has something. */
#include "node/parts.h"

enum { QUIET_MS = 10000, SAY_MS = 30000 };

bool node_is_blank(const struct node *node)
{
    for (uint32_t i = 0; i < node->groups_count; i++) {
        if (node->groups[i].last.index > 0) {
            return false;
        }
    }
    return node->membership.table.revision == 0;
}

static bool is_proven(const struct node *node)
{
    for (uint32_t i = 0; i < node->options.members_count; i++) {
        node_id id = node->options.members[i].id;
        const struct peer *peer = node_find_peer(node, id);
        if (id != node->options.id && (peer == NULL || !peer->was_met)) {
            return false;
        }
    }
    return true;
}

/* What this data folder knows of earlier starts. */
static void recall(struct node *node)
{
    for (uint32_t i = 0; node->world.has_met != NULL && i < node->peers_count; i++) {
        struct peer *peer = &node->peers[i];
        peer->was_met = node->world.has_met(node->world.arg, peer->member.id);
    }
}

void found_boot(struct node *node)
{
    recall(node);
#ifndef LETHE_MUTANT_blanks_found
    node->is_unproven = !node->options.trusts_founders && !node->options.join &&
                        node_is_blank(node) && !is_proven(node);
#endif
    if (node->is_unproven) {
        disk_tell_groups(node);
    }
}

void found_met(struct node *node, struct peer *peer)
{
    peer->was_met = true;
    found_look(node);
}

void found_look(struct node *node)
{
    if (!node->is_unproven) {
        return;
    }
    if (is_proven(node) || !node_is_blank(node)) {
        node->is_unproven = false;
        disk_tell_groups(node);
        return;
    }
    if (node->now_ms - node->booted_ms >= QUIET_MS) {
        log_every(
            SAY_MS, LOG_LEVEL_WARN, "node",
            "this node's data folder is empty: it founds no cluster until it has met every node of "
            "'cluster.members', each of which lets it in; if it lost its disk, replace it by a new "
            "node under an id that was never used",
            "node=%u", (unsigned)node->options.id);
    }
}

bool found_refuses(const struct node *node, const struct raft_packet *packet)
{
    bool is_ballot = packet->kind == RAFT_VOTE || packet->kind == RAFT_PREVOTE;
    return node->is_unproven && is_ballot && packet->pos.index == 0;
}
