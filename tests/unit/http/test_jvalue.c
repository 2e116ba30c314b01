/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader against a table, and against jansson on damaged and random texts. */
#include <jansson.h>
#include <stdio.h>

#include "base/rng.h"
#include "http/jvalue.h"
#include "http/limits.h"
#include "suites.h"

static struct arena arena;

static enum err parse(const char *text, const struct jvalue **ret)
{
    struct why why = {.err = OK};
    enum err err = jvalue_parse(bytes_of_string(text), 8, &arena, ret, &why);
    ck_assert(err == OK || (why.err == err && why.text[0] != '\0'));
    return err;
}

START_TEST(refuses_bad_texts)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\":1",
                                      "{\"a\":1,",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "{\"a\":1 \"b\":2}",
                                      "[1 2]",
                                      "nul",
                                      "truth",
                                      "TRUE",
                                      "NaN",
                                      "Infinity",
                                      "-",
                                      "+1",
                                      "01",
                                      "-01",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "\"",
                                      "\"a",
                                      "\"\\\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u123g\"",
                                      "\"\\ud800\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\udc00\"",
                                      "\"a\nb\"",
                                      "\"\x01\"",
                                      "\"\xff\"",
                                      "\"\xc0\x80\"",
                                      "\"\xed\xa0\x80\"",
                                      "1 2",
                                      "{} x",
                                      "[]]",
                                      "/*c*/1",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"a\":1,\"\\u0061\":2}",
                                      "[{\"b\":{\"x\":1,\"y\":2,\"x\":3}}]",
                                      "\xef\xbb\xbf{}"};
    const struct jvalue *value;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(parse(bad[i], &value) == ERR_BAD_JSON, "accepted '%s'", bad[i]);
    arena_done(&arena);
}
END_TEST

START_TEST(reads_values)
{
    const struct jvalue *value;
    ck_assert_int_eq(
        parse(" {\"a\" : [1, -2, 3.5, 1e2], \"b\\n\":\"x\\u00e9\\ud83d\\ude00\\u0000\","
              "\"c\":null,\"d\":true,\"e\":false,\"f\":{}} ",
              &value),
        OK);
    ck_assert_int_eq(value->kind, JVALUE_OBJECT);
    ck_assert_uint_eq(value->count, 6);
    const struct jvalue *a = jvalue_find(value, "a");
    ck_assert_uint_eq(a->count, 4);
    ck_assert(a->first->is_integer && a->first->integer == 1);
    ck_assert(a->first->next->is_integer && a->first->next->integer == -2);
    ck_assert(!a->first->next->next->is_integer && !a->first->next->next->next->is_integer);
    ck_assert(bytes_is_equal(jvalue_find(value, "b\n")->string,
                             bytes_of("x\xc3\xa9\xf0\x9f\x98\x80\0", 8)));
    ck_assert_int_eq(jvalue_find(value, "c")->kind, JVALUE_NULL);
    ck_assert_int_eq(jvalue_find(value, "d")->kind, JVALUE_TRUE);
    ck_assert_int_eq(jvalue_find(value, "e")->kind, JVALUE_FALSE);
    ck_assert(bytes_is_equal(jvalue_find(value, "f")->raw, bytes_of_string("{}")));
    ck_assert_ptr_null(jvalue_find(value, "g"));
    arena_done(&arena);
}
END_TEST

START_TEST(integers_have_bounds)
{
    static const struct {
        const char *text;
        bool is_integer;
        int64_t value;
    } rows[] = {{"0", true, 0},
                {"-0", true, 0},
                {"9223372036854775807", true, INT64_MAX},
                {"-9223372036854775808", true, INT64_MIN},
                {"9223372036854775808", false, 0},
                {"-9223372036854775809", false, 0},
                {"99999999999999999999999", false, 0},
                {"1.0", false, 0},
                {"1e3", false, 0}};
    const struct jvalue *value;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert_int_eq(parse(rows[i].text, &value), OK);
        ck_assert_int_eq(value->is_integer, rows[i].is_integer);
        ck_assert_int_eq(value->integer, rows[i].value);
    }
    arena_done(&arena);
}
END_TEST

