/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_RAFT_SUITES_H
#define UNIT_RAFT_SUITES_H

#include "unit.h"

Suite *suite_quorum(void);
Suite *suite_config(void);
Suite *suite_log(void);
Suite *suite_progress(void);
Suite *suite_group(void);
Suite *suite_rules(void);

#endif
