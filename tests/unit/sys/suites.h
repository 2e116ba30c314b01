/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of this program, one a file of src/sys, and a helper they share. */
#ifndef TESTS_UNIT_SYS_SUITES_H
#define TESTS_UNIT_SYS_SUITES_H

#include "unit.h"

unit_suite suite_clock, suite_failpoint, suite_file, suite_log, suite_notify, suite_process,
    suite_queue, suite_random, suite_signal, suite_thread;

/* Runs act in a child process; 1 when that ended by a signal or with a failure. */
int dies(void (*act)(void));

#endif
