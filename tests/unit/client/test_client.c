/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a request is said truly: answered, certainly not sent, or unknown; and an append is
 * never sent twice. */
#include "client/client.h"
#include "suites.h"
#include "unit_server.h"

#include <stdio.h>
#include <string.h>

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
#define BUSY_REPLY                                                                                 \
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nbusy"
#define NOBODY "http://127.0.0.1:1"

static char last_request[4096];

static const char *answer_ok(const char *request, void *arg)
{
    (void)arg;
    snprintf(last_request, sizeof(last_request), "%s", request);
    return OK_REPLY;
}

static const char *answer_busy(const char *request, void *arg)
{
    (void)request;
    (void)arg;
    return BUSY_REPLY;
}

static const char *hang_up(const char *request, void *arg)
{
    (void)request;
    (void)arg;
    return NULL;
}

/* Answers the first request of a connection, and dies on the second. */
static const char *answer_once(const char *request, void *arg)
{
    unsigned *count = arg;
    (void)request;
    return (*count)++ == 0 ? OK_REPLY : NULL;
}

static struct client *client_of(const char *first, const char *second)
{
    const char *servers[] = {first, second};
    const struct client_options options = {.servers = servers,
                                           .servers_count = second != NULL ? 2 : 1,
                                           .timeout_ms = 3000,
                                           .token = "secret"};
    return client_new(&options);
}

static const struct client_request get = {.method = CLIENT_GET, .path = "/x", .may_repeat = true};

static struct client_request post(bool may_repeat)
{
    return (struct client_request){.method = CLIENT_POST,
                                   .path = "/v1/channels/2/a%2Fb/messages?x=1",
                                   .content_type = "application/json",
                                   .body = bytes_of_string("{\"payload\":\"aGk=\"}"),
                                   .may_repeat = may_repeat};
}

START_TEST(test_request_and_reply)
{
    struct unit_server *server = unit_server_start(answer_ok, NULL);
    struct client *client = client_of(unit_server_url(server), NULL);
    struct client_reply reply;
    client_reply_init(&reply);
    const struct client_request request = post(false);
    ck_assert_int_eq(client_call(client, &request, &reply, NULL), OK);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(buf_string(&reply.body), "ok");
    ck_assert_str_eq(reply.content_type, "text/plain");
    ck_assert_ptr_nonnull(strstr(last_request, "POST /v1/channels/2/a%2Fb/messages?x=1 HTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(last_request, "Content-Length: 18\r\n"));
    ck_assert_ptr_nonnull(strstr(last_request, "Content-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(last_request, "Authorization: Bearer secret\r\n"));
    ck_assert_ptr_null(strstr(last_request, "Expect"));
    ck_assert_ptr_nonnull(strstr(last_request, "{\"payload\":\"aGk=\"}"));
    ck_assert_int_eq(client_call(client, &get, &reply, NULL), OK);
    ck_assert_ptr_nonnull(strstr(last_request, "GET /x HTTP/1.1"));
    ck_assert_ptr_null(strstr(last_request, "Content-Length"));
    client_reply_done(&reply);
    client_free(client);
    unit_server_stop(server);
}
END_TEST

START_TEST(test_dots_stay_in_the_path)
{
    struct unit_server *server = unit_server_start(answer_ok, NULL);
    struct client *client = client_of(unit_server_url(server), NULL);
    struct client_reply reply;
    client_reply_init(&reply);
    const struct client_request request = {.method = CLIENT_GET, .path = "/v1/channels/2/../x"};
    ck_assert_int_eq(client_call(client, &request, &reply, NULL), OK);
    ck_assert_ptr_nonnull(strstr(last_request, "GET /v1/channels/2/../x HTTP/1.1"));
    client_reply_done(&reply);
    client_free(client);
    unit_server_stop(server);
}
END_TEST

START_TEST(test_nobody_there)
{
    struct client *client = client_of(NOBODY, NULL);
    struct client_reply reply;
    struct why why = {0};
    client_reply_init(&reply);
    const struct client_request request = post(false);
    ck_assert_int_eq(client_call(client, &request, &reply, &why), ERR_IO);
    ck_assert_ptr_nonnull(strstr(why.text, NOBODY));
    client_reply_done(&reply);
    client_free(client);
}
END_TEST

START_TEST(test_next_server)
{
    struct unit_server *good = unit_server_start(answer_ok, NULL);
    struct unit_server *busy = unit_server_start(answer_busy, NULL);
    struct client_reply reply;
    client_reply_init(&reply);
    const struct client_request request = post(false);

    struct client *client = client_of(NOBODY, unit_server_url(good));
    ck_assert_int_eq(client_call(client, &request, &reply, NULL), OK);
    ck_assert_int_eq(reply.status, 200);
    client_free(client);

    client = client_of(unit_server_url(busy), unit_server_url(good));
    ck_assert_int_eq(client_call(client, &request, &reply, NULL), OK);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(reply.server, unit_server_url(good));
    client_free(client);

    client = client_of(unit_server_url(good), unit_server_url(busy));
    struct client_request only = post(false);
    only.only_one_server = true;
    only.server = 1;
    ck_assert_int_eq(client_call(client, &only, &reply, NULL), OK);
    ck_assert_int_eq(reply.status, 503);
    ck_assert_uint_eq(reply.retry_after_s, 3);
    client_free(client);

    client_reply_done(&reply);
    unit_server_stop(good);
    unit_server_stop(busy);
}
END_TEST

START_TEST(test_unknown_outcome)
{
    struct unit_server *rude = unit_server_start(hang_up, NULL);
    struct unit_server *good = unit_server_start(answer_ok, NULL);
    struct client_reply reply;
    client_reply_init(&reply);

    struct client *client = client_of(unit_server_url(rude), unit_server_url(good));
    struct client_request request = post(false);
    ck_assert_int_eq(client_call(client, &request, &reply, NULL), ERR_OUTCOME_UNKNOWN);
    ck_assert_uint_eq(unit_server_requests(rude), 1);
    ck_assert_uint_eq(unit_server_requests(good), 0);
    request = post(true);
    ck_assert_int_eq(client_call(client, &request, &reply, NULL), OK);
    ck_assert_uint_eq(unit_server_requests(good), 1);
    client_free(client);

    client = client_of(unit_server_url(rude), NULL);
    ck_assert_int_eq(client_call(client, &get, &reply, NULL), ERR_TIMEOUT);
    client_free(client);

    client_reply_done(&reply);
    unit_server_stop(rude);
    unit_server_stop(good);
}
END_TEST

START_TEST(test_append_is_not_repeated_on_a_dead_connection)
{
    unsigned count = 0;
    struct unit_server *server = unit_server_start(answer_once, &count);
    struct client *client = client_of(unit_server_url(server), NULL);
    struct client_reply reply;
    client_reply_init(&reply);
    const struct client_request request = post(false);
    ck_assert_int_eq(client_call(client, &request, &reply, NULL), OK);
    ck_assert_int_eq(client_call(client, &request, &reply, NULL), ERR_OUTCOME_UNKNOWN);
    ck_assert_uint_eq(unit_server_requests(server), 2);
    client_reply_done(&reply);
    client_free(client);
    unit_server_stop(server);
}
END_TEST

Suite *suite_client(void)
{
    return UNIT_SUITE("client", 20, test_request_and_reply, test_dots_stay_in_the_path,
                      test_nobody_there, test_next_server, test_unknown_outcome,
                      test_append_is_not_repeated_on_a_dead_connection);
}
