/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses: a handshake, or its answer. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        probe_hello(bytes_of(data + 1, size - 1));
    else
        probe_hello_reply(bytes_of(data + 1, size - 1));
    return 0;
}
