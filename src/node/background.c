/* SPDX-License-Identifier: Apache-2.0 */
/* Slow reads of the store beside the loop: one job at a time of each lane is with the world, the
 * others wait in their order. A job belongs to its owner, and knows what to do with what it read. */
#include "node/parts.h"

static void background_next(struct node *node, uint8_t lane)
{
    struct list *item = list_first(&node->background[lane]);
    if (node->background_flying[lane] != NULL || item == NULL) {
        return;
    }
    list_remove(item);
    struct node_background_job *job = CONTAINER_OF(item, struct node_background_job, link);
    node->background_flying[lane] = job;
    node->world.background_submit(node->world.arg, job);
}

enum node_background_lane node_background_lane(const struct node_background_job *job)
{
    return (enum node_background_lane)job->lane;
}

void background_submit(struct node *node, struct node_background_job *job)
{
    assert(job->lane < NODE_BACKGROUND_LANES);
    job->node = node;
    list_init(&job->link);
    list_append(&node->background[job->lane], &job->link);
    background_next(node, job->lane);
}

void background_forget(struct node *node)
{
    for (unsigned lane = 0; lane < NODE_BACKGROUND_LANES; lane++) {
        struct list *list = &node->background[lane];
        for (struct list *item = list_first(list); item != NULL; item = list_first(list)) {
            list_remove(item);
            struct node_background_job *job = CONTAINER_OF(item, struct node_background_job, link);
            job->forget(job);
        }
    }
}

void node_background_run(struct node_background_job *job)
{
    job->run(job);
}

void node_background_done(struct node *node, struct node_background_job *job)
{
    ASSERT_THREAD(&node->loop);
    uint8_t lane = job->lane;
    assert(job == node->background_flying[lane]);
    node->background_flying[lane] = NULL;
    node->now_ms = node_now_us(node) / 1000;
    job->done(job);
    background_next(node, lane);
}

void node_background_abandon(struct node *node, struct node_background_job *job)
{
    assert(job == node->background_flying[job->lane]);
    node->background_flying[job->lane] = NULL;
    node->is_failed = true;
    job->forget(job);
}
