/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CLIENT_SUITES_H
#define TESTS_UNIT_CLIENT_SUITES_H

#include "unit.h"

Suite *suite_client(void);
Suite *suite_flags(void);
Suite *suite_json(void);
Suite *suite_table(void);
Suite *suite_url(void);
Suite *suite_contexts(void);

#endif
