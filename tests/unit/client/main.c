/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

UNIT_MAIN(suite_client, suite_flags, suite_json, suite_table, suite_url, suite_contexts)
