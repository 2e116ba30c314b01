/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

UNIT_MAIN(suite_record, suite_raw, suite_rows, suite_iter, suite_raftlog, suite_open, suite_promise,
          suite_memdisk, suite_rocks, suite_random, suite_threads, suite_backup)
