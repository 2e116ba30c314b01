/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of one loop that wait for something new in a slot, each until a time.
 * Thread: the loop's, but for watch_tell. */
#ifndef HTTP_WATCH_H
#define HTTP_WATCH_H

#include "http/request.h"

struct watch {
    struct list readers;
    atomic_uint count;
    atomic_bool has_news; /* something was applied since the list was walked last */
    uint64_t walked_ms;
};

void watch_init(struct watch *watch);
/* req->slot, watched_index and wake_ms say what it waits for. */
void watch_add(struct watch *watch, struct request *req);
bool watch_is_empty(const struct watch *watch);
/* Something was applied. True: the loop should be woken. Thread: any */
bool watch_tell(struct watch *watch);
/* Gives those that are due to on_due: their slot moved, their time has come, or the server stops. */
void watch_walk(struct watch *watch, uint64_t now_ms, bool is_stopping,
                void (*on_due)(struct request *req));
/* The earlier of next_ms (0: never) and the time of the next walk. */
uint64_t watch_next_ms(struct watch *watch, uint64_t next_ms);

#endif
