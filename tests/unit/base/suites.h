/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of this program, one a file of src/base, and a helper they share. */
#ifndef TESTS_UNIT_BASE_SUITES_H
#define TESTS_UNIT_BASE_SUITES_H

#include "unit.h"

unit_suite suite_alloc, suite_arena, suite_blob, suite_buf, suite_bytes, suite_channel, suite_crc,
    suite_err, suite_hash, suite_heap, suite_list, suite_map, suite_origin, suite_ranges, suite_rng,
    suite_utf8, suite_why;

/* Runs act in a child process; 1 when that ended by a signal or with a failure. */
int dies(void (*act)(void));

#endif
