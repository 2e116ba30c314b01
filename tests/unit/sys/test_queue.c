/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <stdatomic.h>

#include "sys/clock.h"
#include "sys/queue.h"
#include "sys/thread.h"

static void count_wake(void *arg)
{
    atomic_int *wakes = arg;
    atomic_fetch_add(wakes, 1);
}

static void *item(uintptr_t number)
{
    return (void *)number;
}

START_TEST(keeps_order_and_wakes_once)
{
    atomic_int wakes = 0;
    struct queue_options options = {10, 1000, count_wake, &wakes};
    struct queue *queue = queue_new(&options);
    struct queue_batch batch = {NULL, 0, 0};
    ck_assert(!queue_pop_all(queue, &batch));
    for (int round = 1; round <= 3; round++) {
        for (uintptr_t i = 1; i <= 10; i++)
            ck_assert_int_eq(queue_push(queue, item(i), 1), OK);
        ck_assert_int_eq(wakes, round); /* at the first of the ten alone */
        ck_assert(queue_pop_all(queue, &batch));
        ck_assert_uint_eq(batch.count, 10);
        for (uintptr_t i = 0; i < 10; i++)
            ck_assert_ptr_eq(batch.items[i], item(i + 1));
    }
    ck_assert(!queue_pop_all(queue, &batch));
    ck_assert_uint_eq(batch.count, 0);
    queue_batch_done(&batch);
    queue_free(queue);
    queue_free(NULL);
}
END_TEST

START_TEST(both_bounds_hold)
{
    struct queue_options options = {3, 100, NULL, NULL};
    struct queue *queue = queue_new(&options);
    struct queue_batch batch = {NULL, 0, 0};
    struct queue_stats stats;
    ck_assert_int_eq(queue_push(queue, item(1), 60), OK);
    ck_assert_int_eq(queue_push(queue, item(2), 41), ERR_QUEUE_FULL);
    ck_assert_int_eq(queue_push(queue, item(2), SIZE_MAX), ERR_QUEUE_FULL);
    ck_assert_int_eq(queue_push(queue, item(3), 40), OK);
    ck_assert_int_eq(queue_push(queue, item(4), 0), ERR_QUEUE_FULL);
    queue_stats(queue, &stats);
    ck_assert_uint_eq(stats.count, 2);
    ck_assert_uint_eq(stats.bytes, 100);
    ck_assert(queue_pop_all(queue, &batch));
    for (uintptr_t i = 1; i <= 3; i++)
        ck_assert_int_eq(queue_push(queue, item(i), 0), OK);
    ck_assert_int_eq(queue_push(queue, item(4), 0), ERR_QUEUE_FULL);
    ck_assert(queue_pop_all(queue, &batch));
    /* What is heavier than the whole queue passes alone: else it could never pass. */
    ck_assert_int_eq(queue_push(queue, item(5), 1000), OK);
    ck_assert_int_eq(queue_push(queue, item(6), 1), ERR_QUEUE_FULL);
    ck_assert(queue_pop_all(queue, &batch));
    queue_stats(queue, &stats);
    ck_assert_uint_eq(stats.count, 0);
    ck_assert_uint_eq(stats.bytes, 0);
    ck_assert_uint_eq(stats.peak_count, 3);
    ck_assert_uint_eq(stats.pushed, 6);
    ck_assert_uint_eq(stats.refused, 5);
    queue_batch_done(&batch);
    queue_free(queue);
}
END_TEST

START_TEST(its_bound_of_bytes_changes)
{
    struct queue_options options = {10, 100, NULL, NULL};
    struct queue *queue = queue_new(&options);
    struct queue_batch batch = {NULL, 0, 0};
    ck_assert_int_eq(queue_push(queue, item(1), 90), OK);
    queue_set_max_bytes(queue, 50); /* what is in it stays */
    ck_assert_int_eq(queue_push(queue, item(2), 0), ERR_QUEUE_FULL);
    queue_set_max_bytes(queue, 200);
    ck_assert_int_eq(queue_push(queue, item(2), 110), OK);
    ck_assert_int_eq(queue_push(queue, item(3), 1), ERR_QUEUE_FULL);
    ck_assert(queue_pop_all(queue, &batch));
    ck_assert_uint_eq(batch.count, 2);
    queue_batch_done(&batch);
    queue_free(queue);
}
END_TEST

