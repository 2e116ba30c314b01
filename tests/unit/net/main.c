/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

UNIT_MAIN(suite_loop, suite_address, suite_sendq, suite_handshake, suite_traffic, suite_trouble,
          suite_traffic_tls, suite_trouble_tls, suite_tls)
