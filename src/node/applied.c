/* SPDX-License-Identifier: Apache-2.0 */
/* Tells outside threads how far each slot has applied, so that readers which wait for something new
 * need not ask again and again: a number for each slot, and one call after a turn that moved any. */
#include "node/parts.h"

void applied_show(struct group *group)
{
    atomic_store_explicit(&group->applied_shown, group->applied, memory_order_release);
    group->node->has_news = true;
}

void applied_tell(struct node *node)
{
    if (!node->has_news) {
        return;
    }
    node->has_news = false;
    mutex_lock(&node->listener_lock);
    if (node->on_applied != NULL) {
        node->on_applied(node->on_applied_arg);
    }
    mutex_unlock(&node->listener_lock);
}

void node_on_applied(struct node *node, void (*on_applied)(void *arg), void *arg)
{
    mutex_lock(&node->listener_lock);
    node->on_applied = on_applied;
    node->on_applied_arg = arg;
    mutex_unlock(&node->listener_lock);
}

uint64_t node_applied_index(struct node *node, uint32_t slot)
{
    return slot >= node->groups_count
               ? 0
               : atomic_load_explicit(&node->groups[slot].applied_shown, memory_order_acquire);
}
