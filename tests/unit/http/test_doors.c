/* SPDX-License-Identifier: Apache-2.0 */
/* Who is let in: connections of one address, bytes in memory, and orders at their own listener. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "fake_node.h"
#include "http/crowd.h"
#include "http/http.h"
#include "suites.h"
#include "sys/clock.h"

#define JSON "Content-Type: application/json\r\n"
#define MESSAGES "/v1/channels/2/room/messages"

static struct node *node;
static struct http *http;
static struct http_options options;

static void start(void)
{
    struct why why = {0};
    node = fake_node_new();
    ck_assert_msg(http_start(&options, node, &http, &why) == OK, "%s", why.text);
}

static void stop(void)
{
    http_stop(http, 1000);
    fake_node_free(node);
}

static void set_options(void)
{
    http_options_init(&options);
    options.listen = "127.0.0.1:0";
}

/* ---- connections of one address ------------------------------------------------------------------ */
static struct crowd_key key_of(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return crowd_key_of((struct sockaddr *)&v4);
    ck_assert_int_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return crowd_key_of((struct sockaddr *)&v6);
}

static bool is_one(const char *a, const char *b)
{
    struct crowd_key left = key_of(a), right = key_of(b);
    return memcmp(&left, &right, sizeof(left)) == 0;
}

