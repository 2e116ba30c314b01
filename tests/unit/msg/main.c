/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

Suite *suite_append(void);
Suite *suite_delete(void);
Suite *suite_dedup(void);
Suite *suite_page(void);
Suite *suite_history(void);
Suite *suite_delta(void);
Suite *suite_install(void);
Suite *suite_install_speed(void);
Suite *suite_threads(void);
Suite *suite_speed(void);
Suite *suite_remote(void);

UNIT_MAIN(suite_append, suite_delete, suite_dedup, suite_page, suite_history, suite_delta,
          suite_install, suite_install_speed, suite_threads, suite_remote, suite_speed)
