/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CTL_SUITES_H
#define TESTS_UNIT_CTL_SUITES_H

#include "unit.h"

Suite *suite_parse(void);
Suite *suite_commands(void);
Suite *suite_operate(void);
Suite *suite_watching(void);
Suite *suite_redact(void);
Suite *suite_admin(void);
Suite *suite_contexts(void);
Suite *suite_tables(void);

#endif
