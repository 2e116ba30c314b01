/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded queue of pointers: many threads push, one takes all that is there at once. Bounded by
 * number and by weight; a full queue refuses, it never blocks a pusher and never drops.
 * Order: that of the pushes. Knows nothing of what the pointers are. */
#ifndef SYS_QUEUE_H
#define SYS_QUEUE_H

#include "base/check.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue_options {
    size_t max_items; /* at least 1 */
    size_t max_bytes; /* an item heavier than this still fits into an empty queue */
    /* May be NULL. Called by the pusher, without a lock held, whenever the queue goes from empty
     * to not empty, and by queue_close: to poke an event loop. Must not block. */
    void (*on_wake)(void *arg);
    void *arg; /* borrowed */
};

/* What a take gives. Zeroed at first; used again and again it stops allocating. */
struct queue_batch {
    void **items; /* owned array of what is now the taker's */
    size_t count, capacity;
};

struct queue_stats {
    size_t count, bytes; /* in it now */
    size_t peak_count;   /* the most there ever were */
    uint64_t pushed, refused;
};

struct queue *queue_new(const struct queue_options *options);
/* Nobody uses it any more, and it is empty (asserts): take what is left before. May be NULL. */
void queue_free(struct queue *queue);

/* Thread: any. On success item belongs to the taker, on failure it stays the caller's.
 * Errors: ERR_QUEUE_FULL  one of the two bounds is reached
 *         ERR_CLOSED      after queue_close */
MUST_USE enum err queue_push(struct queue *queue, void *item, size_t bytes);

/* Puts all items into batch, whose old content is forgotten (the items are not freed); true when
 * there was one or more. Thread: the one that takes. */
bool queue_pop_all(struct queue *queue, struct queue_batch *batch);
/* The same, but waits for an item, at most timeout_ms.
 * Errors: ERR_TIMEOUT  nothing came in time
 *         ERR_CLOSED   closed, and nothing is left: nothing will ever come */
MUST_USE enum err queue_pop_wait(struct queue *queue, struct queue_batch *batch,
                                 uint64_t timeout_ms);
void queue_batch_done(struct queue_batch *batch); /* frees the array, not the items */

/* Another bound from now on; what is in it stays. Thread: any */
void queue_set_max_bytes(struct queue *queue, size_t max_bytes);

void queue_close(struct queue *queue);                                /* Thread: any */
void queue_stats(struct queue *queue, struct queue_stats *ret_stats); /* Thread: any */

#endif
