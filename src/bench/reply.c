/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/reply.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_MAX_BYTES = 64 * 1024, BODY_MAX_BYTES = 64 * 1024 * 1024 };

/* The value of the header in line [at, end) when it has this (lower case) name. */
static const char *value_of(const char *at, const char *end, const char *name)
{
    size_t len = strlen(name);
    if ((size_t)(end - at) <= len || at[len] != ':' || strncasecmp(at, name, len) != 0)
        return NULL;
    at += len + 1;
    while (at < end && *at == ' ')
        at++;
    return at;
}

struct head {
    size_t len;
    int status;
    int64_t content_length; /* -1: none */
    bool is_chunked, is_last;
    uint32_t retry_after_s;
};

static void take_header(const char *at, const char *end, struct head *head)
{
    const char *value = NULL;
    if (*at == 'C' || *at == 'c') {
        if ((value = value_of(at, end, "content-length")) != NULL)
            head->content_length = strtoll(value, NULL, 10);
        else if ((value = value_of(at, end, "connection")) != NULL)
            head->is_last = end - value >= 5 && strncasecmp(value, "close", 5) == 0;
    } else if (*at == 'T' || *at == 't') {
        if ((value = value_of(at, end, "transfer-encoding")) != NULL)
            head->is_chunked = end - value >= 7 && strncasecmp(value, "chunked", 7) == 0;
    } else if (*at == 'R' || *at == 'r') {
        if ((value = value_of(at, end, "retry-after")) != NULL)
            head->retry_after_s = (uint32_t)strtoul(value, NULL, 10);
    }
}

static enum reply_state parse_head(struct bytes in, struct head *head)
{
    const char *start = (const char *)in.data;
    const char *end = in.len >= 4 ? memmem(start, in.len, "\r\n\r\n", 4) : NULL;
    if (end == NULL)
        return in.len > HEAD_MAX_BYTES ? REPLY_BROKEN : REPLY_NEEDS_MORE;
    if (end - start < 12 || memcmp(start, "HTTP/1.", 7) != 0)
        return REPLY_BROKEN;
    *head = (struct head){.len = (size_t)(end - start) + 4, .content_length = -1};
    for (int i = 9; i < 12; i++) {
        if (start[i] < '0' || start[i] > '9')
            return REPLY_BROKEN;
        head->status = head->status * 10 + (start[i] - '0');
    }
    const char *line = memchr(start, '\n', head->len);
    while (line != NULL && line + 1 < end + 2) {
        const char *next = memchr(line + 1, '\r', (size_t)(end + 2 - line - 1));
        if (next == NULL)
            break;
        take_header(line + 1, next, head);
        line = next + 1;
    }
    if (head->content_length > BODY_MAX_BYTES)
        return REPLY_BROKEN;
    return REPLY_COMPLETE;
}

/* "1f\r\n...\r\n", "0\r\n\r\n": no trailers, which the server does not send. */
static enum reply_state parse_chunks(struct bytes in, size_t at, struct buf *body, size_t *ret_used)
{
    for (;;) {
        size_t len = 0, digits = 0;
        while (at < in.len && digits < 8) {
            uint8_t c = in.data[at];
            int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
            if (digit < 0)
                break;
            len = len * 16 + (size_t)digit;
            digits++;
            at++;
        }
        if (at + 2 > in.len)
            return REPLY_NEEDS_MORE;
        if (digits == 0 || in.data[at] != '\r' || body->len + len > BODY_MAX_BYTES)
            return REPLY_BROKEN;
        at += 2;
        if (at + len + 2 > in.len)
            return REPLY_NEEDS_MORE;
        buf_append(body, in.data + at, len);
        at += len + 2;
        if (len == 0) {
            *ret_used = at;
            return REPLY_COMPLETE;
        }
    }
}

enum reply_state reply_parse(struct bytes in, struct buf *scratch, struct reply *ret)
{
    struct head head;
    enum reply_state state = parse_head(in, &head);
    if (state != REPLY_COMPLETE)
        return state;
    ret->status = head.status;
    ret->is_last = head.is_last;
    ret->retry_after_s = head.retry_after_s;
    if (head.is_chunked) {
        buf_clear(scratch);
        state = parse_chunks(in, head.len, scratch, &ret->used);
        ret->body = buf_bytes(scratch);
        return state;
    }
    bool has_no_body = head.status == 204 || head.status == 304;
    if (head.content_length < 0 && !has_no_body)
        return REPLY_BROKEN;
    size_t len = has_no_body ? 0 : (size_t)head.content_length;
    if (in.len < head.len + len)
        return REPLY_NEEDS_MORE;
    ret->body = bytes_of(in.data + head.len, len);
    ret->used = head.len + len;
    return REPLY_COMPLETE;
}

/* ---- results ----------------------------------------------------------------------------------- */

/* Behind the string that begins at text[at] == '"'; text.len when it does not end. */
static size_t skip_string(struct bytes text, size_t at)
{
    for (at++; at < text.len && text.data[at] != '"'; at++)
        at += text.data[at] == '\\';
    return at < text.len ? at + 1 : text.len;
}

static bool is_key(struct bytes text, size_t start, size_t end, const char *key)
{
    size_t len = strlen(key);
    return end - start == len + 2 && memcmp(text.data + start + 1, key, len) == 0;
}

static uint64_t number_at(struct bytes text, size_t at)
{
    uint64_t ret = 0;
    for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++)
        ret = ret * 10 + (uint64_t)(text.data[at] - '0');
    return ret;
}

static void take_member(struct bytes text, size_t start, size_t end, size_t value,
                        struct reply_item *ret)
{
    if (is_key(text, start, end, "message_seq"))
        ret->seq = number_at(text, value);
    else if (is_key(text, start, end, "status"))
        ret->status = (int)number_at(text, value);
    else if (is_key(text, start, end, "duplicate"))
        ret->is_duplicate = value < text.len && text.data[value] == 't';
    else if (is_key(text, start, end, "done"))
        ret->is_done = true;
}

bool reply_next_item(struct bytes text, size_t *at, struct reply_item *ret)
{
    size_t i = *at;
    while (i < text.len && (text.data[i] == ' ' || text.data[i] == ',' || text.data[i] == '\n' ||
                            text.data[i] == '\r' || text.data[i] == '['))
        i++;
    if (i >= text.len || text.data[i] != '{')
        return false;
    *ret = (struct reply_item){.status = 0};
    unsigned depth = 0;
    while (i < text.len) {
        uint8_t c = text.data[i];
        if (c == '"') {
            size_t end = skip_string(text, i);
            size_t value = end;
            while (value < text.len && (text.data[value] == ' ' || text.data[value] == ':'))
                value++;
            if (depth == 1 && value > end)
                take_member(text, i, end, value, ret);
            i = end;
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        i++;
        if (depth == 0) {
            *at = i;
            return true;
        }
    }
    return false;
}

size_t reply_items_start(struct bytes text)
{
    static const char key[] = "\"results\"";
    size_t skip = 0;
    while (skip < text.len &&
           (text.data[skip] == '{' || text.data[skip] == ' ' || text.data[skip] == '\n'))
        skip++;
    if (text.len - skip < strlen(key) || memcmp(text.data + skip, key, strlen(key)) != 0)
        return 0;
    const uint8_t *bracket = memchr(text.data + skip, '[', text.len - skip);
    return bracket != NULL ? (size_t)(bracket - text.data) + 1 : text.len;
}
