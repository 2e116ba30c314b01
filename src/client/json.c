/* SPDX-License-Identifier: Apache-2.0 */
/* A message's payload may hold any number that JSON can write. jansson holds 64 bits and doubles:
 * it refuses larger ones, and prints 1.10 as 1.1000000000000001. So every number but a whole one of
 * 64 bits is read as a string: NUMBER_MARK and its text, and printed as that text again. A string that
 * itself begins with the mark gets a second one before it, which printing takes away. */
#include "client/json.h"

#include "base/alloc.h"

#include <jansson.h>

/* struct client_json is jansson's json_t under a name of ours. */
static const json_t *raw(const struct client_json *node)
{
    return (const json_t *)(const void *)node;
}

static const struct client_json *cooked(const json_t *value)
{
    return (const struct client_json *)(const void *)value;
}

#define NUMBER_MARK 0x01
#define NUMBER_MARK_ESCAPED "\\u0001"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(struct bytes text, size_t at)
{
    while (at < text.len && is_digit(text.data[at]))
        at++;
    return at;
}

/* Where the number at `at` ends, as JSON writes numbers; `at` itself when there is none. */
static size_t number_end(struct bytes text, size_t at)
{
    size_t start = at < text.len && text.data[at] == '-' ? at + 1 : at;
    size_t end = skip_digits(text, start);
    if (end == start || (text.data[start] == '0' && end > start + 1))
        return at;
    if (end < text.len && text.data[end] == '.') {
        size_t fraction = end + 1;
        end = skip_digits(text, fraction);
        if (end == fraction)
            return at;
    }
    if (end < text.len && (text.data[end] == 'e' || text.data[end] == 'E')) {
        size_t exponent = end + 1;
        if (exponent < text.len && (text.data[exponent] == '+' || text.data[exponent] == '-'))
            exponent++;
        end = skip_digits(text, exponent);
        if (end == exponent)
            return at;
    }
    return end;
}

static bool fits_64_bits(struct bytes number)
{
    static const char largest[] = "9223372036854775807";
    bool is_negative = number.len > 0 && number.data[0] == '-';
    size_t digits = number.len - is_negative;
    if (skip_digits(number, is_negative) != number.len || (is_negative && number.data[1] == '0'))
        return false; /* not a whole number, or -0, which an integer cannot keep */
    return digits < strlen(largest) ||
           (digits == strlen(largest) && !is_negative && memcmp(number.data, largest, digits) <= 0);
}

static size_t string_end(struct bytes text, size_t at)
{
    for (at++; at < text.len && text.data[at] != '"'; at++)
        if (text.data[at] == '\\')
            at++;
    return at < text.len ? at + 1 : text.len;
}

static bool is_key(struct bytes text, size_t end)
{
    while (end < text.len && strchr(" \t\r\n", text.data[end]) != NULL && text.data[end] != '\0')
        end++;
    return end < text.len && text.data[end] == ':';
}

static void mark_numbers(struct bytes text, struct buf *out)
{
    static const char escape[] = NUMBER_MARK_ESCAPED;
    const size_t escape_len = sizeof(escape) - 1;
    for (size_t at = 0; at < text.len;) {
        uint8_t c = text.data[at];
        size_t end = at + 1;
        if (c == '"') {
            end = string_end(text, at);
            bool is_marked = end - at > escape_len && !is_key(text, end) &&
                             memcmp(text.data + at + 1, escape, escape_len) == 0;
            buf_append_string(out, is_marked ? "\"" NUMBER_MARK_ESCAPED : "\"");
            buf_append(out, text.data + at + 1, end - at - 1);
        } else if (c == '-' || is_digit(c)) {
            size_t stop = number_end(text, at);
            end = stop > at ? stop : at + 1;
            struct bytes number = bytes_of(text.data + at, end - at);
            bool is_kept = stop > at && !fits_64_bits(number);
            buf_append_string(out, is_kept ? "\"" NUMBER_MARK_ESCAPED : "");
            buf_append_bytes(out, number);
            buf_append_string(out, is_kept ? "\"" : "");
        } else {
            buf_put_u8(out, c);
        }
        at = end;
    }
}

