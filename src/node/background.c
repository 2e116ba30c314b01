/* SPDX-License-Identifier: Apache-2.0 */
/* Slow reads of the store beside the loop: one job at a time is with the world, the others wait in
 * their order. A job belongs to its owner, and knows what to do with what it read. */
#include "node/parts.h"

static void background_next(struct node *node)
{
    struct list *item = list_first(&node->background);
    if (node->background_flying != NULL || item == NULL) {
        return;
    }
    list_remove(item);
    struct node_background_job *job = CONTAINER_OF(item, struct node_background_job, link);
    node->background_flying = job;
    node->world.background_submit(node->world.arg, job);
}

void background_submit(struct node *node, struct node_background_job *job)
{
    job->node = node;
    list_init(&job->link);
    list_append(&node->background, &job->link);
    background_next(node);
}

void background_forget(struct node *node)
{
    for (struct list *item = list_first(&node->background); item != NULL;
         item = list_first(&node->background)) {
        list_remove(item);
        struct node_background_job *job = CONTAINER_OF(item, struct node_background_job, link);
        job->forget(job);
    }
}

void node_background_run(struct node_background_job *job)
{
    job->run(job);
}

void node_background_done(struct node *node, struct node_background_job *job)
{
    ASSERT_THREAD(&node->loop);
    assert(job == node->background_flying);
    node->background_flying = NULL;
    node->now_ms = node_now_us(node) / 1000;
    job->done(job);
    background_next(node);
}

void node_background_abandon(struct node *node, struct node_background_job *job)
{
    assert(job == node->background_flying);
    node->background_flying = NULL;
    node->is_failed = true;
    job->forget(job);
}
