/* SPDX-License-Identifier: Apache-2.0 */
#include "http/mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

enum err mailbox_init(struct mailbox *mailbox, struct why *why)
{
    atomic_init(&mailbox->newest, NULL);
    atomic_init(&mailbox->is_asleep, false);
    mailbox->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->fd < 0)
        return why_set(why, ERR_IO, "no event descriptor: %s", strerror(errno));
    return OK;
}

void mailbox_done(struct mailbox *mailbox)
{
    if (mailbox->fd >= 0)
        close(mailbox->fd);
    mailbox->fd = -1;
}

void mailbox_wake(struct mailbox *mailbox)
{
    uint64_t one = 1;
    /* Its counter would be full after 2^64 writes: no write can fail. */
    ssize_t written = write(mailbox->fd, &one, sizeof(one));
    assert(written == (ssize_t)sizeof(one));
}

/* Push, then look whether the owner sleeps; the owner says that it sleeps, then looks for a push:
 * with sequentially consistent atomics at least one of the two sees the other. */
void mailbox_push(struct mailbox *mailbox, struct mailbox_item *item)
{
    struct mailbox_item *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do
        item->next = newest;
    while (!atomic_compare_exchange_weak(&mailbox->newest, &newest, item));
    if (atomic_load(&mailbox->is_asleep) && atomic_exchange(&mailbox->is_asleep, false))
        mailbox_wake(mailbox);
}

struct mailbox_item *mailbox_take(struct mailbox *mailbox)
{
    if (mailbox_is_empty(mailbox))
        return NULL;
    struct mailbox_item *at = atomic_exchange(&mailbox->newest, NULL), *ret = NULL;
    while (at != NULL) {
        struct mailbox_item *older = at->next;
        at->next = ret;
        ret = at;
        at = older;
    }
    return ret;
}

bool mailbox_is_empty(const struct mailbox *mailbox)
{
    return atomic_load((_Atomic(struct mailbox_item *) *)(uintptr_t)&mailbox->newest) == NULL;
}

bool mailbox_fall_asleep(struct mailbox *mailbox)
{
    atomic_store(&mailbox->is_asleep, true);
    if (mailbox_is_empty(mailbox))
        return true;
    mailbox_wake_up(mailbox);
    return false;
}

void mailbox_wake_up(struct mailbox *mailbox)
{
    atomic_store_explicit(&mailbox->is_asleep, false, memory_order_relaxed);
}
