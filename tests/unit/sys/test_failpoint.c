/* SPDX-License-Identifier: Apache-2.0 */
/* Failpoints: in a build with them an order is carried out at its place and its time and no other,
 * and a wrong one ends the process; in any other build they are nothing. */
#include "suites.h"

#include "base/check.h"
#include "sys/failpoint.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef LETHE_FAILPOINTS

static int passes(void)
{
    int failed = 0;
    for (int i = 0; i < 5; i++) {
        FAILPOINT("test.plain");
        failed = failed * 2 + FAILPOINT_FAILS("test.fallible");
    }
    return failed;
}

/* How a process ends that has this order: its wait status. what: all that it printed. */
static int status_of(const char *order, char *what, size_t size)
{
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        dup2(pipes[1], STDERR_FILENO);
        setenv("LETHE_FAIL", order, 1);
        failpoint_start();
        _exit(passes());
    }
    close(pipes[1]);
    size_t len = 0;
    ssize_t got;
    while ((got = read(pipes[0], what + len, size - 1 - len)) > 0) {
        len += (size_t)got;
    }
    what[len] = '\0';
    close(pipes[0]);
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

static void exits_with(const char *order, int code, const char *text)
{
    char what[4096];
    int status = status_of(order, what, sizeof(what));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == code, "%s: status %x: %s", order,
                  status, what);
    ck_assert_msg(strstr(what, text) != NULL, "%s: printed '%s', not '%s'", order, what, text);
}

START_TEST(nothing_happens_without_an_order)
{
    unsetenv("LETHE_FAIL");
    failpoint_start();
    ck_assert_int_eq(passes(), 0);
}
END_TEST

START_TEST(error_comes_from_the_nth_time_on)
{
    exits_with("test.fallible:error", 31, "failpoint name=test.fallible action=error");
    exits_with("test.fallible:error:3", 7, "action=error");
    exits_with("test.fallible:error:6", 0, "");
}
END_TEST

START_TEST(abort_ends_at_once)
{
    char what[4096];
    int status = status_of("test.plain:abort:5", what, sizeof(what));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ck_assert_str_eq(what, "failpoint name=test.plain action=abort\n");
}
END_TEST

START_TEST(sleep_waits_and_goes_on)
{
    exits_with("test.plain:sleep=20:2,test.fallible:error:5", 1, "action=sleep");
}
END_TEST

START_TEST(wrong_orders_are_refused)
{
    static const char *const orders[] = {
        "test.plain",         "test.plain:",        "test.plain:burn",  "test.plain:error",
        "test.none:abort",    "test.plain:abort:0", ":abort",           "test.plain:abort:x",
        "test.plain:sleep=0", "test.plain:sleep=x", "test.plain:sleepy"};
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        exits_with(orders[i], 78, "LETHE_FAIL=list names");
    }
}
END_TEST

START_TEST(list_names_all)
{
    exits_with("list", 0, "test.fallible error\n");
    exits_with("list", 0, "test.plain\n");
}
END_TEST

#else

START_TEST(other_builds_have_nothing)
{
    setenv("LETHE_FAIL", "test.plain:abort,nonsense", 1);
    failpoint_start();
    FAILPOINT("test.plain");
    ck_assert(!FAILPOINT_FAILS("test.fallible"));
    unsetenv("LETHE_FAIL");
}
END_TEST

#endif

Suite *suite_failpoint(void)
{
#ifdef LETHE_FAILPOINTS
    return UNIT_SUITE("failpoint", 30, nothing_happens_without_an_order,
                      error_comes_from_the_nth_time_on, abort_ends_at_once, sleep_waits_and_goes_on,
                      wrong_orders_are_refused, list_names_all);
#else
    return UNIT_SUITE("failpoint", 30, other_builds_have_nothing);
#endif
}
