/* SPDX-License-Identifier: Apache-2.0 */
/* A membership as bytes: the payload of a CONFIG entry, and a field of what travels with installs.
 *
 *   0  u8   version (WIRE_CONFIG_VERSION)
 *   1  le32 crc32c of what follows
 *   5  voters, voters_old, learners, learners_next: each u8 count (at most 7), then varint ids,
 *      ascending
 *
 * Whether such a membership makes sense is the core's business. Thread: any. */
#ifndef WIRE_CONFIG_H
#define WIRE_CONFIG_H

#include "base/blob.h"
#include "base/buf.h"
#include "base/why.h"
#include "raft/types.h"

enum { WIRE_CONFIG_VERSION = 1, WIRE_CONFIG_MAX_BYTES = 5 + 4 * (1 + 3 * RAFT_MEMBERS_MAX) };

/* Each array sorted ascending, ids 1 to 65535, at most 7 of each (asserts). */
void wire_config_encode(struct buf *buf, const struct raft_config *config);
/* The same as a new blob with one reference. */
struct blob *wire_config_blob(const struct raft_config *config);
/* All of bytes must be one membership. Unused places of the arrays are 0.
 * Errors: ERR_BAD_FORMAT    damaged or impossible bytes.
 *         ERR_WRONG_FORMAT  a version this build does not know. */
MUST_USE enum err wire_config_decode(struct bytes bytes, struct raft_config *ret, struct why *why);

/* True when it could be encoded: sorted, within bounds. */
bool wire_config_is_valid(const struct raft_config *config);

#endif
