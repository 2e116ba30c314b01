/* SPDX-License-Identifier: Apache-2.0 */
/* A recursive descent over the text, bounded by HTTP_JSON_MAX_DEPTH. Memory is bounded too: nodes
 * by HTTP_JSON_MAX_VALUES, and what objects without nodes need to find duplicate keys is one stack
 * of keys for all objects that are open, at most HTTP_JSON_MAX_MEMBERS of them. */
#include "http/jvalue.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "http/limits.h"

struct parser {
    const uint8_t *start, *at, *end;
    struct arena *arena;
    uint32_t node_depth, values;
    struct bytes *keys; /* owned; of all open objects, innermost last */
    size_t keys_count, keys_capacity;
    struct why *why;
};

enum { KEYS_COMPARED_IN_PAIRS = 12 };

static enum err parse_value(struct parser *p, uint32_t depth, struct jvalue *ret);

static enum err fault(struct parser *p, const uint8_t *where, const char *what)
{
    size_t line = 1;
    const uint8_t *line_start = p->start;
    for (const uint8_t *at = p->start; at < where; at++) {
        if (*at == '\n') {
            line++;
            line_start = at + 1;
        }
    }
    return why_set(p->why, ERR_BAD_JSON, "%s at line %zu column %zu", what, line,
                   (size_t)(where - line_start) + 1);
}

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at `at`; -1 when they are not there. */
static int32_t read_hex4(const struct parser *p, const uint8_t *at)
{
    if (p->end - at < 4)
        return -1;
    int32_t ret = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        ret = ret << 4 | digit;
    }
    return ret;
}

/* The code point of a \u escape whose digits begin at p->at; moves behind it, and behind the second
 * half of a pair. -1: bad digits or a lone surrogate. */
