/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/signal.h"
#include "sys/thread.h"

START_TEST(signals_are_events)
{
    struct signal_source source;
    ck_assert_int_eq(signal_open(&source, NULL), OK);
    ck_assert_int_eq(signal_wait(&source, 0), SIGNAL_NONE);
    ck_assert_int_eq(kill(getpid(), SIGHUP), 0);
    ck_assert_int_eq(signal_wait(&source, 5000), SIGNAL_RELOAD);
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    ck_assert_int_eq(signal_wait(&source, -1), SIGNAL_STOP);
    ck_assert_int_eq(kill(getpid(), SIGINT), 0);
    ck_assert_int_eq(signal_wait(&source, -1), SIGNAL_STOP);
    uint64_t start_ms = clock_mono_ms();
    ck_assert_int_eq(signal_wait(&source, 30), SIGNAL_NONE);
    ck_assert_uint_ge(clock_mono_ms(), start_ms + 29);
    signal_close(&source);
    ck_assert_int_eq(source.fd, -1);
    signal_close(&source);
}
END_TEST

static void signal_later(void *arg)
{
    (void)arg;
    const struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
    /* To this very thread's process; the thread itself has it blocked as well. */
    kill(getpid(), SIGHUP);
    nanosleep(&pause, NULL);
}

START_TEST(threads_are_left_alone)
{
    struct signal_source source;
    struct thread thread;
    ck_assert_int_eq(signal_open(&source, NULL), OK);
    ck_assert_int_eq(thread_start(&thread, "later", signal_later, NULL), OK);
    ck_assert_int_eq(signal_wait(&source, 5000), SIGNAL_RELOAD);
    thread_join(&thread);
    signal_close(&source);
}
END_TEST

START_TEST(a_broken_pipe_is_an_error_code)
{
    struct signal_source source;
    ck_assert_int_eq(signal_open(&source, NULL), OK);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq(write(ends[1], "x", 1), -1); /* and the process lives */
    close(ends[1]);
    signal_close(&source);
}
END_TEST

Suite *suite_signal(void)
{
    return UNIT_SUITE("signal", 30, signals_are_events, threads_are_left_alone,
                      a_broken_pipe_is_an_error_code);
}
