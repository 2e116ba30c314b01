/* SPDX-License-Identifier: Apache-2.0 */
/* Every way to write a server, and text in paths. */
#include "client/url.h"
#include "suites.h"

START_TEST(test_servers)
{
    static const char *const rows[][2] = {{"a", "http://a:5001"},
                                          {"a:7", "http://a:7"},
                                          {"http://a:7/", "http://a:7"},
                                          {"https://a.b-c", "https://a.b-c:5001"},
                                          {"127.0.0.1:65535", "http://127.0.0.1:65535"},
                                          {"[::1]", "http://[::1]:5001"},
                                          {"http://[::1]:9", "http://[::1]:9"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client_server server;
        char text[CLIENT_URL_SERVER_MAX_BYTES];
        struct why why = {0};
        ck_assert_msg(client_url_parse_server(rows[i][0], &server, &why) == OK, "%s", why.text);
        client_url_print_server(&server, text);
        ck_assert_str_eq(text, rows[i][1]);
    }
}
END_TEST

START_TEST(test_bad_servers)
{
    static const char *const texts[] = {"",      ":7",   "a:",      "a:0",  "a:65536", "a:x",
                                        "a b",   "a/b",  "http://", "[::1", "[::1]x",  "ftp://a",
                                        "a:7:8", "[]:1", "a@b",     "a:7?x"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct client_server server;
        ck_assert_msg(client_url_parse_server(texts[i], &server, NULL) == ERR_BAD_PARAMETER, "'%s'",
                      texts[i]);
    }
}
END_TEST

START_TEST(test_encoding)
{
    static const char *const rows[][2] = {
        {"room-1", "room-1"},  {"a/b", "a%2Fb"}, {".", "%2E"},
        {"..", "%2E%2E"},      {"a.b", "a.b"},   {"u1@u2 %?&#", "u1%40u2%20%25%3F%26%23"},
        {"\xc3\xa9", "%C3%A9"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = BUF_INIT;
        client_url_append_encoded(&out, bytes_of_string(rows[i][0]));
        ck_assert_str_eq(buf_string(&out), rows[i][1]);
        buf_done(&out);
    }
}
END_TEST

START_TEST(test_query)
{
    struct buf path = BUF_INIT;
    buf_append_string(&path, "/x");
    client_url_append_query_u64(&path, "limit", 10);
    client_url_append_query(&path, "prefix", "a&b=c");
    ck_assert_str_eq(buf_string(&path), "/x?limit=10&prefix=a%26b%3Dc");
    buf_done(&path);
}
END_TEST

Suite *suite_url(void)
{
    return UNIT_SUITE("url", 10, test_servers, test_bad_servers, test_encoding, test_query);
}
