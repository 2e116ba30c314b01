/* SPDX-License-Identifier: Apache-2.0 */
/* Gives any bytes to a decoder. What it accepts must be valid: it is encoded and decoded again and
 * must be the same value, else the process aborts. The unit tests give it damaged bytes, the
 * fuzzers whatever they find. Each returns whether the bytes were accepted. */
#ifndef TESTS_UNIT_WIRE_PROBE_H
#define TESTS_UNIT_WIRE_PROBE_H

#include "base/bytes.h"

bool probe_command(struct bytes bytes);
bool probe_config(struct bytes bytes);
bool probe_packets(struct bytes body);
bool probe_request(struct bytes body);
bool probe_response(struct bytes body);
bool probe_result(struct bytes bytes);
bool probe_hello(struct bytes body);
bool probe_hello_reply(struct bytes body);
bool probe_chunk(struct bytes body);
bool probe_digests(struct bytes body);
/* A stream of frames: fed whole and in pieces that `seed` draws, which must give the same frames
 * and the same end; each body goes to its own probe. True when it all was frames. */
bool probe_stream(struct bytes stream, uint64_t seed);
/* True when it all was frames whose bodies were accepted too. */
bool probe_known_frames(struct bytes stream);

/* Writes the checksum that belongs there, so that what is behind it is reached. In place; too
 * short ones are left alone. */
void probe_seal_command(uint8_t *bytes, size_t len);
void probe_seal_config(uint8_t *bytes, size_t len);
void probe_seal_stream(uint8_t *bytes, size_t len);

#endif
