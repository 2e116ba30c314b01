/* SPDX-License-Identifier: Apache-2.0 */
#include "http/query.h"

#include "base/utf8.h"
#include "http/path.h"

enum { SHOWN_BYTES = 60 };

/* How much of a client's text goes into a message about it. */
static int shown(struct bytes text)
{
    return (int)(text.len < SHOWN_BYTES ? text.len : SHOWN_BYTES);
}

static bool is_allowed(struct bytes name, const char *allowed)
{
    const char *at = allowed;
    while (*at != '\0') {
        size_t len = strcspn(at, " ");
        if (len == name.len && memcmp(at, name.data, len) == 0)
            return true;
        at += len;
        at += *at == ' ';
    }
    return false;
}

static bool bytes_is_text(struct bytes bytes, const char *text)
{
    return bytes_is_equal(bytes, bytes_of_string(text));
}

static enum err add(struct query *query, struct bytes name, struct bytes value, const char *allowed,
                    struct why *why)
{
    if (!utf8_is_valid(name) || !utf8_is_valid(value) || utf8_has_control(name))
        return why_set(why, ERR_BAD_PARAMETER, "the query is not valid UTF-8 text");
    if (!is_allowed(name, allowed))
        return why_set(why, ERR_BAD_PARAMETER, "unknown parameter '%.*s'", shown(name),
                       (const char *)name.data);
    for (uint32_t i = 0; i < query->count; i++) {
        if (bytes_is_equal(query->items[i].name, name))
            return why_set(why, ERR_BAD_PARAMETER, "parameter '%.*s' is given twice", shown(name),
                           (const char *)name.data);
    }
    if (query->count == HTTP_MAX_PARAMETERS)
        return why_set(why, ERR_BAD_PARAMETER, "more than %d parameters", HTTP_MAX_PARAMETERS);
    query->items[query->count].name = name;
    query->items[query->count++].value = value;
    return OK;
}

enum err query_parse(struct bytes text, const char *allowed, struct arena *arena, struct query *ret,
                     struct why *why)
{
    ret->count = 0;
    size_t start = 0;
    while (start < text.len) {
        size_t end = start;
        while (end < text.len && text.data[end] != '&')
            end++;
        struct bytes item = bytes_of(text.data + start, end - start), value = BYTES_NONE;
        start = end + 1;
        if (item.len == 0)
            continue;
        const uint8_t *mark = memchr(item.data, '=', item.len);
        if (mark != NULL) {
            value = bytes_of(mark + 1, (size_t)(item.data + item.len - mark) - 1);
            item.len = (size_t)(mark - item.data);
        }
        if (!path_decode(item, true, arena, &item) || !path_decode(value, true, arena, &value))
            return why_set(why, ERR_BAD_PARAMETER, "the query has a bad percent escape");
        enum err err = add(ret, item, value, allowed, why);
        if (err != OK)
            return err;
    }
    return OK;
}

bool query_find(const struct query *query, const char *name, struct bytes *ret)
{
    for (uint32_t i = 0; i < query->count; i++) {
        if (bytes_is_text(query->items[i].name, name)) {
            *ret = query->items[i].value;
            return true;
        }
    }
    return false;
}

bool query_has(const struct query *query, const char *name)
{
    struct bytes ignored;
    return query_find(query, name, &ignored);
}

enum err query_number(const struct query *query, const char *name, uint64_t min, uint64_t max,
                      uint64_t *ret, struct why *why)
{
    struct bytes text;
    uint64_t value;
    if (!query_find(query, name, &text))
        return OK;
    if (!path_number(text, max, &value) || value < min)
        return why_set(why, ERR_BAD_PARAMETER,
                       "'%s' is '%.*s', not a whole number from %llu to %llu", name, shown(text),
                       (const char *)text.data, (unsigned long long)min, (unsigned long long)max);
    *ret = value;
    return OK;
}

enum err query_bool(const struct query *query, const char *name, bool *ret, struct why *why)
{
    struct bytes text;
    if (!query_find(query, name, &text))
        return OK;
    if (text.len == 0 || bytes_is_text(text, "1") || bytes_is_text(text, "true"))
        *ret = true;
    else if (bytes_is_text(text, "0") || bytes_is_text(text, "false"))
        *ret = false;
    else
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is '%.*s', not one of 1, 0, true, false", name,
                       shown(text), (const char *)text.data);
    return OK;
}

enum err query_text(const struct query *query, const char *name, size_t max, struct bytes *ret,
                    struct why *why)
{
    struct bytes text;
    if (!query_find(query, name, &text))
        return OK;
    if (text.len > max)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' of %zu bytes is longer than %zu", name,
                       text.len, max);
    if (utf8_has_control(text))
        return why_set(why, ERR_BAD_PARAMETER, "'%s' has a control character", name);
    *ret = text;
    return OK;
}