START_TEST(bounds_depth_and_values)
{
    const struct jvalue *value;
    struct buf text = BUF_INIT;
    struct why why;
    for (int i = 0; i < HTTP_JSON_MAX_DEPTH + 1; i++)
        buf_put_u8(&text, '[');
    for (int i = 0; i < HTTP_JSON_MAX_DEPTH + 1; i++)
        buf_put_u8(&text, ']');
    ck_assert_int_eq(jvalue_parse(buf_bytes(&text), 1, &arena, &value, &why), OK);
    buf_clear(&text);
    for (int i = 0; i < 1000000; i++)
        buf_put_u8(&text, '[');
    ck_assert_int_eq(jvalue_parse(buf_bytes(&text), 1, &arena, &value, &why), ERR_TOO_LARGE);
    buf_clear(&text);
    buf_put_u8(&text, '[');
    for (int i = 0; i < HTTP_JSON_MAX_VALUES; i++)
        buf_append(&text, "1,", 2);
    buf_append(&text, "1]", 2);
    ck_assert_int_eq(jvalue_parse(buf_bytes(&text), 1, &arena, &value, &why), ERR_TOO_LARGE);
    /* Without nodes their number does not matter. */
    ck_assert_int_eq(jvalue_parse(buf_bytes(&text), 0, &arena, &value, &why), OK);
    ck_assert_uint_eq(value->count, HTTP_JSON_MAX_VALUES + 1);
    buf_done(&text);
    arena_done(&arena);
}
END_TEST

START_TEST(keeps_text_of_what_has_no_nodes)
{
    const struct jvalue *value;
    struct bytes text = bytes_of_string("{\"payload\": { \"n\" : 0.1, \"s\": \" a \\\" b \" } }");
    ck_assert_int_eq(jvalue_parse(text, 1, &arena, &value, NULL), OK);
    const struct jvalue *payload = jvalue_find(value, "payload");
    ck_assert_ptr_null(payload->first);
    ck_assert_uint_eq(payload->count, 2);
    ck_assert(bytes_is_equal(jvalue_compact(payload->raw, &arena),
                             bytes_of_string("{\"n\":0.1,\"s\":\" a \\\" b \"}")));
    arena_done(&arena);
}
END_TEST

START_TEST(indents)
{
    struct buf buf = BUF_INIT;
    jvalue_append_pretty(&buf, bytes_of_string("{\"a\":[1,{}],\"b\":\"x,:{\",\"c\":[]}"));
    ck_assert_str_eq(buf_string(&buf), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": \"x,:{\",\n"
                                       "  \"c\": []\n}\n");
    buf_done(&buf);
}
END_TEST

/* ---- against jansson ----------------------------------------------------------------------------- */
static void check_same(const struct jvalue *ours, const json_t *theirs);

static void check_same_object(const struct jvalue *ours, const json_t *theirs)
{
    ck_assert_uint_eq(ours->count, json_object_size(theirs));
    for (const struct jvalue *child = ours->first; child != NULL; child = child->next) {
        const char *key;
        json_t *value;
        bool found = false;
        json_object_foreach((json_t *)theirs, key, value)
        {
            if (bytes_is_equal(child->key, bytes_of_string(key))) {
                check_same(child, value);
                found = true;
            }
        }
        ck_assert(found);
    }
}

static void check_same(const struct jvalue *ours, const json_t *theirs)
{
    switch (json_typeof(theirs)) {
    case JSON_OBJECT:
        ck_assert_int_eq(ours->kind, JVALUE_OBJECT);
        check_same_object(ours, theirs);
        break;
    case JSON_ARRAY:
        ck_assert_int_eq(ours->kind, JVALUE_ARRAY);
        ck_assert_uint_eq(ours->count, json_array_size(theirs));
        size_t i = 0;
        for (const struct jvalue *child = ours->first; child != NULL; child = child->next)
            check_same(child, json_array_get(theirs, i++));
        break;
    case JSON_STRING:
        ck_assert_int_eq(ours->kind, JVALUE_STRING);
        ck_assert(bytes_is_equal(ours->string,
                                 bytes_of(json_string_value(theirs), json_string_length(theirs))));
        break;
    case JSON_INTEGER:
        ck_assert(ours->kind == JVALUE_NUMBER && ours->is_integer);
        ck_assert_int_eq(ours->integer, json_integer_value(theirs));
        break;
    case JSON_REAL:
        ck_assert(ours->kind == JVALUE_NUMBER && !ours->is_integer);
        break;
    case JSON_TRUE:
        ck_assert_int_eq(ours->kind, JVALUE_TRUE);
        break;
    case JSON_FALSE:
        ck_assert_int_eq(ours->kind, JVALUE_FALSE);
        break;
    case JSON_NULL:
        ck_assert_int_eq(ours->kind, JVALUE_NULL);
        break;
    }
}

