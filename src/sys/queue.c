/* SPDX-License-Identifier: Apache-2.0 */
/* Two arrays take turns: pushers fill the queue's, the taker empties its own, and a take swaps
 * them under the lock. So the lock is held for a few instructions, and once both arrays have
 * grown nothing is allocated. Invariants: count <= max_items; bytes is the sum of the weights of
 * what is in it; on_wake was called after the queue last became not empty. */
#include "sys/queue.h"

#include "base/alloc.h"
#include "sys/clock.h"
#include "sys/thread.h"

struct queue {
    struct queue_options options;
    struct cond filled;
    struct mutex mutex;
    /* The mutex guards all below. */
    struct queue_batch inside;
    size_t bytes, peak_count;
    uint64_t pushed, refused;
    bool is_closed;
};

struct queue *queue_new(const struct queue_options *options)
{
    assert(options->max_items > 0);
    struct queue *queue = alloc_zero(sizeof(*queue));
    queue->options = *options;
    mutex_init(&queue->mutex);
    cond_init(&queue->filled);
    return queue;
}

void queue_free(struct queue *queue)
{
    if (queue == NULL)
        return;
    assert(queue->inside.count == 0);
    queue_batch_done(&queue->inside);
    cond_done(&queue->filled);
    mutex_done(&queue->mutex);
    free(queue);
}

static enum err admit(const struct queue *queue, size_t bytes)
{
    if (queue->is_closed)
        return ERR_CLOSED;
    if (queue->inside.count == 0)
        return OK;
    if (queue->inside.count >= queue->options.max_items)
        return ERR_QUEUE_FULL;
    if (queue->bytes >= queue->options.max_bytes || bytes > queue->options.max_bytes - queue->bytes)
        return ERR_QUEUE_FULL;
    return OK;
}

static void add(struct queue *queue, void *item, size_t bytes)
{
    struct queue_batch *inside = &queue->inside;
    if (inside->count == inside->capacity) {
        inside->capacity = inside->capacity == 0 ? 64 : inside->capacity * 2;
        inside->items = alloc_resize(inside->items, inside->capacity, sizeof(void *));
    }
    inside->items[inside->count++] = item;
    queue->bytes += bytes;
    queue->pushed++;
    if (inside->count > queue->peak_count)
        queue->peak_count = inside->count;
}

enum err queue_push(struct queue *queue, void *item, size_t bytes)
{
    assert(item != NULL);
    mutex_lock(&queue->mutex);
    enum err err = admit(queue, bytes);
    bool was_empty = queue->inside.count == 0;
    if (err == OK)
        add(queue, item, bytes);
    else
        queue->refused++;
    /* Signalled with the lock held: the taker may free the queue once it has the item. */
    if (err == OK && was_empty)
        cond_signal(&queue->filled);
    void (*on_wake)(void *arg) = queue->options.on_wake;
    void *arg = queue->options.arg;
    mutex_unlock(&queue->mutex);
    if (err == OK && was_empty && on_wake != NULL)
        on_wake(arg);
    return err;
}

/* Swaps the arrays; the mutex is held. */
static bool take(struct queue *queue, struct queue_batch *batch)
{
    struct queue_batch full = queue->inside;
    queue->inside = (struct queue_batch){batch->items, 0, batch->capacity};
    queue->bytes = 0;
    *batch = full;
    return full.count > 0;
}

bool queue_pop_all(struct queue *queue, struct queue_batch *batch)
{
    mutex_lock(&queue->mutex);
    bool ret = take(queue, batch);
    mutex_unlock(&queue->mutex);
    return ret;
}

enum err queue_pop_wait(struct queue *queue, struct queue_batch *batch, uint64_t timeout_ms)
{
    uint64_t now_ms = clock_mono_ms();
    uint64_t deadline_ms = timeout_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + timeout_ms;
    bool in_time = true;
    mutex_lock(&queue->mutex);
    while (in_time && queue->inside.count == 0 && !queue->is_closed)
        in_time = cond_wait_until(&queue->filled, &queue->mutex, deadline_ms);
    bool is_closed = queue->is_closed;
    bool has_items = take(queue, batch);
    mutex_unlock(&queue->mutex);
    if (has_items)
        return OK;
    return is_closed ? ERR_CLOSED : ERR_TIMEOUT;
}

void queue_batch_done(struct queue_batch *batch)
{
    free(batch->items);
    *batch = (struct queue_batch){NULL, 0, 0};
}

void queue_set_max_bytes(struct queue *queue, size_t max_bytes)
{
    mutex_lock(&queue->mutex);
    queue->options.max_bytes = max_bytes;
    mutex_unlock(&queue->mutex);
}

void queue_close(struct queue *queue)
{
    mutex_lock(&queue->mutex);
    queue->is_closed = true;
    cond_broadcast(&queue->filled);
    void (*on_wake)(void *arg) = queue->options.on_wake;
    void *arg = queue->options.arg;
    mutex_unlock(&queue->mutex);
    if (on_wake != NULL)
        on_wake(arg);
}

void queue_stats(struct queue *queue, struct queue_stats *ret_stats)
{
    mutex_lock(&queue->mutex);
    *ret_stats = (struct queue_stats){.count = queue->inside.count,
                                      .bytes = queue->bytes,
                                      .peak_count = queue->peak_count,
                                      .pushed = queue->pushed,
                                      .refused = queue->refused};
    mutex_unlock(&queue->mutex);
}
