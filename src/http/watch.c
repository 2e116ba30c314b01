/* SPDX-License-Identifier: Apache-2.0 */
/* Readers that wait for something new in a slot: long polls and tails. They stand in a list of their
 * loop; the node's loop says "something was applied somewhere", and the list is walked then, comparing
 * one number for each reader. How often it is walked is bounded by its length, so that many readers
 * of a busy slot cost a loop at most 10 wake-ups a millisecond. */
#include "http/watch.h"

#include "sys/log.h"

enum { WALK_LEAST_MS = 2, WALKED_PER_MS = 10, WALK_MOST_MS = 50 };

void watch_init(struct watch *watch)
{
    list_init(&watch->readers);
}

void watch_add(struct watch *watch, struct request *req)
{
    list_append(&watch->readers, &req->wake_link);
    atomic_fetch_add(&watch->count, 1);
    /* What came between its read and now was told to nobody. */
    atomic_store(&watch->has_news, true);
}

bool watch_is_empty(const struct watch *watch)
{
    return watch->readers.next == &watch->readers;
}

bool watch_tell(struct watch *watch)
{
    if (atomic_load(&watch->count) == 0)
        return false;
    return !atomic_exchange(&watch->has_news, true);
}

/* The time of the next walk. */
static uint64_t due_ms(struct watch *watch)
{
    if (!atomic_load(&watch->has_news))
        return watch->walked_ms + WALK_MOST_MS;
    uint64_t pause_ms = atomic_load(&watch->count) / WALKED_PER_MS;
    return watch->walked_ms + (pause_ms < WALK_LEAST_MS ? WALK_LEAST_MS : pause_ms);
}

uint64_t watch_next_ms(struct watch *watch, uint64_t next_ms)
{
    if (watch_is_empty(watch))
        return next_ms;
    uint64_t due = due_ms(watch);
    return next_ms == 0 || due < next_ms ? due : next_ms;
}

void watch_walk(struct watch *watch, uint64_t now_ms, bool is_stopping,
                void (*on_due)(struct request *req))
{
    if (watch_is_empty(watch) || (now_ms < due_ms(watch) && !is_stopping))
        return;
    watch->walked_ms = now_ms;
    atomic_store(&watch->has_news, false);
    struct list *item = watch->readers.next;
    while (item != &watch->readers) {
        struct request *req = CONTAINER_OF(item, struct request, wake_link);
        item = item->next;
        if (!is_stopping && now_ms < req->wake_ms &&
            node_applied_index(http_node(req->http), req->slot) <= req->watched_index)
            continue;
        list_remove(&req->wake_link);
        atomic_fetch_sub(&watch->count, 1);
        on_due(req);
    }
}
