/* SPDX-License-Identifier: Apache-2.0 */
/* Raw segments are split before they are decoded, and nothing is normalised. */
#include "http/path.h"
#include "suites.h"

static struct arena arena;

START_TEST(splits_before_decoding)
{
    struct path path;
    ck_assert_int_eq(
        path_parse(bytes_of_string("/v1/channels/2/a%2Fb/messages?x=1?y"), &arena, &path, NULL),
        OK);
    ck_assert_uint_eq(path.count, 5);
    ck_assert(bytes_is_equal(path.segments[3], bytes_of_string("a/b")));
    ck_assert(bytes_is_equal(path.query, bytes_of_string("x=1?y")));
    ck_assert(bytes_is_equal(path.raw, bytes_of_string("/v1/channels/2/a%2Fb/messages")));
    ck_assert_int_eq(path_parse(bytes_of_string("/a/./..//%2e%2E/x+y"), &arena, &path, NULL), OK);
    ck_assert_uint_eq(path.count, 6);
    ck_assert(bytes_is_equal(path.segments[1], bytes_of_string(".")));
    ck_assert(bytes_is_equal(path.segments[2], bytes_of_string("..")));
    ck_assert_uint_eq(path.segments[3].len, 0);
    ck_assert(bytes_is_equal(path.segments[4], bytes_of_string("..")));
    ck_assert(bytes_is_equal(path.segments[5], bytes_of_string("x+y")));
    arena_done(&arena);
}
END_TEST

START_TEST(keeps_a_nul)
{
    struct path path;
    ck_assert_int_eq(path_parse(bytes_of_string("/abc%00x"), &arena, &path, NULL), OK);
    ck_assert(bytes_is_equal(path.segments[0], bytes_of("abc\0x", 5)));
    arena_done(&arena);
}
END_TEST

START_TEST(refuses_bad_targets)
{
    static const struct {
        const char *target;
        enum err err;
    } rows[] = {{"", ERR_BAD_REQUEST},
                {"*", ERR_BAD_REQUEST},
                {"?a=1", ERR_BAD_REQUEST},
                {"http://x/", ERR_BAD_REQUEST}, /* before path_origin_form */
                {"/a#b", ERR_BAD_REQUEST},
                {"/a?b=#", ERR_BAD_REQUEST},
                {"/a%", ERR_BAD_REQUEST},
                {"/a%4", ERR_BAD_REQUEST},
                {"/a%zz", ERR_BAD_REQUEST},
                {"/%/b", ERR_BAD_REQUEST},
                {"/1/2/3/4/5/6/7/8/9", ERR_NO_ROUTE}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct path path;
        struct why why = {.err = OK};
        ck_assert_int_eq(path_parse(bytes_of_string(rows[i].target), &arena, &path, &why),
                         rows[i].err);
        ck_assert_int_eq(why.err, rows[i].err);
    }
    arena_done(&arena);
}
END_TEST

START_TEST(takes_the_authority_off)
{
    static const struct {
        const char *target, *origin;
    } rows[] = {{"http://h/a/b?c=http://d/e", "/a/b?c=http://d/e"},
                {"HTTPS://[::1]:5001//a", "//a"},
                {"http://user@h:80/", "/"},
                {"http://h", "/"},
                {"http://h?a=/b", "/"},
                {"http://h#/b", "#/b"},
                {"http:///a", "http:///a"},
                {"http://", "http://"},
                {"http:/a", "http:/a"},
                {"ftp://h/a", "ftp://h/a"},
                {"/http://h/a", "/http://h/a"},
                {"", ""}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bytes got = path_origin_form(bytes_of_string(rows[i].target));
        ck_assert_msg(bytes_is_equal(got, bytes_of_string(rows[i].origin)), "'%s' became '%.*s'",
                      rows[i].target, (int)got.len, (const char *)got.data);
    }
}
END_TEST

START_TEST(numbers)
{
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      "01",
                                      "00",
                                      "1.0",
                                      "1e3",
                                      "0x1",
                                      " 1",
                                      "1 ",
                                      "9223372036854775808",
                                      "18446744073709551616",
                                      "99999999999999999999999",
                                      "\xd9\xa1"};
    uint64_t value = 7;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!path_number(bytes_of_string(bad[i]), INT64_MAX, &value), "'%s'", bad[i]);
    ck_assert_uint_eq(value, 7);
    ck_assert(path_number(bytes_of_string("0"), 0, &value) && value == 0);
    ck_assert(path_number(bytes_of_string("9223372036854775807"), INT64_MAX, &value));
    ck_assert_uint_eq(value, INT64_MAX);
    ck_assert(!path_number(bytes_of_string("256"), 255, &value));
}
END_TEST

Suite *suite_path(void)
{
    return UNIT_SUITE("path", 10, splits_before_decoding, keeps_a_nul, refuses_bad_targets,
                      takes_the_authority_off, numbers);
}
