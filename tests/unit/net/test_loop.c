/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: posts from many threads come once and in order, wakes are never lost, turns come at
 * their deadlines, timers fire once. */
#include "suites.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "net/loop.h"
#include "sys/clock.h"
#include "sys/thread.h"

enum { THREADS = 4, POSTS = 20000 };

struct poster {
    struct net_loop *loop;
    struct thread thread;
    unsigned next_sent, next_seen, faults;
    atomic_uint seen;
};

struct posted {
    struct poster *poster;
    unsigned number;
};

static void on_posted(void *arg)
{
    struct posted *posted = arg;
    struct poster *poster = posted->poster;
    poster->faults += posted->number != poster->next_seen++ || !net_loop_is_here(poster->loop);
    atomic_fetch_add(&poster->seen, 1);
    free(posted);
}

static void post_many(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < POSTS; i++) {
        struct posted *posted = malloc(sizeof(*posted));
        *posted = (struct posted){poster, i};
        net_post(poster->loop, on_posted, posted);
    }
}

START_TEST(posts_of_four_threads)
{
    struct net_loop *loop;
    ck_assert_int_eq(net_loop_new(NULL, NULL, &loop, NULL), OK);
    ck_assert_int_eq(net_loop_start(loop, "loop", NULL), OK);
    static struct poster posters[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.loop = loop};
        ck_assert_int_eq(thread_start(&posters[i].thread, "poster", post_many, &posters[i]), OK);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(&posters[i].thread);
    }
    uint64_t deadline_ms = clock_mono_ms() + 10000;
    for (unsigned i = 0; i < THREADS; i++) {
        while (atomic_load(&posters[i].seen) < POSTS) {
            ck_assert_uint_lt(clock_mono_ms(), deadline_ms);
        }
    }
    net_loop_stop(loop);
    net_loop_join(loop);
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_uint_eq(posters[i].faults, 0);
        ck_assert_uint_eq(posters[i].next_seen, POSTS);
    }
    net_loop_free(loop);
}
END_TEST

/* One item at a time goes round between two threads: one lost wake and it stands still. */
struct pingpong {
    struct net_loop *loop;
    atomic_uint asked, answered;
};

static uint64_t answer_turn(void *arg)
{
    struct pingpong *pingpong = arg;
    atomic_store(&pingpong->answered, atomic_load(&pingpong->asked));
    return UINT64_MAX;
}

START_TEST(no_wake_is_lost)
{
    struct pingpong pingpong = {0};
    ck_assert_int_eq(net_loop_new(answer_turn, &pingpong, &pingpong.loop, NULL), OK);
    ck_assert_int_eq(net_loop_start(pingpong.loop, "loop", NULL), OK);
    for (unsigned i = 1; i <= 50000; i++) {
        atomic_store(&pingpong.asked, i);
        net_loop_wake(pingpong.loop);
        uint64_t deadline_ms = clock_mono_ms() + 5000;
        while (atomic_load(&pingpong.answered) != i) {
            ck_assert_uint_lt(clock_mono_ms(), deadline_ms);
        }
    }
    net_loop_stop(pingpong.loop);
    net_loop_join(pingpong.loop);
    net_loop_free(pingpong.loop);
}
END_TEST

struct ticking {
    unsigned turns;
    uint64_t next_ms, late_ms;
};

static uint64_t tick_turn(void *arg)
{
    struct ticking *ticking = arg;
    uint64_t now_ms = clock_mono_ms();
    if (ticking->next_ms != 0 && now_ms < ticking->next_ms) {
        return ticking->next_ms; /* some other event */
    }
    if (ticking->next_ms != 0 && now_ms - ticking->next_ms > ticking->late_ms) {
        ticking->late_ms = now_ms - ticking->next_ms;
    }
    ticking->next_ms = now_ms + 10;
    return ++ticking->turns == 20 ? 0 : ticking->next_ms;
}

START_TEST(turns_come_at_deadlines)
{
    struct ticking ticking = {0};
    struct net_loop *loop;
    ck_assert_int_eq(net_loop_new(tick_turn, &ticking, &loop, NULL), OK);
    uint64_t start_ms = clock_mono_ms();
    net_loop_run(loop); /* ends by 0 */
    uint64_t took_ms = clock_mono_ms() - start_ms;
    ck_assert_uint_eq(ticking.turns, 20);
    ck_assert_uint_ge(took_ms, 190);
    ck_assert_uint_lt(took_ms, 5000);
    net_loop_free(loop);
}
END_TEST

struct timing {
    struct net_loop *loop;
    struct net_timer timer, never;
    unsigned fired, never_fired;
};

static void on_time(void *arg)
{
    struct timing *timing = arg;
    if (++timing->fired == 3) {
        net_loop_stop(timing->loop);
    } else {
        net_timer_set(&timing->timer, 5);
    }
}

static void on_never(void *arg)
{
    struct timing *timing = arg;
    timing->never_fired++;
}

START_TEST(timers)
{
    struct timing timing = {0};
    ck_assert_int_eq(net_loop_new(NULL, NULL, &timing.loop, NULL), OK);
    net_timer_init(&timing.timer, timing.loop, on_time, &timing);
    net_timer_init(&timing.never, timing.loop, on_never, &timing);
    net_timer_set(&timing.timer, 10000);
    net_timer_set(&timing.timer, 5); /* replaces */
    net_timer_set(&timing.never, 1);
    net_timer_clear(&timing.never);
    net_loop_run(timing.loop);
    ck_assert_uint_eq(timing.fired, 3);
    ck_assert_uint_eq(timing.never_fired, 0);
    net_timer_done(&timing.timer);
    net_timer_done(&timing.never);
    net_timer_done(&timing.never);
    net_loop_free(timing.loop);
}
END_TEST

static void count_one(void *arg)
{
    ++*(unsigned *)arg;
}

static void post_again(void *arg)
{
    struct pingpong *pingpong = arg;
    atomic_fetch_add(&pingpong->answered, 1);
    net_post(pingpong->loop, count_one, &pingpong->asked);
}

START_TEST(late_posts_are_executed)
{
    struct net_loop *loop;
    ck_assert_int_eq(net_loop_new(NULL, NULL, &loop, NULL), OK);
    unsigned count = 0;
    net_post(loop, count_one, &count);
    ck_assert_uint_eq(count, 0); /* never from inside the call */
    struct pingpong pingpong = {.loop = loop};
    net_post(loop, post_again, &pingpong);
    net_loop_free(loop);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(atomic_load(&pingpong.answered), 1);
    ck_assert_uint_eq(atomic_load(&pingpong.asked), 1);
    net_loop_free(NULL);
}
END_TEST

Suite *suite_loop(void)
{
    return UNIT_SUITE("loop", 60, posts_of_four_threads, no_wake_is_lost, turns_come_at_deadlines,
                      timers, late_posts_are_executed);
}
