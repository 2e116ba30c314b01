/* SPDX-License-Identifier: Apache-2.0 */
/* tune.c: options that change while the node runs. Private to the room, part of parts.h. */
#ifndef NODE_TUNE_H
#define NODE_TUNE_H

#include <stdatomic.h>

#include "node/node.h"
#include "sys/thread.h"

/* An option of NODE_TUNED_TABLE, for other threads than the loop, which alone writes it. */
#define TUNED(node, field) __atomic_load_n(&(node)->options.field, __ATOMIC_RELAXED)

struct tune {
    struct mutex lock;
    struct node_options wanted; /* under lock; its texts are not looked at */
    atomic_bool is_wanted;      /* the loop has not taken it over yet */
};

/* The soft mark as packets count it. */
static inline uint32_t tune_disk_low_mb(const struct node_options *options)
{
    uint64_t mb = (options->disk_soft_free_bytes + (1 << 20) - 1) >> 20;
    return mb > UINT32_MAX ? UINT32_MAX : (uint32_t)mb;
}

void tune_init(struct node *node);
void tune_done(struct node *node); /* nobody uses the node any more */
/* Takes over what node_tune left. Thread: loop, between two turns */
void tune_take(struct node *node);

#endif