START_TEST(addresses)
{
    struct crowd crowd;
    ck_assert(is_one("10.0.0.1", "::ffff:10.0.0.1"));
    ck_assert(!is_one("10.0.0.1", "10.0.0.2"));
    ck_assert(!is_one("10.0.0.1", "::a00:1"));
    ck_assert(is_one("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
    ck_assert(!is_one("2001:db8:1:2::1", "2001:db8:1:3::1"));
    crowd_init(&crowd, 2);
    ck_assert(crowd_enter(&crowd, key_of("10.0.0.1")));
    ck_assert(crowd_enter(&crowd, key_of("10.0.0.1")));
    ck_assert(!crowd_enter(&crowd, key_of("10.0.0.1")));
    ck_assert(crowd_enter(&crowd, key_of("10.0.0.2")));
    crowd_leave(&crowd, key_of("10.0.0.1"));
    ck_assert(crowd_enter(&crowd, key_of("10.0.0.1")));
    crowd_leave(&crowd, key_of("10.0.0.1"));
    crowd_leave(&crowd, key_of("10.0.0.1"));
    crowd_leave(&crowd, key_of("10.0.0.2"));
    ck_assert_uint_eq(map_count(crowd.counts), 0); /* nobody is remembered for ever */
    crowd_done(&crowd);
}
END_TEST

START_TEST(one_address_has_its_share)
{
    struct client clients[4];
    set_options();
    options.max_connections_per_address = 3;
    start();
    for (int i = 0; i < 3; i++) {
        client_open(&clients[i], http_address(http));
        ck_assert_int_eq(client_ask(&clients[i], "GET", "/livez", NULL, NULL), 200);
    }
    client_open(&clients[3], http_address(http));
    ck_assert_int_eq(client_ask(&clients[3], "GET", "/livez", NULL, NULL), 0);
    client_close(&clients[3]);
    client_close(&clients[0]);
    uint64_t end_ms = clock_mono_ms() + 5000;
    int status = 0;
    while (status != 200 && clock_mono_ms() < end_ms) { /* until the server saw the end */
        usleep(10000);
        client_open(&clients[0], http_address(http));
        status = client_ask(&clients[0], "GET", "/livez", NULL, NULL);
        if (status != 200)
            client_close(&clients[0]);
    }
    ck_assert_int_eq(status, 200);
    ck_assert_int_eq(client_ask(&clients[1], "GET", "/metrics", NULL, NULL), 200);
    ck_assert(client_has(&clients[1], "\nlethe_http_connections_refused_total "));
    ck_assert(!client_has(&clients[1], "\nlethe_http_connections_refused_total 0\n"));
    for (int i = 0; i < 3; i++)
        client_close(&clients[i]);
    stop();
}
END_TEST

/* ---- bytes in memory ----------------------------------------------------------------------------- */
static void send_text(struct client *client, const char *text)
{
    client_send(client, text, strlen(text));
}

START_TEST(bodies_have_a_bound)
{
    struct client holding, other, chunked;
    static char body[50001];
    set_options();
    options.max_body_bytes = options.max_message_bytes = 60000;
    options.max_inflight_bytes = 100000;
    start();
    client_open(&holding, http_address(http));
    client_open(&other, http_address(http));
    client_open(&chunked, http_address(http));
    memset(body, 'a', sizeof(body) - 1);
    send_text(&holding, "POST " MESSAGES " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                        "Content-Length: 60000\r\n\r\n");
    usleep(100000); /* its head is there; what it says it will send is counted */
    ck_assert_int_eq(client_ask(&other, "POST", MESSAGES, "Content-Type: text/plain\r\n", body),
                     503);
    ck_assert(client_has(&other, "\"code\":\"busy\""));
    ck_assert(client_has(&other, "Retry-After: 1\r\n"));
    ck_assert(client_has(&other, "'http.max_inflight_bytes' 100000"));
    send_text(&chunked, "POST " MESSAGES " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                        "Transfer-Encoding: chunked\r\n\r\nc350\r\n");
    client_send(&chunked, body, 50000);
    send_text(&chunked, "\r\n0\r\n\r\n");
    ck_assert(client_read(&chunked, 5000));
    ck_assert_int_eq(chunked.status, 503);
    ck_assert_uint_eq(fake_node_commands(node), 0);
    ck_assert_int_eq(client_ask(&other, "POST", MESSAGES, JSON, "{\"payload\":\"\"}"), 201);
    ck_assert_int_eq(client_ask(&other, "GET", "/livez", NULL, NULL), 200);
    /* What is given back can be taken again, by a client that leaves as well. */
    client_close(&holding);
    usleep(200000);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(client_ask(&other, "POST", MESSAGES, "Content-Type: text/plain\r\n", body),
                         201);
    ck_assert_int_eq(client_ask(&other, "GET", "/metrics", NULL, NULL), 200);
    ck_assert(client_has(&other, "\nlethe_http_inflight_bytes 0\n"));
    client_close(&other);
    client_close(&chunked);
    stop();
}
END_TEST

/* ---- orders at their own listener ---------------------------------------------------------------- */
START_TEST(orders_have_their_own_door)
{
    struct client client, admin;
    set_options();
    options.admin_listen = "127.0.0.1:0";
    start();
    ck_assert_str_ne(http_admin_address(http), "");
    ck_assert_str_ne(http_admin_address(http), http_address(http));
    client_open(&client, http_address(http));
    client_open(&admin, http_admin_address(http));
    ck_assert_int_eq(client_ask(&client, "POST", "/v1/admin/compact-log", JSON, "{}"), 403);
    ck_assert(client_has(&client, "'http.admin_listen' only"));
    ck_assert_int_eq(client_ask(&client, "GET", "/v1/admin/config", NULL, NULL), 403);
    ck_assert_int_eq(client_ask(&client, "POST", MESSAGES, JSON, "{\"payload\":\"\"}"), 201);
    ck_assert_int_eq(client_ask(&client, "GET", "/v1/cluster", NULL, NULL), 200);
    ck_assert_int_eq(client_ask(&client, "GET", "/livez", NULL, NULL), 200);
    ck_assert_int_eq(client_ask(&admin, "POST", "/v1/admin/compact-log", JSON, "{}"), 200);
    ck_assert_int_eq(client_ask(&admin, "GET", MESSAGES "/1", NULL, NULL), 200);
    ck_assert_int_eq(client_ask(&admin, "GET", "/livez", NULL, NULL), 200);
    client_close(&client);
    client_close(&admin);
    stop();
}
END_TEST

START_TEST(refuses_bad_options)
{
    struct why why = {0};
    set_options();
    node = fake_node_new();
    options.admin_listen = "nonsense";
    ck_assert_int_eq(http_start(&options, node, &http, &why), ERR_BAD_CONFIG);
    ck_assert_msg(strstr(why.text, "'http.admin_listen' is 'nonsense'") != NULL, "%s", why.text);
    options.admin_listen = "";
    options.max_inflight_bytes = options.max_body_bytes - 1;
    ck_assert_int_eq(http_start(&options, node, &http, &why), ERR_BAD_CONFIG);
    ck_assert_msg(strstr(why.text, "'http.max_inflight_bytes'") != NULL, "%s", why.text);
    fake_node_free(node);
}
END_TEST

Suite *suite_doors(void)
{
    return UNIT_SUITE("doors", 20, addresses, one_address_has_its_share, bodies_have_a_bound,
                      orders_have_their_own_door, refuses_bad_options);
}
