/* SPDX-License-Identifier: Apache-2.0 */
/* Replies in one piece and byte by byte, with a length and in chunks; and the results in them. */
#include "bench/reply.h"
#include "suites.h"

static enum reply_state parse(const char *text, struct reply *ret)
{
    static struct buf scratch;
    return reply_parse(bytes_of_string(text), &scratch, ret);
}

START_TEST(test_length)
{
    struct reply reply;
    const char *text =
        "HTTP/1.1 201 Created\r\nLethe-Node: 1\r\ncontent-LENGTH: 5\r\n\r\nhellomore";
    ck_assert_int_eq(parse(text, &reply), REPLY_COMPLETE);
    ck_assert_int_eq(reply.status, 201);
    ck_assert_uint_eq(reply.body.len, 5);
    ck_assert_mem_eq(reply.body.data, "hello", 5);
    ck_assert_uint_eq(reply.used, strlen(text) - 4);
    ck_assert(!reply.is_last);
}
END_TEST

START_TEST(test_chunks)
{
    struct reply reply;
    const char *text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                       "5\r\nhello\r\nA\r\n 123456789\r\n0\r\n\r\n";
    ck_assert_int_eq(parse(text, &reply), REPLY_COMPLETE);
    ck_assert_uint_eq(reply.body.len, 15);
    ck_assert_mem_eq(reply.body.data, "hello 123456789", 15);
    ck_assert_uint_eq(reply.used, strlen(text));
    ck_assert(reply.is_last);
}
END_TEST

START_TEST(test_every_prefix_needs_more)
{
    static const char *const texts[] = {
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"};
    struct buf scratch = BUF_INIT;
    for (size_t i = 0; i < 2; i++) {
        struct reply reply;
        for (size_t len = 0; len < strlen(texts[i]); len++)
            ck_assert_int_eq(reply_parse(bytes_of(texts[i], len), &scratch, &reply),
                             REPLY_NEEDS_MORE);
        ck_assert_int_eq(reply_parse(bytes_of_string(texts[i]), &scratch, &reply), REPLY_COMPLETE);
        ck_assert_uint_eq(reply.body.len, 3);
    }
    buf_done(&scratch);
}
END_TEST

START_TEST(test_broken)
{
    struct reply reply;
    ck_assert_int_eq(parse("SMTP ready, hello there\r\n\r\n", &reply), REPLY_BROKEN);
    ck_assert_int_eq(parse("HTTP/1.1 2x0 OK\r\n\r\n", &reply), REPLY_BROKEN);
    ck_assert_int_eq(parse("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", &reply), REPLY_BROKEN);
    ck_assert_int_eq(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", &reply),
                     REPLY_BROKEN);
    ck_assert_int_eq(parse("HTTP/1.1 304 Not Modified\r\n\r\n", &reply), REPLY_COMPLETE);
}
END_TEST

START_TEST(test_items)
{
    struct bytes text = bytes_of_string(
        "{\"results\":[{\"status\":201,\"message_seq\":42,\"x\":{\"status\":9,\"message_seq\":9}},"
        "{\"status\":422,\"detail\":\"a } and a \\\" and \\\\\"},"
        "{\"message_seq\":43,\"duplicate\":true,\"status\":200}],\"ok\":2,\"failed\":1}");
    size_t at = reply_items_start(text);
    struct reply_item item;
    ck_assert(reply_next_item(text, &at, &item));
    ck_assert_int_eq(item.status, 201);
    ck_assert_uint_eq(item.seq, 42);
    ck_assert(reply_next_item(text, &at, &item));
    ck_assert_int_eq(item.status, 422);
    ck_assert_uint_eq(item.seq, 0);
    ck_assert(reply_next_item(text, &at, &item));
    ck_assert_uint_eq(item.seq, 43);
    ck_assert(item.is_duplicate);
    ck_assert(!reply_next_item(text, &at, &item));
}
END_TEST

START_TEST(test_lines)
{
    struct bytes text = bytes_of_string("{\"status\":201,\"message_seq\":1}\n"
                                        "{\"done\":true,\"ok\":1,\"failed\":0}\n");
    size_t at = reply_items_start(text);
    struct reply_item item;
    ck_assert_uint_eq(at, 0);
    ck_assert(reply_next_item(text, &at, &item));
    ck_assert_uint_eq(item.seq, 1);
    ck_assert(reply_next_item(text, &at, &item));
    ck_assert(item.is_done);
    ck_assert(!reply_next_item(text, &at, &item));
    at = 0;
    ck_assert(!reply_next_item(bytes_of_string("{\"status\":201,\"message"), &at, &item));
    ck_assert(!reply_next_item(bytes_of_string(""), &at, &item));
}
END_TEST

Suite *suite_reply(void)
{
    return UNIT_SUITE("reply", 10, test_length, test_chunks, test_every_prefix_needs_more,
                      test_broken, test_items, test_lines);
}
