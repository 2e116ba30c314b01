/* SPDX-License-Identifier: Apache-2.0 */
/* Places where a test build can end, wait or fail on order: `make FAILPOINTS=1`. Any other build has
 * nothing of it, neither code nor names (scripts/check-failpoints).
 *
 *   LETHE_FAIL=name:action[:n][,...]    from the n-th time on that the place is passed (default 1)
 *     abort        the process ends there, as by kill -9: nothing is written out any more; once
 *     sleep[=ms]   it waits, 5000 ms by default; once
 *     error        it fails with the error that a broken disk gives there; from then on each time
 *   LETHE_FAIL=list                     prints all names, marked where error is possible, and ends
 *
 * What happens is told on stderr, one line "failpoint name=... action=...", before it happens.
 * Thread: any; failpoint_start: main, before other threads. */
#ifndef SYS_FAILPOINT_H
#define SYS_FAILPOINT_H

#include <stdbool.h>

#ifdef LETHE_FAILPOINTS

#include <stdatomic.h>

struct failpoint {
    const char *name;
    bool can_fail;
    atomic_uint passed;
};

/* Reads LETHE_FAIL. Ends the process with 78 when it is wrong: a test with a typo proves nothing. */
void failpoint_start(void);
/* true: fail now. */
bool failpoint_pass(struct failpoint *point);

#define FAILPOINT_MADE(text, fallible)                                                             \
    static struct failpoint here_ = {.name = (text), .can_fail = (fallible)};                      \
    static struct failpoint *const listed_ __attribute__((section("lethe_failpoints"), used)) =    \
        &here_
#define FAILPOINT(text)                                                                            \
    do {                                                                                           \
        FAILPOINT_MADE(text, false);                                                               \
        (void)failpoint_pass(&here_);                                                              \
    } while (0)
#define FAILPOINT_FAILS(text)                                                                      \
    ({                                                                                             \
        FAILPOINT_MADE(text, true);                                                                \
        failpoint_pass(&here_);                                                                    \
    })

#else

#define failpoint_start() ((void)0)
#define FAILPOINT(text) ((void)0)     /* a statement */
#define FAILPOINT_FAILS(text) (false) /* whether to fail there */

#endif
#endif
