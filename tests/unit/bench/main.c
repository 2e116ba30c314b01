/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

UNIT_MAIN(suite_histogram, suite_reply, suite_journal, suite_options, suite_verify, suite_load)