enum err client_json_read(struct bytes text, struct client_json **ret_node, struct why *why)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    struct buf marked = BUF_INIT;
    json_error_t error;
    mark_numbers(text, &marked);
    json_t *value = json_loadb((const char *)marked.data, marked.len, flags, &error);
    buf_done(&marked);
    if (value == NULL) {
        /* The place that the user sees is one in the text as it was given. */
        json_error_t given;
        json_t *parsed = json_loadb((const char *)text.data, text.len, flags, &given);
        if (parsed == NULL)
            error = given;
        json_decref(parsed);
        return why_set(why, ERR_BAD_JSON, "not JSON at line %d, column %d: %s", error.line,
                       error.column, error.text);
    }
    *ret_node = (struct client_json *)(void *)value;
    return OK;
}

void client_json_free(struct client_json *node)
{
    json_decref((json_t *)(void *)node);
}

const struct client_json *client_json_find(const struct client_json *node, const char *key)
{
    return node != NULL ? cooked(json_object_get(raw(node), key)) : NULL;
}

size_t client_json_count(const struct client_json *node)
{
    return node != NULL ? json_array_size(raw(node)) : 0;
}

const struct client_json *client_json_item(const struct client_json *node, size_t index)
{
    return node != NULL ? cooked(json_array_get(raw(node), index)) : NULL;
}

/* False when value is no string, or a number that is kept as one. */
static bool read_string(const json_t *value, struct bytes *ret)
{
    if (!json_is_string(value))
        return false;
    struct bytes text = bytes_of(json_string_value(value), json_string_length(value));
    if (text.len > 1 && text.data[0] == NUMBER_MARK) {
        text = bytes_of(text.data + 1, text.len - 1);
        if (text.data[0] != NUMBER_MARK)
            return false;
    }
    *ret = text;
    return true;
}

bool client_json_is_text(const struct client_json *node)
{
    struct bytes text;
    return node != NULL && read_string(raw(node), &text);
}

bool client_json_is_number(const struct client_json *node)
{
    return node != NULL && json_is_integer(raw(node));
}

bool client_json_is_map(const struct client_json *node)
{
    return node != NULL && json_is_object(raw(node));
}

const char *client_json_text(const struct client_json *node, const char *key, const char *fallback)
{
    struct bytes text;
    const struct client_json *value = client_json_find(node, key);
    /* jansson ends its strings with a NUL. */
    return value != NULL && read_string(raw(value), &text) ? (const char *)text.data : fallback;
}

uint64_t client_json_u64(const struct client_json *node, const char *key, uint64_t fallback)
{
    return client_json_u64_of(client_json_find(node, key), fallback);
}

bool client_json_bool(const struct client_json *node, const char *key, bool fallback)
{
    const json_t *value = raw(client_json_find(node, key));
    return value != NULL && json_is_boolean(value) ? json_is_true(value) : fallback;
}

double client_json_real(const struct client_json *node, const char *key, double fallback)
{
    const json_t *value = raw(client_json_find(node, key));
    if (value != NULL && json_is_integer(value))
        return (double)json_integer_value(value);
    struct bytes text;
    if (value == NULL || !json_is_string(value) || read_string(value, &text))
        return fallback;
    return strtod(json_string_value(value) + 1, NULL); /* a number that is kept as its text */
}

void client_json_each(const struct client_json *node,
                      void (*on_member)(const char *key, const struct client_json *value,
                                        void *arg),
                      void *arg)
{
    if (!client_json_is_map(node))
        return;
    json_t *all = (json_t *)raw(node); /* jansson's iterators are not const; nothing is changed */
    for (void *at = json_object_iter(all); at != NULL; at = json_object_iter_next(all, at))
        on_member(json_object_iter_key(at), cooked(json_object_iter_value(at)), arg);
}

struct bytes client_json_text_of(const struct client_json *node)
{
    struct bytes text = BYTES_NONE;
    return node != NULL && read_string(raw(node), &text) ? text : BYTES_NONE;
}

