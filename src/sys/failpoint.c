/* SPDX-License-Identifier: Apache-2.0 */
/* Empty but in builds with failpoints. Each FAILPOINT puts a pointer into a section of its own, so
 * the linker makes the list of all there are; LETHE_FAIL is read once and only read afterwards. */
#include "sys/failpoint.h"

#ifdef LETHE_FAILPOINTS

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

enum { ORDERS_MAX = 16, EXIT_WRONG = 78, SLEEP_MS = 5000 };
enum failpoint_action { FAIL_ABORT, FAIL_SLEEP, FAIL_ERROR };

struct order {
    char name[48];
    enum failpoint_action action;
    unsigned nth, sleep_ms;
};

static struct order orders[ORDERS_MAX];
static size_t orders_count;

/* Bounds that the linker sets. */
extern struct failpoint *const __start_lethe_failpoints[] __attribute__((weak));
extern struct failpoint *const __stop_lethe_failpoints[] __attribute__((weak));

static struct failpoint *failpoint_find(const char *name)
{
    for (struct failpoint *const *at = __start_lethe_failpoints; at < __stop_lethe_failpoints;
         at++) {
        if (strcmp((*at)->name, name) == 0) {
            return *at;
        }
    }
    return NULL;
}

static void failpoint_list(void)
{
    for (struct failpoint *const *at = __start_lethe_failpoints; at < __stop_lethe_failpoints;
         at++) {
        printf("%s%s\n", (*at)->name, (*at)->can_fail ? " error" : "");
    }
    exit(fflush(stdout) == 0 ? 0 : EXIT_WRONG);
}

static _Noreturn void failpoint_wrong(const char *order, const char *what)
{
    (void)fprintf(stderr, "LETHE_FAIL: '%s': %s; LETHE_FAIL=list names what there is\n", order,
                  what);
    _exit(EXIT_WRONG);
}

static bool failpoint_number(const char *text, unsigned *ret)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *ret = (unsigned)value;
    return end != text && *end == '\0' && value >= 1 && value <= 10000000;
}

static void failpoint_action_of(const char *text, const char *word, struct order *order)
{
    order->sleep_ms = SLEEP_MS;
    if (strcmp(word, "abort") == 0) {
        order->action = FAIL_ABORT;
    } else if (strcmp(word, "error") == 0) {
        order->action = FAIL_ERROR;
    } else if (strncmp(word, "sleep", 5) == 0) {
        order->action = FAIL_SLEEP;
        if (word[5] != '\0' && (word[5] != '=' || !failpoint_number(word + 6, &order->sleep_ms))) {
            failpoint_wrong(text, "sleep=ms takes 1 to 10000000");
        }
    } else {
        failpoint_wrong(text, "the action is none of abort, sleep, error");
    }
}

/* text: name:action[:n] */
static void failpoint_order(const char *text)
{
    char copy[128];
    char *rest = copy;
    if (orders_count == ORDERS_MAX || strlen(text) >= sizeof(copy)) {
        failpoint_wrong(text, "too many or too long");
    }
    memcpy(copy, text, strlen(text) + 1);
    struct order *order = &orders[orders_count];
    const char *name = strsep(&rest, ":"), *action = strsep(&rest, ":");
    order->nth = 1;
    if (action == NULL || (rest != NULL && !failpoint_number(rest, &order->nth))) {
        failpoint_wrong(text, "not of the form name:action[:n]");
    }
    failpoint_action_of(text, action, order);
    const struct failpoint *point = failpoint_find(name);
    if (point == NULL) {
        failpoint_wrong(text, "there is no such place");
    }
    if (order->action == FAIL_ERROR && !point->can_fail) {
        failpoint_wrong(text, "this place cannot fail");
    }
    (void)snprintf(order->name, sizeof(order->name), "%s", name);
    orders_count++;
}

void failpoint_start(void)
{
    const char *value = getenv("LETHE_FAIL");
    orders_count = 0;
    if (value == NULL || value[0] == '\0') {
        return;
    }
    if (strcmp(value, "list") == 0) {
        failpoint_list();
    }
    char *copy = strdup(value), *rest = copy;
    for (const char *text = strsep(&rest, ","); text != NULL; text = strsep(&rest, ",")) {
        failpoint_order(text);
    }
    free(copy);
    (void)unsetenv("LETHE_FAIL"); /* it is no option: the configuration would wonder */
}

static void failpoint_tell(const struct order *order, const char *action)
{
    char line[128];
    int len = snprintf(line, sizeof(line), "failpoint name=%s action=%s\n", order->name, action);
    if (write(STDERR_FILENO, line, (size_t)len) != len) {
        abort(); /* nobody would know why what follows happens */
    }
}

static bool failpoint_carry_out(const struct order *order, unsigned passed)
{
    if (order->action == FAIL_ERROR) {
        if (passed == order->nth) {
            failpoint_tell(order, "error");
        }
        return true;
    }
    if (passed != order->nth) {
        return false;
    }
    if (order->action == FAIL_ABORT) {
        failpoint_tell(order, "abort");
        (void)raise(SIGKILL); /* no handler, no core, no buffer: what a crash leaves */
    }
    failpoint_tell(order, "sleep");
    struct timespec wait = {order->sleep_ms / 1000, (long)(order->sleep_ms % 1000) * 1000000};
    (void)nanosleep(&wait, NULL);
    return false;
}

bool failpoint_pass(struct failpoint *point)
{
    unsigned passed = atomic_fetch_add(&point->passed, 1) + 1;
    for (size_t i = 0; i < orders_count; i++) {
        if (passed >= orders[i].nth && strcmp(orders[i].name, point->name) == 0) {
            return failpoint_carry_out(&orders[i], passed);
        }
    }
    return false;
}

#endif
