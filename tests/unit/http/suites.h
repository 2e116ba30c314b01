/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_HTTP_SUITES_H
#define TESTS_HTTP_SUITES_H

#include "unit.h"

unit_suite suite_base64, suite_jvalue, suite_path, suite_query, suite_times, suite_cursor;
unit_suite suite_accept, suite_reply, suite_routes, suite_table, suite_mailbox, suite_server;
unit_suite suite_slow, suite_tokens, suite_access, suite_server_tls, suite_tls, suite_doors;
unit_suite suite_forwarded;

#endif
