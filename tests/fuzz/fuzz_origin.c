/* SPDX-License-Identifier: Apache-2.0 */
/* A traceparent header: what is taken names a trace, and is taken again in its plain form. */
#include <string.h>

#include "base/check.h"
#include "base/origin.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char trace[ORIGIN_TRACE_BYTES + 1], again[ORIGIN_TRACE_BYTES + 1], plain[56];
    struct bytes header = bytes_of(data, size);
    if (!origin_read_traceparent(header, trace)) {
        assert(trace[0] == '\0');
        return 0;
    }
    assert(origin_is_trace(bytes_of_string(trace)) && memcmp(trace, data + 3, 32) == 0);
    memcpy(plain, "00", 2);
    memcpy(plain + 2, data + 2, 53);
    plain[55] = '\0';
    assert(origin_read_traceparent(bytes_of_string(plain), again) && strcmp(trace, again) == 0);
    return 0;
}