START_TEST(waits_in_vain_and_ends_when_closed)
{
    atomic_int wakes = 0;
    struct queue_options options = {3, 100, count_wake, &wakes};
    struct queue *queue = queue_new(&options);
    struct queue_batch batch = {NULL, 0, 0};
    uint64_t start_ms = clock_mono_ms();
    ck_assert_int_eq(queue_pop_wait(queue, &batch, 30), ERR_TIMEOUT);
    ck_assert_uint_ge(clock_mono_ms(), start_ms + 30);
    ck_assert_int_eq(queue_pop_wait(queue, &batch, 0), ERR_TIMEOUT);
    ck_assert_int_eq(queue_push(queue, item(1), 1), OK);
    queue_close(queue);
    ck_assert_int_eq(wakes, 2);
    ck_assert_int_eq(queue_push(queue, item(2), 1), ERR_CLOSED);
    /* What is in it still comes out. */
    ck_assert_int_eq(queue_pop_wait(queue, &batch, UINT64_MAX), OK);
    ck_assert_uint_eq(batch.count, 1);
    ck_assert_int_eq(queue_pop_wait(queue, &batch, UINT64_MAX), ERR_CLOSED);
    ck_assert_uint_eq(batch.count, 0);
    queue_batch_done(&batch);
    queue_free(queue);
}
END_TEST

/* Many push numbers, one takes them: every number that was not refused arrives, once, and those
 * of one pusher in its order. */
enum { PUSHERS = 4, PUSHES = 20000 };
struct pusher {
    struct queue *queue;
    uint32_t number;
    uint64_t refused;
};

static void push_many(void *arg)
{
    struct pusher *me = arg;
    for (uint32_t i = 1; i <= PUSHES; i++) {
        void *what = item(((uintptr_t)me->number << 32) | i);
        while (queue_push(me->queue, what, i % 100) != OK) {
            me->refused++;
            sched_yield();
        }
    }
}

struct taker {
    struct queue *queue;
    uint32_t last[PUSHERS];
    uint64_t taken, out_of_order;
    enum err end;
};

static void take_all(void *arg)
{
    struct taker *me = arg;
    struct queue_batch batch = {NULL, 0, 0};
    while ((me->end = queue_pop_wait(me->queue, &batch, 20000)) == OK) {
        for (size_t i = 0; i < batch.count; i++) {
            uintptr_t what = (uintptr_t)batch.items[i];
            uint32_t *last = &me->last[what >> 32];
            me->out_of_order += (uint32_t)what != *last + 1;
            *last = (uint32_t)what;
            me->taken++;
        }
    }
    queue_batch_done(&batch);
}

START_TEST(threads_lose_nothing)
{
    struct queue_options options = {500, 20000, NULL, NULL};
    struct queue *queue = queue_new(&options);
    struct pusher pushers[PUSHERS];
    struct taker taker = {.queue = queue};
    struct thread threads[PUSHERS], taking;
    ck_assert_int_eq(thread_start(&taking, "taker", take_all, &taker), OK);
    for (uint32_t i = 0; i < PUSHERS; i++) {
        pushers[i] = (struct pusher){queue, i, 0};
        ck_assert_int_eq(thread_start(&threads[i], "pusher", push_many, &pushers[i]), OK);
    }
    uint64_t refused = 0;
    for (uint32_t i = 0; i < PUSHERS; i++) {
        thread_join(&threads[i]);
        refused += pushers[i].refused;
    }
    queue_close(queue);
    thread_join(&taking);
    ck_assert_int_eq(taker.end, ERR_CLOSED);
    ck_assert_uint_eq(taker.taken, (uint64_t)PUSHERS * PUSHES);
    ck_assert_uint_eq(taker.out_of_order, 0);
    struct queue_stats stats;
    queue_stats(queue, &stats);
    ck_assert_uint_eq(stats.pushed, (uint64_t)PUSHERS * PUSHES);
    ck_assert_uint_eq(stats.refused, refused);
    ck_assert_uint_le(stats.peak_count, 500);
    queue_free(queue);
}
END_TEST

static void free_with_items(void)
{
    struct queue_options options = {3, 100, NULL, NULL};
    struct queue *queue = queue_new(&options);
    if (queue_push(queue, item(1), 1) == OK)
        queue_free(queue);
}

START_TEST(items_must_not_be_forgotten)
{
    ck_assert_int_eq(dies(free_with_items), 1);
}
END_TEST

Suite *suite_queue(void)
{
    return UNIT_SUITE("queue", 120, keeps_order_and_wakes_once, both_bounds_hold,
                      its_bound_of_bytes_changes, waits_in_vain_and_ends_when_closed,
                      threads_lose_nothing, items_must_not_be_forgotten);
}