static int32_t read_unicode(struct parser *p)
{
    int32_t point = read_hex4(p, p->at);
    if (point < 0)
        return -1;
    p->at += 4;
    if (point < 0xd800 || point > 0xdfff)
        return point;
    if (point > 0xdbff || p->end - p->at < 6 || p->at[0] != '\\' || p->at[1] != 'u')
        return -1;
    int32_t low = read_hex4(p, p->at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return -1;
    p->at += 6;
    return 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
}

static uint8_t *put_point(uint8_t *to, int32_t point)
{
    if (point < 0x80) {
        *to++ = (uint8_t)point;
        return to;
    }
    if (point < 0x800) {
        *to++ = (uint8_t)(0xc0 | point >> 6);
    } else {
        if (point < 0x10000) {
            *to++ = (uint8_t)(0xe0 | point >> 12);
        } else {
            *to++ = (uint8_t)(0xf0 | point >> 18);
            *to++ = (uint8_t)(0x80 | (point >> 12 & 0x3f));
        }
        *to++ = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    }
    *to++ = (uint8_t)(0x80 | (point & 0x3f));
    return to;
}

/* Behind the escape at p->at, which is at a backslash. Its bytes go to *to unless that is NULL. */
static enum err read_escape(struct parser *p, uint8_t **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const uint8_t *where = p->at;
    if (p->end - p->at < 2)
        return fault(p, where, "a string without its end");
    uint8_t c = p->at[1];
    p->at += 2;
    if (c == 'u') {
        int32_t point = read_unicode(p);
        if (point < 0)
            return fault(p, where, "a bad \\u escape");
        if (*to != NULL)
            *to = put_point(*to, point);
        return OK;
    }
    const char *found = c == 0 ? NULL : strchr(from, c);
    if (found == NULL)
        return fault(p, where, "an unknown escape");
    if (*to != NULL)
        *(*to)++ = (uint8_t)into[found - from];
    return OK;
}

#define EACH_BYTE(value) (0x0101010101010101ull * (value))

/* Has a byte of word that ends a run of plain characters: a quote, a backslash, or one below 0x20?
 * (Bit tricks of Anderson: a zero byte is where subtracting 1 borrows and the top bit was clear.) */
static bool has_special(uint64_t word)
{
    uint64_t quote = word ^ EACH_BYTE('"'), backslash = word ^ EACH_BYTE('\\');
    return ((((quote - EACH_BYTE(1)) & ~quote) | ((backslash - EACH_BYTE(1)) & ~backslash) |
             ((word - EACH_BYTE(0x20)) & ~word)) &
            EACH_BYTE(0x80)) != 0;
}

/* Moves over plain characters: to a quote, a backslash, a control character or the end. */
static void skip_plain(struct parser *p)
{
    uint64_t word;
    while (p->end - p->at >= (ptrdiff_t)sizeof(word)) {
        memcpy(&word, p->at, sizeof(word));
        if (has_special(word))
            break;
        p->at += sizeof(word);
    }
    while (p->at < p->end && *p->at != '"' && *p->at != '\\' && *p->at >= 0x20)
        p->at++;
}

/* p->at is at the opening quote. ret may be NULL: then the string is only checked. */
static enum err parse_string(struct parser *p, struct bytes *ret)
{
    const uint8_t *first = ++p->at;
    skip_plain(p);
    if (p->at < p->end && *p->at == '"') { /* the usual case: borrowed from the text */
        if (ret != NULL)
            *ret = bytes_of(first, (size_t)(p->at - first));
        p->at++;
        return OK;
    }
    uint8_t *out = NULL, *to = NULL;
    if (ret != NULL) { /* what is decoded is never longer than what is written */
        const uint8_t *quote = p->at;
        while (quote < p->end && *quote != '"')
            quote += *quote == '\\' && p->end - quote > 1 ? 2 : 1;
        out = arena_alloc(p->arena, (size_t)(quote - first) + 1);
        memcpy(out, first, (size_t)(p->at - first));
        to = out + (p->at - first);
    }
    for (;;) {
        if (p->at >= p->end)
            return fault(p, first - 1, "a string without its end");
        if (*p->at == '"')
            break;
        if (*p->at < 0x20)
            return fault(p, p->at, "a control character in a string");
        if (*p->at == '\\') {
            enum err err = read_escape(p, &to);
            if (err != OK)
                return err;
            continue;
        }
        const uint8_t *plain = p->at;
        skip_plain(p);
        if (to != NULL) {
            memcpy(to, plain, (size_t)(p->at - plain));
            to += p->at - plain;
        }
    }
    p->at++;
    if (ret != NULL)
        *ret = bytes_of(out, (size_t)(to - out));
    return OK;
}

static bool skip_digits(struct parser *p)
{
    const uint8_t *first = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return p->at > first;
}

static void set_integer(struct jvalue *ret, const uint8_t *at, const uint8_t *end)
{
    bool is_negative = *at == '-';
    at += is_negative;
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + is_negative;
    for (; at < end; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value) || value > limit)
            return;
    }
    ret->is_integer = true;
    ret->integer = is_negative ? (int64_t)(0 - value) : (int64_t)value;
}

static enum err parse_number(struct parser *p, struct jvalue *ret)
{
    const uint8_t *first = p->at;
    if (*p->at == '-')
        p->at++;
    const uint8_t *digits = p->at;
    if (!skip_digits(p))
        return fault(p, first, "a bad number");
    if (*digits == '0' && p->at - digits > 1)
        return fault(p, first, "a number with a leading zero");
    bool is_plain = true;
    if (p->at < p->end && *p->at == '.') {
        is_plain = false;
        p->at++;
        if (!skip_digits(p))
            return fault(p, first, "a bad number");
    }
    if (p->at < p->end && (*p->at | 0x20) == 'e') {
        is_plain = false;
        p->at++;
        if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
            p->at++;
        if (!skip_digits(p))
            return fault(p, first, "a bad number");
    }
    ret->kind = JVALUE_NUMBER;
    if (is_plain)
        set_integer(ret, first, p->at);
    return OK;
}

static enum err parse_word(struct parser *p, struct jvalue *ret)
{
    static const struct {
        const char *word;
        enum jvalue_kind kind;
    } words[] = {{"true", JVALUE_TRUE}, {"false", JVALUE_FALSE}, {"null", JVALUE_NULL}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t len = strlen(words[i].word);
        if ((size_t)(p->end - p->at) >= len && memcmp(p->at, words[i].word, len) == 0) {
            p->at += len;
            ret->kind = words[i].kind;
            return OK;
        }
    }
    return fault(p, p->at, "an unexpected character");
}

