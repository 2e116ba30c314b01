/* SPDX-License-Identifier: Apache-2.0 */
/* https://www.w3.org/TR/trace-context/ section 3.2: version "-" trace-id "-" parent-id "-" flags, in
 * lower case. A version above 00 may have more behind another "-"; ff is none. */
#include "base/origin.h"

#include <string.h>

enum {
    TRACE_AT = 3,
    PARENT_AT = TRACE_AT + ORIGIN_TRACE_BYTES + 1,
    PARENT_BYTES = 16,
    FLAGS_AT = PARENT_AT + PARENT_BYTES + 1,
    HEADER_BYTES = FLAGS_AT + 2
};

bool origin_is_id(struct bytes text)
{
    if (text.len < 1 || text.len > ORIGIN_ID_MAX_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_word && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

static bool is_hex(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!((at[i] >= '0' && at[i] <= '9') || (at[i] >= 'a' && at[i] <= 'f')))
            return false;
    return true;
}

/* Hex that names something: zeros alone name nothing. */
static bool is_name(const uint8_t *at, size_t len)
{
    bool has_bit = false;
    for (size_t i = 0; i < len; i++)
        has_bit |= at[i] != '0';
    return has_bit && is_hex(at, len);
}

bool origin_is_trace(struct bytes text)
{
    return text.len == ORIGIN_TRACE_BYTES && is_name(text.data, text.len);
}

bool origin_read_traceparent(struct bytes header, char ret_trace[ORIGIN_TRACE_BYTES + 1])
{
    const uint8_t *at = header.data;
    ret_trace[0] = '\0';
    if (header.len < HEADER_BYTES || !is_hex(at, 2) || (at[0] == 'f' && at[1] == 'f'))
        return false;
    bool is_first_version = at[0] == '0' && at[1] == '0';
    if (header.len > HEADER_BYTES && (is_first_version || at[HEADER_BYTES] != '-'))
        return false;
    if (at[TRACE_AT - 1] != '-' || at[PARENT_AT - 1] != '-' || at[FLAGS_AT - 1] != '-' ||
        !is_name(at + TRACE_AT, ORIGIN_TRACE_BYTES) || !is_name(at + PARENT_AT, PARENT_BYTES) ||
        !is_hex(at + FLAGS_AT, 2))
        return false;
    memcpy(ret_trace, at + TRACE_AT, ORIGIN_TRACE_BYTES);
    ret_trace[ORIGIN_TRACE_BYTES] = '\0';
    return true;
}