/* jansson refuses three things that are JSON: integers beyond int64 and reals beyond double, which
 * it cannot hold, and a NUL in a key. */
static bool is_known_difference(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           code == json_error_stack_overflow;
}

static void compare(struct bytes text)
{
    json_error_t error;
    const struct jvalue *ours = NULL;
    json_t *theirs = json_loadb((const char *)text.data, text.len,
                                JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    enum err err = jvalue_parse(text, 64, &arena, &ours, NULL);
    if (theirs == NULL)
        ck_assert_msg(err != OK || is_known_difference(&error), "jansson refuses '%.*s': %s",
                      (int)text.len, (const char *)text.data, error.text);
    else
        ck_assert_msg(err == OK, "jansson takes '%.*s'", (int)text.len, (const char *)text.data);
    if (theirs != NULL)
        check_same(ours, theirs);
    json_decref(theirs);
    arena_clear(&arena);
}

static void put_random_value(struct rng *rng, struct buf *buf, int depth)
{
    static const char *const scalars[] = {"0",
                                          "-1",
                                          "12345678901",
                                          "1.5",
                                          "-0.25e3",
                                          "1E+2",
                                          "true",
                                          "false",
                                          "null",
                                          "\"\"",
                                          "\"abc\"",
                                          "\"\\u00e9\\n\"",
                                          "\"\\ud83d\\ude00\"",
                                          "\"\xc3\xa4\"",
                                          "\"\\\\\\\"\""};
    uint64_t kind = rng_below(rng, depth > 4 ? 2 : 4);
    if (kind < 2) {
        buf_append_string(buf, scalars[rng_below(rng, ARRAY_LEN(scalars))]);
        return;
    }
    uint64_t count = rng_below(rng, 4);
    buf_put_u8(buf, kind == 2 ? '[' : '{');
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_string(buf, rng_below(rng, 2) == 0 ? "," : " ,\n");
        if (kind == 3)
            buf_printf(buf, "\"k%llu\":", (unsigned long long)rng_below(rng, 6));
        put_random_value(rng, buf, depth + 1);
    }
    buf_put_u8(buf, kind == 2 ? ']' : '}');
}

static void damage(struct rng *rng, struct buf *buf)
{
    static const char bytes[] = "{}[]\",:\\u0123abcdefnrt \n-+.eE\x01\xc3\xa4\xff";
    if (buf->len == 0)
        return;
    size_t at = rng_below(rng, buf->len);
    switch (rng_below(rng, 3)) {
    case 0:
        buf->data[at] = (uint8_t)bytes[rng_below(rng, sizeof(bytes) - 1)];
        break;
    case 1:
        memmove(buf->data + at, buf->data + at + 1, buf->len - at - 1);
        buf->len--;
        break;
    default:
        buf->len = at;
        break;
    }
}

START_TEST(agrees_with_jansson)
{
    struct rng rng = rng_of(20240229);
    struct buf buf = BUF_INIT;
    for (int i = 0; i < 60000; i++) {
        buf_clear(&buf);
        put_random_value(&rng, &buf, 0);
        for (uint64_t faults = rng_below(&rng, 4); faults > 0; faults--)
            damage(&rng, &buf);
        if (buf.len > 0) /* jansson and an empty text: both refuse, but with no bytes to point at */
            compare(buf_bytes(&buf));
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(many_members)
{
    struct buf buf = BUF_INIT;
    const struct jvalue *value;
    buf_put_u8(&buf, '{');
    for (int i = 0; i < 5000; i++)
        buf_printf(&buf, "%s\"key%d\":%d", i == 0 ? "" : ",", i, i);
    size_t len = buf.len;
    buf_put_u8(&buf, '}');
    ck_assert_int_eq(jvalue_parse(buf_bytes(&buf), 1, &arena, &value, NULL), OK);
    ck_assert_uint_eq(value->count, 5000);
    buf.len = len;
    buf_append_string(&buf, ",\"key2500\":1}");
    ck_assert_int_eq(jvalue_parse(buf_bytes(&buf), 0, &arena, &value, NULL), ERR_BAD_JSON);
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

Suite *suite_jvalue(void)
{
    return UNIT_SUITE("jvalue", 60, refuses_bad_texts, reads_values, integers_have_bounds,
                      bounds_depth_and_values, keeps_text_of_what_has_no_nodes, indents,
                      agrees_with_jansson, many_members);
}
