/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of slots, compared between replicas at equal log indexes: a leader tells, the others
 * answer. A DIGESTS frame holds many. Owns nothing. Thread: any. */
#ifndef WIRE_DIGEST_H
#define WIRE_DIGEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/why.h"
#include "raft/types.h"

/* "Unknown" is an answer of its own, never "equal": the replica has no digest of that index. */
enum digest_verdict {
    DIGEST_TOLD = 0,
    DIGEST_EQUAL = 1,
    DIGEST_DIFFERENT = 2,
    DIGEST_UNKNOWN = 3,
    DIGEST_VERDICTS /* one more than the last */
};

struct wire_digest {
    slot_id slot;
    uint8_t verdict; /* enum digest_verdict */
    raft_index index;
    struct hash128 digest; /* of the sender, at index */
};

/* More than any frame needs: one told and one answered for each slot. */
enum { DIGESTS_MAX = 8192 };

/* Appends a whole frame; count is at most DIGESTS_MAX (asserts). */
void digest_encode(struct buf *buf, const struct wire_digest *digests, uint32_t count);
/* Decodes the body of a DIGESTS frame into arena. Results are untouched on failure.
 * Errors: ERR_BAD_FORMAT    impossible bytes: drop the link. */
MUST_USE enum err digest_decode(struct bytes body, struct arena *arena,
                                const struct wire_digest **ret_digests, uint32_t *ret_count,
                                struct why *why);

#endif
