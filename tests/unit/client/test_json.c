/* SPDX-License-Identifier: Apache-2.0 */
/* Reading never fails, whatever is missing; printing gives what was read; base64 both ways. */
#include "base/rng.h"
#include "client/base64.h"
#include "client/json.h"
#include "suites.h"

START_TEST(test_reading)
{
    struct client_json *root = NULL;
    ck_assert_int_eq(
        client_json_read(bytes_of_string("{\"a\":1,\"b\":\"x\",\"c\":[true,-5,{}],\"d\":true}"),
                         &root, NULL),
        OK);
    ck_assert_uint_eq(client_json_u64(root, "a", 9), 1);
    ck_assert_uint_eq(client_json_u64(root, "b", 9), 9);
    ck_assert_uint_eq(client_json_u64(root, "none", 9), 9);
    ck_assert_str_eq(client_json_text(root, "b", "?"), "x");
    ck_assert_str_eq(client_json_text(root, "a", "?"), "?");
    ck_assert(client_json_bool(root, "d", false));
    ck_assert(client_json_bool(root, "a", true));
    const struct client_json *list = client_json_find(root, "c");
    ck_assert_uint_eq(client_json_count(list), 3);
    ck_assert_uint_eq(client_json_u64_of(client_json_item(list, 1), 7), 7);
    ck_assert(client_json_is_map(client_json_item(list, 2)));
    ck_assert_ptr_null(client_json_item(list, 3));
    ck_assert_ptr_null(client_json_find(NULL, "a"));
    ck_assert_uint_eq(client_json_count(NULL), 0);
    client_json_free(root);
    client_json_free(NULL);
}
END_TEST

START_TEST(test_bad_texts)
{
    static const char *const texts[] = {"", "{", "{} {}", "{\"a\":}", "nul", "\xff"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct client_json *root = NULL;
        struct why why = {0};
        ck_assert_int_eq(client_json_read(bytes_of_string(texts[i]), &root, &why), ERR_BAD_JSON);
        ck_assert_ptr_nonnull(strstr(why.text, "line 1"));
    }
}
END_TEST

START_TEST(test_printing)
{
    struct client_json *root = NULL;
    struct buf out = BUF_INIT;
    ck_assert_int_eq(
        client_json_read(bytes_of_string("{ \"b\" : [ 1, \"\\u00e9\" ] }"), &root, NULL), OK);
    client_json_set_text(root, "t", bytes_of_string("x\"y"));
    client_json_set_u64(root, "n", 7);
    client_json_print(root, false, &out);
    ck_assert_str_eq(buf_string(&out), "{\"b\":[1,\"\xc3\xa9\"],\"t\":\"x\\\"y\",\"n\":7}");
    buf_clear(&out);
    client_json_print_text(bytes_of_string("a\"\\\n\xc3\xa9\x01"), &out);
    ck_assert_str_eq(buf_string(&out), "\"a\\\"\\\\\\u000a\xc3\xa9\\u0001\"");
    client_json_free(root);
    buf_done(&out);
}
END_TEST

/* Numbers that neither 64 bits nor a double can hold come out as they went in. */
START_TEST(test_numbers_keep_their_text)
{
    static const char *const texts[] = {
        "[1.10,1e400,-0,123456789012345678901234567890,-1.5E-3,0,-7,9223372036854775807]",
        "9223372036854775808",
        "{\"a\":{\"b\":[1.0,\"1.0\",\"\\u0001\",\"\\u00011.5\",\"\\u0001\\u0001\"]}}",
        "{\"\\u0001k\":2.50}",
        "[[],{},true,false,null,\"\"]",
        "\"1.50\"",
        "{\"a\":\"quote \\\" and 1.50\"}"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct client_json *root = NULL;
        struct why why = {0};
        struct buf out = BUF_INIT;
        ck_assert_msg(client_json_read(bytes_of_string(texts[i]), &root, &why) == OK, "%s: %s",
                      texts[i], why.text);
        client_json_print(root, false, &out);
        ck_assert_str_eq(buf_string(&out), texts[i]);
        client_json_free(root);
        buf_done(&out);
    }
    static const char *const wrong[] = {"01", "1.", ".5", "1e", "-", "+1", "1.5 2.5", "[1.5.5]"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct client_json *root = NULL;
        ck_assert_msg(client_json_read(bytes_of_string(wrong[i]), &root, NULL) == ERR_BAD_JSON,
                      "%s", wrong[i]);
    }
    struct client_json *root = NULL;
    ck_assert_int_eq(client_json_read(bytes_of_string("{\"n\":1.5,\"s\":\"\\u0001x\","
                                                      "\"u\":9223372036854775807}"),
                                      &root, NULL),
                     OK);
    ck_assert(!client_json_is_text(client_json_find(root, "n")));
    ck_assert_str_eq(client_json_text(root, "n", "?"), "?");
    ck_assert_str_eq(client_json_text(root, "s", "?"), "\x01x");
    ck_assert_uint_eq(client_json_u64(root, "u", 0), INT64_MAX);
    client_json_remove(root, "n");
    client_json_remove(root, "n");
    ck_assert_ptr_null(client_json_find(root, "n"));
    client_json_free(root);
}
END_TEST

START_TEST(test_pretty)
{
    struct client_json *root = NULL;
    struct buf out = BUF_INIT;
    ck_assert_int_eq(client_json_read(bytes_of_string("{\"a\":[1,{}],\"b\":[]}"), &root, NULL), OK);
    client_json_print(root, true, &out);
    ck_assert_str_eq(buf_string(&out), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
    client_json_free(root);
    buf_done(&out);
}
END_TEST

START_TEST(test_base64)
{
    static const char *const rows[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    struct buf text = BUF_INIT, raw = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&text);
        client_base64_append_encoded(&text, bytes_of_string(rows[i][0]));
        ck_assert_str_eq(buf_string(&text), rows[i][1]);
    }
    struct rng rng = rng_of(3);
    for (size_t len = 0; len < 300; len++) {
        uint8_t bytes[300];
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        buf_clear(&text);
        buf_clear(&raw);
        client_base64_append_encoded(&text, bytes_of(bytes, len));
        ck_assert(client_base64_append_decoded(&raw, buf_bytes(&text)));
        ck_assert(bytes_is_equal(buf_bytes(&raw), bytes_of(bytes, len)));
    }
    static const char *const wrong[] = {"Zg=", "Z", "Zg=a", "=Zg=", "Zm9v!mZm", "Zg= "};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        ck_assert_msg(!client_base64_append_decoded(&raw, bytes_of_string(wrong[i])), "%s",
                      wrong[i]);
    buf_done(&text);
    buf_done(&raw);
}
END_TEST

Suite *suite_json(void)
{
    return UNIT_SUITE("json", 10, test_reading, test_bad_texts, test_printing,
                      test_numbers_keep_their_text, test_pretty, test_base64);
}
