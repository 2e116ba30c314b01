/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_STORE_SUITES_H
#define TESTS_UNIT_STORE_SUITES_H

#include "unit.h"

Suite *suite_backup(void);
Suite *suite_iter(void);
Suite *suite_memdisk(void);
Suite *suite_open(void);
Suite *suite_promise(void);
Suite *suite_raftlog(void);
Suite *suite_random(void);
Suite *suite_raw(void);
Suite *suite_record(void);
Suite *suite_rocks(void);
Suite *suite_rows(void);
Suite *suite_threads(void);

#endif
