/* SPDX-License-Identifier: Apache-2.0 */
/* The way back to a loop: nothing is lost or doubled, each sender's order is kept, and no push is
 * slept through. */
#include <poll.h>
#include <unistd.h>

#include "http/mailbox.h"
#include "suites.h"
#include "sys/thread.h"

enum { SENDERS = 4, ITEMS = 20000 };

struct letter {
    struct mailbox_item item;
    uint32_t sender, number;
};

static struct mailbox mailbox;
static struct letter letters[SENDERS][ITEMS];

static void send_all(void *arg)
{
    struct letter *own = arg;
    for (uint32_t i = 0; i < ITEMS; i++) {
        mailbox_push(&mailbox, &own[i].item);
        if (i % 64 == 0)
            usleep(50); /* so that the owner falls asleep now and then */
    }
}

static bool has_event(int timeout_ms)
{
    struct pollfd poller = {.fd = mailbox.fd, .events = POLLIN};
    uint64_t count;
    if (poll(&poller, 1, timeout_ms) != 1)
        return false;
    ck_assert_int_eq(read(mailbox.fd, &count, sizeof(count)), sizeof(count));
    return true;
}

START_TEST(keeps_order)
{
    struct letter three[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    ck_assert_int_eq(mailbox_init(&mailbox, NULL), OK);
    ck_assert_ptr_null(mailbox_take(&mailbox));
    for (int i = 0; i < 3; i++)
        mailbox_push(&mailbox, &three[i].item);
    ck_assert(!mailbox_is_empty(&mailbox));
    struct mailbox_item *item = mailbox_take(&mailbox);
    for (uint32_t i = 0; i < 3; i++, item = item->next)
        ck_assert_uint_eq(CONTAINER_OF(item, struct letter, item)->number, i);
    ck_assert_ptr_null(item);
    ck_assert(mailbox_is_empty(&mailbox));
    mailbox_done(&mailbox);
}
END_TEST

START_TEST(wakes_only_a_sleeper)
{
    struct letter a, b, c;
    ck_assert_int_eq(mailbox_init(&mailbox, NULL), OK);
    mailbox_push(&mailbox, &a.item);
    ck_assert(!has_event(0));
    ck_assert(!mailbox_fall_asleep(&mailbox));
    ck_assert_ptr_nonnull(mailbox_take(&mailbox));
    ck_assert(mailbox_fall_asleep(&mailbox));
    mailbox_push(&mailbox, &b.item);
    ck_assert(has_event(0));
    mailbox_push(&mailbox, &c.item);
    ck_assert(!has_event(0));
    mailbox_wake(&mailbox);
    ck_assert(has_event(0));
    ck_assert_ptr_nonnull(mailbox_take(&mailbox));
    mailbox_done(&mailbox);
}
END_TEST

START_TEST(many_senders)
{
    struct thread threads[SENDERS];
    uint32_t next[SENDERS] = {0}, got = 0;
    ck_assert_int_eq(mailbox_init(&mailbox, NULL), OK);
    for (uint32_t i = 0; i < SENDERS; i++) {
        for (uint32_t j = 0; j < ITEMS; j++)
            letters[i][j] = (struct letter){.sender = i, .number = j};
        ck_assert_int_eq(thread_start(&threads[i], "sender", send_all, letters[i]), OK);
    }
    while (got < SENDERS * ITEMS) {
        if (mailbox_fall_asleep(&mailbox))
            ck_assert_msg(has_event(10000), "a push was slept through after %u", got);
        mailbox_wake_up(&mailbox);
        for (struct mailbox_item *item = mailbox_take(&mailbox); item != NULL; item = item->next) {
            struct letter *letter = CONTAINER_OF(item, struct letter, item);
            ck_assert_uint_eq(letter->number, next[letter->sender]++);
            got++;
        }
    }
    for (uint32_t i = 0; i < SENDERS; i++)
        thread_join(&threads[i]);
    ck_assert(mailbox_is_empty(&mailbox));
    mailbox_done(&mailbox);
}
END_TEST

Suite *suite_mailbox(void)
{
    return UNIT_SUITE("mailbox", 60, keeps_order, wakes_only_a_sleeper, many_senders);
}
