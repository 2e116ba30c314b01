/* SPDX-License-Identifier: Apache-2.0 */
/* Who may found a cluster. Founders that lost their disks come back as they were on the first day:
 * empty, with a list of founders in their options. Two of three, cut off from the one that still has all,
 * would elect a leader and found the cluster once more; what had been answered would be gone.
 *
 * So a blank node (no entry in any log, no table of nodes) takes part in an election of blanks only when
 * it has met every founder blank since it started. That cannot have been after a founding, but for a node
 * that took no part in it, and those are a minority: the others are not blank, or lost their disks, and
 * then they do not meet all founders blank any more. A blank node still follows a leader, and votes for
 * who has something: whoever is met with another data folder than before is refused by the handshake. */
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
        if (id != node->options.id && (peer == NULL || !peer->was_blank)) {
            return false;
        }
    }
    return true;
}

void found_boot(struct node *node)
{
#ifndef LETHE_MUTANT_blanks_found
    node->is_unproven = !node->options.trusts_founders && !node->options.join &&
                        node_is_blank(node) && !is_proven(node);
#endif
    if (node->is_unproven) {
        disk_tell_groups(node);
    }
}

void found_met(struct node *node, struct peer *peer, bool is_blank)
{
    peer->was_blank |= is_blank;
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
            "'cluster.members', all of them empty too; if it lost its disk, replace it by a new "
            "node under an id that was never used",
            "node=%u", (unsigned)node->options.id);
    }
}

bool found_refuses(const struct node *node, const struct raft_packet *packet)
{
    bool is_ballot = packet->kind == RAFT_VOTE || packet->kind == RAFT_PREVOTE;
    return node->is_unproven && is_ballot && packet->pos.index == 0;
}
