/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses: queries, or an answer of that kind. */
#include "msg/types.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/msg/remote_probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t kind = data[0] % MSG_QUERY_KINDS;
    if (kind == 0)
        probe_queries(bytes_of(data + 1, size - 1));
    else
        probe_answer(kind, bytes_of(data + 1, size - 1));
    return 0;
}