uint64_t client_json_u64_of(const struct client_json *node, uint64_t fallback)
{
    if (!client_json_is_number(node) || json_integer_value(raw(node)) < 0)
        return fallback;
    return (uint64_t)json_integer_value(raw(node));
}

static void set_take(struct client_json *node, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new((json_t *)(void *)node, key, value) != 0)
        abort(); /* out of memory, or not an object, or not UTF-8: the caller's mistake */
}

void client_json_set_text(struct client_json *node, const char *key, struct bytes text)
{
    set_take(node, key, json_stringn((const char *)text.data, text.len));
}

void client_json_set_u64(struct client_json *node, const char *key, uint64_t value)
{
    set_take(node, key, json_integer((json_int_t)value));
}

struct client_json *client_json_copy(const struct client_json *node)
{
    json_t *copy = json_deep_copy(raw(node));
    if (copy == NULL)
        abort(); /* out of memory */
    return (struct client_json *)(void *)copy;
}

void client_json_set_copy(struct client_json *node, const char *key, const struct client_json *copy)
{
    set_take(node, key, json_deep_copy(raw(copy)));
}

void client_json_remove(struct client_json *node, const char *key)
{
    (void)json_object_del((json_t *)(void *)node, key); /* fails only when it is absent */
}

static void print_string(const json_t *value, struct buf *out)
{
    struct bytes text;
    if (read_string(value, &text))
        client_json_print_text(text, out);
    else /* a number: its text stands behind the mark */
        buf_append(out, json_string_value(value) + 1, json_string_length(value) - 1);
}

static void print_break(bool pretty, unsigned depth, struct buf *out)
{
    if (!pretty)
        return;
    buf_append_string(out, "\n");
    for (unsigned i = 0; i < depth; i++)
        buf_append_string(out, "  ");
}

static void print_value(const json_t *value, bool pretty, unsigned depth, struct buf *out);

static void print_map(const json_t *map, bool pretty, unsigned depth, struct buf *out)
{
    json_t *all = (json_t *)map; /* jansson's iterators are not const; nothing is changed */
    const char *separator = "{";
    for (void *at = json_object_iter(all); at != NULL; at = json_object_iter_next(all, at)) {
        buf_append_string(out, separator);
        print_break(pretty, depth + 1, out);
        client_json_print_text(bytes_of_string(json_object_iter_key(at)), out);
        buf_append_string(out, pretty ? ": " : ":");
        print_value(json_object_iter_value(at), pretty, depth + 1, out);
        separator = ",";
    }
    print_break(pretty, depth, out);
    buf_append_string(out, "}");
}

static void print_list(const json_t *list, bool pretty, unsigned depth, struct buf *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        buf_append_string(out, i == 0 ? "[" : ",");
        print_break(pretty, depth + 1, out);
        print_value(json_array_get(list, i), pretty, depth + 1, out);
    }
    print_break(pretty, depth, out);
    buf_append_string(out, "]");
}

static void print_value(const json_t *value, bool pretty, unsigned depth, struct buf *out)
{
    if (json_is_object(value) && json_object_size(value) > 0)
        print_map(value, pretty, depth, out);
    else if (json_is_object(value))
        buf_append_string(out, "{}");
    else if (json_is_array(value) && json_array_size(value) > 0)
        print_list(value, pretty, depth, out);
    else if (json_is_array(value))
        buf_append_string(out, "[]");
    else if (json_is_string(value))
        print_string(value, out);
    else if (json_is_integer(value))
        buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else
        buf_append_string(out, json_is_true(value)    ? "true"
                               : json_is_false(value) ? "false"
                                                      : "null");
}

void client_json_print(const struct client_json *node, bool pretty, struct buf *out)
{
    print_value(raw(node), pretty, 0, out);
}

void client_json_print_text(struct bytes text, struct buf *out)
{
    buf_append_string(out, "\"");
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_put_u8(out, c);
    }
    buf_append_string(out, "\"");
}
