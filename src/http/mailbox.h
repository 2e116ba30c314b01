/* SPDX-License-Identifier: Apache-2.0 */
/* What other threads hand to one loop, and its sleep: many push, the owner takes all at once. A push
 * costs one atomic exchange and wakes the owner only when it sleeps, so that the answers of a whole
 * turn of the node cost one wake-up together.
 *
 * The owner watches `fd` with edge-triggered epoll and never reads it: each write is an edge.
 * Thread: any for mailbox_push and mailbox_wake, the owner for everything else. */
#ifndef HTTP_MAILBOX_H
#define HTTP_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/why.h"

struct mailbox_item {
    struct mailbox_item *next; /* the mailbox's own */
    uint32_t kind;             /* the users' own */
};

struct mailbox {
    _Atomic(struct mailbox_item *) newest;
    atomic_bool is_asleep;
    int fd; /* owned; -1: none */
};

/* Errors: ERR_IO  the system gives no descriptor */
MUST_USE enum err mailbox_init(struct mailbox *mailbox, struct why *why);
void mailbox_done(struct mailbox *mailbox); /* what is in it stays its owner's */
/* item is the owner's from here on: the caller may not touch it again. */
void mailbox_push(struct mailbox *mailbox, struct mailbox_item *item);
/* The next or present sleep of the owner ends: for flags that it looks at when it is awake. */
void mailbox_wake(struct mailbox *mailbox);
/* All that is there, oldest first; NULL: nothing. */
struct mailbox_item *mailbox_take(struct mailbox *mailbox);
bool mailbox_is_empty(const struct mailbox *mailbox);
/* Before waiting for fd: false when something is there already. After it: mailbox_wake_up. */
bool mailbox_fall_asleep(struct mailbox *mailbox);
void mailbox_wake_up(struct mailbox *mailbox);

#endif
