/* SPDX-License-Identifier: Apache-2.0 */
/* Log commands: as they are, and once more with the checksum that belongs to them. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire/probe.h"

#include "base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    probe_command(bytes_of(data, size));
    uint8_t *copy = alloc_copy(data, size);
    probe_seal_command(copy, size);
    probe_command(bytes_of(copy, size));
    free(copy);
    return 0;
}
