/* SPDX-License-Identifier: Apache-2.0 */
#include "old.h"

UNIT_MAIN(suite_journal, suite_build, suite_lost)
