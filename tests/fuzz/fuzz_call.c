/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses: a request, a response, or a command's result. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        probe_request(bytes_of(data + 1, size - 1));
    else if (data[0] % 3 == 1)
        probe_response(bytes_of(data + 1, size - 1));
    else
        probe_result(bytes_of(data + 1, size - 1));
    return 0;
}
