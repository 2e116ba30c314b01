/* SPDX-License-Identifier: Apache-2.0 */
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

enum err client_json_read(struct bytes text, struct client_json **ret_node, struct why *why)
{
    json_error_t error;
    json_t *value =
        json_loadb((const char *)text.data, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL)
        return why_set(why, ERR_BAD_JSON, "not JSON at line %d, column %d: %s", error.line,
                       error.column, error.text);
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

bool client_json_is_text(const struct client_json *node)
{
    return node != NULL && json_is_string(raw(node));
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
    const char *ret = json_string_value(raw(client_json_find(node, key)));
    return ret != NULL ? ret : fallback;
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

struct bytes client_json_text_of(const struct client_json *node)
{
    if (!client_json_is_text(node))
        return BYTES_NONE;
    return bytes_of(json_string_value(raw(node)), json_string_length(raw(node)));
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

static int on_dump(const char *data, size_t len, void *arg)
{
    buf_append(arg, data, len);
    return 0;
}

void client_json_print(const struct client_json *node, bool pretty, struct buf *out)
{
    size_t flags = JSON_ENCODE_ANY | (pretty ? JSON_INDENT(2) : JSON_COMPACT);
    int failed = json_dump_callback(raw(node), on_dump, out, flags);
    assert(failed == 0);
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
