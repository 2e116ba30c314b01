/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

/* Length of the code point at the front (RFC 3629, section 4), 0 when it is not valid.
 * Only the second byte's bounds depend on the first: they shut out overlong forms, surrogates and
 * what is above U+10FFFF. */
static size_t point_len(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    if (first < 0x80)
        return 1;
    size_t len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first < 0xc2 || first > 0xf4 || left < len)
        return 0;
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool utf8_is_valid(struct bytes bytes)
{
    size_t i = 0;
    while (i < bytes.len) {
        /* Most text is ASCII: eight bytes at once. */
        uint64_t word;
        if (bytes.len - i >= sizeof(word)) {
            memcpy(&word, bytes.data + i, sizeof(word));
            if ((word & 0x8080808080808080ull) == 0) {
                i += sizeof(word);
                continue;
            }
        }
        size_t len = point_len(bytes.data + i, bytes.len - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

bool utf8_has_control(struct bytes bytes)
{
    bool found = false;
    size_t i = 0;
    while (i < bytes.len) {
        size_t len = point_len(bytes.data + i, bytes.len - i);
        if (len == 0)
            return false;
        uint8_t first = bytes.data[i];
        if (first < 0x20 || first == 0x7f || (first == 0xc2 && bytes.data[i + 1] < 0xa0))
            found = true;
        i += len;
    }
    return found;
}
