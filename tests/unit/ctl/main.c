/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

UNIT_MAIN(suite_parse, suite_commands, suite_operate, suite_watching, suite_redact, suite_admin,
          suite_contexts, suite_tables)
