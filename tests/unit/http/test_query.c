/* SPDX-License-Identifier: Apache-2.0 */
/* A query has only known names, each once. */
#include "http/query.h"
#include "suites.h"

static struct arena arena;

static enum err parse(const char *text, struct query *ret)
{
    struct why why = {.err = OK};
    enum err err = query_parse(bytes_of_string(text), "a b limit flag", &arena, ret, &why);
    ck_assert_int_eq(why.err, err);
    return err;
}

START_TEST(decodes_values)
{
    struct query query;
    struct bytes value;
    ck_assert_int_eq(parse("a=x+y%2B%26&b&&limit=", &query), OK);
    ck_assert_uint_eq(query.count, 3);
    ck_assert(query_find(&query, "a", &value) && bytes_is_equal(value, bytes_of_string("x y+&")));
    ck_assert(query_find(&query, "b", &value) && value.len == 0);
    ck_assert(query_has(&query, "limit") && !query_has(&query, "flag"));
    arena_done(&arena);
}
END_TEST

START_TEST(refuses_bad_queries)
{
    static const char *const bad[] = {"c=1", "A=1",   "a=1&a=1", "a=1&b=2&a=3", "%61=1&a=1",
                                      "a=%", "a=%f",  "a=%gg",   "a=%ff",       "%ff=1",
                                      "=1",  "a=%c3", "ab=1",    "a%00=1",      "limi=1"};
    struct query query;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(parse(bad[i], &query) == ERR_BAD_PARAMETER, "accepted '%s'", bad[i]);
    arena_done(&arena);
}
END_TEST

START_TEST(getters_check)
{
    static const struct {
        const char *text;
        enum err err;
        uint64_t value;
    } rows[] = {{"limit=1", OK, 1},
                {"limit=50", OK, 50},
                {"a=1", OK, 99},
                {"limit=0", ERR_BAD_PARAMETER, 99},
                {"limit=51", ERR_BAD_PARAMETER, 99},
                {"limit=", ERR_BAD_PARAMETER, 99},
                {"limit=-1", ERR_BAD_PARAMETER, 99},
                {"limit=x", ERR_BAD_PARAMETER, 99},
                {"limit=1%00", ERR_BAD_PARAMETER, 99}};
    struct query query;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 99;
        struct why why = {.err = OK};
        ck_assert_int_eq(parse(rows[i].text, &query), OK);
        ck_assert_int_eq(query_number(&query, "limit", 1, 50, &value, &why), rows[i].err);
        ck_assert_uint_eq(value, rows[i].value);
        ck_assert(rows[i].err == OK || strstr(why.text, "'limit'") != NULL);
        ck_assert(rows[i].err == OK || strstr(why.text, "50") != NULL);
    }
    bool flag = false;
    ck_assert_int_eq(parse("flag", &query), OK);
    ck_assert_int_eq(query_bool(&query, "flag", &flag, NULL), OK);
    ck_assert(flag);
    ck_assert_int_eq(parse("flag=0", &query), OK);
    ck_assert_int_eq(query_bool(&query, "flag", &flag, NULL), OK);
    ck_assert(!flag);
    ck_assert_int_eq(parse("flag=yes", &query), OK);
    ck_assert_int_eq(query_bool(&query, "flag", &flag, NULL), ERR_BAD_PARAMETER);
    struct bytes text = BYTES_NONE;
    ck_assert_int_eq(parse("a=12345&b=x%0Ay", &query), OK);
    ck_assert_int_eq(query_text(&query, "a", 4, &text, NULL), ERR_BAD_PARAMETER);
    ck_assert_int_eq(query_text(&query, "b", 4, &text, NULL), ERR_BAD_PARAMETER);
    ck_assert_int_eq(query_text(&query, "a", 5, &text, NULL), OK);
    ck_assert_uint_eq(text.len, 5);
    arena_done(&arena);
}
END_TEST

Suite *suite_query(void)
{
    return UNIT_SUITE("query", 10, decodes_values, refuses_bad_queries, getters_check);
}
