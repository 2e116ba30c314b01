/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/digest.h"

#include "base/channel.h"
#include "wire/frame.h"
#include "wire/limits.h"
#include "wire/reading.h"

enum { DIGEST_BYTES_MIN = 1 + 1 + 1 + 16, DIGEST_BYTES_MAX = 2 + 1 + 10 + 16 };
static_assert(2 + DIGESTS_MAX * DIGEST_BYTES_MAX <= WIRE_DIGESTS_MAX_BYTES,
              "the most digests must fit into a frame");

void digest_encode(struct buf *buf, const struct wire_digest *digests, uint32_t count)
{
    assert(count <= DIGESTS_MAX);
    size_t begin = frame_begin(buf, FRAME_DIGESTS);
    buf_put_varint(buf, count);
    for (uint32_t i = 0; i < count; i++) {
        assert(digests[i].slot < SLOTS_MAX && digests[i].verdict < DIGEST_VERDICTS);
        buf_put_varint(buf, digests[i].slot);
        buf_put_u8(buf, digests[i].verdict);
        buf_put_varint(buf, digests[i].index);
        buf_put_le64(buf, digests[i].digest.low);
        buf_put_le64(buf, digests[i].digest.high);
    }
    frame_end(buf, begin);
}

enum err digest_decode(struct bytes body, struct arena *arena,
                       const struct wire_digest **ret_digests, uint32_t *ret_count, struct why *why)
{
    struct reader reader = reader_of(body);
    uint32_t count = reading_count(&reader, DIGESTS_MAX, DIGEST_BYTES_MIN);
    struct wire_digest *digests = arena_zero(arena, count * sizeof(*digests));
    for (uint32_t i = 0; i < count; i++) {
        digests[i].slot = (slot_id)reading_number(&reader, SLOTS_MAX - 1);
        digests[i].verdict = reader_u8(&reader);
        digests[i].index = reader_varint(&reader);
        digests[i].digest.low = reader_le64(&reader);
        digests[i].digest.high = reader_le64(&reader);
        if (digests[i].verdict >= DIGEST_VERDICTS)
            reader.failed = true;
    }
    if (!reader_is_done(&reader))
        return why_set(why, ERR_BAD_FORMAT, "digests of %zu bytes do not add up", body.len);
    *ret_digests = digests;
    *ret_count = count;
    return OK;
}
