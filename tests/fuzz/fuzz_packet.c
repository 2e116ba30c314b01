/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses: the packets of a frame's body, or a membership (with its checksum). */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire/probe.h"

#include "base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0) {
        probe_packets(bytes_of(data + 1, size - 1));
        return 0;
    }
    uint8_t *copy = alloc_copy(data + 1, size - 1);
    probe_seal_config(copy, size - 1);
    probe_config(bytes_of(copy, size - 1));
    free(copy);
    return 0;
}
