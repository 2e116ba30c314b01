/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <string.h>

#include "sys/clock.h"
#include "sys/thread.h"

static void read_name(void *arg)
{
    /* The creator names the thread, which may come a moment after it started to run. */
    uint64_t deadline_ms = clock_mono_ms() + 5000;
    do
        pthread_getname_np(pthread_self(), arg, THREAD_NAME_SIZE);
    while (strncmp(arg, "a-name", 6) != 0 && clock_mono_ms() < deadline_ms);
}

START_TEST(runs_under_its_name_and_is_joined)
{
    struct thread thread;
    char name[THREAD_NAME_SIZE] = "";
    ck_assert_int_eq(thread_start(&thread, "a-name-that-is-too-long", read_name, name), OK);
    thread_join(&thread);
    ck_assert_str_eq(name, "a-name-that-is-");
    thread_join(&thread); /* the second time does nothing */
    struct thread never = {0};
    thread_join(&never);
}
END_TEST

static struct thread_owner owner;
static bool other_is_owner;

static void ask_owner(void *arg)
{
    (void)arg;
    other_is_owner = thread_is(&owner);
}

static bool ask_in_another(void)
{
    struct thread thread;
    ck_assert_int_eq(thread_start(&thread, "other", ask_owner, NULL), OK);
    thread_join(&thread);
    return other_is_owner;
}

START_TEST(an_owner_is_one_thread)
{
    ck_assert(thread_is(&owner)); /* nobody's is anybody's */
    ck_assert(ask_in_another());
    thread_claim(&owner);
    ck_assert(thread_is(&owner));
    ck_assert(!ask_in_another());
    ASSERT_THREAD(&owner);
    thread_release(&owner);
    ck_assert(ask_in_another());
}
END_TEST

static void touch(void *arg)
{
    (void)arg;
    ASSERT_THREAD(&owner);
}

static void touch_from_another(void)
{
    struct thread thread;
    thread_claim(&owner);
    if (thread_start(&thread, "other", touch, NULL) == OK)
        thread_join(&thread);
}

START_TEST(another_thread_aborts)
{
    ck_assert_int_eq(dies(touch_from_another), 1);
}
END_TEST

/* Threads hand a turn round by one condition; each must see all that the one before wrote. */
enum { PLAYERS = 4, TURNS = 2000 };
static struct mutex mutex = {PTHREAD_MUTEX_INITIALIZER};
static struct cond turn_changed;
static unsigned turn;

static void play(void *arg)
{
    const unsigned *me = arg;
    mutex_lock(&mutex);
    for (unsigned i = 0; i < TURNS; i++) {
        while (turn % PLAYERS != *me)
            cond_wait(&turn_changed, &mutex);
        turn++;
        cond_broadcast(&turn_changed);
    }
    mutex_unlock(&mutex);
}

START_TEST(conditions_wake)
{
    struct thread threads[PLAYERS];
    unsigned numbers[PLAYERS];
    cond_init(&turn_changed);
    for (unsigned i = 0; i < PLAYERS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(thread_start(&threads[i], "player", play, &numbers[i]), OK);
    }
    for (unsigned i = 0; i < PLAYERS; i++)
        thread_join(&threads[i]);
    ck_assert_uint_eq(turn, PLAYERS * TURNS);
    cond_done(&turn_changed);
}
END_TEST

START_TEST(a_timed_wait_ends)
{
    struct cond cond;
    struct mutex own;
    cond_init(&cond);
    mutex_init(&own);
    mutex_lock(&own);
    uint64_t start_ms = clock_mono_ms();
    while (cond_wait_until(&cond, &own, start_ms + 30))
        ;
    ck_assert_uint_ge(clock_mono_ms(), start_ms + 30);
    ck_assert_uint_lt(clock_mono_ms(), start_ms + 5000);
    ck_assert(!cond_wait_until(&cond, &own, 0)); /* long ago */
    mutex_unlock(&own);
    mutex_done(&own);
    cond_done(&cond);
}
END_TEST

Suite *suite_thread(void)
{
    return UNIT_SUITE("thread", 60, runs_under_its_name_and_is_joined, an_owner_is_one_thread,
                      another_thread_aborts, conditions_wake, a_timed_wait_ends);
}
