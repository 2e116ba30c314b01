/* SPDX-License-Identifier: Apache-2.0 */
#include "http/path.h"

#include <strings.h>

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool needs_decoding(struct bytes raw, bool plus_is_space)
{
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] == '%' || (plus_is_space && raw.data[i] == '+'))
            return true;
    }
    return false;
}

bool path_decode(struct bytes raw, bool plus_is_space, struct arena *arena, struct bytes *ret)
{
    if (!needs_decoding(raw, plus_is_space)) {
        *ret = raw;
        return true;
    }
    uint8_t *out = arena_alloc(arena, raw.len);
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.data[i];
        if (c == '%') {
            if (raw.len - i < 3)
                return false;
            int high = hex_digit(raw.data[i + 1]), low = hex_digit(raw.data[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[len++] = c;
    }
    *ret = bytes_of(out, len);
    return true;
}

static size_t scheme_len(struct bytes target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (target.len > len && strncasecmp((const char *)target.data, schemes[i], len) == 0)
            return len;
    }
    return 0;
}

struct bytes path_origin_form(struct bytes target)
{
    size_t start = scheme_len(target), end = start;
    if (start == 0)
        return target;
    while (end < target.len && memchr("/?#", target.data[end], 3) == NULL)
        end++;
    if (end == start)
        return target;
    /* An empty path is the root's: nothing is served there, whatever the query. */
    if (end == target.len || target.data[end] == '?')
        return bytes_of_string("/");
    return bytes_of(target.data + end, target.len - end);
}

enum err path_parse(struct bytes target, struct arena *arena, struct path *ret, struct why *why)
{
    struct path path = {.raw = target, .query = BYTES_NONE, .count = 0};
    /* A fragment is never sent: taken for a part of a name, it would delete from another channel. */
    if (target.len > 0 && memchr(target.data, '#', target.len) != NULL)
        return why_set(why, ERR_BAD_REQUEST,
                       "the request target has a '#', which is sent as '%%23'");
    const uint8_t *mark = target.len == 0 ? NULL : memchr(target.data, '?', target.len);
    if (mark != NULL) {
        path.raw.len = (size_t)(mark - target.data);
        path.query = bytes_of(mark + 1, target.len - path.raw.len - 1);
    }
    if (path.raw.len == 0 || path.raw.data[0] != '/')
        return why_set(why, ERR_BAD_REQUEST, "the request target does not begin with '/'");
    size_t start = 1;
    while (start <= path.raw.len) {
        size_t end = start;
        while (end < path.raw.len && path.raw.data[end] != '/')
            end++;
        if (path.count == HTTP_MAX_SEGMENTS)
            return why_set(why, ERR_NO_ROUTE, "no route has so many segments");
        if (!path_decode(bytes_of(path.raw.data + start, end - start), false, arena,
                         &path.segments[path.count]))
            return why_set(why, ERR_BAD_REQUEST, "the path has a bad percent escape in segment %u",
                           path.count + 1);
        path.count++;
        start = end + 1;
    }
    *ret = path;
    return OK;
}

bool path_number(struct bytes text, uint64_t max, uint64_t *ret)
{
    if (text.len == 0 || text.len > 20 || (text.len > 1 && text.data[0] == '0'))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value))
            return false;
    }
    if (value > max)
        return false;
    *ret = value;
    return true;
}
