/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_NET_SUITES_H
#define TESTS_UNIT_NET_SUITES_H

#include "unit.h"

Suite *suite_loop(void);
Suite *suite_address(void);
Suite *suite_sendq(void);
Suite *suite_handshake(void);
Suite *suite_traffic(void);
Suite *suite_trouble(void);
Suite *suite_traffic_tls(void);
Suite *suite_trouble_tls(void);
Suite *suite_tls(void);

#endif
