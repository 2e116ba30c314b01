/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of frames: the first byte draws the pieces it is fed in, the rest is the stream; as it
 * is, and once more with the checksums that belong to its frames (so that the bodies are read). */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire/probe.h"

#include "base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    probe_stream(bytes_of(data + 1, size - 1), data[0]);
    uint8_t *copy = alloc_copy(data + 1, size - 1);
    probe_seal_stream(copy, size - 1);
    probe_stream(bytes_of(copy, size - 1), data[0]);
    free(copy);
    return 0;
}
