/* SPDX-License-Identifier: Apache-2.0 */
#include "http/base64.h"

#include <pthread.h>

static const char standard_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum { NOT_A_DIGIT = 0x80 };

/* Made once: the value of each character, and for encoding the two characters of 12 bits. */
static struct {
    uint8_t standard_values[256], url_values[256];
    uint8_t pairs[4096][2];
} tables;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void fill_tables(void)
{
    memset(tables.standard_values, NOT_A_DIGIT, sizeof(tables.standard_values));
    memset(tables.url_values, NOT_A_DIGIT, sizeof(tables.url_values));
    for (int i = 0; i < 64; i++) {
        tables.standard_values[(uint8_t)standard_digits[i]] = (uint8_t)i;
        tables.url_values[(uint8_t)url_digits[i]] = (uint8_t)i;
    }
    for (int i = 0; i < 4096; i++) {
        tables.pairs[i][0] = (uint8_t)standard_digits[i >> 6];
        tables.pairs[i][1] = (uint8_t)standard_digits[i & 63];
    }
}

void base64_encode(struct bytes bytes, uint8_t *ret_text)
{
    pthread_once(&tables_once, fill_tables);
    const uint8_t *at = bytes.data;
    size_t left = bytes.len;
    while (left >= 3) {
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        memcpy(ret_text, tables.pairs[bits >> 12], 2);
        memcpy(ret_text + 2, tables.pairs[bits & 4095], 2);
        ret_text += 4;
        at += 3;
        left -= 3;
    }
    if (left == 0)
        return;
    uint32_t bits = (uint32_t)at[0] << 16 | (left == 2 ? (uint32_t)at[1] << 8 : 0);
    memcpy(ret_text, tables.pairs[bits >> 12], 2);
    ret_text[2] = left == 2 ? tables.pairs[bits & 4095][0] : '=';
    ret_text[3] = '=';
}

void base64_append(struct buf *buf, struct bytes bytes)
{
    base64_encode(bytes, buf_extend(buf, base64_encoded_len(bytes.len)));
}

/* Four characters at a time; a wrong one shows in the top bit of its value, looked at once at the
 * end. The last one to three characters may only have zero bits beyond the last byte. */
static bool decode(struct bytes text, const uint8_t values[256], struct arena *arena,
                   struct bytes *ret)
{
    size_t rest = text.len % 4;
    if (rest == 1)
        return false;
    uint8_t *out = arena_alloc(arena, text.len / 4 * 3 + 3), *to = out;
    const uint8_t *at = text.data;
    uint8_t seen = 0;
    for (size_t i = 0; i < text.len / 4; i++, at += 4) {
        uint8_t a = values[at[0]], b = values[at[1]], c = values[at[2]], d = values[at[3]];
        seen |= a | b | c | d;
        uint32_t bits = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | d;
        *to++ = (uint8_t)(bits >> 16);
        *to++ = (uint8_t)(bits >> 8);
        *to++ = (uint8_t)bits;
    }
    if (rest >= 2) {
        uint8_t a = values[at[0]], b = values[at[1]], c = rest == 3 ? values[at[2]] : 0;
        seen |= a | b | c;
        uint32_t bits = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6;
        if ((bits & (rest == 3 ? 0xffu : 0xffffu)) != 0)
            return false;
        *to++ = (uint8_t)(bits >> 16);
        if (rest == 3)
            *to++ = (uint8_t)(bits >> 8);
    }
    if ((seen & NOT_A_DIGIT) != 0)
        return false;
    *ret = bytes_of(out, (size_t)(to - out));
    return true;
}

bool base64_decode(struct bytes text, struct arena *arena, struct bytes *ret)
{
    pthread_once(&tables_once, fill_tables);
    if (text.len % 4 != 0)
        return false;
    if (text.len > 0 && text.data[text.len - 1] == '=')
        text.len -= text.data[text.len - 2] == '=' ? 2 : 1;
    return decode(text, tables.standard_values, arena, ret);
}

void base64url_append(struct buf *buf, struct bytes bytes)
{
    size_t start = buf->len;
    base64_append(buf, bytes);
    while (buf->len > start && buf->data[buf->len - 1] == '=')
        buf->len--;
    for (size_t i = start; i < buf->len; i++) {
        if (buf->data[i] == '+')
            buf->data[i] = '-';
        else if (buf->data[i] == '/')
            buf->data[i] = '_';
    }
}

bool base64url_decode(struct bytes text, struct arena *arena, struct bytes *ret)
{
    pthread_once(&tables_once, fill_tables);
    return decode(text, tables.url_values, arena, ret);
}
