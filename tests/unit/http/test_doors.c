/* SPDX-License-Identifier: Apache-2.0 */
/* Who is let in: connections of one address, bytes in memory, and orders at their own listener. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "client.h"
#include "fake_node.h"
#include "http/crowd.h"
#include "http/http.h"
#include "suites.h"
#include "sys/clock.h"
#include "sys/thread.h"

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
    crowd_init(&crowd);
    ck_assert(crowd_enter(&crowd, key_of("10.0.0.1"), 2));
    ck_assert(crowd_enter(&crowd, key_of("10.0.0.1"), 2));
    ck_assert(!crowd_enter(&crowd, key_of("10.0.0.1"), 2));
    ck_assert(crowd_enter(&crowd, key_of("10.0.0.2"), 2));
    crowd_leave(&crowd, key_of("10.0.0.1"));
    ck_assert(crowd_enter(&crowd, key_of("10.0.0.1"), 2));
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

/* ---- options that change while it serves -------------------------------------------------------- */
static void tune(void)
{
    struct why why = {0};
    ck_assert_msg(http_tune(http, &options, &why) == OK, "%s", why.text);
}

START_TEST(bounds_of_requests_change)
{
    struct client client;
    static char body[5001];
    struct why why = {0};
    memset(body, 'a', sizeof(body) - 1);
    set_options();
    start();
    client_open(&client, http_address(http));
    ck_assert_int_eq(client_ask(&client, "POST", MESSAGES, "Content-Type: text/plain\r\n", body),
                     201);
    options.max_message_bytes = 1000;
    tune();
    ck_assert_int_eq(client_ask(&client, "POST", MESSAGES, "Content-Type: text/plain\r\n", body),
                     413);
    ck_assert(client_has(&client, "'max_message_bytes' 1000"));
    options.max_body_bytes = 2000;
    tune();
    ck_assert_int_eq(client_ask(&client, "POST", MESSAGES, "Content-Type: text/plain\r\n", body),
                     413);
    ck_assert(client_has(&client, "'http.max_body_bytes' 2000"));
    options.max_body_bytes = 100; /* out of range: nothing of it is taken over */
    options.max_connections = 1;
    ck_assert_int_eq(http_tune(http, &options, &why), ERR_BAD_CONFIG);
    ck_assert_msg(strstr(why.text, "'http.max_body_bytes' is 100") != NULL, "%s", why.text);
    http_options_init(&options);
    options.max_inflight_bytes = options.max_body_bytes;
    tune();
    ck_assert_int_eq(client_ask(&client, "POST", MESSAGES, "Content-Type: text/plain\r\n", body),
                     201);
    client_close(&client);
    stop();
}
END_TEST

/* Who is in stays in; who waits is let in when there is room. */
START_TEST(bounds_of_connections_change)
{
    struct client clients[4];
    set_options();
    start();
    for (int i = 0; i < 2; i++) {
        client_open(&clients[i], http_address(http));
        ck_assert_int_eq(client_ask(&clients[i], "GET", "/livez", NULL, NULL), 200);
    }
    options.max_connections_per_address = 2; /* those of before count */
    tune();
    client_open(&clients[2], http_address(http));
    ck_assert_int_eq(client_ask(&clients[2], "GET", "/livez", NULL, NULL), 0);
    client_close(&clients[2]);
    ck_assert_int_eq(client_ask(&clients[0], "GET", "/livez", NULL, NULL), 200);

    options.max_connections_per_address = 0;
    options.max_connections = 2;
    tune();
    client_open(&clients[2], http_address(http));
    send_text(&clients[2], "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert(!client_read(&clients[2], 300)); /* it waits */
    options.max_connections = 4;
    tune();
    ck_assert(client_read(&clients[2], 5000));
    ck_assert_int_eq(clients[2].status, 200);
    options.max_connections = 1; /* fewer than there are */
    tune();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(client_ask(&clients[i], "GET", "/livez", NULL, NULL), 200);
    for (int i = 0; i < 3; i++)
        client_close(&clients[i]);
    stop();
}
END_TEST

static void ask_all_the_time(void *arg)
{
    atomic_bool *must_end = arg;
    struct client *client = alloc_zero(sizeof(*client));
    client_open(client, http_address(http));
    while (!atomic_load(must_end)) {
        int status = client_ask(client, "POST", MESSAGES, JSON, "{\"payload\":\"\"}");
        assert(status == 201);
        status = client_ask(client, "GET", "/v1/admin/config", NULL, NULL);
        assert(status == 200);
        assert(client_has(client, "\"value\":\"first\"") !=
               client_has(client, "\"value\":\"second\""));
    }
    client_close(client);
    free(client);
}

/* For the thread sanitizer: everything changes under requests that come all the time. */
START_TEST(options_change_under_requests)
{
    struct http_config_value first = {.key = "a", .value = "first", .source = "default"};
    struct http_config_value second = {
        .key = "a", .value = "second", .source = "file", .after_restart = "third"};
    struct thread threads[2] = {{0}};
    atomic_bool must_end = false;
    set_options();
    options.config = &first;
    options.config_count = 1;
    start();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(thread_start(&threads[i], "asker", ask_all_the_time, &must_end), OK);
    for (uint32_t i = 0; i < 200; i++) {
        options.max_connections = 100 + i;
        options.max_connections_per_address = i % 2 == 0 ? 0 : 50;
        options.max_body_bytes = options.max_message_bytes = 10000 + i;
        options.max_inflight_bytes = 8ull * 1024 * 1024 + i;
        options.request_timeout_ms = 5000 + i;
        options.replica_lag_threshold = i;
        tune();
        http_show_config(http, i % 2 == 0 ? &second : &first, 1);
        usleep(1000);
    }
    atomic_store(&must_end, true);
    for (int i = 0; i < 2; i++)
        thread_join(&threads[i]);
    struct client client;
    http_show_config(http, &second, 1);
    client_open(&client, http_address(http));
    ck_assert_int_eq(client_ask(&client, "GET", "/v1/admin/config", NULL, NULL), 200);
    ck_assert(client_has(&client, "{\"key\":\"a\",\"value\":\"second\",\"source\":\"file\","
                                  "\"reloadable\":false,\"after_restart\":\"third\"}"));
    client_close(&client);
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
                      orders_have_their_own_door, refuses_bad_options, bounds_of_requests_change,
                      bounds_of_connections_change, options_change_under_requests);
}