/* Parses one child of a container; it becomes a node when the container has nodes. */
static enum err parse_child(struct parser *p, uint32_t depth, struct bytes key,
                            struct jvalue *parent, struct jvalue **last)
{
    struct jvalue scratch, *child = &scratch;
    if (depth <= p->node_depth) {
        if (++p->values > HTTP_JSON_MAX_VALUES)
            return why_set(p->why, ERR_TOO_LARGE, "the body has more than %d JSON values",
                           HTTP_JSON_MAX_VALUES);
        child = arena_alloc(p->arena, sizeof(*child));
    }
    memset(child, 0, sizeof(*child));
    child->key = key;
    enum err err = parse_value(p, depth, child);
    if (err != OK)
        return err;
    parent->count++;
    if (child != &scratch) {
        if (*last == NULL)
            parent->first = child;
        else
            (*last)->next = child;
        *last = child;
    }
    return OK;
}

static enum err parse_array(struct parser *p, uint32_t depth, struct jvalue *ret)
{
    struct jvalue *last = NULL;
    ret->kind = JVALUE_ARRAY;
    p->at++;
    skip_space(p);
    if (p->at < p->end && *p->at == ']') {
        p->at++;
        return OK;
    }
    for (;;) {
        enum err err = parse_child(p, depth + 1, BYTES_NONE, ret, &last);
        if (err != OK)
            return err;
        skip_space(p);
        if (p->at < p->end && *p->at == ',') {
            p->at++;
            continue;
        }
        if (p->at < p->end && *p->at == ']') {
            p->at++;
            return OK;
        }
        return fault(p, p->at, "expected ',' or ']'");
    }
}

static int compare_keys(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* Keys from `from` on are those of the object that just ended. */
static bool has_duplicate(struct bytes *keys, size_t count)
{
    if (count <= KEYS_COMPARED_IN_PAIRS) {
        for (size_t i = 1; i < count; i++) {
            for (size_t j = 0; j < i; j++) {
                if (bytes_is_equal(keys[i], keys[j]))
                    return true;
            }
        }
        return false;
    }
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (bytes_is_equal(keys[i - 1], keys[i]))
            return true;
    }
    return false;
}

static enum err push_key(struct parser *p, struct bytes key)
{
    if (p->keys_count == HTTP_JSON_MAX_MEMBERS)
        return why_set(p->why, ERR_TOO_LARGE, "an object in the body has more than %d members",
                       HTTP_JSON_MAX_MEMBERS);
    if (p->keys_count == p->keys_capacity) {
        p->keys_capacity = p->keys_capacity == 0 ? 64 : p->keys_capacity * 2;
        p->keys = alloc_resize(p->keys, p->keys_capacity, sizeof(*p->keys));
    }
    p->keys[p->keys_count++] = key;
    return OK;
}

static enum err parse_member(struct parser *p, uint32_t depth, struct jvalue *ret,
                             struct jvalue **last)
{
    skip_space(p);
    if (p->at >= p->end || *p->at != '"')
        return fault(p, p->at, "expected a key in quotes");
    struct bytes key;
    enum err err = parse_string(p, &key);
    if (err == OK)
        err = push_key(p, key);
    if (err != OK)
        return err;
    skip_space(p);
    if (p->at >= p->end || *p->at != ':')
        return fault(p, p->at, "expected ':'");
    p->at++;
    return parse_child(p, depth + 1, key, ret, last);
}

static enum err parse_object(struct parser *p, uint32_t depth, struct jvalue *ret)
{
    const uint8_t *first = p->at;
    size_t keys_before = p->keys_count;
    struct jvalue *last = NULL;
    ret->kind = JVALUE_OBJECT;
    p->at++;
    skip_space(p);
    if (p->at < p->end && *p->at == '}') {
        p->at++;
        return OK;
    }
    for (;;) {
        enum err err = parse_member(p, depth, ret, &last);
        if (err != OK)
            return err;
        skip_space(p);
        if (p->at < p->end && *p->at == ',') {
            p->at++;
            continue;
        }
        if (p->at >= p->end || *p->at != '}')
            return fault(p, p->at, "expected ',' or '}'");
        p->at++;
        break;
    }
    if (has_duplicate(p->keys + keys_before, p->keys_count - keys_before))
        return fault(p, first, "a duplicate key in the object");
    p->keys_count = keys_before;
    return OK;
}

