/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/wire/damage.h"

#include "base/alloc.h"

#include <stdio.h>

size_t damage_all(struct bytes bytes, damage_probe *probe)
{
    size_t accepted = 0;
    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *copy = alloc_copy(bytes.data, len);
        accepted += probe(bytes_of(copy, len));
        free(copy);
    }
    uint8_t *copy = alloc_copy(bytes.data, bytes.len);
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        accepted += probe(bytes_of(copy, bytes.len));
        copy[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    free(copy);
    return accepted;
}

char *damage_hex(struct bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *ret = alloc(2 * bytes.len + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        ret[2 * i] = digits[bytes.data[i] >> 4];
        ret[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    ret[2 * bytes.len] = '\0';
    return ret;
}

uint8_t *damage_unhex(const char *hex, size_t *ret_len)
{
    size_t len = strlen(hex) / 2;
    uint8_t *ret = alloc(len);
    for (size_t i = 0; i < len; i++) {
        unsigned value = 0;
        if (sscanf(hex + 2 * i, "%2x", &value) != 1)
            abort();
        ret[i] = (uint8_t)value;
    }
    *ret_len = len;
    return ret;
}
