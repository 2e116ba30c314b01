/* SPDX-License-Identifier: Apache-2.0 */
#include "http/jwrite.h"

static const char hex_digits[] = "0123456789abcdef";

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

static void put_escape(struct buf *buf, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
    const char *found = c == 0 ? NULL : strchr(from, c);
    if (found != NULL) {
        uint8_t *to = buf_extend(buf, 2);
        to[0] = '\\';
        to[1] = (uint8_t)into[found - from];
        return;
    }
    uint8_t *to = buf_extend(buf, 6);
    memcpy(to, "\\u00", 4);
    to[4] = (uint8_t)hex_digits[c >> 4];
    to[5] = (uint8_t)hex_digits[c & 15];
}

#define EACH_BYTE(value) (0x0101010101010101ull * (value))

/* May a byte of word need an escape? (Bit tricks as in jvalue.c; a wrong "yes" is looked at byte by
 * byte.) */
static bool has_special(uint64_t word)
{
    uint64_t quote = word ^ EACH_BYTE('"'), backslash = word ^ EACH_BYTE('\\');
    uint64_t rubout = word ^ EACH_BYTE(0x7f);
    return ((((quote - EACH_BYTE(1)) & ~quote) | ((backslash - EACH_BYTE(1)) & ~backslash) |
             ((rubout - EACH_BYTE(1)) & ~rubout) | ((word - EACH_BYTE(0x20)) & ~word)) &
            EACH_BYTE(0x80)) != 0;
}

/* How many bytes from the start need no escape. */
static size_t plain_len(struct bytes text)
{
    size_t i = 0;
    uint64_t word;
    while (text.len - i >= sizeof(word)) {
        memcpy(&word, text.data + i, sizeof(word));
        if (has_special(word))
            break;
        i += sizeof(word);
    }
    while (i < text.len && is_plain(text.data[i]))
        i++;
    return i;
}

void jwrite_string(struct buf *buf, struct bytes text)
{
    buf_reserve(buf, text.len + 2);
    buf->data[buf->len++] = '"';
    for (;;) {
        size_t plain = plain_len(text);
        buf_append(buf, text.data, plain);
        if (plain == text.len)
            break;
        put_escape(buf, text.data[plain]);
        text = bytes_of(text.data + plain + 1, text.len - plain - 1);
    }
    buf_put_u8(buf, '"');
}

/* Two digits a division: a number of 19 digits costs ten of them. */
static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

const char *digits_of(uint64_t value, char buffer[DIGITS_SIZE])
{
    char *at = buffer + DIGITS_SIZE - 1;
    *at = '\0';
    while (value >= 100) {
        at -= 2;
        memcpy(at, pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(at, pairs + value * 2, 2);
    } else {
        *--at = (char)('0' + value);
    }
    return at;
}

uint8_t *digits_put(uint8_t *to, uint64_t value)
{
    char buffer[DIGITS_SIZE];
    const char *digits = digits_of(value, buffer);
    size_t len = (size_t)(buffer + DIGITS_SIZE - 1 - digits);
    memcpy(to, digits, len);
    return to + len;
}

void jwrite_u64(struct buf *buf, uint64_t value)
{
    buf_reserve(buf, DIGITS_SIZE);
    buf->len = (size_t)(digits_put(buf->data + buf->len, value) - buf->data);
}

void jwrite_comma(struct buf *buf)
{
    if (buf->len == 0)
        return;
    uint8_t last = buf->data[buf->len - 1];
    if (last != '{' && last != '[' && last != ':' && last != '\n')
        buf_put_u8(buf, ',');
}

void jwrite_key(struct buf *buf, const char *name)
{
    size_t len = strlen(name);
    jwrite_comma(buf);
    uint8_t *to = buf_extend(buf, len + 3);
    to[0] = '"';
    memcpy(to + 1, name, len);
    to[len + 1] = '"';
    to[len + 2] = ':';
}

void jwrite_member_string(struct buf *buf, const char *name, struct bytes text)
{
    jwrite_key(buf, name);
    jwrite_string(buf, text);
}

void jwrite_member_text(struct buf *buf, const char *name, const char *text)
{
    jwrite_member_string(buf, name, bytes_of_string(text));
}

void jwrite_member_u64(struct buf *buf, const char *name, uint64_t value)
{
    jwrite_key(buf, name);
    jwrite_u64(buf, value);
}

void jwrite_member_bool(struct buf *buf, const char *name, bool value)
{
    jwrite_key(buf, name);
    buf_append_string(buf, value ? "true" : "false");
}

void jwrite_member_null(struct buf *buf, const char *name)
{
    jwrite_key(buf, name);
    buf_append_string(buf, "null");
}

void jwrite_member_digits(struct buf *buf, const char *name, uint64_t value)
{
    jwrite_key(buf, name);
    buf_put_u8(buf, '"');
    jwrite_u64(buf, value);
    buf_put_u8(buf, '"');
}
