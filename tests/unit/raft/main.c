/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

UNIT_MAIN(suite_quorum, suite_config, suite_log, suite_progress, suite_group, suite_rules)
