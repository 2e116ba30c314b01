/* SPDX-License-Identifier: Apache-2.0 */
#include "client/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void client_base64_append_encoded(struct buf *out, struct bytes raw)
{
    size_t i = 0;
    uint8_t *to = buf_extend(out, (raw.len + 2) / 3 * 4);
    for (; i + 3 <= raw.len; i += 3) {
        uint32_t bits =
            (uint32_t)raw.data[i] << 16 | (uint32_t)raw.data[i + 1] << 8 | raw.data[i + 2];
        *to++ = (uint8_t)alphabet[bits >> 18];
        *to++ = (uint8_t)alphabet[bits >> 12 & 63];
        *to++ = (uint8_t)alphabet[bits >> 6 & 63];
        *to++ = (uint8_t)alphabet[bits & 63];
    }
    size_t left = raw.len - i;
    if (left == 0)
        return;
    uint32_t bits = (uint32_t)raw.data[i] << 16;
    if (left == 2)
        bits |= (uint32_t)raw.data[i + 1] << 8;
    *to++ = (uint8_t)alphabet[bits >> 18];
    *to++ = (uint8_t)alphabet[bits >> 12 & 63];
    *to++ = left == 2 ? (uint8_t)alphabet[bits >> 6 & 63] : '=';
    *to = '=';
}

static int value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool client_base64_append_decoded(struct buf *out, struct bytes text)
{
    if (text.len % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
        padding++;
    size_t start = out->len;
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t bits = 0;
        for (size_t j = 0; j < 4; j++) {
            bool is_padding = i + j >= text.len - padding;
            int value = is_padding ? 0 : value_of(text.data[i + j]);
            if (value < 0) {
                out->len = start;
                return false;
            }
            bits = bits << 6 | (uint32_t)value;
        }
        size_t count = i + 4 == text.len ? 3 - padding : 3;
        const uint8_t three[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
        buf_append(out, three, count);
    }
    return true;
}
