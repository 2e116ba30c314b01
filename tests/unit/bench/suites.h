/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_BENCH_SUITES_H
#define TESTS_UNIT_BENCH_SUITES_H

#include "unit.h"

Suite *suite_histogram(void);
Suite *suite_reply(void);
Suite *suite_journal(void);
Suite *suite_options(void);
Suite *suite_verify(void);
Suite *suite_load(void);

#endif
