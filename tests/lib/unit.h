/* SPDX-License-Identifier: Apache-2.0 */
/* Shared main of the unit test programs, one program a room, and small helpers.
 * Environment: T=file runs only that suite; CK_FORK=no runs in one process (for a debugger). */
#ifndef TESTS_LIB_UNIT_H
#define TESTS_LIB_UNIT_H

#include <check.h>
#include <stddef.h>

typedef Suite *unit_suite(void);

/* Runs the suites; prints Check's summary; 0 when all passed. */
int unit_run(unit_suite *const suites[], size_t count);

#define UNIT_MAIN(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        unit_suite *const suites[] = {__VA_ARGS__};                                                \
        return unit_run(suites, sizeof(suites) / sizeof(suites[0]));                               \
    }

/* A Suite of one case with these tests, for the common case. timeout_s: of each test. */
Suite *unit_suite_of(const char *name, double timeout_s, const TTest *const tests[], size_t count);
#define UNIT_SUITE(name, timeout_s, ...)                                                           \
    unit_suite_of(name, timeout_s, (const TTest *const[]){__VA_ARGS__},                            \
                  sizeof((const TTest *const[]){__VA_ARGS__}) / sizeof(const TTest *))

/* The same, with something done before each test. */
Suite *unit_suite_with(const char *name, double timeout_s, void (*before)(void),
                       const TTest *const tests[], size_t count);

/* A fresh folder under $TMPDIR (or /tmp), removed at exit of the test program. Free the path. */
char *unit_temp_dir(void);

#endif
