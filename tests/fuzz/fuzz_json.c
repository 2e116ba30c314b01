/* SPDX-License-Identifier: Apache-2.0 */
/* JSON bodies. The first byte draws how deep nodes go, the rest is the text. What is accepted must
 * be accepted by jansson too (but for what it cannot hold), and the compact and the indented text
 * of it must be the same value again. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/arena.h"
#include "http/jvalue.h"

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void same(const struct jvalue *a, const struct jvalue *b)
{
    demand(a->kind == b->kind && a->count == b->count && a->is_integer == b->is_integer);
    demand(!a->is_integer || a->integer == b->integer);
    demand(bytes_is_equal(a->key, b->key));
    demand(a->kind != JVALUE_STRING || bytes_is_equal(a->string, b->string));
    const struct jvalue *x = a->first, *y = b->first;
    for (; x != NULL && y != NULL; x = x->next, y = y->next)
        same(x, y);
    demand(x == NULL && y == NULL);
}

/* Integers beyond int64, reals beyond double, a NUL in a key: JSON, but not jansson's. */
static bool is_jansson_unable(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           code == json_error_stack_overflow;
}

static void compare_with_jansson(struct bytes text, enum err err)
{
    json_error_t error;
    if (memchr(text.data, '\0', text.len) != NULL) { /* jansson steps over some of them */
        demand(err != OK);
        return;
    }
    json_t *theirs = json_loadb((const char *)text.data, text.len,
                                JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (theirs == NULL)
        demand(err != OK || is_jansson_unable(&error));
    else
        demand(err == OK || err == ERR_TOO_LARGE);
    json_decref(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct arena arena;
    struct buf pretty = BUF_INIT;
    const struct jvalue *value = NULL, *again = NULL;
    struct why why = {.err = OK};
    struct bytes text = bytes_of(data + 1, size - 1);
    uint32_t depth = data[0] % 70;
    arena_init(&arena);
    enum err err = jvalue_parse(text, depth, &arena, &value, &why);
    demand(err == OK || ((err == ERR_BAD_JSON || err == ERR_TOO_LARGE) && why.err == err));
    compare_with_jansson(text, err);
    if (err == OK) {
        struct bytes compact = jvalue_compact(value->raw, &arena);
        demand(compact.len <= text.len);
        demand(jvalue_parse(compact, depth, &arena, &again, NULL) == OK);
        same(value, again);
        jvalue_append_pretty(&pretty, compact);
        demand(jvalue_parse(buf_bytes(&pretty), depth, &arena, &again, NULL) == OK);
        same(value, again);
        demand(bytes_is_equal(jvalue_compact(again->raw, &arena), compact));
    }
    buf_done(&pretty);
    arena_done(&arena);
    return 0;
}