static enum err parse_value(struct parser *p, uint32_t depth, struct jvalue *ret)
{
    if (depth > HTTP_JSON_MAX_DEPTH)
        return why_set(p->why, ERR_TOO_LARGE, "the body is nested deeper than %d levels",
                       HTTP_JSON_MAX_DEPTH);
    skip_space(p);
    if (p->at >= p->end)
        return fault(p, p->at, "a value is missing");
    const uint8_t *first = p->at;
    enum err err;
    if (*p->at == '"') {
        ret->kind = JVALUE_STRING;
        err = parse_string(p, depth <= p->node_depth ? &ret->string : NULL);
    } else if (*p->at == '{') {
        err = parse_object(p, depth, ret);
    } else if (*p->at == '[') {
        err = parse_array(p, depth, ret);
    } else if (*p->at == '-' || (*p->at >= '0' && *p->at <= '9')) {
        err = parse_number(p, ret);
    } else {
        err = parse_word(p, ret);
    }
    ret->raw = bytes_of(first, (size_t)(p->at - first));
    return err;
}

enum err jvalue_parse(struct bytes text, uint32_t node_depth, struct arena *arena,
                      const struct jvalue **ret, struct why *why)
{
    struct parser parser = {.start = text.data,
                            .at = text.data,
                            .end = text.data + text.len,
                            .arena = arena,
                            .node_depth = node_depth,
                            .why = why};
    if (text.len == 0)
        return why_set(why, ERR_BAD_JSON, "the body is empty");
    if (!utf8_is_valid(text))
        return why_set(why, ERR_BAD_JSON, "the body is not valid UTF-8");
    struct jvalue *value = arena_zero(arena, sizeof(*value));
    enum err err = parse_value(&parser, 0, value);
    if (err == OK) {
        skip_space(&parser);
        if (parser.at < parser.end)
            err = fault(&parser, parser.at, "something behind the value");
    }
    free(parser.keys);
    if (err == OK)
        *ret = value;
    return err;
}

const struct jvalue *jvalue_find(const struct jvalue *object, const char *key)
{
    size_t len = strlen(key);
    for (const struct jvalue *child = object->first; child != NULL; child = child->next) {
        if (child->key.len == len && memcmp(child->key.data, key, len) == 0)
            return child;
    }
    return NULL;
}

/* Where the string that begins at i ends: behind its closing quote. */
static size_t string_end(struct bytes raw, size_t i)
{
    for (i++; i < raw.len && raw.data[i] != '"'; i++)
        i += raw.data[i] == '\\';
    return i < raw.len ? i + 1 : raw.len;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

struct bytes jvalue_compact(struct bytes raw, struct arena *arena)
{
    uint8_t *to = arena_alloc(arena, raw.len), *first = to;
    size_t i = 0;
    while (i < raw.len) {
        if (raw.data[i] == '"') {
            size_t end = string_end(raw, i);
            memcpy(to, raw.data + i, end - i);
            to += end - i;
            i = end;
        } else {
            if (!is_space(raw.data[i]))
                *to++ = raw.data[i];
            i++;
        }
    }
    return bytes_of(first, (size_t)(to - first));
}

static void put_line(struct buf *buf, size_t depth)
{
    buf_put_u8(buf, '\n');
    memset(buf_extend(buf, depth * 2), ' ', depth * 2);
}

void jvalue_append_pretty(struct buf *buf, struct bytes raw)
{
    size_t depth = 0;
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.data[i];
        if (is_space(c))
            continue;
        if (c == '"') {
            size_t end = string_end(raw, i);
            buf_append(buf, raw.data + i, end - i);
            i = end - 1;
        } else if (c == '{' || c == '[') {
            buf_put_u8(buf, c);
            size_t next = i + 1;
            while (next < raw.len && is_space(raw.data[next]))
                next++;
            if (next < raw.len && (raw.data[next] == '}' || raw.data[next] == ']')) {
                buf_put_u8(buf, raw.data[next]);
                i = next;
            } else {
                put_line(buf, ++depth);
            }
        } else if (c == '}' || c == ']') {
            put_line(buf, --depth);
            buf_put_u8(buf, c);
        } else {
            buf_put_u8(buf, c);
            if (c == ',')
                put_line(buf, depth);
            else if (c == ':')
                buf_put_u8(buf, ' ');
        }
    }
    buf_put_u8(buf, '\n');
}
