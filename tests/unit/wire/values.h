/* SPDX-License-Identifier: Apache-2.0 */
/* Random values of everything that src/wire encodes, and their comparison field by field. Shared
 * by the unit tests and the fuzzers (which must agree on what "equal" means). A generator gives
 * only valid values; slices and arrays live in the arena. */
#ifndef TESTS_UNIT_WIRE_VALUES_H
#define TESTS_UNIT_WIRE_VALUES_H

#include "base/arena.h"
#include "base/rng.h"
#include "wire/call.h"
#include "wire/chunk.h"
#include "wire/command.h"
#include "wire/digest.h"
#include "wire/hello.h"
#include "wire/members.h"
#include "wire/packet.h"

uint64_t gen_number(struct rng *rng); /* of any magnitude, 0 and the largest included */
struct bytes gen_bytes(struct rng *rng, struct arena *arena, size_t min, size_t max);
struct bytes gen_text(struct rng *rng, struct arena *arena, size_t min, size_t max);

void gen_members(struct rng *rng, struct members *ret); /* the caller's */
void gen_command(struct rng *rng, struct arena *arena, struct command *ret);
void gen_config(struct rng *rng, struct raft_config *ret);
/* The payloads of its entries are references that values_done_packet gives back. */
void gen_packet(struct rng *rng, struct arena *arena, struct raft_packet *ret);
void values_done_packet(struct raft_packet *packet);
void gen_request(struct rng *rng, struct arena *arena, struct call_request *ret);
void gen_response(struct rng *rng, struct arena *arena, struct call_response *ret);
void gen_result(struct rng *rng, struct arena *arena, struct wire_result *ret);
void gen_hello(struct rng *rng, struct arena *arena, struct hello *ret);
void gen_hello_reply(struct rng *rng, struct arena *arena, struct hello_reply *ret);
/* Of any kind but CHUNK_ROWS, whose rows come from a chunk_out. */
void gen_chunk(struct rng *rng, struct arena *arena, struct chunk *ret);
void gen_row(struct rng *rng, struct arena *arena, struct chunk_row *ret);
void gen_digest(struct rng *rng, struct wire_digest *ret);

bool same_command(const struct command *a, const struct command *b);
bool same_config(const struct raft_config *a, const struct raft_config *b);
/* But for the local fields. */
bool same_packet(const struct raft_packet *a, const struct raft_packet *b);
bool same_request(const struct call_request *a, const struct call_request *b);
bool same_response(const struct call_response *a, const struct call_response *b);
bool same_result(const struct wire_result *a, const struct wire_result *b);
bool same_hello(const struct hello *a, const struct hello *b);
bool same_hello_reply(const struct hello_reply *a, const struct hello_reply *b);
bool same_chunk(const struct chunk *a, const struct chunk *b);
bool same_digest(const struct wire_digest *a, const struct wire_digest *b);

#endif
