/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that send a byte at a time, never end, or never read are cut off by absolute deadlines,
 * and many busy connections at once do not stall the server (libmicrohttpd's epoll hang). */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "client.h"
#include "fake_node.h"
#include "http/http.h"
#include "suites.h"
#include "sys/clock.h"

static struct node *node;
static struct http *http;

static void start(uint32_t timeout_ms, uint32_t max_connections)
{
    struct http_options options;
    struct why why;
    node = fake_node_new();
    http_options_init(&options);
    options.listen = "127.0.0.1:0";
    options.max_connections = max_connections;
    options.header_timeout_ms = options.body_timeout_ms = timeout_ms;
    options.reply_timeout_ms = options.idle_timeout_ms = timeout_ms;
    ck_assert_int_eq(http_start(&options, node, &http, &why), OK);
}

static void stop(void)
{
    http_stop(http, 1000);
    fake_node_free(node);
}

/* Sends text a byte at a time until the server hangs up; how long that took, 0: it did not. */
static uint64_t drip(const char *text, uint32_t pause_ms)
{
    struct client client;
    uint64_t started_ms = clock_mono_ms();
    client_open(&client, http_address(http));
    for (size_t i = 0; text[i] != '\0'; i++) {
        struct pollfd poller = {.fd = client.fd, .events = POLLIN};
        client_send(&client, &text[i], 1);
        if (poll(&poller, 1, (int)pause_ms) == 1) {
            char byte;
            bool is_closed = recv(client.fd, &byte, 1, MSG_PEEK) <= 0;
            client_close(&client);
            return is_closed ? clock_mono_ms() - started_ms : 0;
        }
    }
    client_close(&client);
    return 0;
}

START_TEST(slow_header)
{
    start(600, 100);
    uint64_t took_ms = drip("GET /livez HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 50);
    ck_assert_uint_ge(took_ms, 500);
    ck_assert_uint_le(took_ms, 2500);
    stop();
}
END_TEST

START_TEST(slow_body)
{
    start(600, 100);
    uint64_t took_ms = drip("POST /v1/channels/1/a/messages HTTP/1.1\r\nHost: x\r\nContent-Length: "
                            "900\r\n\r\n                                                       "
                            "                                                                  ",
                            10);
    ck_assert_uint_ge(took_ms, 500);
    ck_assert_uint_le(took_ms, 4000);
    stop();
}
END_TEST

START_TEST(idle_connection)
{
    struct client client;
    start(400, 100);
    client_open(&client, http_address(http));
    ck_assert_int_eq(client_ask(&client, "GET", "/livez", NULL, NULL), 200);
    uint64_t started_ms = clock_mono_ms();
    ck_assert(!client_read(&client, 5000));
    ck_assert_uint_le(clock_mono_ms() - started_ms, 2500);
    client_close(&client);
    stop();
}
END_TEST

/* Deadlines of a connection count from when it came, however long the server had nothing to do. */
START_TEST(comes_after_a_long_pause)
{
    struct client client;
    start(600, 100);
    usleep(1000000);
    client_open(&client, http_address(http));
    usleep(350000); /* longer than from one sweep to the next */
    ck_assert_int_eq(client_ask(&client, "GET", "/livez", NULL, NULL), 200);
    client_close(&client);
    stop();
}
END_TEST

/* A client that asks for much and reads nothing. */
START_TEST(unread_reply)
{
    struct client client;
    char chunk[65536];
    start(500, 100);
    client_open(&client, http_address(http));
    int small = 4096;
    setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (int i = 0; i < 200; i++)
        client_send(&client, "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 40);
    usleep(1500000);
    size_t got = 0;
    for (;;) {
        ssize_t len = recv(client.fd, chunk, sizeof(chunk), 0);
        if (len <= 0)
            break; /* cut off, before all 200 replies were sent */
        got += (size_t)len;
    }
    ck_assert_uint_lt(got, 100 * 80000);
    client_close(&client);
    stop();
}
END_TEST

/* A tail that is not read: its piece waits, then the connection is cut off and its place is free. One
 * that is read may last for longer than a reply may take. */
START_TEST(unread_tail)
{
    enum { PAYLOAD = 1000000, COUNT = 24 };
    static const char tail[] =
        "GET /v1/channels/1/a/messages:tail?after_seq=0 HTTP/1.1\r\nHost: x\r\n\r\n";
    struct client client, lazy;
    char *body = alloc(PAYLOAD + 1), chunk[65536];
    memset(body, 'a', PAYLOAD);
    body[PAYLOAD] = '\0';
    start(3000, 4); /* two that stay at once; a piece takes its time under a sanitizer */
    client_open(&client, http_address(http));
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(client_ask(&client, "POST", "/v1/channels/1/a/messages",
                                    "Content-Type: text/plain\r\n", body),
                         201);
    client_close(&client);
    client_open(&lazy, http_address(http)); /* a smaller window would let the rest out in drops */
    client_send(&lazy, tail, sizeof(tail) - 1);
    client_open(&client, http_address(http));
    client_send(&client, tail, sizeof(tail) - 1);
    uint64_t started_ms = clock_mono_ms(), got = 0;
    while (got < (uint64_t)PAYLOAD * COUNT && clock_mono_ms() - started_ms < 20000) {
        ssize_t len = recv(client.fd, chunk, sizeof(chunk), 0);
        ck_assert_int_gt(len, 0);
        got += (size_t)len;
    }
    ck_assert_uint_ge(got, (uint64_t)PAYLOAD * COUNT);
    usleep(5000000); /* quiet for longer than a reply may take */
    struct client sender;
    client_open(&sender, http_address(http));
    ck_assert_int_eq(client_ask(&sender, "POST", "/v1/channels/1/a/messages",
                                "Content-Type: text/plain\r\n", "new"),
                     201);
    client_close(&sender);
    ck_assert_int_gt(recv(client.fd, chunk, sizeof(chunk), 0), 0);
    got = 0;
    for (ssize_t len; (len = recv(lazy.fd, chunk, sizeof(chunk), 0)) > 0;)
        got += (size_t)len;
    ck_assert_uint_lt(got, (uint64_t)PAYLOAD * COUNT); /* cut off: what the kernel held */
    client_open(&sender, http_address(http));          /* the place is free: two may stay */
    ck_assert_int_eq(
        client_ask(&sender, "GET", "/v1/channels/1/a/messages?after_seq=99&wait=10ms", NULL, NULL),
        200);
    client_close(&sender);
    client_close(&client);
    client_close(&lazy);
    free(body);
    stop();
}
END_TEST

/* A client that leaves while its call is open: the answer finds nobody, and nothing is held. */
START_TEST(client_hangs_up)
{
    static const char request[] = "POST /v1/channels/1/a/messages HTTP/1.1\r\nHost: x\r\n"
                                  "Content-Length: 14\r\n\r\n{\"payload\":\"\"}";
    start(5000, 100);
    fake_node_delay(node, 20);
    for (int i = 0; i < 20; i++) {
        struct client client;
        client_open(&client, http_address(http));
        client_send(&client, request, sizeof(request) - 1);
        client_close(&client);
    }
    struct client client;
    client_open(&client, http_address(http));
    ck_assert_int_eq(client_ask(&client, "GET", "/livez", NULL, NULL), 200);
    client_close(&client);
    stop();
}
END_TEST

/* Who comes when the server is full waits in the listen queue until somebody leaves, and again. */
START_TEST(more_wait_in_the_queue)
{
    enum { LIMIT = 6, COUNT = 3 * LIMIT };
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    struct client clients[COUNT];
    start(20000, LIMIT);
    for (int i = 0; i < COUNT; i++) {
        client_open(&clients[i], http_address(http));
        client_send(&clients[i], request, sizeof(request) - 1);
    }
    for (int i = 0; i < COUNT; i++) {
        ck_assert(client_read(&clients[i], 5000));
        ck_assert_int_eq(clients[i].status, 200);
        if (i + LIMIT < COUNT)
            ck_assert(!client_read(&clients[i + LIMIT], 30));
        client_close(&clients[i]);
    }
    stop();
}
END_TEST

enum { CONNECTIONS_MAX = 1024, ROUNDS = 4 };

/* Each connection has a request under way at the same time, several times over. */
static void busy(uint32_t count)
{
    static struct client clients[CONNECTIONS_MAX];
    static const char request[] =
        "GET /v1/channels/1/a/messages?limit=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    start(30000, CONNECTIONS_MAX + 100);
    for (uint32_t i = 0; i < count; i++)
        client_open(&clients[i], http_address(http));
    uint64_t started_ms = clock_mono_ms();
    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < count; i++)
            client_send(&clients[i], request, sizeof(request) - 1);
        for (uint32_t i = 0; i < count; i++) {
            ck_assert_msg(client_read(&clients[i], 10000), "connection %u of %u stalls", i, count);
            ck_assert_int_eq(clients[i].status, 200);
        }
    }
    ck_assert_uint_le(clock_mono_ms() - started_ms, 20000);
    for (uint32_t i = 0; i < count; i++)
        client_close(&clients[i]);
    stop();
}

START_TEST(busy_128)
{
    busy(128);
}
END_TEST

START_TEST(busy_256)
{
    busy(256);
}
END_TEST

START_TEST(busy_512)
{
    busy(512);
}
END_TEST

START_TEST(busy_1024)
{
    busy(1024);
}
END_TEST

Suite *suite_slow(void)
{
    return UNIT_SUITE("slow", 120, slow_header, slow_body, idle_connection,
                      comes_after_a_long_pause, unread_reply, unread_tail, client_hangs_up,
                      more_wait_in_the_queue, busy_128, busy_256, busy_512, busy_1024);
}
