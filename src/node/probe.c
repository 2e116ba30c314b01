/* SPDX-License-Identifier: Apache-2.0 */
/* A node that shall be added is asked who it is before anything is written down: an address where nobody
 * listens, another cluster's node, another id than was said, a folder that holds something already, or a
 * build that is too old are refused at once, in words, instead of a member that never comes. */
#include "node/parts.h"

enum { PROBE_MS = 3000 };

bool probe_start(struct node *node, struct node_call *call, const struct node_member_change *change)
{
    if (call->is_probed || node->world.probe == NULL) {
        return false;
    }
    uint64_t number = ++node->probes;
    if (!node->world.probe(node->world.arg, number, change->address, change->id, PROBE_MS)) {
        return false;
    }
    call->id = number;
    call->stage = WAITER_ADMIN;
    list_append(&node->admins, &call->link);
    return true;
}

/* What of it does not fit. */
static enum err check_found(const struct node *node, const struct node_member_change *change,
                            const struct node_found *found, struct why *why)
{
    const char *at = change->address;
    unsigned id = (unsigned)change->id, own = (unsigned)found->node;
    const char *cluster = store_identity(node->store)->cluster_id;
    uint32_t level = node->membership.table.feature_level;
    if (!found->is_answered) {
        return why_set(
            why, ERR_CONFLICT,
            "no node answers at '%.100s' (%s): start node %u first, with an empty data folder, "
            "'cluster.join: true' and this cluster's id",
            at, found->text, id);
    }
    if (strcmp(found->cluster_id, cluster) != 0) {
        return why_set(why, ERR_CONFLICT,
                       "the node at '%.100s' belongs to cluster '%s', not to '%s': correct its "
                       "'cluster.id'",
                       at, found->cluster_id, cluster);
    }
    if (found->node != change->id) {
        return why_set(why, ERR_CONFLICT,
                       "node %u is at '%.100s', not node %u: correct 'id' or 'address'", own, at,
                       id);
    }
    if (!found->speaks || found->feature_level < level) {
        return why_set(
            why, ERR_CONFLICT,
            "node %u runs a build of feature level %u%s, and the cluster uses level %u: start "
            "it with the build that the others run",
            id, found->feature_level, found->speaks ? "" : " and another protocol", level);
    }
    if (found->slot_count != node->groups_count) {
        return why_set(why, ERR_CONFLICT,
                       "node %u has %u slots, the cluster has %u: give it the cluster's "
                       "'cluster.slot_count' and an empty data folder",
                       id, found->slot_count, node->groups_count);
    }
    if (!found->is_blank) {
        return why_set(
            why, ERR_CONFLICT,
            "the data folder of node %u is not empty: it has been in a cluster; start it with "
            "an empty one",
            id);
    }
    return OK;
}

static struct node_call *find_call(struct node *node, uint64_t number)
{
    for (struct list *item = node->admins.next; item != &node->admins; item = item->next) {
        struct node_call *call = WAITER_OF(item);
        if (call->kind == NODE_CALL_MEMBER && call->id == number) {
            return call;
        }
    }
    return NULL; /* it met its deadline */
}

void node_found(struct node *node, uint64_t number, const struct node_found *found)
{
    ASSERT_THREAD(&node->loop);
    struct node_call *call = find_call(node, number);
    struct node_member_change change;
    struct why why = {0};
    node->now_ms = node_now_us(node) / 1000;
    node->world.wake(node->world.arg); /* what comes of it leaves with a turn */
    if (call == NULL || !placement_read_change(blob_bytes(call->command), &change)) {
        return;
    }
    list_remove(&call->link);
    call->is_probed = true;
    enum err err = OK;
#ifndef LETHE_MUTANT_adds_unseen
    err = check_found(node, &change, found, &why);
#endif
    if (err != OK) {
        waiter_finish(node, call, err, why.text);
        return;
    }
    change_member(&node->groups[0], call);
}
