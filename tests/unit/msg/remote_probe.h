/* SPDX-License-Identifier: Apache-2.0 */
/* Gives any bytes to the decoders of msg/remote.h. What they accept must be valid: encoded again and
 * decoded again it gives the same bytes, else the process aborts. For the unit tests and the fuzzer.
 * Each returns whether the bytes were accepted. */
#ifndef TESTS_UNIT_MSG_REMOTE_PROBE_H
#define TESTS_UNIT_MSG_REMOTE_PROBE_H

#include "base/bytes.h"

bool probe_queries(struct bytes bytes);
bool probe_answer(uint8_t kind, struct bytes bytes);

#endif
