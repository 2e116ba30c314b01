/* SPDX-License-Identifier: Apache-2.0 */
/* Options that change while the node runs. Who asks leaves the wanted values under a lock; the loop
 * takes them over at the beginning of its next turn, so that within a turn nothing changes. The loop
 * alone writes node->options; other threads read these fields by TUNED, each for itself: two that
 * were changed together may be seen one after the other, which no reader minds. */
#include "node/parts.h"

void tune_init(struct node *node)
{
    mutex_init(&node->tune.lock);
    atomic_init(&node->tune.is_wanted, false);
}

void tune_done(struct node *node)
{
    mutex_done(&node->tune.lock);
}

enum err node_tune(struct node *node, const struct node_options *options, struct why *why)
{
    if (options->submit_max_commands == 0 || options->submit_max_bytes == 0) {
        return why_set(why, ERR_BAD_CONFIG, "the bounds of the queue must not be 0");
    }
    mutex_lock(&node->tune.lock);
    node->tune.wanted = *options;
    mutex_unlock(&node->tune.lock);
    atomic_store(&node->tune.is_wanted, true);
    node->world.wake(node->world.arg);
    return OK;
}

/* ---- what some of them need beside being read again: loop ------------------------------------------ */

static void follow_disk(struct node *node)
{
    for (uint32_t i = 0; i < node->groups_count; i++) {
        raft_set_disk_low(node->groups[i].raft, tune_disk_low_mb(&node->options));
    }
    node->care_due = true; /* look at the disk at once */
}

static void follow(struct node *node, const struct node_options *before)
{
    const struct node_options *now = &node->options;
    if (now->submit_max_bytes != before->submit_max_bytes) {
        queue_set_max_bytes(node->submit, now->submit_max_bytes);
    }
    if (now->submit_max_commands != before->submit_max_commands) {
        admit_init(node);
    }
    if (now->disk_soft_free_bytes != before->disk_soft_free_bytes ||
        now->disk_hard_free_bytes != before->disk_hard_free_bytes) {
        follow_disk(node);
    }
    if (now->check_interval_ms != before->check_interval_ms) {
        node->checks_due_ms = 0; /* as after a start */
    }
}

void tune_take(struct node *node)
{
    if (!atomic_load_explicit(&node->tune.is_wanted, memory_order_relaxed)) {
        return;
    }
    atomic_store(&node->tune.is_wanted, false); /* before the look: a later one is not lost */
    struct node_options before = node->options;
    mutex_lock(&node->tune.lock);
#define X(field) __atomic_store_n(&node->options.field, node->tune.wanted.field, __ATOMIC_RELAXED);
    NODE_TUNED_TABLE(X)
#undef X
    mutex_unlock(&node->tune.lock);
    follow(node, &before);
}
