/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

Suite *suite_tail(void);
Suite *suite_single(void);
Suite *suite_limits(void);
Suite *suite_three(void);
Suite *suite_catchup(void);
Suite *suite_check(void);
Suite *suite_handover(void);
Suite *suite_retention(void);
Suite *suite_place(void);
Suite *suite_member(void);
Suite *suite_space(void);
Suite *suite_query(void);
Suite *suite_tune(void);
Suite *suite_real(void);

UNIT_MAIN(suite_tail, suite_single, suite_limits, suite_three, suite_catchup, suite_check,
          suite_handover, suite_retention, suite_place, suite_member, suite_space, suite_query,
          suite_tune, suite_real)
