/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

Suite *suite_call(void);
Suite *suite_chunk(void);
Suite *suite_command(void);
Suite *suite_config(void);
Suite *suite_digest(void);
Suite *suite_frame(void);
Suite *suite_golden(void);
Suite *suite_hello(void);
Suite *suite_members(void);
Suite *suite_packet(void);

UNIT_MAIN(suite_command, suite_config, suite_frame, suite_packet, suite_call, suite_hello,
          suite_chunk, suite_digest, suite_members, suite_golden)
