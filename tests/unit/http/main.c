/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

UNIT_MAIN(suite_base64, suite_jvalue, suite_path, suite_query, suite_times, suite_cursor,
          suite_accept, suite_reply, suite_routes, suite_table, suite_mailbox, suite_server,
          suite_slow, suite_tokens, suite_access, suite_server_tls, suite_tls, suite_doors,
          suite_forwarded)
