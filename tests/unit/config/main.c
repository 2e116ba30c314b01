/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

UNIT_MAIN(suite_config, suite_yaml, suite_rules)
